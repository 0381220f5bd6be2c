# SPDX-License-Identifier: MIT
"""Traces of a process, a cgroup, a container: by their sockets."""

import os
import socket
import subprocess
import sys
import time
import uuid

import pytest

from lab import ApiError, stale, wait_for
from lab.tracing import (check_sums, check_way, inum, linked, packets, settled,
                         stations, trace)

pytestmark = pytest.mark.daemons('tracer', 'gateway')

# Does what each line says, with sockets by name, and answers each.
AGENT = '''
import os, socket, sys
family = socket.AF_INET6 if sys.argv[1] == '6' else socket.AF_INET
socks = {}
def run(word, name, *args):
    if word in ('udp', 'tcp'):
        kind = socket.SOCK_DGRAM if word == 'udp' else socket.SOCK_STREAM
        socks[name] = socket.socket(family, kind)
        socks[name].settimeout(10)
    elif word == 'bind':
        socks[name].bind((args[0], int(args[1])))
    elif word == 'listen':
        socks[name].listen(16)
    elif word == 'connect':
        socks[name].connect((args[0], int(args[1])))
    elif word == 'accept':
        socks[args[0]] = socks[name].accept()[0]
    elif word == 'send':
        for _ in range(int(args[0])):
            socks[name].send(b'x')
    elif word == 'sendto':
        for _ in range(int(args[2])):
            socks[name].sendto(b'x', (args[0], int(args[1])))
    elif word == 'echo':
        data, peer = socks[name].recvfrom(100)
        socks[name].sendto(data, peer)
    elif word == 'recv':
        for _ in range(int(args[0])):
            socks[name].recv(1)
    elif word == 'close':
        socks.pop(name).close()
        return 0
    elif word == 'enter':
        with open(name + '/cgroup.procs', 'w') as file:
            file.write(str(os.getpid()))
        return 0
    return socks[name].getsockname()[1]
print(os.getpid(), flush=True)
for line in sys.stdin:
    print(run(*line.split()), flush=True)
'''


class Agent:
    """A process that sends and receives."""

    def __init__(self, space, version):
        self.proc = space.popen(
            [sys.executable, '-c', AGENT, str(version)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = int(self.proc.stdout.readline())

    def do(self, *words):
        """Returns the socket's port."""
        self.proc.stdin.write(' '.join(map(str, words)) + '\n')
        self.proc.stdin.flush()
        answer = self.proc.stdout.readline()
        assert answer, f'{words} failed'
        return int(answer)


@pytest.fixture(params=[4, 6])
def world(lab, request):
    """A tracer, two linked namespaces, and two processes in the first."""
    with linked(lab) as suite:
        suite.version = request.param
        suite.addr = suite.link.b.addr(request.param)
        suite.agent = lambda space: Agent(space, request.param)
        suite.it, suite.other = suite.agent(suite.a), suite.agent(suite.a)
        yield suite


def ends(ways):
    """All ports."""
    return {p for w in ways for p in (w['tuple']['sport'], w['tuple']['dport'])}


def in_flight_over(suite, ident):
    """The packets, once nothing new comes."""
    time.sleep(0.3)
    return settled(suite, ident, 0)


def exchange(world, agent, what):
    """Sends; returns the port."""
    if what == 'udp':
        return agent.do('sendto', 'udp', world.addr, 7001, 3)
    return agent.do('send', what, 3)


def open_all(world, agent):
    agent.do('udp', 'udp')
    agent.do('udp', 'connected')
    agent.do('connect', 'connected', world.addr, 7002)
    agent.do('tcp', 'tcp')
    agent.do('connect', 'tcp', world.addr, 7003)


@pytest.fixture
def server(world):
    """At b: UDP that nobody reads, TCP that nobody accepts."""
    family = socket.AF_INET6 if world.version == 6 else socket.AF_INET
    with world.b.socket(family) as door, \
            world.b.socket(family, socket.SOCK_DGRAM) as first, \
            world.b.socket(family, socket.SOCK_DGRAM) as second:
        first.bind((world.addr, 7001))
        second.bind((world.addr, 7002))
        door.bind((world.addr, 7003))
        door.listen(16)
        yield door


KINDS = ['udp', 'connected', 'tcp']


@pytest.mark.usefixtures('server')
def test_sockets_that_are_there(world):
    """Older than the trace, and than the daemon's knowledge of them."""
    for agent in (world.it, world.other):
        open_all(world, agent)
    ident = trace(world, filter={'pid': world.it.pid})
    mine = set()
    for kind in KINDS:
        exchange(world, world.other, kind)
        mine.add(exchange(world, world.it, kind))
    ways = in_flight_over(world, ident)
    assert ends(ways) == mine | {7001, 7002, 7003}
    sent = [w for w in ways if w['tuple']['sport'] in mine and
            w['tuple']['proto'] == 'udp']
    assert len(sent) == 6
    for way in sent:
        check_way(way)
        assert way['sender']['pid'] == world.it.pid
        assert {inum(world.a), inum(world.b)} == {
            s['netns'] for s in way['steps'] if s.get('netns')}
    # What the other side acknowledges belongs to it too.
    assert any(w['tuple']['sport'] == 7003 for w in ways)
    check_sums(world, ident)


@pytest.mark.usefixtures('server')
def test_new_sockets_from_their_first_packet(world):
    ident = trace(world, filter={'pid': world.it.pid})
    mine = set()
    for agent in (world.other, world.it):
        open_all(world, agent)
    for kind in KINDS:
        exchange(world, world.other, kind)
        mine.add(exchange(world, world.it, kind))
    ways = in_flight_over(world, ident)
    assert ends(ways) == mine | {7001, 7002, 7003}
    sent = [w for w in ways if w['tuple']['sport'] in mine]
    assert sorted(w['tuple']['dport'] for w in sent
                  if w['tuple']['proto'] == 'udp') == [7001] * 3 + [7002] * 3
    tcp = [w for w in sent if w['tuple']['proto'] == 'tcp']
    # SYN, its acknowledgement, what was sent.
    assert len(tcp) >= 5
    assert all({'netfilter:output', 'net_dev_queue', 'netif_receive_skb'} <=
               set(stations(w)) for w in sent)
    # And the SYN with ACK that came back.
    back = [w for w in ways if w['tuple']['sport'] == 7003]
    assert min(w['first'] for w in back) < sorted(
        w['first'] for w in tcp)[1]
    check_sums(world, ident)


def test_errors_are_their_makers(world):
    """Nobody listens: what b's kernel says of it is not of the process."""
    world.it.do('udp', 'udp')
    ident = trace(world, filter={'pid': world.it.pid})
    port = world.it.do('sendto', 'udp', world.addr, 7001, 3)
    ways = in_flight_over(world, ident)
    assert len(ways) == 3
    assert ends(ways) == {port, 7001}


@pytest.mark.parametrize('any_address', [False, True])
def test_server(world, any_address):
    """Those that come to it, from the first on; not those to its neighbour."""
    it, other = world.agent(world.b), world.agent(world.b)
    addr = ('::' if world.version == 6 else '0.0.0.0') if any_address \
        else world.addr
    for agent, port in ((it, 7001), (other, 7002)):
        agent.do('udp', 'udp')
        agent.do('bind', 'udp', addr, port)
        agent.do('tcp', 'door')
        agent.do('bind', 'door', addr, port)
        agent.do('listen', 'door')
    ident = trace(world, filter={'pid': it.pid})
    client = world.it
    for agent, port in ((it, 7001), (other, 7002)):
        client.do('udp', 'udp')
        client.do('sendto', 'udp', world.addr, port, 1)
        agent.do('echo', 'udp')
        client.do('tcp', 'tcp')
        client.do('connect', 'tcp', world.addr, port)
        agent.do('accept', 'door', 'peer')
        client.do('send', 'tcp', 1)
        agent.do('recv', 'peer', 1)
        agent.do('send', 'peer', 1)
    ways = in_flight_over(world, ident)
    assert 7001 in ends(ways) and 7002 not in ends(ways)
    udp = [w for w in ways if w['tuple']['proto'] == 'udp']
    assert sorted(w['tuple']['dport'] == 7001 for w in udp) == [False, True]
    tcp = [w for w in ways if w['tuple']['proto'] == 'tcp']
    # SYN, SYN with ACK, ACK, two with data and what acknowledges them.
    assert len(tcp) >= 6
    came = [w for w in ways if w['tuple']['dport'] == 7001]
    assert all('netif_receive_skb' in stations(w) for w in came)
    check_sums(world, ident)


def test_no_other_process_of_the_same_kind(world):
    """Each has its packets, and none is in both."""
    traces = {agent: trace(world, filter={'pid': agent.pid})
              for agent in (world.it, world.other)}
    used = {agent: set() for agent in traces}
    for n in range(20):
        for agent, ports in used.items():
            agent.do('udp', n)
            ports.add(agent.do('sendto', n, world.addr, 7001, 1))
    for agent, ident in traces.items():
        ways = settled(world, ident, 20)
        assert {w['tuple']['sport'] for w in ways} == used[agent]
        assert len(ways) == 20


def test_beside_other_criteria(world):
    """All of them must hold."""
    it = world.it
    cases = [({'dport': 7001}, [7001]),
             ({'expr': 'udp dst port 7002'}, [7002]),
             ({'daddr': world.addr, 'proto': 'udp'}, [7001, 7002]),
             ({'proto': 'tcp'}, []),
             ({'ifname': world.link.a.name}, [7001, 7002]),
             ({'ifname': 'nothing'}, []),
             ({'mark': 7}, [])]
    idents = [trace(world, filter={'pid': it.pid, **more}) for more, _ in cases]
    for agent in (it, world.other):
        agent.do('udp', 'udp')
        for port in (7001, 7002):
            agent.do('sendto', 'udp', world.addr, port, 1)
    for ident, (more, want) in zip(idents, cases):
        ways = settled(world, ident, len(want))
        assert sorted(w['tuple']['dport'] for w in ways) == want, more
        check_sums(world, ident)


# ---- cgroups ----------------------------------------------------------------

@pytest.fixture
def group():
    """Makes cgroups of v2, below one of this test: (folder, path)."""
    with open('/proc/self/mounts', encoding='ascii') as file:
        roots = [line.split()[1] for line in file
                 if line.split()[2] == 'cgroup2']
    if not roots:
        pytest.skip('this kernel has no cgroup v2')
    top = stale.make_group('process')

    def make(below=''):
        path = f'/{top}{below}'
        os.makedirs(roots[0] + path, exist_ok=True)
        return roots[0] + path, path
    yield make
    stale.remove_group(top)


def test_cgroup(world, group):
    above, path = group('/group')
    below, _ = group('/group/below')
    beside, _ = group('/group-2')
    deep = world.agent(world.a)
    for agent, folder in ((world.it, above), (deep, below),
                          (world.other, beside)):
        agent.do('udp', 'old')
        agent.do('enter', folder)
    ident = trace(world, filter={'cgroup': path + '/'})
    mine = set()
    for agent in (world.it, deep, world.other):
        agent.do('udp', 'new')
        used = {agent.do('sendto', which, world.addr, 7001, 2)
                for which in ('old', 'new')}
        mine |= used if agent is not world.other else set()
    ways = settled(world, ident, 8)
    assert {w['tuple']['sport'] for w in ways} == mine
    assert len(ways) == 8
    assert {w['sender']['cgroup'] for w in ways} == {path, path + '/below'}


def test_container(world, group):
    """By its id or the beginning of it, also one that starts later."""
    ids = [uuid.uuid4().hex * 2 for _ in range(2)]
    first, _ = group(f'/docker-{ids[0]}.scope')
    world.it.do('enter', first)
    whole = trace(world, filter={'container': ids[0]})
    later = trace(world, filter={'container': ids[1][:12]})
    second, _ = group(f'/docker-{ids[1]}.scope')
    world.other.do('enter', second)
    mine = {}

    def taken(ident, agent):
        mine[agent] = agent.do('sendto', 'udp', world.addr, 7001, 3)
        return packets(world, ident)
    for ident, agent, full in ((whole, world.it, ids[0]),
                               (later, world.other, ids[1])):
        agent.do('udp', 'udp')
        # Its container is known by the next look at processes.
        wait_for(lambda now=ident, who=agent: taken(now, who), 15)
        ways = settled(world, ident, 3)
        assert {w['tuple']['sport'] for w in ways} == {mine[agent]}
        assert {w['sender']['container'] for w in ways} == {full}


# ---- changes ----------------------------------------------------------------

def change(suite, ident, **filter_):
    return suite.client.request('PUT', f'traces/{ident}/filter', filter_)


@pytest.mark.usefixtures('server')
def test_change(world, group):
    """To another process, a cgroup, addresses, and back: old ones are none of
    it."""
    folder, path = group()
    world.other.do('enter', folder)
    for agent in (world.it, world.other):
        agent.do('udp', 'udp')
        agent.do('connect', 'udp', world.addr, 7001)
    port = {agent: agent.do('send', 'udp', 1)
            for agent in (world.it, world.other)}
    ident = trace(world, filter={'pid': world.it.pid})
    seen = []

    def both():
        for agent in (world.it, world.other):
            agent.do('send', 'udp', 1)
        seen.append(None)
        ways = settled(world, ident, len(seen))
        return [w['tuple']['sport'] for w in ways]

    want = [port[world.it]]
    assert both() == want
    for filter_, agent in (({'pid': world.other.pid}, world.other),
                           ({'pid': world.it.pid}, world.it),
                           ({'cgroup': path}, world.other),
                           ({'sport': port[world.it]}, world.it),
                           ({'pid': world.other.pid}, world.other)):
        assert change(world, ident, **filter_)['filter'] == filter_
        want.append(port[agent])
        assert both() == want, filter_
    check_sums(world, ident)


def test_bad_fields(world):
    for filter_, field in [({'pid': 0}, 'pid'), ({'pid': 2**31}, 'pid'),
                           ({'pid': 2**22 + 1}, 'pid'),
                           ({'cgroup': 'a'}, 'cgroup'),
                           ({'cgroup': '//'}, 'cgroup'),
                           ({'cgroup': '/a/../..'}, 'cgroup'),
                           ({'container': 'abc'}, 'container'),
                           ({'container': 'x' * 12}, 'container'),
                           ({'container': 'a' * 65}, 'container'),
                           ({'dport': 1, 'min_latency_ns': 10**10 + 1},
                            'min_latency_ns')]:
        with pytest.raises(ApiError) as err:
            trace(world, filter=filter_)
        assert err.value.status == 400, filter_
        assert err.value.problem['field'] == f'filter.{field}'
    assert world.client.get('traces')['total'] == 0
    with pytest.raises(ApiError) as err:
        trace(world, filter={'pid': world.it.pid}, tier='function')
    assert err.value.problem['id'] in ('trace.tier', 'trace.no_functions')
