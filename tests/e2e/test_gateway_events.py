# SPDX-License-Identifier: MIT
"""The gateway's event streams: live, replayed, lost, stalled."""

import json
import socket
import time

import pytest

from lab import ApiError, Suite, wait_for

pytestmark = pytest.mark.daemons('gateway', 'locator')

ALL = 'event,service,trace,path,ruleset,audit'
ASK = {'target': '127.0.0.1', 'probes': 1, 'max_hops': 1}


def start(lab, *args):
    """A locator, whose paths make events, and a gateway."""
    suite = Suite(lab, daemons=('locator', 'gateway'),
                  args={'gateway': args})
    lab.on_close(suite.stop)
    suite.start()
    wait_for(lambda: [s for s in suite.client.get('services')['services']
                      if s['name'] == 'locator' and s['state'] != 'down'], 10)
    return suite


def ask(suite):
    """Asks for one measurement; waits while as many as may wait already."""
    while True:
        try:
            return suite.client.post('paths', ASK)
        except ApiError as error:
            if error.status != 429:
                raise
            time.sleep(0.05)


def make(suite, count):
    """Measures so many paths, one after the other, to their ends."""
    for _ in range(count):
        path = ask(suite)
        wait_for(lambda p=path: suite.client.get(
            'paths/' + p['id'])['state'] != 'running', 10, interval=0.02)


class Stream:
    """A stream that stands once this is made.

    A silence of 5 s is a TimeoutError: less than the heartbeat's 10 s.
    """

    def __init__(self, suite, topics='path', last_id=None):
        fields = {'Accept': 'text/event-stream'}
        if last_id is not None:
            fields['Last-Event-ID'] = last_id
        self.res = suite.client.open('GET', 'events', headers=fields,
                                     query={'topics': topics}, timeout=5)
        assert self.res.readline() == b'retry: 1000\n'

    def next(self):
        """The next event: id (None without), name, data."""
        found = {'id': None}
        while True:
            line = self.res.readline().decode().rstrip('\n')
            key, _, value = line.partition(': ')
            if key in ('id', 'event'):
                found[key] = value
            elif key == 'data':
                found['data'] = json.loads(value)
            elif not line and 'data' in found:
                return found

    def close(self):
        """Hangs up."""
        self.res.close()


def take(suite, count, topics='path', last_id=None):
    """The next events; the stream is left then."""
    stream = Stream(suite, topics, last_id)
    got = [stream.next() for _ in range(count)]
    stream.close()
    return got


def test_replay_has_no_hole(lab):
    suite = start(lab)
    stream = Stream(suite)
    make(suite, 1)
    first = [stream.next() for _ in range(2)]
    assert [e['event'] for e in first] == ['path', 'path']
    assert [e['data']['state'] for e in first] == ['running', 'done']
    stream.close()
    make(suite, 3)
    rest = take(suite, 6, last_id=first[-1]['id'])
    ids = [int(e['id']) for e in first + rest]
    assert ids == sorted(set(ids))
    assert [e['data']['state'] for e in rest] == ['running', 'done'] * 3
    # From the middle: the same again.
    again = take(suite, 5, last_id=first[0]['id'])
    assert again == (first + rest)[1:6]


def test_loss_is_told(lab):
    suite = start(lab, '--stream-history', '64K')
    stream = Stream(suite)
    make(suite, 1)
    first = stream.next()
    stream.close()
    # More than the history holds.
    size = len(str(first['data'])) + 100
    make(suite, 2 * 65536 // size // 2 + 20)
    got = take(suite, 2, last_id=first['id'])
    assert got[0]['event'] == 'lost'
    assert got[0]['data']['reason'] == 'too_old'
    count = got[0]['data']['count']
    assert count > 0
    # Exactly what lies between, seen by a stream of all topics.
    lost, held = take(suite, 2, topics=ALL, last_id=first['id'])
    everything = lost['data']['count']
    assert int(held['id']) == int(first['id']) + everything + 1
    assert count <= everything


def test_restart_is_told(lab):
    suite = start(lab)
    stream = Stream(suite)
    make(suite, 1)
    first = stream.next()
    stream.close()
    suite['gateway'].kill()
    suite['gateway'].start()
    wait_for(lambda: [s for s in suite.client.get('services')['services']
                      if s['name'] == 'locator' and s['state'] != 'down'], 10)
    got = take(suite, 1, last_id=first['id'])
    assert got[0]['event'] == 'lost'
    assert got[0]['data'] == {'reason': 'restart'}
    make(suite, 1)
    later = take(suite, 1, last_id=first['id'], topics='path')
    assert later[0]['event'] == 'lost'


@pytest.mark.host_only('it measures time')
def test_stalled_client_harms_nobody(lab):
    suite = start(lab, '--stream-buffer', '128K')
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(('127.0.0.1', suite.port))
    stalled.sendall((f'GET /api/v1/events?topics=path HTTP/1.1\r\n'
                     f'Host: localhost\r\nAuthorization: Bearer '
                     f'{suite.token()}\r\n\r\n').encode())
    stream = Stream(suite)
    make(suite, 1)
    seen = [stream.next(), stream.next()]

    def streams():
        text = suite.client.get('/metrics').decode()
        cut = next(line for line in text.splitlines()
                   if 'id="stream_cut"' in line)
        return int(cut.rpartition(' ')[2])
    slowest = 0
    for _ in range(1500):
        ask(suite)
        began = time.monotonic()
        seen.append(stream.next())
        slowest = max(slowest, time.monotonic() - began)
        if len(seen) % 50 == 0 and streams():
            break
    assert streams() == 1
    assert slowest < 1
    stalled.settimeout(5)
    data = b''
    while part := stalled.recv(1 << 20):
        data += part
    # What it got is whole up to some event, and it may go on from there.
    last = [line for line in data.split(b'\n\n') if b'\nevent: ' in line]
    ident = last[-2].split(b'\n')[0].rpartition(b' ')[2].decode()
    assert take(suite, 1, last_id=ident)[0]['event'] in ('path', 'lost')
    stalled.close()
    stream.close()


def losses(suite, name):
    """A loss of the gateway, as it counts it."""
    text = suite.client.get('/metrics').decode()
    line = next(line for line in text.splitlines()
                if f'id="{name}"' in line and 'service="gateway"' in line)
    return int(line.rpartition(' ')[2])


def open_streams(suite):
    """How many the gateway has."""
    text = suite.client.get('/metrics').decode()
    return float(next(line for line in text.splitlines() if
                      line.startswith('packetscope_gateway_streams')
                      ).rpartition(' ')[2])


def raw_stream(suite, buffer=4096):
    """A stream on a socket that nobody reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.connect(('127.0.0.1', suite.port))
    sock.sendall((f'GET /api/v1/events?topics={ALL} HTTP/1.1\r\n'
                  f'Host: localhost\r\nAuthorization: Bearer '
                  f'{suite.token()}\r\n\r\n').encode())
    return sock


def test_stalled_client_learns_what_it_missed(lab):
    suite = start(lab, '--stream-buffer', '128K', '--stream-history', '64K')
    stalled = raw_stream(suite)
    for _ in range(3000):
        ask(suite)
        if losses(suite, 'stream_cut'):
            break
    assert losses(suite, 'stream_cut') == 1
    stalled.settimeout(5)
    data = b''
    while part := stalled.recv(1 << 20):
        data += part
    stalled.close()
    ids = [int(line[4:]) for line in
           data[:data.rindex(b'\n\n')].split(b'\n') if line[:4] == b'id: ']
    assert ids == list(range(ids[0], ids[-1] + 1))
    # What it was sent and could not take is as lost as what came later.
    lost, first = take(suite, 2, topics=ALL, last_id=str(ids[-1]))
    assert lost['event'] == 'lost'
    assert lost['data'] == {'count': int(first['id']) - ids[-1] - 1,
                            'reason': 'too_old'}
    assert losses(suite, 'stream_replay') == lost['data']['count']


def test_streams_leave_room_for_requests(lab):
    suite = start(lab, '--max-connections', '40', '--max-streams', '1000')
    streams = [raw_stream(suite) for _ in range(30)]
    wait_for(lambda: open_streams(suite) == 30, 10)
    for _ in range(5):
        with pytest.raises(ApiError) as info:
            Stream(suite)
        assert info.value.status == 503
        assert info.value.problem['id'] == 'stream.too_many'
        assert suite.client.get('paths')['total'] == 0
    streams.pop().close()
    wait_for(lambda: open_streams(suite) == 29, 10)
    Stream(suite).close()
    for sock in streams:
        sock.close()


@pytest.mark.host_only('it measures time')
def test_heartbeat(lab):
    suite = start(lab)
    with suite.client.open('GET', 'events', timeout=15) as res:
        began = time.monotonic()
        assert res.readline() == b'retry: 1000\n'
        line = res.readline()
        while not line.startswith(b':'):
            line = res.readline()
        assert time.monotonic() - began < 12
