// SPDX-License-Identifier: MIT
// Two states of a thing as the fields that differ.

export interface Difference {
  /** "rules[r000001].enabled" */
  path: string
  /** Undefined: it was, or is, not there. */
  before: string | undefined
  after: string | undefined
}

/** Entries of a list are told apart by their id, where they have one. */
function nameOf(value: unknown, index: number): string {
  if (typeof value === 'object' && value !== null && 'id' in value) {
    const { id } = value
    if (typeof id === 'string' || typeof id === 'number') return `[${id}]`
  }
  return `[${index}]`
}

function children(value: unknown, path: string): [string, unknown][] {
  if (Array.isArray(value)) {
    return value.map((item: unknown, i) => [`${path}${nameOf(item, i)}`, item])
  }
  return Object.entries(value as object).map(([name, item]) => [
    path === '' ? name : `${path}.${name}`,
    item,
  ])
}

/** Each field by its path; a list of plain values is one. */
export function flatten(
  value: unknown,
  path = '',
  into = new Map<string, string>(),
): Map<string, string> {
  if (value === undefined) return into
  const isPlainList =
    Array.isArray(value) &&
    value.every((item) => typeof item !== 'object' || item === null)
  if (typeof value !== 'object' || value === null || isPlainList) {
    into.set(path, text(value))
    return into
  }
  for (const [name, item] of children(value, path)) flatten(item, name, into)
  return into
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) {
    return value.length === 0 ? '[]' : value.map(text).join(', ')
  }
  return JSON.stringify(value)
}

/** What differs, in the order of the fields; what is the same is left out. */
export function diff(before: unknown, after: unknown): Difference[] {
  const old = flatten(before)
  const now = flatten(after)
  const paths = new Set([...old.keys(), ...now.keys()])
  return [...paths]
    .map((path) => ({ path, before: old.get(path), after: now.get(path) }))
    .filter((line) => line.before !== line.after)
}
