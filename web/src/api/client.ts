// SPDX-License-Identifier: MIT
import type { Problem } from './types'

/** The gateway answered, and not with what was asked for. */
export class ApiError extends Error {
  readonly status: number
  readonly problem: Problem

  constructor(status: number, problem: Problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`)
    this.name = 'ApiError'
    this.status = status
    this.problem = problem
  }
}

/** Nobody answered. */
export class OfflineError extends Error {
  constructor(cause: unknown) {
    super('gateway not reachable', { cause })
    this.name = 'OfflineError'
  }
}

export interface ClientOptions {
  /** After each request: did the gateway answer? */
  onReach?: (reached: boolean) => void
  /** The login has ended, or there was none. */
  onUnauthorized?: () => void
  fetch?: typeof fetch
}

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  body?: unknown
  signal?: AbortSignal | undefined
  headers?: Record<string, string>
  /** A change with the same key is made once, however often it is asked for. */
  key?: string
}

export const API = '/api/v1/'

/** Paths whose answer's age is remembered. */
const MAX_AGES = 100

export class Client {
  readonly #options: ClientOptions
  readonly #ages = new Map<string, number>()

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** The raw answer; throws unless it is 2xx. */
  async open(path: string, options: RequestOptions = {}): Promise<Response> {
    const response = await this.#send(path, options)
    if (response.ok) {
      this.#keepAge(path, response)
      return response
    }
    const problem = await readProblem(response)
    // Who asks whether it is logged in, or logs in, is told so by the answer.
    if (response.status === 401 && path !== 'session') {
      this.#options.onUnauthorized?.()
    }
    throw new ApiError(response.status, problem)
  }

  async request<T>(path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.open(path, options)
    const text = await response.text()
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.request<T>(path, { signal })
  }

  /** Milliseconds that the last answer of this path was old when it came. */
  ageOf(path: string): number {
    return this.#ages.get(path) ?? 0
  }

  #keepAge(path: string, response: Response) {
    const age = Number(response.headers.get('Packetscope-Age-Ms') ?? 0)
    this.#ages.delete(path)
    if (!(age > 0)) return
    this.#ages.set(path, age)
    const [oldest] = this.#ages.keys()
    if (this.#ages.size > MAX_AGES && oldest !== undefined) {
      this.#ages.delete(oldest)
    }
  }

  async #send(path: string, options: RequestOptions): Promise<Response> {
    const doFetch = this.#options.fetch ?? fetch
    try {
      const response = await doFetch(API + path, {
        method: options.method ?? 'GET',
        headers: this.#headers(options),
        signal: options.signal ?? null,
        body: options.body === undefined ? null : JSON.stringify(options.body),
        cache: 'no-store',
        // The login's cookie, which no script can read.
        credentials: 'same-origin',
      })
      // A proxy answers in place of a gateway that is gone.
      const reached = !isProxyError(response)
      this.#options.onReach?.(reached)
      if (!reached) throw new OfflineError(`HTTP ${response.status}`)
      return response
    } catch (cause) {
      if (cause instanceof OfflineError) throw cause
      if (options.signal?.aborted) throw cause
      this.#options.onReach?.(false)
      throw new OfflineError(cause)
    }
  }

  #headers(options: RequestOptions): Record<string, string> {
    const headers: Record<string, string> = {
      Accept: 'application/json, application/problem+json',
      ...options.headers,
    }
    if (options.body !== undefined) {
      headers['Content-Type'] = 'application/json'
    }
    if (options.method !== undefined && options.method !== 'GET') {
      headers['Idempotency-Key'] = options.key ?? newKey()
    }
    return headers
  }
}

function contentType(response: Response): string {
  return response.headers.get('Content-Type') ?? ''
}

function isProxyError(response: Response): boolean {
  return (
    (response.status === 502 ||
      response.status === 504 ||
      (response.status === 500 && contentType(response) === 'text/plain')) &&
    !contentType(response).includes('json')
  )
}

async function readProblem(response: Response): Promise<Problem> {
  const status = response.status
  if (contentType(response).includes('json')) {
    try {
      const body: unknown = await response.json()
      if (typeof body === 'object' && body !== null) return body
    } catch {
      // Said to be JSON and is not: the status must do.
    }
  }
  return { status, title: response.statusText || `HTTP ${status}` }
}

export function newKey(): string {
  // randomUUID() is missing where the page came by plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}
