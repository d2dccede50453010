#!/usr/bin/env python3
"""limits.query: `vigie vault search`, `export` and `redecode` end at a limit of time, memory or bytes read, whether it stands in the settings or is given as an
option, which goes over them; each says which limit, of which vault or segment, and what raises it; what was found until then is printed, and nothing is left half made."""
import glob
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time

from scenario import VIGIE, check, end, env, path, read
from watch import DATA, Watch, until

KEYS = {'time': '--max-time', 'memory': '--max-memory', 'read': '--max-bytes'}
LOW = {'time': '1 s', 'memory': '16 MiB', 'read': '1 MiB'}
LINES = 40000
dice = random.Random(5)
SANITIZED = b'__asan_init' in read(VIGIE)  # it takes so much memory that there is no such limit
LARGE = {'MALLOC_TOP_PAD_': str(64 << 20), 'MALLOC_MMAP_THRESHOLD_': '65536'}  # of glibc: it has so much before it does anything, and gets no more


def settings(**limits):
    return 'vault:\n  checkpoint-every: 1 s\n  field-cache: 50 %\n' + ('limits:\n  query:\n' + ''.join('    %s: %s\n' % x for x in limits.items()) if limits else '')


def children(pid):
    try:
        with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def pause(p, begun, seconds):
    """Stop the process apart of @p once it has begun, for so long."""
    until(lambda: p.poll() is not None or (begun() and children(p.pid)), 20, 0.0005)
    for child in children(p.pid):
        os.kill(child, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(child, signal.SIGCONT)
        return True
    return False


def begin(w, *words):
    more = LARGE if w.large else {}
    return subprocess.Popen([w.program, 'vault', *words, '--state', w.state], env=env(VIGIE_DATA=DATA, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(p):
    out, err = p.communicate(timeout=100)
    return p.returncode, out, err.decode()


def search(w, slow, *words):
    p = begin(w, 'search', 'not-in-any or line', '--format', 'jsonl', *words)
    if slow:
        time.sleep(1.5)  # nobody reads: it waits until its time is over
    return finish(p)


def export(w, slow, *words):
    folder = path('case')
    for n in range(10):
        p = begin(w, 'export', '--to', folder, *words)
        paused = slow and pause(p, lambda: os.path.exists(folder + '/records.bin'), 1.5)
        done = finish(p)
        if not slow or (paused and done[0]):
            return done
        # else it was faster than we
        for f in glob.glob(folder + '/*'):
            os.remove(f)
    return done


def redecode(w, slow, *words):
    for n in range(10):
        finish(begin(w, 'redecode', '--drop'))
        p = begin(w, 'redecode', *words)
        paused = slow and pause(p, lambda: glob.glob(w.state + '/vault/default/*.vf.tmp'), 1.5)
        done = finish(p)
        if not slow or (paused and done[0]):
            return done
    return done


def case(command, w, limit, by):
    """@command at @limit, which stands in the settings or is an option."""
    w.settings(settings(**{limit: LOW[limit]}) if by == 'setting' else settings(**{limit: '20 min' if limit == 'time' else '2 GiB'}))
    if limit == 'memory' and SANITIZED:
        return
    w.large = limit == 'memory' and command is not redecode
    code, out, err = command(w, limit == 'time', *([KEYS[limit], LOW[limit]] if by == 'option' else []))
    w.large = False
    what = '%s at %s by %s: %d %s' % (command.__name__, limit, by, code, err[:300])
    good = {1} if command is search and limit != 'memory' else {4}
    check(code in good, what)
    check('%s (%s or limits.query.%s allows more)' % (LOW[limit], KEYS[limit], limit) in err and 'default' in err, 'it says which, where and what to do: ' + what)
    if command is search and limit == 'time':
        check(0 < out.count(b'\n') < LINES, 'what was found until then is printed')
    if command is export:
        check(not os.path.exists(path('case')), 'no case folder is left: ' + what)
        shutil.rmtree(path('case'), ignore_errors=True)
    if command is redecode:
        check(not glob.glob(w.state + '/vault/default/*.vf*'), 'no cache, and nothing half made: ' + what)


def main():
    w = Watch('limits', settings=settings(time='3 min', memory='1 GiB', read='10 TiB')).start()
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        for n in range(LINES):
            s.sendall(b'<86>1 2026-01-01T00:00:00Z gw sshd 77 - - Failed password for %s from 10.1.2.3 port %d ssh2 line\n' % (os.urandom(120).hex().encode(), n + 1000))
        for n in range(2000):  # whose fields take memory: no two have the same
            s.sendall(json.dumps({'a%d' % k: dice.randrange(200) for k in range(1000) if dice.random() < 0.7}).encode() + b'\n')
    check(w.examined(), 'all of it is kept')
    time.sleep(2)
    w.stop()
    w.large = False

    for command in (search, export, redecode):
        for limit in KEYS:
            for by in ('setting', 'option'):
                case(command, w, limit, by)
    w.settings(settings(**LOW))
    wide = ['--max-time', '5 min', '--max-memory', '1 GiB', '--max-bytes', '1 GiB']
    for command in (search, export, redecode):
        code, out, err = command(w, False, *wide)
        check(code == 0, 'options go over settings: %s: %d %s' % (command.__name__, code, err[:300]))
    check(search(w, False, *wide)[1].count(b'\n') >= LINES, 'all of it is found')
    for words in (['--max-time', '5'], ['--max-bytes', '1'], ['--max-memory', '1 KiB'], ['--settings', path('none.yaml')]):
        for command in (search, redecode):
            code, out, err = command(w, False, *words)
            check(code == 2 and words[0] in err, 'refused: %s %s: %d %s' % (command.__name__, words, code, err[:200]))
    w.settings('nonsense: 1\n')
    code, out, err = search(w, False)
    check(code == 0 and 'the defaults hold' in err and out.count(b'\n') >= LINES, 'settings that are wrong keep nobody from the evidence: %d %s' % (code, err[:300]))
    os.remove(w.state + '/vigie.yaml')
    code, out, err = search(w, False)
    check(code == 0 and out.count(b'\n') >= LINES, 'no settings: %d %s' % (code, err[:300]))
    end()


if __name__ == '__main__':
    main()
