"""indicators.py BUILD [ENTRIES]: what indicators cost a running watch: the same load without one and with ENTRIES of them (default: a million), in the
same run: processor time of detect an event, memory (PSS) of each process, how long the files take to be in use, and how long looking back takes."""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from pss import pss

EVENTS_S, SECONDS = 20000, 10


def make(path, n):
    """The mix of public feeds: half digests, a quarter names of hosts, addresses, URLs."""
    r = random.Random(1)
    with open(path, 'w', encoding='ascii') as f:
        f.write('type,value,source,expires,comment\n')
        for i in range(n):
            k = r.randrange(100)
            kind, value = (('sha256', '%064x' % r.getrandbits(256)) if k < 50 else ('domain', 'h%x.%s' % (r.getrandbits(40), r.choice(('com', 'net', 'org', 'top', 'xyz', 'ru')))) if k < 75 else
                           ('ip', '%d.%d.%d.%d' % tuple(r.randrange(1, 223) for _ in range(4))) if k < 88 else ('url', 'http://h%x.com/%x.php' % (r.getrandbits(40), r.getrandbits(24))))
            f.write('%s,%s,feed,2030-01-01,campaign %d\n' % (kind, value, i // 20))


class Watch:
    def __init__(self, build, folder, settings):
        self.build, self.state = build, os.path.join(folder, 'state')
        os.makedirs(self.state, exist_ok=True)
        with open(os.path.join(self.state, 'vigie.yaml'), 'w') as f:
            f.write(settings)
        os.chmod(os.path.join(self.state, 'vigie.yaml'), 0o600)
        self.log = os.path.join(folder, 'log')

    def start(self):
        words = [os.path.join(self.build, 'vigie'), 'serve', '--state', self.state]
        for name in ('syslog', 'syslog-tls', 'https', 'witness', 'metrics'):
            words += ['--listen', name + '=127.0.0.1:0']
        with open(self.log, 'wb') as log:
            self.p = subprocess.Popen(words, stdout=log, stderr=log)
        self.until(lambda: '\nready\n' in self.said(), 120)
        self.port = next(line for line in self.said().splitlines() if '(syslog, tcp)' in line).split(':')[2].split(' ')[0]
        time.sleep(2)

    def said(self):
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return f.read()

    def until(self, what, seconds):
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end or self.p.poll() is not None:
                sys.exit('it did not come to that:\n' + self.said())
            time.sleep(0.05)

    def status(self):
        r = subprocess.run([os.path.join(self.build, 'vigie'), 'status', '--state', self.state, '--format', 'jsonl'], stdout=subprocess.PIPE)
        return json.loads(r.stdout)

    def pids(self):
        s = self.status()
        return {k[:-4]: int(v) for k, v in s.items() if k.endswith('.pid') and k != 'pid' and int(v)}

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait()


def cpu(pid):
    with open('/proc/%d/stat' % pid) as f:
        words = f.read().rpartition(')')[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


def load(w):
    """Processor time of detect an event, and PSS of all."""
    pid = w.pids()['detect.0']
    before, begin = w.status(), cpu(pid)
    subprocess.run([os.path.join(w.build, 'bench', 'bench_send'), '127.0.0.1', w.port, '2', str(EVENTS_S), str(SECONDS)], stdout=subprocess.DEVNULL, check=True)
    time.sleep(2)
    w.until(lambda: (lambda s: s['vault.0.examined'] == s['vault.0.next'])(w.status()), 60)
    time.sleep(1.5)
    events = int(w.status()['detect.0.events']) - int(before['detect.0.events'])
    return (cpu(pid) - begin) / events * 1e6, {role: pss(p) / 1024 for role, p in w.pids().items()}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 1000000
    with tempfile.TemporaryDirectory() as folder:
        w = Watch(sys.argv[1], folder, 'local:\n  journal: no\n  files: []\n')
        w.start()
        without, memory = load(w)
        os.makedirs(os.path.join(w.state, 'indicators'), exist_ok=True)
        make(os.path.join(w.state, 'indicators', '.feed'), n)
        os.rename(os.path.join(w.state, 'indicators', '.feed'), os.path.join(w.state, 'indicators', 'feed.csv'))
        begin = time.monotonic()
        w.until(lambda: 'of 1 files' in w.said(), 120)
        taken = time.monotonic() - begin
        w.until(lambda: 'were looked through' in w.said(), 600)
        back = time.monotonic() - begin - taken
        records = int(w.status()['vault.0.next']) - 1
        entries = int(w.status()['learn.0.entries'])
        with_, more = load(w)
        w.stop()
        w.start()
        time.sleep(10)  # it has read all again, and given the memory back
        again = {role: pss(p) / 1024 for role, p in w.pids().items()}
        w.stop()
    print('%d entries: in use %.1f s behind the file; %d older records looked through in %.1f s (%.0f records/s)' % (entries, taken, records, back, records / back))
    print('detect, %d events/s of 166 B: %.2f us an event without, %.2f us with: %.2f us more' % (EVENTS_S, without, with_, with_ - without))
    for role in sorted(more):
        print('PSS of %-10s %6.1f MB without, %6.1f MB with, %6.1f MB behind a start' % (role, memory.get(role, 0), more[role], again.get(role, 0)))
    print('PSS of all        %6.1f MB without, %6.1f MB with, %6.1f MB behind a start' % (sum(memory.values()), sum(more.values()), sum(again.values())))


main()
