# SPDX-License-Identifier: MIT
"""The form of the gateway's answers: shared ones, ETag, gzip."""

import concurrent.futures
import gzip
import http.client
import json
import os
import re
import signal
import socket
import time
from types import SimpleNamespace

import pytest

from lab import Suite, wait_for

pytestmark = pytest.mark.daemons('gateway')

# Any age will do: what browsers and programs send that say nothing.
SHARED = {'Cache-Control': 'max-age=60'}


@pytest.fixture
def pair(lab):
    """A locator and a gateway that waits for it as long as it takes."""
    with Suite(lab, daemons=('locator', 'gateway'),
               args={'gateway': ['--request-timeout', '60s']}) as one:
        yield one


@pytest.fixture
def console(lab, tmp_path):
    """A gateway with a console of a few files."""
    root = tmp_path / 'dist'
    (root / 'assets').mkdir(parents=True)
    (root / 'index.html').write_text('<title>console</title>')
    (root / 'assets' / 'app-1a2b.js').write_text('let x = 1;\n' * 500)
    (root / 'assets' / 'noise-9z.png').write_bytes(os.urandom(5000))
    with Suite(lab, daemons=('gateway',),
               args={'gateway': ['--console', root]}) as one:
        one.root = root
        yield one


def ask(suite, path, headers=None, method='GET', body=None):
    """Status, headers and raw bytes; nothing is added or decoded."""
    conn = http.client.HTTPConnection('127.0.0.1', suite.port, timeout=60)
    head = {'Authorization': f'Bearer {suite.token()}', **(headers or {})}
    if not path.startswith('/'):
        path = '/api/v1/' + path
    try:
        conn.request(method, path, body, head)
        res = conn.getresponse()
        return SimpleNamespace(status=res.status, headers=res.headers,
                               body=res.read())
    finally:
        conn.close()


def metric(suite, name):
    """One of the gateway's own metrics."""
    text = suite.client.get('/metrics').decode()
    return float(re.search(
        rf'^packetscope_{name}\{{[^}}]*service="gateway"[^}}]*\}} (\S+)$',
        text, re.M)[1])


def questions(suite):
    """How many questions were put for answers that may be shared."""
    return metric(suite, 'gateway_shared_questions_total')


# ---- shared answers ----------------------------------------------------------

@pytest.mark.daemons('locator')
def test_an_answer_of_the_last_second_is_given_again(pair):
    def five_from_one():
        before = questions(pair)
        got = [ask(pair, 'paths', SHARED) for _ in range(5)]
        # On a machine that stands still for a second it may be two.
        if questions(pair) - before > 1:
            return None
        return got
    got = wait_for(five_from_one, 20)
    assert {one.status for one in got} == {200}
    assert len({one.headers['ETag'] for one in got}) == 1
    ages = [int(one.headers['Packetscope-Age-Ms']) for one in got]
    assert ages == sorted(ages)
    for one, age in zip(got, ages):
        assert 0 <= age < 1000
        assert int(one.headers['Age']) == age // 1000
        assert one.headers['Cache-Control'] == 'private, no-cache'


@pytest.mark.daemons('locator')
def test_who_wants_it_new_gets_it_new(pair):
    for value in ('no-cache', 'max-age=0', 'no-store'):
        before = questions(pair)
        for _ in range(3):
            got = ask(pair, 'paths', {'Cache-Control': value})
            assert got.status == 200
        assert questions(pair) - before == 3, value


@pytest.mark.daemons('locator')
def test_two_spellings_are_one_question(pair):
    targets = ('paths?limit=5&target=127.0.0.1',
               'paths?target=127.0.0.1&limit=5',
               'paths?target=127.0.0%2e1&limit=05')

    def one_question():
        before = questions(pair)
        tags = {ask(pair, t, SHARED).headers['ETag'] for t in targets}
        return questions(pair) - before == 1 and len(tags) == 1
    wait_for(one_question, 20)
    before = questions(pair)
    ask(pair, 'paths?limit=7', SHARED)
    assert questions(pair) - before == 1


@pytest.mark.daemons('locator')
def test_a_slow_daemon_is_asked_once(pair):
    clients = 20
    pid = pair['locator'].proc.pid

    def ask_together(pool):
        before, shared = (questions(pair),
                          metric(pair, 'gateway_shared_answers_total'))
        os.kill(pid, signal.SIGSTOP)
        try:
            calls = [pool.submit(ask, pair, 'paths?limit=9', SHARED)
                     for _ in range(clients)]
            # All have been understood and wait.
            wait_for(lambda: metric(pair, 'gateway_shared_answers_total') -
                     shared + questions(pair) - before >= clients, 20)
            assert not any(call.done() for call in calls)
        finally:
            os.kill(pid, signal.SIGCONT)
        got = [call.result(60) for call in calls]
        assert {one.status for one in got} == {200}
        # Where starting them took over a second, there were two questions.
        if questions(pair) - before > 1:
            return None
        return got
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        got = wait_for(lambda: ask_together(pool), 60)
    assert len({one.body for one in got}) == 1


@pytest.mark.daemons('locator')
def test_an_error_is_not_given_again(lab):
    with Suite(lab, daemons=('locator', 'gateway'),
               args={'gateway': ['--request-timeout', '300ms']}) as suite:
        pid = suite['locator'].proc.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            assert ask(suite, 'paths', SHARED).status == 504
        finally:
            os.kill(pid, signal.SIGCONT)
        # The very next may be late too; but it is asked.
        before = questions(suite)
        wait_for(lambda: ask(suite, 'paths', SHARED).status == 200, 10)
        assert questions(suite) > before


@pytest.mark.daemons('guarder')
def test_who_writes_reads_what_he_wrote(lab):
    with Suite(lab, ns=lab.ns('node'), daemons=('guarder', 'gateway')) as one:
        def ids():
            with one.client.open('GET', 'rules', headers=SHARED) as res:
                return [rule['id'] for rule in json.load(res)['rules']]
        for i in range(20):
            before = ids()
            made = one.client.post('rules', {
                'action': 'drop', 'proto': 'udp', 'dport': str(i + 1)})['id']
            assert set(ids()) == {*before, made}
            if i % 2:
                one.client.delete(f'rules/{made}')
                assert set(ids()) == set(before)
        one.client.put('ruleset', {'rules': []})
        assert ids() == []


@pytest.mark.daemons('locator')
def test_what_a_daemon_tells_is_seen_at_once(pair):
    events = pair.client.events('path', timeout=30)
    made = pair.client.post('paths', {'target': '127.0.0.1'})['id']
    for event in events:
        state = event['data']['state']
        with pair.client.open('GET', 'paths', headers=SHARED) as res:
            (shown,) = [p for p in json.load(res)['paths'] if p['id'] == made]
        # What was told, or what came after it.
        assert shown['state'] == state or state not in ('done', 'failed')
        if state in ('done', 'failed'):
            break
    events.close()


@pytest.mark.daemons('locator')
def test_a_shared_answer_needs_its_role(pair):
    assert ask(pair, 'paths', SHARED).status == 200
    assert ask(pair, 'paths', {**SHARED, 'Authorization': ''}).status == 401
    assert ask(pair, 'paths', {**SHARED, 'Authorization':
                               'Bearer ' + 'x' * 43}).status == 401


@pytest.mark.daemons('locator')
def test_a_daemon_that_went_is_not_answered_for(pair):
    assert ask(pair, 'paths', SHARED).status == 200
    pair['locator'].kill()
    wait_for(lambda: ask(pair, 'paths', SHARED).status == 503, 3)


# ---- metrics -----------------------------------------------------------------

def scrape(suite, headers=None):
    """GET /metrics by nobody."""
    return ask(suite, '/metrics', {'Authorization': '', **(headers or {})})


def missing(text):
    """The daemons that an answer says it lacks."""
    return {service for service, value in re.findall(
        rb'^packetscope_gateway_scrape_missing\{service="(\w+)".*\} (\d)$',
        text, re.M) if value == b'1'}


@pytest.fixture
def slow(lab):
    """A locator, and a gateway that waits long for its metrics."""
    with Suite(lab, daemons=('locator', 'gateway'),
               args={'gateway': ['--metrics-timeout', '60s',
                                 '--request-timeout', '60s',
                                 '--max-connections', '400']}) as one:
        # It must have taken calls, or it would not be waited for.
        wait_for(lambda: b'locator' not in missing(scrape(one).body), 20)
        yield one


def scrape_together(suite, n):
    """Sends n scrapes of nobody, which want it new, and do not wait."""
    socks = [socket.create_connection(('127.0.0.1', suite.port), 60)
             for _ in range(n)]
    for sock in socks:
        sock.sendall(b'GET /metrics HTTP/1.1\r\nHost: localhost\r\n'
                     b'Cache-Control: no-cache\r\nConnection: close\r\n\r\n')
    return socks


@pytest.mark.daemons('locator')
def test_scrapes_leave_the_daemons_to_others(slow):
    pid = slow['locator'].proc.pid
    time.sleep(1.1)    # the last answer is too old
    os.kill(pid, signal.SIGSTOP)
    try:
        socks = scrape_together(slow, 300)    # over the 256 calls of a daemon
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            # It came after them, and they before the next question.
            assert ask(slow, 'session').status == 200
            call = pool.submit(ask, slow, 'paths', SHARED)
            time.sleep(0.5)
            os.kill(pid, signal.SIGCONT)
            assert call.result(60).status == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    got = set()
    for sock in socks:
        res = http.client.HTTPResponse(sock)
        res.begin()
        got.add((res.status, res.headers['ETag']))
        sock.close()
    assert len(got) == 1 and got.pop()[0] == 200


@pytest.mark.daemons('locator')
def test_a_scrape_is_held_for_a_second(pair):
    def twice():
        one, two = scrape(pair), scrape(pair, {'Cache-Control': 'no-cache'})
        return one if one.headers['ETag'] == two.headers['ETag'] else None
    one = wait_for(twice, 20)
    assert int(one.headers['Packetscope-Age-Ms']) < 1000
    # With a token it is asked anew: the counters have gone on.
    new = ask(pair, '/metrics', {'Cache-Control': 'no-cache'})
    assert new.headers['ETag'] != one.headers['ETag']
    time.sleep(1.1)
    assert scrape(pair).headers['ETag'] != new.headers['ETag']


@pytest.mark.daemons('locator')
def test_a_scrape_names_who_is_missing(pair):
    others = {b'tracer', b'analyzer', b'guarder'}
    pid = pair['locator'].proc.pid

    def now():
        return missing(ask(pair, '/metrics',
                           {'Cache-Control': 'no-cache'}).body)
    wait_for(lambda: now() == others, 20)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert now() == others | {b'locator'}
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: now() == others, 20)


@pytest.mark.daemons('locator')
def test_open_scrapes_do_not_fill_the_house(lab):
    with Suite(lab, daemons=('locator', 'gateway'),
               args={'gateway': ['--metrics-timeout', '60s',
                                 '--max-connections', '8']}) as suite:
        wait_for(lambda: b'locator' not in missing(scrape(suite).body), 20)
        time.sleep(1.1)
        os.kill(suite['locator'].proc.pid, signal.SIGSTOP)
        try:
            socks = scrape_together(suite, 8)
            assert ask(suite, 'session').status == 200
            # The gateway ends well also while it waits.
            assert suite['gateway'].stop() == 0
        finally:
            os.kill(suite['locator'].proc.pid, signal.SIGCONT)
        for sock in socks:
            sock.close()


# ---- ETag --------------------------------------------------------------------

@pytest.mark.parametrize('path', ['/healthz', '/api/v1/openapi.json', '/',
                                  '/assets/app-1a2b.js'])
def test_etag(console, path):
    first = ask(console, path)
    tag = first.headers['ETag']
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for value in (tag, f'"x", W/{tag}', '*'):
        same = ask(console, path, {'If-None-Match': value})
        assert (same.status, same.body) == (304, b'')
        for name in ('ETag', 'Cache-Control', 'Vary'):
            assert same.headers[name] == first.headers[name]
        assert same.headers['Content-Length'] is None
    for value in ('"x"', tag.strip('"'), 'W/'):
        other = ask(console, path, {'If-None-Match': value})
        assert (other.status, other.body) == (200, first.body)
    head = ask(console, path, method='HEAD')
    assert (head.status, head.body) == (200, b'')
    assert head.headers['ETag'] == tag
    assert head.headers['Content-Length'] == str(len(first.body))


def test_a_changed_file_has_another_tag(console):
    first = ask(console, '/')
    (console.root / 'index.html').write_text('<title>other</title>')
    second = ask(console, '/', {'If-None-Match': first.headers['ETag']})
    assert second.status == 200
    assert b'other' in second.body
    # Put in its place whole, as a build does it, with the same size.
    (console.root / 'new.html').write_text('<title>OTHER</title>')
    os.rename(console.root / 'new.html', console.root / 'index.html')
    assert b'OTHER' in ask(console, '/').body


# ---- gzip --------------------------------------------------------------------

@pytest.mark.parametrize('path', ['/api/v1/openapi.json',
                                  '/assets/app-1a2b.js'])
def test_gzip_is_the_same_in_less(console, path):
    plain = ask(console, path)
    assert plain.headers['Content-Encoding'] is None
    assert plain.headers['Vary'] == 'Accept-Encoding'
    for _ in range(2):    # made, and made before
        packed = ask(console, path, {'Accept-Encoding': 'br, gzip;q=0.5'})
        assert packed.headers['Content-Encoding'] == 'gzip'
        assert packed.headers['Vary'] == 'Accept-Encoding'
        assert packed.headers['Content-Length'] == str(len(packed.body))
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body) / 2
        assert packed.headers['ETag'] != plain.headers['ETag']
    same = ask(console, path, {'Accept-Encoding': 'gzip',
                               'If-None-Match': packed.headers['ETag']})
    assert same.status == 304
    # It is a tag of these bytes, not of those.
    other = ask(console, path, {'If-None-Match': packed.headers['ETag']})
    assert other.status == 200
    for value in ('identity', 'br', 'gzip;q=0', 'identity;q=1, gzip;q=0.1',
                  'gzip;q=2', ''):
        got = ask(console, path, {'Accept-Encoding': value})
        assert got.headers['Content-Encoding'] is None, value
        assert got.body == plain.body


def test_what_is_not_compressed(console):
    want = {'Accept-Encoding': 'gzip'}
    tiny = ask(console, '/healthz', want)
    noise = ask(console, '/assets/noise-9z.png', want)
    error = ask(console, 'no-such?' + 'x' * 4000, want)
    assert (tiny.status, noise.status, error.status) == (200, 200, 404)
    for got in (tiny, noise, error):
        assert got.headers['Content-Encoding'] is None
    assert len(noise.body) == 5000
    with socket.create_connection(('127.0.0.1', console.port), 10) as sock:
        sock.sendall(f'GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n'
                     f'Authorization: Bearer {console.token()}\r\n'
                     'Accept-Encoding: gzip\r\n\r\n'.encode())
        stream = sock.recv(4096)
    assert stream.startswith(b'HTTP/1.1 200 ')
    assert b'Content-Encoding' not in stream


@pytest.mark.daemons('locator')
def test_a_shared_answer_has_all_forms(pair):
    for i in range(30):
        pair.client.post('paths', {'target': f'127.0.0.{i + 1}'})

    def both_forms():
        plain = ask(pair, 'paths', SHARED)
        packed = ask(pair, 'paths', {**SHARED, 'Accept-Encoding': 'gzip'})
        if packed.headers['ETag'] != plain.headers['ETag'][:-1] + '-gz"':
            return None    # another answer: it was dropped between the two
        return plain, packed
    plain, packed = wait_for(both_forms, 20)
    assert gzip.decompress(packed.body) == plain.body
    assert 'Age' in packed.headers
