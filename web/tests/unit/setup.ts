// SPDX-License-Identifier: MIT
// What a browser has and jsdom has not.
import { cleanup, configure } from '@testing-library/react'
import { afterEach, vi } from 'vitest'

// What is waited for comes; how soon depends on what else the machine does.
configure({ asyncUtilTimeout: 10_000 })

class NoObserver implements ResizeObserver {
  observe() {
    // Nothing is ever laid out here.
  }
  unobserve() {
    // See above.
  }
  disconnect() {
    // See above.
  }
}

globalThis.ResizeObserver = NoObserver
window.matchMedia = (query: string) =>
  ({
    matches: false,
    media: query,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }) as unknown as MediaQueryList
Element.prototype.scrollIntoView = () => undefined
// A window for the tables that draw only what is in sight.
for (const [name, px] of [
  ['clientWidth', 1000],
  ['clientHeight', 600],
] as const) {
  Object.defineProperty(Element.prototype, name, { get: () => px })
}

// uPlot draws on a canvas, which jsdom has not.
vi.mock('../../src/ui/rate-chart', () => ({
  RateChart: ({ label }: { label: string }) => label,
}))

afterEach(() => {
  cleanup()
  sessionStorage.clear()
  localStorage.clear()
})
