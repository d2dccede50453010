#!/usr/bin/env python3
"""Alarms: told by mail, by a webhook over TLS, by a command; each once while all is well, and at least once whoever dies and whatever is down; a flood
is one message.  What misbehaves outside is named in plain words.  Requests of commands, and respond's empty table."""
import json
import os
import signal
import socket
import stat
import time

from scenario import check, end, env, path, read, write
from sinks import Smtp, Web, make_ca, make_cert
from watch import Watch, children, keyword_rule, until

RULES = [keyword_rule('Journal effacé', 'needle1', 'high'), keyword_rule('New account', 'needle2', 'critical'), keyword_rule('Quiet', 'needle3', 'medium')]
COMMAND = '''#!/bin/sh
if [ -e %(home)s/command-fails ]; then exit 7; fi
if [ -n "$(env | grep -i password)" ]; then exit 8; fi
cat >%(home)s/said.$$.tmp && echo "ready" && mv %(home)s/said.$$.tmp %(home)s/said.$$.json
'''


def send(w, *lines):
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b''.join(b'<13>1 - %s app - - - %s\n' % (host.encode(), text.encode()) for host, text in lines))


def said():
    out = []
    for name in sorted((n for n in os.listdir(path()) if n.startswith('said.') and n.endswith('.json')), key=lambda n: os.stat(path(n)).st_mtime):
        out.append(json.loads(read(path(name))))
    return out


def text_of(letter):
    return letter.get_content()


def settings(mail, webhooks, more=''):
    return '''language: fr
alarm:
  pause: 12 s
  mail: {to: [director@acme.example, it@acme.example], from: vigie@acme.example, server: 'smtp://127.0.0.1:%d'%s}
  webhooks: [%s]
  command: [%s, 'an argument']
outward: {ca: %s}
limits: {memory: {seal: 96 MiB, out: 200 MiB, respond: 64 MiB}}
''' % (mail.port, more, ', '.join("'%s'" % u for u in webhooks), path('tell'), path('outside.pem'))


def a_test(w, mail, hook):
    r = w.vigie('alarm', 'test')
    check(r.stdout.count(b': told\n') == 3, 'a test is told by each way: %r' % r.stdout)
    check(until(lambda: mail.letters and hook.posts and said()), 'and came by each')
    letter, post, command = mail.letters[0], hook.documents()[0], said()[0]
    check('ESSAI' in letter['Subject'] and 'Ceci est un essai' in letter['Subject'], 'the mail is in French: %s' % letter['Subject'])
    check('director@acme.example' in letter['To'] and 'it@acme.example' in letter['To'] and letter['From'] == 'vigie@acme.example', 'to all of them')
    check(all(b < 128 for b in mail.raw[0]), 'with nothing but ASCII on its way')
    check(post['test'] is True and post['alarms'][0]['kind'] == 'test' and command['test'] is True, 'it says that it is a test')
    check(hook.posts[0][1]['Content-Type'] == 'application/json' and 'secret-of-the-path' in hook.posts[0][0], 'as JSON, to the whole address')
    check(w.rows('alarm', 'list') == [], 'a test is none of the alarms')


def count_in(documents):
    return sum(a['count'] for d in documents for a in d['alarms'])


def a_flood(w, mail, hook):
    before = len(mail.letters), len(hook.posts), len(said())
    begin = time.monotonic()
    send(w, *[('pc%d' % (i % 4), 'needle1 %d' % i) for i in range(1000)], *[('dc', 'needle2 %d' % i) for i in range(3)], *[('pc', 'needle3')] * 5)
    check(until(lambda: w.status().get('out.0.alarms') == 1003, 60), 'a flood comes to out')
    took = time.monotonic() - begin
    check(until(lambda: count_in(hook.documents()[before[1]:]) == count_in(said()[before[2]:]) == 1003, 60) and until(lambda: len(mail.letters) > before[0]), 'and is told by each way')
    posts, letters = hook.documents()[before[1]:], mail.letters[before[0]:]
    if took > 4:  # a machine that has other things to do
        print('the flood took %.1f s: %d messages' % (took, len(posts)))
        return
    time.sleep(3)
    check((len(letters), len(posts), len(said()) - before[2]) == (1, 1, 1), 'as one message each')
    post, letter = posts[0], letters[0]
    rows = {a['title']: a for a in post['alarms']}
    check(post['count'] == 1003 and rows['Journal effacé']['count'] == 1000 and rows['New account']['count'] == 3 and 'Quiet' not in rows, 'with counts: %s' % post)
    check(post['level'] == 'critical' and post['alarms'][0]['title'] == 'New account' and rows['New account']['text'] == 'dc' and post['more'] == 0, 'the gravest first')
    check(sorted(rows['Journal effacé']['text'].split(', ')) == ['pc0', 'pc1', 'pc2', 'pc3'] and rows['Journal effacé']['tenant'] == 'default', 'and where')
    check('1003 alarmes' in letter['Subject'] and 'critique' in letter['Subject'] and 'Journal effacé (1000)' in text_of(letter), 'the mail too: %s' % letter['Subject'])
    check(said()[-1]['alarms'] == post['alarms'], 'and the command')
    told = [r for r in w.rows('alarm', 'list') if r['state'] == 'told']
    check(sum(r['count'] for r in told if r['way'] == 'mail') == 1003 and len({r['way'] for r in told}) == 3, 'the list says so')
    check(not any('secret-of-the-path' in json.dumps(r) for r in told), 'and shows no secret')


def the_next_one_waits(w, hook):
    """Nothing is graver than what was told."""
    n, last = len(hook.posts), hook.documents()[-1]
    begin = time.monotonic()
    send(w, ('pc9', 'needle1'))
    check(until(lambda: len([r for r in w.rows('alarm', 'list') if r['state'] == 'waiting' and r['text'] == 'pc9']) == 3), 'what waits stands in the list')
    check('1 waiting' in w.vigie('status', good=(0, 1)).stdout.decode(), 'and in the status')
    check(until(lambda: len(hook.posts) > n, 80), 'then it is told')
    check(last['level'] != 'critical' or time.monotonic() - begin > 5, 'the next message waits')


def killed_in_the_middle(w, mail):
    """The letter was taken and not answered when out is killed, twice: it comes again."""
    time.sleep(12)  # the pause
    mail.how = 'hang'
    mail.hung.clear()
    n = len(mail.raw)
    send(w, ('kill1', 'needle2 kill'))
    check(mail.hung.wait(40), 'the letter is under way')
    os.kill(children(w.process.pid)[('out', 0)], signal.SIGKILL)
    mail.how = ''
    check(until(lambda: len(mail.raw) > n and any('kill1' in text_of(l) for l in mail.letters[n:]), 40), 'an alarm survives kill -9 of out')
    # while out is not there: trace keeps it
    time.sleep(1)
    n = len(mail.letters)
    pid = children(w.process.pid)[('out', 0)]
    os.kill(pid, signal.SIGSTOP)
    send(w, ('kill2', 'needle2 kill again'))
    w.examined()
    os.kill(pid, signal.SIGKILL)
    os.kill(children(w.process.pid)[('trace', 0)], signal.SIGKILL)
    check(until(lambda: any('kill2' in text_of(l) for l in mail.letters[n:]), 100), 'and what out did not have yet, too')
    rows = [r for r in w.rows('alarm', 'list') if r['way'] == 'mail' and r['title'] == 'New account' and r['state'] == 'told']
    check(sum(r['count'] for r in rows) == 5, 'each counted once: %s' % rows)


def a_role_that_dies(w, mail):
    n = len(mail.letters)
    for _ in range(3):
        pid = until(lambda: children(w.process.pid).get(('respond', 0)))
        os.kill(pid, signal.SIGKILL)
        until(lambda: children(w.process.pid).get(('respond', 0), pid) != pid)
        time.sleep(0.3)
    check(until(lambda: any('respond' in text_of(l) and 'cesse' in text_of(l) for l in mail.letters[n:]), 100), 'a role that dies again and again is told')


def down_and_up(w, mail, hook):
    hook.stop()
    mail.stop()
    write('command-fails', '')
    n = len(said())
    send(w, ('pc7', 'needle2 down'))
    check(until(lambda: w.vigie('status', good=(0, 1)).stdout.count(b'the last try failed') == 3, 90, 0.5), 'the status says what does not work')
    text = w.vigie('status', good=(0, 1)).stdout.decode()
    check('nobody answers there' in text and 'it ended with code 7' in text and 'secret-of-the-path' not in text, 'in words: %s' % text[text.find('alarms'):])
    w.again()  # and through a stop and a start
    mail.start()
    hook.start()
    os.unlink(path('command-fails'))
    check(until(lambda: any('pc7' in json.dumps(d) for d in hook.documents()) and any('pc7' in text_of(l) for l in mail.letters), 90), 'what waited is told when they are up again')
    check(until(lambda: any('pc7' in json.dumps(d) for d in said()[n:]), 60), 'and by the command')
    check(w.vigie('status', good=(0, 1)).stdout.count(b'the last try failed') == 0, 'then nothing failed')


def outside_misbehaves(mail, other, sent):
    """Each in a test alarm, which says how."""
    mail.how = 'refuse'
    urls = ['https://localhost:%d/other-ca' % other.port, 'https://127.0.0.1:%d/redirect' % sent.port, 'https://127.0.0.1:%d/long' % sent.port,
            'https://127.0.0.1:%d/no' % sent.port, 'https://nowhere.invalid/', 'http://127.0.0.1:%d/plain-to-tls' % sent.port]
    w = Watch('bad', RULES, settings(mail, urls), files=())
    w.start()
    lines = w.vigie('alarm', 'test', good=(1,), timeout=120).stdout.decode().splitlines()
    for word in ('mail server refuses it', 'certificate is not good', 'sends us elsewhere', 'longer than 65536', 'status 500', 'nowhere.invalid is not known', 'connection broke'):
        check(any(word in line and 'NOT told' in line for line in lines), '%s: %s' % (word, lines))
    check(not any(p.startswith('/elsewhere') for p, _, _ in sent.posts), 'no redirect is followed')
    w.stop()
    mail.how = ''
    w.settings(settings(mail, [], ", user: vigie, password: 'a-secret-of-mail'"))
    w.start()
    line = [x for x in w.vigie('alarm', 'test', good=(1,)).stdout.decode().splitlines() if x.startswith('mail')][0]
    check('no TLS' in line, 'a password is not sent without TLS: %s' % line)
    check(not any('AUTH' in x for x in mail.lines), 'not at all')
    w.stop()


def over_tls(mail):
    w = Watch('tls', RULES, settings(mail, [], ", user: vigie, password: 'a-secret-of-mail'"))
    w.start()
    check(w.vigie('alarm', 'test').stdout.count(b': told\n') == 2 and any('AUTH' in x for x in mail.lines), 'with STARTTLS it is')
    w.stop()


def ask(w, line, mode=0o600, name='00000000000000%02x', number=[0]):
    """A request as commands make them; the answer."""
    number[0] += 1
    where = os.path.join(w.state, 'requests', name % number[0])
    write(where + '.tmp', line)
    os.chmod(where + '.tmp', mode)
    os.rename(where + '.tmp', where + '.req')
    return read(where + '.answer').decode() if until(lambda: os.path.exists(where + '.answer'), 10) else ''


def requests(w):
    folder = os.path.join(w.state, 'requests')
    check(stat.S_IMODE(os.stat(folder).st_mode) == 0o700, 'the folder of requests is the owner\'s')
    check('no request' in ask(w, 'stamp\n', 0o666), 'what others may write is none')
    for line in ('', '\n', 'x' * 2000, 'no-such-verb\n', 'stamp \x1b[31m\n', 'stamp a\nb\n', b'stamp \xff\n'):
        check('no request' in ask(w, line), 'is none: %r' % line[:20])
    os.symlink('/etc/hostname', os.path.join(folder, '0' * 16 + '.req'))
    answer = ask(w, 'respond isolate host=pc1 \u202cnow\n') + ask(w, 'respond isolate host="pc1"\n')
    check(answer.count('not done') == 2 and 'no request' in answer and 'refused, and recorded: there is no such verb' in answer, 'a verb that is none is refused: %r' % answer)
    found = [json.loads(r['raw'])['vigie'] for r in w.search('isolate')]
    check(len(found) == 1 and found[0]['event'] == 'respond' and found[0]['verb'] == 'isolate' and found[0]['argument'] == 'host="pc1"' and found[0]['outcome'] == 'refused' and
          found[0]['user'] == os.geteuid(), 'and recorded in the vault: %s' % found)
    left = [n for n in os.listdir(folder) if n.endswith('.req') and not os.path.islink(os.path.join(folder, n))]
    check(not left, 'no request stays: %s' % left)


def without_a_watch(w):
    r = w.vigie('alarm', 'test', good=(3,))
    check(b'no watch runs' in r.stderr, 'without a watch it says so')
    check(any(x['state'] == 'told' for x in w.rows('alarm', 'list')), 'the list needs none')


def the_watch_itself(mail):
    """A disk that is too full, and evidence that is not signed: a seal whose key is gone."""
    w = Watch('ill', RULES, settings(mail, []) + 'vault: {keep-free: 1 TiB, checkpoint-every: 1 s}\n')
    w.may_die = True
    w.start()
    check(until(lambda: any(a['kind'] == 'disk-full' for d in said() for a in d['alarms']), 40), 'a disk that is full is told')
    key = os.path.join(w.state, 'seal/log.secret')
    os.rename(key, key + '.away')
    os.kill(children(w.process.pid)[('seal', 0)], signal.SIGKILL)
    check(until(lambda: any(a['kind'] == 'checkpoint-late' and a['tenant'] == 'default' for d in said() for a in d['alarms']), 120), 'a tree that is not signed is told')
    check(any(a['kind'] == 'role-dies' and 'seal' in a['text'] for d in said() for a in d['alarms']), 'and why')
    os.rename(key + '.away', key)
    check(until(lambda: any(a['kind'] == 'checkpoint-late-over' for d in said() for a in d['alarms']), 90), 'and that it is over')
    w.stop()


os.environ.update(https_proxy='http://127.0.0.1:1', http_proxy='http://127.0.0.1:1', ALL_PROXY='socks5h://127.0.0.1:1', SSL_CERT_FILE='/nowhere')
make_ca('outside')
make_ca('stranger')
home = path()
write('tell', COMMAND % {'home': home})
os.chmod(path('tell'), 0o755)
mail = Smtp().start()
hook = Web(lambda p, b: (200, {}, b'ok'), make_cert('hook', 'outside')).start()
w = Watch('watch', RULES, settings(mail, ['https://localhost:%d/secret-of-the-path' % hook.port]))
w.may_die = True
w.start()
a_test(w, mail, hook)
requests(w)
a_flood(w, mail, hook)
the_next_one_waits(w, hook)
killed_in_the_middle(w, mail)
a_role_that_dies(w, mail)
down_and_up(w, mail, hook)
check(not any('ready' == line for line in w.said().splitlines()[5:-5]) or w.said().count('\nready\n') == 2, 'what the command prints goes nowhere')
w.stop()
without_a_watch(w)


def misbehave(p, body):
    if p == '/redirect':
        return 302, {'Location': 'https://127.0.0.1:%d/elsewhere' % sent.port}, b''
    if p == '/long':
        return 200, {}, (b'x' * 65536 for _ in range(1 << 20))
    return 500, {}, b''


other = Web(lambda p, b: (200, {}, b'ok'), make_cert('other', 'stranger')).start()
sent = Web(misbehave, make_cert('sent', 'outside')).start()
outside_misbehaves(mail, other, sent)
secure = Smtp(make_cert('mail', 'outside')).start()
over_tls(secure)
the_watch_itself(mail)
end()
