// SPDX-License-Identifier: MIT
import { ApiError, OfflineError } from '../api/client'
import type { Problem } from '../api/types'
import { useI18n } from '../i18n'
import { daemonText } from '../i18n/daemon'
import { Notice } from './notice'

/** The sentence of a problem in the reader's language. */
export function useProblemText(): (problem: Problem) => string {
  const { t, language } = useI18n()
  return (problem) =>
    daemonText(
      language,
      'problem',
      problem.id,
      problem.detail ??
        problem.title ??
        t('problem.http', { status: problem.status ?? 0 }),
      problem.params,
    )
}

/** Any error of a query or a change. */
export function ProblemNotice({ error }: { error: unknown }) {
  const { t } = useI18n()
  const problemText = useProblemText()
  // The banner says that, once and for the whole page.
  if (error instanceof OfflineError) return null
  if (error instanceof ApiError) {
    const { problem, status } = error
    const text = problemText(problem)
    return (
      <Notice kind="bad" title={text}>
        {problem.detail !== undefined && problem.detail !== text && (
          <p lang="en">{problem.detail}</p>
        )}
        <span className="ps-mono ps-dim">
          {[
            t('problem.http', { status }),
            problem.id,
            problem.field && t('problem.field', { field: problem.field }),
          ]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </Notice>
    )
  }
  return (
    <Notice kind="bad" title={t('problem.title')}>
      <span className="ps-mono">
        {error instanceof Error ? error.message : String(error)}
      </span>
    </Notice>
  )
}
