// SPDX-License-Identifier: MIT

/** Of base64, as the API gives bytes; undefined where it is none. */
export function decodeBytes(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
  } catch {
    return undefined
  }
}

const hex = (value: number, digits: number) =>
  value.toString(16).padStart(digits, '0')

/** "0000  45 00 00 3c …  E..<" */
export function hexDump(bytes: Uint8Array, perLine = 16): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += perLine) {
    const part = [...bytes.subarray(at, at + perLine)]
    const codes = part.map((b) => hex(b, 2)).join(' ')
    const letters = part
      .map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.'))
      .join('')
    lines.push(`${hex(at, 4)}  ${codes.padEnd(perLine * 3 - 1)}  ${letters}`)
  }
  return lines.join('\n')
}
