// SPDX-License-Identifier: MIT
// Whether the gateway answers, for the whole page.

export interface Reach {
  ok: boolean
  /** Unix milliseconds of the last answer */
  lastOk: number | undefined
}

export class ReachStore {
  #reach: Reach = { ok: true, lastOk: undefined }
  readonly #listeners = new Set<() => void>()

  get = (): Reach => this.#reach

  report = (reached: boolean, nowMs = Date.now()) => {
    const { ok, lastOk } = this.#reach
    // A new object only when something to show changed: each is a render.
    if (reached && ok && lastOk !== undefined && nowMs - lastOk < 1000) return
    if (!reached && !ok) return
    this.#reach = { ok: reached, lastOk: reached ? nowMs : lastOk }
    for (const listener of this.#listeners) listener()
  }

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}
