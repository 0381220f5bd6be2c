// SPDX-License-Identifier: MIT
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'
import { reporters } from './tests/reporters.ts'

export default defineConfig({
  plugins: [react()],
  test: {
    environment: 'jsdom',
    include: ['tests/unit/**/*.test.{ts,tsx}'],
    setupFiles: ['tests/unit/setup.ts'],
    restoreMocks: true,
    testTimeout: 30_000,
    maxWorkers: 2,
    css: false,
    ...reporters(),
  },
})
