// SPDX-License-Identifier: MIT
// Enough of addresses to tell a typing error before asking the gateway.

const V4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/

export function isIp(text: string): boolean {
  return V4.test(text) || isV6(text)
}

function isV6(text: string): boolean {
  if (!/^[0-9a-f:.]+$/i.test(text) || !text.includes(':')) return false
  const halves = text.split('::')
  if (halves.length > 2) return false
  let groups = 0
  for (const [index, half] of halves.entries()) {
    if (half === '') continue
    const parts = half.split(':')
    for (const [place, part] of parts.entries()) {
      const isLast = index === halves.length - 1 && place === parts.length - 1
      if (isLast && V4.test(part)) groups += 2
      else if (/^[0-9a-f]{1,4}$/i.test(part)) groups += 1
      else return false
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8
}

export function familyOf(text: string): 4 | 6 | undefined {
  if (text === '4') return 4
  return text === '6' ? 6 : undefined
}

export function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535
}
