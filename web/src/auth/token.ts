// SPDX-License-Identifier: MIT
// A token is only passed on: from a link or the login's field to the gateway,
// which gives a cookie for it that no script can read. It is never kept.

/** What a login link carries: "#token=…". Not a token: undefined. */
export function tokenOfHash(hash: string): string | undefined {
  const token = new URLSearchParams(hash.replace(/^#/, '')).get('token')
  return cleanToken(token ?? '')
}

/** Trimmed; only what a token can be made of. */
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
