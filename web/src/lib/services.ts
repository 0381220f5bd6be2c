// SPDX-License-Identifier: MIT
/** In the order in which they are always listed. */
export const SERVICES = ['gateway', 'guarder', 'tracer', 'analyzer', 'locator']
