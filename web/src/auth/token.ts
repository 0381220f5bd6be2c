// SPDX-License-Identifier: MIT
// The token lives in the tab's session storage alone: not in the URL, which
// histories and proxies keep, and not in a cookie, which other sites can use.

const KEY = 'packetscope.token'

/** What a login link carries: "#token=…". Not a token: undefined. */
export function tokenOfHash(hash: string): string | undefined {
  const token = new URLSearchParams(hash.replace(/^#/, '')).get('token')
  return cleanToken(token ?? '')
}

/** Trimmed; only what may stand in an Authorization header. */
export function cleanToken(text: string): string | undefined {
  const token = text.trim()
  return /^[\x21-\x7e]{1,512}$/.test(token) ? token : undefined
}

/** Takes the token out of the address bar, if there is one. */
export function takeTokenFromUrl(
  location: Pick<Location, 'hash' | 'pathname' | 'search'>,
  history: Pick<History, 'replaceState'>,
): string | undefined {
  if (!/^#?(.*&)?token=/.test(location.hash)) return undefined
  const token = tokenOfHash(location.hash)
  history.replaceState(null, '', location.pathname + location.search)
  return token
}

export function loadToken(storage: Storage = sessionStorage) {
  return cleanToken(storage.getItem(KEY) ?? '')
}

export function saveToken(token: string, storage: Storage = sessionStorage) {
  storage.setItem(KEY, token)
}

export function forgetToken(storage: Storage = sessionStorage) {
  storage.removeItem(KEY)
}

/** The token that requests carry now. */
export class TokenHolder {
  #token: string | undefined

  get = (): string | undefined => this.#token

  set = (token: string | undefined) => {
    this.#token = token
  }
}
