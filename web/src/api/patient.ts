// SPDX-License-Identifier: MIT
import { ApiError, newKey, type Client, type RequestOptions } from './client'

/** How long a change may take before it is given up. */
const PATIENCE_MS = 30_000

function isTooLate(error: unknown): boolean {
  return error instanceof ApiError && error.problem.id === 'service.timeout'
}

/**
 * A change that a daemon may need longer for than the gateway waits: asked
 * again under the same key, so that it is made once, whichever answer comes.
 */
export async function patient<T>(
  client: Client,
  path: string,
  options: RequestOptions,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const until = Date.now() + patienceMs
  const key = newKey()
  for (;;) {
    try {
      return await client.request<T>(path, { ...options, key })
    } catch (error) {
      if (!isTooLate(error) || Date.now() >= until) throw error
    }
  }
}
