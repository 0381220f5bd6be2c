// SPDX-License-Identifier: MIT
import { useState, type SyntheticEvent } from 'react'
import { useNavigate } from 'react-router'
import { useI18n } from '../i18n'
import { isIp } from '../lib/ip'
import { Icon } from '../ui/icon'

/** Any address, from any page, to its host page. */
export function AddressSearch() {
  const { t } = useI18n()
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [invalid, setInvalid] = useState(false)

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    const ip = text.trim().replace(/^\[(.*)\]$/, '$1')
    setInvalid(ip !== '' && !isIp(ip))
    if (!isIp(ip)) return
    setText('')
    void navigate(`/hosts/${encodeURIComponent(ip)}`)
  }

  return (
    <form className="ps-search" role="search" onSubmit={submit}>
      <Icon name="search" />
      <input
        type="text"
        inputMode="search"
        aria-label={t('nav.host')}
        placeholder={t('nav.host')}
        value={text}
        spellCheck={false}
        autoComplete="off"
        aria-invalid={invalid}
        aria-describedby={invalid ? 'search-error' : undefined}
        onChange={(event) => {
          setText(event.currentTarget.value)
          setInvalid(false)
        }}
      />
      {invalid && (
        <span id="search-error" className="ps-search-error" role="alert">
          {t('nav.host.invalid')}
        </span>
      )}
    </form>
  )
}
