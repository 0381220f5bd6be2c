# SPDX-License-Identifier: MIT
"""Each kind of loss, made to happen: seen = delivered + the named losses."""

import itertools
import os
import re
import signal
import subprocess
import threading
from collections import defaultdict

import pytest
from lab import (ROOT, ApiError, Daemon, NsClient, SmallDisk, Suite, free_port,
                 traffic, wait_for)

pytestmark = pytest.mark.daemons('tracer', 'analyzer', 'guarder', 'locator',
                                 'gateway')

RULE = {'action': 'drop', 'src': '198.51.100.0/24', 'proto': 'tcp'}
# Of TEST-NET-1, in a namespace that has no way there but a link to nobody.
NOBODY = '192.0.2.77'


def losses(client, name):
    """{id: count} of the only instance of a daemon."""
    (me,) = [s for s in client.get('services')['services']
             if s['name'] == name]
    return {loss['id']: loss['count'] for loss in me['losses']}


def metrics(client):
    """{name: {labels: value}}, labels as a frozenset of pairs."""
    with client.open('GET', '/metrics') as answer:
        text = answer.read().decode()
    out = defaultdict(dict)
    for line in text.splitlines():
        found = re.fullmatch(r'packetscope_(\w+)(?:\{(.*)\})? (\S+)', line)
        if found:
            labels = re.findall(r'(\w+)="([^"]*)"', found[2] or '')
            out[found[1]][frozenset(labels)] = float(found[3])
    return out


def total(rows, **labels):
    """The sum of a metric's rows that have these labels."""
    return sum(value for have, value in rows.items()
               if set(labels.items()) <= have)


# ---- the table ------------------------------------------------------------

def _documented():
    rows = re.findall(r'^\| ([\w.]+) \| (\w+) \| (\w+) \|',
                      (ROOT / 'docs/losses.md').read_text('utf-8'), re.M)
    return {(i, d): unit for i, d, unit in rows if i != 'id'}


def test_table_is_what_is_said(lab):
    """Each loss of each daemon has its line, with its unit, and no other."""
    with Suite(lab, ns=lab.ns('node')) as suite:
        said = {}
        for service in suite.client.get('services')['services']:
            for loss in service['losses']:
                name = re.sub(r'^(bus_\w+)\.\w+$', r'\1.NAME', loss['id'])
                said[name, service['name']] = loss['unit']
    table = _documented()
    for (name, daemon), unit in said.items():
        assert table.get((name, daemon), table.get((name, 'all'))) == unit, \
            (name, daemon)
    for name, daemon in table:
        assert (name, daemon) in said or daemon == 'all' and \
            any(name == i for i, _ in said), (name, daemon)


# ---- rings and maps -------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_tiny_ring(lab, version):
    """hits = steps + ring_full + what the join could not place."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    with Suite(lab, ns=lab.ns('node'), daemons=('tracer', 'gateway'),
               args={'tracer': ['--ring-size', '4K']}) as suite:
        api = suite.client
        port = 48000 + version
        made = api.post('traces', {
            'filter': {'proto': 'udp', 'dport': port},
            'duration_ns': 30 * 10**9, 'max_packets': 10000})
        while not api.get(f'traces/{made["id"]}').get('losses') or \
                'ring_full' not in _trace_losses(api, made['id']):
            traffic.udp(a, b, link.b.addr(version), 3000, size=64, port=port)
        _settle(api, made['id'])
        api_trace = api.get(f'traces/{made["id"]}')
        lost = _trace_losses(api, made['id'])
        assert lost['ring_full'] > 0
        assert api_trace['hits'] == api_trace['steps'] + sum(lost.values())
        suite['tracer'].stop()      # it keeps the trace as it ends
        suite['tracer'].start()
        done = wait_for(lambda: _done(api, made['id']), 20)
        assert 'in_flight' not in {x['id'] for x in done['losses']}
        assert done['hits'] == done['steps'] + sum(
            x['count'] for x in done['losses'] if x['unit'] == 'steps')


def _trace_losses(api, trace):
    return {x['id']: x['count']
            for x in api.get(f'traces/{trace}').get('losses') or []}


def _settle(api, trace):
    """Until nothing is on its way."""
    wait_for(lambda: 'in_flight' not in _trace_losses(api, trace), 10)


def _done(api, trace):
    try:
        one = api.get(f'traces/{trace}')
    except ApiError:
        return None
    return one if one['state'] == 'done' else None


def test_tiny_flow_map(lab):
    """Packets in flows + removed + beyond the map = what interfaces counted,
    over all interfaces of this host, and one of them against its own."""
    a, b = lab.ns('a'), lab.ns('b')
    link = lab.veth(a, b)
    with Suite(lab, ns=lab.ns('node'), daemons=('analyzer', 'gateway'),
               args={'analyzer': ['--flows-max', '16']}) as suite:
        api = suite.client
        inode = b.call(lambda: os.stat('/proc/thread-self/ns/net').st_ino)

        def row():
            return sum(r['rx']['packets'] for r in api.get(
                'interfaces', netns=inode)['interfaces']
                if r['ifname'] == link.b.name)

        before, old = link.b.counters(), row()
        for port in range(20000, 20100):
            traffic.udp(a, b, link.b.v4, 1, size=64, port=port)
        sent = (link.b.counters() - before).rx_packets
        assert sent >= 100
        assert row() - old == sent

        # Our own requests are packets too: each figure is read between two
        # readings of the sum, so that it lies between these.
        def seen():
            return total(metrics(api)['analyzer_packets_total'])

        def heartbeat():
            return next(s['last_seen'] for s in
                        api.get('services')['services']
                        if s['name'] == 'analyzer')

        at_least, last = seen(), heartbeat()
        wait_for(lambda: heartbeat() != last, 10)
        lost = losses(api, 'analyzer')['flow_map_full']
        flows = sum(f[way]['packets']
                    for f in api.pages('flows', 'flows', limit=1000)
                    for way in ('rx', 'tx') if way in f)
        gone = total(metrics(api)['analyzer_evicted_packets_total'])
        assert lost >= 100 - 16
        assert at_least <= flows + gone + lost <= seen()


# ---- the bus --------------------------------------------------------------

@pytest.fixture
def pair(lab):
    """A suite and a second gateway in it."""
    node = lab.ns('node')
    with Suite(lab, ns=node, daemons=('guarder', 'locator', 'gateway'),
               args={'guarder': ['--pub-queue', '16', '--interfaces',
                                 'none0']}) as suite:
        port = node.call(free_port)
        other = Daemon(lab, 'gateway', '--http', f'127.0.0.1:{port}',
                       '--instance', 'second', run_dir=suite.run_dir,
                       state_dir=suite.state_dir,
                       ns=node)
        other.log_path = suite['gateway'].log_path.with_name('second.log')
        other.start(wait=False)
        client = NsClient(node, f'http://127.0.0.1:{port}', suite.token())

        def ready():
            try:
                names = {s['name'] for s in
                         client.get('services')['services']
                         if s['state'] == 'ready'}
            except (ApiError, OSError):
                return False
            return {'guarder', 'locator'} <= names

        wait_for(ready, 30)
        yield suite, other, client
        other.proc.send_signal(signal.SIGCONT)
        other.stop()


def test_stopped_listener(pair):
    """published = received + gap + late + before, at both ends."""
    suite, other, client = pair
    rule = suite.client.post('rules', RULE)['id']
    other.proc.send_signal(signal.SIGSTOP)
    for i in range(1500):
        suite.client.put(f'rules/{rule}', {**RULE, 'comment': str(i) * 60})
    other.proc.send_signal(signal.SIGCONT)

    def balance():
        seen = metrics(client)
        lost, received, before = (
            total(seen[name], service='gateway', instance='second-2', **labels)
            for name, labels in (
                ('loss_total', {'id': 'bus_gap.guarder'}),
                ('bus_received_total', {'publisher': 'guarder'}),
                ('bus_before_total', {'publisher': 'guarder'})))
        late = total(seen['loss_total'], service='gateway',
                     instance='second-2', id='bus_late.guarder')
        published = total(seen['bus_published_total'], service='guarder')
        return published > 3000 and lost > 0 and \
            published == received + lost + late + before

    wait_for(balance, 60)


def test_full_queue_of_calls(lab):
    """Every request has an answer; the 503 and 504 are the losses."""
    node = lab.ns('node')
    with Suite(lab, ns=node, daemons=('locator', 'gateway'),
               args={'gateway': ['--request-timeout', '3s',
                                 '--client-connections', '1000',
                                 '--max-connections', '1000',
                                 '--request-rate', '100000']}) as suite:
        old = losses(suite.client, 'gateway')
        suite['locator'].proc.send_signal(signal.SIGSTOP)
        answers = []
        number = itertools.count(1)
        lock = threading.Lock()

        def ask():
            with lock:
                limit = next(number)
            try:
                suite.client.get('paths', limit=limit)
                answers.append(200)
            except ApiError as error:
                answers.append((error.status, error.problem['id']))

        threads = [threading.Thread(target=ask) for _ in range(400)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        suite['locator'].proc.send_signal(signal.SIGCONT)
        assert len(answers) == 400
        refused = answers.count((503, 'service.busy'))
        late = sum(a != 200 and a[0] == 504 for a in answers)
        down = len(answers) - refused - late - answers.count(200)
        assert refused > 0
        assert late >= 256

        def balance():
            new = losses(suite.client, 'gateway')
            return (new['bus_call_refused'] - old['bus_call_refused'] ==
                    refused and
                    new['bus_call_timeout'] - old['bus_call_timeout'] >=
                    late)

        wait_for(balance, 20)
        assert down == 400 - refused - late - answers.count(200)


# ---- queues and stores ----------------------------------------------------

def test_full_queue_of_measurements(lab):
    """asked = taken on + refused."""
    node, far = lab.ns('node'), lab.ns('far')
    link = lab.veth(node, far)
    node.ip('route', 'add', f'{NOBODY}/32', 'via', link.b.v4)
    with Suite(lab, ns=node, daemons=('locator', 'gateway'),
               args={'locator': ['--max-running', '1', '--max-queued',
                                 '1']}) as suite:
        refused = 0
        for _ in range(6):
            try:
                suite.client.post('paths', {'target': NOBODY})
            except ApiError as error:
                assert error.status in (429, 503)
                refused += 1
        assert refused >= 1
        seen = metrics(suite.client)
        wait_for(lambda: losses(suite.client, 'locator')['queue_full'] ==
                 refused, 10)
        assert total(seen['locator_paths_total']) + refused == 6


@pytest.fixture
def full(lab):
    """A suite with a small disk for guarder and locator."""
    node, far = lab.ns('node'), lab.ns('far')
    link = lab.veth(node, far)
    node.ip('route', 'add', f'{NOBODY}/32', 'via', link.b.v4)
    suite = Suite(lab, ns=node, daemons=('guarder', 'locator', 'gateway'))
    for name in ('guarder', 'locator'):
        SmallDisk(suite, name, 2)
    with suite:
        yield suite


def test_full_disk(full):
    """A change is refused and nothing is half done; what was begun before and
    cannot be written is counted; with room again all goes on."""
    api = full.client
    rule = api.post('rules', RULE)
    # One that is not through yet when the disk is full.
    api.post('paths', {'target': NOBODY})
    full['guarder'].fill()
    full['locator'].fill()
    with pytest.raises(ApiError) as refused:
        for _ in range(50):     # what the log had room for still goes in
            api.put(f'rules/{rule["id"]}', {**RULE, 'comment': 'x' * 250})
            rule = api.get(f'rules/{rule["id"]}')
    assert refused.value.status >= 500
    now = api.get(f'rules/{rule["id"]}')
    assert now['src'] == RULE['src']
    assert now.get('comment') == rule.get('comment')

    with pytest.raises(ApiError) as refused:
        api.post('paths', {'target': '127.0.0.1'})
    assert refused.value.problem['id'] == 'audit.not_writable'
    wait_for(lambda: losses(api, 'locator')['history_write_failed'] > 0, 90)
    for name in ('guarder', 'locator'):
        full[name].make_room()
    wait_for(lambda: api.put(f'rules/{rule["id"]}',
                             {**RULE, 'comment': 'again'}), 20)
    assert api.get(f'rules/{rule["id"]}')['comment'] == 'again'


def test_log_without_room(lab):
    """Lines that /dev/full does not take are counted."""
    node = lab.ns('node')
    with Suite(lab, ns=node, daemons=('locator', 'gateway')) as suite:
        suite['locator'].stop()
        with open('/dev/full', 'wb') as log:
            proc = node.popen(suite['locator'].argv, stdout=log, stderr=log,
                              stdin=subprocess.DEVNULL,
                              env=suite['locator'].env)
        suite['locator'].proc = proc
        wait_for(lambda: 'locator' in suite.ready() and
                 losses(suite.client, 'locator')['log_lost'] > 0, 20)
