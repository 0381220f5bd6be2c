// SPDX-License-Identifier: MIT
import { describe, expect, it, vi } from 'vitest'
import {
  ApiError,
  OfflineError,
  type RequestOptions,
} from '../../src/api/client'
import type { SseMessage } from '../../src/api/sse'
import { runStream, type StreamState } from '../../src/api/stream'

const body = (text: string) => new Response(text)

/** Answers in turn; then the test is over. */
function run(answers: (() => Response)[]) {
  const stop = new AbortController()
  const messages: SseMessage[] = []
  const states: StreamState[] = []
  const open = vi.fn((path: string, options: RequestOptions = {}) => {
    const answer = answers.shift()
    if (!answer) {
      stop.abort()
      return Promise.reject(new OfflineError('over'))
    }
    return Promise.resolve(`${path}${options.method ?? ''}`).then(answer)
  })
  const done = runStream(
    {
      client: { open },
      topics: ['event', 'service'],
      onMessage: (message) => messages.push(message),
      onState: (state) => states.push(state),
      delayMs: () => 0,
    },
    stop.signal,
  )
  return { done, messages, states, open }
}

describe('runStream', () => {
  it('asks for its topics and gives the messages', async () => {
    const { done, messages, open, states } = run([
      () => body('id: 4\nevent: event\ndata: {}\n\n'),
    ])
    await done
    expect(messages).toEqual([{ event: 'event', data: '{}', id: '4' }])
    expect(open.mock.calls[0]?.[0]).toBe('events?topics=event%2Cservice')
    expect(states.slice(0, 3)).toEqual(['connecting', 'live', 'waiting'])
    expect(states.at(-1)).toBe('stopped')
  })

  it('comes back with Last-Event-ID, and only then', async () => {
    const { done, open } = run([
      () => body('id: 41\ndata: a\n\nid: 42\ndata: b\n\n'),
      () => body('data: c\n\n'),
    ])
    await done
    const ids = open.mock.calls.map(
      ([, options]) => options?.headers?.['Last-Event-ID'],
    )
    expect(ids).toEqual([undefined, '42', '42'])
  })

  it('comes back after an error of the network', async () => {
    const { done, messages } = run([
      () => {
        throw new OfflineError('refused')
      },
      () => body('data: x\n\n'),
    ])
    await done
    expect(messages).toHaveLength(1)
  })

  it('waits while there are too many', async () => {
    const { done, messages } = run([
      () => {
        throw new ApiError(429, {})
      },
      () => body('data: x\n\n'),
    ])
    await done
    expect(messages).toHaveLength(1)
  })

  it('stops when the gateway refuses it', async () => {
    const { done, open, states } = run([
      () => {
        throw new ApiError(401, {})
      },
      () => body(''),
    ])
    await done
    expect(open).toHaveBeenCalledTimes(1)
    expect(states.at(-1)).toBe('stopped')
  })
})
