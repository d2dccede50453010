"""self_backup.py: a watch under load is backed up, its machine is lost, and a new one is made from the witness's evidence and the backup: the same sources
under the same numbers, the same keys, the same signals.  No private key is in the file, whoever is killed leaves nothing half, and what somebody made of a
backup is refused whole."""
import base64
import ctypes
import ctypes.util
import glob
import hashlib
import io
import json
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import tarfile
import threading
import time

import watch
from scenario import VIGIE, check, end, env, path, read, write
from watch import DATA, Watch, bearer, bulk, keyword_rule, until
from witnessed import TOKEN, checkpoint, recovery_key, start_witness, vigie, witness_url

watch.LISTENERS += ('witness',)
dice = random.Random(7)
ALARM = 'alarm:\n  level: medium\n  pause: 1 s\n  command: [%s]\n' % path('tell')
SETTINGS = 'witness:\n  token: %s # of the witness\nvault:\n  checkpoint-every: 2s\n' % TOKEN + ALARM
TELL = '#!/bin/sh\nif [ -e %(home)s/deaf ]; then exit 7; fi\ncat >>%(home)s/heard\n'
EXCEPTION = '''title: Known thing
id: 00000000-0000-4000-8000-0000000000ff
author: somebody
description: it is known
expires: 2099-01-01
logsource:
  product: linux
filter:
  rules: [%s]
  selection:
    - 'not this one'
  condition: not selection
'''


# ---- archives, as the program writes them or not ----

def zstd():
    z = ctypes.CDLL(ctypes.util.find_library('zstd'))
    for name in ('ZSTD_compressBound', 'ZSTD_compress', 'ZSTD_decompress'):
        getattr(z, name).restype = ctypes.c_size_t
    return z


def pack(data):
    z = zstd()
    room = ctypes.create_string_buffer(z.ZSTD_compressBound(ctypes.c_size_t(len(data))))
    n = z.ZSTD_compress(room, ctypes.c_size_t(len(room)), data, ctypes.c_size_t(len(data)), 3)
    return room.raw[:n]


def unpack(name):
    """What stands in it, read by others' programs: zstd's own library and Python's tar."""
    data = read(name)
    room = ctypes.create_string_buffer(64 << 20)
    n = zstd().ZSTD_decompress(room, ctypes.c_size_t(len(room)), data, ctypes.c_size_t(len(data)))
    with tarfile.open(fileobj=io.BytesIO(room.raw[:n])) as t:
        return {m.name: t.extractfile(m).read() for m in t.getmembers()}


def made(name, members, head=None, more=b''):
    """A file of these members with a manifest that fits them."""
    manifest = head or 'vigie self-backup 1\nprogram 0.1.0\nnode n\nmade 2026-01-01T00:00:00Z\nnext 1\n'
    for k, v in sorted(members.items()):
        manifest += 'member %s %d %s\n' % (hashlib.sha256(v).hexdigest(), len(v), k)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as t:
        for k, v in [('manifest', manifest.encode())] + sorted(members.items()):
            info = tarfile.TarInfo(k)
            info.size, info.mode = len(v), 0o600
            t.addfile(info, io.BytesIO(v))
    raw = out.getvalue().rstrip(b'\0')
    raw += bytes(-len(raw) % 512 + 1024) + more
    return write(name, pack(ustar(raw)))


def ustar(raw):
    """Python writes devices' numbers into headers, and we do not: the same archive with ours."""
    out, at = b'', 0
    while raw[at:at + 1] not in (b'', b'\0'):
        head = bytearray(raw[at:at + 512])
        size = int(head[124:135], 8)
        for field in ((100, 7), (108, 7), (116, 7)):
            head[field[0]:field[0] + 8] = head[field[0]:field[0] + 7].rjust(7, b'0') + b'\0'
        head[329:345] = bytes(16)
        head[148:156] = b' ' * 8
        head[148:156] = b'%06o\0 ' % sum(head)
        out += bytes(head) + raw[at + 512:at + 512 + size + -size % 512]
        at += 512 + size + -size % 512
    return out + raw[at:]


# ---- what is asked ----

def tree(folder):
    return {os.path.relpath(os.path.join(d, f), folder): read(os.path.join(d, f)) for d, _, names in os.walk(folder) for f in names}


def sources(w):
    return {s['id']: (s['name'], s['address'], s['listener'], s['proof'], s['state']) for s in w.rows('source', 'list')}


def signals(w):
    return {s['id']: (s['rule'], s['title'], s['time']) for s in w.signals()}


def alarms(w, state):
    return sum(a['count'] for a in w.rows('alarm', 'list') if a['state'] == state and a['title'] == 'Evil word')


def secrets(state):
    """Every private byte of a state, as it is and as text says it; and the token."""
    found = {'token': TOKEN.encode()}
    for name in glob.glob(state + '/keys/*') + glob.glob(state + '/seal/*.secret'):
        data = read(name)[:32]
        found[name], found[name + ' hex'], found[name + ' base64'] = data, data.hex().encode(), base64.b64encode(data)[:40]
    pem = read(state + '/tls/key.pem').split(b'-----')[2].split()
    for i, line in enumerate(pem[:-1]):
        found['tls key, line %d' % i] = line
    return found


def no_secret(members, found, what):
    for name, data in members.items():
        for k, v in found.items():
            check(v not in data, '%s: %s is in %s' % (what, k, name))


# ---- a watch under load ----

class Load(threading.Thread):
    def __init__(self, w):
        super().__init__(daemon=True)
        self.port, self.ended, self.n = w.port('syslog'), threading.Event(), 0

    def run(self):
        with socket.create_connection(('127.0.0.1', self.port)) as s:
            while not self.ended.is_set():
                s.sendall(b''.join(b'<38>1 - web1 sshd - - - load %d %s\n' % (self.n + i, b'evil' if (self.n + i) % 500 == 0 else b'good') for i in range(50)))
                self.n += 50
                time.sleep(0.01)


def backups_under_load(w):
    """Each is whole, and each database in it of one moment: a signal whose record trace had not counted would be torn."""
    load = Load(w)
    load.start()
    known = secrets(w.state)
    for i in range(4):
        r = w.vigie('self-backup', '--to', path('load.tar.zst'), '--format', 'jsonl')
        row = json.loads(r.stdout)
        check(row['sha256'] == hashlib.sha256(read(path('load.tar.zst'))).hexdigest(), 'the digest is the file\'s')
        check(row['left_out'] == ['witness.token'], 'what was left out is told: %s' % row)
        check(vigie('self-backup', 'check', path('load.tar.zst'), '--sha256', row['sha256']).returncode == 0, 'and it is whole')
        members = unpack(path('load.tar.zst'))
        no_secret(members, known, 'backup %d' % i)
        no_secret({'file': read(path('load.tar.zst'))}, known, 'backup %d' % i)
        for name in ('vault/catalogue.db', 'trace/signals.db', 'out/out.db'):
            db = sqlite3.connect(write('asked.db', members[name]))
            check(db.execute('PRAGMA integrity_check').fetchone()[0] == 'ok', 'sound: ' + name)
            if name.startswith('out'):
                told = db.execute("SELECT count(*) FROM known").fetchone()[0]
                check(told >= kept, 'an alarm that does not wait in trace any more is in out: %d of %d' % (told, kept))
            if name.startswith('trace'):
                kept = db.execute('SELECT (SELECT count(*) FROM signal) - (SELECT count(*) FROM alarm)').fetchone()[0]
                count = int(db.execute("SELECT value FROM state WHERE name='next'").fetchone()[0])
                late = [e for (e,) in db.execute('SELECT evidence FROM signal') if int.from_bytes(e[:8], 'little') >= count + 200000]
                check(not late, 'signals and place are of one moment')
            db.close()
    load.ended.set()
    load.join()


def killed(w):
    """Half of it never stands under the name; the one before stays; what was left behind goes with the next."""
    folder = path('killed')
    os.makedirs(folder)
    target = folder + '/x.tar.zst'
    stage = lambda: any(n.startswith('.vigie-self-backup.') for n in os.listdir(folder))
    seen = 0
    for _ in range(40):
        before = read(target) if os.path.exists(target) else None
        p = subprocess.Popen([VIGIE, 'self-backup', '--state', w.state, '--to', target], env=env(VIGIE_DATA=DATA), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: stage() or p.poll() is not None, 10, 0.0002)
        time.sleep(0.02 * dice.random() ** 2)
        p.kill()
        p.wait()
        seen += stage()
        if os.path.exists(target):
            check(read(target) == before or vigie('self-backup', 'check', target).returncode == 0, 'killed, and the file is whole')
    check(seen > 2, 'some were killed in the middle: %d' % seen)
    w.vigie('self-backup', '--to', target)
    check(os.listdir(folder) == ['x.tar.zst'], 'nothing is left behind: %s' % os.listdir(folder))


def full(w):
    """No room: told, and nothing is left."""
    folder = path('full')
    os.makedirs(folder)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    r = subprocess.run([VIGIE, 'self-backup', '--state', w.state, '--to', folder], env=env(VIGIE_DATA=DATA), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=limit,
                       check=False, text=True)
    check(r.returncode == 4 and 'ERROR' in r.stdout, 'no room is told: %d %s' % (r.returncode, r.stdout))
    check(os.listdir(folder) == [], 'and nothing is left: %s' % os.listdir(folder))


def refused(what, name, says, *words, state=None):
    """Refused with these words, and the folder is as it was, or is not there."""
    to = state or path('refused')
    before = tree(to) if os.path.exists(to) else None
    r = vigie('self-backup', 'restore', name, '--state', to, *words)
    check(r.returncode != 0 and says in r.stdout, '%s: refused: %d %s' % (what, r.returncode, r.stdout))
    after = tree(to) if os.path.exists(to) else None
    check(after == before, '%s: nothing changed: %s' % (what, sorted(after or {})))


def hostile(good):
    blind = '--without-vault'
    members = {k: v for k, v in unpack(good).items() if k != 'manifest'}
    refused('no such file', path('none'), 'No such file', blind)
    refused('rubbish', write('rubbish', b'no archive ' * 100), 'no self-backup', blind)
    refused('an archive', write('a.tar.zst', pack(b'x' * 2048)), 'does not begin with a manifest', blind)
    refused('cut', write('cut', read(good)[:-40]), 'nothing of it was put in place', blind)
    refused('another file', good, 'another one than --sha256 says', blind, '--sha256', '0' * 64)
    refused('a later version', made('later', {}, 'vigie self-backup 7\nwhatever\n'), 'of version 7, of a later Vigie', blind)
    refused('a path that leads out', made('out', {**members, '../escaped': b'x'}), 'nothing of it was put in place', blind)
    check(not os.path.exists(path('escaped')), 'nothing escaped')
    for name in ('seal/log.secret', 'keys/default.key', 'lock', 'vault/default/checkpoint', 'vault/catalogue.db-wal', 'tls/key.pem'):
        refused(name, made('place', {**members, name: b'x' * 32}), 'no place is known for ' + name, blind)
    refused('more behind it', made('more', members, more=b'x' * 512), 'nothing of it was put in place', blind)
    refused('no catalogue', made('nocat', {'vigie.yaml': b''}), 'catalogue.db is not in it', blind)
    refused('no database', made('nodb', {**members, 'vault/catalogue.db': b'SQLite format 3\0' + bytes(4080)}), 'catalogue.db', blind)
    for sql in ("CREATE TRIGGER t AFTER INSERT ON source BEGIN DELETE FROM source; END", 'CREATE VIEW v AS SELECT * FROM source', 'CREATE TABLE mine (x)', 'DROP TABLE aside',
                'PRAGMA user_version = 900'):
        f = write('hostile.db', members['vault/catalogue.db'])
        db = sqlite3.connect(f)
        db.execute(sql)
        db.commit()
        db.close()
        refused(sql, made('trigger', {**members, 'vault/catalogue.db': read(f)}), 'later Vigie' if '900' in sql else 'does not have', blind)
    f = write('hostile.db', members['out/out.db'])
    with sqlite3.connect(f) as db:
        db.execute("CREATE TRIGGER t AFTER DELETE ON due BEGIN INSERT INTO told SELECT * FROM told; END")
    db.close()
    refused('a trigger in out.db', made('trigger', {**members, 'out/out.db': read(f)}), 'does not have', blind)
    r = vigie('self-backup', 'restore', made('sound', members), '--state', path('accepted'), blind)
    check(r.returncode == 0, 'what is sound is taken, whoever made it: ' + r.stdout)


def killed_restores(good, url, recovery):
    """Ended anywhere, it is done by the same command again; no watch begins in between."""
    bare = path('bare')
    check(vigie('vault', 'restore', '--state', bare, '--from', url, '--recovery-key', recovery).returncode == 0, 'the evidence is back')
    shutil.copytree(bare, path('k0'))
    begun = time.monotonic()
    check(vigie('self-backup', 'restore', good, '--state', path('k0')).returncode == 0, 'restored')
    took = time.monotonic() - begun
    whole = {k for k in tree(path('k0')) if not k.startswith('vault/intake')}
    middle = 0
    for i in range(25):
        state = path('k')
        shutil.copytree(bare, state)
        p = subprocess.Popen([VIGIE, 'self-backup', 'restore', good, '--state', state], env=env(VIGIE_DATA=DATA), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * (0.2 + 0.8 * dice.random()))
        p.kill()
        if p.wait() == 0:
            shutil.rmtree(state)
            continue
        if os.path.exists(state + '/restoring'):
            r = vigie('serve', '--state', state, '--quiet')
            check(r.returncode != 0 and 'ended in the middle' in r.stdout, 'no watch begins on half of it: %s' % r.stdout)
        middle += os.path.exists(state + '/restoring/sha256')
        r = vigie('self-backup', 'restore', good, '--state', state)
        done = 'has vault/catalogue.db already' in r.stdout or 'already: a restore goes' in r.stdout  # killed behind its end
        check(r.returncode == 0 or done, 'and again: %s' % r.stdout)
        check({k for k in tree(state) if not k.startswith('vault/intake')} == whole, 'whole after %d: %s' % (i, sorted(whole ^ set(tree(state)))))
        check(len(os.listdir(state + '/vault/intake')) == 1, 'one journal: %s' % os.listdir(state + '/vault/intake'))
        shutil.rmtree(state)
    print(middle, 'restores were ended while members took their places')


def ahead(good):
    """The witness has less than the backup knew of: what is between is told to be lost, and its numbers are given to nobody."""
    state = path('ahead')
    shutil.copytree(path('bare'), state)
    members = {k: v for k, v in unpack(good).items() if k != 'manifest'}
    name = made('ahead.tar.zst', members, 'vigie self-backup 1\nprogram 0.1.0\nnode n\nmade 2026-01-01T00:00:00Z\nnext 5000000\n')
    r = vigie('self-backup', 'restore', name, '--state', state)
    check(r.returncode == 0 and 'the watch had it up to 5000000: what is between is lost' in r.stdout, 'told: ' + r.stdout)
    w = Watch('ahead')
    w.settings('vault:\n  checkpoint-every: 2s\n')
    w.start()
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b'<38>1 - web1 sshd - - - afterwards\n')
    found = until(lambda: w.search('afterwards'), 10)
    check(found and found[0]['seq'] > 5000000, 'numbers go on behind: %s' % found)
    w.stop()
    r = vigie('vault', 'verify', '--state', state)
    check(r.returncode == 3, 'it is sound: %d %s' % (r.returncode, r.stdout))


def main():
    rule = keyword_rule('Evil word', 'evil')
    os.chmod(write('tell', TELL % {'home': path()}), 0o755)
    w = Watch(rules=[rule], settings=SETTINGS)
    os.makedirs(w.state + '/exceptions')
    write(w.state + '/exceptions/known.yml', EXCEPTION % '00000000-0000-4000-8000-000000000001')
    write(w.state + '/exceptions/mine.pem', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')
    r = vigie('self-backup', '--state', w.state, '--to', path('early.tar.zst'))
    check(r.returncode != 0 and not os.path.exists(path('early.tar.zst')), 'there is nothing to back up yet: ' + r.stdout)
    os.remove(w.state + '/exceptions/mine.pem')
    w.start()
    keeps = path('witness')
    witness = start_witness(w, keeps)
    try:
        url = witness_url()
        key = w.key('dc1')
        watch.acknowledged([], bulk(w.https(), key, [(None, {'message': 'from dc1, evil'})]))
        with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
            s.sendall(b'<38>1 - web1 sshd - - - evil one\n')
        check(until(lambda: len(sources(w)) == 2, 10), 'two senders: %s' % sources(w))
        w.vigie('source', 'adopt', *[str(i) for i, s in sources(w).items() if s[4] == 'new'])
        check(until(lambda: alarms(w, 'told') == 1, 40), 'people are told: %s' % w.rows('alarm', 'list'))
        write('deaf', '')
        check('self_backup_seconds' in w.status() and w.status()['self_backup_seconds'] == 0, 'there was none yet')
        backups_under_load(w)
        killed(w)
        full(w)
        check(abs(w.status()['self_backup_seconds'] - time.time()) < 600, 'status knows of it')
        w.examined()
        write(w.state + '/exceptions/mine.pem', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')
        check(until(lambda: alarms(w, 'waiting') == len(signals(w)) - 1, 20), 'what is not told waits')
        r = w.vigie('self-backup', '--to', path('good.tar.zst'))
        check(b'there is a private key in it' in r.stderr, 'a private key among exceptions stays out')
        good = path('good.tar.zst')
        members = unpack(good)
        check('exceptions/known.yml' in members and 'exceptions/mine.pem' not in members and 'rules/0/0.yml' in members, 'what people wrote is in it: %s' % sorted(members))
        check(b'token: ""' in members['vigie.yaml'], 'the settings, without the token')
        had_sources, had_signals, waited = sources(w), signals(w), alarms(w, 'waiting')
        check(waited, 'alarms wait: %s' % w.rows('alarm', 'list'))
        check(len(had_signals) > 3, 'there are signals: %d' % len(had_signals))
        late = w.key('late')  # nobody knows of it but the evidence
        bulk(w.https(), late, [(None, {'message': 'who was this %d' % i}) for i in range(5)])
        known_next = w.examined()['vault.0.next']
        check(until(lambda: checkpoint(keeps)[1] >= known_next, 40), 'the witness has all: %s of %d' % (checkpoint(keeps), known_next))
        late_id = [i for i, s in sources(w).items() if s[0] == 'late'][0]
        recovery = recovery_key(w)
        w.process.send_signal(signal.SIGKILL)
        w.process.wait()
        check(vigie('self-backup', 'restore', good, '--state', w.state).returncode == 3, 'nothing is written over')
        shutil.rmtree(w.state)

        hostile(good)
        refused('no evidence', good, 'comes first')
        check(vigie('vault', 'restore', '--state', path('blind'), '--from', url).returncode == 0, 'the evidence, without its keys')
        refused('keys are not here', good, '--recovery-key', state=path('blind'))
        killed_restores(good, url, recovery)
        ahead(good)

        check(vigie('vault', 'restore', '--state', path('new'), '--from', url, '--recovery-key', recovery).returncode == 0, 'the evidence is back')
        r = vigie('self-backup', 'restore', good, '--state', path('new'))
        check(r.returncode == 0 and 'source %d sent 5 records' % late_id in r.stdout and 'witness.token' in r.stdout, 'restored: ' + r.stdout)
        check(read(path('new') + '/restored/rules/0/0.yml') == rule.encode(), 'own rules are at hand')
        check(read(path('new') + '/exceptions/known.yml') == members['exceptions/known.yml'], 'exceptions are back')
        n = Watch('new', rules=[rule])
        n.settings('vault:\n  checkpoint-every: 2s\n' + ALARM)
        check(alarms(n, 'waiting') == waited and alarms(n, 'told') == 1, 'alarms wait still: %s' % n.rows('alarm', 'list'))
        heard = len(read(path('heard')))
        os.remove(path('deaf'))
        n.start()
        check(until(lambda: alarms(n, 'told') == waited + 1, 40), 'and are told by the new watch: %s' % n.rows('alarm', 'list'))
        rows = [a for line in read(path('heard'))[heard:].splitlines() for a in json.loads(line)['alarms'] if a['title'] == 'Evil word']
        check(sum(a['count'] for a in rows) == waited, 'once: %s' % rows)
        now = sources(n)
        check({i: s for i, s in now.items() if i in had_sources} == had_sources, 'the same sources: %s, %s' % (had_sources, now))
        check(now.get(late_id, ('',))[0] == 'unknown-%d' % late_id, 'and one that nobody knows: %s' % now)
        check(had_signals.items() <= signals(n).items(), 'the same signals')
        show = n.vigie('signal', 'show', next(iter(had_signals))).stdout
        check(b'evil' in show, 'with their proof: %s' % show)
        found = n.search('from')
        check(found and {f['source'] for f in found if 'dc1' in f['raw']} == {'dc1'}, 'records have the names that they had: %s' % found[:2])
        check({f['source_id'] for f in n.search('who')} == {late_id} and {f['source'] for f in n.search('who')} == {'unknown-%d' % late_id}, 'or are told to have none')
        status, items = bulk(n.https(), key, [(None, {'message': 'evil again'})])
        check(status == 200 and items, 'a key works: %s' % status)
        status, _ = bulk(n.https(), late, [(None, {'message': 'x'})])
        check(status == 401, 'one that is not in it does not: %s' % status)
        fresh = n.key('fresh')
        bulk(n.https(), fresh, [(None, {'message': 'newcomer'})])
        check(until(lambda: n.search('newcomer'), 10)[0]['source'] == 'fresh', 'new ones come in')
        check([i for i, s in sources(n).items() if s[0] == 'fresh'][0] not in set(had_sources) | {late_id}, 'under a number of their own')
        with socket.create_connection(('127.0.0.1', n.port('syslog'))) as s:
            s.sendall(b'<38>1 - web1 sshd - - - evil, afterwards\n')
        check(until(lambda: len(signals(n)) > len(had_signals), 10), 'and rules see them')
        record = n.search('state-restored')
        check(len(record) == 1 and record[0]['seq'] >= known_next and hashlib.sha256(read(good)).hexdigest() in record[0]['raw'], 'the evidence says what was done: %s' % record)
        until(lambda: checkpoint(n.state)[2] == 1, 15)
        n.stop()
        r = vigie('vault', 'verify', '--deep', '--state', n.state)
        check(r.returncode == 3, 'it is sound: %d %s' % (r.returncode, r.stdout))
    finally:
        witness.send_signal(signal.SIGTERM)
        witness.wait()
    end()


main()
