// SPDX-License-Identifier: MIT
import { geoNaturalEarth1, geoPath } from 'd3-geo'
import { feature } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'
import landData from 'world-atlas/land-110m.json'

const WIDTH = 640
const HEIGHT = 320

const topology = landData as unknown as Topology<{ land: GeometryCollection }>
const land = feature(topology, topology.objects.land)
const projection = geoNaturalEarth1().fitSize([WIDTH, HEIGHT], {
  type: 'Sphere',
})
const path = geoPath(projection)
const LAND = path(land) ?? ''
const SPHERE = path({ type: 'Sphere' }) ?? ''

export interface MapPoint {
  key: string
  latitude: number
  longitude: number
  label: string
  /** The one that it is about */
  main?: boolean
}

/** Points on the world, joined in their order when `joined`. */
export default function WorldMap({
  points,
  joined = false,
  label,
}: {
  points: readonly MapPoint[]
  joined?: boolean
  label: string
}) {
  const way = joined
    ? (path({
        type: 'LineString',
        coordinates: points.map((p) => [p.longitude, p.latitude]),
      }) ?? undefined)
    : undefined
  return (
    <svg
      className="ps-map"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={label}
    >
      <path className="ps-map-sphere" d={SPHERE} />
      <path className="ps-map-land" d={LAND} />
      {way !== undefined && <path className="ps-map-way" d={way} />}
      {points.map((point) => {
        const at = projection([point.longitude, point.latitude])
        if (!at) return null
        const isEast = at[0] > WIDTH * 0.75
        return (
          <g
            key={point.key}
            transform={`translate(${at[0]} ${at[1]})`}
            data-main={point.main === true || undefined}
          >
            <circle r={point.main ? 5 : 3.5} />
            <text
              x={isEast ? -8 : 8}
              y={4}
              textAnchor={isEast ? 'end' : 'start'}
            >
              {point.label}
            </text>
            <title>{point.label}</title>
          </g>
        )
      })}
    </svg>
  )
}
