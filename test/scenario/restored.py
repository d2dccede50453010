"""restored.py: the watch's machine is lost in the middle of a load.  The witness tells it, and a new watch is made from it that has all that a checkpoint
counted; without the recovery key, which is the company's own and was never on the watch, it cannot be read, and nothing makes another key in its place."""
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import watch
from scenario import VIGIE, check, end, env, path, write
from watch import DATA, Watch, until
from witnessed import TOKEN, checkpoint, start_witness, vigie, witness_url

LINES = 3000
SILENCE = 8
watch.LISTENERS += ('witness',)


def sealed(state):
    with open(state + '/vault/default/keys/tenant.sealed', 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def restore(state, url, *words):
    return vigie('vault', 'restore', '--state', path(state), '--from', url, *words)


def new_key(name):
    """A recovery key: what the settings say of it; its secret half in a file."""
    text = vigie('vault', 'recovery-key', '--new').stdout
    write(name, ' '.join(re.findall(r'\b[0-9a-f]{16}\b', text)))
    return re.search(r'^    (recovery\+\S+)$', text, re.M).group(1)


def main():
    own = 'tenants:\n  default:\n    recovery-key: %s\n'
    key, other = new_key('recovery'), new_key('other')
    w = Watch(settings='witness:\n  token: %s\nvault:\n  checkpoint-every: 2s\n' % TOKEN + own % key).start()
    keeps = path('witness')
    witness = start_witness(w, keeps, SILENCE)
    try:
        with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
            for i in range(LINES):
                s.sendall(b'<38>1 - web1 sshd - - - needle%d\n' % i)
            check(until(lambda: checkpoint(keeps)[1] > LINES, 40), 'the witness has all records: %s' % (checkpoint(keeps),))
            check(vigie('vault', 'recovery-key', '--state', w.state).returncode == 3, 'no recovery key is on the watch')
            s.sendall(b'<38>1 - web1 sshd - - - in the middle\n')
            w.process.send_signal(signal.SIGKILL)
            w.process.wait()
        lost = time.monotonic()
        said = until(lambda: os.path.exists(path('alarms')) and 'silence' in open(path('alarms'), encoding='utf-8').read(), SILENCE + 10)
        check(said and time.monotonic() - lost < SILENCE + 5, 'the alarm came in time')
        url = witness_url()

        r = restore('blind', url)
        check(r.returncode == 0, 'restored without the key: ' + r.stdout)
        before = sealed(path('blind'))
        with open(path('blind.log'), 'wb') as log:
            listeners = [word for name in ('syslog', 'syslog-tls', 'https', 'witness', 'metrics') for word in ('--listen', name + '=off')]
            blind = subprocess.Popen([VIGIE, 'serve', '--quiet', '--state', path('blind'), *listeners], env=env(VIGIE_DATA=DATA), stdout=log, stderr=log)
        refused = until(lambda: 'sealed for the recovery key' in open(path('blind.log'), encoding='utf-8').read(), 20)
        blind.send_signal(signal.SIGTERM)
        blind.wait(timeout=40)
        check(refused, 'a watch without the key says so')
        check(sealed(path('blind')) == before, 'the sealed key is what it was')
        check(vigie('vault', 'search', '--state', path('blind'), 'needle1').returncode != 0, 'nothing is read without the key')

        r = restore('closed', url, '--recovery-key', path('other'))
        check(r.returncode == 4 and 'default: its records are sealed for another recovery key' in r.stdout, 'another key opens nothing: ' + r.stdout)
        r = restore('again', url, '--recovery-key', path('other'), '--recovery-key', path('recovery'))
        check(r.returncode == 0, 'restored: ' + r.stdout)
        shutil.copy(w.state + '/vigie.yaml', path('again') + '/vigie.yaml')
        n = Watch('again')
        for words, wrong in (('--check',), other), (('--check',), key[:-1]), ((), other):
            n.settings(own % wrong)
            r = vigie('serve', *words, '--state', n.state)
            check(r.returncode in (1, 4) and 'tenants.default.recovery-key: ' in r.stdout, 'a key that the vault is not sealed for is refused: %d %s' % (r.returncode, r.stdout))
        n.settings('vault:\n  checkpoint-every: 2s\n' + own % key)
        n.start()
        found = {row['raw'] for row in n.rows('vault', 'search', 'needle')}
        check(len(found) == LINES, 'all records are found: %d' % len(found))
        check(until(lambda: checkpoint(n.state)[2] == 1, 15), 'a new epoch begins: %s' % (checkpoint(n.state),))
        with socket.create_connection(('127.0.0.1', n.port('syslog'))) as s:
            s.sendall(b'<38>1 - web1 sshd - - - afterwards\n')
        check(until(lambda: n.rows('vault', 'search', 'afterwards'), 10), 'it goes on')
        n.stop()
        r = vigie('vault', 'verify', '--state', n.state)
        check(r.returncode == 3, 'what was restored is sound: %d %s' % (r.returncode, r.stdout))
    finally:
        witness.send_signal(signal.SIGTERM)
        witness.wait()
    end()


main()
