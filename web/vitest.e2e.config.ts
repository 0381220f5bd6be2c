// SPDX-License-Identifier: MIT
import { defineConfig } from 'vitest/config'
import { reporters } from './tests/reporters.ts'

export default defineConfig({
  test: {
    environment: 'node',
    include: ['tests/e2e/**/*.e2e.ts'],
    testTimeout: 60_000,
    hookTimeout: 180_000,
    fileParallelism: false,
    maxWorkers: 1,
    ...reporters(),
  },
})
