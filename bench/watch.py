#!/usr/bin/env python3
"""bench/watch.py MODE... [--build DIR] [--state DIR] [--seconds N] [--rate N] [--senders N] - the figures of `vigie serve` under load: all rules of
SigmaHQ (in $VIGIE_SIGMA) and ours, default settings but for this machine's own logs, the sender on the same machine with its processor time apart.

load     syslog over TCP at RATE (default: 100,000 events/s): kept, examined, lost, processor time and memory by role, lag, what it takes on disk.
         RATE 0: as fast as it is taken; --over tls: over TLS
latency  at RATE (50,000/s) a line that a rule is for comes each 100 ms: time until its signal can be read
bulk     _bulk with Winlogbeat-like events of 1 KB and lines of 300 B, gzip, TLS, an API key: as fast as it is taken
udp      more than is taken: sent = kept + what the watch says was dropped
rsyslog  the same load into rsyslogd (imtcp, omfile), as it is and with each batch synced, beside ours
soak     RATE (20,000/s) for SECONDS (1,800): memory by role every 10 s into STATE.memory.tsv, and how it grew in the last two thirds"""
import argparse
import base64
import gzip
import http.client
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time

CLOCK = os.sysconf('SC_CLK_TCK')
LOOPBACK = '127.0.0.1'
DEFAULTS = {'load': (60, 100000), 'latency': (30, 50000), 'bulk': (30, 0), 'udp': (10, 0), 'rsyslog': (20, 0), 'soak': (1800, 20000)}
MARKER = 'latencymarker'
RULE = """title: Latency marker
id: 00000000-0000-4000-8000-00006d61726b
status: stable
logsource:
  product: linux
detection:
  selection:
    - '%s'
  condition: selection
level: high
""" % MARKER


def say(what, figure):
    print('%-28s %s' % (what, figure), flush=True)


def many(n):
    return format(round(n), ',')


# ---- processes ----


def stat_of(pid):
    """Parent and processor time in seconds of @pid; None: it is gone."""
    try:
        with open('/proc/%d/stat' % pid, encoding='utf-8', errors='replace') as f:
            word = f.read().rpartition(')')[2].split()
        return int(word[1]), (int(word[11]) + int(word[12])) / CLOCK
    except OSError:
        return None


def memory_of(pid):
    """PSS and RSS in KiB."""
    found = {}
    try:
        with open('/proc/%d/smaps_rollup' % pid, encoding='utf-8') as f:
            found = {line.split(':')[0]: int(line.split()[1]) for line in f if line[:4] in ('Pss:', 'Rss:')}
    except (OSError, IndexError, ValueError):
        pass
    return found.get('Pss', 0), found.get('Rss', 0)


def until(what, seconds, every=0.05):
    limit = time.monotonic() + seconds
    while True:
        answer = what()
        if answer or time.monotonic() > limit:
            return answer
        time.sleep(every)


class Watch:
    def __init__(self, o, name, rules=''):
        self.vigie, self.state = os.path.join(o.build, 'vigie'), os.path.join(o.state, name)
        shutil.rmtree(self.state, ignore_errors=True)
        os.makedirs(os.path.join(self.state, 'rules'))
        with open(os.path.join(self.state, 'rules', 'bench.yml'), 'w', encoding='utf-8') as f:
            f.write(rules or RULE)
        with open(os.path.join(self.state, 'vigie.yaml'), 'w', encoding='utf-8') as f:
            f.write('local:\n  journal: no\n  files: []\nrules:\n  folders: [rules]\n'.replace('[rules]', '[%s/rules]' % os.path.abspath(self.state)))
        os.chmod(os.path.join(self.state, 'vigie.yaml'), 0o600)
        words = [self.vigie, 'serve', '--state', self.state, '--listen', 'witness=off']
        for name in ('syslog', 'syslog-tls', 'https', 'metrics'):
            words += ['--listen', '%s=%s:0' % (name, LOOPBACK)]
        self.log = self.state + '.log'
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        if not until(lambda: self.process.poll() is not None or re.search(r'^ready$', self.said(), re.M), 60) or self.process.poll() is not None:
            raise SystemExit('the watch is not ready:\n' + self.said())
        self.ports = {name: int(port) for port, name in re.findall(r'listening on \S+:(\d+) \((\S+), (?:tcp|tls|https|metrics-listen)\)', self.said())}
        self.status = until(self.ask, 10)
        say('rules', re.search(r'(\d+ rules, \d+ correlations)', self.said()).group(1))

    def said(self):
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return f.read()

    def run(self, *words, good=(0, 1, 3), **more):
        r = subprocess.run([self.vigie, *words, '--state', self.state], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        if r.returncode not in good:
            raise SystemExit('vigie %s: %d: %s' % (' '.join(words), r.returncode, r.stderr.decode()))
        return r.stdout

    def ask(self):
        """What `vigie status` says; None: nothing yet."""
        rows = self.run('status', '--format', 'jsonl').splitlines()
        s = json.loads(rows[0]) if rows else {}
        return s if s.get('running') and 'vault.0.next' in s else None

    def pids(self):
        found = {'parent': self.process.pid}
        found.update((k[:-4], v) for k, v in self.status.items() if re.fullmatch(r'[a-z]+\.\d+\.pid', k) and v)
        return found

    def processor(self):
        now = {role: stat_of(pid) for role, pid in self.pids().items()}
        return {role: s[1] for role, s in now.items() if s}

    def memory(self):
        return {role: memory_of(pid) for role, pid in self.pids().items()}

    def drained(self, seconds):
        """Wait until all that is kept was examined."""
        def done():
            self.status = self.ask() or self.status
            s = self.status
            return s['collect.0.records'] == s['collect.0.kept'] and s['vault.0.examined'] == s['vault.0.next']

        time.sleep(2.2)  # what the status tells, and what it is made of, is up to a second old each
        return until(done, seconds, 0.2)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=120)
        say('stopped', 'exit code %d' % code + (', ' + '; '.join(self.trouble()) if self.trouble() else ''))

    def trouble(self):
        return [line for line in self.said().splitlines() if re.search('begins again|has not answered', line)][:3] + [
            '%s: %d' % (k, v) for k, v in self.status.items() if k.endswith('.restarts') and v]


class Sampler(threading.Thread):
    """Looks at a watch every so often while something runs: memory, lag."""

    def __init__(self, watch, every, each=None):
        super().__init__(daemon=True)
        self.watch, self.every, self.each, self.end = watch, every, each, threading.Event()
        self.worst, self.at_worst, self.rss, self.lag = 0, {}, {}, 0

    def run(self):
        begin = time.monotonic()
        while not self.end.wait(self.every):
            memory = self.watch.memory()
            total = sum(pss for pss, _ in memory.values())
            if total > self.worst:
                self.worst, self.at_worst = total, {role: pss for role, (pss, _) in memory.items()}
            for role, (_, rss) in memory.items():
                self.rss[role] = max(rss, self.rss.get(role, 0))
            s = self.watch.ask()
            if s:
                self.lag = max(self.lag, s['vault.0.next'] - s['vault.0.examined'])
            if self.each:
                self.each(time.monotonic() - begin, memory)

    def stop(self):
        self.end.set()
        self.join()

    def tell(self):
        say('memory, all roles', '%.1f MB at most (PSS): %s' % (self.worst / 1024, ', '.join(
            '%s %.0f' % (role, pss / 1024) for role, pss in sorted(self.at_worst.items(), key=lambda x: -x[1]) if pss >= 512)))
        say('most resident (RSS), MB', ', '.join('%s %.0f' % (role, rss / 1024) for role, rss in sorted(self.rss.items(), key=lambda x: -x[1])))


def send(o, over, port, rate, seconds, senders=None):
    """Runs bench_send to its end."""
    r = subprocess.run([os.path.join(o.build, 'bench', 'bench_send'), over, LOOPBACK, str(port), str(senders or o.senders), str(rate), str(seconds)],
                       stdout=subprocess.PIPE, check=True)
    return json.loads(r.stdout)


def tell_processor(before, after, seconds, events):
    used = {role: after[role] - before.get(role, 0) for role in after}
    total = sum(used.values())
    say('processor time by role, s', '%s; all %.1f = %.2f cores, %.2f s a million events' % (
        ', '.join('%s %.1f' % (role, t) for role, t in sorted(used.items(), key=lambda x: -x[1]) if t >= 0.05), total, total / seconds, total / events * 1e6))


def tell_disk(state, raw):
    """Everything that the watch has on disk, by part."""
    part = {'segments': 0, 'index': 0, 'journal': 0, 'signals and hits': 0, 'other': 0}
    for folder, _, names in os.walk(state):
        for name in names:
            size = os.stat(os.path.join(folder, name)).st_size
            kind = {'.vs': 'segments', '.vi': 'index', '.vj': 'journal'}.get(name[-3:], 'signals and hits' if folder.endswith('trace') else 'other')
            part[kind] += size
    kept = part['segments'] + part['index'] + part['other']
    say('on disk, MB', '%s; raw %.1f; without journal and signals %.2f:1' % (', '.join('%s %.1f' % (k, v / 1e6) for k, v in part.items()), raw / 1e6, raw / kept))


# ---- load ----


def load(o, seconds, rate, over='tcp'):
    w = Watch(o, 'load')
    before, looks = w.processor(), Sampler(w, 1)
    looks.start()
    begin = time.monotonic()
    sent = send(o, over, w.ports['syslog-tls' if over == 'tls' else 'syslog'], rate, seconds)
    ended = time.monotonic()
    w.status = w.ask()
    lag = w.status['vault.0.next'] - w.status['vault.0.examined']
    well = w.drained(seconds * 2 + 60)
    looks.stop()
    took, after, s = time.monotonic() - begin, w.processor(), w.status
    kept = s['vault.0.next'] - 1
    say('sent (%s)' % over, '%s events of %.0f B in %.1f s: %s/s, %.1f MB/s; sender\'s processor time %.1f s' % (
        many(sent['sent']), sent['bytes'] / sent['sent'], sent['seconds'], many(sent['sent'] / sent['seconds']), sent['bytes'] / sent['seconds'] / 1e6, sent['cpu_s']))
    say('kept', '%s, lost %s' % (many(kept), many(sent['sent'] - kept)))
    say('examined', '%s%s; rules behind by %s records at the end, %s at most; all examined %.1f s after the last was sent (looked at every second or two)' % (
        many(s['vault.0.examined'] - 1), '' if well else ' (NOT ALL)', many(lag), many(looks.lag), took - (ended - begin)))
    say('hits, signals', '%s, %s; %s syncs' % (many(s['detect.0.hits']), many(s['trace.0.signals']), many(s['vault.0.syncs'])))
    say('refused', ', '.join('%s %d' % (k[18:-2], v) for k, v in s.items() if k.startswith('collect.0.refused') and v) or 'nothing')
    tell_processor(before, after, took, kept)
    looks.tell()
    w.stop()
    found = w.run('vault', 'search', 'DHCPACK', '--format', 'jsonl').count(b'\n')
    say('search for DHCPACK', '%s found, %s sent' % (many(found), many(sent['marked'])))
    tell_disk(w.state, sent['bytes'])
    return well and kept == sent['sent'] and found == sent['marked']


# ---- latency ----


def marker_sender(port, seconds, every, out):
    """Lines that the rule is for, on a connection of their own; their own time is when they went."""
    s = socket.create_connection((LOOPBACK, port), source_address=('127.0.0.99', 0))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    begin, n = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        now = time.time_ns() // 1000 * 1000
        stamp = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 10**9)) + '.%06dZ' % (now % 10**9 // 1000)
        s.sendall(('<38>%s marker app[%d]: %s number %d\n' % (stamp, 100 + n, MARKER, n)).encode())
        out[now] = True
        n += 1
        time.sleep(max(0, begin + n * every - time.monotonic()))
    s.close()


def percentile(values, p):
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def latency(o, seconds, rate, over='tcp'):
    w, sent, seen, made = Watch(o, 'latency'), {}, {}, {}
    background = threading.Thread(target=lambda: background_result.append(send(o, 'tcp', w.ports['syslog'], rate, seconds + 4)))
    background_result = []
    db = sqlite3.connect('file:%s/trace/signals.db?mode=ro' % w.state, uri=True, timeout=1)
    background.start()
    time.sleep(3)
    marks = threading.Thread(target=marker_sender, args=(w.ports['syslog'], seconds, 0.1, sent))
    marks.start()
    last, limit = 0, time.monotonic() + seconds + 30
    while time.monotonic() < limit and (marks.is_alive() or len(seen) < len(sent)):
        for n, time_ns, made_ns in db.execute('SELECT n, time_ns, made_ns FROM signal WHERE n > ? AND title = \'Latency marker\' ORDER BY n', (last,)).fetchall():
            seen[time_ns], made[time_ns], last = time.time_ns(), made_ns, n
        time.sleep(0.005)
    background.join()
    db.close()
    s = background_result[0]
    say('background', '%s events, %s/s; sender\'s processor time %.1f s' % (many(s['sent']), many(s['sent'] / s['seconds']), s['cpu_s']))
    say('markers', '%d sent, %d signals' % (len(sent), len([t for t in sent if t in seen])))
    for what, at in (('sent to readable, ms', seen), ('sent to made, ms', made)):
        t = sorted((at[t] - t) / 1e6 for t in sent if t in at)
        if t:
            say(what, 'p50 %.0f, p95 %.0f, p99 %.0f, max %.0f' % (percentile(t, 50), percentile(t, 95), percentile(t, 99), t[-1]))
    w.drained(60)
    w.stop()
    return len(sent) > 0 and all(t in seen for t in sent)


# ---- bulk ----

# What Winlogbeat sends of a few events, cut to about a kilobyte; one in ten is a sign-in.
WINLOGBEAT_HEAD = (
    '{"@timestamp":"%(stamp)s","agent":{"ephemeral_id":"%(agent)s","id":"%(agent)s","name":"PC%(host)02d","type":"winlogbeat","version":"8.14.1"},"ecs":{"version":"8.0.0"},'
    '"event":{"code":"%(code)s","kind":"event","outcome":"success","provider":"Microsoft-Windows-Security-Auditing"},"host":{"name":"pc%(host)02d.corp.example"},'
    '"log":{"level":"information"},"winlog":{"api":"wineventlog","channel":"Security","computer_name":"PC%(host)02d.corp.example","event_id":"%(code)s","keywords":["Audit Success"],"opcode":"Info",'
    '"process":{"pid":%(pid)d,"thread":{"id":%(tid)d}},"provider_guid":"{54849625-5478-4994-A5BA-3E3B0328C30D}","provider_name":"Microsoft-Windows-Security-Auditing","record_id":%(record)d,"version":2,"event_data":{')
SUBJECT = '"SubjectDomainName":"CORP","SubjectLogonId":"0x%(logon)x","SubjectUserName":"user%(user)04d","SubjectUserSid":"S-1-5-21-1004336348-1177238915-682003330-%(sid)d",'
WINLOGBEAT = [(code, WINLOGBEAT_HEAD + data + '}}}\n') for code, data in (
    ('4688', SUBJECT + '"CommandLine":"\\"C:\\\\Program Files\\\\Acme\\\\Ledger\\\\ledger.exe\\" --task %(act)08x --out C:\\\\Users\\\\user%(user)04d\\\\Documents\\\\%(port)d.tmp",'
     '"MandatoryLabel":"S-1-16-8192","NewProcessId":"0x%(tid)x","NewProcessName":"C:\\\\Program Files\\\\Acme\\\\Ledger\\\\ledger.exe","ParentProcessName":"C:\\\\Windows\\\\explorer.exe",'
     '"ProcessId":"0x%(pid)x","TokenElevationType":"%%%%1936"'),
    ('4688', SUBJECT + '"CommandLine":"C:\\\\Windows\\\\System32\\\\svchost.exe -k netsvcs -p -s Schedule","MandatoryLabel":"S-1-16-16384","NewProcessId":"0x%(tid)x",'
     '"NewProcessName":"C:\\\\Windows\\\\System32\\\\svchost.exe","ParentProcessName":"C:\\\\Windows\\\\System32\\\\services.exe","ProcessId":"0x%(pid)x","TokenElevationType":"%%%%1936"'),
    ('4689', SUBJECT + '"ProcessId":"0x%(pid)x","ProcessName":"C:\\\\Program Files\\\\Browser\\\\browser.exe","Status":"0x0"'),
    ('5156', '"Application":"\\\\device\\\\harddiskvolume3\\\\program files\\\\browser\\\\browser.exe","DestAddress":"192.0.2.%(b)d","DestPort":"443","Direction":"%%%%14593","FilterRTID":"%(tid)d",'
     '"LayerName":"%%%%14611","LayerRTID":"48","ProcessID":"%(pid)d","Protocol":"6","RemoteMachineID":"S-1-0-0","RemoteUserID":"S-1-0-0","SourceAddress":"10.1.%(a)d.%(host)d","SourcePort":"%(port)d"'),
    ('4634', '"LogonType":"3","TargetDomainName":"CORP","TargetLogonId":"0x%(logon)x","TargetUserName":"user%(user)04d","TargetUserSid":"S-1-5-21-1004336348-1177238915-682003330-%(sid)d"'),
    ('4624', '"AuthenticationPackageName":"Kerberos","ElevatedToken":"%%%%1843","IpAddress":"10.1.%(a)d.%(host)d","IpPort":"%(port)d","KeyLength":"0","LogonProcessName":"Kerberos","LogonType":"3",'
     '"SubjectUserSid":"S-1-0-0","TargetDomainName":"CORP","TargetLogonId":"0x%(logon)x","TargetUserName":"user%(user)04d","TargetUserSid":"S-1-5-21-1004336348-1177238915-682003330-%(sid)d"'),
)]
SHORT = [('', '{"@timestamp":"%(stamp)s","host":{"name":"srv%(host)02d"},"log":{"file":{"path":"/var/log/app/orders.log"},"offset":%(record)d},'
          '"message":"order %(logon)d of user%(user)04d from 10.1.%(a)d.%(b)d:%(port)d took %(pid)d ms, trace %(act)08x","service":{"name":"orders"},"event":{"dataset":"app.orders"}}\n')]
MIX = (0, 0, 0, 0, 1, 2, 3, 3, 4, 5)
BODY = 1000 # events


def make_bodies(templates, count, first, begin_s, step_s):
    """Bodies of events, gzipped, each event with a record number of its own and later than the one before; and the bytes of one event."""
    r, bodies, raw = random.Random(first), [], 0
    for n in range(count):
        lines = []
        for i in range(BODY):
            k = first + n * BODY + i
            now, host = begin_s + (n * BODY + i) * step_s, r.randrange(60)
            code, text = templates[MIX[r.randrange(10)] if len(templates) > 1 else 0]
            user = host * 2 + r.randrange(2)  # people work at their own machines
            lines.append('{"create":{"_index":"winlogbeat-8.14.1"}}\n')
            lines.append(text % {
                'stamp': time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now)) + '.%03dZ' % (now % 1 * 1000), 'code': code, 'host': host, 'record': 1 + k,
                'agent': '%08x-4c1e-4b1f-9a53-6a2e0b1d%04x' % (host * 2654435761 % 2**32, host), 'act': r.getrandbits(32), 'a': host % 4, 'b': r.randrange(1, 250), 'port': r.randrange(49152, 65536),
                'logon': r.getrandbits(32), 'user': user, 'sid': 1100 + user, 'pid': 4 * r.randrange(1, 2000), 'tid': 4 * r.randrange(1, 4000)})
        raw += sum(len(x) - 1 for x in lines[1::2])
        bodies.append(gzip.compress(''.join(lines).encode(), 1))
    return bodies, raw / (BODY * count)


def make_bodies_part(job):
    return make_bodies(*job)


def post_all(port, secret, bodies, seconds, senders, answers):
    """In a process of its own, so that its processor time is its own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    limit, lock, taken, sums = time.monotonic() + seconds, threading.Lock(), [0], {'acknowledged': 0, 'posts': 0, 'told_to_wait': 0, 'bad': 0, 'bytes': 0}

    def one():
        c = http.client.HTTPSConnection(LOOPBACK, port, context=context, timeout=60)
        while time.monotonic() < limit:
            with lock:
                n = taken[0]
                taken[0] += 1
            if n >= len(bodies):
                return
            while True:
                c.request('POST', '/_bulk?filter_path=errors', bodies[n], {'Content-Type': 'application/x-ndjson', 'Content-Encoding': 'gzip', 'Authorization': 'ApiKey ' + secret})
                r = c.getresponse()
                text = r.read()
                if r.status != 429:
                    break
                with lock:
                    sums['told_to_wait'] += 1
                time.sleep(0.02)
            with lock:
                sums['posts'] += 1
                sums['bytes'] += len(bodies[n])
                if r.status == 200 and b'"errors":true' not in text:
                    sums['acknowledged'] += BODY
                else:
                    sums['bad'] += 1

    begin, used = time.monotonic(), time.process_time()
    threads = [threading.Thread(target=one) for _ in range(senders)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    sums.update(seconds=time.monotonic() - begin, cpu_s=time.process_time() - used)
    answers.put(sums)


def bulk_kind(o, name, templates, seconds, most):
    share = int(most * seconds / BODY) // 2 + 1
    with multiprocessing.Pool(2) as pool:  # times end about now
        made = pool.map(make_bodies_part, [(templates, share, i * share * BODY, time.time() - (2 - i) * seconds / 2, 1 / most) for i in range(2)])
    bodies = made[0][0] + made[1][0]
    w = Watch(o, 'bulk')
    key = json.loads(w.run('key', 'add', 'bench', '--format', 'jsonl'))
    time.sleep(3)  # the listener reads keys once a second
    secret = base64.b64encode(('%s:%s' % (key['source'], key['secret'])).encode()).decode()
    before, looks, answers = w.processor(), Sampler(w, 1), multiprocessing.Queue()
    looks.start()
    begin = time.monotonic()
    p = multiprocessing.Process(target=post_all, args=(w.ports['https'], secret, bodies, seconds, o.senders, answers))
    p.start()
    sums = answers.get()
    p.join()
    w.status = w.ask()
    lag = w.status['vault.0.next'] - w.status['vault.0.examined']
    well = w.drained(seconds * 3 + 60)
    looks.stop()
    took = time.monotonic() - begin
    n = sums['acknowledged']
    say(name, '%s events of %.0f B (%.0f gzipped) acknowledged in %.1f s: %s/s; told to wait %d times; sender\'s processor time %.1f s' % (
        many(n), made[0][1], sums['bytes'] / max(1, n), sums['seconds'], many(n / sums['seconds']), sums['told_to_wait'], sums['cpu_s']))
    kept = w.status['vault.0.next'] - 1
    say('kept, examined', '%s, %s%s; rules behind by %s at the end; all examined at %s/s; refused answers %d; %s signals, %s copies' % (
        many(kept), many(w.status['vault.0.examined'] - 1), '' if well else ' (NOT ALL)', many(lag), many(n / (took - 2)), sums['bad'], many(w.status['trace.0.signals']), many(w.status['trace.0.copies'])))
    tell_processor(before, w.processor(), took, n)
    looks.tell()
    w.stop()
    tell_disk(w.state, made[0][1] * n)
    if sums['posts'] == len(bodies):
        say('note', 'all bodies that were made went before the time was over: make more (--rate)')
    return well and kept == n and sums['bad'] == 0


def bulk(o, seconds, rate, over='tcp'):
    well = bulk_kind(o, 'Winlogbeat-like', WINLOGBEAT, seconds, rate or 60000)
    return bulk_kind(o, 'short lines', SHORT, seconds, rate or 150000) and well


# ---- UDP ----


def kernel_drops(port):
    with open('/proc/net/udp', encoding='ascii') as f:
        rows = [line.split() for line in f]
    return sum(int(r[-1]) for r in rows if r[1].endswith(':%04X' % port))


def udp(o, seconds, rate, over='tcp'):
    w = Watch(o, 'udp')
    port = w.ports['syslog']
    sent = send(o, 'udp', port, rate, seconds, min(o.senders, 4))
    w.drained(120)
    dropped = kernel_drops(port)  # before the socket is closed
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # the kernel tells of drops with the next datagram that it keeps
        s.sendto(b'<38>Apr  3 08:12:45 last app: the last one', (LOOPBACK, port))
    w.drained(60)
    s = w.status
    text = http.client.HTTPConnection(LOOPBACK, w.ports['metrics'])
    text.request('GET', '/metrics')
    metrics = dict(line.rsplit(' ', 1) for line in text.getresponse().read().decode().splitlines() if line and line[0] != '#')
    kept, told = s['vault.0.next'] - 1, s['collect.0.kernel_drops']
    refused = sum(v for k, v in s.items() if k.startswith('collect.0.refused') and 'dropped-by-kernel' not in k)
    say('sent', '%s datagrams in %.1f s: %s/s; sender\'s processor time %.1f s' % (many(sent['sent'] + 1), sent['seconds'], many(sent['sent'] / sent['seconds']), sent['cpu_s']))
    say('kept', '%s: %s/s' % (many(kept), many(kept / sent['seconds'])))
    say('dropped by the kernel', '%s told by vigie status, %s by /metrics; /proc/net/udp says %s' % (
        many(told), many(int(metrics['vigie_collect_kernel_drops{index="0"}'])), many(dropped)))
    say('refused', many(refused))
    say('sent - kept - told', many(sent['sent'] + 1 - kept - told - refused))
    w.stop()
    return sent['sent'] + 1 == kept + told + refused


# ---- rsyslog ----


def rsyslogd(o, seconds, rate, synced):
    program = shutil.which('rsyslogd', path=os.environ.get('PATH', '') + ':/usr/sbin')
    if program is None:
        say('rsyslog', 'rsyslogd is not here: its row is left out')
        return
    folder = os.path.join(o.state, 'rsyslog')
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with socket.create_server((LOOPBACK, 0)) as s:
        port = s.getsockname()[1]
    conf, out = os.path.join(folder, 'conf'), os.path.join(folder, 'out')
    with open(conf, 'w', encoding='utf-8') as f:
        f.write('global(workDirectory="%s")\nmodule(load="imtcp" MaxSessions="64")\ninput(type="imtcp" port="%d" address="%s")\naction(type="omfile" file="%s"%s)\n'
                % (folder, port, LOOPBACK, out, ' sync="on"' if synced else ''))
    with open(os.path.join(folder, 'log'), 'wb') as log:
        p = subprocess.Popen([program, '-n', '-f', conf, '-i', os.path.join(folder, 'pid')], stdout=log, stderr=log)
    try:
        if not until(lambda: socket.socket().connect_ex((LOOPBACK, port)) == 0, 10):
            raise SystemExit('rsyslogd does not listen')
        time.sleep(0.5)
        used, begin = stat_of(p.pid)[1], time.monotonic()
        sent = send(o, 'tcp', port, rate, seconds)
        size = -1
        while size != os.path.getsize(out):  # until it writes nothing more
            size = os.path.getsize(out)
            took = time.monotonic() - begin
            time.sleep(1.5)
        used = stat_of(p.pid)[1] - used
        pss = memory_of(p.pid)[0]
    finally:
        p.terminate()
        p.wait(timeout=30)
    with open(out, 'rb') as f:
        kept = sum(block.count(b'\n') for block in iter(lambda: f.read(1 << 20), b''))
    say('rsyslogd' + (', synced' if synced else ''), '%s sent, %s written in %.1f s: %s/s; processor time %.1f s, %.2f s a million; %.0f MB (PSS at the end); sender\'s %.1f s; %.1f MB on disk' % (
        many(sent['sent']), many(kept), took, many(kept / took), used, used / max(1, kept) * 1e6, pss / 1024, sent['cpu_s'], os.path.getsize(out) / 1e6))
    shutil.rmtree(folder)


def rsyslog(o, seconds, rate, over='tcp'):
    rsyslogd(o, seconds, rate, False)
    rsyslogd(o, seconds, rate, True)
    return load(o, seconds, rate)


# ---- soak ----


def growth(points):
    """Of (seconds, KiB): by a straight line through them over their time, and the most less the least."""
    n = len(points)
    mx, my = sum(t for t, _ in points) / n, sum(v for _, v in points) / n
    over = sum((t - mx) ** 2 for t, _ in points)
    slope = sum((t - mx) * (v - my) for t, v in points) / over if over else 0
    values = [v for _, v in points]
    return slope * (points[-1][0] - points[0][0]), max(values) - min(values), values[-1]


def soak(o, seconds, rate, over='tcp'):
    w, points = Watch(o, 'soak'), {}
    path = w.state + '.memory.tsv'
    with open(path, 'w', encoding='utf-8') as f:
        f.write('seconds\trole\tpss_kib\trss_kib\n')

        def each(at, memory):
            memory['all'] = tuple(map(sum, zip(*memory.values())))
            for role, (pss, rss) in memory.items():
                f.write('%.1f\t%s\t%d\t%d\n' % (at, role, pss, rss))
                points.setdefault(role, []).append((at, pss, rss))
            f.flush()

        before, looks = w.processor(), Sampler(w, max(0.5, min(10, seconds / 60)), each)
        looks.start()
        begin = time.monotonic()
        sent = send(o, 'tcp', w.ports['syslog'], rate, seconds)
        looks.stop()
    w.drained(60)
    kept = w.status['vault.0.next'] - 1
    say('sent', '%s events in %.0f s: %s/s; kept %s, lost %s; sender\'s processor time %.1f s' % (
        many(sent['sent']), sent['seconds'], many(sent['sent'] / sent['seconds']), many(kept), many(sent['sent'] - kept), sent['cpu_s']))
    tell_processor(before, w.processor(), time.monotonic() - begin, kept)
    for role, p in points.items():
        late = [x for x in p if x[0] > seconds / 3]
        if len(late) > 2:
            pss, rss = growth([(t, v) for t, v, _ in late]), growth([(t, v) for t, _, v in late])
            say('growth of ' + role, 'resident %+.2f MB by the line through its last two thirds, most less least %.2f, at the end %.1f MB; PSS %+.2f, %.2f, %.1f' % (
                rss[0] / 1024, rss[1] / 1024, rss[2] / 1024, pss[0] / 1024, pss[1] / 1024, pss[2] / 1024))
    looks.tell()
    say('every look', path)
    w.stop()
    return kept == sent['sent']


MODES = {'load': load, 'latency': latency, 'bulk': bulk, 'udp': udp, 'rsyslog': rsyslog, 'soak': soak}


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('mode', nargs='+', choices=MODES)
    p.add_argument('--build', default='build')
    p.add_argument('--state', default='var/bench')
    p.add_argument('--seconds', type=int)
    p.add_argument('--rate', type=int)
    p.add_argument('--senders', type=int, default=8)
    p.add_argument('--over', choices=('tcp', 'tls'), default='tcp')
    o = p.parse_args()
    well = True
    for mode in o.mode:
        seconds, rate = DEFAULTS[mode]
        print('---- ' + mode, flush=True)
        well = MODES[mode](o, o.seconds or seconds, rate if o.rate is None else o.rate, o.over) and well
    sys.exit(0 if well else 1)


main()
