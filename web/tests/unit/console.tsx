// SPDX-License-Identifier: MIT
// The console with an API that answers from fixtures.
import { render } from '@testing-library/react'
import { beforeEach, vi } from 'vitest'
import type { LoginRequest } from '../../src/api/types'
import { App } from '../../src/app'
import * as fixtures from '../mock/fixtures'

type Answer = [status: number, body: unknown] | 'offline'
type Handler = (url: URL, init: RequestInit) => Answer

const handlers = new Map<string, Handler>()
export const calls: { method: string; url: URL; body: unknown }[] = []
/** What the cookie would say, which no script sees. */
let hasCookie = false
export const isLoggedIn = () => hasCookie

/** "GET /flows" → its answer; the rest is 404. */
export function on(route: string, handler: Handler) {
  handlers.set(route, handler)
}

function respond(input: string, init: RequestInit = {}) {
  const url = new URL(input, 'http://console')
  const method = init.method ?? 'GET'
  const path = url.pathname.replace('/api/v1', '')
  const body: unknown =
    typeof init.body === 'string' ? JSON.parse(init.body) : undefined
  calls.push({ method, url, body })
  if (path === '/events') return new Promise<Response>(() => undefined)
  if (method === 'POST' && path === '/session') {
    hasCookie = (body as LoginRequest).token === fixtures.TOKEN
  }
  if (!hasCookie) {
    return Promise.resolve(answer(401, { detail: 'Wrong token.' }))
  }
  const found = handlers.get(`${method} ${path}`)
  const result = found?.(url, init) ?? [404, { detail: `No ${path}.` }]
  return result === 'offline'
    ? Promise.reject(new TypeError('Failed to fetch'))
    : Promise.resolve(answer(...result))
}

function answer(status: number, body: unknown): Response {
  const type = status < 400 ? 'application/json' : 'application/problem+json'
  return new Response(status === 204 ? null : JSON.stringify(body), {
    status,
    headers: { 'Content-Type': type },
  })
}

/** Whatever a script could read back. */
export const keptTexts = () =>
  [localStorage, sessionStorage]
    .flatMap((kept) => Object.keys(kept).map((key) => kept.getItem(key)))
    .concat(document.cookie)
    .join(' ')

export function open(
  path: string,
  { token = fixtures.TOKEN, language = 'en' } = {},
) {
  localStorage.setItem('packetscope.language', language)
  hasCookie = token !== ''
  window.history.replaceState(null, '', path)
  return render(<App />)
}

beforeEach(() => {
  handlers.clear()
  calls.length = 0
  vi.stubGlobal('fetch', respond)
  on('GET /session', () => [200, fixtures.session])
  on('POST /session', () => [200, fixtures.session])
  on('DELETE /session', () => {
    hasCookie = false
    return [204, undefined]
  })
  on('GET /services', () => [200, fixtures.services()])
  on('GET /flows', (url) => [200, fixtures.flows(url.searchParams)])
  on('GET /rules', () => [
    200,
    { rules: fixtures.rules, total: 3, generation: 7 },
  ])
  on('GET /stats', () => [200, fixtures.stats()])
  on('GET /tokens', () => [200, fixtures.tokens()])
  on('GET /audit', () => [200, fixtures.audit()])
})
