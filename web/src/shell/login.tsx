// SPDX-License-Identifier: MIT
import { Button, PasswordInput } from '@mantine/core'
import { useState, type SyntheticEvent } from 'react'
import { useAuth, type LoginFailure } from '../auth/session'
import { cleanToken } from '../auth/token'
import { useI18n, type Key } from '../i18n'
import { Notice } from '../ui/notice'
import { ProblemNotice } from '../ui/problem'
import { Logo } from '../ui/icon'
import { Preferences } from './preferences'

const FAILURES = {
  wrong: 'login.wrong',
  expired: 'login.expired',
  offline: 'login.offline',
  still: 'login.still',
} as const satisfies Record<LoginFailure, Key>

export function Login() {
  const { t } = useI18n()
  const { state, login } = useAuth()
  const [text, setText] = useState('')
  const [malformed, setMalformed] = useState(false)
  const isChecking = state.status === 'checking'
  const failure = state.status === 'out' ? state.failure : undefined
  const error = state.status === 'out' ? state.error : undefined

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    const token = cleanToken(text)
    setMalformed(token === undefined)
    if (token !== undefined) void login(token)
  }

  return (
    <main className="ps-login">
      <h1>
        <Logo /> {t('app.name')}
      </h1>
      <form onSubmit={submit} aria-busy={isChecking}>
        {failure && (
          <Notice kind={failure === 'offline' ? 'warn' : 'bad'}>
            {t(FAILURES[failure])}
          </Notice>
        )}
        {error && <ProblemNotice error={error} />}
        <PasswordInput
          label={t('login.token')}
          description={t('login.help')}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          error={malformed ? t('login.malformed') : undefined}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          autoFocus
          classNames={{ innerInput: 'ps-mono' }}
        />
        <Button type="submit" loading={isChecking} fullWidth mt="sm">
          {t('login.submit')}
        </Button>
      </form>
      <Preferences />
    </main>
  )
}
