#!/usr/bin/env python3
"""`vigie vault redecode` beside a running watch: searches by field answer the same before, with packs of yesterday, and after, and less is decoded; a pack that
was not there is told with what it gained; it may be killed at any moment; a damaged cache is told and changes no answer; --drop takes it away."""
import glob
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time

from scenario import check, end, env, path
from watch import DATA, Watch, until

SELECTIONS = ['user.name: bob', 'event.outcome: failure', 'user.name: null', 'not event.action: *', 'source.ip|cidr: 10.0.0.0/12', 'event.action: sign-in and user.name|startswith: al',
              'user.effective.name|exists: true', 'needle42']
dice = random.Random(7)


def lines():
    user = ('bob', 'alice', 'root', 'zoe')
    for n in range(6000):
        u = user[n % 7 % 4]
        yield ('<86>1 2026-01-01T00:00:00Z gw sshd 77 - - %s password for %s from 10.%d.2.3 port %d ssh2' % (('Failed', 'Accepted')[n % 3 == 0], u, n % 40, n + 1000),
               '<85>1 2026-01-01T00:00:00Z web sudo 78 - - %s : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/cat %d' % (u, n),
               '{"eventType":"user.session.start","published":"2026-04-03T08:12:45.000Z","actor":{"alternateId":"%s@example.org"},"client":{"ipAddress":"198.51.100.%d"},"outcome":{"result":"FAILURE"}}' % (u, n % 250),
               '<14>1 2026-01-01T00:00:00Z app own - - - order %d%s' % (n, ' needle42' if n == 3000 else ''))[n % 4]


def older_packs():
    """What we knew before sudo and Okta."""
    data = path('older')
    shutil.copytree(os.path.join(DATA, 'packs'), os.path.join(data, 'packs'))
    for name in ('sudo', 'okta'):
        os.remove(os.path.join(data, 'packs', name + '.yaml'))
    return data


def run(w, *words, data=DATA, good=(0,)):
    r = subprocess.run([w.program, 'vault', *words, '--state', w.state], env=env(VIGIE_DATA=data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    check(r.returncode in good, 'vault %s: %d %s' % (' '.join(words[:2]), r.returncode, r.stderr.decode()[:300]))
    return r


def found(w, selection, data=DATA):
    r = run(w, 'search', selection, '--format', 'jsonl', data=data)
    return r.stdout, r.stderr.decode()


def rows(r):
    return [json.loads(line) for line in r.stdout.splitlines()]


def caches(w):
    return sorted(glob.glob(os.path.join(w.state, 'vault', '*', '*.vf')))


def compare(w, truth, what, data=DATA):
    bad = [s for s in SELECTIONS if found(w, s, data)[0] != truth[s]]
    check(not bad, 'the same answers %s: %s' % (what, bad))


def main():
    older = older_packs()
    w = Watch('redecode', settings='vault:\n  checkpoint-every: 1 s\n  field-cache: 50 %\n').start()
    sent = [line.encode() for line in lines()]
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b'\n'.join(sent) + b'\n')
    check(w.examined(), 'all of it is kept')
    segments = glob.glob(os.path.join(w.state, 'vault', '*', '*.vs'))
    check(until(lambda: sum(os.path.getsize(f) for f in segments) > 20000), 'blocks are cut')
    time.sleep(2.5)
    truth = {d: {s: found(w, s, d)[0] for s in SELECTIONS} for d in (DATA, older)}
    check(truth[DATA]['user.name: bob'].count(b'\n') > 500 and truth[DATA]['user.name: bob'] != truth[older]['user.name: bob'], 'the packs make a difference')
    check(not caches(w), 'the watch makes none by itself')

    first = rows(run(w, 'redecode', '--format', 'jsonl', data=older))
    check(first[0]['made'] == 1 and first[0]['records'] >= 5900 and first[0]['compared'] == 0 and len(caches(w)) == 1, 'it is made: %s' % first)
    compare(w, truth[older], 'with it', older)
    compare(w, truth[DATA], 'when it is of older packs')
    again = rows(run(w, 'redecode', '--format', 'jsonl', data=older))
    check(again[0]['made'] <= 1 and (again[0]['current'] == 1 or again[0]['compared'] > 0) and not again[1:], 'what is there is up to date: %s' % again)

    told = rows(run(w, 'redecode', '--format', 'jsonl'))
    kinds = {(r['kind'], r.get('to', '').split(' ')[0]): r['records'] for r in told[1:]}
    check(kinds.get(('known', 'okta'), 0) > 1400 and kinds.get(('other', 'sudo'), 0) > 1400 and told[0]['known'] - told[0]['known_before'] > 1400, 'what the packs gained: %s' % told)
    compare(w, truth[DATA], 'with the new one')
    back = rows(run(w, 'redecode', '--format', 'jsonl', data=older))
    check(any(r['kind'] == 'lost' and r['from'].startswith('okta') for r in back), 'and what they lost: %s' % back)
    text = run(w, 'redecode').stdout.decode()
    check('that no pack knew are known now: okta' in text and '% of the segments' in text, 'a person is told: ' + text)

    for n in range(12):  # at any moment
        p = subprocess.Popen([w.program, 'vault', 'redecode', '--state', w.state], env=env(VIGIE_DATA=(older, DATA)[n % 2]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.random() * 0.25)
        p.send_signal(signal.SIGKILL)
        p.wait()
    compare(w, truth[DATA], 'after it was killed')
    run(w, 'redecode')
    check(not glob.glob(os.path.join(w.state, 'vault', '*', '*.tmp')), 'nothing is left over')
    w.stop()

    verified = run(w, 'verify', good=(3,)).stdout.decode()
    check('.vf' not in verified, 'it is no evidence, and whole: ' + verified[:300])
    cache = caches(w)[0]
    with open(cache, 'rb') as f:
        good = f.read()
    for at in sorted({0, 30, 70, len(good) - 1} | {dice.randrange(len(good)) for _ in range(4)}):
        with open(cache, 'wb') as f:
            f.write(good[:at] + bytes([good[at] ^ 4]) + good[at + 1:])
        compare(w, truth[DATA], 'when byte %d is another one' % at)
        verified = run(w, 'verify', good=(4,)).stdout.decode()
        check(os.path.basename(cache) in verified and 'no evidence' in verified, 'verify names it: ' + verified[:300])
    told = [found(w, s)[1] for s in SELECTIONS]
    check(any('field cache' in t for t in told), 'a person is told that it is damaged: %s' % told)
    run(w, 'redecode')
    check(run(w, 'verify', good=(3,)).stdout.decode().count('.vf') == 0, 'it is made anew')
    compare(w, truth[DATA], 'when it is made anew')

    check(not run(w, 'redecode', '--from', '2020-01-01', '--to', '2020-02-01', '--drop').returncode and caches(w), 'other days are left alone')
    run(w, 'redecode', '--drop')
    check(not caches(w), '--drop takes it away')
    compare(w, truth[DATA], 'without it')

    w.settings('vault:\n  field-cache: 0 %\n')
    run(w, 'redecode', good=(2,))
    check(not caches(w), 'none is made where none may be')
    end()


if __name__ == '__main__':
    main()
