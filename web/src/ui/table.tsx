// SPDX-License-Identifier: MIT
import {
  flexRender,
  getCoreRowModel,
  useReactTable,
  type ColumnDef,
  type Header,
  type RowData,
} from '@tanstack/react-table'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef, type ReactNode } from 'react'

declare module '@tanstack/react-table' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  interface ColumnMeta<TData extends RowData, TValue> {
    /** Least width in px; the rest is shared by `grow`. */
    width: number
    grow?: number
    align?: 'right'
    /** Left out on narrow screens. */
    wideOnly?: boolean
    /** Name of the server's sort key. */
    sort?: string
    /** What the header means, where its word is not enough. */
    help?: string
  }
}

export type Columns<T> = ColumnDef<T>[]

const ROW_PX = 28

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
  isSelected?: (row: T) => boolean
}) {
  const scroller = useRef<HTMLDivElement>(null)
  const table = useReactTable({
    data: rows,
    columns,
    getRowId: rowId,
    getCoreRowModel: getCoreRowModel(),
    manualSorting: true,
  })
  const all = table.getRowModel().rows
  const virtual = useVirtualizer({
    count: all.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => all[index]?.id ?? index,
    overscan: 15,
    initialRect: { width: 1000, height: 600 },
  })
  const items = virtual.getVirtualItems()
  const above = items[0]?.start ?? 0
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0)
  const headers = table.getFlatHeaders()
  const width = headers.reduce(
    (sum, h) => sum + (h.column.columnDef.meta?.width ?? 100),
    0,
  )

  return (
    <div
      className="ps-table"
      data-fill={fill || undefined}
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
                      data-wide={meta?.wideOnly}
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

function growSum<T>(headers: Header<T, unknown>[]): number {
  return headers.reduce((n, h) => n + (h.column.columnDef.meta?.grow ?? 0), 0)
}

function HeaderCell<T>({
  header,
  total,
  sort,
  onSort,
}: {
  header: Header<T, unknown>
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
      data-wide={meta?.wideOnly}
      title={meta?.help}
      aria-sort={order}
      data-grow={share > 0 || undefined}
      style={{
        ['--ps-px' as string]: `${meta?.width ?? 100}px`,
        width: `calc(${meta?.width ?? 100}px + max(0px, 100cqw - var(--ps-width)) * ${share})`,
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
