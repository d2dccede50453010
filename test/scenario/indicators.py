#!/usr/bin/env python3
"""Indicators of compromise in a running watch: files dropped into the folder are met live by what comes after and once backwards by what came
before; one that is bad is refused with its reason while the others, and what it said before, work on; removal, expiry, a beacon that is one
signal; and the watch killed in the middle of looking back."""
import json
import os
import shutil
import signal
import socket
import time

from scenario import check, end, path, vigie, write
from watch import DATA, Watch, keyword_rule, until

STAMP = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() - 60))


def lines(*texts):
    """(host, text) each, as syslog of one minute ago."""
    return [('<13>1 %s %s app - - - %s' % (STAMP, host, text)).encode() for host, text in texts]


def send(w, *texts):
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b''.join(line + b'\n' for line in lines(*texts)))


def drop(w, name, text):
    """As a careful program does: written beside it, then renamed."""
    folder = os.path.join(w.state, 'indicators')
    write(os.path.join(folder, '.' + name), text)
    os.rename(os.path.join(folder, '.' + name), os.path.join(folder, name))


def met(w, indicator=None):
    return [s for s in w.signals() if s['kind'] == 'indicator' and indicator in (None, s['fields']['indicator'])]


def listed(w):
    return {r['name']: r for r in w.rows('indicator', 'list')}


def used(w, name, state='used'):
    check(until(lambda: listed(w).get(name, {}).get('state') == state, 15, 0.3), '%s is %s: %s' % (name, state, listed(w).get(name)))


def looked_back(w, begin, seconds=40):
    """Wait until older records were looked through since @begin of the log."""
    return until(lambda: 'were looked through' in w.said(begin), seconds, 0.1)


def mark(w):
    return os.path.getsize(w.log)


CSV = 'type,value,source,expires,comment\nip,203.0.113.9,ANSSI,,"command server, April"\ndomain,old.example.net,,2020-01-01,expired\nfoo,1,,,\nip,nonsense,,,\n'
MISP = json.dumps({'Event': {'info': 'case 7', 'Attribute': [
    {'type': 'domain', 'value': 'evil.example.org', 'to_ids': True, 'comment': 'drop site'},
    {'type': 'ip-dst', 'value': '198.51.100.77', 'to_ids': False}]}})
STIX = json.dumps({'type': 'bundle', 'id': 'bundle--1', 'objects': [
    {'type': 'indicator', 'spec_version': '2.1', 'id': 'indicator--1', 'name': 'tool', 'pattern_type': 'stix', 'valid_from': '2026-01-01T00:00:00Z',
     'pattern': "[file:hashes.'SHA-256' = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff']"}]})
DIGEST = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'


def three_formats(w):
    """What came before is met backwards, what comes after live; and each says who says so."""
    send(w, ('before1', 'connect 203.0.113.9 port 443'), ('before2', 'GET http://www.evil.example.org/a'), ('before3', 'hash ' + DIGEST.upper()),
         ('before4', 'lookup old.example.net'), ('before5', 'connect 198.51.100.77'), ('before6', 'nothing here'))
    check(w.examined(), 'what came before is examined')
    check(met(w) == [], 'nothing is met before there is an indicator')
    begin = mark(w)
    drop(w, 'feed.csv', CSV)
    drop(w, 'misp.json', MISP)
    drop(w, 'stix.json', STIX)
    for name in ('feed.csv', 'misp.json', 'stix.json'):
        used(w, name)
    check(looked_back(w, begin), 'older records are looked through')
    send(w, ('after1', 'connect 203.0.113.9 port 443'), ('after2', 'GET http://evil.example.org/a'), ('after3', 'hash ' + DIGEST), ('after4', 'lookup old.example.net'),
         ('after5', 'connect 198.51.100.77'))
    check(w.examined(), 'what came after is examined')
    until(lambda: len(met(w)) >= 6, 10)
    got = sorted((s['host'], s['fields']['indicator'], s['backwards']) for s in met(w))
    value = {'1': '203.0.113.9', '2': 'evil.example.org', '3': DIGEST}
    check(got == sorted([('before' + n, v, True) for n, v in value.items()] + [('after' + n, v, False) for n, v in value.items()]),
          'each is met where it stands, backwards and live, and the expired and the one not to be detected are not: %s' % got)
    for s in met(w):
        raw = [r['raw'] for r in w.search(s['host'])]
        check(len(s['evidence']) == 1 and len(raw) == 1 and s['count'] == 1, 'a signal names its record: %s' % s)
        check(s['level'] == 'high' and s['title'].startswith('Indicator met: ' + s['fields']['indicator']) and 'vigie.indicator' in s['tags'], 'level, title and tags: %s' % s)
        check(s['time'][:20] == STAMP[:19] + '.', 'its time is that of the record: %s' % s['time'])
    s = met(w, '203.0.113.9')[0]
    check(s['title'] == 'Indicator met: 203.0.113.9 (ANSSI)' and s['fields']['note'] == 'command server, April' and s['fields']['file'] == 'feed.csv', 'its proof: %s' % s['fields'])
    row = listed(w)['feed.csv']
    check(row['entries'] == 2 and row['kinds'] == {'ip': 1, 'domain': 1} and row['unknown'] == 1 and row['bad'] == 1 and [p['at'] for p in row['problems']] == [3, 4],
          'the list tells lines that are not used, and why: %s' % row)
    check(row['last_expiry'] == '2020-01-02T00:00:00Z' and row['loaded'], 'and expiry: %s' % row)


def hunted(w):
    """`vigie hunt --indicators` over the same lines meets the same."""
    texts = [(r['raw'].split(' ')[2], r['raw'].split(' - - - ')[1]) for r in w.search('app')]
    write('lines.log', b''.join(line + b'\n' for line in lines(*texts)))
    words = [x for name in ('feed.csv', 'misp.json', 'stix.json') for x in ('--indicators', os.path.join(w.state, 'indicators', name))]
    r = vigie('hunt', *words, '--only-rules', '--format', 'jsonl', path('lines.log'), VIGIE_DATA=DATA)
    got = sorted((s['event']['host'], s['matched']['vigie.indicator'].split(' ')[0]) for s in map(json.loads, r.stdout.splitlines()) if s['kind'] == 'signal')
    check(len(got) == 6 and got == sorted((s['host'], s['fields']['indicator']) for s in met(w)), 'a hunt meets what the watch met: %s %s' % (got, r.stderr))
    write('bad.csv', 'type,value\nip,nonsense\n')
    r = vigie('hunt', '--indicators', path('bad.csv'), path('lines.log'), VIGIE_DATA=DATA)
    check(r.returncode == 3 and b"'nonsense' is no ip" in r.stderr, 'and refuses what cannot be used: %s' % r.stderr)


def bad_files(w):
    """One that is bad is refused alone; one that turned bad goes on with what it said."""
    drop(w, 'broken.json', '{"Event": {"Attribute": [{"type": "domain", "value": "x.example.com", "to_ids": true}, ')
    os.symlink('/etc/passwd', os.path.join(w.state, 'indicators', 'link.csv'))
    drop(w, 'misp.json', '{"Event": ')
    used(w, 'broken.json', 'refused')
    used(w, 'link.csv', 'refused')
    used(w, 'misp.json', 'refused')
    rows = listed(w)
    check('JSON' in rows['broken.json']['refused'] and rows['broken.json']['entries'] == 0, 'the reason is told: %s' % rows['broken.json'])
    check('link' in rows['link.csv']['refused'], 'a link is not followed: %s' % rows['link.csv'])
    check(rows['misp.json']['entries'] == 1 and rows['misp.json']['loaded'], 'what it said before is kept: %s' % rows['misp.json'])
    told = lambda: (lambda text: text if 'refused: broken.json: ' in text and 'indicators        4, of 5 files' in text else None)(w.vigie('status', good=(0, 1)).stdout.decode())
    check(until(told, 5, 0.3), 'status tells it: %s' % w.vigie('status', good=(0, 1)).stdout.decode())
    send(w, ('bad1', 'GET http://evil.example.org/a'), ('bad2', 'GET http://x.example.com/'), ('bad3', 'connect 203.0.113.9'))
    check(w.examined(), 'examined')
    check(sorted(s['host'] for s in met(w) if s['host'].startswith('bad')) == ['bad1', 'bad3'], 'the old set of the file, and the others, work on')
    w.again()
    send(w, ('bad4', 'GET http://evil.example.org/a'))
    check(w.examined() and [s['host'] for s in met(w) if s['host'] == 'bad4'], 'and behind a stop and a start')


def by_command(w):
    """add, list and remove, while it runs and while it does not."""
    begin = mark(w)
    w.vigie('indicator', 'add', 'hxxp://bad[.]example[.]com/drop', '--note', 'seen by "us"')
    w.vigie('indicator', 'add', '192.0.2.128/25')
    r = w.vigie('indicator', 'add', 'no value of any kind', good=range(1, 9))
    check(r.returncode == 3 and b'--type' in r.stderr, 'what is no value is refused: %s' % r.stderr)
    write('own.csv', 'type,value\nip,nonsense\nip,198.51.100.9\n')
    r = w.vigie('indicator', 'add', path('own.csv'))
    check(b'own.csv: 1 (1 ip), 1 not used' in r.stdout, 'a file is tried before it is taken: %s' % r.stdout)
    write('not.csv', b'\0\1\2\3' * 100)
    check(w.vigie('indicator', 'add', path('not.csv'), good=range(1, 9)).returncode == 3, 'one of which nothing can be used is not taken')
    write('.hidden', 'value\n198.51.100.10\n')
    check(w.vigie('indicator', 'add', path('.hidden'), good=range(1, 9)).returncode == 3, 'nor one whose name would not be read')
    used(w, 'own.csv')
    check(looked_back(w, begin), 'looked back')
    send(w, ('cli1', 'GET http://bad.example.com/drop'), ('cli2', 'from 192.0.2.200'), ('cli3', 'to 198.51.100.9'))
    check(w.examined() and sorted(s['host'] for s in met(w) if s['host'].startswith('cli')) == ['cli1', 'cli2', 'cli3'], 'what was added is met')
    s = [s for s in met(w) if s['host'] == 'cli1'][0]
    check(s['fields']['note'] == 'seen by "us"' and s['fields']['source'] == 'added by hand', 'with its note: %s' % s['fields'])
    w.vigie('indicator', 'remove', 'own.csv', '192.0.2.128/25')
    for name in ('../own.csv', '..', 'own.csv', 'nothing'):
        check(w.vigie('indicator', 'remove', name, good=range(1, 9)).returncode == 3, 'nothing else is removed: %s' % name)
    check(until(lambda: 'own.csv' not in listed(w) and len(listed(w)) == 6, 15, 0.3), 'what was removed is gone: %s' % sorted(listed(w)))
    send(w, ('gone1', 'from 192.0.2.200'), ('gone2', 'to 198.51.100.9'), ('gone3', 'GET http://bad.example.com/drop'))
    check(w.examined() and [s['host'] for s in met(w) if s['host'].startswith('gone')] == ['gone3'], 'and is not met any more')
    w.stop()
    w.vigie('indicator', 'add', '--type', 'user', 'mallory')
    check([r['state'] for r in w.rows('indicator', 'list') if r['name'] == 'user-mallory.csv'] == ['new'], 'added while it does not run')
    time.sleep(2.2)  # a file that has just changed may still be written
    begin = mark(w)
    w.start()
    send(w, ('cli4', 'mallory'))
    check(w.examined() and [s for s in met(w, 'mallory')] and not any(s['backwards'] for s in met(w, 'mallory')), 'and met from the first record on: %s' % met(w, 'mallory'))
    check(looked_back(w, begin), 'looked back')


def expiry(w):
    w.vigie('indicator', 'add', '203.0.113.200', '--expires', '12s')
    used(w, 'ip-203.0.113.200.csv')
    send(w, ('exp1', 'to 203.0.113.200'))
    check(w.examined() and len(met(w, '203.0.113.200')) == 1, 'an indicator is met until it expires')
    until(lambda: time.time() * 1e9 > 0 and listed(w)['ip-203.0.113.200.csv']['last_expiry'] < time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), 20, 0.2)
    send(w, ('exp2', 'to 203.0.113.200'))
    check(w.examined() and len(met(w, '203.0.113.200')) == 1, 'and not behind that: %s' % met(w, '203.0.113.200'))


def beacon(w):
    """A host that calls home thousands of times is one signal a day."""
    before = w.status()
    send(w, *[('beacon', 'connect 203.0.113.9 port 443 n=%d' % n) for n in range(3000)])
    check(w.examined(), 'examined')
    got = [s for s in met(w) if s['host'] == 'beacon']
    check(len(got) == 1 and got[0]['count'] == 32 and len(got[0]['evidence']) == 32, 'one signal, with its first records: %s' % [(s['count'], s['evidence']) for s in got])
    now = w.status()
    check(int(now['detect.0.indicator_hits']) - int(before['detect.0.indicator_hits']) == 3000, 'each was met: %s' % now['detect.0.indicator_hits'])
    text = w.vigie('signal', 'show', got[0]['id']).stdout.decode()
    check('32 or more' in text, 'and shown so: %s' % text)


def killed(w):
    """In the middle of looking back all of the watch dies: it goes on where it was, and each is found once."""
    w.may_die = True
    hosts, each = 60, 1500
    for n in range(0, each, 100):
        send(w, *[('k%d' % h, 'beat %d call.home.example.edu now %d' % (n + i, h)) for i in range(100) for h in range(hosts)])
    check(w.examined(120), 'all is examined')
    time.sleep(11)  # until it stands in segments
    went_on = False
    for value in ('home.example.edu', 'call.home.example.edu', 'example.edu'):  # a machine may be so fast that it is not cut
        begin = mark(w)
        w.vigie('indicator', 'add', value)
        check(until(lambda: met(w, value), 40, 0.01), 'a look back begins')
        w.process.send_signal(signal.SIGKILL)
        w.process.wait()
        cut = 'were looked through' not in w.said(begin)
        w.start()
        check(looked_back(w, begin, 60), 'it comes to its end')
        went_on = cut and 'goes on at record' in w.said(begin)
        want = sorted('k%d' % h for h in range(hosts))
        check(until(lambda: sorted(s['host'] for s in met(w, value)) == want, 10, 0.3), 'each host is found once for %s: %d' % (value, len(met(w, value))))
        if went_on:
            break
    check(went_on, 'it was cut in the middle, and went on')


w = Watch('indicators', [keyword_rule('Never', 'zzzzzz')])
w.start()
try:
    three_formats(w)
    hunted(w)
    bad_files(w)
    by_command(w)
    expiry(w)
    beacon(w)
    killed(w)
    if w.process:
        w.stop()
finally:
    if os.environ.get('KEEP'):
        shutil.copytree(w.state, os.environ['KEEP'], dirs_exist_ok=True)
        shutil.copy(w.log, os.environ['KEEP'] + '/log')
end()
