// SPDX-License-Identifier: MIT
import { ActionIcon, Popover } from '@mantine/core'
import {
  Suspense,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react'
import { NavLink, Outlet, useLocation, useNavigation } from 'react-router'
import { useAuth, useCan } from '../auth/session'
import { EventsDrawer } from '../events/drawer'
import { useEvents } from '../events/context'
import { useI18n } from '../i18n'
import { formatSeconds } from '../lib/format'
import { useNow } from '../ui/clock'
import { Icon, Logo, type IconName } from '../ui/icon'
import { useRoleName } from '../ui/role'
import { AddressSearch } from './address-search'
import { Preferences } from './preferences'

// A page that does not exist is not here.
const PAGES = [
  'services',
  'flows',
  'sockets',
  'traces',
  'paths',
  'rules',
] as const satisfies readonly IconName[]

// For administrators; others are told so where they come by a link.
const ADMIN_PAGES = ['tokens', 'audit'] as const satisfies readonly IconName[]

export function Shell() {
  const { t } = useI18n()
  const navigation = useNavigation()
  const nav = useRef<HTMLElement>(null)
  const { pathname } = useLocation()
  // On a narrow screen the pages stand in a row that scrolls. By its position:
  // scrollIntoView() would also move where the Tab key starts from.
  useEffect(() => {
    const row = nav.current
    const active = row?.querySelector('.active')?.getBoundingClientRect()
    if (!row || !active) return
    const { left, width } = row.getBoundingClientRect()
    row.scrollLeft += active.left - left - (width - active.width) / 2
  }, [pathname])
  const pages = useCan('admin') ? [...PAGES, ...ADMIN_PAGES] : PAGES
  return (
    <div className="ps-shell">
      <a className="ps-skip" href="#main">
        {t('app.skip')}
      </a>
      <header className="ps-top">
        <span className="ps-brand">
          <Logo /> {t('app.name')}
        </span>
        <AddressSearch />
        <Bell />
        <UserMenu />
      </header>
      <nav ref={nav} className="ps-nav" aria-label={t('nav.label')}>
        {pages.map((page) => (
          <NavLink key={page} to={`/${page}`}>
            <Icon name={page} />
            {t(`nav.${page}`)}
          </NavLink>
        ))}
      </nav>
      <main
        id="main"
        className="ps-main"
        tabIndex={-1}
        aria-busy={navigation.state === 'loading'}
      >
        <OfflineBanner />
        <Suspense>
          <Outlet />
        </Suspense>
      </main>
    </div>
  )
}

function OfflineBanner() {
  const { reach } = useAuth()
  const { ok, lastOk } = useSyncExternalStore(reach.subscribe, reach.get)
  return ok ? null : <OfflineNotice lastOk={lastOk} />
}

function OfflineNotice({ lastOk }: { lastOk: number | undefined }) {
  const { t, locale } = useI18n()
  const now = useNow()
  return (
    <div className="ps-offline" role="alert">
      {lastOk === undefined
        ? t('app.offline.never')
        : t('app.offline', {
            age: t('common.ago', {
              age: formatSeconds(Math.max(0, now - lastOk) * 1e6, locale),
            }),
          })}
    </div>
  )
}

function Bell() {
  const { t } = useI18n()
  const { state, dispatch } = useEvents()
  const [opened, setOpened] = useState(false)
  const read = () => dispatch({ type: 'read' })
  const label = t('events.open', { n: state.unread })
  return (
    <>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={label}
        title={label}
        className="ps-bell"
        data-stream={state.stream}
        onClick={() => {
          setOpened(true)
          read()
        }}
      >
        <Icon name="bell" size={18} />
        {state.unread > 0 && (
          <span className="ps-badge" aria-hidden="true">
            {state.unread > 99 ? '99+' : state.unread}
          </span>
        )}
      </ActionIcon>
      <EventsDrawer
        opened={opened}
        onClose={() => {
          setOpened(false)
          read()
        }}
      />
    </>
  )
}

function UserMenu() {
  const { t } = useI18n()
  const { state, logout } = useAuth()
  const session = state.status === 'in' ? state.session : undefined
  const role = useRoleName()
  return (
    // Its button never leaves the view, so nothing has to guess whether it did.
    <Popover
      position="bottom-end"
      shadow="md"
      trapFocus
      width={280}
      hideDetached={false}
    >
      <Popover.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          aria-label={t('app.settings')}
          title={t('app.settings')}
        >
          <Icon name="user" size={18} />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown className="ps-menu">
        <dl>
          <dt>{t('app.role')}</dt>
          <dd>{role}</dd>
          <dt>{t('app.version')}</dt>
          <dd className="ps-mono">{session?.version}</dd>
        </dl>
        <Preferences />
        <button
          type="button"
          className="ps-logout"
          onClick={() => void logout()}
        >
          {t('app.logout')}
        </button>
      </Popover.Dropdown>
    </Popover>
  )
}
