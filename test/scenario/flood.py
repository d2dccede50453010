"""flood.py: one source sends fifty times the disk.  It loses its own newest records, counted and told; nobody else loses one, nothing that was kept goes,
and a source that can be told to wait is told."""
import json
import os
import socket
import subprocess
import sys
import time

from scenario import SKIP, check, end, path
from watch import Watch, bulk, until

DISK = 96 << 20
AGENT = {'User-Agent': 'test'}
folder = path('small')
os.makedirs(folder)
if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%d' % DISK, 'vigie-test', folder], stderr=subprocess.DEVNULL, check=False).returncode != 0:
    print('skipped: a small disk cannot be mounted here (only root may)')
    sys.exit(SKIP)


def noise(n):
    """Lines that do not compress to nothing."""
    out = bytearray()
    while len(out) < n:
        out += b'<13>1 - flooder app - - - floodmark ' + os.urandom(300).hex().encode() + b'\n'
    return bytes(out)


def tcp(w, address, data, times=1):
    with socket.socket() as s:
        s.bind((address, 0))
        s.connect(('127.0.0.1', w.port('syslog')))
        for _ in range(times):
            s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        s.settimeout(60)
        s.recv(1)  # until it was read to the end


def calm(w, word, n=40):
    tcp(w, '127.0.0.3', b''.join(b'<13>1 - calm app - - - %s %d\n' % (word.encode(), i) for i in range(n)))
    return until(lambda: len(w.search(word)) == n, 30, 0.5)


def source(w, address):
    return next((s for s in w.rows('source', 'list') if s['address'] == address), {})


def counted(s):
    return s.get('records', 0) + s.get('refused', 0)


def main():
    w = Watch('small/state', settings='vault:\n  keep-free: 16 MiB\n  checkpoint-every: 1s\n  share: 20 %\nsources:\n  the noisy one: {match: [127.0.0.2]}\n')
    w.start()
    key = w.key('answered')
    check(calm(w, 'before'), 'what came before is kept')
    w.vigie('hold', 'set', '--from', time.strftime('%Y-%m-%d', time.gmtime()), '--by', 'Ana', '--reason', 'case 1')
    chunk, began = noise(1 << 20), time.monotonic()
    tcp(w, '127.0.0.2', chunk, 50 * DISK >> 20)
    print('50 disks in %.0f s' % (time.monotonic() - began))
    check(calm(w, 'after'), 'what another source sends after it is kept')
    check(len(w.search('before')) == 40, 'what was there before is there')
    check(until(lambda: source(w, '127.0.0.2').get('refused', 0) > 1000, 10), 'what was refused is counted for it: %s' % source(w, '127.0.0.2'))
    check(source(w, '127.0.0.3').get('refused') == 0, 'and for nobody else')
    check(not w.status().get('vault.0.disk_full'), 'the disk is not full')
    own = [json.loads(r['raw'])['vigie'] for r in w.search('source-over-share')]
    noisy = source(w, '127.0.0.2')['id']
    check(own and all((r['source'], r['source_id'], r['source_set']) == ('127.0.0.2', noisy, 'the noisy one') for r in own), 'the vault itself says so, and who it is: %s' % own)
    told = until(lambda: [a for a in w.rows('alarm', 'list') if a['kind'] == 'share-full'], 30) or []
    check(len(told) == 1 and '127.0.0.2 (the noisy one), 20 %' in told[0]['text'], 'people are told: %s' % w.rows('alarm', 'list'))
    sent = 50 * (DISK >> 20) * chunk.count(b'\n')
    until(lambda: counted(source(w, '127.0.0.2')) >= sent, 30, 0.5)  # counts are told once a second, a long queue may still be read
    s = source(w, '127.0.0.2')
    check(counted(s) == sent, 'each record was kept or counted: %d sent, %s' % (sent, s))
    found = len(w.search('floodmark'))
    check(found == s['records'], 'what was kept of the flood is found: %d of %d' % (found, s['records']))

    # one that is answered is told to wait, and what it was told to be kept is kept
    told, kept = 0, 0
    for i in range(400):
        docs = [('%d-%d' % (i, j), {'message': 'httpflood ' + os.urandom(400).hex()}) for j in range(200)]
        status, _ = bulk(w.https(), key, docs, **AGENT)
        kept += len(docs) if status == 200 else 0
        if status == 429:
            told += 1
            break
    check(told, 'an answered source is told to wait')
    check(until(lambda: len(w.search('httpflood')) == kept, 30, 1), 'what was acknowledged is there: %d of %d' % (len(w.search('httpflood')), kept))
    check(calm(w, 'last'), 'others are still taken')
    w.again()
    check(len(w.search('before')) == 40 and len(w.search('last')) == 40, 'after a new start too')
    tcp(w, '127.0.0.2', noise(1 << 16))
    time.sleep(2)
    check(len(w.search('floodmark')) <= found + 400, 'and the flooder is still over its share')
    w.stop()


try:
    main()
finally:
    subprocess.run(['umount', '-l', folder], check=False)
end()
