// SPDX-License-Identifier: MIT
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'
import { mockApi } from './tests/mock/api.ts'

// `npm run dev:mock`: the console without a suite, answered from fixtures.
function mockPlugin(): Plugin {
  return {
    name: 'packetscope-mock',
    configureServer(server) {
      server.middlewares.use(mockApi())
    },
    configurePreviewServer(server) {
      server.middlewares.use(mockApi())
    },
  }
}

export default defineConfig(({ mode }) => ({
  plugins: [react(), ...(mode === 'mock' ? [mockPlugin()] : [])],
  server: {
    proxy:
      mode === 'mock'
        ? {}
        : { '/api': { target: 'http://127.0.0.1:8080', changeOrigin: true } },
  },
  build: {
    target: 'es2022',
    // The gateway's policy forbids inline scripts and data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
}))
