"""The command line: what is wrong is refused in words with the exit code that the manual promises (0 done, 1 found, 2 wrong
command line, 3 nothing could be read, 4 failed), odd names and broken files are read or told, and nothing is left behind."""
import json
import os
import re
import signal
import subprocess
import time

from scenario import RULES, SAMPLE, VIGIE, check, end, env, path, read, vigie, write

LINE = '2026-04-03T10:00:00Z web01 sshd[100]: Accepted password for root from 203.0.113.45 port 40000 ssh2\n'
OURS = ('--only-rules', '--rules', RULES)


def said(out, code, what, *words):
    """It ended with @code, said @words and, when that is not 0, something, and did not crash."""
    text = out.stderr.decode(errors='replace')
    check(out.returncode == code, '%s: exit code %d, %d expected; %r' % (what, out.returncode, code, text[:200]))
    if code in (2, 3, 4):
        check(out.stderr or out.stdout, what + ': says why')
    for w in words:
        check(w in text + out.stdout.decode(errors='replace'), '%s: says %r: %r' % (what, w, text[:200]))


def commands():
    return re.findall(r'^  ([a-z]+(?: [a-z]+)?)  ', vigie('help').stdout.decode(), re.M)


def words():
    log = write('one/auth.log', LINE)
    said(vigie(), 2, 'no command')
    for w in ('help', '--help', '-h', 'version', '--version'):
        said(vigie(w), 0, w)
    for w in ('hnut', '', '-', '--', '-x', '--nonsense', 'rule nonsense', 'hunt\nhunt', '\x1b[31m'):
        said(vigie(*w.split(' ')), 2, repr(w))
    said(vigie('rule'), 2, 'rule')
    found = commands()
    check(len(found) >= 8 and 'hunt' in found, 'help lists the commands: %s' % found)
    for c in found:
        for out in (vigie('help', *c.split()), vigie(*c.split(), '--help')):
            said(out, 0, c + ': help', 'usage: vigie ' + c)
            check(all(len(x) <= 80 for x in out.stdout.decode().splitlines()), c + ': help fits 80 columns')
    said(vigie('help', 'nonsense'), 2, 'help nonsense')
    said(vigie('completion', 'bash'), 0, 'completion bash')
    said(vigie('completion', 'tcsh'), 2, 'completion tcsh')
    check(subprocess.run(['bash', '-n'], input=vigie('completion', 'bash').stdout).returncode == 0, 'bash reads its completion')

    said(vigie('hunt'), 2, 'hunt without a path')
    said(vigie('hunt', '--level', 'loud', log), 2, '--level loud', 'critical')
    said(vigie('hunt', '--fail-on', '', log), 2, '--fail-on without a level')
    said(vigie('hunt', '--lvl', 'high', log), 2, '--lvl', '--level')
    said(vigie('hunt', '--format', 'xml', log), 2, '--format xml', 'jsonl')
    said(vigie('hunt', '--lang', 'de', log), 2, '--lang de', 'fr')
    for n in ('0', '-1', '65', 'many', '', '99999999999999999999', '2x', ' 2'):
        said(vigie('hunt', '--jobs', n, log), 2, '--jobs %r' % n)
    for t in ('yesterday', '2026-13-01', '2026-02-30', '', '2026'):
        said(vigie('hunt', '--from', t, log), 2, '--from %r' % t)
    for z in ('Paris', '+25:99', '2'):
        said(vigie('hunt', '--zone', z, log), 2, '--zone %r' % z)
    said(vigie('hunt', log, '--level'), 2, '--level at the end', 'value')
    said(vigie('hunt', '--quiet=yes', log), 2, '--quiet=yes')
    said(vigie('hunt', '--level', 'low', '--level', 'high', log), 2, '--level twice')
    said(vigie('hunt', '--var', 'novalue', log), 2, '--var without =')
    said(vigie('hunt', '--vars', path('none'), log), 2, '--vars of no file')
    said(vigie('hunt', '--only-rules', '--rules', path('none'), log), 3, '--rules of no folder')
    for o in (('--report', path('none/r.html')), ('--output', path('none/r.jsonl')), ('--report', path('one'))):
        out = vigie('hunt', *OURS, *o, log)
        check(out.returncode in (2, 4), '%s: exit code %d' % (o, out.returncode))
        check(out.stderr != b'', '%s: says why' % (o,))
    said(vigie('hunt', *OURS, '--level=high', '--jobs=2', '--quiet', log), 0, '--option=value')


def files():
    said(vigie('hunt', *OURS, path('none')), 3, 'no such file', 'none')
    said(vigie('dump', path('none')), 3, 'dump of no such file', 'none')
    write('empty/a.log', '')
    write('empty/b.evtx', '')
    os.makedirs(path('nothing'), exist_ok=True)
    for folder in ('empty', 'nothing'):
        out = vigie('hunt', *OURS, path(folder))
        check(out.returncode in (0, 3), '%s: exit code %d' % (folder, out.returncode))
    for name, data in (('zeros.bin', bytes(70000)), ('noise.bin', bytes((i * 197 + i // 251) & 255 for i in range(9999))),
                       ('head.evtx', b'ElfFile\0' + bytes(80)), ('cut.gz', b'\x1f\x8b\x08\0\0\0\0\0\0\3abc'),
                       ('cut.zip', b'PK\3\4' + bytes(20)), ('cut.json', b'{"Event": {"System": '), ('nul.log', b'\0' * 300)):
        p = write('broken/' + name, data)
        out = vigie('hunt', *OURS, p)
        check(out.returncode in (0, 3), '%s: exit code %d: %r' % (name, out.returncode, out.stderr[:200]))
        check(name in (out.stdout + out.stderr).decode(errors='replace') or out.returncode == 0, name + ': is named')
        out = vigie('dump', p)
        check(out.returncode in (0, 3), 'dump %s: exit code %d' % (name, out.returncode))
    said(vigie('hunt', *OURS, path('broken/noise.bin')), 3, 'only an unknown file', 'noise.bin')
    write('broken/auth.log', LINE)
    said(vigie('hunt', *OURS, path('broken')), 0, 'one good file among broken ones')

    os.makedirs(path('odd'), exist_ok=True)
    for name in ('-', '--help', '-rf', 'a b', "it's", 'new\nline', '\u00e9t\u00e9', '*', '%s%n', 'x' * 250):
        with open(os.path.join(path('odd'), name), 'w', encoding='utf-8') as f:
            f.write(LINE)
    with open(os.path.join(os.fsencode(path('odd')), b'\xff\xfe.log'), 'w', encoding='utf-8') as f:
        f.write(LINE)
    out = vigie('hunt', *OURS, '--output', path('odd.jsonl'), '.', cwd=path('odd'))
    said(out, 0, 'odd names', '11 files')
    check(len(read(path('odd.jsonl')).splitlines()) == 1, 'eleven copies of one line are one signal')
    for name in ('./-', './--help', 'a b', 'new\nline'):
        out = vigie('hunt', *OURS, '--quiet', '--output', '-', name, cwd=path('odd'))
        said(out, 0, repr(name))
        rows = [json.loads(x) for x in out.stdout.decode().splitlines()]
        check([r['event']['file'] for r in rows] == [name], '%r is named as it is: %s' % (name, rows))
    said(vigie('hunt', *OURS, '--quiet', '--', '--help', '-rf', cwd=path('odd')), 0, 'names behind --')

    # Links, pipes, folders in themselves: told, never followed, never waited for.
    os.makedirs(path('links'), exist_ok=True)
    os.mkfifo(path('links/pipe'))
    os.symlink('..', path('links/up'))
    os.symlink(path('one/auth.log'), path('links/out.log'))
    os.symlink('loop', path('links/loop'))
    write('links/auth.log', LINE)
    out = vigie('hunt', *OURS, path('links'), timeout=20)
    said(out, 0, 'links')
    check(vigie('hunt', *OURS, path('links/pipe'), timeout=20).returncode == 3, 'a pipe is not read')
    said(vigie('hunt', *OURS, path('links/out.log')), 0, 'a link that is named')
    if os.getuid() != 0:
        os.chmod(write('locked/auth.log', LINE), 0)
        said(vigie('hunt', *OURS, path('locked')), 3, 'no permission', 'auth.log')
        os.chmod(path('locked'), 0)
        said(vigie('hunt', *OURS, path('locked')), 3, 'no permission for the folder', 'locked')
        os.chmod(path('locked'), 0o700)
    else:
        print('as root, permissions are not tried')

    # Where standard output ends early or is full, it says so and does not hang.
    p = subprocess.Popen([VIGIE, 'dump', path('one/auth.log')], env=env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.close()
    p.stderr.read()
    check(p.wait(20) == 0, 'a closed pipe: exit code %d' % p.returncode)
    if os.path.exists('/dev/full'):
        with open('/dev/full', 'w') as full:
            for words_ in (('dump', path('one/auth.log')), ('hunt', *OURS, '--format', 'jsonl', path('one')), ('hunt', *OURS, path('one'))):
                out = subprocess.run([VIGIE, *words_], env=env(), stdout=full, stderr=subprocess.PIPE, timeout=20)
                check(out.returncode == 4, '%s to a full disk: exit code %d' % (words_[0], out.returncode))


def rules():
    said(vigie('rule', 'check', RULES), 0, 'rule check of ours')
    said(vigie('rule', 'list'), 0, 'rule list')
    bad = write('badrules/bad.yml', 'title: x\ndetection:\n  selection:\n    a|nonsense: 1\n  condition: selection\n')
    said(vigie('rule', 'check', path('badrules')), 1, 'rule check of a bad rule', 'bad.yml')
    head = 'title: t\nauthor: Ann\ndescription: d\nexpires: %s\nlogsource: {}\nfilter: {rules: any, f: {u: me}, condition: f}\n'
    write('exceptions/good.yml', head % '2199-12-31' + '---\n' + head % '2020-01-31')
    said(vigie('rule', 'check', '--exceptions', path('exceptions'), RULES), 0, 'rule check of exceptions', 'until 2199-12-31', 'expired on 2020-01-31')
    write('exceptions/bad.yml', head.replace('author: Ann\n', '') % '2199-12-31')
    said(vigie('rule', 'check', '--exceptions', path('exceptions'), RULES), 1, 'rule check of an exception by nobody', 'bad.yml', 'author')
    said(vigie('rule', 'check', '--exceptions', path('none'), RULES), 3, 'exceptions of no folder')
    event = write('event.json', json.dumps({'Event': {'System': {'EventID': 1102, 'Channel': 'Security', 'Computer': 'DC01', 'Provider': {
        '#attributes': {'Name': 'Microsoft-Windows-Eventlog'}}, 'TimeCreated': {'#attributes': {'SystemTime': '2026-04-03T08:00:00Z'}}}}}))
    said(vigie('rule', 'explain', 'd9fdf617-9cf2-50aa-86f5-2788bebfa960', event), 0, 'rule explain, a match')
    said(vigie('rule', 'explain', '408514ff-1d94-4481-98ef-c272f53f1367', event), 1, 'rule explain, no match')
    many = write('many.log', ''.join('2026-04-03T08:%02d:00Z web01 sshd[1]: Failed password for bob from 203.0.113.45 port 1 ssh2\n' % i for i in range(10))
                 + '2026-04-03T08:11:00Z web01 sshd[1]: Accepted password for bob from 203.0.113.45 port 1 ssh2\n')
    out = vigie('rule', 'explain', 'guessed', many)
    said(out, 0, 'rule explain of a correlation', '=> guessed came true with 2 matches in 120 s')
    check(b'user.name = bob' in out.stdout and b'-> many_failures came true with 10 matches' in out.stdout, 'it names groups and what it stands on')
    said(vigie('rule', 'explain', 'guessed', path('one/auth.log')), 1, 'rule explain of a correlation that did not come true', 'did not come true')
    said(vigie('rule', 'explain', os.path.join(RULES, 'correlations', 'guessing.yml'), many), 0, 'rule explain of a file that refers to others')
    said(vigie('rule', 'explain', 'guessed', path('one')), 3, 'rule explain of a folder', 'a folder')
    said(vigie('hunt', *OURS, '--from', '2026-04-04', '--to', '2026-04-01', many), 2, 'from after to', 'is after')
    said(vigie('rule', 'explain', 'no such rule', event), 3, 'rule explain of no rule')
    said(vigie('rule', 'explain', '408514ff-1d94-4481-98ef-c272f53f1367', path('none')), 3, 'rule explain of no event')
    said(vigie('rule', 'coverage', path('one')), 0, 'rule coverage')
    for i in range(12):
        said(vigie('rule', 'list', '--var', 'x=%d' % i), 0, 'rule list')
    kept = [n for n in os.listdir(os.path.join(env()['XDG_CACHE_HOME'], 'vigie'))]
    check(len(kept) == 8, 'compiled rules of old are removed: %s' % kept)
    os.unlink(bad)


def killed():
    """Whenever it ends, by whatever, no file is left in TMPDIR, no process of it runs on, and an older output is whole."""
    os.makedirs(path('case'), exist_ok=True)
    subprocess.run([SAMPLE, path('case')], check=True, stdout=subprocess.DEVNULL)
    with open(path('case/big.log'), 'w') as f:
        for i in range(600000):
            f.write('2026-05-%02dT%02d:%02d:%02dZ web01 sshd[%d]: Failed password for u%d from 198.51.100.%d port 40000 ssh2\n'
                    % (1 + i // 21600 % 28, i // 900 % 24, i // 15 % 60, i % 60, i, i % 977, i % 250))
    spool = path('spool')
    for sig, wait_s in ((signal.SIGKILL, 0.05), (signal.SIGKILL, 0.4), (signal.SIGTERM, 0.4), (signal.SIGINT, 0.4), (signal.SIGKILL, 0.9)):
        write('k.jsonl', 'older')
        p = subprocess.Popen([VIGIE, 'hunt', *OURS, '--jobs', '2', '--output', path('k.jsonl'), path('case')], env=env(),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(wait_s)
        p.send_signal(sig)
        p.stdout.read()  # ends when the last process that holds it is gone
        p.stderr.read()
        p.wait(20)
        check(p.returncode in ((-9, 0) if sig == signal.SIGKILL else (130, 0)), '%s: exit code %d' % (sig.name, p.returncode))
        check(os.listdir(spool) == [], '%s: left %s' % (sig.name, os.listdir(spool)))
        if p.returncode:
            check(read(path('k.jsonl')) == b'older', '%s: an older output is as it was' % sig.name)
        parts = [n for n in os.listdir(path()) if n.startswith('k.jsonl.')]
        check(sig == signal.SIGKILL or not parts, '%s: left %s' % (sig.name, parts))
        for n in parts:
            os.unlink(path(n))
    whole = [vigie('hunt', *OURS, '--jobs', jobs, path('case')) for jobs in ('1', '2', '3')]
    said(whole[0], 0, 'hunt after that')
    events = int(re.search(r'files, ([\d,]+) events', whole[0].stdout.decode()).group(1).replace(',', ''))
    check(events > 600000, 'a file that is cut into units is read whole behind others: %d events' % events)
    check(b'notes.bin' in whole[0].stdout and b' more\n' not in whole[0].stdout.split(b'Not read')[1], 'nothing else is not read')
    check(len({w.stdout for w in whole}) == 1, 'and alike for any number of jobs')
    check(os.listdir(spool) == [], 'left %s' % os.listdir(spool))


words()
files()
rules()
killed()
end()
