#!/usr/bin/env python3
"""bench/days.py [--build DIR] [--state DIR] [--days N] [--events N] [--checkpoint SECONDS] [--drop-caches] [--make-only] - half a year of a company's logs in one vault, searched for one
user with a cold page cache, and verified.

The set is made once, a day at a time by bench_days, two at a time; what is there already stays, so an interrupted run goes on.  Default: 180 days,
100,800,000 events (33 GB raw, 5 GB on disk).  Then a user with no event, with 10 and with 100,000, and one of whom both names are common and
the whole name is in no event: time to the first page of 50 and to the end, by `vigie vault search`; and `vigie vault verify`, also --deep.

Before each the kernel is told to drop every page of the state folder (posix_fadvise); --drop-caches (root) drops all that it caches, names of files too."""
import argparse
import datetime
import json
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

USERS = (('karim.chevalier', 100000), ('hugo.vasseur', 10))
ABSENT, ABSENT_COMMON = 'maelys.fontaine', 'olivier.leroy'
PAGE = 50
DAY_S = 86400


def say(what, figure):
    print('%-34s %s' % (what, figure), flush=True)


def many(n):
    return format(round(n), ',')


def serve(o, last=None, seconds=120):
    """Start the watch on the state folder, and end it: it makes what is not there, and signs what is.  @last is sent to it."""
    words = [o.vigie, 'serve', '--state', o.state, '--listen', 'syslog=127.0.0.1:0'] + [
        w for name in ('syslog-tls', 'https', 'metrics', 'witness') for w in ('--listen', name + '=off')]
    with open(o.state + '.log', 'wb') as log:
        p = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    limit = time.monotonic() + seconds
    while not re.search(r'^ready$', open(o.state + '.log', encoding='utf-8').read(), re.M):
        if p.poll() is not None or time.monotonic() > limit:
            raise SystemExit('the watch is not ready:\n' + open(o.state + '.log', encoding='utf-8').read())
        time.sleep(0.1)
    if last:
        port = int(re.search(r'listening on \S+:(\d+) \(syslog, tcp\)', open(o.state + '.log', encoding='utf-8').read()).group(1))
        with socket.create_connection(('127.0.0.1', port)) as s:
            s.sendall(last)
    time.sleep(3)  # a checkpoint is signed
    p.send_signal(signal.SIGTERM)
    if p.wait(timeout=120) != 0:
        raise SystemExit('the watch ended with %d' % p.returncode)


# ---- making ----


def planted(i, days):
    """How many events each planted user has on day @i."""
    counts = [(user, (i + 1) * n // days - i * n // days) for user, n in USERS]
    return [word for user, n in counts if n for word in (user, str(n))]


def words_of(o, what, folder, i, leaf):
    return [o.maker, what, folder, o.key, str(o.first_day + i), str(o.events // o.days), str(1 + i * (o.events // o.days)), str(leaf), str(o.checkpoint), *planted(i, o.days)]


def first_leaves(o):
    """A block says which leaf of the tree it is, so where each day begins must be known before."""
    path = os.path.join(o.state, 'leaves.json')
    if not os.path.exists(path):
        with ThreadPoolExecutor(2) as pool:
            n = list(pool.map(lambda i: int(subprocess.run(words_of(o, 'count', '-', i, 0), stdout=subprocess.PIPE, check=True).stdout), range(o.days)))
        with open(path + '.tmp', 'w', encoding='utf-8') as f:
            json.dump([sum(n[:i]) for i in range(o.days)], f)
        os.rename(path + '.tmp', path)
    with open(path, encoding='utf-8') as f:
        return json.load(f)


def make_one(o, i, leaf):
    folder = os.path.join(o.state, 'days', '%03d' % i)
    done = folder + '.json'
    if not os.path.exists(done):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        shutil.copytree(os.path.join(o.state, 'vault', 'default', 'keys'), os.path.join(folder, 'keys'))
        r = subprocess.run(words_of(o, 'day', folder, i, leaf), stdout=subprocess.PIPE, check=True)
        with open(done + '.tmp', 'wb') as f:
            f.write(r.stdout)
        os.rename(done + '.tmp', done)
    with open(done, encoding='utf-8') as f:
        return json.load(f)


def make(o):
    made = os.path.join(o.state, 'made.json')
    if os.path.exists(made):
        with open(made, encoding='utf-8') as f:
            return json.load(f)
    begin, plan = time.monotonic(), os.path.join(o.state, 'plan.json')
    if not os.path.exists(plan):
        shutil.rmtree(o.state, ignore_errors=True)
        os.makedirs(o.state)
        with open(os.path.join(o.state, 'vigie.yaml'), 'w', encoding='utf-8') as f:
            f.write('local:\n  journal: no\n  files: []\n')
        os.chmod(os.path.join(o.state, 'vigie.yaml'), 0o600)
        serve(o)
        vault = os.path.join(o.state, 'vault', 'default')
        if [name for name in os.listdir(vault) if name.endswith('.vs')]:
            raise SystemExit('the new watch has kept something of its own')
        first_day, days = int(time.time()) // DAY_S - o.days, os.path.join(o.state, 'days')
        os.makedirs(days)
        subprocess.run([o.maker, 'keys', days, o.key, str(first_day), str(o.days)], check=True)
        for name in os.listdir(os.path.join(days, 'keys')):
            os.rename(os.path.join(days, 'keys', name), os.path.join(vault, 'keys', name))
        with open(plan, 'w', encoding='utf-8') as f:
            json.dump({'first_day': first_day, 'days': o.days, 'events': o.events, 'checkpoint': o.checkpoint}, f)
    with open(plan, encoding='utf-8') as f:
        p = json.load(f)
    o.first_day, o.days, o.events, o.checkpoint = p['first_day'], p['days'], p['events'], p['checkpoint']
    leaves = first_leaves(o)
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda i: make_one(o, i, leaves[i]), range(o.days)))
    assemble(o)
    total = {k: sum(part[k] for part in parts) for k in parts[0]}
    total.update(days=o.days, checkpoint=o.checkpoint, seconds=time.monotonic() - begin, planted=USERS)
    with open(made, 'w', encoding='utf-8') as f:
        json.dump(total, f)
    return total


def assemble(o):
    """The days' segments become one vault; the watch makes its tree from them, and signs."""
    vault, days = os.path.join(o.state, 'vault', 'default'), os.path.join(o.state, 'days')
    for folder, _, names in os.walk(days):
        for name in names:
            if name[-3:] in ('.vs', '.vi'):
                os.rename(os.path.join(folder, name), os.path.join(vault, name))
    for name in ('tile', 'checkpoint'):
        path = os.path.join(vault, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
    shutil.rmtree(os.path.join(o.state, 'vault', 'intake'))  # it begins behind the segments
    with sqlite3.connect(os.path.join(o.state, 'vault', 'catalogue.db')) as db:
        for i in range(60):
            db.execute('INSERT OR IGNORE INTO source (id, tenant, name, proof, address, listener, state, first_ns, last_ns) VALUES (?, 1, ?, 1, ?, \'syslog\', 1, 0, 0)',
                       (i + 1, 'host%02d' % i, '10.1.9.%d' % i))
    db.close()
    serve(o, b'<38>Apr  3 08:12:45 host00 bench: the last line\n')  # the journal then goes on behind the segments
    shutil.rmtree(days)


# ---- asking ----


def forget(o):
    """No page of the state folder is in memory."""
    os.sync()
    if o.drop_caches:
        with open('/proc/sys/vm/drop_caches', 'w', encoding='ascii') as f:
            f.write('3')
        return
    for folder, _, names in os.walk(o.state):
        for name in names:
            fd = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def used():
    """By programs that ended: processor time in seconds, bytes read from the disk."""
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime, u.ru_inblock * 512


def search(o, user, limit):
    """Seconds to the first line, to the last, lines, processor time."""
    forget(o)
    before, begin = used(), time.monotonic()
    p = subprocess.Popen([o.vigie, 'vault', 'search', user, '--state', o.state, '--format', 'jsonl'] + (['--limit', str(limit)] if limit else []), stdout=subprocess.PIPE)
    first, n = None, 0
    for _ in p.stdout:
        n += 1
        if first is None:
            first = time.monotonic() - begin
    took = time.monotonic() - begin
    if p.wait() not in (0, 1):
        raise SystemExit('search %s: exit code %d' % (user, p.returncode))
    after = used()
    return first, took, n, after[0] - before[0], after[1] - before[1]


def tell_search(o, user, expected, raw):
    first, page_s, n, cpu, read = search(o, user, PAGE)
    say('%s (%s events), first page' % (user, many(expected)), '%.2f s%s, %d events; processor time %.2f s; %.1f MB read' % (
        page_s, ' (the first after %.2f s)' % first if n else '', n, cpu, read / 1e6))
    page_well = n == min(PAGE, expected)
    first, took, n, cpu, read = search(o, user, 0)
    say('  to the end', '%.2f s, %s events; processor time %.2f s: %.2f GB/s of raw log; %.1f MB read' % (took, many(n), cpu, raw / took / 1e9, read / 1e6))
    return page_well and n == expected


def verify(o, made, *words):
    forget(o)
    before, begin = used()[0], time.monotonic()
    r = subprocess.run([o.vigie, 'vault', 'verify', '--state', o.state, '--quiet', *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    took, cpu = time.monotonic() - begin, used()[0] - before
    say('verify ' + ' '.join(words), '%.1f s, processor time %.1f s: %.2f GB/s of raw log, %.2f GB/s a core; exit code %d' % (took, cpu, made['raw'] / took / 1e9, made['raw'] / cpu / 1e9, r.returncode))
    if r.returncode not in (0, 3):
        print(r.stdout.decode('utf-8', 'replace'))
    return r.returncode in (0, 3)


def sizes(o):
    part = {'segments': 0, 'index': 0, 'other': 0}
    for folder, _, names in os.walk(o.state):
        for name in names:
            part[{'.vs': 'segments', '.vi': 'index'}.get(name[-3:], 'other')] += os.stat(os.path.join(folder, name)).st_size
    return part


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('--build', default='build')
    p.add_argument('--state', default='var/bench-days')
    p.add_argument('--days', type=int, default=180)
    p.add_argument('--events', type=int, default=100800000)
    p.add_argument('--checkpoint', type=int, default=10, help='seconds between two checkpoints, each of which cuts a block')
    p.add_argument('--drop-caches', action='store_true')
    p.add_argument('--make-only', action='store_true')
    o = p.parse_args()
    o.vigie, o.maker, o.key = os.path.join(o.build, 'vigie'), os.path.join(o.build, 'bench', 'bench_days'), os.path.join(o.state, 'keys', 'default.key')
    made = make(o)
    part = sizes(o)
    first = datetime.date.today() - datetime.timedelta(days=made['days'])
    say('the set', '%d days from %s, %s events, %.2f GB raw, %s blocks (one at least every %d s, as checkpoints cut them); made in %.0f s: %.0f MB/s' % (
        made['days'], first, many(made['events']), made['raw'] / 1e9, many(made['leaves']), made['checkpoint'], made['seconds'], made['raw'] / made['seconds'] / 1e6))
    say('on disk, MB', ', '.join('%s %.1f' % (k, v / 1e6) for k, v in part.items()) + '; %.2f:1' % (made['raw'] / sum(part.values())))
    if o.make_only:
        return
    well = True
    for user, n in [(ABSENT, 0), *sorted(USERS, key=lambda x: x[1]), (ABSENT_COMMON, 0)]:
        well = tell_search(o, user, n, made['raw']) and well
    for words in ((), ('--deep',)):
        well = verify(o, made, *words) and well
    sys.exit(0 if well else 1)


main()
