#!/usr/bin/env python3
"""vault_read.py VAULT_WRITE: reads what the vault wrote with nothing but doc/vault-format.md, which it proves so."""
import glob
import hashlib
import io
import os
import struct
import subprocess
import sys
import tempfile
import zlib

RECORDS = 1000


class Damage(Exception):
    pass


def need(ok, what):
    if not ok:
        raise Damage(what)


def batches(data, first):
    """The batches of one file, as (first record, count, bytes)."""
    need(len(data) >= 32 and data[:8] == b'VGJRNL1\n', 'no head')
    seq, ident, zero, crc = struct.unpack_from('<QQII', data, 8)
    need(seq == first and zero == 0 and crc == zlib.crc32(data[:28]), 'head')
    at = 32
    while at < len(data):
        need(len(data) - at >= 60 and data[at:at + 4] == b'VGJB', 'no batch at %d' % at)
        count, of, offset, seq, size, total, _, _, crc = struct.unpack_from('<IQQQIIQQI', data, at + 4)
        need(crc == zlib.crc32(data[at:at + 56]) and of == ident and offset == at and size <= 8 << 20, 'batch head at %d' % at)
        records = data[at + 60:at + 60 + size]
        need(len(records) == size and total == zlib.crc32(records), 'records at %d' % at)
        yield seq, count, records
        at += 60 + size


def records(folder):
    """All of a journal: (seq, recv_ns, source, tenant, raw)."""
    following = None
    for path in sorted(glob.glob(folder + '/*.vj')):
        first = int(os.path.basename(path)[:16], 16)
        need(following in (None, first), '%s does not follow' % path)
        following = first
        with open(path, 'rb') as f:
            data = f.read()
        for seq, count, part in batches(data, first):
            at = 0
            for i in range(count):
                tenant, number, recv, source, size, _, n = struct.unpack_from('<IQqIIHH', part, at)
                need(number == seq + i == following and size <= 1 << 20, 'record %d' % following)
                raw = part[at + 32 + n:at + 32 + n + size]
                need(len(raw) == size, 'record %d is cut' % number)
                yield number, recv, source, tenant, raw
                at += 32 + n + size
                following += 1
            need(at == len(part), 'bytes behind the last record')


def root_of(leaves):
    """RFC 6962, 2.1, as it stands there."""
    if len(leaves) == 1:
        return hashlib.sha256(b'\0' + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b'\1' + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def varint(column):
    value = shift = 0
    while True:
        byte = column.read(1)[0]
        value |= (byte & 127) << shift
        if byte < 128:
            return value
        shift += 7


def signed(value):
    return value >> 1 ^ -(value & 1)


def columns(body):
    """The six columns of a payload, and the raw bytes."""
    out, at = [], 32 + 24
    for size in struct.unpack_from('<6I', body, 32):
        out.append(io.BytesIO(body[at:at + size]))
        at += size
    return out + [io.BytesIO(body[at:])]


def block(data):
    """The records of a block without a key: (seq, recv_ns, source, raw)."""
    need(data[:8] == b'VGBLOCK1' and len(data) >= 176, 'no block')
    count, codec, first, last, first_ns, last_ns, size, stored, key = struct.unpack_from('<IIQQqqQQI', data, 8)
    need(key == 0 and data[68:80] == bytes(12) and data[144:176] == bytes(32), 'reserved')
    body = data[176:]
    need(len(body) == stored and hashlib.sha256(body).digest() == data[112:144], 'digest')
    if codec == 1:
        body = subprocess.run(['zstd', '-dc'], input=body, stdout=subprocess.PIPE, check=True).stdout
    need(len(body) == size, 'payload')
    leaves, out = [body[:32]], []
    seqs, recvs, sources, lengths, flags, ids, raws = columns(body)
    seq, recv, source = first - 1, 0, 0
    for _ in range(count):
        seq += varint(seqs) + 1
        recv += signed(varint(recvs))
        source += signed(varint(sources))
        size, flag = varint(lengths), varint(flags)
        ident, raw = ids.read(flag >> 1), raws.read(size)
        leaves.append(struct.pack('<QqIIHH', seq, recv, source, size, flag & 1, len(ident)) + ident + raw)
        out.append((seq, recv, source, raw))
    need(not any(c.read() for c in (seqs, recvs, sources, lengths, flags, ids, raws)) and root_of(leaves) == data[80:112], 'root')
    need((out[0][0], out[-1][0]) == (first, last) and (min(r[1] for r in out), max(r[1] for r in out)) == (first_ns, last_ns), 'bounds')
    return out


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.abspath(sys.argv[1]), folder, str(RECORDS)], check=True)
        files = sorted(glob.glob(folder + '/*.vj'))
        got = list(records(folder))
        want = [(i, i * 1000, i % 7, i % 4, b'record %d' % i + b' ' * (i % 20)) for i in range(1, RECORDS + 1)]
        bad = [g for g, w in zip(got, want) if g != w]
        if len(got) != len(want) or bad or len(files) < 3:
            print('%d records of %d in %d files, the first that differs: %s' % (len(got), len(want), len(files), bad[:1]))
            return 1
        with open(folder + '/block', 'rb') as f:
            if block(f.read()) != [(i, recv, source, raw) for i, recv, source, _, raw in want]:
                print('the block holds other records')
                return 1
        told = 0
        with open(files[0], 'r+b') as f:  # and every changed byte is seen
            data = f.read()
            for at in range(0, len(data), 97):
                f.seek(at)
                f.write(bytes([data[at] ^ 4]))
                f.flush()
                try:
                    list(records(folder))
                    print('byte %d can change unseen' % at)
                    return 1
                except Damage:
                    told += 1
                f.seek(at)
                f.write(data[at:at + 1])
                f.flush()
        print('%d records in %d files read by the document; %d changed bytes seen' % (len(got), len(files), told))
    return 0


sys.exit(main())
