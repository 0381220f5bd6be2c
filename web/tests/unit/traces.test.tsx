// SPDX-License-Identifier: MIT
// The pages of traces as a person uses them.
import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { TraceFilter } from '../../src/api/types'
import * as fixtures from '../mock/fixtures'
import { calls, on, open } from './console'

const as = (...roles: string[]) =>
  on('GET /session', () => [
    200,
    { ...fixtures.session, role: roles[0], roles },
  ])

beforeEach(() => {
  const t1 = fixtures.trace('t1')
  on('GET /traces', () => [200, { traces: [t1], total: 1 }])
  on('GET /traces/t1', () => [200, t1])
  on('GET /traces/t1/packets', (url) => [
    200,
    fixtures.packets(url.searchParams),
  ])
  on('GET /traces/t1/graph', () => [200, fixtures.graph()])
  on('GET /packets', (url) => [200, fixtures.foundPackets(url.searchParams)])
})

const asked = (method: string, path: string) =>
  calls.findLast(
    (call) => call.method === method && call.url.pathname.endsWith(path),
  )

describe('the form of a trace', () => {
  const dialog = async () => within(await screen.findByRole('dialog'))

  it('asks for what was typed, an example filled in', async () => {
    const user = userEvent.setup()
    on('POST /traces', () => [201, fixtures.trace('t1')])
    open('/traces?new=1')
    const form = await dialog()
    await user.click(form.getByRole('button', { name: 'icmp or icmp6' }))
    await user.click(form.getByText('Process, container, interface, mark'))
    await user.type(form.getByLabelText('Process ID'), '812')
    await user.type(form.getByLabelText('Mark'), '0x10/0xff')
    await user.click(form.getByText('Only drops, slow ones, samples'))
    await user.click(form.getByLabelText('Keep only dropped packets'))
    await user.click(form.getByText('Detail: functions, stacks, bytes'))
    await user.click(form.getByLabelText('Kernel stack at each station'))
    await user.click(form.getByRole('button', { name: 'Start trace' }))
    await screen.findByRole('heading', { name: 'Trace t1' })
    expect(asked('POST', '/traces')?.body).toEqual({
      filter: {
        expr: 'icmp or icmp6',
        pid: 812,
        mark: 16,
        mark_mask: 255,
        drops_only: true,
      },
      stacks: true,
    })
  })

  it('shows at the expression what the server says of it', async () => {
    const user = userEvent.setup()
    on('POST /traces', () => [
      400,
      {
        id: 'trace.expr',
        detail: 'syntax error near "foo"; see pcap-filter(7)',
        field: 'filter.expr',
      },
    ])
    open('/traces?new=1')
    const form = await dialog()
    await user.type(form.getByLabelText('Expression'), 'foo bar')
    await user.click(form.getByRole('button', { name: 'Start trace' }))
    const field = form.getByLabelText('Expression')
    await waitFor(() => expect(field.getAttribute('aria-invalid')).toBe('true'))
    expect(form.getByText(/syntax error near "foo"/)).toBeTruthy()
  })

  it('opens the part of the form that an error is about', async () => {
    on('POST /traces', () => [
      400,
      { detail: 'At most 32 bits.', field: 'filter.mark_mask' },
    ])
    open('/traces?new=1&sport=22')
    const form = await dialog()
    const part = form.getByText(/^Process, container/).closest('details')!
    expect(part.open).toBe(false)
    await userEvent.click(form.getByRole('button', { name: 'Start trace' }))
    expect(await form.findByText('At most 32 bits.')).toBeTruthy()
    expect(part.open).toBe(true)
    expect(form.getByLabelText('Mark').getAttribute('aria-invalid')).toBe(
      'true',
    )
  })

  it('waits for a tracer that takes its time, and starts one trace', async () => {
    const keys: unknown[] = []
    on('POST /traces', (_, init) => {
      keys.push(new Headers(init.headers).get('Idempotency-Key'))
      return keys.length < 3
        ? [504, { id: 'service.timeout', detail: 'No answer in 2 s.' }]
        : [201, fixtures.trace('t1')]
    })
    open('/traces?new=1&sport=22')
    const form = await dialog()
    await userEvent.click(form.getByRole('button', { name: 'Start trace' }))
    await screen.findByRole('heading', { name: 'Trace t1' })
    expect(keys).toHaveLength(3)
    expect(new Set(keys).size).toBe(1)
  })

  it('says beside the choice that functions are missing, and why', async () => {
    open('/traces?new=1&tier=function')
    const form = await dialog()
    expect(await form.findByText(/shows no functions/)).toBeTruthy()
    expect(form.getByText(/kprobe.multi: Operation not/)).toBeTruthy()
  })
})

describe('a trace', () => {
  it('draws a packet’s way with its drop, place, rule and advice', async () => {
    open('/traces/t1?packet=2')
    const way = within(await screen.findByRole('region', { name: 'Packet 2' }))
    expect(way.getByText('dropped: NETFILTER_DROP')).toBeTruthy()
    expect(way.getByText(/nft_do_chain\+0x4a1/)).toBeTruthy()
    expect(way.getByText('inet filter input handle 7')).toBeTruthy()
    expect(way.getByText('tcp dport 443 ct state invalid drop')).toBeTruthy()
    expect(way.getByText(/look at the counters of the chain/)).toBeTruthy()
    expect(way.getByText('inferred')).toBeTruthy()
    expect(way.getByText('+1.21 µs')).toBeTruthy()
  })

  it('lists the newest packet first, with fate and reason', async () => {
    open('/traces/t1')
    const table = within(await screen.findByRole('table'))
    const rows = table.getAllByRole('button', { name: /^Packet/ })
    expect(rows[0]?.getAttribute('aria-label')).toBe('Packet 43')
    expect(table.getAllByText('NETFILTER_DROP').length).toBeGreaterThan(2)
  })

  it('stays at the packet that it shows while others come', async () => {
    let newest = 40
    on('GET /traces/t1/packets', (url) => {
      const list = fixtures.packets(url.searchParams)
      const packets = list.packets.filter((packet) => packet.id <= newest)
      return [200, { ...list, packets }]
    })
    open('/traces/t1')
    await screen.findByRole('region', { name: 'Packet 40' })
    newest = 43
    expect(
      await screen.findByRole(
        'button',
        { name: 'Packet 43' },
        { timeout: 4000 },
      ),
    ).toBeTruthy()
    expect(screen.getByRole('region', { name: 'Packet 40' })).toBeTruthy()
  })

  it('calls nothing dropped of which only a copy was', async () => {
    const list = fixtures.packets(new URLSearchParams('sort=-first&limit=1'))
    const [way] = fixtures.packets(new URLSearchParams('packet=2')).packets
    list.packets = [{ ...way!, fate: 'delivered' }]
    on('GET /traces/t1/packets', () => [200, list])
    open('/traces/t1')
    const table = within(await screen.findByRole('table'))
    expect(table.getByText('delivered')).toBeTruthy()
    expect(table.queryByText('NETFILTER_DROP')).toBeNull()
  })

  it('asks for the newest first, and for one that is not among them', async () => {
    open('/traces/t1?packet=5&drops=1')
    const way = await screen.findByRole('region', { name: 'Packet 5' })
    expect(within(way).getByText('delivered')).toBeTruthy()
    const lists = calls.filter((call) => call.url.pathname.endsWith('/packets'))
    expect(lists.map((call) => call.url.searchParams.get('sort'))).toContain(
      '-first',
    )
    expect(lists.map((call) => call.url.searchParams.get('packet'))).toContain(
      '5',
    )
  })

  it('says that there is no packet of a number', async () => {
    open('/traces/t1?packet=99')
    expect(await screen.findByText(/no packet of this number/)).toBeTruthy()
  })

  it('asks for dropped packets alone when told', async () => {
    open('/traces/t1')
    const button = await screen.findByRole('button', { name: 'Dropped only' })
    await userEvent.click(button)
    await waitFor(() =>
      expect(asked('GET', '/packets')?.url.searchParams.get('drops_only')).toBe(
        'true',
      ),
    )
    expect(button.getAttribute('aria-pressed')).toBe('true')
  })

  it('shows calls with their depth, and folds them', async () => {
    open('/traces/t1?packet=3')
    const way = within(await screen.findByRole('region', { name: 'Packet 3' }))
    expect(way.getByText('nft_do_chain')).toBeTruthy()
    expect(way.getByText('took 48.1 µs')).toBeTruthy()
    expect(way.getByText('return not seen')).toBeTruthy()
    expect(way.getByText('tcp_sendmsg')).toBeTruthy()
    expect(way.getAllByText('from the stack')).toHaveLength(2)
    expect(way.getByText(/^now 198.51.100.1:62001/)).toBeTruthy()
    expect(way.getByText(/^inside 203.0.113.80:51515/)).toBeTruthy()
    await userEvent.click(
      way.getByRole('button', { name: /functions called by ip_queue_xmit/ }),
    )
    expect(way.queryByText('nft_do_chain')).toBeNull()
    expect(way.getByText('netfilter:postrouting')).toBeTruthy()
  })

  it('shows stacks, other tuples and the sender', async () => {
    open('/traces/t1?packet=3')
    const way = within(await screen.findByRole('region', { name: 'Packet 3' }))
    const stack = way.getByText('Kernel stack, 7 functions')
    await userEvent.click(stack)
    expect(way.getByText('net_rx_action+0x325')).toBeTruthy()
    expect(way.getByText('Also seen as')).toBeTruthy()
    expect(way.getByTitle(/^nginx\[812\] 8d2f/)).toBeTruthy()
    expect(way.getByText(/is not stored yet/)).toBeTruthy()
  })

  it('says what is sampled and lost, and accounts for every hit', async () => {
    open('/traces/t1?view=account')
    expect(await screen.findByText(/one packet of 8 was followed/)).toBeTruthy()
    expect(
      screen.getByText(/Not everything was seen: ring buffer full/),
    ).toBeTruthy()
    const line = screen
      .getByRole('rowheader', { name: 'netif_receive_skb' })
      .closest('tr')!
    expect(line.textContent).toContain('812,004721,892090,112')
    expect(screen.queryByText(/neither delivered nor counted/)).toBeNull()
    expect(screen.getByText(/kprobe: Operation not supported/)).toBeTruthy()
  })

  it('does not hide hits that nobody accounts for', async () => {
    const trace = fixtures.trace('t1')
    trace.probes[0]!.hits += 5
    on('GET /traces/t1', () => [200, trace])
    open('/traces/t1?view=account')
    expect(await screen.findByText('5 hits are on their way.')).toBeTruthy()
    trace.state = 'done'
    expect(
      await screen.findByText(/neither delivered nor counted/),
    ).toBeTruthy()
  })

  it('sums up its drops, each with what to look at', async () => {
    open('/traces/t1?view=drops')
    expect(await screen.findByText('11')).toBeTruthy()
    expect(screen.getByText(/look at the counters of the chain/)).toBeTruthy()
    const rule = screen.getByRole('link', { name: 'r2' })
    expect(rule.getAttribute('href')).toBe('/rules')
  })

  it('leads from the graph to the packets that passed', async () => {
    const user = userEvent.setup()
    open('/traces/t1?view=graph')
    await user.click(
      await screen.findByRole('button', { name: /^tcx:ingress/ }),
    )
    const detail = within(
      await screen.findByRole('region', { name: 'tcx:ingress' }),
    )
    expect(detail.getByText('890 ns')).toBeTruthy()
    await user.click(detail.getByRole('link', { name: /^Show its packets/ }))
    expect(
      await screen.findByRole('button', { name: /passed tcx:ingress/ }),
    ).toBeTruthy()
    expect(screen.queryByRole('button', { name: 'Packet 3' })).toBeNull()
  })

  it('changes its filter while it runs', async () => {
    const user = userEvent.setup()
    on('PUT /traces/t1/filter', (_, init) => {
      const filter = JSON.parse(init.body as string) as TraceFilter
      return [200, { ...fixtures.trace('t1'), filter }]
    })
    open('/traces/t1')
    await user.click(
      await screen.findByRole('button', { name: 'Change filter' }),
    )
    const form = within(await screen.findByRole('dialog'))
    const field = form.getByLabelText<HTMLInputElement>('Address')
    expect(field.value).toBe('203.0.113.80')
    await user.clear(field)
    await user.type(form.getByLabelText('Expression'), 'udp')
    await user.click(form.getByRole('button', { name: 'Apply' }))
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull())
    expect(asked('PUT', '/filter')?.body).toEqual({
      expr: 'udp',
      dport: 443,
      proto: 'tcp',
    })
  })

  it('is exported as a file; a failure is said on the page', async () => {
    const made: Blob[] = []
    vi.stubGlobal('URL', URL)
    URL.createObjectURL = (blob: Blob) => {
      made.push(blob)
      return 'blob:x'
    }
    URL.revokeObjectURL = () => undefined
    on('GET /traces/t1/export', () => [200, { id: 1 }])
    open('/traces/t1')
    await userEvent.click(
      await screen.findByRole('button', { name: 'JSON lines' }),
    )
    await waitFor(() => expect(made).toHaveLength(1))
    expect(asked('GET', '/export')?.url.search).toBe('?format=jsonl')
    on('GET /traces/t1/export', () => [503, { detail: 'The tracer is gone.' }])
    await userEvent.click(await screen.findByRole('button', { name: 'pcapng' }))
    expect(await screen.findByText('The tracer is gone.')).toBeTruthy()
    expect(made).toHaveLength(1)
  })

  it('shows payload only to whom it is meant for, when asked', async () => {
    as('viewer', 'payload')
    open('/traces/t1?packet=1')
    await userEvent.click(
      await screen.findByText(/^First 24 bytes/, undefined, { timeout: 9000 }),
    )
    expect(asked('GET', '/packets')?.url.searchParams.get('payload')).toBeNull()
    await userEvent.click(screen.getByRole('button', { name: 'Show payload' }))
    await waitFor(() =>
      expect(asked('GET', '/packets')?.url.searchParams.get('payload')).toBe(
        'true',
      ),
    )
  })

  it('tells the others that payload is not for them', async () => {
    as('viewer')
    open('/traces/t1?packet=1')
    await userEvent.click(await screen.findByText(/^First 24 bytes/))
    expect(screen.getByText(/with the role payload alone/)).toBeTruthy()
    expect(screen.queryByRole('button', { name: 'Show payload' })).toBeNull()
    expect(screen.queryByRole('button', { name: 'Change filter' })).toBeNull()
  })

  it('is in Chinese when asked', async () => {
    open('/traces/t1?packet=2', { language: 'zh' })
    expect(await screen.findByText('丢弃：NETFILTER_DROP')).toBeTruthy()
    expect(screen.getByText(/每 8 个包只跟踪了一个/)).toBeTruthy()
  })
})

describe('the search for packets', () => {
  it('finds them by a tuple, and shows the way and the trace', async () => {
    open('/packets?saddr=203.0.113.80')
    const link = await screen.findByRole('link', { name: 't1' })
    expect(link.getAttribute('href')).toBe('/traces/t1?packet=3')
    expect(screen.getByText(/has not looked at everything/)).toBeTruthy()
    const search = asked('GET', '/packets')?.url.searchParams
    expect(search?.get('saddr')).toBe('203.0.113.80')
  })

  it('goes on where it was cut short', async () => {
    open('/packets?saddr=203.0.113.80')
    await userEvent.click(
      await screen.findByRole('button', { name: 'Search on' }),
    )
    expect(await screen.findByRole('button', { name: 'Packet 1' })).toBeTruthy()
    expect(asked('GET', '/packets')?.url.searchParams.get('cursor')).toBe(
      '1.2.3',
    )
    expect(screen.queryByText(/has not looked at everything/)).toBeNull()
    expect(screen.queryByRole('button', { name: 'Search on' })).toBeNull()
  })

  it('says that there is none', async () => {
    open('/packets?saddr=198.51.100.77')
    expect(await screen.findByText('No recorded packet fits.')).toBeTruthy()
  })
})
