# SPDX-License-Identifier: MIT
"""The locator: paths through chains of routers, against the wire."""

import json
import os
import signal
import struct
import subprocess

import pytest

from lab import ApiError, Daemon, Suite, mmdb, wait_for

BOTH = pytest.mark.parametrize('version', [4, 6])
pytestmark = pytest.mark.daemons('locator', 'gateway')
DONE = ('done', 'failed')


def start(lab, ns, *args):
    """A locator and a gateway in a namespace."""
    suite = Suite(lab, ns=ns, daemons=('locator', 'gateway'),
                  args={'locator': args})
    lab.on_close(suite.stop)
    suite.start()
    wait_for(lambda: ask(suite, 'paths'), 15, what='the locator answers')
    return suite


def ask(suite, path):
    """The answer, None while there is none."""
    try:
        return suite.client.get(path)
    except ApiError:
        return None


def finished(suite, path_id, timeout=30):
    """The path, once it is over."""
    def over():
        path = suite.client.get(f'paths/{path_id}')
        return path if path['state'] in DONE else None
    return wait_for(over, timeout, what='the measurement to end')


def measure(suite, target, **request):
    """Measures to its end."""
    path = suite.client.post('paths', {'target': target, **request})
    assert path['state'] == 'running'
    return finished(suite, path['id'])


def addresses(path):
    """The addresses of each hop."""
    return [[a['ip'] for a in hop['addresses']] for hop in path['hops']]


def service(suite):
    """What the gateway knows of the locator."""
    return next(s for s in suite.client.get('services')['services']
                if s['name'] == 'locator')


def capability(suite, name):
    """One of its capabilities."""
    return next(c for c in service(suite)['capabilities']
                if c['id'] == name)


def metric(suite, name):
    """A value of /metrics."""
    text = suite.client.get('/metrics').decode()
    for line in text.splitlines():
        if line.startswith(name) and not line.startswith('#'):
            return float(line.split()[-1])
    raise AssertionError(f'no metric {name}')


@pytest.fixture
def chain(lab):
    """a - 3 routers - b: (a, routers, b, links)."""
    a, b = lab.ns('a'), lab.ns('b')
    routers, links = lab.chain(a, b, hops=3)
    return a, routers, b, links


@BOTH
def test_each_hop_is_named(lab, chain, version):
    a, _routers, _b, links = chain
    suite = start(lab, a)
    path = measure(suite, links[-1].b.addr(version), probes=7)
    assert path['state'] == 'done' and path['reached'] is True
    assert path['source'] == links[0].a.addr(version)
    assert addresses(path) == [[link.b.addr(version)] for link in links]
    for ttl, hop in enumerate(path['hops'], 1):
        assert (hop['ttl'], hop['sent'], hop['received']) == (ttl, 7, 7)
        assert hop['loss_ratio'] == 0
        assert hop['addresses'][0]['received'] == 7
        assert 0 < hop['rtt_min_ns'] <= hop['rtt_p50_ns'] <= \
            hop['rtt_max_ns']
        assert hop['rtt_min_ns'] <= hop['rtt_avg_ns'] <= hop['rtt_max_ns']
        assert 'unreachable' not in hop


@BOTH
def test_loss_is_what_the_router_dropped(lab, chain, version):
    a, routers, b, links = chain
    kind = 'icmp type time-exceeded' if version == 4 else \
        'icmpv6 type time-exceeded'
    echo = 'icmp type echo-request' if version == 4 else \
        'icmpv6 type echo-request'
    routers[1].nft(f'''
        table inet t {{
            counter dropped {{ }}
            chain out {{
                type filter hook output priority 0;
                {kind} numgen inc mod 4 == 1 counter name dropped drop
            }}
        }}''')
    a.nft(f'''
        table inet t {{
            counter sent {{ }}
            chain out {{
                type filter hook output priority 0;
                {echo} counter name sent
            }}
        }}''')
    suite = start(lab, a)
    path = measure(suite, links[-1].b.addr(version), probes=20,
                   interval_ns=20_000_000, timeout_ns=500_000_000)
    dropped = routers[1].nft_counters()['dropped'][0]
    assert dropped == 5
    one, two, three, last = path['hops']
    assert two['sent'] == 20 and two['received'] == 20 - dropped
    assert two['loss_ratio'] == dropped / 20
    for hop in (one, three, last):
        assert (hop['received'], hop['loss_ratio']) == (20, 0)
    sent = a.nft_counters()['sent'][0]
    assert wait_for(lambda: metric(
        suite, 'packetscope_locator_probes_sent_total') == sent, 5)
    assert b is not None


def read_pcap(path):
    """(nanoseconds, bytes of the IP packet) of each frame."""
    with open(path, 'rb') as file:
        data = file.read()
    assert struct.unpack('<I', data[:4])[0] == 0xa1b23c4d
    at, out = 24, []
    while at + 16 <= len(data):
        sec, nsec, size, _ = struct.unpack('<IIII', data[at:at + 16])
        out.append((sec * 10**9 + nsec, data[at + 30:at + 16 + size]))
        at += 16 + size
    return out


def icmp_parts(packet):
    """(type, ICMP bytes, quoted ICMP bytes or None)."""
    six = packet[0] >> 4 == 6
    head = 40 if six else 20
    body = packet[head:]
    quoted = body[8 + head:] if body[0] in (1, 3, 11) else None
    return body[0], body, quoted


def wire_times(frames):
    """RTT by (sequence number) from the capture, and the requests."""
    sent, rtt, requests = {}, {}, []
    for when, packet in frames:
        kind, body, quoted = icmp_parts(packet)
        if kind in (8, 128):
            sent[body[6:8]] = when
            requests.append(packet)
        else:
            seq = (quoted or body)[6:8]
            if seq in sent and seq not in rtt:
                rtt[seq] = when - sent[seq]
    return rtt, requests


@BOTH
@pytest.mark.host_only('it measures time')
def test_latency_is_that_of_the_wire(lab, chain, version, tmp_path):
    """Against a capture on the first link, which sees the same packets."""
    a, _routers, _b, links = chain
    suite = start(lab, a)
    file = tmp_path / 'wire.pcap'
    dump = a.popen(['tcpdump', '-i', links[0].a.name, '-U', '-w', file,
                    '--time-stamp-precision=nano', '--immediate-mode',
                    'icmp or (icmp6 and (ip6[40] == 128 or ip6[40] == 129 '
                    'or ip6[40] == 3))'],
                   stderr=subprocess.PIPE)
    assert b'listening' in dump.stderr.readline()
    path = measure(suite, links[-1].b.addr(version), probes=20, max_hops=4,
                   interval_ns=20_000_000)
    wait_for(lambda: len(read_pcap(file)) >= 160, 5)
    dump.send_signal(signal.SIGINT)
    dump.wait(5)
    rtt, requests = wire_times(read_pcap(file))
    assert len(requests) == len(rtt) == 80
    head = 40 if version == 6 else 20
    # Flow-stable: all but hop limit and sequence number are the same.
    assert len({p[head:head + 6] for p in requests}) == 1
    if version == 6:
        assert len({p[:4] for p in requests}) == 1
    base = struct.unpack('>H', requests[0][head + 6:head + 8])[0]
    by_hop = {}
    for seq, value in rtt.items():
        ttl = (struct.unpack('>H', seq)[0] - base) % 65536 % 4 + 1
        by_hop.setdefault(ttl, []).append(value)
    for hop in path['hops']:
        wire = sorted(by_hop[hop['ttl']])
        assert len(wire) == hop['received'] == 20
        # Arrivals have the same stamp here and there. A send is captured
        # before the driver gets it, which is what the locator's begins
        # with: never longer than the capture's, shorter by the tap's cost.
        for ours, theirs in ((hop['rtt_min_ns'], wire[0]),
                             (hop['rtt_p50_ns'], wire[9]),
                             (hop['rtt_max_ns'], wire[-1]),
                             (hop['rtt_avg_ns'], sum(wire) / 20)):
            assert -100_000 < ours - theirs < 1_000


KINDS = [
    (4, 'icmp', 'net-unreachable', 'net_unreachable'),
    (4, 'icmp', 'host-unreachable', 'host_unreachable'),
    (4, 'icmp', 'port-unreachable', 'port_unreachable'),
    (4, 'icmp', 'net-prohibited', 'net_prohibited'),
    (4, 'icmp', 'host-prohibited', 'host_prohibited'),
    (4, 'icmp', 'admin-prohibited', 'admin_prohibited'),
    (6, 'icmpv6', 'no-route', 'net_unreachable'),
    (6, 'icmpv6', 'admin-prohibited', 'admin_prohibited'),
    (6, 'icmpv6', 'addr-unreachable', 'host_unreachable'),
    (6, 'icmpv6', 'port-unreachable', 'port_unreachable'),
]


def test_unreachables_have_their_names(lab, chain):
    a, routers, _b, links = chain
    suite = start(lab, a)
    for version, proto, reject, name in KINDS:
        routers[1].nft(f'''
            table inet t {{
                chain through {{
                    type filter hook forward priority 0;
                    {proto} type echo-request reject with {proto} type {reject}
                }}
            }}''')
        path = measure(suite, links[-1].b.addr(version), probes=3)
        routers[1].nft('delete table inet t')
        assert path['state'] == 'done' and path['reached'] is False, reject
        # Router 2 still says time exceeded for itself, and no for the rest.
        assert addresses(path) == [[links[0].b.addr(version)],
                                   [links[1].b.addr(version)],
                                   [links[1].b.addr(version)]], reject
        assert path['hops'][2]['unreachable'] == name
        assert 'unreachable' not in path['hops'][1]


@BOTH
def test_a_silent_target(lab, chain, version):
    a, _routers, b, links = chain
    word = 'icmp' if version == 4 else 'icmpv6'
    b.nft(f'''
        table inet t {{
            chain in {{
                type filter hook input priority 0;
                {word} type echo-request drop
            }}
        }}''')
    suite = start(lab, a)
    path = measure(suite, links[-1].b.addr(version), probes=2, max_hops=6,
                   timeout_ns=300_000_000)
    assert path['state'] == 'done' and path['reached'] is False
    assert len(path['hops']) == 6
    assert [h['loss_ratio'] for h in path['hops']] == [0, 0, 0, 1, 1, 1]
    for hop in path['hops'][3:]:
        assert hop['addresses'] == [] and 'rtt_min_ns' not in hop
        assert hop['sent'] == 2


def test_many_at_once_do_not_mix(lab, chain):
    """More than run at once: the rest waits; each gets its own answers."""
    a, _routers, _b, links = chain
    suite = start(lab, a, '--max-running', 4, '--probe-rate', 2000)
    want, ids = {}, []
    for i in range(12):
        for version in (4, 6):
            link = links[i % len(links)]
            path = suite.client.post('paths', {
                'target': link.b.addr(version), 'probes': 3,
                'interval_ns': 20_000_000, 'timeout_ns': 300_000_000})
            want[path['id']] = [[x.b.addr(version)]
                                for x in links[:i % len(links) + 1]]
            ids.append(path['id'])
    for path_id in ids:
        path = finished(suite, path_id)
        assert path['reached'] and addresses(path) == want[path_id]
        assert all(h['received'] == 3 for h in path['hops'])
    listed = [p['id'] for p in suite.client.pages('paths', 'paths', limit=7)]
    assert listed == ids[::-1]
    only = suite.client.get('paths', target=links[0].b.v4)
    assert only['total'] == len(only['paths']) == 3
    losses = {x['id']: x['count'] for x in service(suite)['losses']}
    for name in ('unmatched_answers', 'malformed_answers', 'rx_overflow',
                 'send_errors'):
        assert losses[name] == 0


def test_too_many(lab):
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    suite = start(lab, a, '--max-running', 1, '--max-queued', 1)
    request = {'target': link.b.v4, 'probes': 100,
               'interval_ns': 1_000_000_000}
    for _ in range(2):
        suite.client.post('paths', request)
    with pytest.raises(ApiError) as error:
        suite.client.post('paths', request)
    assert error.value.status == 429
    assert 'path.too_many' in json.dumps(error.value.problem)
    assert suite.client.get('paths')['total'] == 2


@BOTH
def test_one_way_through_equal_ones(lab, version):
    """ECMP: a measurement keeps to one way, though others take another."""
    a, fork, b = lab.ns('a'), lab.ns('fork'), lab.ns('b')
    first = lab.veth(a, fork)
    sides, bits = [], 24 if version == 4 else 64
    ip = ('-6',) if version == 6 else ()
    for label in ('left', 'right'):
        mid = lab.ns(label)
        sides.append((mid, lab.veth(fork, mid), lab.veth(mid, b)))
    for ns in (fork, *(s[0] for s in sides)):
        ns.sysctl('net.ipv4.ip_forward', 1)
        ns.sysctl('net.ipv6.conf.all.forwarding', 1)
        ns.sysctl('net.ipv4.icmp_ratelimit', 0)
        ns.sysctl('net.ipv6.icmp.ratelimit', 0)
    base = '198.18.7.' if version == 4 else '2001:db8:7::'
    targets = [f'{base}{i}' for i in range(1, 17)]
    for target in targets:
        b.ip('addr', 'add', f'{target}/{32 if version == 4 else 128}',
             'dev', 'lo')
    net = f'{base}0/24' if version == 4 else f'{base}/64'
    a.ip(*ip, 'route', 'add', 'default', 'via', first.b.addr(version))
    fork.ip(*ip, 'route', 'add', net, *(
        word for _mid, link, _out in sides
        for word in ('nexthop', 'via', link.b.addr(version))))
    for mid, link, out in sides:
        mid.ip(*ip, 'route', 'add', net, 'via', out.b.addr(version))
        mid.ip(*ip, 'route', 'add', 'default', 'via', link.a.addr(version))
    b.ip(*ip, 'route', 'add', 'default', 'via', sides[0][2].a.addr(version))
    suite = start(lab, a, '--probe-rate', 2000)
    assert bits
    ids = [suite.client.post('paths', {'target': t, 'probes': 5})['id']
           for t in targets]
    seen = set()
    for path_id in ids:
        path = finished(suite, path_id)
        assert path['reached']
        _fork, mid, last = addresses(path)
        assert len(mid) == 1, 'one measurement took two ways'
        assert last == [path['target']]
        seen.add(mid[0])
    assert seen == {link.b.addr(version) for _mid, link, _out in sides}


@BOTH
def test_no_way_to_the_target(lab, version):
    a = lab.ns('a')
    suite = start(lab, a)
    path = measure(suite, '203.0.113.7' if version == 4 else '2001:db8::7')
    assert path['state'] == 'failed'
    assert path['failure'].startswith('network unreachable')
    assert path['hops'] == []


def test_own_firewall(lab):
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    a.nft('''
        table inet t {
            chain out {
                type filter hook output priority 0;
                icmp type echo-request drop
            }
        }''')
    suite = start(lab, a)
    path = measure(suite, link.b.v4)
    assert path['state'] == 'failed' and 'firewall' in path['failure']


@BOTH
def test_loopback(lab, version):
    suite = start(lab, lab.ns('a'))
    path = measure(suite, '127.0.0.1' if version == 4 else '::1', probes=2)
    assert path['reached'] and len(path['hops']) == 1
    assert path['place']['special'] == 'loopback'


def test_history_survives(lab):
    """kill -9 and SIGTERM: what was done stays, what ran has failed."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    suite = start(lab, a)
    done = measure(suite, link.b.v4, probes=2)
    for end in (suite['locator'].kill, suite['locator'].stop):
        cut = suite.client.post('paths', {
            'target': link.b.v6, 'probes': 100,
            'interval_ns': 1_000_000_000})
        wait_for(lambda i=cut['id']: suite.client.get(
            f'paths/{i}')['hops'], 5)
        assert end() == (-signal.SIGKILL if end == suite['locator'].kill
                         else 0)
        suite['locator'].start()
        wait_for(lambda: 'locator' in suite.ready(), 10)
        again = wait_for(lambda: ask(suite, f'paths/{done["id"]}'), 10)
        assert again == done
        path = suite.client.get(f'paths/{cut["id"]}')
        assert (path['state'], path['failure']) == ('failed', 'restart')
    assert len(path['hops']) == 1, 'a clean end keeps what was measured'
    measure(suite, link.b.v4, probes=1)


BAD = [
    ({}, 'target'),
    ({'target': 'example.org'}, 'target'),
    ({'target': '10.0.0.256'}, 'target'),
    ({'target': ''}, 'target'),
    ({'target': 7}, 'target'),
    ({'target': '0.0.0.0'}, 'target'),
    ({'target': '::'}, 'target'),
    ({'target': '224.0.0.1'}, 'target'),
    ({'target': 'ff02::1'}, 'target'),
    ({'target': 'fe80::1'}, 'target'),
    ({'target': '::ffff:10.0.0.1'}, 'target'),
    ({'target': '255.255.255.255'}, 'target'),
    ({'target': '127.0.0.1', 'max_hops': 0}, 'max_hops'),
    ({'target': '127.0.0.1', 'max_hops': 65}, 'max_hops'),
    ({'target': '127.0.0.1', 'probes': 0}, 'probes'),
    ({'target': '127.0.0.1', 'probes': 101}, 'probes'),
    ({'target': '127.0.0.1', 'probes': -1}, 'probes'),
    ({'target': '127.0.0.1', 'probes': 1.5}, 'probes'),
    ({'target': '127.0.0.1', 'probes': '3'}, 'probes'),
    ({'target': '127.0.0.1', 'interval_ns': 19_999_999}, 'interval_ns'),
    ({'target': '127.0.0.1', 'timeout_ns': 10_000_000_001}, 'timeout_ns'),
    ({'target': '127.0.0.1', 'hops': 3}, 'hops'),
]


def test_bad_input(lab):
    suite = start(lab, lab.ns('a'))
    for body, field in BAD:
        with pytest.raises(ApiError) as error:
            suite.client.post('paths', body)
        assert error.value.status == 400, body
        assert field in json.dumps(error.value.problem), body
    for path, status in (('paths/nope', 404), ('geo/nonsense', 400),
                         ('geo/1.2.3', 400)):
        with pytest.raises(ApiError) as error:
            suite.client.get(path)
        assert error.value.status == status, path
    for query in ({'limit': 0}, {'limit': 1001}, {'cursor': '!'},
                  {'target': 'x'}):
        with pytest.raises(ApiError) as error:
            suite.client.get('paths', **query)
        assert error.value.status == 400, query
    assert suite.client.get('paths') == \
        {'paths': [], 'total': 0, 'missing': []}


def test_bad_options(lab):
    daemon = Daemon(lab, 'locator')
    for args, word in ((('--probe-rate', '0'), 'probe-rate'),
                       (('--max-running', 'x'), 'max-running'),
                       (('--history-size', '1K'), 'history-size'),
                       (('--no-such',), 'no-such'),
                       (('--geo-db', ','.join('abcdefghijklmnopq')),
                        'geo-db')):
        res = daemon.run_once('--run-dir', daemon.run_dir, '--state-dir',
                              daemon.state_dir, *args)
        assert res.returncode == 2 and word in res.stderr, args


# ---- databases --------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path):
    """A folder that any user may read."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.getuid() and str(folder) != '/tmp':
            folder.chmod(0o755)
    return tmp_path


def test_places_of_hops(lab, chain, shelf):
    a, _routers, _b, links = chain
    geo4, geo6 = shelf / 'geo4.mmdb', shelf / 'geo6.mmdb'
    asn = shelf / 'asn.csv'
    mmdb.write(geo4, {f'{links[1].b.v4}/32': mmdb.flat(
        'JP', '東京', 35.69, 139.69)}, version=4)
    mmdb.write(geo6, {f'{links[1].b.v6}/128': mmdb.nested(
        'DE', 'Berlin', 52.52, 13.405)})
    (shelf / 'geo4.mmdb.attribution').write_text('Example, CC BY 4.0\n')
    asn.write_text(f'{links[1].b.v4},{links[1].b.v4},64500,"Ex, Inc."\n')
    suite = start(lab, a, '--geo-db', f'{geo4},{geo6}', '--asn-db', asn)
    assert capability(suite, 'locator.geo')['available']
    assert capability(suite, 'locator.asn')['available']
    place = suite.client.get(f'geo/{links[1].b.v4}')
    assert place == {
        'ip': links[1].b.v4, 'country': 'JP', 'region': 'Region',
        'city': '東京', 'latitude': 35.69, 'longitude': 139.69,
        'asn': 64500, 'as_name': 'Ex, Inc.', 'special': 'private',
        'sources': ['geo4.mmdb (2026-06-05): Example, CC BY 4.0',
                    place['sources'][1]]}
    assert place['sources'][1].startswith('asn.csv (')
    for version, city in ((4, '東京'), (6, 'Berlin')):
        path = measure(suite, links[-1].b.addr(version), probes=1)
        hops = [h['addresses'][0]['place'] for h in path['hops']]
        assert [p.get('city') for p in hops] == [None, city, None, None]
        assert all(p['special'] == 'private' for p in hops)
    report = suite.client.get(f'hosts/{links[1].b.v6}')
    assert report['place']['city'] == 'Berlin'
    # A replaced file is read again on SIGHUP.
    new = shelf / 'new'
    mmdb.write(new, {f'{links[1].b.v4}/32': mmdb.flat(
        'FR', 'Paris', 48.85, 2.35)}, version=4)
    new.rename(geo4)
    suite['locator'].proc.send_signal(signal.SIGHUP)
    wait_for(lambda: suite.client.get(
        f'geo/{links[1].b.v4}')['city'] == 'Paris', 5)


def test_databases_that_cannot_be_used(lab, shelf):
    good, cut = shelf / 'good.mmdb', shelf / 'cut.mmdb'
    table = shelf / 'bad.csv'
    mmdb.write(good, {'10.0.0.0/8': mmdb.flat('FR', 'Paris', 1, 2)},
               version=4)
    cut.write_bytes(good.read_bytes()[:-60])
    table.write_text('1.0.0.0,1.0.0.255,1,A\nnonsense\n')
    suite = start(lab, lab.ns('a'), '--geo-db', f'{cut},{shelf}/none.mmdb',
                  '--asn-db', table)
    geo = capability(suite, 'locator.geo')
    assert not geo['available'] and str(cut) in geo['reason']
    assert 'MaxMind' in geo['reason'] and geo['without']
    asn = capability(suite, 'locator.asn')
    assert not asn['available'] and 'line 2' in asn['reason']
    assert suite.client.get('geo/10.0.0.1') == {
        'ip': '10.0.0.1', 'special': 'private', 'sources': []}
    # Put right, and read again without a restart.
    good.rename(cut)
    suite['locator'].proc.send_signal(signal.SIGHUP)
    wait_for(lambda: capability(suite, 'locator.geo')['available'], 5)
    assert 'none.mmdb' in capability(suite, 'locator.geo')['reason']
    assert suite.client.get('geo/10.0.0.1')['city'] == 'Paris'
    # Cut under its feet: said, not crashed.
    os.truncate(cut, 30)
    assert 'city' not in suite.client.get('geo/10.0.0.1')
    wait_for(lambda: not capability(suite, 'locator.geo')['available'], 5)
    assert 'changed' in capability(suite, 'locator.geo')['reason']


def test_a_damaged_history_is_not_overwritten(lab):
    daemon = Daemon(lab, 'locator')
    daemon.state_dir.mkdir(parents=True)
    file = daemon.state_dir / 'locator.db'
    file.write_bytes(b'this is no database' * 500)
    res = daemon.run_once('--run-dir', daemon.run_dir, '--state-dir',
                          daemon.state_dir)
    assert res.returncode == 1 and 'locator.db' in res.stderr
    assert file.read_bytes() == b'this is no database' * 500


def test_it_keeps_no_privilege(lab):
    """All threads are without capabilities, and it still measures."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    suite = start(lab, a)
    pid = suite['locator'].proc.pid
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/status',
                  encoding='ascii') as file:
            caps = [line.split()[1] for line in file
                    if line.startswith(('CapEff', 'CapPrm'))]
        assert caps == ['0' * 16] * 2
    assert measure(suite, link.b.v4, probes=1)['reached']
    assert capability(suite, 'locator.icmp4')['available']
    assert capability(suite, 'locator.icmp6')['available']
