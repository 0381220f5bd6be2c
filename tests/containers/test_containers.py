# SPDX-License-Identifier: MIT
"""deploy/compose.yaml: what it starts works, has no more than it needs, can
be restarted and scaled part by part, and goes without a trace.

The tests are in the order of a suite's life and share one.
"""

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import time

import pytest

from conftest import PARTS
from lab import ApiError, traffic, wait_for

USER = 10100
# Held once a daemon is up; what a container starts with is in compose.yaml.
HELD = {
    'tracer': {'net_admin', 'sys_admin', 'sys_ptrace'},
    'analyzer': {'bpf'},
    'guarder': {'bpf'},
    'locator': set(),
    'gateway': set(),
}
# Of those that occur; see capabilities(7).
BITS = {0: 'chown', 1: 'dac_override', 6: 'setgid', 7: 'setuid',
        12: 'net_admin', 13: 'net_raw', 19: 'sys_ptrace', 21: 'sys_admin',
        34: 'syslog', 38: 'perfmon', 39: 'bpf'}
# What no image of a daemon needs.
TOOLS = ('cc', 'gcc', 'g++', 'clang', 'ld', 'as', 'make', 'ninja', 'cmake',
         'git', 'npm', 'node', 'bpftool', 'python3', 'packetscope-setup')
SECRETS = re.compile(r'(\.git/|\.token$|\.db$|(?<!/ssl)/private/.|id_rsa|'
                     r'node_modules|\.npmrc$|(^|/)src/.)')


def status(pid, task=None):
    """/proc/PID/status of a process, or of one of its threads."""
    path = f'/proc/{pid}/status' if task is None else \
        f'/proc/{pid}/task/{task}/status'
    with open(path, encoding='ascii') as file:
        return dict(line.rstrip('\n').split(':\t', 1) for line in file
                    if ':\t' in line)


def names(mask):
    """Names of the capabilities of a mask of /proc."""
    mask = int(mask, 16)
    return {BITS.get(bit, f'capability {bit}')
            for bit in range(mask.bit_length()) if mask >> bit & 1}


# ---- images -----------------------------------------------------------------

@pytest.mark.parametrize('part', PARTS)
def test_image(compose, part):
    """Labels, user, signal and health; no compiler, no source, no secret."""
    image = f'packetscope-{part}'
    (one,) = compose.engine.inspect(image)
    config = one['Config']
    labels = config['Labels']
    assert labels['org.opencontainers.image.title'] == f'PacketScope {part}'
    assert labels['org.opencontainers.image.licenses'] == 'MIT'
    assert config['User'] == ('packetscope' if part == 'gateway' else '')
    assert config['StopSignal'] == 'SIGTERM'
    assert config['Healthcheck']['Test'] == ['CMD', f'ps-{part}',
                                             '--healthcheck']
    assert config['Entrypoint'] == [f'ps-{part}']
    print(f'{image}: {one["Size"] / 1e6:.0f} MB')
    assert one['Size'] < 250e6

    box = compose.engine.docker('create', image)
    try:
        tar = subprocess.Popen(['docker', 'export', box],
                               env=compose.engine.env, stdout=subprocess.PIPE)
        files = subprocess.run(['tar', '-t'], stdin=tar.stdout, check=True,
                               capture_output=True, text=True).stdout.split()
        assert tar.wait() == 0
    finally:
        compose.engine.docker('rm', '-v', box)
    found = {os.path.basename(f) for f in files if '/bin/' in f or
             '/sbin/' in f}
    assert f'ps-{part}' in found
    assert found.isdisjoint(TOOLS)
    assert not [f for f in files if SECRETS.search(f)]
    assert not [f for f in files if f.startswith('var/lib/apt/lists/') and
                not f.endswith('/')]
    console = any(f.endswith('console/index.html') for f in files)
    assert console == (part == 'gateway')


# ---- up ---------------------------------------------------------------------

def test_up_is_ready_and_sees_all(suite):
    """All parts are ready, and the kernel's are refused nothing."""
    every = suite.services()
    assert set(every) == set(PARTS)
    for part in ('tracer', 'analyzer', 'guarder'):
        (one,) = every[part]
        # Functions are probed by tracefs, which compose.yaml does not give.
        gone = {c['id'] for c in one['capabilities'] if not c['available']}
        assert gone <= {'tracer.functions'}
    (locator,) = every['locator']
    gone = {c['id'] for c in locator['capabilities'] if not c['available']}
    assert gone <= {'locator.geo', 'locator.asn'}    # no databases here


def test_up_is_healthy(suite):
    """The engine's own view, by --healthcheck."""
    def healthy():
        states = {part: suite.container(part)['State']['Health']['Status']
                  for part in PARTS}
        assert set(states.values()) == {'healthy'}, states
        return True

    wait_for(healthy, 45, 0.5)


def test_console_and_loopback_only(suite):
    """The console is served, on 127.0.0.1 and nowhere else."""
    page = suite.client.get('/')
    assert b'<script' in page
    (port,) = suite.config()['services']['gateway']['ports']
    assert port['host_ip'] == '127.0.0.1'
    listening = suite.node.run('ss', '-Hltn', 'sport = :8080').stdout
    assert [line.split()[3] for line in listening.splitlines()] == [
        '127.0.0.1:8080']


@pytest.mark.parametrize('part', PARTS)
def test_least_privilege(suite, part):
    """Of each thread: what it holds, and what it could ever get."""
    declared = suite.config()['services'][part]
    box = suite.container(part)
    host = box['HostConfig']
    assert host['CapDrop'] == ['ALL']
    given = {name.lower() for name in declared.get('cap_add', [])}
    assert {name.removeprefix('CAP_').lower()
            for name in host['CapAdd'] or []} == given
    assert host['ReadonlyRootfs'] and not host['Privileged']
    assert 'no-new-privileges:true' in host['SecurityOpt']
    assert 'seccomp=unconfined' not in host['SecurityOpt']
    assert host['Memory'] and host['PidsLimit'] and host['CpuShares']
    assert host['NetworkMode'] == (
        'packetscope_default' if part == 'gateway' else 'host')
    assert host['PidMode'] == ('host' if part == 'tracer' else '')

    pid = box['State']['Pid']
    threads = os.listdir(f'/proc/{pid}/task')
    assert threads
    for task in threads:
        now = status(pid, task)
        assert names(now['CapPrm']) == HELD[part]
        assert names(now['CapEff']) == HELD[part]
        assert names(now['CapBnd']) <= given
        assert names(now['CapAmb']) == names(now['CapInh']) == set()
        assert now['NoNewPrivs'] == '1'
        assert now['Seccomp'] == '2'
        assert now['Uid'].split() == [str(USER)] * 4
        assert now['Gid'].split() == [str(USER)] * 4
    (says,) = suite.services()[part]
    assert (says['user'], set(says['privileges'])) == (
        'packetscope', HELD[part])


@pytest.mark.parametrize('part', PARTS)
def test_root_file_system_is_read_only(suite, part):
    """Also for the container's root."""
    box = suite.container(part)['Id']
    res = suite.engine.run('docker', 'exec', '-u', '0', box, 'sh', '-c',
                           'echo >/usr/bin/x', check=False)
    assert res.returncode != 0
    assert 'Read-only file system' in res.stderr


# ---- work -------------------------------------------------------------------

@pytest.mark.parametrize('version', [4, 6])
def test_flow_is_exact(suite, version):
    """What the host's interface sees, to the packet and the byte."""
    addr = suite.link.a.addr(version)
    sent = traffic.udp(suite.peer, suite.node, addr, 1000, 64)
    size = {4: 14 + 20, 6: 14 + 40}[version] + 8 + 64
    inode = os.stat(f'/run/netns/{suite.node.name}').st_ino
    (flow,) = suite.client.get('flows', netns=inode, port=sent.dst_port,
                               proto='udp')['flows']
    assert (flow['laddr'], flow['raddr']) == (
        addr, suite.link.b.addr(version))
    assert flow['ifname'] == suite.link.a.name
    assert (flow['rx']['packets'], flow['rx']['bytes']) == (1000, 1000 * size)


def test_tracer_names_containers(suite):
    """A socket of another network and pid namespace, and whose it is."""
    box = suite.container('gateway')

    def found():
        for row in suite.client.get('sockets', port=8080, state='LISTEN',
                                    limit=1000)['sockets']:
            for owner in row.get('owners', []):
                if owner['pid'] == box['State']['Pid']:
                    return owner
        return None

    owner = wait_for(found, 10, what='the socket of the gateway')
    assert owner['container'] == box['Id']
    assert owner['comm'] == 'ps-gateway'


def measure(suite):
    """A path to the peer, measured."""
    made = suite.client.post('paths', {'target': suite.link.b.v4})

    def done():
        got = suite.client.get('paths/' + made['id'])
        return got if got['state'] == 'done' else None

    return wait_for(done, 20, what='the path')


def test_locator_measures(suite):
    """Raw sockets work, though their capability is given up."""
    assert measure(suite)['reached']


def pings(suite, count=20):
    """How many of so many pings of the peer are answered, by version."""
    return [traffic.icmp(suite.peer, suite.link.a.addr(version), count,
                         timeout=0.5).received for version in (4, 6)]


@pytest.fixture(scope='module')
def rules(suite):
    """Rules that drop pings, enforced."""
    assert pings(suite) == [20, 20]
    made = [suite.client.post('rules', {
        'action': 'drop', 'proto': proto, 'icmp_type': kind})['id']
        for proto, kind in (('icmp', 8), ('icmpv6', 128))]
    wait_for(lambda: pings(suite, 1) == [0, 0], 5, what='the rules hold')
    return made


def hits(suite, rules):
    """What each rule has hit; None while the guarder cannot say."""
    try:
        return [suite.client.get(f'rules/{rule}')['hit_packets']
                for rule in rules]
    except ApiError:
        return None


def test_rules_drop_and_count(suite, rules):
    """Each ping, no more and no less."""
    before = hits(suite, rules)
    assert pings(suite) == [0, 0]
    assert hits(suite, rules) == [n + 20 for n in before]


# ---- restart, scale ---------------------------------------------------------

def started(suite):
    """{part: [its instances' times of start]}"""
    return {part: sorted(one['started'] for one in some)
            for part, some in suite.services().items()}


def test_restart_of_one(suite):
    """The others go on; it is back within 3 s of its container."""
    before = started(suite)
    suite.run('restart', 'analyzer')
    begin = time.monotonic()

    def back():
        now = started(suite)
        return now if now['analyzer'] > before['analyzer'] and \
            'analyzer' in suite.ready() else None

    after = wait_for(back, 10, 0.02, what='the analyzer is back')
    took = time.monotonic() - begin
    print(f'healed {took:.2f} s after its container was up')
    assert took <= 3
    assert {k: v for k, v in after.items() if k != 'analyzer'} == {
        k: v for k, v in before.items() if k != 'analyzer'}
    for version in (4, 6):
        test_flow_is_exact(suite, version)


def test_guarder_enforces_while_it_is_away(suite, rules):
    """Its container may go and come: no rule rests, no packet is uncounted."""
    before = hits(suite, rules)
    suite.run('stop', 'guarder')
    assert pings(suite) == [0, 0]
    suite.run('rm', '-f', 'guarder')
    assert pings(suite) == [0, 0]
    suite.run('up', '-d', 'guarder')
    after = wait_for(lambda: hits(suite, rules), 20, what='its rules')
    assert after == [n + 40 for n in before]
    assert pings(suite) == [0, 0]


def paths_of(suite, ident):
    """Which locator has measured this, by its own file."""
    folder = suite.engine.data / 'volumes/packetscope_locator-state/_data'
    for path in folder.glob('locator*.db'):
        if '.audit' in path.name:
            continue
        with contextlib.closing(sqlite3.connect(
                f'file:{path}?mode=ro', uri=True)) as base:
            if base.execute('SELECT 1 FROM paths WHERE id = ?',
                            (ident,)).fetchone():
                return path.name
    return None


def locators(suite, count):
    """The statuses, once so many are ready."""
    def there():
        some = suite.services()['locator']
        states = [one['state'] for one in some]
        return some if states == ['ready'] * count else None

    return wait_for(there, 30, what=f'{count} locators')


def test_scale(suite):
    """Three locators: each has its place, each gets its share; then one."""
    suite.run('up', '-d', '--no-recreate', '--scale', 'locator=3')
    some = locators(suite, 3)
    assert len({one['instance'] for one in some}) == 3

    found = set()

    def shared():
        ident = measure(suite)['id']
        found.add(wait_for(lambda: paths_of(suite, ident), 10,
                           what='the path in a file'))
        return len(found) == 3

    wait_for(shared, 60, what='a path by each locator')
    assert found == {'locator.db', 'locator-2.db', 'locator-3.db'}

    suite.run('up', '-d', '--no-recreate', '--scale', 'locator=1')
    locators(suite, 1)


# ---- down -------------------------------------------------------------------

def programs(pid):
    """Ids of BPF programs of which the process holds a descriptor or link."""
    found = set()
    for entry in os.listdir(f'/proc/{pid}/fdinfo'):
        try:
            with open(f'/proc/{pid}/fdinfo/{entry}', encoding='ascii') as f:
                found |= set(re.findall(r'^prog_id:\s*(\d+)', f.read(), re.M))
        except OSError:
            continue
    return found


def living(ids):
    """Which of these programs are still loaded."""
    out = subprocess.run(['bpftool', '-j', 'prog', 'list'], check=True,
                         capture_output=True, text=True).stdout
    return ids & {str(one['id']) for one in json.loads(out)}


def xdp(suite):
    """What `ip link` says of XDP on the host's interface."""
    return suite.node.ip('-j', '-d', 'link', 'show', 'dev',
                         suite.link.a.name)[0].get('xdp')


def test_down_leaves_nothing(suite, rules):
    """The rules stay enforced until --flush, as without containers."""
    ids = set().union(*(programs(suite.pid(part)) for part in
                        ('tracer', 'analyzer', 'guarder')))
    assert living(ids)
    assert xdp(suite)
    suite.run('down')
    assert pings(suite) == [0, 0]   # enforcement outlives its container
    suite.run('run', '--rm', '--no-deps', '-T', 'guarder', '--flush')
    assert pings(suite) == [20, 20]
    assert not xdp(suite)
    suite.run('down', '-v')

    wait_for(lambda: not living(ids), 5, what='programs unloaded')
    qdisc = suite.node.ip('-j', 'link', 'show', 'dev', suite.link.a.name)
    assert qdisc[0]['qdisc'] == 'noqueue'
    links = {one['ifname'] for one in suite.node.ip('-j', 'link')}
    assert links == {'lo', suite.link.a.name}
    for kind in ('ps -aq', 'volume ls -q'):
        assert suite.engine.docker(*kind.split()) == ''
    nets = suite.engine.docker('network', 'ls', '--format', '{{.Name}}')
    assert set(nets.split()) == {'host', 'none'}
    assert suite.engine.overlays() <= suite.overlays
    pinned = f'/proc/{suite.engine.proc.pid}/root/sys/fs/bpf/packetscope'
    assert not os.path.exists(pinned)
    assert rules
