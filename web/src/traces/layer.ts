// SPDX-License-Identifier: MIT
import { isKey, useI18n } from '../i18n'
import { plain } from '../ui/figures'

/** A layer's name; one that is not known here is shown as it came. */
export function useLayerText(): (layer: string) => string {
  const { t } = useI18n()
  return (layer) => {
    const key = `layer.${layer}`
    return isKey(key) ? plain(t, key) : layer
  }
}
