// SPDX-License-Identifier: MIT
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fill, pickLanguage, translator } from '../../src/i18n'
import { daemonText } from '../../src/i18n/daemon'
import { zhTexts } from '../../src/i18n/daemon.zh'
import { en } from '../../src/i18n/en'
import { zh } from '../../src/i18n/zh'

const namesIn = (text: string) =>
  [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort()

const SOURCES = join(import.meta.dirname, '../../src')
const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name) && !name.startsWith('i18n/'))
  .map((name) => ({ name, text: readFileSync(join(SOURCES, name), 'utf8') }))

describe('catalogues', () => {
  it('have the same keys', () => {
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort())
  })

  it('have the same parameters in each text', () => {
    for (const [key, text] of Object.entries(en)) {
      expect(namesIn(zh[key as keyof typeof zh]), key).toEqual(namesIn(text))
    }
  })

  it('have no empty and no untrimmed text', () => {
    for (const [key, text] of [...Object.entries(en), ...Object.entries(zh)]) {
      if (key === 'common.colon') continue
      expect(text, key).not.toBe('')
      expect(text.trim(), key).toBe(text)
    }
  })

  it('use full-width punctuation between Chinese characters', () => {
    for (const [key, text] of Object.entries(zh)) {
      expect(text, key).not.toMatch(/[\u4e00-\u9fff][,;:?!]/)
    }
  })

  it('are used: every key occurs in the sources', () => {
    const all = sources.map((source) => source.text).join('\n')
    const unused = Object.keys(en).filter((key) => {
      const family = key.slice(0, key.lastIndexOf('.') + 1)
      const quoted = [`'${key}'`, `\`${family}$`, `\`${family.slice(0, -1)}.$`]
      return !quoted.some((text) => all.includes(text))
    })
    expect(unused).toEqual([])
  })

  it('hold every text: no words stand in the pages themselves', () => {
    // Between tags, letters without braces would be shown untranslated.
    const bare = />\s*([A-Z][a-z]+(?: [a-z]+)+)\s*</
    for (const { name, text } of sources) {
      expect(bare.exec(text)?.[1], name).toBeUndefined()
    }
  })
})

describe('translator', () => {
  it('fills in parameters', () => {
    expect(translator('en')('common.shown', { shown: 3, total: 9 })).toBe(
      '3 of 9',
    )
    expect(translator('zh')('common.shown', { shown: 3, total: 9 })).toBe(
      '3 / 9',
    )
  })

  it('leaves a parameter that did not come', () => {
    expect(fill('{a} and {b}', { a: 1 })).toBe('1 and {b}')
  })
})

describe('pickLanguage', () => {
  it.each([
    [null, ['zh-TW', 'en'], 'zh'],
    [null, ['fr-FR', 'zh-CN'], 'zh'],
    [null, ['fr-FR'], 'en'],
    [null, [], 'en'],
    ['en', ['zh-CN'], 'en'],
    ['nonsense', ['zh-CN'], 'zh'],
    ['constructor', [], 'en'],
  ])('stored %s, preferred %j: %s', (stored, preferred, language) => {
    expect(pickLanguage(stored, preferred)).toBe(language)
  })
})

describe('daemon texts', () => {
  it('are English as the daemon says them', () => {
    expect(daemonText('en', 'event', 'any.id', 'As it came.')).toBe(
      'As it came.',
    )
  })

  it('fall back to English for an unknown id', () => {
    expect(daemonText('zh', 'event', 'no.such.id', 'As it came.')).toBe(
      'As it came.',
    )
  })

  it('translate an id with its parameters', () => {
    const text = daemonText('zh', 'loss', 'bus_gap.tracer.event', 'gap')
    expect(text).toContain('tracer.event')
    expect(text).toMatch(/[\u4e00-\u9fff]/)
  })

  it('show English rather than a text with a hole', () => {
    const [id] =
      Object.entries(zhTexts.event).find(([, text]) => text.includes('{')) ?? []
    expect(id).toBeDefined()
    expect(daemonText('zh', 'event', id, 'English', [])).toBe('English')
  })
})
