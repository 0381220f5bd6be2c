# SPDX-License-Identifier: MIT
"""The tracer's history: packets found, ways live, graph, exports; killed, and
with a full disk."""

import json
import socket
import time

import pytest

from lab import ApiError, SmallDisk, Suite, traffic, wait_for
from lab.capture import tshark
from lab.tracing import ALL, listen

pytestmark = pytest.mark.daemons('tracer', 'gateway')


@pytest.fixture
def api(lab):
    """A tracer and a gateway on the host, and two linked namespaces."""
    with linked(lab) as suite:
        yield suite


def linked(lab, *args):
    """A suite that is ready to trace between a and b. args: the tracer's."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    suite = Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
                  args={'tracer': [*ALL, *args]})
    suite.a, suite.b, suite.link = a, b, link
    return suite


def trace(suite, **fields):
    """Id of a new trace of the core tier."""
    body = {'tier': 'core', 'duration_ns': 30 * 10**9, **fields}

    def posted():
        try:
            return suite.client.post('traces', body)['id']
        except ApiError as err:
            if err.status != 503:
                raise
            return None
    return wait_for(posted, 15)


def packets(suite, ident, **more):
    """All ways of a trace."""
    return list(suite.client.pages(f'traces/{ident}/packets', 'packets',
                                   limit=100, **more))


def stored(suite, ident, want, seconds=15):
    """The ways of a trace, once so many are stored."""
    def done():
        ways = packets(suite, ident)
        return ways if sum(w['stored'] for w in ways) >= want else None
    return wait_for(done, seconds, what=f'{want} stored ways of {ident}')


def ended(suite, ident):
    """The trace, once it is done."""
    def done():
        try:
            state = suite.client.get(f'traces/{ident}')
        except ApiError as err:
            if err.status != 503:       # it starts again
                raise
            return None
        return state if state['state'] != 'running' else None
    return wait_for(done, 30)


def send(suite, version, count, port=9):
    """Datagrams to nobody's port: each is dropped."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    with suite.a.socket(family, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            sock.sendto(b'secret payload', (suite.link.b.addr(version), port))


def export(suite, ident, client=None, **query):
    """(bytes, headers) of an export."""
    with (client or suite.client).open(
            'GET', f'traces/{ident}/export', query=query) as res:
        return res.read(), res.headers


# ---- live --------------------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_ways_come_live_and_are_stored(api, version):
    """While the trace runs, each way is stored and told once it settled."""
    came = listen(api.client, ['packet'])
    ident = trace(api, filter={'daddr': api.link.b.addr(version),
                               'proto': 'udp'})
    send(api, version, 5)
    ways = stored(api, ident, 5)
    assert api.client.get(f'traces/{ident}')['state'] == 'running'
    wait_for(lambda: len(came) >= 5, 5)
    told = [e['data'] for e in came]
    assert {w['id'] for w in told} == {w['id'] for w in ways}
    for way in told:
        assert way['trace'] == ident and way['stored']
        assert way['fate'] == 'dropped' and way['steps']
        assert 'bytes' not in way
    only = packets(api, ident, drops_only='true')
    assert [w['id'] for w in only] == [w['id'] for w in ways]


def pages_of(suite, ident, **query):
    """Numbers of a trace's ways, page by page."""
    return [w['id'] for w in suite.client.pages(
        f'traces/{ident}/packets', 'packets', limit=3, **query)]


def check_pages(suite, ident, count):
    """Every order, station, and single packet of a trace of datagrams."""
    path = f'traces/{ident}/packets'
    up = list(range(count))
    assert pages_of(suite, ident) == pages_of(suite, ident, sort='first') == up
    assert pages_of(suite, ident, sort='-first') == up[::-1]
    assert pages_of(suite, ident, sort='-first', drops_only='true') == up[::-1]
    way = suite.client.get(path, limit=1)['packets'][0]
    for station in {s['station'] for s in way['steps']}:
        assert pages_of(suite, ident, station=station) == up
        assert pages_of(suite, ident, station=station,
                        sort='-first') == up[::-1]
    assert not pages_of(suite, ident, station='nowhere')
    for number in (0, count - 1):
        page = suite.client.get(path, packet=number, sort='-first')
        assert [w['id'] for w in page['packets']] == [number]
        assert 'next_cursor' not in page
    assert not suite.client.get(path, packet=count)['packets']
    assert not suite.client.get(path, packet=2**53 - 1)['packets']


def test_pages_of_a_trace(api):
    """The newest first and the oldest first, of one station, of one number:
    while it runs, and from the disk."""
    ident = trace(api, filter={'daddr': api.link.b.addr(4), 'dport': 9},
                  tier='core', duration_ns=3600 * 10**9)
    send(api, 4, 7)
    stored(api, ident, 7)
    check_pages(api, ident, 7)
    newest = api.client.get(f'traces/{ident}/packets', sort='-first', limit=2)
    # What comes later does not move what is behind a cursor.
    send(api, 4, 3)
    stored(api, ident, 10)
    behind = api.client.get(f'traces/{ident}/packets', sort='-first', limit=2,
                            cursor=newest['next_cursor'])
    assert [w['id'] for w in behind['packets']] == [4, 3]
    assert behind['total'] == 10
    check_pages(api, ident, 10)
    api['tracer'].stop()
    api['tracer'].start()
    ended(api, ident)
    check_pages(api, ident, 10)


@pytest.mark.parametrize('query, field, wanted', [
    ({'sort': 'colour'}, 'sort', 'request.sort'),
    ({'sort': '-'}, 'sort', 'request.sort'),
    ({'cursor': '5', 'sort': '-first'}, 'cursor', 'request.cursor'),
    ({'cursor': '-5'}, 'cursor', 'request.cursor'),
    ({'cursor': 'o5'}, 'cursor', 'request.cursor'),
    ({'cursor': '0'}, 'cursor', 'request.cursor'),
    ({'limit': 0}, 'limit', 'request.limit')])
def test_pages_refuse(api, query, field, wanted):
    """The field's name, and nothing is guessed."""
    with pytest.raises(ApiError) as err:
        api.client.get('traces/any/packets', **query)
    assert err.value.status == 400 and err.value.problem['field'] == field
    assert err.value.problem['id'] == wanted


def test_who_names_no_topic_gets_no_packets(api):
    """They are many: only who asks for them gets them."""
    came = listen(api.client)

    def told(topic):
        return [e['event'] for e in came].count(topic)

    def heard():
        trace(api, filter={'dport': 1}, duration_ns=10**6)
        return told('trace') > 0
    wait_for(heard, 10, interval=0.5)
    before = told('trace')
    ident = trace(api, filter={'daddr': api.link.b.v4, 'proto': 'udp'},
                  max_packets=3)
    send(api, 4, 3)
    ended(api, ident)
    wait_for(lambda: told('trace') >= before + 2, 10)
    assert told('packet') == 0


def test_killed_it_keeps_what_was_stored(api):
    """kill -9: every way that was shown as stored is there."""
    ident = trace(api, filter={'daddr': api.link.b.v4, 'proto': 'udp'})
    send(api, 4, 30)
    before = stored(api, ident, 30)
    send(api, 4, 5)
    api['tracer'].kill()
    api['tracer'].start()
    state = ended(api, ident)
    after = packets(api, ident)
    assert state['end_reason'] == 'restart'
    assert state['packets'] == len(after) >= 30
    assert state['drops'] == sum(w.get('fate') == 'dropped' for w in after)
    assert [w for w in after if w['id'] < 30] == before
    found = api.client.get('packets', daddr=api.link.b.v4, proto='udp',
                           limit=1000)['packets']
    assert sorted(w['id'] for w in found) == [w['id'] for w in after]


def test_full_disk_says_so_and_goes_on(lab):
    """Nothing is lost while memory holds it; room again, and it is stored."""
    suite = linked(lab)
    SmallDisk(suite, 'tracer', 1)
    with suite:
        ident = trace(suite, filter={'daddr': suite.link.b.v4,
                                     'proto': 'udp'}, max_packets=40)
        send(suite, 4, 10)
        stored(suite, ident, 10)
        suite['tracer'].fill()
        came = listen(suite.client, ['event'])

        def told(ident):
            return ident in [e['data']['id'] for e in came]
        send(suite, 4, 30)
        wait_for(lambda: told('tracer.history_failed'), 10)
        # As many as it takes: the budget may leave some out. It ends once
        # nothing more comes.
        wait_for(lambda: send(suite, 4, 10) or
                 suite.client.get(f'traces/{ident}')['packets'] == 40,
                 20, interval=0.2)
        failed = ended(suite, ident)
        assert failed['state'] == 'failed' and failed['packets'] == 40
        ways = packets(suite, ident)
        assert len(ways) == 40
        assert 10 <= sum(w['stored'] for w in ways) < 40
        suite['tracer'].make_room()
        wait_for(lambda: suite.client.get(f'traces/{ident}')['state'] ==
                 'done', 15)
        ways = packets(suite, ident)
        assert len(ways) == 40 and all(w['stored'] for w in ways)
        wait_for(lambda: told('tracer.history_recovered'), 5)


def test_the_bound_of_bytes_holds_on_disk(lab):
    """The oldest traces leave, and no file is larger than was allowed."""
    with linked(lab, '--history-max', '2M') as suite:
        made, left = [], []
        # The budget may leave packets out, then more traces are needed.
        while len(left) == len(made) < 32:
            ident = trace(suite, filter={'daddr': suite.link.b.v4,
                                         'proto': 'udp'},
                          max_packets=800, duration_ns=3 * 10**9)
            send(suite, 4, 800)
            newest = ended(suite, ident)
            made.append(ident)
            used = sum(f.stat().st_size
                       for f in suite['tracer'].state_dir.glob('tracer.db*'))
            assert used <= 2 << 20
            left = [t['id'] for t in suite.client.get('traces')['traces']]
        assert left == made[::-1][:len(left)] and 0 < len(left) < len(made)
        assert len(packets(suite, ident)) == newest['packets'] > 0


# ---- find --------------------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_find_by_tuple(api, version):
    """Of all traces, the newest first, whichever end is asked for."""
    addr, mine = api.link.b.addr(version), api.link.a.addr(version)
    idents = []
    for port in (7, 9, 7):
        ident = trace(api, filter={'daddr': addr, 'dport': port},
                      max_packets=4)
        send(api, version, 4, port)
        ended(api, ident)
        idents.append(ident)
    found = api.client.get('packets', saddr=mine, daddr=addr, dport=7,
                           proto='udp', limit=5)
    ways = found['packets']
    assert [w['trace'] for w in ways] == [idents[2]] * 4 + [idents[0]]
    rest = api.client.get('packets', saddr=mine, daddr=addr, dport=7,
                          proto='udp', limit=5, cursor=found['next_cursor'])
    assert len(rest['packets']) == 3 and 'next_cursor' not in rest
    times = [w['first'] for w in ways + rest['packets']]
    assert times == sorted(times, reverse=True)
    # The other way round, by less, and by what is not there.
    assert len(api.client.get('packets', saddr=addr, sport=7)['packets']) == 8
    assert len(api.client.get('packets', dport=9)['packets']) == 4
    assert not api.client.get('packets', dport=9, proto='tcp')['packets']
    api.client.delete(f'traces/{idents[0]}')
    assert len(api.client.get('packets', sport=7)['packets']) == 4


@pytest.mark.parametrize('query, field', [
    ({'sport': 65536}, 'sport'), ({'dport': 65536}, 'dport'),
    ({'saddr': 'nobody'}, 'saddr'), ({'cursor': 'x'}, 'cursor'),
    ({'saddr': '10.0.0.1', 'daddr': '::1'}, 'daddr'),
    ({'limit': 0}, 'limit')])
def test_find_refuses(api, query, field):
    with pytest.raises(ApiError) as err:
        api.client.get('packets', **query)
    assert err.value.status == 400 and err.value.problem['field'] == field


# ---- graph -------------------------------------------------------------------

def test_graph(api):
    """Nodes and edges add up to the ways that they are made of."""
    ident = trace(api, filter={'daddr': api.link.b.v4, 'proto': 'udp'},
                  max_packets=50)
    send(api, 4, 50)
    ended(api, ident)
    ways = packets(api, ident)
    graph = api.client.get(f'traces/{ident}/graph')
    assert graph['packets'] == len(ways) == 50 and not graph['losses']
    assert sum(n['count'] for n in graph['nodes']) == sum(
        len(w['steps']) for w in ways)
    assert sum(n['drops'] for n in graph['nodes']) == 50
    times = {}
    for way in ways:
        for a, b in zip(way['steps'], way['steps'][1:]):
            key = tuple((s['station'], s.get('netns')) for s in (a, b))
            times.setdefault(key, []).append(b['delta_ns'])
    seen = {}
    for edge in graph['edges']:
        key = tuple((n['id'], n.get('netns')) for n in (
            graph['nodes'][edge['from']], graph['nodes'][edge['to']]))
        seen[key] = edge
    assert set(seen) == set(times)
    for key, values in times.items():
        values.sort()
        latency = seen[key]['latency']
        assert seen[key]['count'] == latency['count'] == len(values)
        assert latency['min_ns'] == values[0]
        assert latency['max_ns'] == values[-1]
        assert latency['p50_ns'] == values[(len(values) + 1) // 2 - 1]
    with pytest.raises(ApiError) as err:
        api.client.get('traces/nothing/graph')
    assert err.value.status == 404


# ---- exports -----------------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_pcapng_that_tshark_reads(api, version):
    """Times, interfaces, comments and bytes are those of the ways."""
    ident = trace(api, filter={'daddr': api.link.b.addr(version),
                               'proto': 'udp'}, max_packets=250)
    send(api, version, 250)
    ended(api, ident)
    ways = packets(api, ident)
    data, headers = export(api, ident)
    assert headers['Content-Type'] == 'application/x-pcapng'
    assert f'trace-{ident}.pcapng' in headers['Content-Disposition']
    rows = [line.split('|') for line in tshark(
        data, 'frame.time_epoch', 'frame.interface_name', 'frame.len',
        'frame.cap_len').splitlines()]
    assert len(rows) == len(ways) == 250
    for row, way in zip(rows, ways):
        # Nanoseconds.
        assert row[0].split('.')[1] == way['first'].split('.')[1][:9]
        first = next(s for s in way['steps'] if 'ifname' in s)
        assert row[1] == first['ifname']
        assert int(row[3]) <= int(row[2])
    comments = tshark(data, 'frame.comment')
    assert comments.count('dropped: ') == 250
    assert comments.count('net_dev_queue') == 250
    check_bytes(api, ident, ways, rows, version)


def check_bytes(suite, ident, ways, rows, version):
    """Headers for everybody, payload for who may see it; audited."""
    captured = 'bytes' in ways[0]
    headers = (40 if version == 6 else 20) + 8
    for row in rows:
        assert int(row[3]) == (headers if captured else 0)
    data, _ = export(suite, ident, payload='true')
    assert (b'secret payload' in data) == captured
    plain, _ = export(suite, ident)
    assert b'secret payload' not in plain
    seen = [e for e in suite.client.get('audit')['entries']
            if e['action'] == 'tracer.export_trace']
    assert [e['target'] for e in seen] == [ident]


def test_lines_of_json(api):
    """Each way on a line of its own, as the list has it."""
    ident = trace(api, filter={'daddr': api.link.b.v4, 'proto': 'udp'},
                  max_packets=250)
    send(api, 4, 250)
    ended(api, ident)
    data, headers = export(api, ident, format='jsonl')
    assert headers['Content-Type'] == 'application/jsonl'
    assert [json.loads(line) for line in data.splitlines()] == \
        packets(api, ident)


def test_export_refuses(api):
    """A wrong format, no such trace, no right to payload."""
    ident = trace(api, filter={'dport': 1}, duration_ns=10**6)
    ended(api, ident)
    data, _ = export(api, ident)
    assert len(data) > 60       # a section and an interface
    assert export(api, ident, format='jsonl')[0] == b''
    for path, query, status, wanted in (
            ('nothing', {}, 404, 'trace.not_found'),
            (ident, {'format': 'pdf'}, 400, 'trace.format'),
            (ident, {'cursor': '1'}, 400, 'request.cursor')):
        with pytest.raises(ApiError) as err:
            export(api, path, **query)
        assert err.value.status == status
        assert err.value.problem['id'] == wanted
    made = api.client.post('tokens', {'name': 'looker', 'roles': ['viewer']})
    head = {'Authorization': 'Bearer ' + made['secret']}
    for path in (f'traces/{ident}/export', f'traces/{ident}/packets',
                 'packets'):
        with pytest.raises(ApiError) as err:
            api.client.open('GET', path, headers=head,
                            query={'payload': 'true'})
        assert err.value.status == 403
        assert err.value.problem['id'] == 'auth.payload'
        with api.client.open('GET', path, headers=head) as res:
            assert res.status == 200


def test_a_large_export_to_a_slow_reader(api):
    """It comes whole, and neither daemon holds it in memory meanwhile."""
    ident = trace(api, filter={'daddr': api.link.b.v4, 'proto': 'udp'},
                  max_packets=3000)
    traffic.udp(api.a, api.b, api.link.b.v4, 3000, size=64)
    ended(api, ident)
    with api.client.open('GET', f'traces/{ident}/export',
                         query={'format': 'jsonl'}) as res:
        lines, rest = 0, b''
        while data := res.read(20000):
            lines += data.count(b'\n')
            rest = data
            if lines % 10 == 0:
                time.sleep(0.005)
    assert lines == 3000 and rest.endswith(b'\n')
