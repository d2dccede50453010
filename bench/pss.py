"""pss.py COMMAND...: run it, and print its wall time and the most memory that all its processes took together: the sum of PSS
(each shared page divided among those that share it, /proc/PID/smaps_rollup), looked at every 20 ms."""
import os
import subprocess
import sys
import time


def family(root):
    """@root and what it started, and what those did."""
    parent = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % pid, encoding='utf-8', errors='replace') as f:
                parent[int(pid)] = int(f.read().rpartition(')')[2].split()[1])
        except OSError:
            pass
    found = [root]
    for p in found:
        found += [c for c, of in parent.items() if of == p]
    return found


def pss(pid):
    try:
        with open('/proc/%d/smaps_rollup' % pid, encoding='utf-8') as f:
            return next(int(line.split()[1]) for line in f if line.startswith('Pss:'))
    except (OSError, StopIteration):
        return 0


def main():
    begin = time.monotonic()
    p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    worst, parts = 0, []
    while p.poll() is None:
        now = [pss(pid) for pid in family(p.pid)]
        if sum(now) > worst:
            worst, parts = sum(now), sorted(now, reverse=True)
        time.sleep(0.02)
    print('%.2f s, most memory %.1f MB (PSS of %d processes: %s MB), exit code %d  %s'
          % (time.monotonic() - begin, worst / 1024, len(parts), ' + '.join('%.0f' % (x / 1024) for x in parts), p.returncode,
             ' '.join(sys.argv[1:])))
    return p.returncode


if __name__ == "__main__":
    sys.exit(main() if len(sys.argv) > 1 else __doc__)
