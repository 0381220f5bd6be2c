// SPDX-License-Identifier: MIT
import { describe, expect, it, vi } from 'vitest'
import { ApiError, Client, OfflineError } from '../../src/api/client'
import { buildQuery, compact } from '../../src/api/query'

function make(response: Response | Error) {
  const fetch = vi.fn<typeof globalThis.fetch>(() =>
    response instanceof Error
      ? Promise.reject(response)
      : Promise.resolve(response),
  )
  const onReach = vi.fn()
  const onUnauthorized = vi.fn()
  const client = new Client({
    fetch,
    onReach,
    onUnauthorized,
  })
  const headers = () =>
    fetch.mock.calls[0]?.[1]?.headers as Record<string, string>
  return { client, fetch, onReach, onUnauthorized, headers }
}

const json = (body: unknown, status = 200, type = 'application/json') =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': type },
  })

describe('Client', () => {
  it('sends the login’s cookie to its own gateway, and no token', async () => {
    const { client, fetch, headers } = make(json({ a: 1 }))
    expect(await client.get('flows')).toEqual({ a: 1 })
    expect(headers()).not.toHaveProperty('Authorization')
    expect(fetch.mock.calls[0]?.[0]).toBe('/api/v1/flows')
    expect(fetch.mock.calls[0]?.[1]?.credentials).toBe('same-origin')
  })

  it('gives each change its own key', async () => {
    const one = make(json({}))
    await one.client.request('rules', { method: 'POST', body: {} })
    const two = make(json({}))
    await two.client.request('rules', { method: 'POST', body: {} })
    const key = one.headers()['Idempotency-Key']
    expect(key).toMatch(/^[0-9a-f]{32}$/)
    expect(two.headers()['Idempotency-Key']).not.toBe(key)
    expect(one.headers()['Content-Type']).toBe('application/json')
  })

  it('remembers how old a shared answer was', async () => {
    const shared = json({ a: 1 })
    shared.headers.set('Packetscope-Age-Ms', '420')
    const { client } = make(shared)
    await client.get('flows?limit=5')
    expect(client.ageOf('flows?limit=5')).toBe(420)
    expect(client.ageOf('flows')).toBe(0)
  })

  it('understands an answer without a body', async () => {
    const { client } = make(new Response(null, { status: 204 }))
    expect(await client.request('rules/1', { method: 'DELETE' })).toBe(
      undefined,
    )
  })

  it('throws what a problem says', async () => {
    const problem = { id: 'rule.bad', detail: 'Bad.', field: 'rule.sport' }
    const { client, onReach } = make(
      json(problem, 400, 'application/problem+json'),
    )
    const error: unknown = await client.get('rules').catch((e: unknown) => e)
    expect(error).toBeInstanceOf(ApiError)
    expect((error as ApiError).status).toBe(400)
    expect((error as ApiError).problem).toEqual(problem)
    expect((error as ApiError).message).toBe('Bad.')
    expect(onReach).toHaveBeenLastCalledWith(true)
  })

  it.each(['not json', '"text"', '', '[1'])(
    'survives a broken problem: %j',
    async (text) => {
      const { client } = make(
        new Response(text, {
          status: 500,
          headers: { 'Content-Type': 'application/problem+json' },
        }),
      )
      await expect(client.get('x')).rejects.toMatchObject({ status: 500 })
    },
  )

  it('tells of a login that has ended', async () => {
    const { client, onUnauthorized } = make(json({}, 401))
    await expect(client.get('x')).rejects.toBeInstanceOf(ApiError)
    expect(onUnauthorized).toHaveBeenCalledTimes(1)
  })

  it('takes the answer to "who am I?" for no end of a login', async () => {
    const { client, onUnauthorized } = make(json({}, 401))
    await expect(client.get('session')).rejects.toBeInstanceOf(ApiError)
    expect(onUnauthorized).not.toHaveBeenCalled()
  })

  it('tells that nobody answers', async () => {
    const { client, onReach } = make(new TypeError('Failed to fetch'))
    await expect(client.get('x')).rejects.toBeInstanceOf(OfflineError)
    expect(onReach).toHaveBeenLastCalledWith(false)
  })

  it('takes the answer of a proxy for nobody', async () => {
    const { client, onReach } = make(new Response('bad', { status: 502 }))
    await expect(client.get('x')).rejects.toBeInstanceOf(OfflineError)
    expect(onReach).toHaveBeenLastCalledWith(false)
  })

  it('does not call an aborted request a lost gateway', async () => {
    const stop = new AbortController()
    stop.abort()
    const { client, onReach } = make(new Error('x'))
    await expect(client.get('x', stop.signal)).rejects.toThrow('x')
    expect(onReach).not.toHaveBeenCalled()
  })
})

describe('queries', () => {
  it('leave out what is not set', () => {
    expect(buildQuery({ a: 1, b: undefined, c: '', d: 'x y', e: 0 })).toBe(
      '?a=1&d=x+y&e=0',
    )
    expect(buildQuery({})).toBe('')
  })

  it('escape', () => {
    expect(buildQuery({ addr: '2001:db8::1', q: 'a&b=c' })).toBe(
      '?addr=2001%3Adb8%3A%3A1&q=a%26b%3Dc',
    )
  })

  it('compact keeps zero and false', () => {
    expect(compact({ a: 0, b: false, c: '', d: undefined })).toEqual({
      a: 0,
      b: false,
    })
  })
})
