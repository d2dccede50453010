"""median.py COMMAND...: the median wall time of five runs, after one that is not counted."""
import statistics
import subprocess
import sys
import time

times = []
for run in range(6):
    begin = time.monotonic()
    subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    if run:
        times.append(time.monotonic() - begin)
print('%.3f s  %s' % (statistics.median(times), ' '.join(sys.argv[1:])))
