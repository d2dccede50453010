#!/usr/bin/env python3
"""vault_read.py STATE TENANT: verifies what a watch wrote with nothing but doc/vault-format.md, which it proves so (vault_document.py runs it)."""
import base64
import glob
import hashlib
import io
import os
import struct
import subprocess
import sys
import tempfile
import zlib


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
        for seq, count, part in batches(open(path, 'rb').read(), first):
            at = 0
            for i in range(count):
                tenant, kept_as, number, recv, source, size, _, n = struct.unpack_from('<IHQqIIHH', part, at)
                need(number == seq + i == following and size <= 1 << 20 and kept_as < 16, 'record %d' % following)
                raw = part[at + 34 + n:at + 34 + n + size]
                need(len(raw) == size, 'record %d is cut' % number)
                yield number, recv, source, tenant, raw
                at += 34 + n + size
                following += 1
            need(at == len(part), 'bytes behind the last record')


def sha(*parts):
    return hashlib.sha256(b''.join(parts)).digest()


def root_of(hashes):
    """RFC 6962, 2.1, as it stands there, over the leaves' hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha()
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return sha(b'\1', root_of(hashes[:k]), root_of(hashes[k:]))


def varint(column, signed=False):
    value = shift = 0
    while True:
        byte = column.read(1)[0]
        value |= (byte & 127) << shift
        if byte < 128:
            return value >> 1 ^ -(value & 1) if signed else value
        shift += 7


def blocks(data):
    """The records of a segment without keys, a list a block: (seq, recv_ns, source, raw)."""
    at, prefix, out = 0, b'', []
    while at < len(data):
        end = at + 176 + struct.unpack_from('<Q', data, at + 56)[0]
        out.append(block(data[at:end], prefix))
        prefix += b''.join(raw for _, _, _, raw in out[-1])
        at = end
    return out


def block(data, prefix):
    """The records of a block without a key, @prefix being the raw bytes of all those before it."""
    need(data[:8] == b'VGBLOCK1' and len(data) >= 176, 'no block')
    count, codec, first, last, first_ns, last_ns, size, stored, key = struct.unpack_from('<IIQQqqQQI', data, 8)
    need(key == 0 and data[68:80] == bytes(12) and data[144:176] == bytes(32), 'reserved')
    body, behind = data[176:], codec >> 8
    need(len(body) == stored and hashlib.sha256(body).digest() == data[112:144], 'digest')
    need(codec & 255 < 3 and (behind > 0) == (codec & 255 == 2) and behind <= min(len(prefix), 1 << 17), 'codec')
    with tempfile.NamedTemporaryFile() as f:
        f.write(prefix[:behind])
        f.flush()
        if codec:
            body = subprocess.run(['zstd', '-dc'] + ['--patch-from=' + f.name] * (codec & 255 == 2), input=body, stdout=subprocess.PIPE, check=True).stdout
    need(len(body) == size, 'payload')
    leaves, out = [sha(b'\0', body[:32])], []
    payload = io.BytesIO(body[56:])
    seqs, recvs, sources, lengths, flags, ids = (io.BytesIO(payload.read(n)) for n in struct.unpack_from('<6I', body, 32))
    seq, recv, source = first - 1, 0, 0
    for _ in range(count):
        seq += varint(seqs) + 1
        recv += varint(recvs, True)
        source += varint(sources, True)
        size, flag = varint(lengths), varint(flags)
        ident, raw = ids.read(flag >> 1), payload.read(size)
        leaves.append(sha(b'\0', struct.pack('<QqIIHH', seq, recv, source, size, flag & 1, len(ident)), ident, raw))
        out.append((seq, recv, source, raw))
    need(not any(c.read() for c in (seqs, recvs, sources, lengths, flags, ids, payload)) and root_of(leaves) == data[80:112], 'root')
    need((out[0][0], out[-1][0]) == (first, last) and (min(r[1] for r in out), max(r[1] for r in out)) == (first_ns, last_ns), 'bounds')
    return out


def is_signed(text, line, key):
    """One signature line of a note, by a key as notes write it."""
    name, _, rest = key.partition('+')
    public, sig = base64.b64decode(rest.partition('+')[2]), base64.b64decode(line.split(' ')[2])
    if tuple(line.split(' ')[:2]) != ('\u2014', name) or sig[:4] != sha(name.encode(), b'\n', public)[:4] or public[0] != 1:
        return False
    with tempfile.TemporaryDirectory() as d:
        for f, data in (('key', bytes.fromhex('302a300506032b6570032100') + public[1:]), ('sig', sig[4:]), ('text', text.encode())):
            open(d + '/' + f, 'wb', buffering=0).write(data)
        return subprocess.run('openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile sig', shell=True, cwd=d, stdout=subprocess.DEVNULL).returncode == 0


def tenant(state, name):
    """A tenant's folder: blocks, tree, tiles, checkpoint, and the keys that signed it."""
    read = lambda p: open(state + '/' + p, 'rb').read()
    log, days, leaves, following = read('vault/%s/log.pub' % name).decode().strip(), [], [], [1] * 16
    certificates = read('seal/days.log').decode().split('\n\n')
    for text, lines in zip(certificates[::2], certificates[1::2]):
        by = [log] + days[-1:]
        need(all(is_signed(text + '\n', line, k) for line, k in zip(lines.split('\n'), by)) and len(lines.split('\n')) == len(by), 'day')
        days.append(text.split('\n')[3])
    for data in sorted((open(p, 'rb').read() for p in glob.glob('%s/vault/%s/*.vs' % (state, name))), key=lambda data: struct.unpack_from('<Q', data, 72)):
        at = 0
        while at < len(data):
            first, last, stored = *struct.unpack_from('<QQ', data, at + 16), struct.unpack_from('<Q', data, at + 56)[0]
            kept_as, leaf = struct.unpack_from('<IQ', data, at + 68)
            need(data[at:at + 8] == b'VGBLOCK1' and leaf == len(leaves) and first >= following[kept_as] and sha(data[at + 176:at + 176 + stored]) == data[at + 112:at + 144], 'block %d' % len(leaves))
            leaves.append(sha(b'\0', data[at:at + 176]))
            at, following[kept_as] = at + 176 + stored, last + 1
    text, _, lines = read('vault/%s/checkpoint' % name).decode().rpartition('\n\n')
    need(text.split('\n')[1:4] == [str(len(leaves)), base64.b64encode(root_of(leaves)).decode(), 'seq %d' % max(following)], 'checkpoint')
    need([is_signed(text + '\n', line, key) for line, key in zip(lines.strip().split('\n'), (log, days[-1]))] == [True, True], 'signatures')
    need(read('vault/%s/tile/0/000.p/%d' % (name, len(leaves))) == b''.join(leaves), 'tile')
    return len(leaves)


if __name__ == '__main__':
    print('%d blocks, %d records in the journal' % (tenant(*sys.argv[1:3]), sum(1 for _ in records(sys.argv[1] + '/vault/intake'))))
