#!/usr/bin/env python3
"""The same events sorted, shuffled within ten minutes, and with one host up to three days late give the same signals as `vigie hunt` over
the file of them, those that came minutes ago too, and behind a stop and a start.  order.py [EVENTS]."""
import json
import random
import sys
import time
from collections import Counter

from scenario import check, end, path, vigie, write
from watch import ACCOUNT_MADE, FAILED_LOGON, Watch, acknowledged, bulk, correlation_rule, event_rule, until

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
HOSTS, LATE_HOST = 12, 7

RULES = [
    FAILED_LOGON, event_rule('Logon', 4624, 'low', 'logon', 'LogonType: 10'), ACCOUNT_MADE,
    correlation_rule('Many failed logons', 1, 'event_count', 'failed_logon', 'TargetUserName', '10m', '{gte: 4}'),
    correlation_rule('Logon, then an account', 2, 'temporal_ordered', 'logon, account_made', 'Computer', '5m', generate=True),
    correlation_rule('Failed and made', 4, 'temporal', 'failed_logon, account_made', 'TargetUserName', '5m'),
    correlation_rule('One address, many users', 3, 'value_count', 'failed_logon', 'IpAddress', '20m', '{field: TargetUserName, gte: 6}'),
]


def events(n, from_s, to_s, users):
    """In order of time, each with one of its own: (µs, host, document)."""
    r = random.Random(7)
    out = []
    for i in range(n):
        us = int((from_s + (to_s - from_s) * (i + r.random() * 0.5) / n) * 1e6)
        stamp = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(us // 10**6)) + '.%06dZ' % (us % 10**6)
        k, host = r.random(), r.randrange(HOSTS)
        out.append((us, host, json.dumps({'@timestamp': stamp, 'winlog': {
            'channel': 'Security', 'event_id': 4625 if k < 0.2 else 4720 if k < 0.26 else 4624, 'computer_name': 'pc%d' % host, 'record_id': i + 1,
            'event_data': {'TargetUserName': 'user%d' % r.randrange(users), 'IpAddress': '10.0.0.%d' % r.randrange(9), 'LogonType': r.choice(('2', '3', '10'))}}})))
    return out


def is_sorted(ev):
    return ev


def shuffled(ev):
    r = random.Random(8)
    return sorted(ev, key=lambda e: e[0] + r.randrange(600 * 10**6))


def late(ev):
    return [e for e in ev if e[1] != LATE_HOST] + [e for e in ev if e[1] == LATE_HOST]


def hunted(ev, name):
    """What `vigie hunt` says of the file of them."""
    write('%s/events.json' % name, '\n'.join(d for _, _, d in ev) + '\n')
    for i, rule in enumerate(RULES):
        write('%s-rules/%d.yml' % (name, i), rule)
    r = vigie('hunt', path(name), '--rules', path(name + '-rules'), '--only-rules', '--level', 'informational', '--output', '-', '--format', 'jsonl', '--quiet', '--no-cache')
    check(r.returncode == 0, 'hunt: %d: %s' % (r.returncode, r.stderr.decode()[-500:]))
    rows = [json.loads(line) for line in r.stdout.splitlines()]
    return Counter((x['rule']['id'], x.get('first', x['time']), x['time'], x.get('count', 1), json.dumps(x.get('by', x['matched']), sort_keys=True)) for x in rows)


def told(w):
    return Counter((s['rule'], s['first'], s['time'], s['count'], json.dumps(s['fields'], sort_keys=True)) for s in w.signals())


def compare(w, want, what):
    """What was told while events came may be withdrawn a moment later: the end counts."""
    until(lambda: told(w) == want, 15, 1)
    got = told(w)
    missing, more = want - got, got - want
    check(not missing, '%s: %d of %d signals are missing: %s' % (what, sum(missing.values()), sum(want.values()), sorted(missing)[:3]))
    check(not more, '%s: %d signals are too many: %s' % (what, sum(more.values()), sorted(more)[:3]))


def one(ev, order, want, what):
    began = time.monotonic()
    w = Watch(what, RULES).start()
    key, c = w.key('all'), w.https()
    docs = [(None, d) for _, _, d in order(ev)]
    for at in range(0, len(docs), 500):
        check(len(acknowledged(docs[at:at + 500], bulk(c, key, docs[at:at + 500]))) == len(docs[at:at + 500]), 'it is taken')
    sent_s = time.monotonic() - began
    check(w.examined(60), '%s: all of it is examined' % what)
    compare(w, want, what)
    status = w.status()
    w.again()
    compare(w, want, what + ', behind a stop and a start')
    print('%s: sent in %.1f s, the same after %.1f s; late %s' % (what, sent_s, time.monotonic() - began, status.get('trace.0.late')))
    w.stop()


now = time.time()
days = events(EVENTS, now - 3 * 86400, now - 60, 15)
want = hunted(days, 'days')
kinds = Counter(s[0][-4:] for s in want)
print('%d events, %d signals: %s' % (EVENTS, sum(want.values()), dict(kinds)))
check(len(kinds) == 6 and min(kinds.values()) > 5, 'each rule has something to say: %s' % dict(kinds))
for name, order in (('sorted', is_sorted), ('shuffled', shuffled), ('late', late)):
    one(days, order, want, name)
minutes = events(EVENTS // 4, now - 780, now, 400)  # within what windows wait for
want = hunted(minutes, 'minutes')
print('%d events, %d signals' % (len(minutes), sum(want.values())))
for name, order in (('fresh-sorted', is_sorted), ('fresh-shuffled', shuffled)):
    one(minutes, order, want, name)
end()
