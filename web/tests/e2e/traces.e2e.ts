// SPDX-License-Identifier: MIT
// How the pages of traces look and are used, with every part of the schema
// filled in: answered from fixtures, for no kernel gives all of it at once.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { build, preview, type PreviewServer } from 'vite'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TOKEN } from '../mock/fixtures'
import {
  nameless,
  poorContrast,
  sideways,
  startBrowser,
  watch,
  type Watch,
} from './browser'

let server: PreviewServer
let folder: string
let browser: Browser
let page: Page
let seen: Watch
let url: string

beforeAll(async () => {
  // The console as users get it, not React's for tests.
  process.env.NODE_ENV = 'production'
  folder = await mkdtemp(join(tmpdir(), 'packetscope-mock-'))
  const config = {
    root: join(import.meta.dirname, '../..'),
    mode: 'mock',
    logLevel: 'error' as const,
    build: { outDir: folder, emptyOutDir: true },
  }
  await build(config)
  server = await preview({
    ...config,
    preview: { host: '127.0.0.1', port: 0 },
  })
  const { port } = server.httpServer.address() as AddressInfo
  url = `http://127.0.0.1:${port}`
  browser = await startBrowser()
})

afterAll(async () => {
  await (browser as Browser | undefined)?.close()
  await (server as PreviewServer | undefined)?.close()
  await rm(folder, { recursive: true, force: true })
})

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    const file = `/tmp/packetscope-web-${task.id}.png`
    await page.screenshot({ path: file }).catch(() => undefined)
    console.error(`${task.name}: at ${page.url()}, see ${file}`)
  }
  await page.context().close()
})

interface Look {
  width?: number
  locale?: string
  dark?: boolean
}

async function open(
  path: string,
  { width = 1280, locale = 'en-GB', dark = false }: Look = {},
) {
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    locale,
    colorScheme: dark ? 'dark' : 'light',
  })
  page = await context.newPage()
  page.setDefaultTimeout(20_000)
  seen = watch(page)
  await page.goto(`${url}${path}#token=${TOKEN}`)
  await page.locator('.ps-page h1').waitFor()
}

const VIEWS: readonly [path: string, ready: string][] = [
  ['/traces', '.ps-table tbody tr'],
  ['/traces?new=1', '.ps-form'],
  ['/traces/t1?packet=2', '.ps-way > li'],
  ['/traces/t1?packet=3', '.ps-way > li'],
  ['/traces/t1?view=drops', '.ps-drops > li'],
  ['/traces/t1?view=graph', '.ps-node'],
  ['/traces/t1?view=account', '.ps-probes'],
  ['/packets?saddr=203.0.113.80', '.ps-way > li'],
]

const LOOKS: readonly Look[] = [
  { width: 1280, locale: 'en-GB', dark: false },
  { width: 1280, locale: 'zh-CN', dark: true },
  { width: 390, locale: 'en-GB', dark: true },
  { width: 390, locale: 'zh-CN', dark: false },
]

describe.each(LOOKS)('at $width px in $locale, dark: $dark', (look) => {
  it.each(VIEWS)('%s fits and can be read', async (path, ready) => {
    await open(path, look)
    await page.locator(ready).first().waitFor()
    expect(await sideways(page)).toBeLessThanOrEqual(0)
    expect(await poorContrast(page)).toEqual([])
    expect(await nameless(page)).toEqual([])
    expect(seen.errors).toEqual([])
  })
})

describe('the graph', () => {
  it.each([1280, 390])('has no node on another at %i px', async (width) => {
    await open('/traces/t1?view=graph', { width })
    const nodes = page.locator('.ps-node')
    await nodes.first().waitFor()
    const boxes = await nodes.evaluateAll((all) =>
      all.map((node) => {
        const { x, y, right, bottom } = node.getBoundingClientRect()
        return { x, y, right, bottom }
      }),
    )
    expect(boxes.length).toBeGreaterThan(10)
    const covers = boxes.flatMap((a, i) =>
      boxes
        .slice(i + 1)
        .filter(
          (b) =>
            a.x < b.right && b.x < a.right && a.y < b.bottom && b.y < a.bottom,
        ),
    )
    expect(covers).toEqual([])
    for (const box of boxes) {
      expect(box.x).toBeGreaterThanOrEqual(0)
      expect(box.right).toBeLessThanOrEqual(width)
    }
  })

  it('leads to the packets of a station by keyboard alone', async () => {
    await open('/traces/t1?view=graph')
    await page.getByRole('button', { name: /^tcx:ingress/ }).focus()
    await page.keyboard.press('Enter')
    const detail = page.getByRole('region', { name: 'tcx:ingress' })
    await detail.getByRole('link', { name: /^Show its packets/ }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: /passed tcx:ingress/ }).waitFor()
    expect(page.url()).toContain('from=tcx')
  })
})

describe('the timeline', () => {
  it('keeps its line on its dots when a stack opens', async () => {
    await open('/traces/t1?packet=3')
    const rows = page.locator('.ps-way > li')
    await rows.first().waitFor()
    const heights = () =>
      rows.evaluateAll((all) =>
        all.map((row) => [
          Math.round(row.getBoundingClientRect().height),
          Math.round(
            row.querySelector('.ps-lanes')?.getBoundingClientRect().height ?? 0,
          ),
        ]),
      )
    await page.getByText('Kernel stack, 7 functions').first().click()
    await page.getByText('net_rx_action+0x325').first().waitFor()
    const after = await heights()
    expect(Math.max(...after.map(([row]) => row ?? 0))).toBeGreaterThan(120)
    for (const [row, lanes] of after) {
      expect(Math.abs((row ?? 0) - (lanes ?? 0))).toBeLessThanOrEqual(1)
    }
  })

  it('folds a function and opens it again', async () => {
    await open('/traces/t1?packet=3')
    const rows = page.locator('.ps-way > li')
    await rows.first().waitFor()
    const before = await rows.count()
    await page.getByRole('button', { name: 'Fold all', exact: true }).click()
    expect(await rows.count()).toBeLessThan(before)
    await page
      .getByRole('button', { name: /functions called by tcp_sendmsg/ })
      .click()
    await page.getByText('tcp_write_xmit').waitFor()
  })
})

describe('the form', () => {
  it('takes an example, and puts the error at the expression', async () => {
    await open('/traces?new=1', { width: 390 })
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'udp and dst port 53' }).click()
    const field = dialog.getByRole('textbox', { name: 'Expression' })
    expect(await field.inputValue()).toBe('udp and dst port 53')
    await field.fill('nonsense')
    await dialog.getByRole('button', { name: 'Start trace' }).click()
    await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true')
    await dialog.getByText(/not understood at “nonsense”/).waitFor()
  })

  it('changes the filter of a running trace', async () => {
    await open('/traces/t1')
    await page.getByRole('button', { name: 'Change filter' }).click()
    const dialog = page.getByRole('dialog')
    await dialog
      .getByRole('textbox', { name: 'Expression' })
      .fill('tcp port 443')
    await dialog.getByRole('button', { name: 'Apply' }).click()
    await dialog.waitFor({ state: 'detached' })
  })
})

describe('an export', () => {
  it('is a file with the trace’s name', async () => {
    await open('/traces/t1')
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'JSON lines' }).click()
    const file = await download
    expect(file.suggestedFilename()).toBe('trace-t1.jsonl')
    expect(await readFile(await file.path(), 'utf8')).toContain('"packets"')
  })
})
