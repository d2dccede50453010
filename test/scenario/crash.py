#!/usr/bin/env python3
"""A record that ends whatever process decodes it costs itself alone: it is kept, set aside, told, and all others are examined, also
behind a stop and a start.  VIGIE_HOOKS is the program with a decoder that such a record ends."""
import os
import resource
import socket

from scenario import RULES, check, end, read
from watch import Watch, keyword_rule, raw_of, until

TOLD = 'A record that the watch could not read twice was set aside'
CRASH = b'vigie-test-crash-the-decoder'


OURS = read(os.path.join(RULES, 'vigie', 'watch.yml')).decode()


def lines(of, n, crash_at=()):
    return [b'<13>1 - host%d app - - - needle42 %s %d' % (of, CRASH if i in crash_at else b'fine', i) for i in range(n)]


def send(w, *parts):
    """All of it over connections side by side, so that a batch holds some of each."""
    for p in parts:
        with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
            s.sendall(b'\n'.join(p) + b'\n')


def look(w, expected, crashing, what):
    fine = [line for line in expected if CRASH not in line]
    seqs = {r['seq']: raw_of(r) for r in w.search('needle42')}

    def signalled():
        return sorted(seqs.get(q, b'?') for s in w.signals() if s['title'] == 'Needle' for q in s['evidence'])

    def told():
        return [(a['title'], a['level']) for a in w.rows('alarm', 'list') for _ in range(a['count']) if a['kind'] in ('signal', 'record-set-aside')]

    check(sorted(seqs.values()) == sorted(expected), '%s: each record is kept, those too: %d of %d' % (what, len(seqs), len(expected)))
    until(lambda: len(signalled()) >= len(fine), 20)
    check(signalled() == sorted(fine), '%s: the others are examined, each once: %d of %d' % (what, len(signalled()), len(fine)))
    own = w.search('record-set-aside')
    numbers = sorted(q for q, raw in seqs.items() if CRASH in raw)
    check([r['source'] for r in own] == ['vigie'] * crashing and sorted(int(r['raw'].split('"record":')[1].split(',')[0]) for r in own) == numbers,
          '%s: a record of our own says which: %s, not %s' % (what, [r['raw'] for r in own], numbers))
    check(until(lambda: len(told()) >= crashing, 20) and told() == [(TOLD, 'critical')] * crashing, '%s: people are told of each once: %s' % (what, told()))
    status = w.examined()
    check(status and status['vault.0.set_aside'] == crashing, '%s: status tells how many' % what)
    return status


def deaths(status):
    return sum(v for k, v in status.items() if k.startswith('detect.') and k.endswith('.restarts'))


def one(processes):
    w = Watch('crash%d' % processes, [keyword_rule('Needle', 'needle42'), OURS], 'detect:\n  processes: %d\n' % processes, program=os.environ['VIGIE_HOOKS']).start()
    w.may_die = True
    what = 'with %d processes' % processes
    a, b, c = lines(1, 300), lines(2, 300, (150,)), lines(3, 300)
    send(w, a, b, c)
    until(lambda: w.status().get('vault.0.set_aside') == 1, 20)
    status = look(w, a + b + c, 1, what)
    check(2 <= deaths(status) <= 1 + processes, '%s: it ended two processes, and those that had it already: %d' % (what, deaths(status)))
    d = lines(4, 20, (0, 1))  # two in a row
    send(w, d)
    until(lambda: w.status().get('vault.0.set_aside') == 3, 30)
    look(w, a + b + c + d, 3, what + ', three of them')
    w.again()
    status = look(w, a + b + c + d, 3, what + ', behind a stop and a start')
    check(deaths(status) == 0, '%s: what is set aside ends nothing any more' % what)
    w.stop()


resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
one(1)
one(2)
end()
