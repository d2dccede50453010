#!/usr/bin/env python3
"""Time stamps by a real authority (openssl ts behind a web server): the newest checkpoint of each tenant is stamped when it is time and when a person
asks; what is not a good answer is never kept, and is told in plain words; `verify --stamps` accepts what was kept."""
import itertools
import os
import signal
import socket
import threading
import time

from scenario import check, end, path, read, write
from sinks import Web, make_ca, sh
from watch import Watch, children, keyword_rule, until

POLICY = '1.2.3.4.1'
MAKE = r'''
tsa() {
	printf '[x]\n%s\nkeyUsage=critical,digitalSignature\n' "$3" >$1.ext
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -subj "/O=Stamps/CN=$1" -out $1.csr
	openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -days 10 -extfile $1.ext -extensions x -out $1.pem
}
tsa tsa root critical-eku; tsa stranger other critical-eku; tsa plain root basicConstraints=CA:FALSE
'''.replace('critical-eku', 'extendedKeyUsage=critical,timeStamping')
CONFIG = '''[tsa]
serial=ts.serial
signer_digest=sha256
default_policy=%s
other_policies=1.2.3.4.2
digests=sha256
accuracy=secs:1
ess_cert_id_alg=sha256
'''


class Authority:
    """how: what it answers."""

    def __init__(self):
        make_ca('root')
        make_ca('other')
        sh(MAKE)
        write('ts.cnf', CONFIG % POLICY)
        write('ts.serial', '0a\n')
        self.how, self.lock, self.hung = 'good', threading.Lock(), threading.Event()
        self.web = Web(self.answer).start()
        self.url = 'http://localhost:%d/tsa' % self.web.port

    def reply(self, query, signer='tsa', policy=''):
        write('query', query)
        sh('openssl ts -reply -config ts.cnf -section tsa %s -queryfile query -signer %s.pem -inkey %s.key -out answer' % (policy, signer, signer))
        return read(path('answer'))

    def other_query(self, options):
        sh('openssl ts -query %s -sha256 -cert -tspolicy %s -out other' % (options, POLICY))
        return read(path('other'))

    def digest(self, query):
        write('query', query)
        sh("openssl ts -query -in query -text | sed -n 's/^ *[0-9a-f]* - \\(.*\\)   .*/\\1/p' | tr -d ' \\n-' >digest")
        return read(path('digest')).decode()[:64]

    def signed_by_one_who_may_not(self, query):
        self.reply(query)
        sh('openssl ts -reply -in answer -token_out -out token; openssl cms -verify -noverify -inform DER -in token -out info; '
           'openssl cms -sign -binary -nodetach -econtent_type id-smime-ct-TSTInfo -cades -signer plain.pem -inkey plain.key -in info -outform DER -out token; '
           'openssl ts -reply -token_in -in token -out answer')
        return read(path('answer'))

    def slow(self):
        for _ in range(120):
            yield b'0'
            time.sleep(1)

    def answer(self, where, query):
        kind = {'Content-Type': 'application/timestamp-reply'}
        how = self.how
        with self.lock:
            if how == 'nonce':  # right digest, another nonce: an answer that somebody kept
                return 200, kind, self.reply(self.other_query('-digest ' + self.digest(query)))
            if how == 'imprint':
                return 200, kind, self.reply(self.other_query('-data ts.cnf'))
            if how == 'stranger':
                return 200, kind, self.reply(query, 'stranger')
            if how == 'eku':
                return 200, kind, self.signed_by_one_who_may_not(query)
            if how == 'good':
                return 200, kind, self.reply(query)
        if how == 'hang':
            self.hung.set()
        return {'garbage': (200, kind, os.urandom(4000)), 'nothing': (200, kind, b''), 'endless': (200, kind, (b'0' * 8192 for _ in itertools.count())),
                'slow': (200, kind, self.slow()), 'hang': (200, kind, self.slow()), 'status': (503, {}, b''), 'away': (302, {'Location': self.url}, b''),
                'cut': (200, kind, self.reply(query)[:-100])}[how]


def grow(w):
    """Another block under the tree, and a checkpoint over it."""
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b'<13>1 - host app - - - grows %d\n' % time.monotonic_ns())
    time.sleep(3)


def kept(w, tenant='acme'):
    folder = os.path.join(w.state, 'vault', tenant, 'stamps')
    return {n: read(os.path.join(folder, n)) for n in os.listdir(folder)} if os.path.isdir(folder) else {}


def stamp(w, good, *words, timeout=60):
    return w.vigie('vault', 'stamp', *words, good=(0 if good else 1,), timeout=timeout).stdout.decode()


def by_itself(w):
    grow(w)
    check(until(lambda: len(kept(w)) == 1, 30), 'the first time stamp comes by itself')
    check(len(kept(w, 'beta')) == 0, 'a tenant without records has none')
    n = len(authority.web.posts)
    grow(w)
    time.sleep(5)
    check(len(authority.web.posts) == n, 'and no other within the period')
    where, headers, query = authority.web.posts[0]
    check(headers['Content-Type'] == 'application/timestamp-query' and len(query) < 200, 'the request is one of RFC 3161: %s' % headers)


def on_demand(w):
    said = stamp(w, True, '--tenant', 'acme')
    check('have a time stamp of CN=tsa,O=Stamps' in said and len(kept(w)) == 2, 'one on demand: %s' % said)
    check('has a time stamp already' in stamp(w, True, '--tenant', 'acme') and len(kept(w)) == 2, 'not two of one tree')
    check('no signed tree yet' in stamp(w, False, '--tenant', 'beta') and 'no such tenant' in stamp(w, False, '--tenant', 'gamma'), 'of a tenant that has none')
    check('time stamp        acme: ' in w.vigie('status', good=(0, 1)).stdout.decode(), 'the status says so')


def what_is_not_good(w):
    grow(w)
    before = kept(w)
    for how, word in (('nonce', 'nonce is not the one'), ('imprint', 'another digest'), ('stranger', 'signature or chain'), ('eku', 'signature or chain'), ('garbage', 'not a time-stamp'),
                      ('nothing', 'no bytes'), ('cut', 'not a time-stamp'), ('endless', 'longer than 65536'), ('status', 'status 503'), ('away', 'elsewhere'), ('slow', 'no answer in time')):
        authority.how = how
        said = stamp(w, False, '--tenant', 'acme', timeout=100)
        check('no time stamp' in said and word in said, '%s is told: %s' % (how, said))
        check(kept(w) == before, '%s is not kept' % how)
    authority.web.stop()
    said = stamp(w, False, '--tenant', 'acme')
    check('nobody answers there' in said, 'an authority that is not there: %s' % said)
    text = w.status_text()
    check('the last 12 times failed' in text and 'nobody answers there' in text, 'and the status says so: %s' % text[text.find('time stamp'):])
    authority.web.start()


def killed_in_the_middle(w):
    authority.how = 'hang'
    done = []
    t = threading.Thread(target=lambda: done.append(stamp(w, True, '--tenant', 'acme')))
    t.start()
    check(authority.hung.wait(20), 'the request is under way')
    authority.how = 'good'
    n = len(kept(w))
    os.kill(children(w.process.pid)[('out', 0)], signal.SIGKILL)
    t.join(60)
    check(done and 'have a time stamp' in done[0] and len(kept(w)) == n + 1, 'out is killed in the middle: it is asked for again: %s' % done)
    check('failed' not in w.vigie('status', good=(0, 1)).stdout.decode(), 'then nothing failed')


def vouched(w):
    r = w.vigie('vault', 'verify', '--tenant', 'acme', '--stamps', '--tsa-ca', path('root.pem'))
    check(b'a time stamp of CN=tsa,O=Stamps' in r.stdout and b'vouched for outside' in r.stdout, 'verify accepts them: %s' % r.stdout)
    r = w.vigie('vault', 'verify', '--tenant', 'acme', '--stamps', '--tsa-ca', path('other.pem'), good=(4,))
    check(b'does not count' in r.stdout, 'not by another CA: %s' % r.stdout)
    for name, data in kept(w).items():
        magic, note, response = data[:8], int.from_bytes(data[8:12], 'little'), int.from_bytes(data[12:16], 'little')
        write('note', data[16:16 + note])
        write('response', data[16 + note:])
        check(magic == b'VGSTAMP1' and len(data) == 16 + note + response, '%s is as doc/vault-format.md says' % name)
        sh('openssl ts -verify -data note -in response -CAfile root.pem')
        check(data[16:].split(b'\n')[1].decode() + '.tsr' == name, 'and named by its tree')


authority = Authority()
w = Watch('watch', [keyword_rule('Needle', 'needle')], '''tenants: {acme: Acme, beta: Beta}
vault: {checkpoint-every: 1 s}
stamps: {url: '%s', ca: %s, policy: %s, every: 30 min}
''' % (authority.url, path('root.pem'), POLICY), listen='  syslog.tenant: acme\n  syslog-tls.tenant: acme\n')
w.may_die = True
w.start()
by_itself(w)
on_demand(w)
what_is_not_good(w)
killed_in_the_middle(w)
w.stop()
vouched(w)
end()
