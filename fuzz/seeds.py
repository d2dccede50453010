#!/usr/bin/env python3
"""fuzz/seeds.py - make the first inputs of the targets that speak a row of steps (fuzz/role.h), into fuzz/corpus/TARGET."""
import base64
import gzip
import os
import struct
import sys

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
GOOD, AHEAD, FD = 1, 2, 4
HELLO, FROM, SOURCE, RECORDS, REFUSED, KEPT, WAIT, EVENTS, DONE, FOUND, BEGIN, CURSOR, AGAIN, SIGN, SIGNED = range(15)


def u8(n): return struct.pack("<B", n)
def u16(n): return struct.pack("<H", n)
def u32(n): return struct.pack("<I", n & 0xffffffff)
def u64(n): return struct.pack("<Q", n & (1 << 64) - 1)
def text(s): return u32(len(s)) + (s if isinstance(s, bytes) else s.encode())
def message(who, kind, body=b"", how=GOOD): return u8(who | kind << 3) + u8(how) + u16(len(body)) + body
def raw(who, body): return u8(0x80 | who) + u16(len(body)) + body
def end(who): return u8(0xc0 | who)
def step(n): return u8(0xe0 + n)


def seed(target, name, data):
    os.makedirs(os.path.join(HERE, target), exist_ok=True)
    with open(os.path.join(HERE, target, name), "wb") as f:
        f.write(data)


def source(handle, name="host1", proof=1, tenant="t"):
    return u32(handle) + u8(proof) + text(tenant) + text(name) + text("192.0.2.7") + text("syslog")


NOW = 1_790_000_000_000_000_000


def record(handle, line, ident=b"", recv=NOW, flags=0):
    return u32(handle) + u64(recv) + u16(flags) + u16(len(ident)) + u32(len(line)) + ident + line


def role_vault():
    collect, local, detect, detect1, trace, seal = range(6)
    lines = b"".join(record(0, b"<34>Oct 11 22:14:15 h su: failed for root %d" % i) for i in range(5))
    opening = message(collect, HELLO, u64(7)) + message(collect, SOURCE, source(0)) + message(collect, SOURCE, source(1, "host2", 3))
    seed("role_vault", "taken", opening + message(collect, RECORDS, u64(1) + lines) + step(1) + step(2) + step(3) + step(5))
    seed("role_vault", "local", message(local, HELLO, u64(0)) + message(local, SOURCE, source(0, "self", 4)) +
         message(local, RECORDS, u64(1) + record(0, b"a line", b"i=1", flags=1)) + step(0) + message(local, REFUSED, u32(0) + u8(2) + u64(9)))
    flow = opening + message(collect, RECORDS, u64(1) + lines) + step(1) + message(trace, CURSOR, u64(0) + u64(0), 0)
    done = message(detect, DONE, u64(0) + u32(1) + u32(2) + u32(3) + u64(5))
    seed("role_vault", "examined", message(detect, DONE, b"", 0) + flow + raw(detect, b"") + done + message(trace, CURSOR, u64(3) + u64(0)) + step(2) +
         message(seal, SIGNED) + step(1) + message(collect, RECORDS, u64(2) + lines) + step(1) + done + message(trace, AGAIN, u64(1) + u64(1)) + done)
    seed("role_vault", "died", flow + raw(detect1, b"") + step(1) + end(detect1) + raw(detect1, b"") + step(1) + end(detect1) + step(1) + end(trace) + raw(trace, b"") +
         message(trace, CURSOR, u64(2) + u64(1), 0) + step(1))
    seed("role_vault", "signed", opening + message(collect, RECORDS, u64(1) + lines) + raw(seal, b"") + step(1) + step(2) + message(seal, SIGNED) +
         message(seal, SIGNED, text("t") + text("") + u64(0), 0) + message(seal, SIGNED, text("t") + text("x") + u64(0), 0) + step(2))
    note = b"node/t\n9\n" + base64.b64encode(bytes(32)) + b"\nseq 1\nepoch 0\ntime 2026-04-03T08:00:00.000000000Z\n\n\xe2\x80\x94 node " + base64.b64encode(bytes(68)) + b"\n"
    seed("role_vault", "other-tree", opening + message(collect, RECORDS, u64(1) + lines) + step(1) + step(2) + message(seal, SIGNED, text("t") + text(note) + u64(9), 0) + step(2))
    seed("role_vault", "before-1970", opening + message(collect, RECORDS, u64(1) + record(0, b"early", recv=-(1 << 63))) + step(1) + step(2) +
         message(collect, REFUSED, u32(0) + u8(1) + u64((1 << 64) - 1)))
    seed("role_vault", "full", opening + step(4) + message(collect, RECORDS, u64(1) + lines) + step(4) + step(1) + end(collect) + message(collect, HELLO, u64(7)))
    seed("role_vault", "fd", message(collect, HELLO, u64(7), FD) + message(seal, SIGNED, b"", FD) + raw(trace, u32(1 << 30) + u16(111) + u16(0)))


def role_detect():
    vault, trace = range(2)
    lines = (b"<34>Oct 11 22:14:15 h su: FAILED su for root by eve\n<34>Oct 11 22:14:15 h su: (to root) mallory on pts/1\n"
             b"{\"winlog\":{\"event_id\":4625,\"channel\":\"Security\"},\"u\":\"bob1\",\"p\":\"10.1.2.3\"}\nplain\n"
             b"<Event xmlns='x'><System><EventID>4625</EventID><EventRecordID>9</EventRecordID><Channel>Security</Channel><Computer>pc</Computer></System></Event>\n"
             b"type=USER_AUTH msg=audit(1790000000.123:42): pid=1 uid=0 msg='op=PAM res=failed'")
    seed("role_detect", "whole", message(trace, BEGIN, b"\1") + message(vault, EVENTS, lines) + step(0))
    seed("role_detect", "waits", message(vault, EVENTS, lines) + message(trace, BEGIN, b"\1") + message(vault, EVENTS, lines) + message(trace, BEGIN, b"\1"))
    seed("role_detect", "ends", message(trace, BEGIN, b"\1") + message(vault, EVENTS, lines) + end(trace) + message(vault, EVENTS, lines) + end(vault) +
         message(trace, BEGIN, b"\0") + message(vault, EVENTS, lines, GOOD | AHEAD) + message(trace, BEGIN, b"\2", GOOD | AHEAD))
    seed("role_detect", "raw", message(trace, BEGIN, u64(1) + u64(2), 0) + message(vault, EVENTS, u64(1) + u64(1) + u64(2) + u32(1) +
         u64(1) + u64(NOW) + u32(3) + u32(4) + u16(1) + u16(2) + b"idtext", 0) + raw(vault, u32(5)) + message(vault, EVENTS, b"x" * 30, FD))


def role_trace():
    vault, detect, detect1 = range(3)
    hits = b"".join(bytes((1 + i % 7, i % 4, i * 5 % 200, i % 9, i % 3, i % 4)) for i in range(30))
    begin = message(vault, BEGIN, u64(7 << 32 | 1) + u64(1))
    seed("role_trace", "found", begin + message(detect, FOUND, b"\0\x1f" + hits) + step(0) + message(detect1, FOUND, b"\0\x05" + hits[:60]) + step(1) + step(0))
    seed("role_trace", "ahead", begin + message(detect, FOUND, b"\x13\x02" + hits[:24]) + message(detect1, FOUND, b"\x13\x02" + hits[:24]) +
         message(detect, FOUND, b"\0\x03" + hits[:24]) + message(detect, FOUND, b"\0\x03" + hits[:24]) + step(1))
    one = u32(1) + u32(2) + u64(1) + u64(NOW) + u64(NOW) + u16(0) + u16(0) + b"i" * 16 + u16(2) + u32(0) + u32(1) + text(b"")
    seed("role_trace", "raw", begin + message(detect, FOUND, b"\0\xff" + one) + message(detect, FOUND, u64(7 << 32 | 1) + u64(1) + u64(2) + u64(NOW) + one, 0))
    seed("role_trace", "far", begin + message(detect, FOUND, u64(7 << 32 | 1) + u64(1) + u64((1 << 64) - 1) + u64(NOW), 0) + step(1))
    seed("role_trace", "again", begin + message(detect, FOUND, b"\0\x07" + hits) + end(detect) + step(1) + message(vault, BEGIN, u64(7 << 32 | 2) + u64(3)) +
         end(vault) + message(vault, BEGIN, u64(8 << 32 | 1) + u64(99)) + message(detect1, FOUND, b"\0\x07" + hits))


def knowledge():
    seed("knowledge", "sound", b"\0\0\0")
    seed("knowledge", "magic", b"\0\0\0\0")
    seed("knowledge", "changed", bytes((0, 1, 0, 7, 0, 8, 0, 1, 0, 4, 9, 0xff, 0, 16, 0, 0)))
    seed("knowledge", "own", b"\xffVGKNOW02" + bytes(200))


def role_seal():
    def sign(tenant, old, size, fork=1, epoch=0, seq=0): return message(0, SIGN, bytes((tenant, old, size, fork, epoch, seq)))
    seed("role_seal", "grows", b"\x80" + sign(0, 0, 3) + sign(0, 3, 7) + sign(0, 7, 7) + sign(1, 0, 16) + sign(0, 7, 16))
    seed("role_seal", "forks", b"\x80" + sign(0, 0, 5) + sign(0, 5, 9, 4 * 3) + sign(0, 5, 4) + sign(0, 4, 9) + sign(0, 5, 5, 4 * 2) + sign(0, 5, 9, 1, 1, 2) + sign(0, 9, 10))
    seed("role_seal", "raw", b"\xf0" + message(0, SIGN, text("a") + text("node/a\n1\nAAAA\n") + u64(0) + bytes(32) + u16(1) + bytes(32), 0) + message(0, SIGN, b"", FD) + raw(0, u32(9)))


def role_sender():
    seed("role_sender", "kept", message(0, FROM, b"\0") + step(0) + step(17) + step(18) + step(3) + step(19) + message(0, KEPT, b"\1") + step(30) + message(0, KEPT, b"\2"))
    seed("role_sender", "again", message(0, FROM, b"\0") + step(17) + step(18) + end(0) + step(22) + message(0, FROM, b"\1") + message(0, WAIT, b"\1", 0) + step(1) +
         message(0, WAIT, b"\0", 0) + step(30))
    seed("role_sender", "raw", step(17) + message(0, KEPT, u64(99), 0) + message(0, FROM, u64(0), 0) + message(0, FROM, u64(0), 0) + message(0, WAIT, b"\7", FD))


def channel():
    def frame(kind, body, flags=0): return u32(len(body)) + u16(kind) + u16(flags) + body
    def say(kind, body=b"", fd=0): return u8(kind | fd) + u16(len(body)) + body
    seed("channel", "stream", b"c\0\3" + frame(1, b"hello") + frame(2, b"plain") + frame(1, b"") + frame(1, b"x" * 300) + frame(2, b"end"))
    seed("channel", "descriptors", b"c\5\1" + frame(1, b"with", 1) + frame(1, b"and", 1) + frame(2, b"no", 1))
    seed("channel", "refused", b"c\1\x10" + frame(1, b"!", 1) + frame(1, b"more"))
    seed("channel", "unknown", b"c\xff\2" + frame(7, b"") + u32(0xffffffff) + u16(1) + u16(0))
    seed("channel", "parent", b"g" + say(1, text("folder") + text(""), 0x80) + say(1, text("node") + text("n")) + say(2, u16(3) + u16(0), 0x80) + say(3) +
         say(2, u16(5) + u16(0), 0x80) + say(5, text("keys") + text("k")) + say(5, text("folder") + text("x"), 0x80) + say(3))
    seed("channel", "worker", b"p" + u32(5) + b"reply" + u32(0) + u32(9) + b"torn")
    seed("channel", "worker-large", b"p" + u32(1 << 21) + b"x" * 20)
    seed("channel", "fails", b"g" + say(1, text("fail") + text("1")) + say(1, text("a" * 64) + text("")) + say(3))


def syslogd():
    def say(what, who, body, ahead=0): return u8(what | ahead) + u8(who) + u16(len(body)) + body
    def do(what, who, ahead=0): return u8(what | ahead) + u8(who)
    line = b"<34>Oct 11 22:14:15 h su: failed for root\n"
    counted = b"".join(b"%d %s" % (len(line) - 1, line[:-1]) for _ in range(3))
    seed("syslogd", "lines", say(0, 0, line * 3) + say(0, 1, line[:20]) + say(0, 1, line[20:] + b"no end") + do(3, 1) + do(3, 0))
    seed("syslogd", "counted", say(0, 0, counted[:50]) + say(0, 0, counted[50:], 0x80) + say(0, 2, b"99999999 x") + say(0, 3, b"12 torn") + do(3, 3))
    seed("syslogd", "full", do(4, 1) + say(0, 0, line * 4) + say(0, 1, counted) + say(1, 0, line) + say(1, 1, b"<1>x\0\n") + do(5, 0) + do(4, 0) + say(1, 0, b"two") + do(3, 0))
    seed("syslogd", "datagrams", b"".join(say(1, i % 2, line + b"%d" % i, 0x80 * (i % 3 > 0)) for i in range(9)) + say(1, 0, b"\n\0") + say(1, 0, b"x" * 3000))
    seed("syslogd", "tls", say(2, 0, bytes.fromhex("160301002e0100002a0303") + bytes(32) + bytes.fromhex("000002130101000000")) + say(2, 0, b"GET / HTTP/1.1\r\n") + do(3, 7) +
         say(2, 0, b"\x16\3\1\0\5hello"))


def http():
    key = b"Authorization: Bearer s3cret\r\n"
    head = b"Host: h\r\nUser-Agent: x\r\n"
    pairs = b'{"index":{"_index":"logs","_id":"1"}}\n{"message":"one"}\n{"create":{}}\n{"message":"two"}\n'

    def put(name, *requests, lead=(255, 0, 6)):
        seed("http", name, bytes(lead) + b"\0\xff".join(requests))

    def post(path, body, more=b""): return b"POST " + path + b" HTTP/1.1\r\n" + head + key + more + b"Content-Length: %d\r\n\r\n" % len(body) + body
    put("bulk", post(b"/_bulk", pairs) + post(b"/x/_bulk", pairs))
    put("lines", post(b"/v1/lines", b"a line\nanother\n"), post(b"/s/name/v1/lines", b"third"), lead=(2, 1, 1))
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(x), x) for x in (pairs[:30], pairs[30:])) + b"0\r\n\r\n"
    put("chunked", b"POST /_bulk HTTP/1.1\r\n" + head + key + b"Transfer-Encoding: chunked\r\n\r\n" + chunked, lead=(255, 2, 3))
    put("gzip", post(b"/v1/lines", gzip.compress(b"a line\n" * 50, mtime=0), b"Content-Encoding: gzip\r\n"))
    put("asks", b"GET / HTTP/1.1\r\n" + head + key + b"\r\n" + b"GET /_license HTTP/1.1\r\n" + head + b"Authorization: Basic azE6czNjcmV0\r\n\r\n" +
        b"HEAD /_cluster/health HTTP/1.1\r\n" + head + key + b"\r\n" + b"GET /_ilm/policy/x HTTP/1.1\r\n" + head + key + b"\r\n" + b"GET /none HTTP/1.1\r\n" + head + key + b"\r\n")
    put("smuggles", b"POST /_bulk HTTP/1.1\r\n" + head + key + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\n" + head + key + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", b"GET / HTTP/1.1\nHost: h\n\n", b"GET  / HTTP/1.1\r\nHost : h\r\n\r\n")
    put("expects", b"POST /_bulk HTTP/1.1\r\n" + head + key + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(pairs) + pairs,
        b"POST /_bulk HTTP/1.0\r\n" + key + b"Content-Length: %d\r\n\r\n" % len(pairs) + pairs, lead=(1, 0, 40))
    put("refused", b"POST /_bulk HTTP/1.1\r\n" + head + b"Authorization: Bearer no\r\nContent-Length: 3\r\n\r\nabc", post(b"/_bulk", b"no json\n"), post(b"/_bulk", pairs, b"Content-Encoding: br\r\n"))


def publish():
    def get(path, more=b"", method=b"GET"): return method + b" /v1/" + path + b" HTTP/1.1\r\nHost: h\r\n" + more + b"\r\n"
    token = b"Authorization: Bearer 0123456789abcdef\r\n"
    seed("publish", "all", b"\0" + get(b"") + get(b"acme/list") + get(b"acme/checkpoint") + get(b"witness.pub") + get(b"acme/file/log.pub", method=b"HEAD"))
    seed("publish", "ranges", b"\0" + b"".join(get(b"acme/file/2026-04-03.0000.vs", b"Range: bytes=%s\r\n" % r) for r in (b"3-", b"3-9", b"99-", b"9-3", b"-4", b"0-18446744073709551615")))
    seed("publish", "token", b"\x09" + get(b"") + get(b"acme/file/keys/00000001.key", token) + get(b"acme/file/tile/0/000", token) + get(b"", b"Authorization: Bearer 0\r\n"))
    seed("publish", "outside", b"\x14" + get(b"acme/file/../../secret") + get(b"acme/file/stamps/1.tsr") + get(b"intake/list") + get(b"acme/file/epoch") + get(b"%2e%2e/x") +
         get(b"acme/file/keys/%2e%2e") + get(b"../secret") + get(b"acme/file/2026-04-03.0000.vi"))
    seed("publish", "body", b"\0" + get(b"", b"Content-Length: 3\r\n", b"POST") + b"abc" + get(b"x" * 300))


def sync():
    def answer(what, body=b""): return u8(what) + u16(len(body)) + body
    def sound(n): return u8(3) * n
    seed("sync", "sound", b"\7" + sound(9))
    seed("sync", "grows", b"\x36" + sound(12))
    seed("sync", "first-key", b"\4" + sound(2) + answer(1, b"no key") + sound(9))
    seed("sync", "changed", b"\6" + sound(3) + answer(2, bytes((0, 0, 200, 1))) + sound(3) + answer(2, bytes((0, 0, 9, 65))))
    seed("sync", "epoch", b"\x0f" + sound(9) + u8(7) + sound(20))
    seed("sync", "epoch-waits", b"\x47" + sound(1) + u8(6) + sound(20))
    seed("sync", "damaged", b"\x87" + sound(6) + bytes((2, 1, 0, 0, 200, 9)) + sound(12))
    seed("sync", "damaged-key", b"\x87" + sound(6) + bytes((1, 0, 0, 0, 0, 9)) + sound(12))
    seed("sync", "shrinks", b"\7" + sound(6) + u8(5) * 3 + u8(7) * 3)
    seed("sync", "lists", b"\2" + answer(1, b"acme\nb\n") + sound(1) + answer(1, b"400 2026-04-03.0000.vs\n9 keys/../x\n") + sound(2) + answer(0) + answer(0, b"x"))
    seed("sync", "torn", b"\3" + sound(2) + answer(1, b"900 2026-04-03.0000.vs\n300 2026-04-04.0000.vs\n") + answer(1, b"x" * 90) + sound(3))


def folder():
    def change(file, kind, at=0, value=0, body=b""):
        return bytes((file, kind)) + u16(len(body) or at & 0xffff) + u8(0 if body else at >> 16) + u8(value) + body
    for what, name in enumerate(("verify", "witness", "use", "export")):
        seed("folder", name, bytes((what,)))
        seed("folder", name + "-changed", bytes((what | 4,)) + change(2, 0, 70, 3) + change(3, 0, 20, 1))
        seed("folder", name + "-cut", bytes((what,)) + change(1, 1, 200) + change(4, 4) + change(5, 2, body=b"more") + change(6, 3, body=b"other") + change(0, 5, 0, 3))
    for file in range(15):
        seed("folder", "byte-%d" % file, b"\0" + change(file, 0, 30, 0x41))


def state():
    def at(*places): return b"".join(bytes((p >> 16, p >> 8 & 255, p & 255, v)) for p, v in places)
    for name in "cs":
        seed("state", name + "-sound", name.encode() + b"\0")
        seed("state", name + "-changed", name.encode() + at((60, 9), (4096 + 3, 2), (3 * 4096 + 5, 1)))
        seed("state", name + "-page", name.encode() + at((100, 5), (103, 7), (4096, 13), (4097, 0)))
    seed("state", "none", b"CSQLite format 3\0" + bytes(100))
    seed("state", "empty", b"S")


def role_parent():
    ready, stats, tell, gone, lost = 6, 7, 8, 9, 10

    def say(who, kind, body=b"", what=0x40): return bytes((who | what, kind)) + u16(len(body)) + body
    figures = b'records 12\nrefused{why="bad-frame"} 3\ncheckpoint_seconds{tenant="acme",x="y"} -5\n'
    seed("role_parent", "well", say(0, ready) + say(0, stats, figures) + say(3, ready) + say(1, stats, b"events 18446744073709551615\n") + say(2, gone))
    seed("role_parent", "says", say(1, tell, u8(2) + text(b"a line\x1b[2J\nvigie: another")) + say(1, tell, u8(9) + text("x")) + say(2, tell, u8(0) + u32(99)))
    seed("role_parent", "lost", say(1, lost, u16(5) + u16(0)) + say(2, lost, u16(4) + u16(0), 0) + say(2, lost, u16(99) + u16(7)) + say(0, lost, u16(3) + u16(0)))
    seed("role_parent", "no-figures", say(0, stats, b'x{a="b" 3\n') + say(1, stats, b'x{a="b"} 3} 4') + say(2, stats, b"x 1\r") + say(3, 0, u32(1 << 30) + u16(7) + u16(0), 0xc0))


def watcher():
    def line(who, s): return bytes((who, len(s))) + s
    seed("watcher", "lines", line(0, b"a\tacme\t\nb\tacme\t\n") + line(1, b"c\tb") + line(1, b"eta\tit is another\n") + line(0, b"f\t\tno answer\nf\t\tno answer\n") +
         line(1, b"d\tacme\tepoch\ne\tacme\tdisk\ng\tx\tkey\n"))
    seed("watcher", "long", line(0x80, b"x" * 250) + line(0, b"\n") + line(1, b"a\t../x\t\n"))
    seed("watcher", "gone", line(0x40, b"a\tacme\t\nz\tacme\t\n") + line(0x41, b"none of ours\n"))
    seed("watcher", "none", line(0, b"z\tacme\t\n") + line(1, b"a acme\n") + line(1, b"\n"))


def spool():
    FACT, HIT, SEEN, NOTE, GAP, APPLIED, MEMBER, EVENT, SIGNAL, END = range(10)

    def entry(kind, payload=b"", time=NOW, file=0, rule=0, digest=7, last=1, offset=0, member=0, unit=0):
        return struct.pack("<qIIIIQQBBHI", time, file, member, unit, rule, offset, digest, kind, last, 0, len(payload)) + payload
    span = u64(1) + u64(9) + u64(NOW) + u64(NOW + 5) + text("host") + text("Security")
    seen = u8(1) + u64(3) + u64(NOW) + u64(NOW) + u64(1) + u64(7) + u64(NOW) + u64(NOW) + text("host") + text("Security")
    seed("spool", "order", b"o" + entry(NOTE, b"a note", rule=1) + entry(SEEN, seen) + entry(GAP, span) + entry(HIT, b"\0wire", rule=0) + entry(HIT, rule=1) + entry(APPLIED, u64(7)))
    seed("spool", "order-hits", b"h" + bytes(range(1, 120)))
    seed("spool", "tell", b"t" + entry(MEMBER, b"in/a.evtx", member=1) + entry(SEEN, seen) + entry(SEEN, seen, file=1) + entry(EVENT) +
         entry(SIGNAL, u64(NOW) + u64(3) + u32(1) + text("u") + text("eve"), rule=4) + entry(GAP, span) + entry(NOTE, b"note", rule=2) + entry(END, u64(1) + u64(2)))
    seed("spool", "tell-hits", b"T" + bytes(range(1, 120)))
    seed("spool", "both-torn", b"o" + entry(HIT, b"x" * 40)[:60])


def journald():
    def fields(*all): return b"".join(u16(len(f)) + f for f in all)
    seed("journald", "entry", fields(b"MESSAGE=hello", b"PRIORITY=6", b"_UID=1000", b"_BOOT_ID=0", b"SYSLOG_IDENTIFIER=su"))
    seed("journald", "binary", fields(b"MESSAGE=two\nlines", b"A=\xff\0", b"B=", b"C=\n\n__CURSOR=x\n\n", b"MESSAGE=\x1b[2J"))
    seed("journald", "no-names", fields(b"no equals", b"=x", b"lower=1", b"1A=2", b"A" * 65 + b"=3", b"__REALTIME_TIMESTAMP=1", b""))


for make in (role_vault, role_detect, role_trace, knowledge, role_seal, role_sender, channel, syslogd, http, publish, sync, folder, state, role_parent, watcher, spool, journald):
    if len(sys.argv) < 2 or make.__name__ in sys.argv[1:]:
        make()
