# SPDX-License-Identifier: MIT
"""A container engine of our own: fetched, started in a namespace, ended.

Nothing is installed on the machine. Debian's packages of the engine, and the
base image that debootstrap makes, lie unpacked in the cache, as do the images'
layers (see Engine.data). The engine lives in mount and network namespaces of
its own, with its own bpffs: whatever happens to it, the machine's interfaces,
firewall, mounts and pinned objects stay as they were.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import stale, wait_for
from lab.debian import Apt, source

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get('XDG_CACHE_HOME') or
             Path(os.environ.get('HOME', '/var/tmp')) / '.cache')
CACHE = CACHE / 'packetscope' / 'containers'

# trixie's runc needs a newer libc than Debian 12 has.
PACKAGES = {
    'trixie': ('docker.io', 'docker-cli', 'containerd', 'docker-compose'),
    'bookworm': ('runc', 'debootstrap'),
}
BASE = 'debian:bookworm-slim'

# Of the official slim image, which cannot be had here.
SLIM = '''path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
'''

# A private view of the mounts; what is pinned goes with the engine.
ENTER = '''
mount --make-rprivate / && mount -t bpf bpf /sys/fs/bpf -o mode=700 &&
exec "$@"
'''


def _unpack(suite):
    dest = CACHE / f'engine-{suite}'
    if not dest.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            tree = Path(work) / 'tree'
            Apt(work, suite).unpack(tree, *PACKAGES[suite])
            os.replace(tree, dest)
    return dest


def fetch():
    """Fetches the engine and the base image; the engine's directories for
    PATH, and its plugins' directory."""
    with ThreadPoolExecutor() as pool:
        engine = pool.submit(_unpack, 'trixie')
        tools = pool.submit(lambda: (_unpack('bookworm'), base())[0])
        trees = [engine.result(), tools.result()]
    bins = [str(tree / sub) for tree in trees
            for sub in ('usr/bin', 'usr/sbin')]
    return bins, trees[0] / 'usr/libexec/docker/cli-plugins'


def base():
    """A tar of what debian:bookworm-slim is, made by debootstrap."""
    dest = CACHE / 'base.tar'
    if dest.exists():
        return dest
    tool = CACHE / 'engine-bookworm/usr'
    stanza = source('bookworm')
    (uri,) = [line.split()[1] for line in stanza.splitlines()
              if line.startswith('URIs:')]
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        tree = Path(work) / 'tree'
        subprocess.run(
            [tool / 'sbin/debootstrap', '--variant=minbase', 'bookworm', tree,
             uri], check=True, stdout=subprocess.DEVNULL,
            env={**os.environ, 'DEBOOTSTRAP_DIR': tool / 'share/debootstrap'})
        for folder in ('var/cache/apt/archives', 'var/lib/apt/lists'):
            shutil.rmtree(tree / folder)
            (tree / folder / 'partial').mkdir(parents=True)
        (tree / 'etc/apt/sources.list').unlink()
        (tree / 'etc/apt/sources.list.d/debian.sources').write_text(
            stanza, encoding='ascii')
        conf = tree / 'etc/dpkg/dpkg.cfg.d'
        (conf / 'docker').write_text(SLIM, encoding='ascii')
        (conf / 'docker-apt-speedup').write_text('force-unsafe-io\n',
                                                 encoding='ascii')
        tar = Path(work) / 'base.tar'
        subprocess.run(['tar', '-C', tree, '-cf', tar, '.'], check=True)
        os.replace(tar, dest)
    return dest


class Engine:
    """A dockerd in a namespace of a lab, and the client that asks it.

    data holds the images; it is kept in the cache, so that the next run
    builds only what changed. Containers, volumes and networks are not: they
    go before each start, and nothing ever starts by itself.
    """

    def __init__(self, lab, folder):
        self.lab = lab
        self.folder = Path(folder)
        self.group = stale.make_group('containers')
        self.data = CACHE / 'data'
        CACHE.mkdir(parents=True, exist_ok=True)
        self.lock = open(CACHE / 'lock', 'w', encoding='ascii')
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.bins, plugins = fetch()
        self.env = {
            **os.environ,
            'PATH': ':'.join([*self.bins, os.environ['PATH']]),
            'DOCKER_HOST': f'unix://{self.folder}/sock',
            'DOCKER_CONFIG': str(self.folder / 'config'),
            'BUILDKIT_PROGRESS': 'plain',
        }
        (self.folder / 'config').mkdir()
        (self.folder / 'config/cli-plugins').symlink_to(plugins)
        (self.folder / 'engine.json').write_text(json.dumps(
            {'builder': {'gc': {'enabled': True,
                                'defaultKeepStorage': '8GB'}}}),
            encoding='ascii')
        self.proc = None

    def start(self, ns):
        """Starts dockerd in the namespace; no container comes with it."""
        for sub in ('containers', 'volumes', 'network'):
            shutil.rmtree(self.data / sub, ignore_errors=True)
        argv = ['unshare', '--mount', 'sh', '-c', ENTER, 'sh', 'dockerd',
                '--config-file', self.folder / 'engine.json',
                '--data-root', self.data,
                '--exec-root', self.folder / 'exec',
                '--pidfile', self.folder / 'pid',
                '--host', self.env['DOCKER_HOST'],
                '--cgroup-parent', f'/{self.group}',
                '--bridge=none', '--iptables=false', '--ip6tables=false',
                '--ip-forward=false']
        with open(self.folder / 'engine.log', 'ab') as log:
            self.proc = ns.popen(argv, env=self.env, stdout=log, stderr=log,
                                 stdin=subprocess.DEVNULL)
        wait_for(self._answers, 60, what='the container engine')

    def _answers(self):
        if self.proc.poll() is not None:
            raise RuntimeError(self.log()[-3000:])
        return self.run('docker', 'version', check=False).returncode == 0

    def log(self):
        """What dockerd has said."""
        return (self.folder / 'engine.log').read_text(errors='replace')

    def stop(self):
        """Ends dockerd, then whatever is left of it."""
        if self.proc is not None and self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(30)
            except subprocess.TimeoutExpired:
                pass
        stale.remove_group(self.group)

    def run(self, *argv, check=True, timeout=120, **kwargs):
        """Runs a client's command; its CompletedProcess (text)."""
        res = subprocess.run([str(a) for a in argv], check=False, text=True,
                             env=self.env, timeout=timeout,
                             stdin=subprocess.DEVNULL, capture_output=True,
                             **kwargs)
        if check and res.returncode:
            raise RuntimeError(f'{" ".join(map(str, argv))}: '
                               f'{res.stdout[-3000:]}{res.stderr[-3000:]}')
        return res

    def docker(self, *args, **kwargs):
        """docker ARGS; what it printed."""
        return self.run('docker', *args, **kwargs).stdout.strip()

    def inspect(self, *names):
        """docker inspect NAMES, parsed."""
        return json.loads(self.docker('inspect', *names))

    def overlays(self):
        """Root file systems of containers that are mounted now."""
        with open(f'/proc/{self.proc.pid}/mountinfo',
                  encoding='ascii') as file:
            return {line.split()[4] for line in file if ' - overlay ' in line}

    def load_base(self):
        """Makes the base image known. An environment's own certificates are
        for npm, which is called by the build."""
        if self.docker('images', '-q', BASE):
            return
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            tar = Path(work) / 'base.tar'
            shutil.copy(base(), tar)
            change = ['-c', 'CMD ["bash"]']
            ca = os.environ.get('NODE_EXTRA_CA_CERTS')
            if ca:
                shutil.copy(ca, Path(work) / 'extra-ca.pem')
                subprocess.run(
                    ['tar', '-C', work, '-rf', tar, '--transform',
                     's,^,./etc/,', 'extra-ca.pem'], check=True)
                change += ['-c', 'ENV NODE_EXTRA_CA_CERTS=/etc/extra-ca.pem']
            self.docker('import', *change, tar, BASE)
