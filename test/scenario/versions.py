"""versions.py: a state folder that an earlier Vigie wrote is brought up to date with all that is in it; one of a later Vigie is refused with words that name
both versions, and left as it is."""
import hashlib
import os
import socket
import sqlite3
import subprocess

from scenario import VIGIE, check, end, env, path, read, write
from watch import DATA, Watch, keyword_rule, until

OFF = [word for name in ('syslog', 'syslog-tls', 'https', 'witness', 'metrics') for word in ('--listen', name + '=off')]


def serve(state):
    try:
        r = subprocess.run([VIGIE, 'serve', '--quiet', '--state', state, *OFF], env=env(VIGIE_DATA=DATA), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30,
                           check=False)
    except subprocess.TimeoutExpired as e:
        return 'it runs', (e.stdout or b'').decode()
    return r.returncode, r.stdout


def ask(db, sql):
    c = sqlite3.connect(db)
    rows = c.execute(sql).fetchall()
    c.commit()
    c.close()
    return rows


def folder_format(version):
    text = 'vigie state %d' % version
    return '%s %s\n' % (text, hashlib.sha256(text.encode()).hexdigest()[:8])


def main():
    w = Watch(rules=[keyword_rule('Evil word', 'evil')]).start()
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b'<38>1 - web1 sshd - - - evil one\n')
    signals = until(w.signals, 20)
    sources = w.rows('source', 'list')
    w.stop()
    check(read(w.state + '/format') == folder_format(1).encode(), 'the folder says its version: %r' % read(w.state + '/format'))

    for name in ('vault/catalogue.db', 'trace/signals.db', 'out/out.db'):
        db = os.path.join(w.state, name)
        now = ask(db, 'PRAGMA user_version')[0][0]
        ask(db, 'PRAGMA user_version = 4711')
        code, text = serve(w.state)
        check(code not in (0, 'it runs') and name in text and 'version 4711, of a later Vigie' in text and 'knows up to %d: install' % now in text, '%s of a later version: %s %s' % (name, code, text))
        check(ask(db, 'PRAGMA user_version')[0][0] == 4711, name + ' is left')
        words = {'vault': 'source', 'trace': 'signal', 'out': 'alarm'}[name.split('/', 1)[0]], 'list'
        r = w.vigie(*words, good=(3,))
        check(b'4711' in r.stderr, 'commands say so, too: %s' % r.stderr)
        ask(db, 'PRAGMA user_version = %d' % now)

    for table in ('alarm', 'drilled', 'seen_log', 'seen_field'):
        ask(w.state + '/trace/signals.db', 'DROP TABLE ' + table)
    ask(w.state + '/trace/signals.db', 'PRAGMA user_version = 1')  # version 1 had the tables of version 2 beside it
    check(w.signals() == signals, 'an old one is read by who may only read')
    check(ask(w.state + '/trace/signals.db', 'PRAGMA user_version')[0][0] == 1, 'and left')

    write(w.state + '/format', folder_format(9))
    code, text = serve(w.state)
    check(code not in (0, 'it runs') and 'of format 9, of a later Vigie' in text and 'knows up to 1: install' in text, 'a later folder: %s %s' % (code, text))
    r = w.vigie('status', good=(3,))
    check(b'format 9' in r.stderr, 'commands say so, too: %s' % r.stderr)
    os.remove(w.state + '/format')  # the first version had none

    w.start()
    check('signals.db: brought from version 1 to' in w.said(w.begin), 'it tells what it did: %s' % w.said(w.begin))
    check(w.signals() == signals, 'nothing is lost: %s' % w.signals())
    now = w.rows('source', 'list')
    check([s['id'] for s in now] == [s['id'] for s in sources], 'nor of the catalogue')
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b'<38>1 - web1 sshd - - - evil two\n')
    check(until(lambda: len(w.signals()) == len(signals) + 1, 20), 'and it goes on')
    w.stop()
    check(read(w.state + '/format') == folder_format(1).encode(), 'the folder says its version again')

    witness = path('keeps')
    os.makedirs(witness)
    text = 'vigie witness 5'
    write(witness + '/format', '%s %s\n' % (text, hashlib.sha256(text.encode()).hexdigest()[:8]))
    r = subprocess.run([VIGIE, 'witness', '--state', witness, '--from', 'https://127.0.0.1:1'], env=env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    check(r.returncode != 0 and 'of format 5, of a later Vigie' in r.stdout, 'a witness, too: %s' % r.stdout)
    check(os.listdir(witness) == ['format'], 'and leaves it')
    end()


main()
