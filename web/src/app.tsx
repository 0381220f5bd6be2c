// SPDX-License-Identifier: MIT
import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { useState } from 'react'
import { createBrowserRouter, RouterProvider } from 'react-router'
import { AuthProvider } from './auth/session'
import { I18nProvider } from './i18n'
import { routes } from './routes'
import { cssVariables, theme } from './theme'

export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Polling asks again anyway, and an error should show at once.
        retry: false,
        staleTime: 500,
        gcTime: 60_000,
        refetchOnWindowFocus: true,
        // The gateway may be on this machine while the network is not.
        networkMode: 'always',
      },
      mutations: { retry: false, networkMode: 'always' },
    },
  })
}

export function App() {
  const [queries] = useState(makeQueryClient)
  const [router] = useState(() => createBrowserRouter(routes))
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      defaultColorScheme="auto"
    >
      <I18nProvider>
        <QueryClientProvider client={queries}>
          <AuthProvider>
            <RouterProvider router={router} />
          </AuthProvider>
        </QueryClientProvider>
      </I18nProvider>
    </MantineProvider>
  )
}
