// SPDX-License-Identifier: MIT
type Value = string | number | boolean | undefined

/** "?a=1&b=x", leaving out what is not set; "" when nothing is. */
export function buildQuery(params: object): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(params) as [string, Value][]) {
    if (value !== undefined && value !== '') query.set(key, String(value))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

/** The object without its undefined and empty members. */
export function compact<T extends object>(value: {
  [K in keyof T]: T[K] | undefined | ''
}): T {
  return Object.fromEntries(
    Object.entries(value).filter(([, v]) => v !== undefined && v !== ''),
  ) as T
}
