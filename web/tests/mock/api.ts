// SPDX-License-Identifier: MIT
// Answers the API from fixtures, as connect middleware. For development and
// for looking at the console; what the gateway really does is tested with it.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type {
  CreateTraceRequest,
  LoginRequest,
  Problem,
  Rule,
  TraceFilter,
} from '../../src/api/types'
import * as fixtures from './fixtures.ts'

type Next = () => void
type Answer = [status: number, body: unknown]

const problem = (
  status: number,
  detail: string,
  rest: Problem = {},
): Answer => [
  status,
  { type: 'about:blank', title: 'Error', status, detail, ...rest },
]

export function mockApi() {
  const rules = structuredClone(fixtures.rules)
  return (req: IncomingMessage, res: ServerResponse, next: Next) => {
    const url = new URL(req.url ?? '/', 'http://mock')
    if (!url.pathname.startsWith('/api/v1/')) {
      next()
      return
    }
    if (url.pathname.endsWith('/session') && req.method !== 'GET') {
      void readBody(req).then((body) => logInOrOut(req.method, body, res))
      return
    }
    if (!req.headers.cookie?.includes(COOKIE)) {
      send(res, problem(401, 'Log in.', { id: 'auth.no_token' }))
      return
    }
    const parts = url.pathname.slice(8).split('/').map(decodeURIComponent)
    if (parts[0] === 'events') {
      stream(res)
      return
    }
    void readBody(req).then((body) => {
      send(
        res,
        answer(req.method ?? 'GET', parts, url.searchParams, body, rules),
      )
    })
  }
}

const COOKIE = 'packetscope_session=mock'

function logInOrOut(
  method: string | undefined,
  body: unknown,
  res: ServerResponse,
) {
  if (method === 'DELETE') {
    res.setHeader('Set-Cookie', `${COOKIE}; Path=/; Max-Age=0`)
    send(res, [204, undefined])
  } else if ((body as LoginRequest).token !== fixtures.TOKEN) {
    send(res, problem(401, 'Wrong token.', { id: 'auth.wrong_token' }))
  } else {
    res.setHeader('Set-Cookie', `${COOKIE}; Path=/; HttpOnly; SameSite=Strict`)
    send(res, [200, fixtures.session])
  }
}

function answer(
  method: string,
  [resource = '', id, sub]: string[],
  query: URLSearchParams,
  body: unknown,
  rules: Rule[],
): Answer {
  if (resource === 'rules') return answerRules(method, id, body, rules)
  if (method === 'POST') {
    if (resource === 'tokens') {
      return [
        201,
        {
          token: fixtures.tokens().tokens[1],
          secret: 'mock-secret-'.repeat(4),
        },
      ]
    }
    if (resource === 'traces') return createTrace(body)
    if (resource === 'paths') return [201, fixtures.path('p2')]
  }
  if (method === 'DELETE') return [204, undefined]
  if (method === 'PUT' && sub === 'filter') return setFilter(id ?? '', body)
  switch (resource) {
    case 'session':
      return [200, fixtures.session]
    case 'services':
      return [200, fixtures.services()]
    case 'flows': {
      if (id === undefined) return [200, fixtures.flows(query)]
      const all = fixtures.flows(new URLSearchParams({ limit: '1000' }))
      const flow = all.flows.find((f) => f.id === id)
      return flow ? [200, flow] : problem(404, 'There is no such flow.')
    }
    case 'sockets':
      return [200, fixtures.sockets(query)]
    case 'traces':
      if (sub === 'packets') return [200, fixtures.packets(query)]
      if (sub === 'graph') return [200, fixtures.graph()]
      if (sub === 'export') return [200, fixtures.packets()]
      if (id !== undefined) return [200, traceOf(id)]
      return [200, { traces: ['t1', 't0'].map(traceOf), total: 2 }]
    case 'packets':
      return [200, fixtures.foundPackets(query)]
    case 'paths':
      return [
        200,
        id === undefined
          ? { paths: [fixtures.path('p1')], total: 1, missing: [] }
          : fixtures.path(id),
      ]
    case 'tokens':
      return [200, fixtures.tokens()]
    case 'audit':
      return [200, fixtures.audit()]
    case 'stats':
      return [200, fixtures.stats()]
    case 'hosts':
      return [200, fixtures.host(id ?? '')]
    default:
      return problem(404, 'There is no such resource.')
  }
}

const traceOf = (id: string) =>
  id === 't0' ? fixtures.otherTrace(id) : fixtures.trace(id)

/** An expression with an unknown word is refused, as libpcap says it. */
function refused(filter: TraceFilter | undefined): Answer | undefined {
  const word =
    /\b(?!tcp|udp|port|host|and|not|net|icmp6?|or|dst)[a-z]{5,}\b/.exec(
      filter?.expr ?? '',
    )
  return word
    ? problem(400, `The expression is not understood at “${word[0]}”.`, {
        id: 'trace.expr',
        field: 'filter.expr',
      })
    : undefined
}

function createTrace(body: unknown): Answer {
  const { filter } = body as CreateTraceRequest
  return refused(filter) ?? [201, fixtures.trace('t2')]
}

function setFilter(id: string, body: unknown): Answer {
  const filter = body as TraceFilter
  return refused(filter) ?? [200, { ...fixtures.trace(id), filter }]
}

function answerRules(
  method: string,
  id: string | undefined,
  body: unknown,
  rules: Rule[],
): Answer {
  if (method === 'GET') {
    return [200, { rules, total: rules.length, generation: 7 }]
  }
  const index = rules.findIndex((rule) => rule.id === id)
  if (method === 'DELETE') {
    rules.splice(index, 1)
    return [204, undefined]
  }
  const rule = body as Rule
  if (rule.sport !== undefined && !/^\d+(-\d+)?$/.test(rule.sport)) {
    return problem(400, 'A port, or a range as 1024-65535, was expected.', {
      id: 'request.invalid',
      field: 'rule.sport',
    })
  }
  const saved = { hit_packets: 0, hit_bytes: 0, ...rule }
  if (method === 'PUT') {
    rules[index] = { ...rules[index], ...saved }
    return [200, rules[index]]
  }
  const made = { ...saved, id: `r${rules.length + 1}` }
  rules.push(made)
  return [201, made]
}

function send(res: ServerResponse, [status, body]: Answer) {
  res.statusCode = status
  if (body === undefined) {
    res.end()
    return
  }
  res.setHeader(
    'Content-Type',
    status >= 400 ? 'application/problem+json' : 'application/json',
  )
  res.end(JSON.stringify(body))
}

function stream(res: ServerResponse) {
  res.setHeader('Content-Type', 'text/event-stream')
  res.write('retry: 1000\n\n')
  let id = 0
  const write = () => {
    const event = fixtures.events[id % fixtures.events.length]
    id++
    const now = { ...event, time: fixtures.timeAt(Date.now()) }
    res.write(`id: ${id}\nevent: event\ndata: ${JSON.stringify(now)}\n\n`)
  }
  write()
  const timer = setInterval(write, 8000)
  res.on('close', () => clearInterval(timer))
}

async function readBody(req: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of req) text += String(chunk)
  return text === '' ? undefined : (JSON.parse(text) as unknown)
}
