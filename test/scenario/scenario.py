"""What the scenarios share: where things are, one way to run vigie, and checks that say what is wrong and go on.

meson sets VIGIE (the program), VIGIE_SAMPLE (the maker of the sample case), VIGIE_RULES (our rules) and
VIGIE_SHARED_DATA (the data of others; may be empty)."""
import os
import subprocess
import sys
import tempfile

VIGIE = os.environ.get('VIGIE', 'build/vigie')
SAMPLE = os.environ.get('VIGIE_SAMPLE', 'build/test/sample')
RULES = os.environ.get('VIGIE_RULES', 'rules')
DATA = os.environ.get('VIGIE_SHARED_DATA', '')
SKIP = 77

_home = tempfile.TemporaryDirectory(prefix='scenario-')
tmp = _home.name  # a fresh folder, gone at the end
bad = []


def env(**more):
    """Nothing of the user's: no cache, no rules found by themselves, no colours, English."""
    e = {k: v for k, v in os.environ.items() if not k.startswith('VIGIE_') and k not in ('LC_ALL', 'LANG', 'LC_MESSAGES')}
    for name in ('cache', 'spool', 'sigma'):
        os.makedirs(os.path.join(tmp, name), exist_ok=True)
    e.update(XDG_CACHE_HOME=os.path.join(tmp, 'cache'), TMPDIR=os.path.join(tmp, 'spool'),
             VIGIE_SIGMA=os.path.join(tmp, 'sigma'), LC_ALL='C.UTF-8')
    e.update(more)
    return e


def vigie(*words, cwd=None, data=b'', timeout=120, **more):
    """Run it.  What comes back has returncode, stdout and stderr, in bytes."""
    return subprocess.run([VIGIE, *words], env=env(**more), cwd=cwd, input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)


def path(*parts):
    return os.path.join(tmp, *parts)


def write(name, data):
    p = path(name)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    with open(p, 'wb') as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return p


def read(p):
    with open(p, 'rb') as f:
        return f.read()


def check(ok, what):
    if not ok:
        bad.append(what)
        print('NOT SO:', what)
    return ok


def need(*parts):
    """A folder or file of the data of others; without it the test is skipped."""
    p = os.path.join(DATA, *parts)
    if not DATA or not os.path.exists(p):
        print('skipped: no', '/'.join(parts), 'under', DATA or '(no VIGIE_SHARED_DATA)')
        sys.exit(SKIP)
    return p


def end():
    print('%d checks failed' % len(bad) if bad else 'all as it should be')
    sys.exit(1 if bad else 0)
