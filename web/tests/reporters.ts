// SPDX-License-Identifier: MIT
// PS_JUNIT=FILE: results for tests/run, beside what a person reads.
export function reporters() {
  const file = process.env.PS_JUNIT
  return file === undefined || file === ''
    ? { reporters: ['default'] }
    : { reporters: ['default', 'junit'], outputFile: { junit: file } }
}
