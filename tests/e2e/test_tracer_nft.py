# SPDX-License-Identifier: MIT
"""Which rule of nftables dropped a packet: planted rules, and random ones that
are held against nft's own counters. A wrong rule is worse than none."""

import json
import random
import socket

import pytest

from lab import ApiError, Suite, packet, traffic, wait_for

pytestmark = pytest.mark.daemons('tracer', 'gateway')
N = 4
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


class Plant:
    """Two linked namespaces, rules in b, and a tracer."""

    def __init__(self, lab, version):
        self.lab, self.version = lab, version
        self.a, self.b = lab.ns('a'), lab.ns('b')
        self.link = lab.veth(self.a, self.b)
        self.addr = self.link.b.addr(version)
        self.ident = None
        self.suite = Suite(lab, ns=lab.host, daemons=('tracer', 'gateway'),
                           args={'tracer': ['--cpu-budget', '100']})

    def __enter__(self):
        self.suite.start()
        wait_for(self.answers, 15, what='the tracer answers')
        return self

    def __exit__(self, *exc):
        self.suite.stop()

    def answers(self):
        """Does the tracer?"""
        try:
            return self.suite.client.get('traces') is not None
        except ApiError:
            return False

    def trace(self, **fields):
        """From here on the packets to b are followed."""
        self.ident = self.suite.client.post('traces', {
            'tier': 'core', 'filter': fields or {'daddr': self.addr},
            'duration_ns': 120 * 10**9})['id']

    def udp(self, port, count=N, addr=None, src=None):
        """Datagrams to b, each with a content of its own."""
        with (src or self.a).socket(FAMILY[self.version],
                                    socket.SOCK_DGRAM) as sock:
            for i in range(count):
                try:
                    sock.sendto(f'{port} {i}'.encode(),
                                (addr or self.addr, port))
                except PermissionError:     # of output: the sender is told
                    pass

    def syn(self, port, flags='S'):
        """Segments by hand."""
        traffic.frames(self.link.a, [packet.eth(
            self.link.b.mac, self.link.a.mac, packet.ip(
                self.link.a.addr(self.version), self.addr,
                packet.tcp(1000 + i, port, flags=flags), ident=i))
            for i in range(N)])

    def drops(self, port):
        """The drops of packets to a port."""
        ways = self.suite.client.pages(f'traces/{self.ident}/packets',
                                       'packets', limit=1000)
        return [s['drop'] for w in ways for s in w['steps'] if 'drop' in s and
                w['tuple'].get('dport') == port]

    def rules(self, port, count=N):
        """The rules of so many drops, None where one is not known."""
        got = wait_for(lambda: (lambda d: d if len(d) >= count else None)(
            self.drops(port)), 10, what=f'{count} drops to {port}')
        assert len(got) == count
        if not any(d['function'] == 'nft_do_chain' for d in got):
            pytest.skip('this kernel does not say that nftables dropped')
        for rule in (d['rule'] for d in got if 'rule' in d):
            assert rule['kind'] == 'nftables' and rule['inferred'] is True
        return [d.get('rule', {}).get('id') for d in got]


@pytest.fixture(params=[4, 6])
def plant(lab, request):
    """A plant for each version of IP."""
    with Plant(lab, request.param) as made:
        yield made


def handles(ns):
    """{comment: handle} of the rules of a namespace."""
    every = json.loads(ns.run('nft', '-j', '-a', 'list', 'ruleset').stdout)
    return {r['rule']['comment']: r['rule']['handle']
            for r in every['nftables'] if 'comment' in r.get('rule', {})}


FIREWALL = '''
table inet fw {
    set admins { type inet_service; elements = { 22, 2222 } }
    chain early { type filter hook prerouting priority -300; policy accept;
        udp dport 4100 drop comment "early"
        tcp flags & (fin|syn) == (fin|syn) drop comment "flags"
    }
    chain sub { tcp dport 4200 counter drop comment "sub"
        udp dport 4201 return
        udp dport 4202 accept
    }
    chain input { type filter hook input priority 0; policy drop;
        ct state established,related accept
        ct state invalid drop comment "invalid"
        iifname "lo" accept
        meta l4proto { icmp, ipv6-icmp } accept
        tcp dport @admins accept
        udp dport { 53, 123 } accept
        udp dport 4300 reject comment "reject"
        ip saddr 192.0.2.0/24 drop comment "never4"
        ip6 saddr 2001:db8:77::/48 drop comment "never6"
        jump sub
    }
}
'''


def test_a_firewall(plant):
    """Rules, chains, and the policy behind them."""
    plant.b.nft(FIREWALL)
    at = handles(plant.b)
    plant.trace()
    plant.udp(4100)
    plant.syn(4200)
    plant.udp(4201)
    plant.udp(4300)
    plant.syn(4400)
    plant.syn(4500, flags='SF')
    assert plant.rules(4100) == [f'inet fw early handle {at["early"]}'] * N
    assert plant.rules(4200) == [f'inet fw sub handle {at["sub"]}'] * N
    assert plant.rules(4201) == ['inet fw input policy'] * N
    assert plant.rules(4300) == [f'inet fw input handle {at["reject"]}'] * N
    assert plant.rules(4400) == ['inet fw input policy'] * N
    assert plant.rules(4500) == [f'inet fw early handle {at["flags"]}'] * N
    (text,) = {d['rule']['text'] for d in plant.drops(4500)}
    assert text == 'flags'


def test_rules_that_change(plant):
    """What holds is what held: the rules are read again."""
    plant.b.nft('table inet t { chain c { type filter hook input priority 0;'
                ' udp dport 4444 drop comment "first"; }; }')
    plant.trace()
    plant.udp(4444)
    first = f'inet t c handle {handles(plant.b)["first"]}'
    assert plant.rules(4444) == [first] * N
    plant.b.nft('flush chain inet t c\n'
                'add rule inet t c udp dport 4000-5000 drop comment "second"')
    plant.udp(4444)
    second = f'inet t c handle {handles(plant.b)["second"]}'
    assert second != first
    assert plant.rules(4444, 2 * N) == [first] * N + [second] * N


def test_where_two_can_be_none_is_named(plant):
    """Nor is one that leads to chains by a map."""
    plant.b.nft('''table inet t {
        chain d { drop
        }
        chain c { type filter hook input priority 0
            udp dport 4001 limit rate 1/hour burst 2 packets drop
            udp dport 4001 drop
            udp dport vmap { 4002 : drop, 4003 : jump d }
        }
        }''')
    plant.trace()
    for port in (4001, 4002, 4003):
        plant.udp(port)
    for port in (4001, 4002, 4003):
        assert plant.rules(port) == [None] * N


def test_tables_that_sleep(plant):
    plant.b.nft('''
        table inet sleeps { flags dormant;
            chain c { type filter hook input priority -5
                udp dport 4444 drop
            }
        }
        table inet t {
            chain c { type filter hook input priority 0;
                udp dport 4444 drop comment "awake"
            }
        }''')
    plant.trace()
    plant.udp(4444)
    at = handles(plant.b)['awake']
    assert plant.rules(4444) == [f'inet t c handle {at}'] * N


def test_on_the_way_out(plant):
    """In the sender's own namespace."""
    plant.a.nft('''table inet t {
        chain o { type filter hook output priority 0;
            udp dport 4001 drop comment "output"
        }
        chain p { type filter hook postrouting priority 0;
            oifname "NAME" udp dport 4002 drop comment "postrouting"
        }
        chain i { type filter hook input priority 0; policy drop; }
        }'''.replace('NAME', plant.link.a.name))
    plant.trace()
    plant.udp(4001)
    plant.udp(4002)
    at = handles(plant.a)
    assert plant.rules(4001) == [f'inet t o handle {at["output"]}'] * N
    assert plant.rules(4002) == [f'inet t p handle {at["postrouting"]}'] * N


def test_on_the_way_through(plant):
    left, right = plant.lab.ns('left'), plant.lab.ns('right')
    hub, links = plant.lab.router(left, right)
    plant.addr = links[1].a.addr(plant.version)
    hub.nft('''table inet t {
        chain i { type filter hook input priority 0; policy drop; }
        chain f { type filter hook forward priority 0; policy accept;
            iifname "NAME" udp dport 4001 drop comment "forward"
        }
        }
        '''.replace('NAME', links[0].b.name))
    plant.trace()
    plant.udp(4001, src=left)
    at = handles(hub)['forward']
    assert plant.rules(4001) == [f'inet t f handle {at}'] * N


# ---- random rules ------------------------------------------------------------

def random_match(rng, version, names):
    """What a rule asks, of few values, so that rules and packets meet."""
    ip = 'ip6' if version == 6 else 'ip'
    return ' '.join(rng.sample([
        f'udp dport {rng.randrange(4000, 4006)}',
        f'udp sport {rng.randrange(3000, 3003)}',
        f'udp dport {4000 + rng.randrange(3)}-{4003 + rng.randrange(3)}',
        f'udp dport != {rng.randrange(4000, 4006)}',
        f'iifname {"" if rng.randrange(4) else "!= "}"{rng.choice(names[:2])}"',
        f'meta nfproto ipv{version}',
        f'{ip} saddr {"!= " if rng.randrange(2) else ""}{names[2]}',
        f'meta mark {rng.randrange(2)}',
        f'udp dport {{ {rng.randrange(4000, 4003)}, 4005 }}',
        'meta l4proto != udp',
        'limit rate 100000/second',
        'ct state new',
    ], rng.randrange(1, 3)))


def random_ruleset(rng, version, names):
    """A base chain at prerouting and two at input, and three to jump to."""
    def body(targets, last):
        lines = []
        for _ in range(rng.randrange(2, 7)):
            verdict = rng.choice(['drop', 'drop', 'accept', 'return',
                                  *(f'jump {t}' for t in targets),
                                  *(f'goto {t}' for t in targets)])
            lines.append(f'{random_match(rng, version, names)} counter '
                         f'{verdict}')
        return '\n'.join(lines + ([f'counter {last}'] if last else [])) + '\n'
    subs = ''.join(f'chain s{i} {{\n{body([f"s{k}" for k in range(i)], "")}}}\n'
                   for i in range(3))
    targets = ['s0', 's1', 's2']
    base = 'type filter hook'
    return (f'table inet r {{\n{subs}'
            f'chain pre {{ {base} prerouting priority -150\n'
            f'{body(targets, "")}}}\n'
            f'chain one {{ {base} input priority 0\n{body(targets, "")}}}\n'
            f'chain two {{ {base} input priority 5\n'
            f'{body(targets, rng.choice(("drop", "")))}}}\n}}\n')


def counters(ns):
    """{id: packets} of the rules that drop."""
    every = json.loads(ns.run('nft', '-j', '-a', 'list', 'ruleset').stdout)
    found = {}
    for rule in (r['rule'] for r in every['nftables'] if 'rule' in r):
        exprs = {k: v for e in rule['expr'] for k, v in e.items()}
        if 'drop' in exprs:
            found[f'{rule["family"]} {rule["table"]} {rule["chain"]} handle '
                  f'{rule["handle"]}'] = exprs['counter']['packets']
    return found


def ends_of(plant):
    """The datagrams to b that were dropped, by a rule or as nobody listens, in
    the order in which they were sent."""
    return sorted((w for w in plant.suite.client.pages(
        f'traces/{plant.ident}/packets', 'packets', limit=1000)
        if w['tuple']['daddr'] == plant.addr and
        w['tuple']['proto'] == 'udp' and w.get('fate') == 'dropped'),
        key=lambda w: w['first'])


def test_random_rules_against_counters(plant):
    """Each packet's rule is the one whose counter went up, or none is told."""
    rng = random.Random(plant.version)
    src = plant.link.a.addr(plant.version)
    names = (plant.link.b.name, 'other0', src)
    truth = {}
    plant.trace()
    for turn in range(12):
        plant.b.nft('flush ruleset\n' + random_ruleset(
            rng, plant.version, names))
        before = counters(plant.b)
        for i in range(6):
            sport, dport = 3000 + rng.randrange(3), 4000 + rng.randrange(6)
            number = turn * 100 + i
            traffic.frames(plant.link.a, [packet.eth(
                plant.link.b.mac, plant.link.a.mac, packet.ip(
                    src, plant.addr, packet.udp(
                        sport, dport, f'{number:06}'.encode()),
                    ident=number + 1))])
            now = counters(plant.b)
            hit = [key for key in now if now[key] != before[key]]
            before = now
            # In the order in which they are sent.
            truth.setdefault((sport, dport), []).append(
                hit[0] if hit else None)
        # Their rules are read before they are replaced.
        ways = wait_for(lambda want=6 * (turn + 1): (
            lambda w: w if len(w) == want else None)(ends_of(plant)), 10,
            what=f'the ends of packets of turn {turn}')
    named = dropped = 0
    for way in ways:
        want = truth[way['tuple']['sport'], way['tuple']['dport']].pop(0)
        drops = [s['drop'] for s in way['steps'] if 'drop' in s and
                 s['drop'].get('reason') == 'NETFILTER_DROP']
        assert bool(drops) == bool(want), way
        if not drops:
            continue
        if drops[0]['function'] != 'nft_do_chain':
            pytest.skip('this kernel does not say that nftables dropped')
        dropped += 1
        got = drops[0].get('rule', {}).get('id')
        assert got in (want, None), way
        named += got is not None
    print(f'{named} of {dropped} drops named')
    assert dropped > 20 and named > dropped / 3
