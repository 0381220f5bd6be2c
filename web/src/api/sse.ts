// SPDX-License-Identifier: MIT
// Server-sent events read by hand: EventSource cannot say why it ended.

export interface SseMessage {
  event: string
  data: string
  id: string | undefined
}

/** More in one line or message than this, and the stream is not ours. */
export const MAX_MESSAGE = 4 * 1024 * 1024

/**
 * Fed with pieces of a stream in any cut, gives its messages (WHATWG HTML,
 * "server-sent events"). `lastId` is what to send as Last-Event-ID.
 */
export class SseParser {
  lastId: string | undefined
  retryMs: number | undefined
  #rest = ''
  #event = ''
  #data: string[] = []
  #size = 0
  #sawCr = false
  #first = true

  push(chunk: string): SseMessage[] {
    let text = chunk
    if (this.#first && text !== '') {
      this.#first = false
      if (text.startsWith('\ufeff')) text = text.slice(1)
    }
    // A CR that ended the last piece may be half of a CR LF.
    if (this.#sawCr && text.startsWith('\n')) text = text.slice(1)
    if (text !== '') this.#sawCr = text.endsWith('\r')
    const lines = (this.#rest + text).split(/\r\n|\n|\r/)
    this.#rest = lines.pop() ?? ''
    if (this.#rest.length > MAX_MESSAGE) throw new Error('line too long')
    const messages: SseMessage[] = []
    for (const line of lines) {
      const message = this.#line(line)
      if (message) messages.push(message)
    }
    return messages
  }

  #line(line: string): SseMessage | undefined {
    if (line === '') return this.#dispatch()
    if (line.startsWith(':')) return undefined
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#event = value
    else if (field === 'data') this.#addData(value)
    else if (field === 'id' && !value.includes('\0')) this.lastId = value
    else if (field === 'retry' && /^\d+$/.test(value)) {
      this.retryMs = Number(value)
    }
    return undefined
  }

  #addData(value: string) {
    this.#size += value.length + 1
    if (this.#size > MAX_MESSAGE) throw new Error('message too long')
    this.#data.push(value)
  }

  #dispatch(): SseMessage | undefined {
    const data = this.#data
    const event = this.#event || 'message'
    this.#data = []
    this.#event = ''
    this.#size = 0
    if (data.length === 0) return undefined
    return { event, data: data.join('\n'), id: this.lastId }
  }
}
