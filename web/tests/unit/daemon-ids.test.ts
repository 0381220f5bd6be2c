// SPDX-License-Identifier: MIT
// Every id that the daemons' sources say has a name in both languages.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isKey } from '../../src/i18n'
import { daemonText, type TextKind } from '../../src/i18n/daemon'
import { enTexts } from '../../src/i18n/daemon.en'
import { zhTexts } from '../../src/i18n/daemon.zh'

const ROOT = join(import.meta.dirname, '../../..')
const DAEMONS = ['tracer', 'analyzer', 'guarder', 'locator', 'gateway']
const code = [...DAEMONS, 'common']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.c'))
      .map((name) => readFileSync(join(ROOT, folder, name), 'utf8')),
  )
  .join('\n')
  .replace(/\/\*[^]*?\*\//g, '')

/** The arguments of each call of a function, as they are written. */
function callsOf(name: string): string[][] {
  return [...code.matchAll(new RegExp(`\\b${name}\\(`, 'g'))].map((match) => {
    const args = ['']
    let depth = 1
    let isText = false
    for (let at = match.index + match[0].length; depth > 0; at++) {
      const c = code[at]
      if (c === undefined) break
      if (c === '"' && code[at - 1] !== '\\') isText = !isText
      else if (!isText && '([{'.includes(c)) depth++
      else if (!isText && ')]}'.includes(c)) depth--
      if (c === ',' && depth === 1 && !isText) args.push('')
      else if (depth > 0) args.push(`${args.pop() ?? ''}${c}`)
    }
    return args.map((arg) => arg.trim())
  })
}

/** What stands between the braces of each array of that name. */
function tablesOf(name: string): string[] {
  const start = new RegExp(
    `\\b${name}\\[[^\\]]*\\] = \\{([^]*?)\\n\\s*\\};`,
    'g',
  )
  return [...code.matchAll(start)].map((match) => match[1] ?? '')
}

/** The first texts of each of a table's lines: id and, for losses, unit. */
const linesOf = (name: string) =>
  tablesOf(name).flatMap((table) =>
    [...table.matchAll(/\{\s*"([^"]+)"(?:,\s*"([^"]+)")?/g)].map(
      ([, id = '', unit]) => ({ id, unit }),
    ),
  )

const textsIn = (argument: string) =>
  [...argument.matchAll(/"([^"]+)"/g)].map((match) => match[1] ?? '')

// Ids made of a prefix and a name; `bus_gap.%s` is "bus_gap.*" here.
const made = callsOf('snprintf')
  .filter(([to]) => to === 'id')
  .flatMap((args) => textsIn(args[2] ?? ''))
  .filter((text) => text.endsWith('.%s'))
  .map((text) => text.replace('%s', 'a-name'))
const isCapability = (id: string) => DAEMONS.includes(id.split('.')[0] ?? '')

/** Literal ids, and the expressions that are not literal. */
function idsOf(name: string, at: number) {
  const args = callsOf(name).map((call) => call[at] ?? '')
  return {
    literal: args.flatMap(textsIn),
    other: args.filter(
      // A declaration or a definition names its parameter's type.
      (arg) => textsIn(arg).length === 0 && !arg.startsWith('const '),
    ),
  }
}

/** The functions that say a loss, and which argument is its id. */
const LOSS_CALLS = { ps_loss: 1, ps_losses_add: 2 }
const losses = Object.entries(LOSS_CALLS).map(([name, at]) => idsOf(name, at))
const capabilities = ['ps_capability', 'tell_group'].map((name) =>
  idsOf(name, 1),
)
const events = [idsOf('ps_event', 2), idsOf('ps_guarder_report_rule', 1)]
const lossLines = ['losses', 'lost', 'kernel'].flatMap(linesOf)

const said: Record<'loss' | 'capability' | 'event', string[]> = {
  loss: [
    ...losses.flatMap((found) => found.literal),
    ...lossLines.map((line) => line.id),
    ...made.filter((id) => !isCapability(id)),
  ],
  capability: [
    ...capabilities.flatMap((found) => found.literal),
    ...['hooks', 'databases'].flatMap(linesOf).map((line) => line.id),
    ...made.filter(isCapability),
  ],
  event: [
    ...events.flatMap((found) => found.literal),
    ...linesOf('change_events').map((line) => line.id),
  ],
}

function missing(kind: TextKind, ids: string[], language: 'en' | 'zh') {
  const texts: Readonly<Record<string, string>> =
    language === 'zh'
      ? zhTexts[kind]
      : ((enTexts as Partial<typeof zhTexts>)[kind] ?? {})
  return [...new Set(ids)].filter((id) => {
    // An event's parameters come with it; its text is enough here.
    if (kind === 'event') return !(id in texts)
    return daemonText(language, kind, id, '') === ''
  })
}

describe('ids in the daemons’ sources', () => {
  it('are found at all', () => {
    expect(said.loss).toEqual(
      expect.arrayContaining([
        'ring_full',
        'packet_limit',
        'join_no_packet',
        'flow_map_full',
        'owners_cut',
        'history_full',
        'way_cut',
        'rules_full',
        'links_full',
        'publish_failed',
        'bus_gap.a-name',
      ]),
    )
    expect(said.capability).toEqual(
      expect.arrayContaining([
        'tracer.drops',
        'tracer.station.a-name',
        'analyzer.flows_rx',
        'guarder.xdp',
        'locator.icmp6',
        'locator.asn',
        'gateway.http',
      ]),
    )
    expect(said.event).toEqual(
      expect.arrayContaining([
        'tracer.trace_done',
        'analyzer.map_full',
        'guarder.rule_added',
        'guarder.foreign_xdp',
        'locator.path_done',
      ]),
    )
  })

  it('are literal, or of a table that is read here', () => {
    const others = [...losses, ...capabilities, ...events].flatMap(
      (found) => found.other,
    )
    expect([...new Set(others)].sort()).toEqual([
      'databases[i].capability',
      'e->id',
      'hooks[i].id',
      'id',
      'kernel[i].id',
      'losses[i].id',
      'lost[i].id',
    ])
  })

  it.each(['en', 'zh'] as const)('have a name: %s', (language) => {
    expect(missing('loss', said.loss, language)).toEqual([])
    expect(missing('capability', said.capability, language)).toEqual([])
    const units = [
      ...Object.entries(LOSS_CALLS).flatMap(([name, at]) =>
        callsOf(name).flatMap((call) => textsIn(call[at + 1] ?? '')),
      ),
      ...linesOf('losses').map((line) => line.unit ?? ''),
    ]
    expect(units.length).toBeGreaterThan(20)
    expect(missing('unit', units, language)).toEqual([])
  })

  it('have a sentence in Chinese; in English the daemon says it', () => {
    expect(missing('event', said.event, 'zh')).toEqual([])
  })

  it('of advice have a sentence in Chinese, and nothing else has', () => {
    const ids = ['advice_sock', 'advice_net'].flatMap((name) =>
      [
        ...readFileSync(join(ROOT, `tracer/${name}.c`), 'utf8').matchAll(
          /\{(?:NULL|"\w+"), (?:NULL|"\w+"),\s+(?:NULL|"\w+"), "(\w+)",/g,
        ),
      ].map(([, id = '']) => id),
    )
    expect(ids.length).toBeGreaterThanOrEqual(40)
    expect(new Set(ids).size).toBe(ids.length)
    expect(Object.keys(zhTexts.advice).sort()).toEqual([...ids].sort())
  })

  it('of special-purpose addresses have a name', () => {
    const source = readFileSync(join(ROOT, 'locator/special.c'), 'utf8')
    const ids = [...source.matchAll(/\}, \d+, "(\w+)"\}/g)].map(([, id]) => id)
    expect(ids.length).toBeGreaterThan(20)
    expect(ids.filter((id) => !isKey(`special.${id}`))).toEqual([])
  })

  it('are all that has a name', () => {
    for (const kind of ['loss', 'capability', 'event'] as const) {
      const known = new Set(said[kind].map((id) => id.replace('a-name', '*')))
      const stale = Object.keys(zhTexts[kind]).filter((id) => !known.has(id))
      expect(stale, kind).toEqual([])
    }
  })
})
