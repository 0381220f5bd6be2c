// SPDX-License-Identifier: MIT
import type { Path, Place } from '../api/types'
import type { MapPoint } from '../ui/world-map'

/** The places along the way; hops at one place are one point. */
export function mapPoints(
  path: Path,
  text: (place: Place) => string,
): MapPoint[] {
  const points: MapPoint[] = []
  for (const hop of path.hops) {
    for (const { place } of hop.addresses) {
      if (place?.latitude === undefined) continue
      if (place.longitude === undefined) continue
      const { latitude, longitude } = place
      const last = points.at(-1)
      if (last?.latitude === latitude && last.longitude === longitude) {
        last.main ||= place.ip === path.target
        continue
      }
      points.push({
        key: `${hop.ttl} ${place.ip}`,
        latitude,
        longitude,
        label: `${hop.ttl} ${text(place)}`,
        main: place.ip === path.target,
      })
    }
  }
  return points
}
