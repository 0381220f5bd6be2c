// SPDX-License-Identifier: MIT
// The console in a real browser, with the real suite behind it.
import { readFile } from 'node:fs/promises'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  addressCells,
  fullWidth,
  nameless,
  poorContrast,
  sideways,
  startBrowser,
  watch,
  type Watch,
} from './browser'
import type { Rule } from '../../src/api/types'
import { startSuite, type Suite } from './suite'

let suite: Suite
let browser: Browser
let page: Page
let seen: Watch

const PAGES = [
  'services',
  'flows',
  'sockets',
  'traces',
  'packets',
  'paths',
  'rules',
  'tokens',
  'audit',
]

beforeAll(async () => {
  suite = await startSuite()
  browser = await startBrowser()
})

afterAll(async () => {
  await (browser as Browser | undefined)?.close()
  await (suite as Suite | undefined)?.stop()
})

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    const file = `/tmp/packetscope-web-${task.id}.png`
    await page.screenshot({ path: file }).catch(() => undefined)
    console.error(`${task.name}: at ${page.url()}, see ${file}`)
  }
  await page.context().close()
})

/** A fresh browser context, logged in by the link unless told otherwise. */
async function open(
  path = '/services',
  {
    token = suite.token,
    ...options
  }: BrowserContextOptions & {
    token?: string
  } = {},
) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    ...options,
  })
  page = await context.newPage()
  page.setDefaultTimeout(20_000)
  seen = watch(page)
  await page.goto(`${suite.url}${path}${token && `#token=${token}`}`)
  if (token !== '') await page.locator('.ps-shell').waitFor()
}

async function api<T>(path: string): Promise<T> {
  const response = await fetch(`${suite.url}/api/v1/${path}`, {
    headers: { Authorization: `Bearer ${suite.token}` },
  })
  expect(response.status, path).toBe(200)
  return (await response.json()) as T
}

const title = (name: string) =>
  page.getByRole('heading', { level: 1, name }).waitFor()
const port = () => new URL(suite.url).port

describe('login', () => {
  it('takes the token of the link out of the address bar', async () => {
    await open('/services')
    await title('Services')
    expect(page.url()).toBe(`${suite.url}/services`)
    const kept = await page.evaluate(() => ({
      session: Object.values(sessionStorage),
      local: Object.values(localStorage),
      cookie: document.cookie,
    }))
    expect(JSON.stringify(kept)).not.toContain(suite.token)
    // Neither it nor the login's cookie is there for a script.
    expect(kept.cookie).toBe('')
    const cookies = await page.context().cookies()
    expect(cookies).toMatchObject([
      { name: 'packetscope_session', httpOnly: true, sameSite: 'Strict' },
    ])
    expect(cookies[0]?.value).not.toBe(suite.token)
  })

  it('lasts over a reload and in another tab, and ends in all', async () => {
    await open('/flows')
    await page.reload()
    await title('Flows')
    const other = await page.context().newPage()
    await other.goto(`${suite.url}/services`)
    await other.getByRole('heading', { level: 1, name: 'Services' }).waitFor()
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('Token').waitFor()
    await other.getByText('Your login has ended').waitFor()
  })

  it('is of no use to a page of another site', async () => {
    await open('/services')
    const there = await page.context().newPage()
    // Another site for the browser: the same server by its other name.
    await there.route('http://other.test/**', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<p>elsewhere</p>' }),
    )
    await there.goto('http://other.test/')
    const seenThere = await there.evaluate(async (url) => {
      const ask = async (init: RequestInit) => {
        try {
          const answer = await fetch(`${url}/api/v1/session`, {
            credentials: 'include',
            ...init,
          })
          return `${answer.status} ${answer.type}`
        } catch {
          return 'refused'
        }
      }
      return [
        await ask({}),
        await ask({ method: 'DELETE' }),
        await ask({ method: 'POST', mode: 'no-cors', body: '{"token":"x"}' }),
      ]
    }, suite.url)
    expect(seenThere).toEqual(['refused', 'refused', 'refused'])
    await page.reload()
    await title('Services')
  })

  it('refuses a wrong token, takes a right one, logs out', async () => {
    await open('/flows', { token: '' })
    await page.getByLabel('Token').fill('not-the-token')
    await page.keyboard.press('Enter')
    await page.getByText('The gateway refuses this token.').waitFor()
    await page.getByLabel('Token').fill(suite.token)
    await page.keyboard.press('Enter')
    await title('Flows')
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByLabel('Token').waitFor()
    await page.reload()
    await page.getByLabel('Token').waitFor()
  })
})

describe('every page', () => {
  it('asks nobody but the console’s own origin, and complains of nothing', async () => {
    await open()
    for (const name of PAGES) {
      await page.goto(`${suite.url}/${name}`)
      await page.locator('.ps-page').waitFor()
      await page.waitForTimeout(400)
    }
    await page.goto(`${suite.url}/hosts/127.0.0.1`)
    await title('Host 127.0.0.1')
    await page.getByRole('button', { name: /^Events/ }).click()
    await page.getByRole('dialog').getByText('live').waitFor()
    const elsewhere = seen.requests.filter(
      (url) => new URL(url).origin !== suite.url,
    )
    expect(elsewhere).toEqual([])
    expect(seen.requests.length).toBeGreaterThan(20)
    expect(seen.requests.join(' ')).not.toContain(suite.token)
    expect(seen.errors).toEqual([])
  })

  it.each(['light', 'dark'] as const)(
    'has AA contrast and named controls, %s',
    async (colorScheme) => {
      await open('/services', { colorScheme })
      for (const name of PAGES) {
        await page.goto(`${suite.url}/${name}`)
        await page.locator('.ps-page').waitFor()
        await page.waitForTimeout(700)
        expect(await poorContrast(page), name).toEqual([])
        expect(await nameless(page), name).toEqual([])
      }
      await page.goto(`${suite.url}/rules?new=1`)
      await page.getByRole('dialog').waitFor()
      await page.waitForTimeout(500)
      expect(await nameless(page), 'rule form').toEqual([])
    },
  )

  it.each([1280, 390])('fits a window %i px wide', async (width) => {
    await open('/services', { viewport: { width, height: 800 } })
    for (const name of [...PAGES, 'hosts/127.0.0.1', 'rules?new=1']) {
      await page.goto(`${suite.url}/${name}`)
      await page.locator('.ps-page').waitFor()
      await page.waitForTimeout(400)
      expect(await sideways(page), name).toBeLessThanOrEqual(0)
    }
  })

  it.each(['flows', 'sockets'] as const)(
    'shows whole IPv4 addresses on a narrow screen: %s',
    async (name) => {
      await open('/services', { viewport: { width: 390, height: 800 } })
      // The longest there are; the rest of the list is as it came.
      await page.route(`**/api/v1/${name}?*`, async (route) => {
        const response = await route.fetch()
        const list = (await response.json()) as Record<string, object[]>
        const rate = { rx_bytes_per_s: 523_000, tx_bytes_per_s: 523_000 }
        const ends = { lport: 65535, rport: 65535, ...rate }
        const long = { laddr: '192.168.100.200', raddr: '203.0.113.254' }
        const rows = list[name]?.slice(0, 40) ?? []
        list[name] = rows.map((row, i) =>
          i === 0 ? { ...row, ...long, ...ends } : row,
        )
        await route.fulfill({ response, json: list })
      })
      await page.goto(`${suite.url}/${name}?addr=127.0.0.1`)
      const table = page.locator('.ps-table')
      await table.getByText('192.168.100.200').waitFor()
      expect(await fullWidth(page)).toBe(true)
      const cut = await table
        .locator('td:has(> .ps-num)')
        .evaluateAll((all) =>
          all
            .filter((cell) => cell.scrollWidth > cell.clientWidth)
            .map((cell) => cell.textContent),
        )
      expect(cut).toEqual([])
      const cells = await addressCells(page)
      expect(cells[0]?.text).toContain('192.168.100.200:65535')
      expect(cells[0]?.text).toContain('203.0.113.254:65535')
      for (const cell of cells) {
        expect(cell.text).toMatch(/^\d+\.\d+\.\d+\.\d+:\d+/)
        expect(cell.clipped, cell.text).toEqual([])
        expect(cell.broken, cell.text).toEqual([])
      }
    },
  )

  it('speaks the browser’s language, and another when told', async () => {
    await open('/services', { locale: 'zh-CN' })
    await title('服务')
    await page.getByRole('button', { name: '设置' }).click()
    await page.getByText('English').click()
    await title('Services')
    await page.reload()
    await title('Services')
  })

  it('is usable by keyboard alone', async () => {
    await open('/services')
    await title('Services')
    await page.locator('body').press('Tab')
    const skip = page.getByRole('link', { name: 'Skip to content' })
    expect(await skip.evaluate((e) => e === document.activeElement)).toBe(true)
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab')
      const at = await page.evaluate(() => document.activeElement?.textContent)
      if (at === 'Flows') break
    }
    await page.keyboard.press('Enter')
    await title('Flows')
  })

  it('says when the gateway is gone, and when it is back', async () => {
    await open('/flows')
    await title('Flows')
    await page.context().setOffline(true)
    await page.getByText(/The gateway does not answer/).waitFor()
    await page.context().setOffline(false)
    await page.getByText(/The gateway does not answer/).waitFor({
      state: 'detached',
    })
  })
})

describe('services', () => {
  it('shows each daemon as the API tells it', async () => {
    await open('/services')
    await title('Services')
    const { services } = await api<{
      services: { name: string; capabilities: unknown[] }[]
    }>('services')
    const names = services.map((service) => service.name).sort()
    expect(names).toEqual([
      'analyzer',
      'gateway',
      'guarder',
      'locator',
      'tracer',
    ])
    for (const { name, capabilities } of services) {
      const card = page.getByRole('article', { name })
      await card
        .getByText(/ (MiB|KiB)$/)
        .first()
        .waitFor()
      const text = (await card.textContent()) ?? ''
      expect(text, name).toContain(`of ${capabilities.length} available`)
    }
  })
})

describe('flows', () => {
  it('shows the traffic of the console itself, by a filter', async () => {
    await open(`/flows?port=${port()}`)
    await title('Flows')
    const row = page
      .getByRole('row')
      .filter({ hasText: `127.0.0.1:${port()}` })
      .first()
    await row
      .getByText(/KiB|MiB| B/)
      .first()
      .waitFor()
    const rows = await page.getByRole('row').allTextContents()
    for (const text of rows.slice(1).filter(Boolean)) {
      expect(text).toContain(`:${port()}`)
    }
  })

  it('is ordered by the server', async () => {
    await open(`/flows?port=${port()}`)
    const asked = page.waitForRequest((r) => r.url().includes('sort=-bytes'))
    await page.getByRole('button', { name: /^Bytes/ }).click()
    await asked
    const header = page.getByRole('columnheader', { name: /^Bytes/ })
    await expect.poll(() => header.getAttribute('aria-sort')).toBe('descending')
  })

  it('stands still when paused', async () => {
    await open(`/flows?port=${port()}`)
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.waitForTimeout(500)
    const before = seen.requests.filter((url) => url.includes('/flows?')).length
    await page.waitForTimeout(4500)
    const after = seen.requests.filter((url) => url.includes('/flows?')).length
    expect(after).toBe(before)
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.waitForRequest((r) => r.url().includes('/flows?'))
  })

  it('opens a flow with all its counters', async () => {
    await open(`/flows?port=${port()}`)
    await page
      .getByRole('button', { name: /^Details of tcp/ })
      .first()
      .click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Bytes on the wire').waitFor()
    await dialog.getByText('127.0.0.1').first().click()
    await title('Host 127.0.0.1')
    await page.getByText('Special-purpose address: loopback.').waitFor()
  })
})

describe('sockets', () => {
  it('finds who listens here', async () => {
    await open(`/sockets?port=${port()}&state=LISTEN`)
    await title('Sockets')
    const row = page.getByRole('row').filter({ hasText: 'ps-gateway' })
    await row.getByText('LISTEN').waitFor()
    expect(await row.count()).toBe(1)
  })
})

describe('traces', () => {
  it('follows the console’s own packets, layer by layer', async () => {
    await open('/traces')
    await page.getByRole('link', { name: 'New trace' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Address', { exact: true }).fill('127.0.0.1')
    await dialog.getByLabel('Other port').fill(port())
    await dialog.getByLabel('Protocol').fill('tcp')
    await dialog.getByLabel('Packets to keep').fill('20')
    await dialog.getByRole('button', { name: 'Start trace' }).click()
    await page
      .getByText(/^Packet \d+$/)
      .first()
      .waitFor()
    const steps = page.locator('.ps-way li')
    await expect.poll(() => steps.count()).toBeGreaterThan(1)
    expect(await page.locator('.ps-way').textContent()).toMatch(
      /\+[\d.]+ (ns|µs)/,
    )
    // Its name depends on whether the twenty packets are in by now.
    await page.getByRole('button', { name: /^(Stop and d|D)elete$/ }).click()
    await page
      .getByRole('dialog')
      .getByRole('button', { name: 'Delete', exact: true })
      .click()
    await page.waitForURL(`${suite.url}/traces`)
  })

  it('shows all ways as a graph, saves them, and finds them again', async () => {
    await open('/services')
    const made = await fetch(`${suite.url}/api/v1/traces`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${suite.token}`,
        'Content-Type': 'application/json',
        'Idempotency-Key': `e2e-graph-${Date.now()}`,
      },
      body: JSON.stringify({
        filter: { saddr: '127.0.0.1', dport: Number(port()), proto: 'tcp' },
        max_packets: 20,
        // It goes on counting as long as there are more.
        duration_ns: 8e9,
      }),
    })
    expect(made.status).toBe(201)
    const { id } = (await made.json()) as { id: string }
    // The console's own questions are the packets.
    await page.goto(`${suite.url}/traces/${id}?view=account`)
    await page.getByText('done', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Graph' }).click()
    const nodes = page.locator('.ps-node')
    await nodes.first().waitFor()
    expect(await nodes.count()).toBeGreaterThan(2)
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 })
      // The graph is laid out anew for the width.
      await expect.poll(() => sideways(page)).toBeLessThanOrEqual(0)
    }
    expect(await poorContrast(page)).toEqual([])
    await page.setViewportSize({ width: 1280, height: 800 })
    await nodes.first().click()
    await page.getByRole('link', { name: /^Show its packets/ }).click()
    await page
      .getByRole('button', { name: /^Packet \d+$/ })
      .first()
      .waitFor()

    for (const [button, name] of [
      ['JSON lines', `trace-${id}.jsonl`],
      ['pcapng', `trace-${id}.pcapng`],
    ] as const) {
      const download = page.waitForEvent('download')
      await page.getByRole('button', { name: button }).click()
      const file = await download
      expect(file.suggestedFilename()).toBe(name)
      const data = await readFile(await file.path())
      expect(data.length).toBeGreaterThan(1000)
      if (name.endsWith('jsonl')) {
        const lines = data.toString().trim().split('\n')
        expect(lines).toHaveLength(20)
        for (const line of lines) {
          expect(JSON.parse(line)).toHaveProperty('steps')
        }
      } else {
        expect(data.readUInt32BE(0)).toBe(0x0a0d0d0a)
      }
    }

    await page.goto(`${suite.url}/packets?saddr=127.0.0.1&sport=${port()}`)
    await page.getByRole('link', { name: id }).waitFor()
    await fetch(`${suite.url}/api/v1/traces/${id}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${suite.token}` },
    })
  })

  it('puts a wrong address at its field', async () => {
    await open('/traces?new=1&saddr=192.0.2.999')
    await page.getByRole('button', { name: 'Start trace' }).click()
    const field = page.getByLabel('Address', { exact: true })
    await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true')
  })
})

describe('paths', () => {
  it('measures the way to this host', async () => {
    await open('/paths?target=127.0.0.1')
    await page.getByLabel('Probes per hop').fill('3')
    await page.getByRole('button', { name: 'Measure' }).click()
    await page.getByRole('heading', { name: 'Paths 127.0.0.1' }).waitFor()
    await page.getByText('done', { exact: true }).waitFor()
    await page.getByText('reached', { exact: true }).waitFor()
    await page.getByRole('img', { name: /^min .* median .* max / }).waitFor()
  })

  it('says what is wrong with a target', async () => {
    await open('/paths?target=example.org')
    await page.getByRole('button', { name: 'Measure' }).click()
    const field = page.getByLabel('Target address')
    await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true')
  })
})

describe('rules', () => {
  it('are refused at the field, made, turned on, changed and deleted', async () => {
    const comment = `console test ${Date.now()}`
    await open('/rules')
    await page.getByRole('link', { name: 'New rule' }).click()
    const dialog = page.getByRole('dialog')
    // A documentation network: nobody is shut out.
    await dialog.getByLabel('Source', { exact: true }).fill('192.0.2.0/24')
    await dialog.getByLabel('Protocol').fill('udp')
    await dialog.getByLabel('Destination port').fill('http')
    await dialog.getByLabel('Comment').fill(comment)
    await dialog.getByRole('switch', { name: 'Enabled' }).click()
    await dialog.getByRole('button', { name: 'Create' }).click()
    const field = dialog.getByLabel('Destination port')
    await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true')
    await field.fill('9000-9010')
    await dialog.getByRole('button', { name: 'Create' }).click()
    const row = page.getByRole('row').filter({ hasText: comment })
    await row.getByText('udp src 192.0.2.0/24 dport 9000-9010').waitFor()

    const find = async () => {
      const { rules } = await api<{
        rules: { comment?: string; enabled?: boolean; dport?: string }[]
      }>('rules')
      return rules.find((rule) => rule.comment === comment)
    }
    expect(await find()).toMatchObject({ enabled: false, dport: '9000-9010' })
    await dialog.waitFor({ state: 'detached' })
    await row.locator('.mantine-Switch-track').click()
    await expect.poll(async () => (await find())?.enabled).toBe(true)

    await row.getByRole('link', { name: /^Edit rule/ }).click()
    await page.getByRole('dialog').getByLabel('Destination port').fill('9001')
    await page.getByRole('button', { name: 'Save' }).click()
    await expect.poll(async () => (await find())?.dport).toBe('9001')
    expect((await find())?.enabled).toBe(true)

    await row.getByRole('button', { name: /^Delete rule/ }).click()
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await row.waitFor({ state: 'detached' })
    expect(await find()).toBeUndefined()
  })

  it('tell the open page of a change made elsewhere', async () => {
    await open('/rules')
    await title('Rules')
    const made = await fetch(`${suite.url}/api/v1/rules`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${suite.token}`,
        'Content-Type': 'application/json',
        'Idempotency-Key': `e2e-${Date.now()}`,
      },
      body: JSON.stringify({
        action: 'drop',
        enabled: false,
        src: '2001:db8::/32',
        comment: 'made elsewhere',
      }),
    })
    expect(made.status).toBe(201)
    const { id } = (await made.json()) as { id: string }
    await page.getByRole('row').filter({ hasText: id }).waitFor()
    await page.getByRole('button', { name: /^Events: [1-9]/ }).click()
    await page.getByRole('dialog').getByText(new RegExp(id)).waitFor()
    await fetch(`${suite.url}/api/v1/rules/${id}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${suite.token}` },
    })
  })
})

describe('tokens and the audit log', () => {
  it('a token is made, lets in as what it is, is recorded and revoked', async () => {
    const name = `e2e-${Date.now()}`
    await open('/tokens?new=1')
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill(name)
    await dialog.getByRole('button', { name: 'Create' }).click()
    const secret = await dialog.getByRole('status').last().textContent()
    expect(secret?.length).toBeGreaterThan(30)
    await dialog.getByRole('button', { name: 'Close' }).last().click()
    await page.getByRole('row').filter({ hasText: name }).waitFor()
    const admin = page

    // A viewer sees what a viewer may.
    await open('/rules', { token: secret ?? '' })
    await title('Rules')
    expect(await page.getByRole('link', { name: 'New rule' }).count()).toBe(0)
    expect(await page.getByRole('link', { name: 'Tokens' }).count()).toBe(0)
    await page.goto(`${suite.url}/tokens`)
    await page.getByText('needs the role administrator').waitFor()

    const viewer = page
    page = admin
    await page.getByRole('button', { name: `Revoke token ${name}` }).click()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page
      .getByRole('row')
      .filter({ hasText: name })
      .waitFor({ state: 'detached' })
    await viewer.goto(`${suite.url}/rules`)
    await viewer.getByLabel('Token').waitFor()
    await viewer.context().close()

    await page.goto(`${suite.url}/audit?service=gateway`)
    await page.getByText('made token').first().click()
    await page.getByRole('rowheader', { name: /^name$/ }).waitFor()
    await page.getByText('revoked token').first().waitFor()
  })

  it('a changed rule is shown by what became different', async () => {
    const ask = (method: string, path: string, body?: object) =>
      fetch(`${suite.url}/api/v1/${path}`, {
        method,
        headers: {
          Authorization: `Bearer ${suite.token}`,
          'Content-Type': 'application/json',
          'Idempotency-Key': `${method}-${Date.now()}`,
        },
        ...(body && { body: JSON.stringify(body) }),
      })
    const rule = { action: 'drop', enabled: false, src: '2001:db8:5::/48' }
    const made = (await (await ask('POST', 'rules', rule)).json()) as Rule
    await ask('PUT', `rules/${made.id ?? ''}`, { ...rule, comment: 'now' })
    await ask('DELETE', `rules/${made.id ?? ''}`)
    await open(`/audit?target=${made.id ?? ''}`)
    await page.getByText('changed rule').click()
    const line = page.getByRole('row').filter({ hasText: 'comment' })
    await line.getByText('now').waitFor()
    expect(await page.getByText('2001:db8:5::/48').count()).toBe(0)
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 })
      expect(await sideways(page)).toBeLessThanOrEqual(0)
    }
    expect(await poorContrast(page)).toEqual([])
  })
})
