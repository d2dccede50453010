#!/usr/bin/env python3
"""What real senders bring is found again, byte for byte, and once where it has an identity: now, and when the watch was stopped and
started.  The first argument says who sends: logger, curl, js, rsyslog, syslog-ng.  Between a sender that writes headers of its own
and the watch stands a relay, which tells what was sent."""
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

from scenario import bad, check, end, path, read, write
from watch import Watch, need_peer, need_program, raw_of, until

LONG = 60 * 1024


def lines(mark, longest=LONG, latin=True):
    """Some hundred lines as bytes, all with @mark, which is a word."""
    out = [b'%s plain line %d of some' % (mark, i) for i in range(200)]
    out += [('%s été à Zürich, 日本語 %d €' % (mark.decode(), i)).encode() for i in range(40)]
    if latin:
        out += [('%s café déjà vu %d' % (mark.decode(), i)).encode('latin-1') for i in range(40)]
    out += [mark + b' long %d ' % n + b'abcdefgh ' * (n // 9) for n in (1000, 2040, 2048, 8190, 16384, longest - 200) if n < longest]
    out += [mark + b' a "quoted" \\ [sd id="1"] %d <34>1 {"a":1}' % i for i in range(10)]
    return [line.rstrip() for line in out]


class Relay:
    """Passes on what comes by TCP or UDP, and keeps it."""

    def __init__(self, to, udp=False):
        self.to, self.chunks, self.udp = ('127.0.0.1', to), [], udp
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        if udp:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.s.bind(('127.0.0.1', 0))
        self.port = self.s.getsockname()[1]
        if not udp:
            self.s.listen(8)
        threading.Thread(target=self.datagrams if udp else self.streams, daemon=True).start()

    def datagrams(self):
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            d = self.s.recv(65536)
            self.chunks.append(d)
            out.sendto(d, self.to)

    def streams(self):
        while True:
            c, _ = self.s.accept()
            self.chunks.append(b'')
            threading.Thread(target=self.stream, args=(c, len(self.chunks) - 1), daemon=True).start()

    def stream(self, c, at):
        with socket.create_connection(self.to) as out:
            while d := c.recv(65536):
                self.chunks[at] += d
                out.sendall(d)

    def frames(self):
        """What was sent, cut by the rules of RFC 6587."""
        if self.udp:
            return [d[:-1] if d.endswith(b'\n') else d for d in self.chunks]
        out = []
        for stream in self.chunks:
            while stream:
                if stream[:1].isdigit():
                    n, _, rest = stream.partition(b' ')
                    out.append(rest[:int(n)])
                    stream = rest[int(n):]
                else:
                    line, _, stream = stream.partition(b'\n')
                    out.append(line)
        return out


expectations = []  # (mark, the records), to be asked again when the watch was started again


def found(w, mark):
    return Counter(raw_of(r) for r in w.search(mark.decode()))


def same(w, mark, expected, what):
    want = Counter(expected)
    check(until(lambda: found(w, mark) == want, 20, 0.3), '%s: found byte for byte, each as often as it was sent: %s' % (what, difference(found(w, mark), want)))
    expectations.append((mark, want, what))


def difference(got, want):
    missing, more = want - got, got - want
    return '%d of %d; %d missing %r, %d too many %r' % (sum((got & want).values()), sum(want.values()), sum(missing.values()), [m[:150] for m in list(missing)[:2]],
                                                        sum(more.values()), [m[:150] for m in list(more)[:2]])


def after_a_restart(w):
    w.again()
    for mark, want, what in expectations:
        got = found(w, mark)
        check(got == want, '%s: the same behind a stop and a start: %s' % (what, difference(got, want)))
    w.stop()


def run(words, **more):
    r = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, **more)
    check(r.returncode == 0, '%s: %d: %s' % (words[0], r.returncode, r.stdout[-1000:].decode('utf-8', 'replace')))
    return r.stdout


# ---- logger(1) of util-linux ----

def logger():
    program = need_program('logger')
    w = Watch().start()
    for i, (way, shape, framing) in enumerate([('-T', '--rfc5424', ()), ('-T', '--rfc5424', ('--octet-count',)), ('-T', '--rfc3164', ()),
                                               ('-T', '--rfc3164', ('--octet-count',)), ('-d', '--rfc5424', ()), ('-d', '--rfc3164', ())]):
        mark = b'loggermark%d' % i
        sent = lines(mark)
        relay = Relay(w.port('syslog'), udp=way == '-d')
        run([program, '-n', '127.0.0.1', '-P', str(relay.port), way, shape, *framing, '-S', '64000', '-t', 'app', '-f', write('logger%d' % i, b'\n'.join(sent) + b'\n')])
        what = 'logger %s %s %s' % (way, shape, ' '.join(framing))
        until(lambda: len(relay.frames()) >= len(sent), 5)
        time.sleep(0.2)
        frames = relay.frames()
        check(len(frames) == len(sent) and all(f.endswith(s) for f, s in zip(frames, sent) if way == '-T'), '%s: it sends each line as a record: %d of %d'
              % (what, len(frames), len(sent)))
        same(w, mark, frames, what)
    return w


# ---- curl ----

def documents(mark, n=200, ids=True):
    out = []
    for i, line in enumerate(lines(mark, latin=False)[-n:]):
        out.append(('%s-%d' % (mark.decode(), i) if ids else None, json.dumps({'message': line.decode(), 'n': i}, ensure_ascii=False).encode()))
    return out


def bulk_body(docs):
    rows = []
    for i, d in docs:
        rows += [json.dumps({'index': {'_id': i} if i else {}}).encode(), d]
    return b'\n'.join(rows) + b'\n'


def curl():
    program, zstd = need_program('curl'), need_program('zstd')
    w = Watch().start()
    key = w.key('curl')
    url = 'https://127.0.0.1:%d/logs/_bulk' % w.port('https')

    def send(body, encoding):
        headers = ['-H', 'Content-Type: application/x-ndjson'] + (['-H', 'Content-Encoding: ' + encoding] if encoding else [])
        answer = json.loads(run([program, '-sS', '-k', '-u', 'curl:' + key['secret'], *headers, '--data-binary', '@' + write('body', body), url]))
        check(answer['errors'] is False, 'curl %s: %s' % (encoding, str(answer)[:300]))
        return answer['items']

    for encoding in ('', 'gzip', 'zstd'):
        mark = b'curlmark' + (encoding or 'plain').encode()
        docs = documents(mark)
        docs += [('%s-latin' % mark.decode(), b'{"message":"%s caf\xe9"}' % mark)]
        body = bulk_body(docs)
        packed = gzip.compress(body) if encoding == 'gzip' else body
        if encoding == 'zstd':
            run([zstd, '-q', '-f', write('plain', body), '-o', path('packed')])
            packed = read(path('packed'))
        for _ in range(3):  # the same ids again
            check(len(send(packed, encoding)) == len(docs), 'curl %s: an answer for each' % encoding)
            expected = Counter(d for _, d in docs)
            check(found(w, mark) == expected, 'curl %s: found as soon as it is acknowledged, once: %s' % (encoding, difference(found(w, mark), expected)))
        same(w, mark, [d for _, d in docs], 'curl ' + encoding)
    # without an identity each one stands for itself
    docs = documents(b'curlmarknone', 20, ids=False)
    send(bulk_body(docs), '')
    same(w, b'curlmarknone', [d for _, d in docs], 'curl without _id')
    w.again()  # ids are known over a restart
    docs = documents(b'curlmarkplain')
    send(bulk_body(docs), '')
    return w


# ---- the official JavaScript client ----

JS = """
const { Client } = require('@elastic/elasticsearch')
const fs = require('fs')
const [url, id, secret, mark] = process.argv.slice(2)
const messages = JSON.parse(fs.readFileSync(0))
const docs = messages.map((message, n) => ({ message, n, mark }))
async function main () {
  const auths = [{ apiKey: { id, api_key: secret } }, { username: 'js', password: secret }, { bearer: secret }]
  for (const [at, auth] of auths.entries()) {
    const client = new Client({ node: url, auth, compression: at !== 1, tls: { rejectUnauthorized: false } })
    await client.info()
    const result = await client.helpers.bulk({ datasource: docs, flushBytes: 100000, concurrency: 2,
      onDocument: d => ({ create: { _index: 'logs', _id: mark + d.n } }) })
    if (result.failed || result.successful !== docs.length) throw new Error(JSON.stringify(result))
    await client.close()
  }
  console.log(JSON.stringify(docs.map(d => JSON.stringify(d))))
}
main().catch(e => { console.error(e); process.exit(1) })
"""


def js():
    node, client = need_program('node'), need_peer('js', 'node_modules', '@elastic', 'elasticsearch')
    w = Watch().start()
    key = w.key('js')
    mark = b'jsmark'
    messages = [line.decode() for line in lines(mark, latin=False)]
    modules = os.path.dirname(os.path.dirname(client))
    out = run([node, write('client.js', JS), 'https://127.0.0.1:%d' % w.port('https'), str(key['id']), key['secret'], mark.decode()],
              input=json.dumps(messages).encode(), env={**os.environ, 'NODE_PATH': modules, 'NODE_NO_WARNINGS': '1'})
    try:
        sent = [d.encode() for d in json.loads(out)]
    except ValueError:
        sent = []
    check(len(sent) == len(messages), 'the JavaScript client sends all')
    same(w, mark, sent, 'the JavaScript client, by three kinds of keys')
    return w


# ---- rsyslog ----

HEAD = b'<134>1 2026-11-20T10:00:00.000Z relay app - - - '
RSYSLOG = """
global(workDirectory="{dir}" net.enableDNS="off" maxMessageSize="128k" defaultNetstreamDriverCAFile="{ca}")
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
input(type="imfile" file="{file}" tag="t" ruleset="send")
input(type="imfile" file="{text}" tag="t" ruleset="search")
template(name="udp" type="string" string="<134>1 2026-11-20T10:00:00.000Z relay app - - - rsudp%msg%")
template(name="tcp" type="string" string="<134>1 2026-11-20T10:00:00.000Z relay app - - - rstcp%msg%")
template(name="octets" type="string" string="<134>1 2026-11-20T10:00:00.000Z relay app - - - rsoctets%msg%")
template(name="gtls" type="string" string="<134>1 2026-11-20T10:00:00.000Z relay app - - - rsgtls%msg%")
template(name="ossl" type="string" string="<134>1 2026-11-20T10:00:00.000Z relay app - - - rsossl%msg%")
template(name="json" type="string" string="{{\\"message\\":\\"rses%msg:::json%\\"}}")
ruleset(name="send" queue.type="LinkedList") {{
  action(type="omfwd" target="127.0.0.1" port="{syslog}" protocol="udp" template="udp")
  action(type="omfwd" target="127.0.0.1" port="{syslog}" protocol="tcp" template="tcp" TCP_Framing="traditional")
  action(type="omfwd" target="127.0.0.1" port="{syslog}" protocol="tcp" template="octets" TCP_Framing="octet-counted")
  action(type="omfwd" target="127.0.0.1" port="{tls}" protocol="tcp" template="gtls" TCP_Framing="octet-counted"
         StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="anon")
  action(type="omfwd" target="127.0.0.1" port="{tls}" protocol="tcp" template="ossl" TCP_Framing="octet-counted"
         StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="anon")
}}
ruleset(name="search" queue.type="LinkedList") {{
  action(type="omelasticsearch" server="127.0.0.1" serverport="{https}" usehttps="on" allowunsignedcerts="on" skipverifyhost="on" uid="rsyslog" pwd="{secret}"
         searchIndex="logs" searchType="" bulkmode="on" template="json" errorFile="{dir}/errors")
}}
"""


def rsyslog():
    program = need_program('rsyslogd')
    w = Watch().start()
    key = w.key('rsyslog')
    mark = b'rsyslogmark'
    sent, text = lines(b' ' + mark), lines(b' ' + mark, latin=False)
    folder = path('rsyslog')
    os.makedirs(folder)
    values = dict(dir=folder, ca=os.path.join(w.state, 'tls/cert.pem'), file=write('rs.in', b'\n'.join(sent) + b'\n'),
                  text=write('rs.text', b'\n'.join(text) + b'\n'), syslog=w.port('syslog'), tls=w.port('syslog-tls'), https=w.port('https'),
                  secret=key['secret'])
    log = open(path('rsyslog.log'), 'wb')
    p = subprocess.Popen([program, '-n', '-f', write('rsyslog.conf', RSYSLOG.format(**values)), '-i', path('rsyslog.pid')], stdout=log, stderr=log)
    try:
        for name, what in (('rsudp', 'rsyslog, UDP'), ('rstcp', 'rsyslog, TCP by lines'), ('rsoctets', 'rsyslog, TCP by counts'), ('rsgtls', 'rsyslog, TLS by GnuTLS'),
                           ('rsossl', 'rsyslog, TLS by OpenSSL')):
            same(w, name.encode(), [HEAD + name.encode() + s for s in sent], what)
        same(w, b'rses', [b'{"message":"rses' + json_escape(s) + b'"}' for s in text], 'rsyslog, omelasticsearch')
    finally:
        p.terminate()
        p.wait(timeout=30)
    check(not os.path.exists(os.path.join(folder, 'errors')), 'omelasticsearch was refused nothing')
    if bad:
        print(read(path('rsyslog.log')).decode('utf-8', 'replace')[-2000:])
    return w


def json_escape(s):
    return s.replace(b'\\', b'\\\\').replace(b'"', b'\\"').replace(b'/', b'\\/')


# ---- syslog-ng ----

SYSLOG_NG = """
@version: 3.35
options {{ use-dns(no); keep-hostname(yes); log-msg-size(131072); stats-freq(0); }};
source s {{ file("{file}" flags(no-parse) follow-freq(1)); }};
destination udp {{ network("127.0.0.1" port({syslog}) transport("udp") template("<134>1 2026-11-20T10:00:00.000Z relay app - - - ngudp${{MESSAGE}}\\n")); }};
destination tcp {{ network("127.0.0.1" port({syslog}) transport("tcp") template("<134>1 2026-11-20T10:00:00.000Z relay app - - - ngtcp${{MESSAGE}}\\n")); }};
destination octets {{ syslog("127.0.0.1" port({relay}) transport("tcp") template("ngoctets${{MESSAGE}}")); }};
destination tls {{ network("127.0.0.1" port({tls}) transport("tls") tls(peer-verify(no))
  template("<134>1 2026-11-20T10:00:00.000Z relay app - - - ngtls${{MESSAGE}}\\n")); }};
log {{ source(s); destination(udp); destination(tcp); destination(octets); destination(tls); }};
"""


def syslog_ng():
    root = os.path.dirname(os.path.dirname(os.path.dirname(need_peer('syslog-ng', 'usr', 'sbin', 'syslog-ng'))))
    w = Watch().start()
    sent = lines(b' syslogngmark')
    relay = Relay(w.port('syslog'))
    conf = SYSLOG_NG.format(file=write('ng.in', b'\n'.join(sent) + b'\n'), syslog=w.port('syslog'), relay=relay.port, tls=w.port('syslog-tls'))
    usr = os.path.join(root, 'usr')
    libraries = [os.path.join(usr, 'lib/x86_64-linux-gnu'), os.path.join(root, 'lib/x86_64-linux-gnu'), os.path.join(usr, 'lib/syslog-ng')]
    log = open(path('ng.log'), 'wb')
    p = subprocess.Popen([os.path.join(usr, 'sbin/syslog-ng'), '-F', '--no-caps', '-f', write('ng.conf', conf), '-R', path('ng.persist'), '-p', path('ng.pid'),
                          '-c', path('ng.ctl'), '--module-path=' + os.path.join(usr, 'lib/syslog-ng/3.38')], stdout=log, stderr=log,
                         env={**os.environ, 'LD_LIBRARY_PATH': ':'.join(libraries)})
    try:
        for name, what in (('ngudp', 'syslog-ng, UDP'), ('ngtcp', 'syslog-ng, TCP by lines'), ('ngtls', 'syslog-ng, TLS')):
            same(w, name.encode(), [HEAD + name.encode() + s for s in sent], what)
        until(lambda: len(relay.frames()) >= len(sent), 10)
        time.sleep(0.3)
        frames = relay.frames()
        check(len(frames) == len(sent) and all(f.rstrip(b'\n').endswith(s) for f, s in zip(frames, sent)), 'syslog-ng sends each line by its count: %d of %d' % (len(frames), len(sent)))
        same(w, b'ngoctets', frames, 'syslog-ng, RFC 5424 by counts')
    finally:
        p.terminate()
        p.wait(timeout=30)
    if bad:
        print(read(path('ng.log')).decode('utf-8', 'replace')[-2000:])
    return w


who = {'logger': logger, 'curl': curl, 'js': js, 'rsyslog': rsyslog, 'syslog-ng': syslog_ng}
after_a_restart(who[sys.argv[1]]())
end()
