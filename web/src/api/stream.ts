// SPDX-License-Identifier: MIT
import { ApiError, type Client } from './client'
import { SseParser, type SseMessage } from './sse'

export type StreamState = 'connecting' | 'live' | 'waiting' | 'stopped'

export interface StreamOptions {
  client: Pick<Client, 'open'>
  topics: readonly string[]
  onMessage: (message: SseMessage) => void
  onState: (state: StreamState) => void
  /** Wait before the n-th try in a row (from 1), for the tests. */
  delayMs?: (attempt: number) => number
}

const MAX_DELAY_MS = 15_000

function backoffMs(attempt: number): number {
  return Math.min(MAX_DELAY_MS, 500 * 2 ** Math.min(attempt, 10))
}

/**
 * Keeps one event stream open until the signal says stop: reconnects after
 * every end, and asks for what it missed by Last-Event-ID.
 */
export async function runStream(
  options: StreamOptions,
  signal: AbortSignal,
): Promise<void> {
  const delay = options.delayMs ?? backoffMs
  let lastId: string | undefined
  let attempt = 0
  while (!signal.aborted) {
    options.onState('connecting')
    try {
      const parser = new SseParser()
      parser.lastId = lastId
      await readOnce(options, parser, signal, () => {
        attempt = 0
        lastId = parser.lastId
      })
    } catch (error) {
      // 429: as many streams or requests as this address may; later again.
      if (
        error instanceof ApiError &&
        error.status < 500 &&
        error.status !== 429
      ) {
        options.onState('stopped')
        return
      }
    }
    attempt++
    // Aborted while reading: the loop's condition does not see it narrowed.
    if (isAborted(signal)) break
    options.onState('waiting')
    await sleep(delay(attempt), signal)
  }
  options.onState('stopped')
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

async function readOnce(
  { client, topics, onMessage, onState }: StreamOptions,
  parser: SseParser,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const headers: Record<string, string> = { Accept: 'text/event-stream' }
  if (parser.lastId !== undefined) headers['Last-Event-ID'] = parser.lastId
  const response = await client.open(
    `events?topics=${encodeURIComponent(topics.join(','))}`,
    { headers, signal },
  )
  if (!response.body) throw new Error('no body')
  onState('live')
  onProgress()
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const messages = parser.push(decoder.decode(value, { stream: true }))
      for (const message of messages) onMessage(message)
      onProgress()
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done() {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
  })
}
