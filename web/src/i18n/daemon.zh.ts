// SPDX-License-Identifier: MIT
import type { Texts } from './daemon'

export const zhTexts: Texts = {
  capability: {},
  without: {},
  event: {},
  problem: {},
  loss: {
    ring_full: '环形缓冲区已满',
    flow_map_full: '流表已满',
    'bus_gap.*': '总线消息缺口：{rest}',
    publish_failed: '发布失败',
  },
}
