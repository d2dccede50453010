#!/usr/bin/env python3
"""A witness beside a log that grows: it keeps a copy, tells silence, refuses what was rolled back or forked and keeps the proof, waits
for a person when an epoch begins, and a vault is made anew from it.  WITNESS_RUN is test/scenario/witness_run.c."""
import filecmp
import glob
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from scenario import VIGIE, check, end, env, path, read, write

RUN = os.environ['WITNESS_RUN']
TOKEN = 'a-token-of-some-length'
started = []
writing = threading.Lock()


def run(*words):
    return subprocess.run([RUN, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


def add(vault, blocks, text='a record', epoch=0, *more, tenant='acme'):
    with writing:
        r = run('add', vault, tenant, text, str(blocks), str(epoch), *more)
    if r.returncode:
        raise RuntimeError(r.stdout)


def until(what, seconds=20):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if what():
            return True
        time.sleep(0.05)
    return False


def start(words, **more):
    p = subprocess.Popen(words, env=env(**more), stdout=subprocess.PIPE, stderr=open(path('log.%d' % len(started)), 'wb'))
    p.log = path('log.%d' % len(started))
    started.append(p)
    return p


def serve(vault, *more):
    p = start([RUN, 'serve', vault, *more])
    return p, int(p.stdout.readline())


class Ticker(threading.Thread):
    """A checkpoint every 300 ms, also when nothing happens."""

    def __init__(self, vault):
        super().__init__(daemon=True)
        self.vault, self.on, self.epoch, self.lock = vault, True, '0', threading.Lock()
        self.start()

    def run(self):
        while self.on:
            with self.lock:
                if self.on:
                    add(self.vault, 0, epoch=self.epoch)
            time.sleep(0.3)

    def stop(self):
        with self.lock:
            self.on = False


def alarms(name='alarms'):
    p = path(name)
    return read(p).decode().splitlines() if os.path.exists(p) else []


def told(kind, state, name='alarms'):
    return [a for a in alarms(name) if a.startswith(kind + ' ' + state + ' ')]


def witness(state, *more, alarm='alarms'):
    p = start([VIGIE, 'witness', '--state', state, '--every', '1s', '--silence', '4s', '--name', 'witness.test', '--alarm-command',
               'echo "$VIGIE_ALARM_KIND $VIGIE_ALARM_STATE $VIGIE_ALARM_SUBJECT $VIGIE_ALARM_TEXT" >>%s' % path(alarm), *more])
    check(p.stdout.readline() == b'ready\n', 'the witness says that it is ready')
    return p


def stop(p):
    p.send_signal(signal.SIGCONT)
    p.terminate()
    return p.wait(timeout=20)


def publish_instead(vault, folder):
    """The tenant's folder becomes a copy of another one; nobody sees half of it."""
    shutil.copytree(folder, vault + '/.new')
    os.rename(vault + '/acme', path('gone.%d' % len(os.listdir(path()))))
    os.rename(vault + '/.new', vault + '/acme')


def size_of(note):
    return int(read(note).split(b'\n')[1]) if os.path.exists(note) else -1


def same_segments(a, b):
    names = sorted(os.path.basename(p) for p in glob.glob(a + '/*.vs'))
    return bool(names) and names == sorted(os.path.basename(p) for p in glob.glob(b + '/*.vs')) and \
        all(filecmp.cmp(os.path.join(a, n), os.path.join(b, n), shallow=False) for n in names)


def get(port, where, method='GET', token=TOKEN, **headers):
    c = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    c.request(method, where, headers={**({'Authorization': 'Bearer ' + token} if token else {}), **headers})
    r = c.getresponse()
    return r.status, r.read(), r


def publisher_is_read_only(vault, port):
    status, body, _ = get(port, '/v1/')
    check((status, body) == (200, b'acme\n'), 'the list of tenants')
    check(get(port, '/v1/', token=None)[0] == 401 and get(port, '/v1/', token=TOKEN + 'x')[0] == 401, 'a token is needed')
    status, body, _ = get(port, '/v1/acme/list')
    rows = dict(reversed(line.split(' ')) for line in body.decode().splitlines())
    name = '2023-11-14.0000.vs'
    data = read(os.path.join(vault, 'acme', name))
    check(status == 200 and rows.get(name) == str(len(data)) and 'log.pub' in rows and 'keys/2023-11-14.0001' in rows, 'the list of files')
    check('log.key' not in rows and 'checkpoint' not in rows, 'nothing else is listed')
    check(get(port, '/v1/acme/file/' + name)[1] == data, 'a file')
    status, body, r = get(port, '/v1/acme/file/' + name, Range='bytes=10-19')
    check((status, body, r.getheader('Content-Range')) == (206, data[10:20], 'bytes 10-19/%d' % len(data)), 'a part of it')
    check(get(port, '/v1/acme/file/' + name, Range='bytes=%d-' % (len(data) - 3))[1] == data[-3:], 'its end')
    check(get(port, '/v1/acme/file/' + name, Range='bytes=%d-' % len(data))[0] == 416, 'behind its end')
    for odd in ('bytes=a-b', 'bytes=-5', 'bytes=5-4', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=99999999999999999999999-'):
        check(get(port, '/v1/acme/file/' + name, Range=odd)[1] == data, 'the range %r is passed over' % odd)
    os.symlink('/etc/passwd', os.path.join(vault, 'acme', '2023-11-15.0000.vs'))
    os.symlink('/etc', os.path.join(vault, 'etc'))
    os.mkfifo(os.path.join(vault, 'acme', '2023-11-16.0000.vs'))
    for where in ('/v1/acme/file/log.key', '/v1/acme/file/../acme/log.key', '/v1/acme/file/%2e%2e/acme/log.pub', '/v1/../../etc/passwd', '/etc/passwd',
                  '/v1/acme/file//etc/passwd', '/v1/acme/file/keys/../log.key', '/v1/acme/file/keys/..', '/v1/acme/file/', '/v1/acme/file/log.pub%00',
                  '/v1/acme/file/2023-11-15.0000.vs', '/v1/acme/file/2023-11-16.0000.vs', '/v1/etc/file/passwd', '/v1/etc/list', '/v1/nobody/list',
                  '/v1/acme', '/v1/acme/', '/v1//list', '/v1', '/', '/v1/acme/file/checkpoint', '/v1/acme/file/tile/0/000.p/0x1', '/v1/' + 'a' * 3000):
        check(get(port, where)[0] == 404, '%s is not there' % where[:60])
    for p in ('acme/2023-11-15.0000.vs', 'etc', 'acme/2023-11-16.0000.vs'):
        os.unlink(os.path.join(vault, p))
    for method in ('POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'):
        check(get(port, '/v1/', method=method)[0] == 405, '%s is not allowed' % method)
    raw = socket.create_connection(('127.0.0.1', port), timeout=10)
    raw.sendall(b'GET /v1/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ' + TOKEN.encode() + b'\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/acme/list HTTP/1.1\r\n\r\n')
    got = b''
    try:
        while part := raw.recv(65536):
            got += part
    except OSError:
        pass
    check(got.count(b'HTTP/1.1 200') <= 1 and b'.vs' not in got, 'no second request in the body of the first')


def silence(vault, publisher):
    state = path('state')
    check(until(lambda: size_of(os.path.join(state, 'vault/acme/checkpoint')) == 6), 'the copy has the log\'s 6 blocks')
    check(same_segments(vault + '/acme', state + '/vault/acme'), 'its segments are the same, byte by byte')
    check(until(lambda: os.path.exists(state + '/vault/acme/keys/2023-11-14.0001')), 'it has the wrapped key')
    check(not os.path.exists(state + '/vault/acme/log.key'), 'and no private one')
    time.sleep(5)
    check(alarms() == [], 'a log that only says the time is not silent: %r' % alarms())
    publisher.send_signal(signal.SIGSTOP)
    before = time.monotonic()
    check(until(lambda: told('silence', 'begins'), 8), 'it says that the watch is silent')
    check(time.monotonic() - before < 6, 'and in time')
    time.sleep(1)
    check(len(told('silence', 'begins')) == 1, 'once')
    publisher.send_signal(signal.SIGCONT)
    check(until(lambda: told('silence', 'over')), 'and that it is over')
    add(vault, 5)
    check(until(lambda: size_of(os.path.join(state, 'vault/acme/checkpoint')) == 11), 'and goes on')
    check(same_segments(vault + '/acme', state + '/vault/acme'), 'with the same segments')


def keeps(state, size, root_of):
    """The copy did not change."""
    return size_of(os.path.join(state, 'vault/acme/checkpoint')) == size and same_segments(root_of, state + '/vault/acme')


def rolled_back_and_forked(vault, ticker):
    state = path('state')
    ticker.stop()
    good = path('good')
    shutil.copytree(vault + '/acme', good)
    proofs = lambda: sorted(glob.glob(state + '/forks/*'))
    # rolled back: the blocks of an hour ago, and a checkpoint of now
    old = path('rolled')
    os.makedirs(old + '/acme')
    for n in sorted(glob.glob(good + '/*.vs'))[:2]:
        shutil.copy(n, old + '/acme')
    add(old, 0)
    publish_instead(vault, old + '/acme')
    check(until(lambda: told('consistency', 'begins')), 'a log that was rolled back is told')
    check('rolled back' in told('consistency', 'begins')[0], 'as that')
    check(until(lambda: len(proofs()) == 2), 'both notes are kept')
    check(any(read(p) == read(vault + '/acme/checkpoint') for p in proofs()), 'the one that came')
    held = [p for p in proofs() if p.endswith('.held')]
    check(held and size_of(held[0]) == 11, 'the one that was held')
    time.sleep(1.5)
    check(keeps(state, 11, good) and len(proofs()) == 2 and len(told('consistency', 'begins')) == 1, 'the copy is as it was, and all is told once')
    # forked: as many blocks, others
    add(old, 11 - size_of(old + '/acme/checkpoint'), 'another history')
    publish_instead(vault, old + '/acme')
    check(until(lambda: len(proofs()) == 4), 'a fork of the same size is kept')
    # forked: more blocks, others
    add(old, 3, 'another history')
    publish_instead(vault, old + '/acme')
    check(until(lambda: len(proofs()) == 6), 'a fork that is larger is kept')
    check(keeps(state, 11, good) and not glob.glob(state + '/vault/acme/*.part'), 'the copy is as it was')
    # a checkpoint that somebody else signed
    note = read(good + '/checkpoint')
    write(vault + '/acme/checkpoint', note.replace(b'\n11\n', b'\n12\n'))
    check(until(lambda: len(proofs()) == 8), 'a forged checkpoint is kept')
    # the true one again
    publish_instead(vault, good)
    add(vault, 2)
    check(until(lambda: told('consistency', 'over')), 'all clear when the true log goes on')
    check(until(lambda: keeps(state, 13, vault + '/acme')), 'and the copy grows')
    seen = b''.join(read(p) for p in glob.glob(state + '/vault/acme/seen/*'))
    check(seen.count(b'NOTE ') > 5 and b'\n13\n' in seen and b'witness.test' in seen, 'what it cosigned is kept')


def damaged_on_the_way(vault):
    """A block whose bytes are not what its head says is never taken."""
    state = path('state')
    add(vault, 1)
    check(until(lambda: size_of(state + '/vault/acme/checkpoint') == 14), 'grown')
    good = path('sound')
    shutil.copytree(vault + '/acme', good)
    broken = path('broken')
    shutil.copytree(vault, broken)
    add(broken, 1)
    last = sorted(glob.glob(broken + '/acme/*.vs'))[-1]
    data = bytearray(read(last))
    data[-1] ^= 1
    write(last, bytes(data))
    n = len(told('consistency', 'begins'))
    publish_instead(vault, broken + '/acme')
    check(until(lambda: len(told('consistency', 'begins')) > n), 'a broken block is told')
    check(keeps(state, 14, good), 'and not kept')
    publish_instead(vault, good)
    add(vault, 1)
    check(until(lambda: size_of(state + '/vault/acme/checkpoint') == 15), 'the sound one is')


def dies_and_goes_on(vault, w, port):
    """Killed at any time, the copy is sound; a torn end of a segment and of the notes is cut off."""
    state = path('state')
    for _ in range(3):
        add(vault, 2)
        time.sleep(0.3)
        w.kill()
        w.wait()
        last = sorted(glob.glob(state + '/vault/acme/*.vs'))[-1]
        with open(last, 'ab') as f:
            f.write(b'VGBLOCK1 torn')
        with open(sorted(glob.glob(state + '/vault/acme/seen/*'))[-1], 'ab') as f:
            f.write(b'NOTE 500\ntorn')
        w = witness(state, '--from', 'http://127.0.0.1:%d' % port, '--token-file', path('token'), '--listen', '127.0.0.1:0')
        size = size_of(vault + '/acme/checkpoint')
        check(until(lambda: size_of(state + '/vault/acme/checkpoint') == size), 'it goes on to %d' % size)
        check(same_segments(vault + '/acme', state + '/vault/acme'), 'with the same segments')
    seen = read(sorted(glob.glob(state + '/vault/acme/seen/*'))[-1])
    at = 0
    while at < len(seen):
        n = int(seen[at + 5:seen.index(b'\n', at)])
        at = seen.index(b'\n', at) + 1 + n
    check(at == len(seen) and b'torn' not in seen, 'the notes are whole')
    second = subprocess.run([VIGIE, 'witness', '--state', state, '--from', 'http://127.0.0.1:%d' % port], env=env(), stderr=subprocess.PIPE, timeout=20)
    check(second.returncode == 4 and b'another witness' in second.stderr, 'two do not work on one folder')
    return w


def listening(w):
    check(until(lambda: b'port ' in read(w.log)), 'it says where it listens')
    return int(read(w.log).split(b'port ')[1].split()[0])


def restored(vault, w):
    port = listening(w)
    url = 'http://127.0.0.1:%d' % port
    key = get(port, '/v1/witness.pub', token=None)[1].decode().strip()
    check(key.startswith('witness.test+'), 'it publishes its key')
    check(get(port, '/v1/acme/file/witness.key', token=None)[0] == 404 and get(port, '/v1/witness.key', token=None)[0] == 404, 'and no private one')
    for name, words, good in (('new', [key], True), ('met', [], True), ('wrong', [run('key').stdout.split()[1]], False)):
        folder = path(name)
        os.mkdir(folder)
        r = run('restore', url, folder, *words)
        check((r.returncode == 0) == good, 'restore %s: %s' % (name, r.stdout))
        if good:
            check(same_segments(vault + '/acme', folder + '/acme'), 'byte by byte')
            check(read(folder + '/acme/checkpoint').count('\u2014 '.encode()) == 2, 'with the cosigned checkpoint')
            check(os.path.exists(folder + '/acme/keys/2023-11-14.0001') and os.path.exists(folder + '/acme/log.pub'), 'and the keys')
        else:
            check(not glob.glob(folder + '/acme/*.vs'), 'nothing of it is taken')
    check(run('restore', url, path('new'), key).returncode != 0, 'not over a vault that is there')


def epochs(vault):
    """After a restore that lost blocks: the witness waits for a person."""
    state = path('state')
    held = size_of(state + '/vault/acme/checkpoint')
    before = path('before')
    shutil.copytree(state + '/vault/acme', before)
    new = path('epoch')
    os.makedirs(new + '/acme')
    for n in sorted(glob.glob(before + '/*.vs'))[:2]:
        shutil.copy(n, new + '/acme')
    add(new, 2, 'a new life', 1)
    publish_instead(vault, new + '/acme')
    check(until(lambda: told('epoch', 'begins')), 'a new epoch is told')
    time.sleep(1.2)
    check(keeps(state, held, before), 'and waits')
    r = subprocess.run([VIGIE, 'witness', 'accept', '--state', state, 'nobody'], env=env(), stderr=subprocess.PIPE)
    check(r.returncode == 3, 'nobody\'s epoch cannot be accepted')
    r = subprocess.run([VIGIE, 'witness', 'accept', '--state', state, 'acme'], env=env(), stdout=subprocess.PIPE)
    check(r.returncode == 0 and b'epoch 1' in r.stdout, 'a person accepts it')
    check(until(lambda: told('epoch', 'over')), 'all clear')
    check(until(lambda: keeps(state, size_of(vault + '/acme/checkpoint'), vault + '/acme')), 'the copy is that of the new epoch')
    aside = glob.glob(state + '/epochs/acme.epoch-0.size-%d' % held)
    check(len(aside) == 1 and same_segments(before, aside[0]), 'that of the old one is kept aside, whole')


def by_recovery_key():
    """Signed by the recovery key, and nothing lost: no person is needed, and no copy goes aside."""
    vault, state = path('vault2'), path('state2')
    os.mkdir(vault)
    add(vault, 3)
    p, port = serve(vault)
    log, recovery = run('key').stdout.split()
    w = witness(state, '--from', 'http://127.0.0.1:%d' % port, '--log-key', log, '--recovery-key', recovery, alarm='alarms2')
    check(until(lambda: size_of(state + '/vault/acme/checkpoint') == 3), 'with a key that was given')
    add(vault, 2, 'more', 1, 'recovery')
    check(until(lambda: size_of(state + '/vault/acme/checkpoint') == 5), 'an epoch that the recovery key signed')
    check(not told('epoch', 'begins', 'alarms2') and not os.listdir(state + '/epochs'), 'no alarm, and nothing aside')
    w.terminate()
    check(w.wait(timeout=20) == 0, 'SIGTERM ends it well')
    add(vault, 0, epoch=1)  # by the log alone
    w = witness(path('state3'), '--from', 'http://127.0.0.1:%d' % port, '--log-key', recovery, alarm='alarms3')
    check(until(lambda: told('consistency', 'begins', 'alarms3')), 'a log of another key than was given is refused')
    check(not glob.glob(path('state3') + '/vault/acme/*.vs'), 'and nothing of it kept')
    stop(w)
    p.kill()


def tls():
    vault, state = path('vault2'), path('state4')
    cert, key = path('cert.pem'), path('key.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, '-days', '2',
                    '-subj', '/CN=watch', '-addext', 'subjectAltName=DNS:localhost'], check=True, stderr=subprocess.DEVNULL)
    public = subprocess.run(['openssl', 'pkey', '-in', key, '-pubout', '-outform', 'DER'], check=True, stdout=subprocess.PIPE).stdout
    pin = hashlib.sha256(public).hexdigest()
    p, port = serve(vault, TOKEN, cert, key)
    for name, words, good in (('pin', ['--pin', pin], True), ('ca', ['--tls-ca', cert], True), ('system', [], False),
                              ('another', ['--pin', 'ff' * 32], False), ('token', ['--pin', pin, '--token-file', path('token2')], False)):
        write('token2', 'not-the-token-of-the-watch')
        token = [] if '--token-file' in words else ['--token-file', path('token')]
        w = witness(state + name, '--from', 'https://localhost:%d' % port, *token, *words, alarm='alarms4' + name)
        if good:
            check(until(lambda: size_of(state + name + '/vault/acme/checkpoint') == 5), 'TLS by %s' % name)
        else:
            check(until(lambda: told('silence', 'begins', 'alarms4' + name)), 'TLS by %s is silence' % name)
            check(not os.path.exists(state + name + '/vault/acme'), 'and nothing is taken')
        stop(w)
    p.kill()


def channels():
    got = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
            self.send_response(200 if self.path == '/good' else 500)
            self.end_headers()

        def log_message(self, *a):
            pass

    hook = HTTPServer(('127.0.0.1', 0), Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    url = 'http://127.0.0.1:%d' % hook.server_port
    mail = socket.socket()
    mail.bind(('127.0.0.1', 0))
    mail.listen()
    letters = []

    def smtp():
        c, _ = mail.accept()
        f = c.makefile('rwb')
        say = lambda s: (f.write(s + b'\r\n'), f.flush())
        say(b'220 x')
        data, letter = False, b''
        for line in f:
            if data:
                letter += line
                if line == b'.\r\n':
                    letters.append(letter)
                    data = False
                    say(b'250 ok')
            elif line.upper().startswith(b'DATA'):
                data = True
                say(b'354 go on')
            elif line.upper().startswith(b'QUIT'):
                say(b'221 bye')
                break
            else:
                say(b'250 ok')

    threading.Thread(target=smtp, daemon=True).start()
    r = subprocess.run([VIGIE, 'witness', '--test-alarm', '--alarm-command', 'cat >' + path('said'), '--alarm-webhook', url + '/good', '--alarm-mail', 'director@acme.example',
                        '--alarm-smtp', 'smtp://127.0.0.1:%d' % mail.getsockname()[1], '--name', 'w'], env=env(), stdout=subprocess.PIPE, timeout=60)
    check(r.returncode == 0 and r.stdout.count(b': told') == 3, 'a test alarm is told: %r' % r.stdout)
    check(b'This is a test' in read(path('said')), 'to the command')
    check(got and got[0]['state'] == 'test' and got[0]['witness'] == 'w' and 'This is a test' in got[0]['text'], 'to the webhook')
    check(until(lambda: letters) and b'To: director@acme.example' in letters[0] and b'This is a test' in letters[0], 'by mail')
    r = subprocess.run([VIGIE, 'witness', '--test-alarm', '--alarm-command', 'exit 3', '--alarm-webhook', url + '/bad'], env=env(), stdout=subprocess.PIPE, timeout=60)
    check(r.returncode == 4 and r.stdout.count(b'NOT told') == 2, 'what cannot be told is told: %r' % r.stdout)


def wrong_words():
    base = ['--state', path('x'), '--from', 'http://127.0.0.1:1']
    for words in ([], ['--state', path('x')], base[2:], base + ['more'], base[:2] + ['--from', 'ftp://x'], base[:2] + ['--from', 'http://u@x'], base + ['--pin', '12'],
                  base + ['--every', '60s'], base + ['--silence', '0s'], base + ['--free', 'x'], base + ['--log-key', 'x'], base + ['--listen', '127.0.0.1'],
                  base + ['--listen-cert', '/etc/passwd'], base + ['--alarm-mail', 'no body@x'], base + ['--alarm-webhook', 'x'], base + ['--token-file', '/nowhere']):
        r = subprocess.run([VIGIE, 'witness', *words], env=env(), stderr=subprocess.PIPE, timeout=20)
        check(r.returncode == 2 and r.stderr, 'refused: %r' % words)
    check(not os.path.exists(path('x')), 'and nothing is made')


def main():
    vault = path('vault')
    os.mkdir(vault)
    write('token', TOKEN + '\n')
    add(vault, 6)
    publisher, port = serve(vault, TOKEN)
    publisher_is_read_only(vault, port)
    wrong_words()
    channels()
    ticker = Ticker(vault)
    w = witness(path('state'), '--from', 'http://127.0.0.1:%d' % port, '--token-file', path('token'))
    silence(vault, publisher)
    rolled_back_and_forked(vault, ticker)
    damaged_on_the_way(vault)
    w = dies_and_goes_on(vault, w, port)
    restored(vault, w)
    epochs(vault)
    stop(w)
    by_recovery_key()
    tls()
    for p in started:
        for word in (b'Sanitizer', b'runtime error', b'begun again', b'none of ours', b'leaked'):
            check(word not in read(p.log), '%r in what a program said: %r' % (word, read(p.log)[-2000:]))


try:
    main()
finally:
    for child in started:
        if child.poll() is None:
            child.kill()
end()
