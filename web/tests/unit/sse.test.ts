// SPDX-License-Identifier: MIT
import { describe, expect, it } from 'vitest'
import { MAX_MESSAGE, SseParser, type SseMessage } from '../../src/api/sse'

const STREAM =
  '\ufeffretry: 1000\r\n\r\n: a comment\nid: 7\nevent: service\n' +
  'data: {"a":1}\n\ndata\ndata:  two\r\rid: 8\nevent: gone\n\n' +
  'data: three\nother: x\n\n'

const EXPECTED: SseMessage[] = [
  { event: 'service', data: '{"a":1}', id: '7' },
  { event: 'message', data: '\n two', id: '7' },
  { event: 'message', data: 'three', id: '8' },
]

function parse(pieces: string[]) {
  const parser = new SseParser()
  return { parser, messages: pieces.flatMap((piece) => parser.push(piece)) }
}

describe('SseParser', () => {
  it('reads all fields and line ends', () => {
    const { parser, messages } = parse([STREAM])
    expect(messages).toEqual(EXPECTED)
    expect(parser.retryMs).toBe(1000)
    expect(parser.lastId).toBe('8')
  })

  it('reads the same whatever the cut', () => {
    for (let size = 1; size < 9; size++) {
      const pieces: string[] = []
      for (let at = 0; at < STREAM.length; at += size) {
        pieces.push(STREAM.slice(at, at + size))
      }
      expect(parse(pieces).messages, `pieces of ${size}`).toEqual(EXPECTED)
    }
  })

  it('keeps back what has not ended', () => {
    expect(parse(['data: half\n']).messages).toEqual([])
  })

  it('takes no id with a NUL and no retry that is not a number', () => {
    const { parser } = parse(['id: 1\n\nid: 2\0\nretry: soon\n\n'])
    expect(parser.lastId).toBe('1')
    expect(parser.retryMs).toBeUndefined()
  })

  it('stops at what is too long', () => {
    const long = 'x'.repeat(MAX_MESSAGE + 1)
    expect(() => new SseParser().push(`data: ${long}`)).toThrow(/too long/)
    const parser = new SseParser()
    const line = `data: ${'y'.repeat(MAX_MESSAGE / 2)}\n`
    parser.push(line)
    expect(() => parser.push(line)).toThrow(/too long/)
  })
})
