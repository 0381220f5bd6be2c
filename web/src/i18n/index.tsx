// SPDX-License-Identifier: MIT
import {
  createContext,
  useContext,
  useEffect,
  useMemo,
  useState,
  type ReactNode,
} from 'react'
import { en, type Key } from './en'
import { zh } from './zh'

export type { Key }

export const LANGUAGES = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof LANGUAGES

const CATALOGUES: Record<Language, Record<Key, string>> = { en, zh }
const LOCALES: Record<Language, string> = { en: 'en-GB', zh: 'zh-CN' }
const STORED = 'packetscope.language'

type Names<S extends string> = S extends `${string}{${infer N}}${infer Rest}`
  ? N | Names<Rest>
  : never
type Args<K extends Key> = [Names<(typeof en)[K]>] extends [never]
  ? []
  : [params: Record<Names<(typeof en)[K]>, string | number>]

export type Translate = <K extends Key>(key: K, ...args: Args<K>) => string

export function fill(
  text: string,
  params: Readonly<Record<string, string | number>> = {},
): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) =>
    String(params[name] ?? whole),
  )
}

export function translator(language: Language): Translate {
  return (key, ...args) => fill(CATALOGUES[language][key], args[0])
}

export function isKey(text: string): text is Key {
  return Object.hasOwn(en, text)
}

/** The first of the browser's languages that there is a catalogue for. */
export function pickLanguage(
  stored: string | null,
  preferred: readonly string[],
): Language {
  for (const tag of [stored ?? '', ...preferred]) {
    const base = tag.toLowerCase().split('-')[0] ?? ''
    if (Object.hasOwn(LANGUAGES, base)) return base as Language
  }
  return 'en'
}

export interface I18n {
  language: Language
  locale: string
  t: Translate
  setLanguage: (language: Language) => void
}

const Context = createContext<I18n | undefined>(undefined)

export function I18nProvider({
  children,
  initial,
}: {
  children: ReactNode
  initial?: Language
}) {
  const [language, setLanguage] = useState<Language>(
    () =>
      initial ??
      pickLanguage(localStorage.getItem(STORED), navigator.languages),
  )
  useEffect(() => {
    document.documentElement.lang = LOCALES[language]
  }, [language])
  const value = useMemo<I18n>(
    () => ({
      language,
      locale: LOCALES[language],
      t: translator(language),
      setLanguage: (next) => {
        localStorage.setItem(STORED, next)
        setLanguage(next)
      },
    }),
    [language],
  )
  return <Context value={value}>{children}</Context>
}

export function useI18n(): I18n {
  const value = useContext(Context)
  if (!value) throw new Error('no I18nProvider')
  return value
}
