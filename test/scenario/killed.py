#!/usr/bin/env python3
"""Under load every role of the watch is killed twenty times, at random moments; now and then all of it is.  What was acknowledged is found, once;
signals are those of a watch that nobody disturbed; and so they are behind a stop and a start.

killed.py [ROLE [SEED]]: that role alone five times, under more load, with no start in between that would put right what was lost.  The seed
is printed."""
import http.client
import json
import os
import random
import signal
import ssl
import sys
import threading
import time
from collections import Counter

from scenario import check, end, path, write
from watch import ACCOUNT_MADE, FAILED_LOGON, Watch, acknowledged, bulk, children, correlation_rule, until

ALONE = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != 'all' else ''
ROLES = (ALONE,) if ALONE else ('collect', 'local', 'vault', 'detect', 'trace', 'seal', 'publish', 'out', 'respond')
KILLS = 5 if ALONE else 20   # of each
ROUNDS = 1 if ALONE else 5   # between them it stops and starts, and waits of back-off are short again
SENDERS, BATCH, PAUSE_S, STEP_S = (2, 400, 0, 0.02) if ALONE else (2, 20, 0.05, 0.1)
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
draw, draw_lines = random.Random(SEED), random.Random(SEED + 1)

RULES = [
    FAILED_LOGON, ACCOUNT_MADE,
    correlation_rule('Many failed logons', 1, 'event_count', 'failed_logon', 'TargetUserName', '1m', '{gte: 5}'),
    correlation_rule('Failed logons, then an account', 2, 'temporal_ordered', 'failed_logon, account_made', 'Computer', '30s', generate=True),
    correlation_rule('One address, many users', 3, 'value_count', 'failed_logon', 'IpAddress', '2m', '{field: TargetUserName, gte: 6}'),
]


def document(n, time_s):
    """One event, and its name; what it says hangs on its number alone."""
    r = random.Random(n)
    stamp = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time_s)) + '.%06dZ' % (time_s % 1 * 1e6)
    event = 4625 if r.random() < 0.15 else 4720 if r.random() < 0.03 else 4624
    return ('e%d' % n, {'@timestamp': stamp, 'needle': 'killmark', 'winlog': {
        'channel': 'Security', 'event_id': event, 'computer_name': 'pc%d' % r.randrange(8),
        'event_data': {'TargetUserName': 'user%d' % r.randrange(12), 'IpAddress': '10.0.0.%d' % r.randrange(6), 'N': str(n)}}})


class Sender(threading.Thread):
    """Sends batch after batch, each until it is acknowledged, as real shippers do."""

    def __init__(self, w, key, at, first_s):
        super().__init__(daemon=True)
        self.w, self.key, self.at, self.first_s, self.on, self.held = w, key, at, first_s, True, False
        self.sent, self.resent = [], 0

    def batch(self, k):
        first = (k * SENDERS + self.at) * BATCH
        return [document(n, self.first_s + n * STEP_S) for n in range(first, first + BATCH)]

    def deliver(self, c, docs):
        try:
            return len(acknowledged(docs, bulk(c, self.key, docs))) == len(docs)
        except (OSError, http.client.HTTPException, ssl.SSLError, ValueError):
            c.close()
            return False

    def run(self):
        c, k = None, 0
        while self.on:
            docs = self.batch(k)
            while True:
                c = c or self.w.https()
                if self.deliver(c, docs):
                    break
                c = None
                self.resent += 1
                time.sleep(0.05)
            self.sent += docs
            k += 1
            time.sleep(PAUSE_S)


class Writer(threading.Thread):
    """A log of this machine that grows, and begins anew once in a while as logs do."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.name_, self.on, self.lines = name, True, []

    def run(self):
        while self.on:
            if len(self.lines) % 400 == 399:
                os.rename(self.name_, self.name_ + '.1')
            with open(self.name_, 'a') as f:
                for _ in range(draw_lines.randrange(1, 8)):
                    self.lines.append('host app: localmark %d' % len(self.lines))
                    f.write(self.lines[-1] + '\n')
            time.sleep(0.02)


def killing(w):
    done = Counter()
    for n in range(ROUNDS):
        todo = [role for role in ROLES for _ in range(KILLS // ROUNDS)]
        draw.shuffle(todo)
        for role in todo:
            now = until(lambda: {k: p for k, p in children(w.process.pid).items() if k[0] == role}, 10, 0.02)
            if not check(now, '%s runs again' % role):
                return done
            try:
                os.kill(draw.choice(sorted(now.values())), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it was killed a moment ago, and is gone now
            done[role] += 1
            time.sleep(draw.choice((0, 0.02, 0.1, 0.2)) * draw.random() * 2)
        if n == ROUNDS - 1:
            break
        if n % 2:  # all of it at once
            w.process.kill()
            w.process.wait()
            until(lambda: not children(w.process.pid), 5)
            w.start()
        else:
            w.again()
        time.sleep(1)
    return done


def told(w, name_of):
    """The signals, as what they say: seqs are the watch's own, names of records are not."""
    rows = w.signals()
    out = Counter((s['rule'], s['time'], s['first'], s['count'], json.dumps(s['fields'], sort_keys=True), tuple(sorted(name_of.get(q, '?%d' % q) for q in s['evidence'])))
                  for s in rows)
    check(len({s['id'] for s in rows}) == len(rows), 'each signal has an id of its own')
    return out


def seen(w):
    """What is found, by name; and names by seq, copies too."""
    rows = w.search('killmark', '--max-time', '60s')
    name_of = {r['seq']: r['id'] for r in rows}
    return Counter((r['id'], r['raw']) for r in rows), name_of


def look(w, sent, what):
    check(w.examined(40), '%s: all of it is examined' % what)
    want = Counter(('logs/' + i, json.dumps(d, ensure_ascii=False)) for i, d in sent)
    got, name_of = seen(w)
    missing, more = want - got, got - want
    check(not missing, '%s: %d of %d acknowledged records are missing: %s' % (what, sum(missing.values()), len(sent), [i for (i, _) in list(missing)[:5]]))
    check(not more, '%s: %d records are found too often: %s' % (what, sum(more.values()), [i for (i, _) in list(more)[:5]]))
    return told(w, name_of)


def local_lines(w, lines, what):
    got, want = Counter(r['raw'] for r in w.search('localmark')), Counter(lines)
    missing, more = want - got, got - want
    check(not missing, '%s: %d of %d lines of a file are missing: %s' % (what, sum(missing.values()), len(lines), list(missing)[:3]))
    check(not more, '%s: %d lines of a file are found too often: %s' % (what, sum(more.values()), list(more)[:3]))


def compare(got, want, what):
    missing, more = want - got, got - want
    check(not missing, '%s: %d of %d signals are missing: %s' % (what, sum(missing.values()), sum(want.values()), sorted(missing)[:3]))
    check(not more, '%s: %d signals are too many: %s' % (what, sum(more.values()), sorted(more)[:3]))


def disturbed(first_s):
    log = write('logs/app.log', '')
    w = Watch('disturbed', RULES, 'detect:\n  processes: 2\nvault:\n  checkpoint-every: 1 s\n', files=[path('logs/*.log')]).start()
    w.may_die = True
    key = w.key('load')
    senders = [Sender(w, key, at, first_s) for at in range(SENDERS)]
    writer = Writer(log)
    for s in senders + [writer]:
        s.start()
    time.sleep(0.5)
    done = killing(w)
    check(all(done[role] == KILLS for role in ROLES), 'each role was killed %d times: %s' % (KILLS, dict(done)))
    time.sleep(1)
    for s in senders + [writer]:
        s.on = False
    for s in senders + [writer]:
        s.join(20)
        check(not s.is_alive(), 'senders come to an end')
    sent = sorted((d for s in senders for d in s.sent), key=lambda d: int(d[0][1:]))
    print('%d records acknowledged, %d lines in a file, %d batches sent again, %s' % (len(sent), len(writer.lines), sum(s.resent for s in senders), dict(done)))
    got = look(w, sent, 'killed')
    status = w.status()
    check(status['vault.0.set_aside'] == 0 and status['vault.0.unexamined'] == 0, 'no record is set aside: %s' % {k: v for k, v in status.items() if k.startswith('vault')})
    local_lines(w, writer.lines, 'killed')
    w.again()
    local_lines(w, writer.lines, 'killed, and started again')
    compare(look(w, sent, 'killed, and started again'), got, 'killed, and started again')
    w.stop()
    return sent, got


def undisturbed(sent):
    w = Watch('undisturbed', RULES).start()
    key, c = w.key('load'), w.https()
    for at in range(0, len(sent), 500):
        check(len(acknowledged(sent[at:at + 500], bulk(c, key, sent[at:at + 500]))) == len(sent[at:at + 500]), 'a watch at rest takes all')
    got = look(w, sent, 'undisturbed')
    w.stop()
    return got


print('seed', SEED)
records, signals = disturbed(time.time() - 6 * 3600)
expected = undisturbed(records)
print('%d signals, %d of correlations' % (sum(expected.values()), sum(n for s, n in expected.items() if '-00000000c' in s[0])))
check(sum(expected.values()) > 100, 'there are signals to compare')
compare(signals, expected, 'killed')
end()
