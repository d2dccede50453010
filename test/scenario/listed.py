"""Every test file on disk is one that meson runs: a name that falls out of a list would fall out in silence.

listed.py SOURCE BUILD."""
import glob
import json
import os
import subprocess
import sys

source, build = sys.argv[1], sys.argv[2]
tests = json.loads(subprocess.run(['meson', 'introspect', '--tests', build], stdout=subprocess.PIPE, check=True).stdout)
run = {word for t in tests for word in [t['name']] + [os.path.basename(str(c)) for c in t['cmd']]}
HELPERS = {'scenario.py', 'vault_read.py', 'watch.py', 'witnessed.py', 'sinks.py'}  # imported by others
ON_DEMAND = {'evtx_compare.py'}  # needs another parser of event logs; doc/evtx.md says how
bad = []
for path in sorted(glob.glob(os.path.join(source, 'test', 'unit', '*', '*.c'))):
    name = os.path.relpath(path, os.path.join(source, 'test', 'unit'))[:-2]
    if name not in run:
        bad.append(path)
for path in sorted(glob.glob(os.path.join(source, 'test', 'scenario', '*.py'))):
    name = os.path.basename(path)
    if name not in run | HELPERS | ON_DEMAND:
        bad.append(path)
for path in sorted(glob.glob(os.path.join(source, 'fuzz', '*.c'))):
    name = 'fuzz/' + os.path.basename(path)[:-2]
    if name not in run and name != 'fuzz/replay':
        bad.append(path)
for path in bad:
    print('%s: no list of tests names it' % path)
print('%d tests run, %d files that none runs' % (len(tests), len(bad)))
sys.exit(bool(bad) or len(tests) < 25)
