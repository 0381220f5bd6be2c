// SPDX-License-Identifier: MIT
// One chunk for each page: a route is loaded when it is first opened.
import { Navigate, type RouteObject } from 'react-router'
import { Crash } from './shell/crash'
import { Gate } from './shell/gate'
import { NotFound } from './shell/not-found'

export const routes: RouteObject[] = [
  {
    element: <Gate />,
    errorElement: <Crash />,
    HydrateFallback: () => null,
    children: [
      { index: true, element: <Navigate to="/services" replace /> },
      { path: 'services', lazy: () => import('./pages/services') },
      { path: 'flows', lazy: () => import('./pages/flows') },
      { path: 'hosts/:ip', lazy: () => import('./pages/host') },
      { path: 'sockets', lazy: () => import('./pages/sockets') },
      { path: 'traces', lazy: () => import('./pages/traces') },
      { path: 'traces/:id', lazy: () => import('./pages/trace') },
      { path: 'packets', lazy: () => import('./pages/packets') },
      { path: 'paths', lazy: () => import('./pages/paths') },
      { path: 'paths/:id', lazy: () => import('./pages/path') },
      { path: 'rules', lazy: () => import('./pages/rules') },
      { path: 'tokens', lazy: () => import('./pages/tokens') },
      { path: 'audit', lazy: () => import('./pages/audit') },
      { path: '*', element: <NotFound /> },
    ],
  },
]
