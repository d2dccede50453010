#!/usr/bin/env python3
"""fuzz/seeds.py - make the first inputs of the targets that speak a row of steps (fuzz/role.h), into fuzz/corpus/TARGET."""
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
    seed("role_vault", "full", opening + step(4) + message(collect, RECORDS, u64(1) + lines) + step(4) + step(1) + end(collect) + message(collect, HELLO, u64(7)))
    seed("role_vault", "fd", message(collect, HELLO, u64(7), FD) + message(seal, SIGNED, b"", FD) + raw(trace, u32(1 << 30) + u16(111) + u16(0)))


for make in (role_vault,):
    if len(sys.argv) < 2 or make.__name__ in sys.argv[1:]:
        make()
