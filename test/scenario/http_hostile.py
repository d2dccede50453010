#!/usr/bin/env python3
"""What hostile clients do to a watch's HTTP listeners, with TLS and without: requests that two readers would read differently, heads and
bodies that come a byte a second, bombs, heads and chunks without end.  Each has the answer that it deserves; nothing that was smuggled is
ever kept; behind each an honest client is served, within a second while others hold all they can; and `collect` keeps to its memory.
(Every row of what net/http.c refuses is in unit/net/http.c: here whole programs meet.)"""
import gzip
import json
import re
import socket
import ssl
import struct
import threading
import time
import zlib

from scenario import check, end
from watch import Watch, basic, bulk

LIMIT_MB = 256  # limits.memory.net
SECOND = 1.0
ERRORS = {200}
GOOD = b'{"create":{}}\n{"message":"whole"}\n'
PAIR = b'{"create":{}}\n{"message":"smuggled"}\n'


class Peer:
    """A connection whose bytes the test writes."""

    def __init__(self, w, name, source='127.0.0.1', timeout=15):
        self.s = socket.create_connection(('127.0.0.1', w.port(name)), timeout=timeout, source_address=(source, 0))
        if name == 'https':
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.s = context.wrap_socket(self.s)
        self.got = b''

    def say(self, data):
        """false: it does not listen any more."""
        try:
            self.s.sendall(data)
            return True
        except OSError:
            return False

    def hear(self, seconds=15):
        """All that comes until the end.  false: it did not end."""
        until_ = time.time() + seconds
        while time.time() < until_:
            try:
                self.s.settimeout(max(until_ - time.time(), 0.05))
                part = self.s.recv(65536)
            except (socket.timeout, ssl.SSLWantReadError):
                continue
            except OSError:
                return True
            if not part:
                return True
            self.got += part
        return False

    def codes(self):
        return [int(c) for c in re.findall(rb'HTTP/1\.[01] (\d{3}) ', self.got)]

    def close(self):
        self.s.close()


class House:
    def __init__(self):
        self.w = Watch('hostile', listen='  plain: {kind: https, address: "127.0.0.1:9201", plain: yes}\n', also=['plain']).start()
        self.key = self.w.key('honest')
        self.auth = ('Authorization: ' + basic(self.key)['Authorization'] + '\r\n').encode()
        self.pid = self.w.status()['collect.0.pid']
        self.n = 0
        self.most = 0

    def memory(self):
        with open('/proc/%d/status' % self.pid) as f:
            mb = int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) // 1024
        self.most = max(self.most, mb)
        return mb

    def honest(self, what, seconds=SECOND):
        """A record from another address is kept, soon."""
        for _ in range(3):  # a machine that is busy with something else is no fault of ours
            begin = time.time()
            try:
                c = self.w.https()
                c.source_address = ('127.0.0.2', 0)
                self.n += 1
                status, items = bulk(c, self.key, [(None, {'message': 'honest %d' % self.n})])
                c.close()
            except OSError as e:
                status, items = str(e), []
            took = time.time() - begin
            if status == 200 and took < seconds:
                break
        check(status == 200 and items and items[0]['create']['status'] == 201 and took < seconds, 'behind %s an honest client is served: %s, %.2f s' % (what, status, took))
        check(self.memory() < LIMIT_MB, 'behind %s collect is within its memory: %d MB' % (what, self.memory()))


def head(h, *lines, to=b'POST /_bulk HTTP/1.1'):
    return b'\r\n'.join([to, b'Host: h', *lines]) + b'\r\n' + h.auth + b'\r\n'


def smuggled(h):
    return head(h, b'Content-Length: %d' % len(PAIR)) + PAIR


# ---- two readers ----

# How "Transfer-Encoding: chunked" has been hidden from one of two.
HIDDEN = [b'Transfer-Encoding: xchunked', b'Transfer-Encoding : chunked', b'Transfer-Encoding: chunked\r\nTransfer-Encoding: x', b'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
          b' Transfer-Encoding: chunked', b'X: y\r\n Transfer-Encoding: chunked', b'X: y\r\n\tTransfer-Encoding: chunked', b'X: y\nTransfer-Encoding: chunked', b'X: y\rTransfer-Encoding: chunked',
          b'Transfer-Encoding\r\n: chunked', b'Transfer-Encoding:\r\n chunked', b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: 'chunked'", b'Transfer-Encoding: chunked, identity',
          b'Transfer-Encoding: identity, chunked', b'Transfer-Encoding: chunked;q=1', b'Transfer-Encoding: \x0bchunked', b'Transfer-Encoding: chunked\x0b', b'Transfer-Encoding: chunked\x00',
          b'\x00Transfer-Encoding: chunked', b'Transfer-Encoding: chu\x00nked', b'Transfer-Encoding\x00: chunked', b'Transfer-Encoding: chunked\x85', b'\xa0Transfer-Encoding: chunked',
          b'Transfer-Encoding: c\xc3\xb6hunked', b'Transfer-Encoding: CHUNKED,', b'Transfer-Encoding:chunked ,chunked', b'Transfer-Encoding: tchunked', b'"Transfer-Encoding": chunked']


def ambiguous(h):
    """Rows of name, bytes, the answers that are right."""
    chunks = b'%x\r\n%s\r\n0\r\n\r\n' % (len(PAIR), PAIR)
    both = [b'Content-Length: 6', b'Transfer-Encoding: chunked']
    rows = [('CL.TE', head(h, *both) + b'0\r\n\r\nG' + smuggled(h), {400}),
            ('TE.CL', head(h, *reversed(both)) + chunks + smuggled(h), {400}),
            ('CL.TE in HTTP/1.0', head(h, *both, to=b'POST /_bulk HTTP/1.0') + b'0\r\n\r\n' + smuggled(h), {400}),
            ('TE in HTTP/1.0', head(h, both[1], to=b'POST /_bulk HTTP/1.0') + b'0\r\n\r\n' + smuggled(h), {400}),
            ('a body to GET', head(h, *both, to=b'GET / HTTP/1.1') + b'0\r\n\r\n' + smuggled(h), {400}),
            ('two lengths', head(h, b'Content-Length: 0', b'Content-Length: %d' % len(smuggled(h))) + smuggled(h), {400}),
            ('two equal lengths', head(h, b'Content-Length: 0', b'Content-Length: 0') + smuggled(h), {400}),
            ('a list of lengths', head(h, b'Content-Length: 0, 0') + smuggled(h), {400})]
    for i, te in enumerate(HIDDEN):
        rows.append(('TE.TE %d, with a length' % i, head(h, b'Content-Length: 5', te) + b'0\r\n\r\n' + smuggled(h), {400, 501}))
        rows.append(('TE.TE %d' % i, head(h, te) + b'0\r\n\r\n' + smuggled(h), {400, 501}))
    for value, codes in ((b'-1', {400}), (b'+5', {400}), (b'0x5', {400}), (b'5e0', {400}), (b'5;5', {400}), (b'', {400}), (b'1_0', {400}), (b'\xd9\xa5', {400}), (b'5\x00', {400}),
                         (b'9223372036854775808', {413}), (b'18446744073709551616', {413, 400}), (b'184467440737095516160000000000000000000', {413, 400}), (b'99999999999', {413})):
        rows.append(('a length of %r' % value, head(h, b'Content-Length: ' + value) + smuggled(h), codes))
    for name in (b'Content-Length ', b'Content-Length\t', b' Content-Length', b'Content-Length\x0b', b'Content\x00-Length'):
        rows.append(('a length called %r' % name, head(h, name + b': 0') + smuggled(h), {400}))
    for first in (b'-5', b'0x5', b'+5', b'5 ', b' 5', b'5\t;', b'g', b'', b'\xef\xbc\x95', b'5\x00', b'5_', b'5\n'):
        rows.append(('a chunk of %r' % first, head(h, b'Transfer-Encoding: chunked') + first + b'\r\nabcde\r\n0\r\n\r\n' + smuggled(h), {400}))
    for first, codes in ((b'10000000000000000', {413, 400}), (b'f' * 100, {413, 400}), (b'0' * 5000 + b'5', {400, 413, 431})):
        rows.append(('a chunk of %r' % first[:20], head(h, b'Transfer-Encoding: chunked') + first + b'\r\n' + smuggled(h), codes))
    for what, tail in (('too long a chunk', b'3\r\nabcdef\r\n0\r\n\r\n'), ('too short a chunk', b'8\r\nabc\r\n0\r\n\r\n'), ('a chunk with nothing behind', b'3\r\nabc0\r\n\r\n'), ('a size behind CR CR', b'3\r\r\nabc\r\n0\r\n\r\n')):
        rows.append((what, head(h, b'Transfer-Encoding: chunked') + tail + smuggled(h), {400}))
    return rows


def fully_read(h):
    """One way to read it, and that is not the smuggler's: the second request is inside the first one's body."""
    inside, any_body = b'0\r\n\r\n' + smuggled(h), b'PUT /_ilm/x HTTP/1.1'
    rows = [(name, head(h, b'Content-Length: %d' % len(inside), name + b': chunked', to=any_body) + inside)
            for name in (b'Transfer_Encoding', b'TransferEncoding', b'X-Transfer-Encoding', b'Transfer-Encodin', b'Transfer-Encoding-', b'TE')]
    chunked = head(h, b'Transfer-Encoding: chunked', to=any_body)
    rows.append((b'a chunk with an extension', chunked + b'%x;%s="%s"\r\n%s\r\n0\r\n\r\n' % (len(smuggled(h)), b'x' * 20, b'y' * 20, smuggled(h))))
    rows.append((b'a length among trailers', chunked + b'5\r\n12345\r\n0\r\nContent-Length: 50\r\nX: y\r\n\r\n' + smuggled(h)))
    # libmicrohttpd takes a bare LF there; since chunks end the connection, nothing can stand behind them
    rows.append((b'chunks ended by LF', chunked + b'3\nabc\n0\n\n' + smuggled(h)))
    rows.append((b'the largest chunk', chunked + b'7fffffffffffffff\r\n' + smuggled(h)))
    rows.append((b'the largest chunk there is', chunked + b'ffffffffffffffff\r\n' + smuggled(h)))
    return rows


def two_readers(h, name):
    for what, request, codes in ambiguous(h):
        p = Peer(h.w, name)
        p.say(request)
        closed = p.hear()
        seen = p.codes()
        check(closed and set(seen) <= codes and 200 not in seen, '%s: %s: %s, %s' % (name, what, seen, 'closed' if closed else 'not closed'))
        p.close()
    for what, request in fully_read(h):
        p = Peer(h.w, name)
        p.say(request)
        largest = b'largest' in what  # it waits for the rest, for limits' time
        if not largest:
            p.say(head(h, b'Connection: close', to=b'GET / HTTP/1.1'))
        closed = p.hear(1 if largest else 15) or largest
        seen = p.codes()
        check(closed and len(seen) <= 2 and set(seen) <= {200, 400, 413} and b'"create"' not in p.got, '%s: %r is read in one way: %s' % (name, what, seen))
        p.close()
    h.honest('smuggling over ' + name)


# ---- slowly ----

def slowly(h, name, begin, drip, connections, source='127.0.0.%d', most_s=None):
    """Many that say a byte a second; all the while an honest client is served.  most_s: by then all of them were hung up on."""
    peers, began = [], time.time()
    for i in range(connections):
        try:
            peers.append(Peer(h.w, name, source % (10 + i // 100), timeout=5))
            peers[-1].say(begin)
        except OSError:
            pass  # it has its limits
    alive = list(peers)
    rounds = 0
    while alive and time.time() - began < (most_s or 6):
        time.sleep(1)
        for p in list(alive):
            gone = not p.say(drip) if drip else False
            p.s.settimeout(0.001)
            try:
                gone = gone or p.s.recv(4096) == b''
            except (socket.timeout, ssl.SSLWantReadError):
                pass
            except OSError:
                gone = True
            if gone:
                alive.remove(p)
        rounds += 1
        if rounds % 3 == 1:
            h.honest('%d slow clients of %s' % (len(alive), name))
    if most_s:
        check(not alive, '%s: slow ones are hung up on within %d s: %d of %d are not' % (name, most_s, len(alive), connections))
    for p in peers:
        p.close()
    h.honest('slow clients of ' + name)


def slow_clients(h):
    body = head(h, b'Content-Length: 1000')
    slowly(h, 'plain', b'', b'G', 100, most_s=30)                                        # a request line
    slowly(h, 'plain', b'POST /_bulk HTTP/1.1\r\nHost: h\r\nX: ', b'x', 300, most_s=30)  # a header
    slowly(h, 'https', b'POST /_bulk HTTP/1.1\r\nHost: h\r\nX: ', b'x', 100, most_s=40)
    slowly(h, 'plain', body, b'x', 300)                                                  # a body
    slowly(h, 'https', body, b'x', 60)
    slowly(h, 'plain', head(h, b'Transfer-Encoding: chunked') + b'5;', b'x', 100)        # a chunk's extension
    slowly(h, 'plain', b'', b'', 1500)                                                   # nothing at all, and more than there is room for
    slowly(h, 'plain', b'GET / HTTP/1.1\r\nHost: h\r\n' + h.auth + b'\r\n', b'', 400)    # idle behind an answer


# ---- bombs ----

def zstd_frame(window_log, blocks, last=True):
    """A frame of blocks of one repeated byte: four bytes that become 128 KB each (RFC 8878, 3.1.1)."""
    out = b'\x28\xb5\x2f\xfd\x00' + bytes([(window_log - 10) << 3])
    for i in range(blocks):
        out += struct.pack('<I', (1 if last and i == blocks - 1 else 0) | 1 << 1 | (128 << 10) << 3)[:3] + b' '
    return out


def bombs(h):
    spaces = gzip.compress(b' ' * (200 << 20), 9)  # 1000:1
    line = b'{"create":{}}\n{"message":"' + b'x' * (80 << 20) + b'"}\n'
    rows = [('gzip 1000:1', 'gzip', spaces, {413, 400}),
            ('one line of 80 MB', 'gzip', gzip.compress(line, 1), {413}),
            ('gzip in gzip', 'gzip', gzip.compress(spaces, 9), ERRORS),
            ('two codings', 'gzip, gzip', gzip.compress(spaces, 9), {415}),
            ('deflate 1000:1', 'deflate', zlib.compress(b' ' * (200 << 20), 9), {413, 400}),
            ('zstd 32000:1', 'zstd', zstd_frame(20, 4000), {413, 400}),
            ('a window of 128 MB', 'zstd', zstd_frame(27, 100), {400, 413, 415}),
            ('a window of 2 GB', 'zstd', zstd_frame(31, 100), {400, 413, 415}),
            ('many frames', 'zstd', zstd_frame(17, 1) * 20000, {413, 400}),
            ('a gzip cut short', 'gzip', gzip.compress(GOOD * 100)[:-20], ERRORS),
            ('a zstd cut short', 'zstd', zstd_frame(20, 3, False), {400}),
            ('no gzip', 'gzip', b'\x1f\x8b\x08\x00' + b'\xff' * 100, {400}),
            ('gzip with bytes behind', 'gzip', gzip.compress(GOOD) + b'x' * 100, ERRORS),
            ('unknown', 'br', b'x' * 100, {415})]
    for name in ('plain', 'https'):
        for what, coding, body, codes in rows:
            p = Peer(h.w, name, timeout=60)
            p.say(head(h, b'Content-Encoding: ' + coding.encode(), b'Content-Length: %d' % len(body), b'Connection: close') + body)
            p.hear(60)
            told = codes != ERRORS or b'"errors":true' in p.got  # item by item: what came before the damage is kept
            check(set(p.codes()) <= codes and p.codes() and told, '%s: %s: %s' % (name, what, p.codes()))
            p.close()
        h.honest('bombs over ' + name)

    def drop(what, coding, body, n):
        peers = [threading.Thread(target=one, args=(coding, body)) for _ in range(n)]
        for t in peers:
            t.start()
        while any(t.is_alive() for t in peers):
            h.memory()
            time.sleep(0.05)
        h.honest('%d of %s at once' % (n, what), 5)

    def one(coding, body):
        try:
            p = Peer(h.w, 'plain', timeout=60)
            p.say(head(h, b'Content-Encoding: ' + coding, b'Content-Length: %d' % len(body), b'Connection: close') + body)
            p.hear(60)
            p.close()
        except OSError:
            pass

    drop('gzip 1000:1', b'gzip', spaces, 24)
    drop('a window of 8 MB', b'zstd', zstd_frame(23, 200), 24)
    check(h.most < LIMIT_MB, 'collect was never over its memory: %d MB' % h.most)


# ---- without end ----

def large_heads(h):
    endless = b'x' * (1 << 20)
    rows = [('a head of 40 KB', head(h, b'Content-Length: 0', *[b'X%d: %s' % (i, b'y' * 1000) for i in range(40)]), {431}),
            ('120 headers', head(h, b'Content-Length: 0', *[b'X%d: y' % i for i in range(120)]), {431}),
            ('5000 headers', head(h, b'Content-Length: 0', *[b'X%d: y' % i for i in range(5000)]), {431}),
            ('a value of 1 MB', b'POST /_bulk HTTP/1.1\r\nHost: h\r\nX: ' + endless, {431, 413}),
            ('a name of 1 MB', b'POST /_bulk HTTP/1.1\r\nHost: h\r\n' + endless, {431, 413, 400}),
            ('a path of 9 KB', b'GET /' + b'x' * 9000 + b' HTTP/1.1\r\nHost: h\r\n\r\n', {414}),
            ('a path of 1 MB', b'GET /' + endless + b' HTTP/1.1\r\nHost: h\r\n\r\n', {414, 431, 413}),
            ('a method of 1 MB', endless + b' / HTTP/1.1\r\nHost: h\r\n\r\n', {400, 414, 431, 413, 501}),
            ('a query of 1 MB', b'GET /?' + b'a=b&' * (1 << 18) + b' HTTP/1.1\r\nHost: h\r\n\r\n', {414, 431, 413}),
            ('empty lines', b'\r\n' * (1 << 19), {400, 414}),
            ('an extension of 1 MB', head(h, b'Transfer-Encoding: chunked') + b'5;' + endless, {400, 413, 431}),
            ('a trailer of 1 MB', head(h, b'Transfer-Encoding: chunked') + b'0\r\nX: ' + endless, {400, 413, 431}),
            ('trailers', head(h, b'Transfer-Encoding: chunked') + b'0\r\n' + b'X: y\r\n' * 200000, {400, 413, 431}),
            ('a key of 30 KB', b'POST /_bulk HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nAuthorization: Basic ' + b'QUFB' * 7500 + b'\r\n\r\n', {401})]
    for name in ('plain', 'https'):
        for what, request, codes in rows:
            p = Peer(h.w, name)
            p.say(request)
            p.hear(1 if what.startswith('a key') else 15)
            check(set(p.codes()) <= codes, '%s: %s: %s' % (name, what, p.codes()))
            p.close()
        h.honest('large heads over ' + name)


def short_bodies(h):
    """They promise more than they say, and go away: nothing of it is kept, or all of what was whole, and acknowledged to nobody."""
    for name in ('plain', 'https'):
        for _ in range(50):
            p = Peer(h.w, name)
            p.say(head(h, b'Content-Length: 100000') + b'{"create":{}}\n{"mess')
            p.close()
        h.honest('broken promises over ' + name)


house = House()
house.honest('nothing yet', 5)
for each in ('plain', 'https'):
    two_readers(house, each)
large_heads(house)
short_bodies(house)
bombs(house)
slow_clients(house)
house.w.examined()
kept = house.w.search('honest')
check(len(kept) >= house.n * 0.9 and len({json.loads(r['raw'])['message'] for r in kept}) == len(kept), 'what the honest client sent is kept: %d of %d' % (len(kept), house.n))
check(house.w.search('smuggled') == [], 'nothing that was smuggled is kept: %s' % house.w.search('smuggled')[:3])
check(house.w.status()['collect.0.restarts'] == 0, 'collect lived through it')
print('collect had at most %d MB' % house.most)
house.w.stop()
end()
