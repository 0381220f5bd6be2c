# SPDX-License-Identifier: MIT
"""Several instances of one daemon: found, asked in turn, shown, healed."""

import contextlib
import os
import signal
import sqlite3
import threading
import time

import pytest

from lab import ApiError, Daemon, Suite, bus, free_port, wait_for

pytestmark = pytest.mark.daemons('locator', 'gateway')
HOST = os.uname().nodename[:62]
READY = ('ready', 'degraded')


def start(lab, *names, ns=None):
    """The daemons of these names, in a namespace."""
    suite = Suite(lab, ns=ns or lab.ns('node'), daemons=names)
    lab.on_close(suite.stop)
    return suite.start()


def more(suite, name, *args):
    """One more instance in the suite's directories."""
    count = len(getattr(suite, 'added', ()))
    if name == 'gateway':
        args = ('--http', f'127.0.0.1:{suite.ns.call(free_port)}', *args)
    daemon = Daemon(suite.lab, name, *args, run_dir=suite.run_dir,
                    state_dir=suite.state_dir, ns=suite.ns)
    daemon.log_path = daemon.log_path.with_name(f'{name}-more{count}.log')
    suite.added = [*getattr(suite, 'added', ()), daemon]
    suite.lab.on_close(daemon.stop)
    daemon.start(wait=False)
    wait_for(lambda: ' ready ' in daemon.log(), 30, what='it is ready')
    return daemon


def services(client, name):
    """{instance: status} of a daemon."""
    return {s['instance']: s for s in client.get('services')['services']
            if s['name'] == name}


def states(client, name):
    """{instance: state} of a daemon."""
    return {i: s['state'] for i, s in services(client, name).items()}


def until(client, name, want, seconds=10):
    """Waits until the states of a daemon's instances are these."""
    return wait_for(lambda: states(client, name) == want, seconds,
                    what=lambda: f'{name} {want}, not '
                                 f'{states(client, name)}')


def stays(client, name, want, seconds):
    """Whether the states of a daemon's instances are these all the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if states(client, name) != want:
            return False
        time.sleep(0.1)
    return True


def measure(client, target='127.0.0.1'):
    """The id of a path that was measured to its end."""
    path = client.post('paths', {'target': target, 'probes': 1,
                                 'max_hops': 1, 'timeout_ns': 100_000_000})
    return path['id']


def measure_on_all(client, where, count):
    """Measures until each of `count` instances has some: {id: instance}."""
    found = {}

    def enough():
        ident = measure(client)
        found[ident] = where(ident)
        return len(set(found.values())) == count
    wait_for(enough, 20, what='each locator was asked')
    return found


def holder(suite):
    """A function that tells which database has a path."""
    def where(ident):
        for path in sorted(suite.state_dir.glob('locator*.db')):
            if '.audit' in path.name:
                continue
            base = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
            with contextlib.closing(base):
                if base.execute('SELECT 1 FROM paths WHERE id = ?',
                                (ident,)).fetchone():
                    return path.stem
        raise AssertionError(f'nobody has {ident}')
    return where


# ---- locators --------------------------------------------------------------

def test_replicas_are_found_asked_and_merged(lab):
    suite = start(lab, 'locator', 'gateway')
    more(suite, 'locator')
    more(suite, 'locator')
    names = [HOST, f'{HOST}-2', f'{HOST}-3']
    until(suite.client, 'locator', dict.fromkeys(names, 'ready'), 3)
    assert (suite.run_dir / 'locator-3.rep').exists()
    pids = {s['pid'] for s in services(suite.client, 'locator').values()}
    assert len(pids) == 3

    found = measure_on_all(suite.client, holder(suite), 3)
    for ident in found:
        assert suite.client.get(f'paths/{ident}')['id'] == ident
    with pytest.raises(ApiError) as error:
        suite.client.get('paths/p0123456789abcdef')
    assert (error.value.status, error.value.problem['id']) == \
        (404, 'path.not_found')
    for _ in range(6):
        assert suite.client.get('geo/127.0.0.1')['special'] == 'loopback'

    whole = suite.client.get('paths', limit=1000)
    assert {p['id'] for p in whole['paths']} == set(found)
    assert whole['total'] == len(found)
    assert whole['missing'] == []
    order = [(p['started'], p['id']) for p in whole['paths']]
    assert order == sorted(order, reverse=True)
    assert [p['id'] for p in suite.client.pages('paths', 'paths', limit=2)] \
        == [p['id'] for p in whole['paths']]
    report = suite.client.get('hosts/127.0.0.1')
    assert {p['id'] for p in report['paths']['paths']} == set(found)


def test_pages_stand_still_while_new_paths_come(lab):
    suite = start(lab, 'locator', 'gateway')
    more(suite, 'locator')
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'ready'}, 3)
    before = [measure(suite.client) for _ in range(8)]
    got, cursor = [], None
    while True:
        page = suite.client.get('paths', limit=3,
                                **({'cursor': cursor} if cursor else {}))
        got += [p['id'] for p in page['paths']]
        cursor = page.get('next_cursor')
        if not cursor:
            break
        measure(suite.client)
    assert got == before[::-1]
    for cursor in ('o3', 'x', 't5', 't5.', "t5.a'b", 't-1.a'):
        with pytest.raises(ApiError) as error:
            suite.client.get('paths', cursor=cursor)
        assert error.value.status == 400
        assert error.value.problem['field'] == 'cursor'


def test_killed_replica_is_named_and_comes_back_with_its_history(lab):
    suite = start(lab, 'locator', 'gateway')
    second = more(suite, 'locator')
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'ready'}, 3)
    found = measure_on_all(suite.client, holder(suite), 2)
    second.kill()
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'down'}, 2)

    part = suite.client.get('paths', limit=1000)
    assert {p['id'] for p in part['paths']} == \
        {i for i, where in found.items() if where == 'locator'}
    (missing,) = part['missing']
    assert missing['instance'] == f'{HOST}-2' and missing['reason']
    for ident, where in found.items():
        if where == 'locator':
            assert suite.client.get(f'paths/{ident}')['id'] == ident
            continue
        with pytest.raises(ApiError) as error:
            suite.client.get(f'paths/{ident}')
        assert error.value.status == 503
        assert error.value.problem['id'] == 'service.incomplete'
        assert f'{HOST}-2' in error.value.problem['detail']
    for _ in range(4):
        measure(suite.client)

    second.start(wait=False)
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'ready'}, 3)
    for ident in found:
        assert suite.client.get(f'paths/{ident}')['id'] == ident
    assert suite.client.get('paths')['missing'] == []


def test_one_that_was_ended_disappears(lab):
    suite = start(lab, 'locator', 'gateway')
    second = more(suite, 'locator')
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'ready'}, 3)
    assert second.stop() == 0
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'down'}, 3)
    assert 'ended' in services(suite.client, 'locator')[f'{HOST}-2']['reason']
    until(suite.client, 'locator', {HOST: 'ready'}, 20)
    assert suite.client.get('paths')['missing'] == []
    # The first place is as good to leave: the name stays with the other.
    second.start(wait=False)
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'ready'}, 5)
    assert suite['locator'].stop() == 0
    until(suite.client, 'locator', {f'{HOST}-2': 'ready'}, 20)
    assert measure(suite.client)


def test_a_key_finds_the_same_replica(lab):
    """What is asked twice is done once."""
    suite = start(lab, 'locator', 'gateway')
    more(suite, 'locator')
    more(suite, 'locator')
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'ready',
                                    f'{HOST}-3': 'ready'}, 3)
    for n in range(6):
        ids = {suite.client.request(
            'POST', 'paths', {'target': '127.0.0.1', 'max_hops': 1},
            headers={'Idempotency-Key': f'key-{n}'})['id']
            for _ in range(3)}
        assert len(ids) == 1
    assert suite.client.get('paths')['total'] == 6


# ---- gateways --------------------------------------------------------------

def test_two_gateways_are_two_doors(lab):
    suite = start(lab, 'locator', 'gateway')
    more(suite, 'locator')
    second = more(suite, 'gateway')
    port = second.args[1].rpartition(':')[2]
    other = type(suite.client)(suite.ns, f'http://127.0.0.1:{port}',
                               suite.token())
    both = {HOST: 'ready', f'{HOST}-2': 'ready'}
    for client in (suite.client, other):
        until(client, 'locator', both, 4)
        until(client, 'gateway', both, 4)
    ident = measure(other)
    assert suite.client.get(f'paths/{ident}')['id'] == ident

    assert suite['gateway'].kill() == -signal.SIGKILL
    dead = {HOST: 'down', f'{HOST}-2': 'ready'}
    until(other, 'gateway', dead, 2)
    # Its place is kept, beyond the next looks at who is there.
    assert stays(other, 'gateway', dead, 1.5)
    assert other.get(f'paths/{ident}')['id'] == ident
    suite['gateway'].start()
    for client in (other, suite.client):
        until(client, 'gateway', both, 4)
        until(client, 'locator', both, 3)


# ---- announcements ---------------------------------------------------------

def announcement(**changes):
    """A message of gateway.announce."""
    return {'name': 'locator', 'instance': 'other',
            'rep': 'ipc:///nowhere/l.rep', 'pub': 'ipc:///nowhere/l.pub',
            'started': time.time_ns(), **changes}


@pytest.mark.parametrize('changes, want', [
    ({'name': 'x' * 5000}, 'announce.unknown_name'),
    ({'name': 'locator2'}, 'announce.unknown_name'),
    ({'instance': 'i' * 5000}, 'announce.instance_invalid'),
    ({'instance': 'a\nb'}, 'announce.instance_invalid'),
    ({'rep': 'http://127.0.0.1/'}, 'announce.url_invalid'),
    ({'rep': 'ipc:///' + 'x' * 5000}, 'announce.url_invalid'),
    ({'pub': ''}, 'announce.url_invalid'),
    ({'started': 0}, 'announce.started_invalid'),
    ({'instance': HOST}, 'announce.name_taken'),
    ({'name': 'gateway', 'instance': HOST}, 'announce.name_taken'),
])
def test_wrong_announcements_are_refused(lab, changes, want):
    suite = start(lab, 'locator', 'gateway')
    with bus.Request(suite.run_dir / 'gateway.rep') as gateway:
        answer = gateway.announce(**announcement(**changes))
        assert answer['id'] == want and answer['detail']
        assert answer['status'] in (400, 409)
    assert states(suite.client, 'locator') == {HOST: 'ready'}


def test_a_url_of_another_is_refused(lab):
    suite = start(lab, 'locator', 'guarder', 'gateway')
    run = suite.run_dir
    with bus.Request(run / 'gateway.rep') as gateway:
        # Another's place, under another name.
        answer = gateway.announce(**announcement(
            rep=f'ipc://{run}/guarder.rep', pub=f'ipc://{run}/locator.pub'))
        assert answer['id'] == 'announce.url_taken'
        answer = gateway.announce(**announcement(
            rep=f'ipc://{run}/locator.rep', pub=f'ipc://{run}/locator.pub'))
        assert answer['id'] == 'announce.url_taken'
        # The same by a way that looks different.
        elsewhere = announcement(rep=f'ipc://{run}/./locator.rep',
                                 pub=f'ipc://{run}/locator.pub')
        assert gateway.announce(**elsewhere) is None

        def told():
            answer = gateway.announce(**elsewhere)
            return answer and answer['id'] == 'announce.elsewhere' and \
                HOST in answer['detail']
        wait_for(told, 8, what='it is told who is there')
        # Nobody answers there.
        nobody = announcement(instance='nobody')
        assert gateway.announce(**nobody) is None
        wait_for(lambda: (gateway.announce(**nobody) or {}).get('id') ==
                 'announce.unreachable', 8)
    assert states(suite.client, 'locator') == {HOST: 'ready'}
    assert states(suite.client, 'guarder') == {HOST: 'ready'}


def test_hundreds_are_too_many_and_forgotten(lab):
    suite = start(lab, 'locator', 'gateway')
    before = suite['gateway'].rss_kib()
    with bus.Request(suite.run_dir / 'gateway.rep') as gateway:
        answers = [gateway.announce(**announcement(
            instance=f'i{n}', rep=f'ipc:///nowhere/{n}.rep'))
            for n in range(300)]
        refused = [a['id'] for a in answers if a]
        assert set(refused) == {'announce.too_many'}
        assert 300 - 32 <= len(refused) < 300
        assert states(suite.client, 'locator') == {HOST: 'ready'}
        assert suite['gateway'].rss_kib() - before < 100 * 1024
        # They make room for a real one.
        more(suite, 'locator')
        until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'ready'},
              30)


def test_the_second_of_a_name_is_refused_and_says_so(lab):
    suite = start(lab, 'locator', 'gateway')
    base = suite.run_dir
    # Another run directory, the same gateway, the same name.
    other = Daemon(lab, 'locator', '--announce', f'ipc://{base}/gateway.rep',
                   run_dir=base.parent / 'run2', ns=suite.ns,
                   state_dir=base.parent / 'state2')
    other.log_path = other.log_path.with_name('locator-other.log')
    other.start()
    wait_for(lambda: 'announce.name_taken' in other.log(), 5)
    assert states(suite.client, 'locator') == {HOST: 'ready'}
    # When the first has gone it gets the name.
    suite['locator'].kill()
    until(suite.client, 'locator', {HOST: 'ready'}, 4)
    assert services(suite.client, 'locator')[HOST]['pid'] == other.proc.pid
    assert measure(suite.client)


def test_another_url_and_another_instance_heal(lab):
    """Restarted elsewhere, under another name: no other part is touched."""
    suite = start(lab, 'locator', 'gateway')
    gateway = suite['gateway'].proc.pid
    args = suite['locator'].args
    for n, words in enumerate((
            ['--rep', f'ipc://{suite.run_dir}/a.rep',
             '--pub', f'ipc://{suite.run_dir}/a.pub'],
            ['--instance', 'renamed'],
            [])):
        suite['locator'].kill()
        suite['locator'].args = [*args, *words]
        suite['locator'].start(wait=False)
        name = 'renamed' if 'renamed' in words else HOST
        wait_for(lambda name=name: states(suite.client, 'locator').get(name)
                 == 'ready' and services(suite.client, 'locator')[name]['pid']
                 == suite['locator'].proc.pid, 4, what=f'healed {n}')
        assert measure(suite.client)
    assert suite['gateway'].proc.pid == gateway


# ---- heal ------------------------------------------------------------------

@pytest.mark.daemons('tracer', 'analyzer', 'locator', 'guarder', 'gateway')
@pytest.mark.parametrize('name', ['tracer', 'analyzer', 'locator', 'guarder',
                                  'gateway'])
@pytest.mark.host_only('it measures time')
def test_restart_heals(lab, suite, name):
    """Down within 2 s, ready within 3 s of its own word that it is."""
    others = {n: d.proc.pid for n, d in suite.daemons.items() if n != name}
    begun = {n: services(suite.client, n)[HOST]['started'] for n in others}
    suite[name].kill()
    killed = time.monotonic()
    if name != 'gateway':
        until(suite.client, name, {HOST: 'down'}, 5)
        assert time.monotonic() - killed < 2
    size = len(suite[name].log())
    suite[name].start(wait=False)
    wait_for(lambda: ' ready ' in suite[name].log()[size:], 20)
    ready = time.monotonic()

    def back():
        try:
            return all(states(suite.client, n).get(HOST) in READY
                       for n in suite.daemons)
        except (OSError, ApiError):
            return False
    wait_for(back, 10, what='all are ready')
    assert time.monotonic() - ready < 3
    for other, pid in others.items():
        assert suite[other].proc.pid == pid
        assert suite[other].proc.poll() is None
        assert services(suite.client, other)[HOST]['started'] == begun[other]


def test_readers_go_on_while_a_replica_dies(lab):
    suite = start(lab, 'locator', 'gateway')
    second = more(suite, 'locator')
    until(suite.client, 'locator', {HOST: 'ready', f'{HOST}-2': 'ready'}, 3)
    failed, done, stop = [], [], threading.Event()

    def read():
        while not stop.is_set():
            try:
                suite.client.get('geo/127.0.0.1')
                done.append(1)
            except ApiError as error:
                failed.append(error)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(3):
            second.kill()
            until(suite.client, 'locator',
                  {HOST: 'ready', f'{HOST}-2': 'down'}, 2)
            second.start(wait=False)
            until(suite.client, 'locator',
                  {HOST: 'ready', f'{HOST}-2': 'ready'}, 4)
    finally:
        stop.set()
        reader.join(20)
    assert len(done) > 50
    # At most the one that was on its way to it.
    assert len(failed) <= 3


# ---- standby ---------------------------------------------------------------

def stand_by(suite, name, active):
    """A second one that waits for the place of the first."""
    daemon = Daemon(suite.lab, name, '--standby', run_dir=suite.run_dir,
                    state_dir=suite.state_dir, ns=suite.ns)
    daemon.log_path = daemon.log_path.with_name(f'{name}-standby.log')
    suite.lab.on_close(daemon.stop)
    daemon.start(wait=False)
    until(suite.client, name, {HOST: 'ready', f'{HOST}-2': 'standby'}, 8)
    status = services(suite.client, name)[f'{HOST}-2']
    assert status['pid'] == daemon.proc.pid
    assert str(active.proc.pid) in status['reason']
    return daemon


@pytest.mark.parametrize('how', [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize('name', ['tracer', 'analyzer', 'guarder'])
@pytest.mark.daemons('tracer', 'analyzer', 'guarder')
@pytest.mark.host_only('it measures time')
def test_standby_takes_the_place(lab, name, how):
    suite = start(lab, name, 'gateway')
    read = {'tracer': 'traces', 'analyzer': 'flows', 'guarder': 'rules'}[name]
    if name == 'guarder':
        suite.client.post('rules', {'id': 'kept', 'action': 'drop',
                                    'proto': 'udp', 'dport': '9'})
    second = stand_by(suite, name, suite[name])
    assert suite.client.get(read) is not None
    assert not list(suite.state_dir.glob(f'{name}-2*'))

    suite[name].stop(how)
    ended = time.monotonic()
    wait_for(lambda: ' place_free ' in second.log(), 10)
    assert time.monotonic() - ended < 1
    # To load and attach takes a sanitized one its time.
    wait_for(lambda: ' ready ' in second.log(), 10)
    ready = time.monotonic()
    wait_for(lambda: services(suite.client, name)[HOST]['state'] in READY and
             services(suite.client, name)[HOST]['pid'] == second.proc.pid,
             10, what='the second is the active one')
    assert time.monotonic() - ready < 2
    assert time.monotonic() - ended < 6
    assert suite.client.get(read) is not None
    if name == 'guarder':
        assert [r['id'] for r in suite.client.get('rules')['rules']] == \
            ['kept']
    # The one that waited is no more shown as such, and the place behind it is
    # free for the next.
    third = stand_by(suite, name, second)
    assert third.stop() == 0
    until(suite.client, name, {HOST: 'ready'}, 20)
    assert not (suite.run_dir / f'{name}-2.rep').exists()
    assert second.stop() == 0


@pytest.mark.daemons('analyzer')
def test_standby_that_is_killed_leaves_nothing(lab):
    suite = start(lab, 'analyzer', 'gateway')
    second = stand_by(suite, 'analyzer', suite['analyzer'])
    child, = _children(second.proc.pid)
    for line in ('CapEff', 'CapPrm', 'CapBnd', 'CapAmb'):
        assert _status(child)[line].strip('0') == '', line
    assert _status(child)['NoNewPrivs'] == '1'
    assert _status(child)['Seccomp'] == '2'
    # Without its child it waits unseen.
    second.kill()
    wait_for(lambda: not os.path.exists(f'/proc/{child}'), 5)
    until(suite.client, 'analyzer', {HOST: 'ready'}, 20)
    assert suite['analyzer'].proc.poll() is None


def _children(pid):
    """The processes that a process made."""
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
        return [int(word) for word in file.read().split()]


def _status(pid):
    """/proc/PID/status as a dict."""
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return dict(line.rstrip('\n').replace('\t', '').split(':', 1)
                    for line in file)
