# SPDX-License-Identifier: MIT
"""The images, built once, and the suite that compose starts from them."""

import json
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / 'containers')]

from engine import ROOT, Engine  # noqa: E402
from lab import Lab, NsClient, clean_stale, wait_for  # noqa: E402
from lab.suite import _scratch  # noqa: E402

PARTS = ('tracer', 'analyzer', 'locator', 'guarder', 'gateway')


def pytest_addoption(parser):
    parser.addoption('--full', action='store_true',
                     help='taken for the sake of tests/run')


class Compose:
    """deploy/compose.yaml on an engine, in the namespace `node`.

    "host" of its containers is that namespace, which has a link to `peer`.
    """

    def __init__(self, lab, engine):
        self.lab, self.engine = lab, engine
        self.node, self.peer = lab.ns('node'), lab.ns('peer')
        self.link = lab.veth(self.node, self.peer)
        self.file = ROOT / 'deploy/compose.yaml'
        self.client = None
        self.overlays = set()

    def run(self, *args, **kwargs):
        """docker compose -f deploy/compose.yaml ARGS; what it printed."""
        return self.engine.docker('compose', '-f', self.file, *args, **kwargs)

    def config(self):
        """The file as compose understands it."""
        return json.loads(self.run('config', '--format', 'json'))

    def up(self, *args):
        """Brings it up and waits until all parts are ready."""
        # docker export leaves some of those that it looked at.
        self.overlays = self.engine.overlays()
        self.run('up', '-d', *args)
        token = wait_for(self.token, 30, what='the token')
        self.client = NsClient(self.node, 'http://127.0.0.1:8080', token)
        wait_for(lambda: set(self.ready()) == set(PARTS), 60,
                 what='all parts ready')

    def token(self):
        """As the documentation says."""
        return self.run('exec', '-T', 'gateway', 'cat',
                        '/var/lib/packetscope/admin.token', check=False)

    def services(self):
        """{name: [status of each instance]}"""
        out = {}
        for one in self.client.get('services')['services']:
            out.setdefault(one['name'], []).append(one)
        return out

    def ready(self):
        """Names of the parts that are there and ready, once for each."""
        try:
            every = self.services()
        except OSError:
            return []
        return [one['name'] for some in every.values() for one in some
                if one['state'] == 'ready']

    def container(self, part, number=1):
        """docker inspect of a part's container."""
        return self.engine.inspect(f'packetscope-{part}-{number}')[0]

    def pid(self, part, number=1):
        """The daemon's pid as this machine sees it."""
        return self.container(part, number)['State']['Pid']


def _build(engine, host):
    """The images, built with the host's network."""
    override = engine.folder / 'network.json'
    override.write_text(json.dumps({'services': {
        part: {'build': {'network': 'host'}} for part in PARTS}}),
        encoding='ascii')
    engine.start(host)
    engine.load_base()
    engine.run('docker', 'compose', '-f', ROOT / 'deploy/compose.yaml', '-f',
               override, 'build', timeout=900)
    engine.docker('image', 'prune', '-f')
    engine.stop()


@pytest.fixture(scope='session')
def compose():
    """The engine with the images, in a lab of its own."""
    clean_stale()
    with Lab('containers') as lab:
        begin = time.monotonic()
        engine = Engine(lab, _scratch(lab))
        lab.on_close(engine.stop)
        _build(engine, lab.host)
        print(f'images built in {time.monotonic() - begin:.0f} s')
        one = Compose(lab, engine)
        engine.start(one.node)
        yield one


@pytest.fixture(scope='session')
def suite(compose):
    """The suite, up."""
    try:
        compose.up()
    except TimeoutError:
        print(compose.run('ps', '-a'), compose.run('logs'))
        raise
    return compose
