#!/usr/bin/env python3
"""Rules at work: each rule's own samples go through the running watch and leave nothing among what is kept and said; exceptions are named, refused without
author, reason or day, and end while the watch runs; a set that is bad is refused with reasons while the old one works on; packs and sets of sources
of the settings act; rules that no source can feed are named."""
import json
import os
import signal
import socket
import sqlite3
import struct
import sys
import time

from scenario import check, end, path, write
from watch import Watch, bulk, until

FAILED = """title: Failed sign-in
id: 00000000-0000-4000-8000-0000000000f1
name: failed
status: stable
logsource: {product: linux, service: sshd}
detection: {s: {event.action: sign-in-failed}, condition: s}
level: medium
vigie_tests:
  match:
    - - {program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
  nomatch:
    - - {program: sshd, message: 'Accepted password for bob from 203.0.113.9 port 1 ssh2'}
"""
MANY = """title: Many failed sign-ins
id: 00000000-0000-4000-8000-0000000000f2
name: many
status: stable
correlation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {gte: 3}}
generate: true
level: high
vigie_tests:
  match:
    - - {time: 0, repeat: 3, every: 1m, program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
    - - {time: 0, repeat: 2, every: 1h, program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
      - {time: 65m, repeat: 2, every: 1m, program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
  nomatch:
    - - {time: 0, repeat: 3, every: 6m, program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
    - - {time: 0, repeat: 2, every: 1m, program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
"""
# only the end of a window says that there were not enough
FEW = """title: Few sign-ins
id: 00000000-0000-4000-8000-0000000000f3
status: stable
correlation: {type: event_count, rules: [failed], group-by: [source.ip], timespan: 10m, condition: {lt: 2}}
generate: true
level: low
vigie_tests:
  match:
    - - {program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
  nomatch:
    - - {repeat: 2, program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
"""
LIES = """title: Says what is not so
id: 00000000-0000-4000-8000-0000000000f4
status: stable
logsource: {product: linux, service: sshd}
detection: {s: {event.action: sign-in}, condition: s}
level: low
vigie_tests:
  match:
    - - {program: sshd, message: 'Failed password for bob from 203.0.113.9 port 1 ssh2'}
    - - {raw: 'nothing that anybody knows'}
  nomatch:
    - - {program: sshd, message: 'Accepted password for bob from 203.0.113.9 port 1 ssh2'}
"""


def exception(title='Scanner', **change):
    e = {'title': title, 'author': 'A. Body', 'description': 'our scanner', 'expires': '2199-12-31', 'logsource': '{product: linux}',
         'filter': '{rules: [failed], s: {source.ip: 203.0.113.9}, condition: s}', **change}
    return '\n'.join('%s: %s' % (k, v) for k, v in e.items() if v is not None) + '\n'


def hup(w):
    w.process.send_signal(signal.SIGHUP)


def rules_of(w, what, seconds=20):
    """Reload, and wait for what the status then says."""
    before = w.status().get('rules.since'), w.status().get('rules.refused')
    hup(w)
    return until(lambda: [s for s in [w.status()] if (s.get('rules.since'), s.get('rules.refused')) != before and what(s)], seconds, 0.2)


def tested(w, *words, good=(0,)):
    return w.rows('rule', 'test', *words, good=good)


def send(w, *lines):
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        for line in lines:
            s.sendall(b'<38>1 2026-01-01T00:00:00Z gw sshd 7 - - ' + line.encode() + b'\n')


def failed_from(address):
    return 'Failed password for bob from %s port 1 ssh2' % address


def nothing_is_left(w, what):
    check(w.signals() == [], what + ': no signal')
    check(w.rows('source', 'list') == [], what + ': no source')
    check(w.search('password') == [], what + ': nothing is kept')
    check(w.vigie('vault', 'verify', good=(3,)), what + ': the vault is sound')


def samples_go_through_the_watch(w):
    rows = tested(w)
    check(len(rows) == 8 and all(r['ok'] and r['through'] == 'watch' for r in rows), 'each does as its samples say: %s' % [r for r in rows if not r['ok']])
    fired = [r for r in rows if r['expects'] == 'match']
    check(len(fired) == 4 and all(r['fired'] and r['ms'] < 60000 for r in fired), 'and says how long it took: %s' % fired)
    check([r['fired'] for r in fired if r['title'] == 'Failed sign-in'] == [1], 'a record is found once, whatever other samples hold')
    rows = tested(w, 'many')
    check({r['title'] for r in rows} == {'Many failed sign-ins'} and all(r['ok'] for r in rows), 'one rule, by its name, again: nothing is remembered')
    check({r['title'] for r in tested(w, os.path.join(w.rules, '0.yml'))} == {'Failed sign-in'}, 'and those of one file')
    check(w.vigie('rule', 'test', 'no such', good=(3,)), 'a rule that is not there is no test')
    nothing_is_left(w, 'after tests')
    text = w.vigie('rule', 'test').stdout.decode()
    check('3 rules with samples: 3 do as they say' in text and 'cannot be fed by any source' in text, 'in words: ' + text)


def what_a_rule_does_not_do_is_told(w):
    write(os.path.join(w.rules, 'lies.yml'), LIES)
    r = w.vigie('rule', 'test', good=(3,)).stderr.decode()
    check('changed since the watch read them' in r, 'rules that the watch does not have are not tested: ' + r)
    check(rules_of(w, lambda s: s['rules.base'] == 2), 'a new rule is read')
    rows = tested(w, 'Says what is not so', good=(1,))
    check([r['why'] for r in rows] == ['does not fire', 'no pack knows its records: no rule sees them', 'fires, and must not'], 'why: %s' % rows)
    check(b'FAILED' in w.vigie('rule', 'test', 'Says what is not so', good=(1,)).stdout, 'and in words')
    r = w.vigie('rule', 'test', '--offline', os.path.join(w.rules, 'lies.yml'), '--format', 'jsonl', good=(1,)).stdout
    check([json.loads(line)['ok'] for line in r.splitlines()] == [False] * 3, 'without a watch as well')
    os.unlink(os.path.join(w.rules, 'lies.yml'))
    check(rules_of(w, lambda s: s['rules.base'] == 1), 'a rule that is gone is gone')


def exceptions_are_named(w):
    folder = os.path.join(w.state, 'exceptions')
    os.makedirs(folder)
    write(os.path.join(folder, 'scanner.yml'), exception())
    check(rules_of(w, lambda s: s['rules.exceptions'] == 1), 'an exception is read')
    rows = [r for r in tested(w, good=(1,)) if not r['ok']]
    check(rows and all(r['exception'] == 'Scanner' and "exception 'Scanner'" in r['why'] for r in rows), 'what keeps a rule from its sample is named: %s' % rows)
    check({r['title'] for r in rows} == {'Failed sign-in', 'Many failed sign-ins', 'Few sign-ins'}, 'also for correlations that stand on it: %s' % rows)
    for missing, words in (('author', 'who made it'), ('description', 'why'), ('expires', 'until when')):
        write(os.path.join(folder, 'bad.yml'), exception('Bad', **{missing: None}))
        s = rules_of(w, lambda s: s.get('rules.refused'))
        told = [v for k, v in s[0].items() if k.startswith('rules.refused.')] if s else []
        check(s and s[0]['rules.exceptions'] == 1 and len(told) == 1 and 'bad.yml:1: ' in told[0] and words in told[0], 'an exception without %s is refused: %s' % (missing, told))
    write(os.path.join(folder, 'bad.yml'), FAILED)
    s = rules_of(w, lambda s: s.get('rules.refused'))
    check(s and any('filters and nothing else' in str(v) for v in s[0].values()), 'so is what is no exception')
    os.unlink(os.path.join(folder, 'bad.yml'))
    check(rules_of(w, lambda s: s['rules.exceptions'] == 1 and not s.get('rules.refused')), 'put right, it is taken')


def a_bad_set_is_refused(w):
    at = os.path.join(w.rules, 'bad.yml')
    before = w.status()
    for text, words in (('title: [\n', 'not YAML'), (FAILED, 'another rule has this id'), (FAILED.replace('f1', 'e1').replace('condition: s', 'condition: s and t'), 't')):
        write(at, text)
        s = rules_of(w, lambda s: s.get('rules.refused'))
        told = [str(v) for k, v in s[0].items() if k.startswith('rules.refused.')] if s else []
        check(s and any('/bad.yml:' in t and words in t for t in told), 'refused, with file, line and reason (%s): %s' % (words, told))
        check(s and all(s[0][k] == before[k] for k in ('rules.since', 'rules.sum', 'rules.base')), 'the old set is at work: %s' % s)
    text = w.status_text()
    check('REFUSED' in text and 'bad.yml' in text and 'the one above works on' in text, 'and status says so: ' + text)
    check('the old ones work on' in w.said() and '/bad.yml:' in w.said(), 'and the log')
    send(w, failed_from('198.51.100.7'))
    check(until(lambda: [x for x in w.signals() if x['title'] == 'Failed sign-in']), 'the old rules work')
    check('would be refused' in w.vigie('rule', 'test', good=(3,)).stderr.decode(), 'a test says that they would be refused')
    os.unlink(at)
    check(rules_of(w, lambda s: not s.get('rules.refused')), 'without it all is well')


def rules_nobody_feeds_are_named(w):
    def rule(n, title, logsource, field):
        return ('title: %s\nid: 00000000-0000-4000-8000-%012d\nstatus: stable\nlogsource: {%s}\ndetection: {s: {%s: x}, condition: s}\nlevel: low\n' % (title, n, logsource, field))

    write(os.path.join(w.rules, 'unfed.yml'), '---\n'.join([
        rule(1, 'Of nobody', 'product: nobody-knows', 'a'), rule(2, 'Of Okta', 'product: okta, service: okta', 'eventType'),
        rule(3, 'Of a field', 'product: linux, service: sshd', 'NoSuchField'),
        'title: On it\nid: 00000000-0000-4000-8000-0000000000e9\nstatus: stable\ncorrelation: {type: temporal, rules: [failed, "00000000-0000-4000-8000-000000000002"], timespan: 1h, group-by: [user.name]}\nlevel: low\n']))
    check(rules_of(w, lambda s: s['rules.base'] == 4), 'they are read')
    send(w, failed_from('198.51.100.8'))
    rows = until(lambda: [r for r in [w.rows('rule', 'coverage')] if any(x['fed'] for x in r)])
    got = {r['title']: r for r in rows[0]} if rows else {}
    check({t: r['why'] for t, r in got.items()} == {'Failed sign-in': 'fed', 'Many failed sign-ins': 'fed', 'Few sign-ins': 'fed', 'Of nobody': 'no-pack', 'Of Okta': 'no-source',
                                                    'Of a field': 'no-field', 'On it': 'no-rule'}, 'why each is not: %s' % got)
    check(got.get('Of Okta', {}).get('connect') == 'okta' and got.get('Of a field', {}).get('field') == 'NoSuchField', 'and what it takes: %s' % got)
    text = w.vigie('rule', 'coverage').stdout.decode()
    check('3 of 7 rules can be fed' in text and 'connect okta' in text and all(len(x) <= 80 for x in text.splitlines()), 'in words, on a small screen:\n' + text)
    check('Of Okta' in w.vigie('rule', 'coverage', '--all').stdout.decode(), 'each by name')
    w.stop()
    check(w.rows('rule', 'coverage') and w.start(), 'also when no watch runs')
    os.unlink(os.path.join(w.rules, 'unfed.yml'))
    check(rules_of(w, lambda s: s['rules.base'] == 1), 'without them')


def drills_are_not_for_others(w):
    """The socket takes what it is for."""
    def spoil(*messages):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(os.path.relpath(os.path.join(w.state, 'drill.sock')))
            try:
                for m in messages:
                    s.sendall(m)
                return s.recv(100)
            except (BrokenPipeError, ConnectionResetError):
                return b''

    def message(world, raw=b'x', kind=200):
        return struct.pack('<IHHIq', 12 + len(raw), kind, 0, world, time.time_ns()) + raw

    check(os.stat(os.path.join(w.state, 'drill.sock')).st_mode & 0o777 == 0o600, 'the socket is its user\'s')
    check(spoil(message(1, b'<38>1 - gw sshd - - - ' + failed_from('192.0.2.77').encode())) == b'', 'a company\'s number is refused')
    check(spoil(message(0x80000001, kind=100)) == b'', 'so is what is no drill')
    check(spoil(struct.pack('<IHH', 1 << 30, 200, 0)) == b'', 'and what is too long')
    check(spoil(message(0x80000001), message(0x80000001)) != b'', 'a drill is acknowledged')
    check(not [x for x in w.signals() if x['fields'].get('source.ip') == '192.0.2.77'], 'nothing of it is a signal')


def worlds_end(w):
    os.unlink(os.path.join(w.state, 'exceptions/scanner.yml'))
    check(rules_of(w, lambda s: s['rules.exceptions'] == 0) and tested(w), 'without the exception all do as they say')
    w.stop()
    with sqlite3.connect(os.path.join(w.state, 'trace/signals.db')) as db:
        check(db.execute('SELECT count(*) FROM live_hit WHERE tenant >= 2147483648').fetchone()[0] > 0, 'worlds are remembered for a while')
    w.start()
    check(w.examined(), 'it goes on')
    with sqlite3.connect(os.path.join(w.state, 'trace/signals.db')) as db:
        for table, column in (('live_hit', 'tenant'), ('live_told', 'tenant'), ('live_known', 'tenant'), ('drilled', 'world')):
            check(db.execute('SELECT count(*) FROM %s WHERE %s >= 2147483648' % (table, column)).fetchone()[0] == 0, 'none outlives a start: ' + table)
    check(not os.path.exists(os.path.join(w.state, 'vault/.drill')), 'nor is there a folder of them')


def packs_and_sets_act():
    pack = ('name: acme\ntitle: Acme gate\nproduct: acme\nrecognise:\n  - {program: acmegate}\nparse:\n  - patterns:\n    - text: "denied {user.name} from {source.ip:ip}"\n'
            '      set: {event.action: vpn-failed}\nlogsource:\n  - {category: remote_access, service: acme}\nsamples:\n  - program: acmegate\n    message: "denied eve from 192.0.2.1"\n    expect: {user.name: eve}\n')
    rule = ('title: Gate denied\nid: 00000000-0000-4000-8000-0000000000a1\nstatus: stable\nlogsource: {product: acme}\ndetection: {s: {user.name: eve}, condition: s}\nlevel: low\n'
            'vigie_tests:\n  match:\n    - - {program: acmegate, message: denied eve from 192.0.2.9}\n  nomatch:\n    - - {program: acmegate, message: denied bob from 192.0.2.9}\n')
    os.makedirs(path('packs'))
    write('packs/acme.yaml', pack)
    w = Watch('sets', [rule], 'packs:\n  folders: [%s]\nsources:\n  lab-*: {adopted: no}\n  office: {match: [127.0.0.0/8], adopted: yes}\n' % path('packs')).start()
    check(all(r['ok'] for r in tested(w)) and tested(w), 'a pack of the settings is used')
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b'<38>1 2026-01-01T00:00:00Z gw acmegate - - - denied eve from 192.0.2.9\n')
    check(until(lambda: w.signals()), 'also for what comes from outside')
    for name in ('lab-1', 'shop'):
        bulk(w.https(), w.key(name), [('x', {'message': name})])
    rows = {r['name']: (r['state'], r['set']) for r in w.rows('source', 'list')}
    check(rows == {'127.0.0.1': ('adopted', 'office'), 'lab-1': ('new', 'lab-*'), 'shop': ('adopted', 'office')}, 'the first set that matches counts: %s' % rows)
    check('set lab-*' in w.vigie('source', 'list').stdout.decode(), 'and is shown')
    write('packs/bad.yaml', 'name: bad\ntitle: Bad\nrecognise:\n  - {program: x}\nparse: nonsense\n')
    s = rules_of(w, lambda s: s.get('rules.refused'))
    check(s and any('packs/bad.yaml:' in str(v) for v in s[0].values()), 'a pack with a mistake is refused, with file and line: %s' % s)
    os.unlink(path('packs/bad.yaml'))
    w.stop()
    w.settings('packs:\n  folders: [%s]\nsources:\n  lab-*: {adopted: yes}\n' % path('packs'))
    w.start()
    bulk(w.https(), w.key('lab-1'), [('y', {'message': 'again'})])
    check(until(lambda: {r['name']: r['state'] for r in w.rows('source', 'list')}.get('lab-1') == 'adopted'), 'a set that adopts adopts who was kept apart')
    w.settings('packs:\n  folders: [%s/none]\n' % path('packs'))
    check('no such packs' in w.vigie('serve', '--check', good=(1,)).stderr.decode(), 'a folder that is not there is told')
    w.stop()


def exceptions_end_while_it_runs(shim, spoiled):
    clock = path('clock')
    with open(clock, 'wb') as f:
        f.write(struct.pack('<q', 0))
    today = time.strftime('%Y-%m-%d', time.gmtime())
    os.environ.update(LD_PRELOAD=shim, TEST_CLOCK=clock)
    w = Watch('spoiled' if spoiled else 'ending', [FAILED])
    os.makedirs(os.path.join(w.state, 'exceptions'))
    write(os.path.join(w.state, 'exceptions/scanner.yml'), exception(expires=today))
    w.start()
    send(w, failed_from('203.0.113.9'), failed_from('203.0.113.10'))
    check(until(lambda: len(w.signals()) == 1) and w.signals()[0]['fields']['event.action'] == 'sign-in-failed', 'the exception works')
    check(w.status().get('rules.exceptions') == 1, 'status counts it')
    if spoiled:
        write(os.path.join(w.rules, 'bad.yml'), 'title: [\n')
        check(rules_of(w, lambda s: s.get('rules.refused')), 'a bad set is refused')
    with open(clock, 'r+b') as f:
        f.write(struct.pack('<q', 86400 * 10 ** 9))
    if spoiled:
        s = until(lambda: [s for s in [w.status()] if s.get('rules.overdue')], 20, 0.2)
        check(s and s[0]['rules.exceptions'] == 1 and 'an exception that is over' in w.status_text(), 'that it keeps an exception beyond its time is told')
        os.unlink(os.path.join(w.rules, 'bad.yml'))
        hup(w)
    s = until(lambda: [s for s in [w.status()] if s.get('rules.exceptions') == 0], 20, 0.2)
    check(s, 'the next day it is over, and nobody had to say so')
    send(w, failed_from('203.0.113.9'))
    check(until(lambda: len(w.signals()) == 2), 'and the rule finds what it was kept from')
    w.stop()
    del os.environ['LD_PRELOAD']


w = Watch('rules', [FAILED, MANY, FEW]).start()
samples_go_through_the_watch(w)
what_a_rule_does_not_do_is_told(w)
exceptions_are_named(w)
a_bad_set_is_refused(w)
rules_nobody_feeds_are_named(w)
drills_are_not_for_others(w)
worlds_end(w)
w.stop()
packs_and_sets_act()
for spoiled in (False, True):
    exceptions_end_while_it_runs(sys.argv[1], spoiled)
end()
