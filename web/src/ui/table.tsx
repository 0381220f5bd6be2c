// SPDX-License-Identifier: MIT
import { useMediaQuery } from '@mantine/hooks'
import {
  flexRender,
  getCoreRowModel,
  useReactTable,
  type ColumnDef,
  type Header,
  type RowData,
} from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef, type ReactNode } from 'react'

declare module '@tanstack/react-table' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  interface ColumnMeta<TData extends RowData, TValue> {
    /** Least width in px; the rest is shared by `grow`. */
    width: number
    /** The same on narrow screens, where it differs. */
    narrow?: number
    grow?: number
    align?: 'right'
    /** The screens that the column is for; all of them, unless told. */
    only?: 'wide' | 'narrow'
    /** On narrow screens, a text takes the lines that it needs. */
    wrap?: boolean
    /** Name of the server's sort key. */
    sort?: string
    /** What the header means, where its word is not enough. */
    help?: string
  }
}

export type Columns<T> = ColumnDef<T>[]

const ROW_PX = 28
const NARROW = '(max-width: 700px)'

/** "-bytes" when `key` is not the order yet, then "bytes", and so on. */
export function nextSort(current: string, key: string): string {
  return current === `-${key}` ? key : `-${key}`
}

export function ariaSort(
  current: string,
  key: string,
): 'ascending' | 'descending' | 'none' {
  if (current === key) return 'ascending'
  return current === `-${key}` ? 'descending' : 'none'
}

/**
 * A dense table that draws only the rows in sight. Order comes from the
 * server: a header only says which one to ask for.
 */
export function DataTable<T>({
  label,
  rows,
  columns,
  rowId,
  sort,
  onSort,
  empty,
  fill = false,
  wraps = false,
  isSelected,
}: {
  label: string
  rows: T[]
  columns: Columns<T>
  rowId: (row: T, index: number) => string
  sort?: string
  onSort?: (sort: string) => void
  empty: ReactNode
  /** Takes the height that is left, and scrolls. */
  fill?: boolean
  /** Cells that may wrap do so on wide screens too. */
  wraps?: boolean
  isSelected?: (row: T) => boolean
}) {
  const scroller = useRef<HTMLDivElement>(null)
  const isNarrow = useMediaQuery(NARROW, false, {
    getInitialValueInEffect: false,
  })
  const columnVisibility = useMemo(() => {
    const other = isNarrow ? 'wide' : 'narrow'
    return Object.fromEntries(
      columns.map(({ id, meta }) => [id ?? '', meta?.only !== other]),
    )
  }, [columns, isNarrow])
  const table = useReactTable({
    data: rows,
    columns,
    getRowId: rowId,
    getCoreRowModel: getCoreRowModel(),
    manualSorting: true,
    state: { columnVisibility },
  })
  const all = table.getRowModel().rows
  const virtual = useVirtualizer({
    count: all.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    // What is not laid out has no height.
    measureElement: (row) => row.getBoundingClientRect().height || ROW_PX,
    getItemKey: (index) => all[index]?.id ?? index,
    overscan: 15,
    initialRect: { width: 1000, height: 600 },
  })
  const items = virtual.getVirtualItems()
  const above = items[0]?.start ?? 0
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0)
  const headers = table.getFlatHeaders()
  const width = headers.reduce((sum, h) => sum + pxOf(h, isNarrow), 0)

  return (
    <div
      className="ps-table"
      data-fill={fill || undefined}
      data-narrow={isNarrow || undefined}
      data-wraps={wraps || undefined}
      ref={scroller}
      // Scrolled by keyboard, it must be reachable by keyboard.
      tabIndex={0}
      role="region"
      aria-label={label}
    >
      <table
        aria-rowcount={all.length + 1}
        style={{ ['--ps-width' as string]: `${width}px` }}
      >
        <thead>
          <tr aria-rowindex={1}>
            {headers.map((header) => (
              <HeaderCell
                key={header.id}
                header={header}
                px={pxOf(header, isNarrow)}
                total={growSum(headers)}
                sort={sort}
                onSort={onSort}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          {above > 0 && (
            <tr aria-hidden="true" style={{ height: above }}>
              <td colSpan={headers.length} />
            </tr>
          )}
          {items.map((item) => {
            const row = all[item.index]
            if (!row) return null
            return (
              <tr
                key={row.id}
                // Rows of several lines are as high as they come.
                ref={isNarrow || wraps ? virtual.measureElement : undefined}
                data-index={item.index}
                aria-rowindex={item.index + 2}
                data-odd={item.index % 2 === 1 || undefined}
                data-selected={isSelected?.(row.original) ?? undefined}
              >
                {row.getVisibleCells().map((cell) => {
                  const meta = cell.column.columnDef.meta
                  return (
                    <td
                      key={cell.id}
                      data-align={meta?.align}
                      data-wrap={meta?.wrap}
                    >
                      {flexRender(
                        cell.column.columnDef.cell,
                        cell.getContext(),
                      )}
                    </td>
                  )
                })}
              </tr>
            )
          })}
          {below > 0 && (
            <tr aria-hidden="true" style={{ height: below }}>
              <td colSpan={headers.length} />
            </tr>
          )}
        </tbody>
      </table>
      {all.length === 0 && <p className="ps-empty">{empty}</p>}
    </div>
  )
}

function pxOf<T>(header: Header<T, unknown>, isNarrow: boolean): number {
  const { width = 100, narrow } = header.column.columnDef.meta ?? {}
  return isNarrow && narrow !== undefined ? narrow : width
}

function growSum<T>(headers: Header<T, unknown>[]): number {
  return headers.reduce((n, h) => n + (h.column.columnDef.meta?.grow ?? 0), 0)
}

function HeaderCell<T>({
  header,
  px,
  total,
  sort,
  onSort,
}: {
  header: Header<T, unknown>
  px: number
  total: number
  sort: string | undefined
  onSort: ((sort: string) => void) | undefined
}) {
  const { meta } = header.column.columnDef
  const key = meta?.sort
  const text = flexRender(header.column.columnDef.header, header.getContext())
  const order =
    key !== undefined && sort !== undefined ? ariaSort(sort, key) : undefined
  const share = total > 0 ? (meta?.grow ?? 0) / total : 0
  return (
    <th
      scope="col"
      data-align={meta?.align}
      title={meta?.help}
      aria-sort={order}
      style={{
        width: `calc(${px}px + max(0px, 100cqw - var(--ps-width)) * ${share})`,
      }}
    >
      {key !== undefined && onSort ? (
        <button type="button" onClick={() => onSort(nextSort(sort ?? '', key))}>
          {text}
          <span aria-hidden="true" className="ps-sort">
            {order === 'ascending' ? '▲' : order === 'descending' ? '▼' : '△'}
          </span>
        </button>
      ) : (
        text
      )}
    </th>
  )
}
