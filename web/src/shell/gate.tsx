// SPDX-License-Identifier: MIT
import { useAuth } from '../auth/session'
import { EventsProvider } from '../events/context'
import { Login } from './login'
import { Shell } from './shell'

/** Login, or the console. */
export function Gate() {
  const { state } = useAuth()
  if (state.status !== 'in') return <Login />
  return (
    <EventsProvider>
      <Shell />
    </EventsProvider>
  )
}
