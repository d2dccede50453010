"""retention.py: months pass.  What its time is over is announced and then destroyed, in the vault and in the witness's copy, and both still verify; what
somebody holds stays until two have released it; what goes before its time goes by the recovery key's word alone."""
import os
import re
import subprocess
import time

import watch
from scenario import SKIP, check, end, env, path, write
from watch import DATA, Watch, until

HOOKS = os.environ.get('VIGIE_HOOKS', '')
if not HOOKS:
    print('skipped: the program with a clock that can be set is not there')
    raise SystemExit(SKIP)
watch.LISTENERS += ('witness',)
DAY = 86400
SETTINGS = 'vault:\n  checkpoint-every: 1s\n  notice: 3d\n  retention:\n    default: 30d\n'
TOKEN = '0123456789abcdef0123456789abcdef'


def at(day):
    """The clock of whatever is started next."""
    os.environ['TEST_CLOCK_AHEAD_S'] = str(day * DAY)


def date(day):
    return time.strftime('%Y-%m-%d', time.gmtime(time.time() + day * DAY))


def keys(state, suffix):
    return sorted(n for n in os.listdir(os.path.join(state, 'vault/default/keys')) if n.endswith(suffix))


class Witness:
    def __init__(self, w):
        self.state, self.w = path('copy'), w

    def __enter__(self):
        url = 'https://' + re.search(r'listening on (\S+) \(witness', self.w.said(self.w.begin)).group(1)
        with open(path('witness.log'), 'ab') as log:
            self.process = subprocess.Popen([HOOKS, 'witness', '--state', self.state, '--from', url, '--token-file', path('token'), '--every', '1s', *self.more, *self.tls()],
                                            env=env(VIGIE_DATA=DATA), stdout=log, stderr=log)
        return self

    def tls(self):
        shell = 'openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum'
        pin = subprocess.run(['sh', '-c', shell, 'sh', self.w.state + '/tls/cert.pem'], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]
        return ['--pin', pin]

    def __call__(self, *more):
        self.more = more
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)

    def said(self):
        with open(path('witness.log'), encoding='utf-8') as f:
            return f.read()

    def has_all(self):
        def size(state):
            try:
                with open(state + '/vault/default/checkpoint', encoding='utf-8') as f:
                    return int(f.read().split('\n')[1])
            except FileNotFoundError:
                return -1
        want = size(self.w.state)
        check(until(lambda: size(self.state) >= want, 30), 'the witness follows')


def send(w, word, n=50):
    address = w.addresses['syslog'].rsplit(':', 1)
    subprocess.run(['logger', '-T', '-n', address[0], '-P', address[1], '--octet-count', '-t', 'app'], input=''.join('%s %d\n' % (word, i) for i in range(n)),
                   text=True, check=True)
    check(until(lambda: len(w.search(word)) == n, 20), '%s is found' % word)


def told(w, kind):
    return [a for a in w.rows('alarm', 'list') if a['kind'] == kind]


def verify(state, good):
    r = subprocess.run([HOOKS, 'vault', 'verify', '--state', state, '--deep', '--quiet'], env=env(VIGIE_DATA=DATA), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    check(r.returncode == good, 'verify says %d:\n%s' % (r.returncode, r.stdout))
    return r.stdout


def main():
    w = Watch(program=HOOKS, settings=SETTINGS + 'witness:\n  token: %s\n' % TOKEN)
    with open(w.state + '/vigie.yaml', encoding='utf-8') as f:
        text = f.read().replace('  witness: off\n', '')
    write(w.state + '/vigie.yaml', text)
    write('token', TOKEN)
    witness = Witness(w)
    at(0)
    w.start()
    recovery = w.vigie('vault', 'recovery-key').stdout.decode().split('\n\n')[1].replace(' ', '')
    write('recovery', recovery)
    write('other', 'ab' * 32)
    send(w, 'alpha')
    with witness():
        witness.has_all()
    w.stop()

    at(2)
    w.start()
    send(w, 'beta')
    w.vigie('hold', 'set', '--from', date(2), '--by', 'Ana', '--reason', 'case 7')
    w.vigie('hold', 'set', '--from', date(2), '--to', date(0), '--by', 'Ana', '--reason', 'x', good=(2,))
    w.vigie('hold', 'set', '--from', date(2), '--reason', 'x', good=(2,))
    with witness():
        witness.has_all()
    w.stop()

    at(29)  # it goes on the 31st: announced three days before
    w.start()
    check(until(lambda: keys(w.state, '.due') == ['00000001.due'], 30), 'the first day is announced, and no other: %s' % keys(w.state, '.due'))
    check(len(w.search('alpha')) == 50, 'what is announced is still there')
    check(until(lambda: w.search('destruction-announced'), 10), 'the vault itself says so')
    check(until(lambda: told(w, 'destruction-announced'), 30), 'and people are told: %s' % w.rows('alarm', 'list'))
    with witness():
        witness.has_all()
        check(until(lambda: keys(witness.state, '.due'), 90), 'the witness has the announcement')
    w.stop()
    verify(w.state, 3)

    at(36)
    w.start()
    check(until(lambda: keys(w.state, '.gone') == ['00000001.gone'], 30), 'the first day is destroyed, the held one is not: %s' % keys(w.state, '.gone'))
    check(until(lambda: w.search('destroyed'), 10), 'the vault says that too')
    check(until(lambda: told(w, 'destroyed'), 30), 'people are told, too: %s' % w.rows('alarm', 'list'))
    check(w.search('alpha') == [] and len(w.search('beta')) == 50, 'what is destroyed is not found, what is held is')
    send(w, 'gamma')
    with witness():
        witness.has_all()
        check(until(lambda: 'is kept here' in witness.said(), 90), 'a witness that keeps longer keeps it, and says so')
    check('00000001.key' in keys(witness.state, '.key'), 'and still has the key')
    w.stop()
    said = verify(w.state, 3)
    check('destroyed' in said, 'verify tells what is gone:\n' + said)
    segment = [n for n in os.listdir(w.state + '/vault/default') if n.startswith(date(0)) and n.endswith('.vs')][0]
    zeros = [open(state + '/vault/default/' + segment, 'rb').read().count(0) for state in (w.state, witness.state)]
    check(zeros[0] > 2 * zeros[1], 'its bytes are given back: %s' % zeros)

    at(37)
    w.start()
    with witness('--keep', '20d'):
        witness.has_all()
        check(until(lambda: '00000001.key' not in keys(witness.state, '.key'), 90), 'a witness that need not keep it destroys it too')
    verify(witness.state, 3)
    w.vigie('hold', 'release', '1', '--by', 'Ana')
    r = w.vigie('hold', 'release', '1', '--by', 'Ana', good=(3,))
    r = w.vigie('hold', 'release', '1', '--by', 'Bob', good=(3,))  # another name, the same account
    check(b'second person' in r.stderr, 'one account is one person: %s' % r.stderr)
    w.vigie('hold', 'release', '1', '--by', 'Bob', '--recovery-key', path('other'), good=(3,))
    time.sleep(12)
    check(keys(w.state, '.due') == ['00000001.due'], 'one person releases nothing')
    w.vigie('hold', 'release', '1', '--by', 'Bob', '--recovery-key', path('recovery'))
    check([h.get('released', {}).get('by') for h in w.rows('hold', 'list')] == ['Bob'], 'two do')
    check(until(lambda: '00000002.due' in keys(w.state, '.due'), 30), 'then it is announced')
    w.stop()

    at(41)
    w.start()
    check(until(lambda: '00000002.gone' in keys(w.state, '.gone'), 30), 'and destroyed')
    check(w.search('beta') == [] and len(w.search('gamma')) == 50, 'it alone')
    w.vigie('vault', 'destroy', '--from', date(36), '--reason', 'asked for', good=(2,))
    w.vigie('vault', 'destroy', '--from', date(36), '--reason', 'asked for', '--recovery-key', path('other'), good=(3,))
    w.vigie('vault', 'destroy', '--from', date(41), '--reason', 'asked for', '--recovery-key', path('recovery'), good=(2,))
    w.vigie('vault', 'destroy', '--from', date(36), '--reason', 'asked for by its subject', '--recovery-key', path('recovery'))
    gone = until(lambda: set(keys(w.state, '.gone')) - {'00000001.gone', '00000002.gone'}, 30)
    check(bool(gone) and w.search('gamma') == [], 'what the recovery key orders goes at once')
    with witness():
        witness.has_all()
        key = [n.replace('.gone', '.key') for n in gone][0]
        check(until(lambda: key not in keys(witness.state, '.key'), 90), 'a witness obeys it, however young it is')
    w.stop()
    verify(w.state, 3)
    verify(witness.state, 3)

    # a thief of the machine: no announcement, no order, his own words
    os.rename(w.state + '/vault/default/keys/00000001.due', path('due'))
    check('rests on nothing' in verify(w.state, 4), 'a destruction that nobody announced is damage')
    os.rename(path('due'), w.state + '/vault/default/keys/00000001.due')
    last = keys(w.state, '.key')[-1]
    os.rename(w.state + '/vault/default/keys/' + last, path('key'))
    with open(w.state + '/vault/default/keys/00000001.gone', 'rb') as f:
        write(w.state + '/vault/default/keys/' + last.replace('.key', '.gone'), f.read().decode())
    verify(w.state, 4)
    end()


main()
