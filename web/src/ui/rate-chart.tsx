// SPDX-License-Identifier: MIT
import { useComputedColorScheme } from '@mantine/core'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { formatByteRate } from '../lib/format'
import type { RateColumns } from '../lib/series'

const HEIGHT = 84
const WINDOW_S = 300

// Steps that are round in the units shown: 1, 2, 5 … of B, KiB, MiB, GiB.
const STEPS = [0, 1, 2, 3, 4].flatMap((power) =>
  [1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * 1024 ** power),
)

function options(width: number, locale: string, style: CSSStyleDeclaration) {
  const color = (name: string) => style.getPropertyValue(name).trim()
  const axis = {
    stroke: color('--mantine-color-dimmed'),
    grid: { stroke: color('--ps-line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui',
  }
  const clock = new Intl.DateTimeFormat(locale, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  })
  const line = (stroke: string) => ({
    stroke: color(stroke),
    width: 1.5,
    points: { show: false },
    spanGaps: false,
  })
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: {
        time: true,
        range: (_: uPlot, __: number, last: number): [number, number] => [
          last - WINDOW_S,
          last,
        ],
      },
      y: { range: (_: uPlot, __: number, max: number) => niceRange(max) },
    },
    axes: [
      {
        ...axis,
        size: 20,
        space: 110,
        values: (_: uPlot, seconds: number[]) =>
          seconds.map((s) => clock.format(s * 1000)),
      },
      {
        ...axis,
        size: 78,
        space: 24,
        incrs: STEPS,
        values: (_: uPlot, rates: number[]) =>
          rates.map((rate) => formatByteRate(rate, locale)),
      },
    ],
    series: [{}, line('--ps-rx'), line('--ps-tx')],
  } satisfies uPlot.Options
}

function niceRange(max: number): [number, number] {
  return [0, Number.isFinite(max) && max > 0 ? max * 1.1 : 1]
}

/** Received and sent bytes per second over the last minutes. */
export function RateChart({
  columns,
  label,
  locale,
}: {
  columns: RateColumns
  label: string
  locale: string
}) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef(columns)
  const scheme = useComputedColorScheme('light')

  useEffect(() => {
    const element = box.current
    if (!element) return
    const made = new uPlot(
      options(element.clientWidth || 300, locale, getComputedStyle(element)),
      latest.current,
      element,
    )
    plot.current = made
    const resize = new ResizeObserver(() => {
      made.setSize({ width: element.clientWidth, height: HEIGHT })
    })
    resize.observe(element)
    return () => {
      resize.disconnect()
      made.destroy()
      plot.current = undefined
    }
    // A canvas takes its colours and its language when it is made.
  }, [locale, scheme])

  useEffect(() => {
    latest.current = columns
    plot.current?.setData(columns)
  }, [columns])

  return (
    <div
      className="ps-chart"
      ref={box}
      role="img"
      aria-label={label}
      style={{ height: HEIGHT }}
    />
  )
}
