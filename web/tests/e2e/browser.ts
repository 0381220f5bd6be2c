// SPDX-License-Identifier: MIT
import { chromium, type Browser, type Page } from 'playwright-core'

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Chromium with a profile of its own, made anew. */
export function startBrowser(): Promise<Browser> {
  const executablePath = process.env.PS_CHROMIUM ?? '/usr/bin/chromium'
  return chromium.launch({ executablePath, args: FLAGS })
}

/** Everything that a page asks for, and everything it complains about. */
export interface Watch {
  requests: string[]
  errors: string[]
}

export function watch(page: Page): Watch {
  const seen: Watch = { requests: [], errors: [] }
  page.on('request', (request) => seen.requests.push(request.url()))
  page.on('pageerror', (error) => seen.errors.push(error.message))
  page.on('console', (message) => {
    // An answer of 4xx is logged by the browser, and is tested elsewhere.
    const isAnswer = message.text().startsWith('Failed to load resource')
    if (message.type() === 'error' && !isAnswer) {
      seen.errors.push(message.text())
    }
  })
  return seen
}

interface Poor {
  text: string
  ratio: number
  where: string
}

/** Texts in sight whose contrast is below WCAG AA (4.5, large ones 3). */
export function poorContrast(page: Page): Promise<Poor[]> {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 1
    const context = canvas.getContext('2d', { willReadFrequently: true })
    if (!context) throw new Error('no canvas')

    // Any CSS colour, painted over what is below it.
    function paint(color: string, below: number[]): number[] {
      if (!context) return below
      context.fillStyle = `rgb(${below.join(' ')})`
      context.fillRect(0, 0, 1, 1)
      context.fillStyle = color
      context.fillRect(0, 0, 1, 1)
      return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
    }
    function background(element: Element | null): number[] {
      if (!element) return [255, 255, 255]
      const color = getComputedStyle(element).backgroundColor
      return paint(color, background(element.parentElement))
    }
    function luminance(rgb: number[]): number {
      const [r = 0, g = 0, b = 0] = rgb.map((value) => {
        const c = value / 255
        return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    function isInSight(element: Element): boolean {
      const box = element.getBoundingClientRect()
      return (
        box.width > 1 &&
        box.height > 1 &&
        box.bottom > 0 &&
        box.top < innerHeight &&
        element.checkVisibility({ opacityProperty: true })
      )
    }

    const poor: Poor[] = []
    const walker = document.createTreeWalker(
      document.body,
      NodeFilter.SHOW_TEXT,
    )
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent?.trim() ?? ''
      const element = walker.currentNode.parentElement
      if (text === '' || !element || !isInSight(element)) continue
      if (element.closest('svg, :disabled, noscript, script, style')) continue
      const style = getComputedStyle(element)
      const below = background(element)
      const [a, b] = [paint(style.color, below), below].map(luminance)
      const ratio =
        (Math.max(a ?? 0, b ?? 0) + 0.05) / (Math.min(a ?? 0, b ?? 0) + 0.05)
      const px = parseFloat(style.fontSize)
      const isLarge =
        px >= 24 || (px >= 18.66 && Number(style.fontWeight) >= 700)
      if (ratio < (isLarge ? 3 : 4.5)) {
        poor.push({
          text: text.slice(0, 40),
          ratio: Math.round(ratio * 100) / 100,
          where: `${element.tagName}.${element.className}`,
        })
      }
    }
    return poor
  })
}

/** Controls that a screen reader could not name. */
export function nameless(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('button, a[href], input, select, textarea')]
      .filter((element) => element.checkVisibility())
      .filter((element) => {
        const { labels } = element as Partial<HTMLInputElement>
        const byId = element.getAttribute('aria-labelledby') ?? ''
        const names = [
          element.getAttribute('aria-label'),
          element.textContent.trim(),
          labels?.[0]?.textContent,
          document.getElementById(byId.split(' ')[0] ?? '')?.textContent,
        ]
        return !names.some((name) => (name ?? '') !== '')
      })
      .map((element) => element.outerHTML.slice(0, 160)),
  )
}

/** How far the page is wider than the window, in px. */
export function sideways(page: Page): Promise<number> {
  return page.evaluate(() => {
    const main = document.querySelector('main') ?? document.documentElement
    return Math.max(
      document.documentElement.scrollWidth - innerWidth,
      main.scrollWidth - main.clientWidth,
    )
  })
}

interface AddressCell {
  text: string
  /** Texts of what is wider than its box, the cell's own too. */
  clipped: string[]
  /** Addresses that take more than one line. */
  broken: string[]
}

/** The cells of the column with both ends, as they are drawn. */
export function addressCells(page: Page): Promise<AddressCell[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('.ps-table td:has(.ps-endpoint)')]
      .filter((cell) => cell.checkVisibility())
      .map((cell) => {
        const inner = [...cell.querySelectorAll('*')]
        return {
          text: cell.textContent,
          clipped: [cell, ...inner]
            .filter((box) => getComputedStyle(box).display !== 'inline')
            .filter((box) => box.scrollWidth > box.clientWidth)
            .map((box) => box.textContent),
          broken: inner
            .filter((box) => box.matches('.ps-endpoint, .ps-endpoint a'))
            .filter((box) => {
              const line = parseFloat(getComputedStyle(box).lineHeight)
              return box.getBoundingClientRect().height > line * 1.5
            })
            .map((box) => box.textContent),
        }
      }),
  )
}

/** Whether each table is as wide as the box that it is in, no wider. */
export function fullWidth(page: Page): Promise<boolean> {
  return page.evaluate(() =>
    [...document.querySelectorAll('.ps-table')].every((box) => {
      const rows = box.querySelectorAll('table, thead tr, tbody tr')
      return (
        box.scrollWidth === box.clientWidth &&
        [...rows].every(
          (row) =>
            Math.abs(row.getBoundingClientRect().width - box.clientWidth) < 1,
        ) &&
        // Empty columns would be wide too: the last cell ends at the edge.
        [...box.querySelectorAll('th:last-child')].every(
          (cell) =>
            box.getBoundingClientRect().right -
              cell.getBoundingClientRect().right <
            3,
        )
      )
    }),
  )
}
