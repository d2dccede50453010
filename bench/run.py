"""run.py BUILD DATA [--big]: every figure of doc/benchmarks.md, printed with what it is compared with.

One core is the first one the machine gives, two are the first two.  Each time is the median of five runs after one that is not
counted; those that are compared take turns.  Hunt figures are the time over that of an empty input.  Peers (evtx_dump, rsigma,
evtxexport) are looked for in $PEERS and in PATH; one that is not there is said, and its row left out.  --big also makes 4 GB of
evidence in $TMPDIR and hunts it, for the memory."""
import glob
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 5


def once(cores, command):
    cpus = sorted(os.sched_getaffinity(0))[:cores]
    begin = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
                   preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    return time.monotonic() - begin


def medians(*runs, times=RUNS):
    """Medians of (cores, command) pairs that take turns."""
    taken = [[] for _ in runs]
    for turn in range(times + 1):
        for i, (cores, command) in enumerate(runs):
            t = once(cores, command)
            if turn:
                taken[i].append(t)
    return [statistics.median(t) for t in taken]


def peer(name):
    path = shutil.which(name, path=os.environ.get('PEERS', '') + os.pathsep + os.environ.get('PATH', ''))
    if path is None:
        print('    (%s is not here: its row is left out)' % name)
    return path


def say(what, figure):
    print('%-58s %s' % (what, figure), flush=True)


def lines(command):
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    n = sum(1 for _ in p.stdout)
    p.wait()
    return n


def otrf(folder, path, times):
    """One file of JSON lines out of all of OTRF's, repeated; its lines."""
    n = 0
    with open(path, 'wb') as out:
        for _ in range(times):
            for name in sorted(glob.glob(folder + '/**/*.json', recursive=True)):
                with open(name, 'rb') as f:
                    for line in f:
                        if line.strip():
                            out.write(line.rstrip(b'\r\n') + b'\n')
                            n += 1
    return n


def main():
    build, data = sys.argv[1:3]
    big = '--big' in sys.argv[3:]
    vigie = os.path.join(build, 'vigie')
    rules = os.path.join(data, 'sigma')
    hunt = [vigie, 'hunt', '--quiet', '--only-rules', '--rules', rules, '--output', '/dev/null']
    no_cache = ['--no-value-cache']

    with tempfile.TemporaryDirectory() as work:
        def made(name):
            return os.path.join(work, name)

        empty, dense, dense8, json145 = map(made, ('empty.log', 'dense.evtx', 'dense8.evtx', 'otrf.jsonl'))
        open(empty, 'w').close()
        for path, times in ((dense, '1'), (dense8, '8')):
            subprocess.run([sys.executable, 'bench/evtx_dense.py', data + '/evtx', path, times], check=True, stdout=subprocess.DEVNULL)
        events = otrf(data + '/otrf', json145, 6)
        records = lines([vigie, 'dump', '--quiet', dense])
        evtx_bytes = sum(os.path.getsize(p) for p in glob.glob(data + '/evtx/**/*.evtx', recursive=True))

        cold, ready = medians((1, hunt + ['--no-cache', empty]), (1, hunt + [empty]))
        say('rules ready, cold / from the cached program', '%.2f s / %.3f s' % (cold, ready))

        for name, path, amount, unit in (('hunt, the EVTX files of others (%.1f MB)' % (evtx_bytes / 1e6), data + '/evtx', evtx_bytes / 1e6, 'MB/s'),
                                         ('hunt, dense file (%d records)' % records, dense, records, 'records/s'),
                                         ('hunt, OTRF lines (%.0f MB, %d events)' % (os.path.getsize(json145) / 1e6, events), json145, events, 'events/s')):
            base, on, off = medians((1, hunt + [empty]), (1, hunt + ['--jobs', '1', path]), (1, hunt + ['--jobs', '1', *no_cache, path]))
            say(name, '%s %s, without value cache %s' % (format(round(amount / (on - base)), ','), unit, format(round(amount / (off - base)), ',')))

        rsigma = peer('rsigma')
        if rsigma:
            command = [rsigma, 'engine', 'eval', '-q', '-r', rules, '-e']
            with open(made('none.json'), 'w', encoding='utf-8') as f:
                f.write('{}\n')
            ours, base, theirs, start = medians((1, hunt + ['--jobs', '1', json145]), (1, hunt + [empty]), (1, command + ['@' + json145]),
                                                (1, command + ['@' + made('none.json')]), times=3)
            say('  beside rsigma', '%s events/s: %.1f times as fast' % (format(round(events / (theirs - start)), ','), (theirs - start) / (ours - base)))

        evtx_dump, export = peer('evtx_dump'), peer('evtxexport')
        size = os.path.getsize(dense8) / 1e6
        if evtx_dump:
            ours, theirs = medians((1, [vigie, 'dump', '--quiet', dense8]), (1, [evtx_dump, '-t', '1', '-o', 'jsonl', dense8]))
            say('dump, dense file eight times (%.0f MB), beside evtx_dump' % size, '%.0f MB/s, %.0f MB/s: %.2f times as fast' % (size / ours, size / theirs, theirs / ours))
        if export:  # it gives up on the dense file: a log that it reads to the end, its chunks repeated
            os.mkdir(made('one'))
            os.symlink(os.path.abspath(data + '/evtx/evtx-rs/samples/security.evtx'), made('one/security.evtx'))
            subprocess.run([sys.executable, 'bench/evtx_dense.py', made('one'), made('one.evtx'), '8'], check=True, stdout=subprocess.DEVNULL)
            size = os.path.getsize(made('one.evtx')) / 1e6
            ours, theirs = medians((1, [vigie, 'dump', '--raw-xml', '--quiet', made('one.evtx')]), (1, [export, '-f', 'xml', made('one.evtx')]), times=3)
            say('dump --raw-xml, %.0f MB of one log, beside evtxexport' % size, '%.0f MB/s, %.0f MB/s: %.1f times as fast' % (size / ours, size / theirs, theirs / ours))

        os.mkdir(made('gen'))
        subprocess.run([os.path.join(build, 'bench', 'bench_gen'), made('gen'), '600'], check=True, stdout=subprocess.DEVNULL)
        if len(os.sched_getaffinity(0)) > 1:
            for name, more in (('SigmaHQ and ours', ['--rules', 'rules']), ('SigmaHQ alone', [])):
                one, two = medians((1, hunt + more + [made('gen')]), (2, hunt + more + [made('gen')]), times=3)
                say('two cores, 600 MB generated, ' + name, '%.2f s, one %.2f s: %.2f times as fast' % (two, one, one / two))
        if big:
            os.mkdir(made('big'))
            subprocess.run([os.path.join(build, 'bench', 'bench_gen'), made('big'), '4000'], check=True, stdout=subprocess.DEVNULL)
            subprocess.run([sys.executable, 'bench/pss.py', *hunt, '--rules', 'rules', '--report', made('big.html'), made('big')], check=True)


main()
