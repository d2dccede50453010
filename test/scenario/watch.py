"""A watch for scenarios: `vigie serve` in a fresh state folder, on free ports of loopback, with the rules that the test gives and
nothing of this machine's own; and what is asked of it."""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time

from scenario import RULES, SKIP, VIGIE, check, env, path, write

PEERS = os.environ.get('VIGIE_PEERS', '')  # what scripts/peers fetched
DATA = os.path.dirname(os.path.abspath(RULES))  # packs/ and rules/, wherever the program lies
LISTENERS = ('syslog', 'syslog-tls', 'https')
_running = []


def need_program(name, why=''):
    """A program of others; without it the test is skipped."""
    found = shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
    if not found:
        print('skipped: no %s here%s' % (name, why and ' (%s)' % why))
        sys.exit(SKIP)
    return found


def need_peer(*parts):
    p = os.path.join(PEERS, *parts)
    if not PEERS or not os.path.exists(p):
        print('skipped: %s is not there (scripts/peers fetches it)' % '/'.join(parts))
        sys.exit(SKIP)
    return p


def until(what, seconds=20, every=0.05):
    """What it says once that is true, or its last word."""
    limit = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > limit:
            return answer
        time.sleep(every)


def raw_of(record):
    """The bytes of a record that a search found."""
    return bytes.fromhex(record['raw_hex']) if 'raw_hex' in record else record['raw'].encode()


def plain(text):
    """A rule's id of the title, so that tests need not write them."""
    n = int.from_bytes(text.encode()[-6:].rjust(6, b'\0'), 'big')
    return '00000000-0000-4000-8000-%012x' % n


def keyword_rule(title, word, level='medium', product='linux'):
    return ('title: %s\nid: %s\nstatus: stable\nlogsource:\n  product: %s\ndetection:\n  selection:\n    - \'%s\'\n  condition: selection\nlevel: %s\n'
            % (title, plain(title), product, word, level))


def event_rule(title, event, level, name='', more=''):
    """A rule over one event of Windows' security log; its id ends in the event's number."""
    return ('title: %s\nid: 00000000-0000-4000-8000-%012d\n%sstatus: stable\nlogsource:\n  product: windows\n  service: security\ndetection:\n  selection:\n    EventID: %d\n%s'
            '  condition: selection\nlevel: %s\n' % (title, event, name and 'name: %s\n' % name, event, more and '    %s\n' % more, level))


def correlation_rule(title, number, kind, rules, by, timespan, condition='', generate=False):
    """A correlation over rules by their names; its id ends in c and the number.  The condition in braces, as YAML has it."""
    return ('title: %s\nid: 00000000-0000-4000-8000-00000000c%03d\nstatus: stable\ncorrelation:\n  type: %s\n  rules: [%s]\n  group-by: [%s]\n  timespan: %s\n%s%slevel: high\n'
            % (title, number, kind, rules, by, timespan, condition and '  condition: %s\n' % condition, '  generate: true\n' if generate else ''))


FAILED_LOGON = event_rule('Failed logon', 4625, 'low', 'failed_logon')
ACCOUNT_MADE = event_rule('Account made', 4720, 'medium', 'account_made')


class Watch:
    def __init__(self, name='watch', rules=(), settings='', program=VIGIE, listen='', files=(), before=(), also=()):
        self.state, self.program, self.process, self.addresses = path(name), program, None, {}
        self.also = tuple(also)  # listeners of the settings' own
        self.before = list(before)  # what it is run by: a program that changes the user
        self.may_die = False  # its roles, and be started again
        self.log = path(name + '.log')
        os.makedirs(path(name + '-rules'), exist_ok=True)
        self.rules = path(name + '-rules')
        for i, rule in enumerate(rules):
            write('%s-rules/%d.yml' % (name, i), rule)
        self.listen, self.files = listen, files
        self.settings(settings)

    def settings(self, more=''):
        os.makedirs(self.state, exist_ok=True)
        write(os.path.join(self.state, 'vigie.yaml'),
              'listen:\n  witness: off\n  metrics: off\n%slocal:\n  journal: no\n  files: [%s]\nrules:\n  only: yes\n  folders: [%s]\n%s' % (self.listen, ', '.join(self.files), self.rules, more))
        os.chmod(os.path.join(self.state, 'vigie.yaml'), 0o600)  # it may hold a secret

    # ---- its life ----

    def start(self, seconds=30):
        words = self.before + [self.program, 'serve', '--state', self.state]
        for name in LISTENERS + self.also:
            words += ['--listen', '%s=%s' % (name, self.addresses.get(name, '127.0.0.1:0'))]
        with open(self.log, 'ab') as log:
            begin = self.begin = log.tell()
            self.process = subprocess.Popen(words, env=env(VIGIE_DATA=DATA), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        _running.append(self.process)

        def ready():
            text = self.said(begin)
            if self.process.poll() is not None:
                raise RuntimeError('the watch ended with %d:\n%s' % (self.process.returncode, text))
            return re.search(r'^ready$', text, re.M)

        if not until(ready, seconds):
            raise RuntimeError('the watch is not ready:\n' + self.said(begin))
        for address, name in re.findall(r'listening on (\S+) \(([^,]+), (?:tcp|tls|https|witness|metrics)\)', self.said(begin)):
            self.addresses[name] = address
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = 'no end'
        check(code == 0, 'the watch stops cleanly: %s' % code)
        ended = [line for line in self.said(self.begin).splitlines() if 'it begins again' in line or 'has not answered' in line]
        check(self.may_die or not ended, 'no role ended by itself: %s' % ended[:3])
        _running.remove(self.process)
        self.process = None

    def again(self):
        self.stop()
        return self.start()

    def said(self, begin=0):
        with open(self.log, 'rb') as f:
            f.seek(begin)
            return f.read().decode('utf-8', 'replace')

    def port(self, name):
        return int(self.addresses[name].rsplit(':', 1)[1])

    # ---- what it is asked ----

    def vigie(self, *words, good=(0,), timeout=60):
        r = subprocess.run([self.program, *words, '--state', self.state], env=env(VIGIE_DATA=DATA), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        if r.returncode not in good:
            raise RuntimeError('vigie %s: %d: %s' % (' '.join(words), r.returncode, r.stderr.decode('utf-8', 'replace')))
        return r

    def rows(self, *words, **more):
        return [json.loads(line) for line in self.vigie(*words, '--format', 'jsonl', **more).stdout.splitlines()]

    def search(self, selection, *words):
        return self.rows('vault', 'search', selection, *words, good=(0, 1))

    def signals(self, *words):
        return self.rows('signal', 'list', *words, good=(0, 1))

    def status(self):
        rows = self.rows('status', good=(0, 1))
        return rows[0] if rows else {}

    def status_text(self):
        """What people read of it, wherever lines are broken."""
        return ' '.join(self.vigie('status', good=(0, 1)).stdout.decode().split())

    def examined(self, seconds=60):
        """Wait until rules saw all that is kept, and trace wrote it."""
        time.sleep(2.2)  # what the status file tells, and what it is made of, is up to a second old each

        def done():
            s = self.status()
            return s if s.get('vault.0.ready') and s.get('vault.0.examined') == s.get('vault.0.next') else None

        return until(done, seconds, 0.2)

    def key(self, name, *words):
        """A new key, once the listener knows it."""
        key = self.rows('key', 'add', name, *words)[0]

        def known():
            c = self.https()
            c.request('GET', '/', headers=bearer(key))
            return c.getresponse().status == 200

        check(until(known, 10), 'a new key is known within seconds')
        return key

    # ---- sending ----

    def https(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection('127.0.0.1', self.port('https'), context=context, timeout=30)


def bearer(key):
    return {'Authorization': 'Bearer ' + key['secret']}


def basic(key):
    return {'Authorization': 'Basic ' + base64.b64encode(('%s:%s' % (key['source'], key['secret'])).encode()).decode()}


def bulk(connection, key, documents, **headers):
    """One _bulk of (id or None, document); the status and the answer's items."""
    lines = []
    for i, d in documents:
        lines.append(json.dumps({'create': {'_index': 'logs', **({'_id': i} if i else {})}}))
        lines.append(d if isinstance(d, str) else json.dumps(d, ensure_ascii=False))
    body = ('\n'.join(lines) + '\n').encode()
    connection.request('POST', '/_bulk', body, {'Content-Type': 'application/x-ndjson', **bearer(key), **headers})
    r = connection.getresponse()
    text = r.read()
    return r.status, json.loads(text).get('items', []) if r.status == 200 else text


def children(parent):
    """The roles that run: {(role, index): pid}."""
    out = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % pid) as f:
                if int(f.read().rsplit(')', 1)[1].split()[1]) != parent:
                    continue
            with open('/proc/%s/cmdline' % pid, 'rb') as f:
                words = f.read().split(b'\0')
        except OSError:
            continue
        if len(words) > 3 and words[1] == b'role':
            out[words[2].decode(), int(words[3])] = int(pid)
    return out


def acknowledged(documents, answer):
    status, items = answer
    return [d for d, i in zip(documents, items) if list(i.values())[0].get('status') in (200, 201)] if status == 200 else []


def end_all():
    for p in _running:
        if p.poll() is None:
            p.kill()
            p.wait()


import atexit  # noqa: E402  (a test that fails leaves nothing running)

atexit.register(end_all)
