// SPDX-License-Identifier: MIT
// What daemons say, by stable id. English comes from the daemon itself; where
// an id is not known here, its English sentence is shown.
import type { Param } from '../api/types'
import { fill, type Language } from './index'
import { enTexts } from './daemon.en'
import { zhTexts } from './daemon.zh'

export type TextKind =
  'capability' | 'without' | 'event' | 'problem' | 'loss' | 'unit' | 'advice'
export type Texts = Record<TextKind, Readonly<Record<string, string>>>

const TEXTS: Record<Language, Partial<Texts>> = { en: enTexts, zh: zhTexts }

/** Ids that end in a name of the moment: "bus_gap.tracer.event". */
function lookUp(
  texts: Readonly<Record<string, string>>,
  id: string,
): [string, Record<string, string>] | undefined {
  const exact = texts[id]
  if (exact !== undefined) return [exact, {}]
  for (
    let dot = id.lastIndexOf('.');
    dot > 0;
    dot = id.lastIndexOf('.', dot - 1)
  ) {
    const open = texts[`${id.slice(0, dot)}.*`]
    if (open !== undefined) return [open, { rest: id.slice(dot + 1) }]
  }
  return undefined
}

export function daemonText(
  language: Language,
  kind: TextKind,
  id: string | undefined,
  english: string,
  params: readonly Param[] = [],
): string {
  const texts = TEXTS[language][kind]
  const found = texts && id !== undefined ? lookUp(texts, id) : undefined
  if (!found) return english
  const [text, rest] = found
  const values = {
    ...rest,
    ...Object.fromEntries(params.map((p) => [p.name, p.value])),
  }
  const filled = fill(text, values)
  // A parameter that did not come: half a sentence is worse than English.
  return /\{\w+\}/.test(filled) ? english : filled
}

/** "ring_full" as words, where there is no text for it. */
export function idWords(id: string): string {
  return id.replaceAll('_', ' ')
}
