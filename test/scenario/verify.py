#!/usr/bin/env python3
"""`vigie vault verify` against a real watch's state: every kind of change that people, disks or thieves can make to it is told, with file and byte;
what nobody inside can know is told by a witness."""
import glob
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

from scenario import VIGIE, check, end, env, path, read

dice = random.Random(20260403)
started = []
runs = {}  # by state
# no evidence, or what a flipped bit makes nothing of (doc: vigie(1), vault verify)
NOT_LOOKED_AT = re.compile(r'(lock|status|drill\.sock|learned/folder|tls/.*|local/.*|.*\.db(-wal|-shm)?)$')
# private, and written anew at the next signature: a changed time in it changes nothing
LAST = re.compile(r'seal/.*\.last$')


def start(words, ready=b'ready'):
    p = subprocess.Popen([VIGIE, *words], env=env(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    started.append(p)
    for line in p.stdout:
        if line.startswith(ready):
            return p
    raise RuntimeError('not ready: %r' % (words,))


def status(state, name):
    """What the watch that runs there says of itself; an older one's words do not count."""
    said = read(state + '/status') if os.path.exists(state + '/status') else b''
    found = re.search(rb'^%s (?:\S*:)?(\d+)$' % name, said, re.M)
    return int(found.group(1)) if found and b'\npid %d\n' % runs[state].pid in said else None


def port_of(state, name):
    wait(lambda: status(state, b'listen\\.' + name) is not None)
    return status(state, b'listen\\.' + name)


def serve(state):
    runs[state] = start(['serve', '--state', state, '--quiet', '--listen', 'syslog=127.0.0.1:0', '--listen', 'syslog-tls=off', '--listen', 'https=off', '--listen', 'metrics=off',
                         '--listen', 'witness=off'])
    return runs[state]


def send(state, lines):
    with socket.create_connection(('127.0.0.1', port_of(state, b'listen:tcp:syslog'))) as s:
        for i in range(lines):
            s.sendall(b'<34>1 2026-04-03T08:12:45Z host app - - - line %d %s\n' % (i, dice.randbytes(200).hex().encode()))
    wait(lambda: records(state) >= lines)


def records(state):
    return status(state, rb'collect\.0\.kept') or 0


def wait(what, seconds=40):
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            raise RuntimeError('nothing happens')
        time.sleep(0.1)


def stop(p):
    p.terminate()
    return p.wait(timeout=40)


def verify(state, *words):
    r = subprocess.run([VIGIE, 'vault', 'verify', '--state', state, '--format', 'jsonl', *words], env=env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    rows = [json.loads(line) for line in r.stdout.splitlines()]
    return r.returncode, [x for x in rows if x['kind'] == 'damage'], rows[-1]['text'] if rows else r.stderr.decode(), rows


def files(state):
    found = [os.path.relpath(os.path.join(d, f), state) for d, _, names in os.walk(state) for f in names]
    return sorted(f for f in found if not NOT_LOOKED_AT.match(f))


def names(bad, f, at=None):
    """The first damage that is told is of this file, and of a stretch that holds this byte."""
    first = bad[0] if bad else {}
    near = at is None or 'until' not in first or first['at'] <= at < first['until']
    return first.get('file') == f and near


def attack(good, what, change, expect=None, at=None, codes=(4,)):
    """A copy of @good, changed by @change, is told."""
    state = path('attacked')
    shutil.copytree(good, state, symlinks=True)
    change(state)
    code, bad, text, _ = verify(state)
    if check(code in codes, '%s: exit %d, %s' % (what, code, text)) and code == 4 and expect:
        check(names(bad, expect, at), '%s: told as %r' % (what, bad[:1]))
    shutil.rmtree(state)


def flip(f, at, bit):
    def change(state):
        with open(os.path.join(state, f), 'r+b') as x:
            x.seek(at)
            byte = x.read(1)[0]
            x.seek(at)
            x.write(bytes([byte ^ 1 << bit]))
    return change


def flips(good):
    n = 0
    for f in files(good):
        size = os.path.getsize(os.path.join(good, f))
        some = {0, size - 1} | {dice.randrange(size) for _ in range(40 if f.endswith('.vs') else 12)} if size else set()
        if f.endswith('.vs'):
            some |= {8, 20, 47, 64, 79, 80, 112, 143, 144, 167, 175}  # each part of a block's head
        for at in sorted(some):
            bit = dice.randrange(8)
            attack(good, '%s, byte %d, bit %d' % (f, at, bit), flip(f, at, bit), f, at, (4, 3) if LAST.match(f) else (4,))
            n += 1
    print(n, 'bits flipped')


def removals(good):
    for f in files(good):
        # private ones: what they opened and signed cannot be looked at then; an index is a cache, and made again
        attack(good, f + ' removed', lambda s: os.remove(os.path.join(s, f)), None if f.endswith(('.vs', '.vj')) else f,
               codes=(3,) if f.startswith('keys/') or f.endswith('.vi') or f in ('seal/log.secret', 'seal/node', 'format') else (4, 3) if '.p/' in f else (4,))
        if os.path.getsize(os.path.join(good, f)):
            attack(good, f + ' one byte shorter', lambda s: os.truncate(os.path.join(s, f), os.path.getsize(os.path.join(s, f)) - 1), f)
        attack(good, f + ' one byte longer', lambda s: open(os.path.join(s, f), 'ab').write(b'x'), f, codes=(3,) if f.endswith('.vj') else (4,))


def blocks(data):
    at = []
    while (at[-1][1] if at else 0) < len(data):
        begin = at[-1][1] if at else 0
        at.append((begin, begin + 176 + struct.unpack_from('<Q', data, begin + 56)[0]))
    return at


def rearrangements(good):
    f = os.path.relpath(glob.glob(good + '/vault/default/*.vs')[0], good)
    data = read(os.path.join(good, f))
    b = blocks(data)
    part = [data[x:y] for x, y in b]
    check(len(b) >= 5, 'there are some blocks: %d' % len(b))

    def put(order):
        def change(state):
            with open(os.path.join(state, f), 'wb') as x:
                x.write(b''.join(part[i] for i in order))
        return change
    n = len(part)
    attack(good, 'blocks 1 and 2 swapped', put([0, 2, 1, *range(3, n)]), f, b[1][0])
    attack(good, 'blocks 0 and 3 swapped', put([3, 1, 2, 0, *range(4, n)]), f, 0)
    attack(good, 'block 2 dropped', put([i for i in range(n) if i != 2]), f, b[2][0])
    attack(good, 'the first block dropped', put(range(1, n)), f, 0)
    attack(good, 'the last block dropped', put(range(n - 1)), f, b[n - 1][0])
    attack(good, 'block 1 twice', put([0, 1, 1, *range(2, n)]), f, b[2][0])
    attack(good, 'all blocks dropped', put([]), f)
    attack(good, 'bytes put between', lambda s: open(os.path.join(s, f), 'wb').write(data[:b[2][0]] + b'more' + data[b[2][0]:]), f, b[2][0])
    other = re.sub(r'\d{4}-\d\d-\d\d', '2020-01-01', f)
    attack(good, 'another day\'s name', lambda s: os.rename(os.path.join(s, f), os.path.join(s, other)), other)
    attack(good, 'another part\'s name', lambda s: os.rename(os.path.join(s, f), os.path.join(s, f.replace('.0000.', '.0003.'))), f.replace('.0000.', '.0003.'))
    attack(good, 'a link in its place', lambda s: (os.rename(os.path.join(s, f), s + '/aside'), os.symlink(s + '/aside', os.path.join(s, f))), f)
    attack(good, 'a segment put in', lambda s: shutil.copy(os.path.join(s, f), os.path.join(s, f.replace('.0000.', '.0001.'))), f.replace('.0000.', '.0001.'))
    attack(good, 'a file of another name', lambda s: open(s + '/vault/default/x.vs', 'w').close(), 'vault/default/x.vs')
    attack(good, 'a stranger\'s file', lambda s: open(s + '/vault/default/x', 'w').close(), codes=(3,))


def older(good, before):
    """What was copied before is put back, in part and whole."""
    attack(good, 'an older checkpoint', lambda s: shutil.copy(before + '/vault/default/checkpoint', s + '/vault/default/checkpoint'), codes=(4, 3))

    def vault(s):
        shutil.rmtree(s + '/vault')
        shutil.copytree(before + '/vault', s + '/vault')
    attack(good, 'an older vault', vault, 'seal/default.last')

    def segments(s):
        shutil.rmtree(s + '/vault/default')
        shutil.copytree(before + '/vault/default', s + '/vault/default')
    attack(good, 'an older tenant', segments, 'seal/default.last')

    def seal(s):
        shutil.rmtree(s + '/seal')
        shutil.copytree(before + '/seal', s + '/seal')
    attack(good, 'an older seal', seal, 'seal/default.last')


def deep(good):
    code, bad, text, rows = verify(good, '--deep')
    tenant = [r for r in rows if r['kind'] == 'tenant'][0]
    check(code == 3 and tenant['opened'] == tenant['blocks'] >= 5, 'deep: %r' % (tenant,))
    key = [r for r in rows if r['kind'] == 'key'][0]['text'].rpartition(' ')[2]
    check(verify(good, '--log-key', key)[0] == 3, 'by the key that was given')
    wrong = key.replace('vigie', 'vigix')
    check(subprocess.run([VIGIE, 'vault', 'verify', '--state', good, '--log-key', wrong], env=env(), stderr=subprocess.DEVNULL).returncode == 2, 'a key whose id is wrong')
    r = subprocess.run([VIGIE, 'vault', 'verify', '--state', good], env=env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(r.returncode == 3 and b'sound; nothing outside this machine vouches for what came after the beginning' in r.stdout and not r.stderr, 'in words: %r' % r.stdout)
    check(subprocess.run([VIGIE, 'vault', 'verify', '--state', path('nowhere')], env=env(), stderr=subprocess.DEVNULL).returncode == 1, 'no vault is neither sound nor damaged')
    check(subprocess.run([VIGIE, 'vault', 'verify', '--state', good, '--tenant', 'nobody'], env=env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 1, 'nor is no tenant')
    copy = path('copy')
    os.makedirs(copy + '/vault')
    shutil.copytree(good + '/vault/default', copy + '/vault/default')
    check(verify(copy)[0] == 3, 'a copy of the tenant\'s folder is enough')
    os.remove(copy + '/vault/default/log.pub')
    check(verify(copy)[0] == 1, 'without the log\'s key nothing is said')
    check(verify(copy, '--log-key', key)[0] == 3, 'with it, all is')


def check_export(folder, *words):
    r = subprocess.run([VIGIE, 'vault', 'verify', '--format', 'jsonl', *words, folder], env=env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    rows = [json.loads(line) for line in r.stdout.splitlines()]
    return r.returncode, [x for x in rows if x['kind'] == 'damage'], rows


def remake_manifest(folder):
    """As somebody would who wants nobody to see what he changed."""
    names = [line.split('  ')[1] for line in read(folder + '/manifest.sha256').decode().splitlines()]
    with open(folder + '/manifest.sha256', 'w') as f:
        f.write(''.join('%s  %s\n' % (hashlib.sha256(read(os.path.join(folder, n))).hexdigest(), n) for n in names if os.path.exists(os.path.join(folder, n))))


def export(state):
    """A case folder proves itself on a machine that has nothing else; what is changed in it is told, with and without a manifest that fits."""
    folder, broken = path('case'), path('broken')
    out = subprocess.run([VIGIE, 'vault', 'export', '--state', state, '--to', folder, '--seq', '2000-2300', '--format', 'jsonl'], env=env(), stdout=subprocess.PIPE, timeout=60)
    row = json.loads(out.stdout)
    check(out.returncode == 0 and row['records'] == 301 and (row['first_seq'], row['last_seq']) == (2000, 2300), 'exported: %r' % row)
    check(subprocess.run(['sha256sum', '--quiet', '-c', 'manifest.sha256'], cwd=folder).returncode == 0, 'sha256sum says so too')
    raw, rows = read(folder + '/records.bin'), [json.loads(x) for x in read(folder + '/index.jsonl').splitlines()]
    check(all(hashlib.sha256(raw[x['at']:x['at'] + x['bytes']]).hexdigest() == x['sha256'] for x in rows) and len(rows) == 301, 'its rows say what is in it')
    out = subprocess.run([VIGIE, 'vault', 'export', '--state', state, '--to', path('all'), '--from', '2h', '--format', 'jsonl'], env=env(), stdout=subprocess.PIPE, timeout=60)
    check(json.loads(out.stdout)['records'] >= 24000 and b' host app - - - line 17999 ' in read(path('all') + '/records.bin') and check_export(path('all'))[0] == 3, 'all of it')
    secrets = [read(p) for p in glob.glob(state + '/seal/*.secret') + glob.glob(state + '/keys/*')]
    check(not any(s[:32] in read(p) for s in secrets for p in glob.glob(folder + '/*')), 'and no secret')
    code, bad, said = check_export(folder)
    check(code == 3 and not bad, 'it verifies: %r' % said)
    key = read(folder + '/log.pub').decode().strip()
    check(check_export(folder, '--log-key', key)[0] == 3, 'by the key that is known')
    check(check_export(folder, '--log-key', read(path('witness') + '/vault/witness.pub').decode().strip())[0] == 4, 'not by another')
    again = subprocess.run([VIGIE, 'vault', 'export', '--state', state, '--to', folder], env=env(), stderr=subprocess.PIPE, timeout=60)
    check(again.returncode == 4 and b'not empty' in again.stderr, 'nothing is written over')
    none = subprocess.run([VIGIE, 'vault', 'export', '--state', state, '--to', path('none'), '--seq', '99999999'], env=env(), stderr=subprocess.PIPE, timeout=60)
    check(none.returncode == 3 and not os.path.exists(path('none')), 'nothing that is meant: no folder')
    for f in sorted(os.listdir(folder)):
        size = os.path.getsize(os.path.join(folder, f))
        for at in sorted({0, size - 1} | {dice.randrange(size) for _ in range(8)}):
            for fits in (False, True):
                shutil.copytree(folder, broken)
                flip(f, at, dice.randrange(8))(broken)
                if fits and f != 'manifest.sha256':
                    remake_manifest(broken)
                code, bad, _ = check_export(broken)
                ok = code == 4 and bad[0]['file'] in (f, 'index.jsonl' if fits and f == 'records.bin' else f)
                if fits and (f.startswith('custody') or f == 'index.jsonl'):  # people's words, and the name of a source: only the manifest's hash speaks for them
                    ok = ok or (code == 3 and (f.startswith('custody') or named(broken, folder)))
                if f == 'manifest.sha256':
                    ok = code == 4
                if fits and f == 'log.pub':
                    ok = code == 4
                check(ok, '%s, byte %d%s: %d %r' % (f, at, ', manifest made to fit' if fits else '', code, bad[:1]))
                shutil.rmtree(broken)
        shutil.copytree(folder, broken)
        os.remove(os.path.join(broken, f))
        code, bad, _ = check_export(broken)
        check(code == (1 if f == 'manifest.sha256' else 4), f + ' removed: %d' % code)
        if f != 'manifest.sha256':
            remake_manifest(broken)
            check(check_export(broken)[0] == (3 if f.startswith('custody') or f == 'days.log' else 4), f + ' removed from the manifest too')
        shutil.rmtree(broken)
    moved = [rows[0], dict(rows[1], seq=rows[2]['seq'] + 1000), *rows[2:]]
    for what, change in (('a record renumbered', moved), ('two records swapped', [rows[1], rows[0], *rows[2:]])):
        shutil.copytree(folder, broken)
        with open(broken + '/index.jsonl', 'w') as f:
            f.write(''.join(json.dumps(x, separators=(',', ':'), ensure_ascii=False) + '\n' for x in change))
        remake_manifest(broken)
        check(check_export(broken)[0] == 4, what)
        shutil.rmtree(broken)


TSA = """set -e; cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=ca 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -subj /CN=tsa -out tsa.csr 2>/dev/null
printf 'extendedKeyUsage=critical,timeStamping\\n' >ext
openssl x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out tsa.pem 2>/dev/null
printf '[tsa]\\nserial=serial\\ndigests=sha256\\ndefault_policy=1.2.3\\nsigner_digest=sha256\\ness_cert_id_alg=sha256\\n' >cnf
echo 01 >serial
openssl ts -query -data note -sha256 -cert -out query 2>/dev/null
openssl ts -reply -config cnf -section tsa -queryfile query -signer tsa.pem -inkey tsa.key -out answer 2>/dev/null
"""


def stamped(state):
    """An authority's word over a checkpoint: it vouches, and a vault that was put back or replaced since is told."""
    work, good, older = path('tsa'), path('with-stamp'), path('older')
    os.makedirs(work)
    note = read(state + '/vault/default/checkpoint')
    with open(work + '/note', 'wb') as f:
        f.write(note)
    subprocess.run(['sh', '-c', TSA, 'sh', work], check=True)
    answer, size = read(work + '/answer'), int(note.split(b'\n')[1])
    shutil.copytree(state, good)
    os.makedirs(good + '/vault/default/stamps')
    f = 'vault/default/stamps/%d.tsr' % size
    with open(good + '/' + f, 'wb') as x:
        x.write(b'VGSTAMP1' + struct.pack('<II', len(note), len(answer)) + note + answer)
    words = ('--stamps', '--tsa-ca', work + '/ca.pem')
    code, bad, text, rows = verify(good, *words)
    check(code == 0 and 'vouched for' in text, 'the stamp vouches: %s %r' % (text, bad))
    check(verify(good)[0] == 3, 'only when it is asked for')
    shutil.copytree(path('before'), older, ignore=shutil.ignore_patterns('drill.sock'))
    os.makedirs(older + '/vault/default/stamps')
    shutil.copy(good + '/' + f, older + '/' + f)
    code, bad, text, _ = verify(older, *words)
    check(code == 4 and ('rolled back' in bad[0]['text'] or 'forked' in bad[0]['text']), 'put back since: %r' % bad[:1])
    shutil.copytree(path('forged'), path('forged2'))
    os.makedirs(path('forged2') + '/vault/default/stamps')
    shutil.copy(good + '/' + f, path('forged2') + '/' + f)
    code, bad, text, _ = verify(path('forged2'), *words)
    check(code == 4 and ('forked' in bad[0]['text'] or 'rolled back' in bad[0]['text']), 'replaced since: %r' % bad[:1])
    for at in (0, 8, 12, 100, 12 + len(note), len(note) + 16 + len(answer) // 2, 15 + len(note) + len(answer)):
        state2 = path('flipped')
        shutil.copytree(good, state2)
        flip(f, at, dice.randrange(8))(state2)
        code, bad, text, _ = verify(state2, *words)
        check(code == 4 and names(bad, f, at), 'stamp, byte %d: %s %r' % (at, text, bad[:1]))
        shutil.rmtree(state2)
    folder = path('stamped-case')
    subprocess.run([VIGIE, 'vault', 'export', '--state', good, '--to', folder, '--seq', '1-50'], env=env(), stdout=subprocess.DEVNULL, check=True)
    code, bad, rows = check_export(folder, *words)
    check(code == 0 and os.path.exists(folder + '/stamp.json'), 'an export takes it along: %r' % rows)


def named(broken, folder):
    """Only names of sources differ, which nothing vouches for."""
    strip = lambda p: re.sub(rb'"name":"[^"]*"', b'', read(p + '/index.jsonl'))
    return strip(broken) == strip(folder)


def running(state):
    """A watch that writes meanwhile is no damage."""
    p = serve(state)
    n = 0
    with socket.create_connection(('127.0.0.1', port_of(state, b'listen:tcp:syslog'))) as s:
        for round in range(12):
            for _ in range(1500):
                s.sendall(b'<34>1 2026-04-03T08:12:45Z host app - - - live %s\n' % dice.randbytes(300).hex().encode())
            code, bad, text, _ = verify(state, '--deep')
            n += 1
            check(code == 3, 'while it runs, %d: %s %r' % (round, text, bad[:2]))
    os.kill(p.pid, signal.SIGKILL)  # the parent; its roles end with it
    p.wait()
    time.sleep(1)
    code, bad, text, _ = verify(state)
    check(code == 3, 'killed: %s %r' % (text, bad[:2]))


def watch_over(state, w, *words):
    """A witness beside a publisher of what the watch keeps."""
    log = path('witness.log')
    publisher = subprocess.Popen([os.environ['WITNESS_RUN'], 'serve', state + '/vault'], env=env(), stdout=subprocess.PIPE)
    started.append(publisher)
    q = subprocess.Popen([VIGIE, 'witness', '--state', w, '--from', 'http://127.0.0.1:%d' % int(publisher.stdout.readline()), '--every', '1s', '--name', 'witness.test', '--listen',
                          '127.0.0.1:0', *words], env=env(), stdout=subprocess.DEVNULL, stderr=open(log, 'wb'))
    started.append(q)
    wait(lambda: b'port ' in read(log))
    return q, 'http://127.0.0.1:%d' % int(re.search(rb'port (\d+)', read(log)).group(1))


def by_settings(state, yesterday, w, key):
    """Whom the settings name is asked; it can say that something is wrong, and vouches only when a person knows its key."""
    pem, secret = path('w.pem'), path('w.key')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', secret, '-out', pem, '-days', '30', '-subj', '/CN=localhost',
                    '-addext', 'subjectAltName=DNS:localhost'], check=True, stderr=subprocess.DEVNULL)
    q, url = watch_over(state, w, '--listen-cert', pem, '--listen-key', secret)
    url = url.replace('http://127.0.0.1', 'https://localhost')
    settings = 'outward:\n  ca: %s\nwitness:\n  token: 0123456789abcdef0123456789abcdef\n  urls: [%s, https://localhost:1]\n' % (pem, url)
    for s in (state, yesterday):
        with open(s + '/vigie.yaml', 'w', opener=lambda f, flags: os.open(f, flags, 0o600)) as f:
            f.write(settings)
    code, bad, _, rows = verify(state)
    text = '\n'.join(r.get('text', '') for r in rows)
    check(code == 3 and 'saw the same' in text and 'as witness.urls says' in text and 'witness.test vouches' not in text, 'asked, and no more: %d %s %r' % (code, text, bad))
    check(any(r['kind'] == 'warning' and r['file'] == 'https://localhost:1' for r in rows), 'one that does not answer is told: %r' % rows)
    check(verify(state, '--witness-key', key)[0] == 0, 'it vouches when its key is known')
    code, bad, text, _ = verify(yesterday)
    check(code == 4 and 'rolled back' in bad[0]['text'], 'yesterday\'s copy, by the settings: %d %r' % (code, bad[:1]))
    code, bad, text, rows = verify(state, '--settings', path('none.yaml'))
    check(code == 2, 'settings that are not there: %d %s' % (code, text))
    for s in (state, yesterday):
        os.remove(s + '/vigie.yaml')
    q.terminate()


def witness(state):
    """Yesterday's copy of the whole machine, and a vault made anew with the stolen key: only somebody outside can know."""
    p = serve(state)
    w = path('witness')
    q, url = watch_over(state, w)
    held = lambda: read(w + '/vault/default/checkpoint') if os.path.exists(w + '/vault/default/checkpoint') else b''
    wait(held)
    check(stop(p) == 0, 'the watch stops')
    yesterday = path('yesterday')
    shutil.copytree(state, yesterday)
    p = serve(state)
    root = lambda: read(state + '/vault/default/checkpoint').split(b'\n')[1:3]
    before = root()
    send(state, 3000)
    wait(lambda: root() != before and held().split(b'\n')[1:3] == root())
    code, bad, text, rows = verify(state, '--witness', url)
    check(code == 0 and 'vouched for outside' in text, 'the witness vouches while the watch runs: %s %r' % (text, bad))
    check(stop(p) == 0, 'the watch stops again')
    key = read(w + '/vault/witness.pub').decode().strip()
    code, bad, text, rows = verify(state, '--witness', url, '--witness-key', key)
    check(code == 0, 'the witness vouches: %s %r' % (text, bad))
    code, bad, text, _ = verify(yesterday, '--witness', url, '--witness-key', key)
    check(code == 4 and 'rolled back' in bad[0]['text'] and 'copy of the whole machine' in bad[0]['text'], 'yesterday\'s copy: %r' % bad[:1])
    check(verify(yesterday)[0] == 3, 'which nobody inside can know')
    forged = path('forged')
    shutil.copytree(yesterday, forged)
    p = serve(forged)
    send(forged, 6000)
    stop(p)
    check(verify(forged)[0] == 3, 'a day lived again is sound by itself')
    code, bad, text, _ = verify(forged, '--witness', url, '--witness-key', key)
    check(code == 4 and ('forked' in bad[0]['text'] and 'today was replaced' in bad[0]['text']), 'and told by the witness: %r' % bad[:1])
    code, bad, text, _ = verify(w, '--witness-key', key)
    check(code == 0, 'the witness\'s own copy: %s %r' % (text, bad[:1]))
    check(verify(w)[0] == 3, 'without its key: sound')
    seen = glob.glob(w + '/vault/default/seen/*')[0]
    for f in (seen, w + '/vault/default/log.pub', glob.glob(w + '/vault/default/*.vs')[0]):
        data = read(f)
        for _ in range(6):
            at = dice.randrange(len(data))
            flip(f, at, dice.randrange(7))('/')
            code, bad, text, _ = verify(w)
            q_is_sound = f == seen and code == 3  # a cosignature's own bits: the witness's key was not given
            check(q_is_sound or (code == 4 and w + '/' + bad[0]['file'] == f), '%s, byte %d: %s %r' % (f, at, text, bad[:1]))
            with open(f, 'wb') as x:
                x.write(data)
    another = path('another')
    p = serve(another)
    stop(p)
    code, bad, text, _ = verify(another, '--witness', url, '--witness-key', key)
    check(code == 4 and 'another log' in bad[0]['text'], 'a vault with another key: %r' % bad[:1])
    q.terminate()
    q.wait()
    by_settings(state, yesterday, w, key)


def main():
    good, before = path('good'), path('before')
    p = serve(good)
    send(good, 3000)
    check(stop(p) == 0, 'the watch stops')
    shutil.copytree(good, before)
    p = serve(good)
    send(good, 18000)
    check(stop(p) == 0, 'the watch stops')
    code, bad, text, _ = verify(good)
    check(code == 3 and not bad, 'what was not touched is sound: %s %r' % (text, bad[:2]))
    deep(good)
    rearrangements(good)
    older(good, before)
    removals(good)
    flips(good)
    running(path('before'))
    witness(good)
    export(good)
    stamped(good)


try:
    main()
finally:
    for child in started:
        if child.poll() is None:
            child.kill()
end()
