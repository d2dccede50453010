#!/usr/bin/env python3
"""Two companies with the same host names, addresses, users, ids and times, interleaved: nothing of one is in the other's signals,
searches, sources or error texts, and correlations do not add over them; also behind a stop and a start."""
import json
import socket
import ssl
import time

from scenario import check, end
from watch import ACCOUNT_MADE, FAILED_LOGON, Watch, acknowledged, bearer, bulk, correlation_rule, raw_of

RULES = [
    FAILED_LOGON, ACCOUNT_MADE,
    correlation_rule('Many failed logons', 1, 'event_count', 'failed_logon', 'TargetUserName, Computer', '5m', '{gte: 6}'),
    correlation_rule('One address, many users', 3, 'value_count', 'failed_logon', 'IpAddress', '5m', '{field: TargetUserName, gte: 4}'),
]
NAMES = ('acme', 'bolt')
begin = time.time() - 3600


def event(tenant, n, event_id, user, address='10.0.0.1'):
    stamp = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(begin + n)) + '.000Z'
    return ('e%d' % n, {'@timestamp': stamp, 'winlog': {'channel': 'Security', 'event_id': event_id, 'computer_name': 'dc1', 'event_data': {
        'TargetUserName': user, 'IpAddress': address, 'Secret': '%ssecret%d common' % (tenant, n)}}})


def documents(tenant):
    own = NAMES.index(tenant)
    out = [event(tenant, n, 4625, 'both') for n in range(6)]                                     # six in each
    out += [event(tenant, 10 + n, 4625, 'halves', '10.0.0.2') for n in range(3)]                 # six in the two together
    out += [event(tenant, 20 + n, 4625, 'u%d' % (2 * own + n), '10.0.0.3') for n in range(2)]  # four users in the two together
    out += [event(tenant, 30 + n, 4720, 'new') for n in range(5)]
    out += [event(tenant, 40 + n, 4624, 'calm') for n in range(20)]
    return out


def lines(tenant):
    return [b'<13>1 2026-01-01T00:00:00Z dc1 app - - - %ssecret%d common line' % (tenant.encode(), n) for n in range(20)]


def send_lines(w):
    """By the listener of each."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as a, socket.create_connection(('127.0.0.1', w.port('syslog-tls'))) as p:
        with context.wrap_socket(p) as b:
            for x, y in zip(lines('acme'), lines('bolt')):
                a.sendall(x + b'\n')
                b.sendall(y + b'\n')
            b.unwrap()


def look(w, sent, what):
    check(w.examined(), what + ': all of it is examined')
    records, signals = {}, w.signals()
    for t in NAMES:
        found = w.search('common', '--tenant', t)
        records[t] = {r['seq'] for r in found}
        check(sorted(raw_of(r) for r in found) == sorted([json.dumps(d).encode() for _, d in sent[t]] + lines(t)), '%s: %s finds its own: %d' % (what, t, len(found)))
        check({r['tenant'] for r in found} == {t}, '%s: the results are those of %s' % (what, t))
        for other in set(NAMES) - {t}:
            for words in (other + 'secret', other + 'secret3', 'Secret|contains: ' + other, 'TargetUserName: %s' % ('u2' if t == 'acme' else 'u0')):
                check(w.search(words, '--tenant', t) == [], '%s: %s does not find %s' % (what, t, words))
        of = [s for s in signals if s['tenant'] == t]
        check(of and all(set(s['evidence']) <= records[t] for s in of), '%s: the proof of each signal of %s is its own' % (what, t))
        check(sorted((s['rule'][-4:], s['fields'].get('TargetUserName', s['fields'].get('IpAddress')), s['count']) for s in of if s['kind'] == 'correlation') ==
              [('c001', 'both', 6)], '%s: correlations of %s do not count those of others: %s' % (what, t, [(s['rule'], s['fields'], s['count']) for s in of]))
        check(sum(s['rule'].endswith('4720') for s in of) == 5, '%s: five accounts of %s' % (what, t))
    check(not records['acme'] & records['bolt'], what + ': a record has one owner')
    check(len({s['id'] for s in signals}) == len(signals), what + ': ids of signals are apart')
    rows = [r for r in w.rows('source', 'list') if r['proof'] == 'key']
    check(sorted((r['tenant'], r['listener'], r['records']) for r in w.rows('source', 'list') if r['proof'] == 'network') ==
          [('acme', 'syslog', 20), ('bolt', 'syslog-tls', 20)], what + ': and so are those of listeners')
    check(sorted((r['tenant'], r['name'], r['records']) for r in rows) == [(t, 'web', w.taken[t]) for t in NAMES], '%s: sources are apart: %s' % (what, rows))


def refusals(w, key, t):
    """What is wrong is answered without a word of others."""
    other = NAMES[1 - NAMES.index(t)]
    said = []
    for method, url, body in (('POST', '/_bulk', '{"create":{"_index":"%s"}}\nnot json\n{"update":{"_id":"e1"}}\n{}\n' % other), ('POST', '/_bulk', 'nonsense\n'),
                              ('GET', '/%s' % other, None), ('GET', '/_cat/indices', None), ('PUT', '/%s/_doc/e1' % other, '{}'), ('GET', '/', None)):
        c = w.https()
        c.request(method, url, body, {'Content-Type': 'application/x-ndjson', **bearer(key)})
        said.append(c.getresponse().read().decode())
    c = w.https()
    c.request('POST', '/_bulk', '{}\n', {'Authorization': 'Bearer wrong', 'User-Agent': 'test', 'Content-Type': 'application/x-ndjson'})
    said.append(c.getresponse().read().decode())
    for text in said:
        check(other + 'secret' not in text and 'title-of-' + other not in text and (other not in text or '"_index":"%s"' % other in text), '%s is told nothing of %s: %s' % (t, other, text))
    r = w.vigie('vault', 'search', 'Secret|unknown: x', '--tenant', t, good=range(1, 9))
    check(r.returncode != 0 and other.encode() not in r.stderr, 'nor when a search is wrong: %s' % r.stderr)


w = Watch('tenants', RULES, 'tenants:\n  acme: title-of-acme\n  bolt: title-of-bolt\n',
          listen='  syslog: {address: "127.0.0.1:5514", tenant: acme}\n  syslog-tls: {address: "127.0.0.1:6514", tenant: bolt}\n').start()
keys = {t: w.key('web', '--tenant', t) for t in NAMES}
check(keys['acme']['tenant'] == 'acme' and keys['bolt']['tenant'] == 'bolt', 'a key says whose records it brings')
sent = {t: documents(t) for t in NAMES}
connections = {t: w.https() for t in NAMES}
w.taken = {t: 0 for t in NAMES}
for at in range(len(sent['acme'])):
    for t in NAMES:
        docs = sent[t][at:at + 1]
        check(len(acknowledged(docs, bulk(connections[t], keys[t], docs))) == 1, 'it is taken')
        w.taken[t] += 1
send_lines(w)
look(w, sent, 'now')
for t in NAMES:  # the same again: ids are each company's own
    bulk(connections[t], keys[t], sent[t])
    w.taken[t] += len(sent[t])
look(w, sent, 'sent again')
said = w.said()
for t in NAMES:
    refusals(w, keys[t], t)
    w.taken[t] += 1  # a document may be anything
    check(t + 'secret' not in said, 'the log does not tell what records say')
w.again()
look(w, sent, 'behind a stop and a start')
w.stop()
end()
