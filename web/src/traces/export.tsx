// SPDX-License-Identifier: MIT
import { useMutation } from '@tanstack/react-query'
import { useAuth } from '../auth/session'
import { useI18n } from '../i18n'

const FORMATS = [
  ['pcapng', 'traces.export.pcapng', 'traces.export.pcapng.help'],
  ['jsonl', 'traces.export.jsonl', 'traces.export.jsonl.help'],
] as const
type Format = (typeof FORMATS)[number][0]

/** Hands a file to the browser, as if it had been a link's. */
function save(blob: Blob, name: string) {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}

export function useExport(trace: string) {
  const { client } = useAuth()
  return useMutation({
    mutationFn: async (format: Format) => {
      const id = encodeURIComponent(trace)
      const path = `traces/${id}/export?format=${format}`
      // A file, or an error that the page can show.
      const response = await client.open(path, { headers: { Accept: '*/*' } })
      save(await response.blob(), `trace-${trace}.${format}`)
    },
  })
}

export function ExportButtons({ of }: { of: ReturnType<typeof useExport> }) {
  const { t } = useI18n()
  const { mutate, isPending, variables } = of
  return FORMATS.map(([format, text, help]) => (
    <button
      key={format}
      type="button"
      className="ps-button"
      disabled={isPending}
      aria-busy={isPending && variables === format}
      title={t(help)}
      onClick={() => mutate(format)}
    >
      {isPending && variables === format ? t('traces.export.busy') : t(text)}
    </button>
  ))
}
