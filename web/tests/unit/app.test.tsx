// SPDX-License-Identifier: MIT
// Pages as a person uses them, with an API that answers from fixtures.
import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, describe, expect, it } from 'vitest'
import type { CreateTokenRequest, Problem, Rule } from '../../src/api/types'
import { UNKNOWN } from '../../src/lib/format'
import * as fixtures from '../mock/fixtures'
import { calls, isLoggedIn, keptTexts, on, open } from './console'

describe('login', () => {
  it('asks for a token, says that it is wrong, takes the right one', async () => {
    const user = userEvent.setup()
    open('/services', { token: '' })
    const field = await screen.findByLabelText('Token')
    await user.type(field, 'wrong-token{Enter}')
    expect((await screen.findByRole('alert')).textContent).toMatch(/refuses/)
    await user.clear(await screen.findByLabelText('Token'))
    await user.type(screen.getByLabelText('Token'), `${fixtures.TOKEN}{Enter}`)
    expect(
      await screen.findByRole('heading', { name: 'Services' }),
    ).toBeTruthy()
    expect(keptTexts()).not.toContain(fixtures.TOKEN)
  })

  it('needs no token while the cookie counts', async () => {
    open('/flows')
    await screen.findByRole('heading', { name: 'Flows' })
    expect(calls[0]).toMatchObject({ method: 'GET', body: undefined })
    expect(calls.some((call) => call.method === 'POST')).toBe(false)
  })

  it('takes the token of a link, hides it, and keeps it nowhere', async () => {
    open(`/flows#token=${fixtures.TOKEN}`, { token: '' })
    await screen.findByRole('heading', { name: 'Flows' })
    expect(window.location.hash).toBe('')
    expect(window.location.href).not.toContain(fixtures.TOKEN)
    expect(keptTexts()).not.toContain(fixtures.TOKEN)
    const sent = calls.filter((call) =>
      JSON.stringify(call).includes(fixtures.TOKEN),
    )
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({ method: 'POST' })
  })

  it('does not send what cannot be a token', async () => {
    const user = userEvent.setup()
    open('/', { token: '' })
    await user.type(await screen.findByLabelText('Token'), 'a b{Enter}')
    expect(await screen.findByText(/no spaces/)).toBeTruthy()
    expect(calls.some((call) => call.method === 'POST')).toBe(false)
  })

  it('ends by logging out', async () => {
    const user = userEvent.setup()
    open('/services')
    await user.click(await screen.findByRole('button', { name: 'Settings' }))
    await user.click(await screen.findByText('Log out'))
    expect(await screen.findByLabelText('Token')).toBeTruthy()
    expect(isLoggedIn()).toBe(false)
    expect(screen.queryByRole('alert')).toBeNull()
  })

  it('says that it could not log out', async () => {
    on('DELETE /session', () => 'offline')
    const user = userEvent.setup()
    open('/services')
    await user.click(await screen.findByRole('button', { name: 'Settings' }))
    await user.click(await screen.findByText('Log out'))
    expect(await screen.findByText(/still logged in/)).toBeTruthy()
  })

  it('says when the login has ended', async () => {
    on('GET /flows', () => [401, { detail: 'Revoked.' }])
    open('/flows')
    expect(await screen.findByText(/login has ended/)).toBeTruthy()
  })

  it('says why a login is refused', async () => {
    const user = userEvent.setup()
    open('/flows', { token: '' })
    on('POST /session', () => [429, { detail: 'Too many wrong tokens.' }])
    const field = await screen.findByLabelText('Token')
    await user.type(field, `${fixtures.TOKEN}{Enter}`)
    expect(await screen.findByText('Too many wrong tokens.')).toBeTruthy()
  })

  it('says when nobody answers, and goes on when somebody does', async () => {
    on('POST /session', () => 'offline')
    open(`/flows#token=${fixtures.TOKEN}`, { token: '' })
    expect(await screen.findByText(/Is it running/)).toBeTruthy()
    on('POST /session', () => [200, fixtures.session])
    expect(await screen.findByRole('heading', { name: 'Flows' })).toBeTruthy()
  })
})

describe('services', () => {
  const card = async (name: string) => {
    const heading = await screen.findByRole('heading', { name, level: 2 })
    return within(heading.closest('article')!)
  }

  it('says loudly what is down, and what to do', async () => {
    open('/services')
    const locator = await card('locator')
    expect(locator.getByRole('alert').textContent).toMatch(/locator is down/)
    expect(locator.getByRole('alert').textContent).toMatch(/deploy\/up/)
    expect(locator.getAllByText(UNKNOWN).length).toBeGreaterThan(4)
  })

  it('says what is missing, why, and what one misses', async () => {
    open('/services')
    const tracer = await card('tracer')
    expect(tracer.getByText(/kprobe.multi: Operation not/)).toBeTruthy()
    expect(tracer.getByText(/functions between two/)).toBeTruthy()
    expect(tracer.getByText('2 of 3 available')).toBeTruthy()
  })

  it('tells a loss from none', async () => {
    open('/services')
    const tracer = await card('tracer')
    const lost = tracer.getByText('1,284').closest('li')
    expect(lost?.dataset.lost).toBe('true')
    const none = tracer.getByText('0').closest('li')
    expect(none?.dataset.lost).toBeUndefined()
  })

  it('names a daemon that nobody has heard of', async () => {
    const rest = fixtures
      .services()
      .services.filter((service) => service.name !== 'guarder')
    on('GET /services', () => [200, { services: rest }])
    open('/services')
    expect(await screen.findByText(/guarder is missing/)).toBeTruthy()
  })

  it('is in Chinese when asked', async () => {
    open('/services', { language: 'zh' })
    expect(await screen.findByRole('heading', { name: '服务' })).toBeTruthy()
    expect(document.documentElement.lang).toBe('zh-CN')
  })
})

describe('flows', () => {
  it('asks the server for another order', async () => {
    const user = userEvent.setup()
    open('/flows')
    const header = await screen.findByRole('columnheader', { name: /Bytes/ })
    expect(header.getAttribute('aria-sort')).toBe('none')
    await user.click(within(header).getByRole('button'))
    await waitFor(() => {
      const sorts = calls.map((call) => call.url.searchParams.get('sort'))
      expect(sorts).toContain('-bytes')
    })
    expect(
      (await screen.findByRole('columnheader', { name: /Bytes/ })).getAttribute(
        'aria-sort',
      ),
    ).toBe('descending')
  })

  it('asks the server for what the filter says, not before it is valid', async () => {
    const user = userEvent.setup()
    open('/flows')
    const field = await screen.findByLabelText('Address')
    await user.type(field, '192.0.2')
    await new Promise((resolve) => setTimeout(resolve, 400))
    const asked = () =>
      calls.map((call) => call.url.searchParams.get('addr')).filter(Boolean)
    expect(asked()).toEqual([])
    expect(field.getAttribute('aria-invalid')).toBe('true')
    await user.type(field, '.10')
    await waitFor(() => expect(asked()).toContain('192.0.2.10'))
  })

  it('draws what is in sight, not a thousand rows', async () => {
    open('/flows')
    await screen.findAllByText(/MiB\/s/)
    const table = screen.getByRole('table')
    expect(table.getAttribute('aria-rowcount')).toBe('642')
    expect(within(table).getAllByRole('row').length).toBeLessThan(80)
  })

  it('shows an unknown rate as unknown', async () => {
    const list = fixtures.flows(new URLSearchParams({ limit: '1000' }))
    const flow = list.flows.find((f) => f.rx_bytes_per_s === undefined)
    on('GET /flows', () => [200, { ...list, flows: [flow], total: 1 }])
    open('/flows')
    await screen.findByText('1 of 1')
    const row = screen.getAllByRole('row').at(-1)!
    expect(within(row).getAllByText(UNKNOWN)).toHaveLength(3)
  })

  it('leads from an address to its host', async () => {
    const user = userEvent.setup()
    on('GET /hosts/192.0.2.10', () => [200, fixtures.host('192.0.2.10')])
    open('/flows')
    const links = await screen.findAllByRole('link', { name: '192.0.2.10' })
    await user.click(links[0]!)
    expect(
      await screen.findByRole('heading', { name: 'Host 192.0.2.10' }),
    ).toBeTruthy()
    expect(await screen.findByText(/No answer from tracer/)).toBeTruthy()
  })

  it('shows a problem with its detail', async () => {
    on('GET /flows', () => [
      503,
      { id: 'service.down', detail: 'The analyzer does not run.' },
    ])
    open('/flows')
    const alert = await screen.findByRole('alert')
    expect(alert.textContent).toContain('The analyzer does not run.')
    expect(alert.textContent).toContain('HTTP 503 · service.down')
  })

  it('says that the gateway is gone', async () => {
    on('GET /flows', () => 'offline')
    open('/flows')
    expect(await screen.findByText(/gateway does not answer/)).toBeTruthy()
  })
})

describe('rules', () => {
  const fill = async (label: string, text: string) => {
    const dialog = await screen.findByRole('dialog')
    await userEvent.type(within(dialog).getByLabelText(label), text)
  }

  it('puts what the guarder says at its field', async () => {
    on('POST /rules', () => [
      400,
      {
        id: 'request.invalid',
        detail: 'A port was expected.',
        field: 'rule.sport',
      } satisfies Problem,
    ])
    open('/rules?new=1')
    await fill('Source port', 'http')
    await userEvent.click(screen.getByRole('button', { name: 'Create' }))
    const field = await screen.findByLabelText('Source port')
    await waitFor(() => expect(field.getAttribute('aria-invalid')).toBe('true'))
    expect(screen.getByText('A port was expected.')).toBeTruthy()
    expect(screen.getByRole('dialog')).toBeTruthy()
  })

  it('creates what was typed', async () => {
    on('POST /rules', () => [201, { id: 'r9' }])
    open('/rules?new=1&src=203.0.113.9')
    await fill('Destination port', '22')
    await userEvent.click(screen.getByRole('button', { name: 'Create' }))
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    const post = calls.find((call) => call.method === 'POST')
    expect(post?.body).toEqual({
      action: 'drop',
      enabled: true,
      src: '203.0.113.9',
      dport: '22',
    } satisfies Rule)
  })

  it('turns a rule off without touching the rest of it', async () => {
    on('PUT /rules/r1', () => [200, {}])
    open('/rules')
    await userEvent.click(
      await screen.findByRole('switch', { name: 'Enable rule r1' }),
    )
    await waitFor(() => {
      const put = calls.find((call) => call.method === 'PUT')
      expect(put?.body).toEqual({
        action: 'pass',
        priority: 100,
        enabled: false,
        comment: 'office',
        src: '198.51.100.0/24',
        proto: 'tcp',
        dport: '22',
      })
    })
  })

  it('deletes only after a second question', async () => {
    on('DELETE /rules/r2', () => [204, undefined])
    open('/rules')
    await userEvent.click(
      await screen.findByRole('button', { name: 'Delete rule r2' }),
    )
    const dialog = await screen.findByRole('dialog')
    expect(calls.some((call) => call.method === 'DELETE')).toBe(false)
    await userEvent.click(
      within(dialog).getByRole('button', { name: 'Delete' }),
    )
    await waitFor(() =>
      expect(calls.some((call) => call.method === 'DELETE')).toBe(true),
    )
  })

  it('offers a viewer no change', async () => {
    on('GET /session', () => [
      200,
      { ...fixtures.session, role: 'viewer', roles: ['viewer'] },
    ])
    open('/rules')
    expect(await screen.findByText('null scans')).toBeTruthy()
    expect(screen.queryByRole('link', { name: 'New rule' })).toBeNull()
    expect(
      screen.getByRole<HTMLInputElement>('switch', { name: 'Enable rule r1' })
        .disabled,
    ).toBe(true)
  })
})

describe('a path', () => {
  it('shows each hop, and silence as silence', async () => {
    on('GET /paths/p1', () => [200, fixtures.path('p1')])
    open('/paths/p1')
    expect(await screen.findByText('no answer')).toBeTruthy()
    expect(screen.getByText('20.0 %')).toBeTruthy()
    const bars = screen.getAllByRole('img', { name: /^min / })
    expect(bars).toHaveLength(4)
  })
})

describe('services of several instances', () => {
  it('are named together, each with its state', async () => {
    const list = fixtures.services()
    const one = list.services.find((s) => s.name === 'analyzer')!
    list.services.push({ ...one, instance: 'web-02', state: 'down' })
    on('GET /services', () => [200, list])
    open('/services')
    const line = (await screen.findByText(/2 instances/)).closest('p')!
    expect(within(line).getByRole('link', { name: /web-02 down/ })).toBeTruthy()
    const cards = screen.getAllByRole('heading', { name: 'analyzer', level: 2 })
    expect(cards).toHaveLength(2)
  })
})

describe('tokens', () => {
  it('are listed; the one of the file cannot be revoked here', async () => {
    open('/tokens')
    const table = await screen.findByRole('table')
    expect(within(table).getByText('dashboards')).toBeTruthy()
    expect(within(table).getByText('payload')).toBeTruthy()
    const revoke = within(table).getAllByRole('button', { name: /^Revoke/ })
    expect(revoke).toHaveLength(1)
  })

  it('are made with a role and an end; the secret is shown once', async () => {
    const user = userEvent.setup()
    on('POST /tokens', () => [
      201,
      { token: fixtures.tokens().tokens[1], secret: 'the-secret' },
    ])
    open('/tokens?new=1')
    const dialog = within(await screen.findByRole('dialog'))
    await user.type(dialog.getByLabelText(/^Name/), 'grafana')
    await user.selectOptions(dialog.getByLabelText('Role'), 'operator')
    await user.click(dialog.getByRole('button', { name: 'Create' }))
    expect(await dialog.findByText('the-secret')).toBeTruthy()
    const sent = calls.find((call) => call.method === 'POST')
    const body = sent?.body as CreateTokenRequest
    expect(body).toMatchObject({ name: 'grafana', roles: ['operator'] })
    const days = (Date.parse(body.expires!) - Date.now()) / 86_400_000
    expect(Math.round(days)).toBe(90)
    const close = dialog.getAllByRole('button', { name: 'Close' })
    await user.click(close.at(-1)!)
    await waitFor(() => expect(screen.queryByText('the-secret')).toBeNull())
  })

  it('are revoked after a question', async () => {
    const user = userEvent.setup()
    on('DELETE /tokens/t1', () => [204, undefined])
    open('/tokens')
    await user.click(await screen.findByRole('button', { name: /^Revoke/ }))
    expect(calls.some((call) => call.method === 'DELETE')).toBe(false)
    await user.click(await screen.findByRole('button', { name: 'Delete' }))
    await waitFor(() =>
      expect(calls.some((call) => call.method === 'DELETE')).toBe(true),
    )
  })
})

describe('the audit log', () => {
  it('shows who did what, and what became different', async () => {
    const user = userEvent.setup()
    open('/audit')
    await user.click(await screen.findByText('changed rule'))
    const row = (await screen.findByText('enabled')).closest('tr')!
    expect(row.textContent).toBe('enabledtruefalse')
    expect(screen.queryByText('192.0.2.0/24')).toBeNull()
    expect(screen.getByText(/No answer from locator/)).toBeTruthy()
  })

  it('asks for what the filters say', async () => {
    open('/audit?actor=admin&outcome=refused&since=2026-06-01')
    await screen.findByText('changed rule')
    const asked = calls.find((call) => call.url.pathname.endsWith('/audit'))
    expect(Object.fromEntries(asked!.url.searchParams)).toMatchObject({
      actor: 'admin',
      outcome: 'refused',
      since: '2026-06-01T00:00:00.000Z',
    })
  })
})

describe('a viewer', () => {
  beforeEach(() => {
    on('GET /session', () => [
      200,
      { ...fixtures.session, role: 'viewer', roles: ['viewer'] },
    ])
  })

  it.each(['tokens', 'audit'])('is told why %s are not shown', async (page) => {
    open(`/${page}`)
    expect(await screen.findByText(/needs the role administrator/)).toBeTruthy()
    expect(screen.getByText(/has the role viewer/)).toBeTruthy()
    expect(calls.some((call) => call.url.pathname.endsWith(page))).toBe(false)
    expect(screen.queryByRole('link', { name: 'Tokens' })).toBeNull()
  })

  it('has no buttons for what it may not do', async () => {
    open('/rules')
    await screen.findByRole('heading', { name: 'Rules', level: 1 })
    await screen.findAllByRole('switch')
    expect(screen.queryByRole('button', { name: /^Delete/ })).toBeNull()
    expect(screen.queryByRole('link', { name: 'New rule' })).toBeNull()
  })
})

describe('everywhere', () => {
  it('says that there is no such page', async () => {
    open('/no/such/page')
    expect(await screen.findByText(/Nothing is at \/no\/such/)).toBeTruthy()
  })

  it('has a page behind each link of the navigation', async () => {
    const user = userEvent.setup()
    on('GET /sockets', (url) => [200, fixtures.sockets(url.searchParams)])
    on('GET /traces', () => [200, { traces: [], total: 0 }])
    on('GET /paths', () => [200, { paths: [], total: 0 }])
    open('/')
    const nav = await screen.findByRole('navigation')
    for (const link of within(nav).getAllByRole('link')) {
      await user.click(link)
      const name = link.textContent
      expect(
        await screen.findByRole('heading', { name, level: 1 }),
      ).toBeTruthy()
    }
  })
})
