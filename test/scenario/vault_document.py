#!/usr/bin/env python3
"""vault_document.py VAULT_WRITE VIGIE: the reader that was written from doc/vault-format.md (vault_read.py) against the vault's own bytes: a journal and
blocks of known records, every 97th byte changed, and the folder of a real watch."""
import glob
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

from vault_read import Damage, blocks, need, records, tenant

RECORDS = 1000


def status(state, what):
    try:
        found = re.search('^%s (?:.*:)?(\\d+)$' % what, open(state + '/status').read(), re.M)
    except FileNotFoundError:
        return 0
    return int(found.group(1)) if found else 0


def until(what):
    limit = time.monotonic() + 60
    while not what():
        need(time.monotonic() < limit, 'nothing happens')
        time.sleep(0.1)
    return what()


def refuses(state):
    try:
        tenant(state, 'default')
    except (Damage, ValueError, IndexError, struct.error):
        return True
    return False


def watch(vigie, state):
    words = [x for n in ('syslog=127.0.0.1:0', 'syslog-tls=off', 'https=off', 'witness=off', 'metrics=off') for x in ('--listen', n)]
    p = subprocess.Popen([vigie, 'serve', '--quiet', '--state', state, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        need(p.stdout.readline() == b'ready\n', 'the watch is not ready')
        with socket.create_connection(('127.0.0.1', until(lambda: status(state, 'listen.listen:tcp:syslog')))) as s:
            s.sendall(b''.join(b'<34>1 2026-04-03T08:12:45Z host app - - - %d %s\n' % (i, os.urandom(400).hex().encode()) for i in range(4000)))
        until(lambda: status(state, 'collect.0.kept') >= 4000)
        p.terminate()
        need(p.wait(timeout=60) == 0, 'the watch does not stop')
    finally:
        if p.poll() is None:
            p.kill()
    n = tenant(state, 'default'), sum(1 for _ in records(state + '/vault/intake'))
    for f in ('vault/default/checkpoint', 'seal/days.log', glob.glob(state + '/vault/default/*.vs')[0]):
        data = open(os.path.join(state, f), 'rb').read()
        for at in (0, len(data) // 2, len(data) - 2):
            with open(os.path.join(state, f), 'wb') as x:
                x.write(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
            need(refuses(state), 'byte %d of %s can change unseen' % (at, f))
        with open(os.path.join(state, f), 'wb') as x:
            x.write(data)
    return n


def written(vault_write, folder):
    subprocess.run([os.path.abspath(vault_write), folder, str(RECORDS)], check=True)
    want = [(i, i * 1000, i % 7, i % 4, b'record %d' % i + b' ' * (i % 20)) for i in range(1, RECORDS + 1)]
    files = sorted(glob.glob(folder + '/*.vj'))
    need(list(records(folder)) == want and len(files) > 2, 'other records than were written')
    data = open(folder + '/blocks', 'rb').read()
    need([r for b in blocks(data) for r in b] == [(i, recv, source, raw) for i, recv, source, _, raw in want], 'the blocks hold other records')
    need(data[12:16] == b'\1\0\0\0' and data.count(b'VGBLOCK1') == 4, 'the first block has a prefix')
    data = open(files[0], 'rb').read()
    for at in range(0, len(data), 97):
        with open(files[0], 'wb') as f:
            f.write(data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])
        try:
            list(records(folder))
        except Damage:
            continue
        raise Damage('byte %d can change unseen' % at)


with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
    written(sys.argv[1], one)
    print('%d blocks and %d journalled records of a watch, and %d of the test, read by the document' % (*watch(sys.argv[2], two), RECORDS))
