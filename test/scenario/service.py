"""service.py UNIT: the watch as systemd runs it, as a user that is not root: ready, watchdog, a port below 1024 by the one power that the unit gives, which no
role keeps; and what `vigie status` then calls weaker.  The unit itself is checked by systemd-analyze."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from scenario import RULES, SKIP, VIGIE, check, end, path, read, write
from watch import DATA, Watch, children, until
import watch as watch_module

UID = 1001  # a person's
if os.geteuid() != 0 or not shutil.which('setpriv'):
    print('skipped: only root may become another user here, with setpriv')
    sys.exit(SKIP)


def low_port():
    for port in range(600, 700):
        with socket.socket() as s, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            try:
                s.bind(('127.0.0.1', port))
                u.bind(('127.0.0.1', port))
                return port
            except OSError:
                pass
    return 0


def powers(pid):
    """The capabilities that a process has, and may get: as one number."""
    text = read('/proc/%d/status' % pid).decode()
    return sum(int(line.split()[1], 16) for line in text.splitlines() if line.split(':')[0] in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'))


def unit(text, there):
    """@text, a unit, with the program that is there."""
    name = os.path.join(there, 'vigie.service')
    lines = [line.replace(line.split()[0].split('=')[1], VIGIE) if line.startswith('ExecStart=') else line for line in text.splitlines()]
    with open(name, 'w', encoding='utf-8') as f:
        f.write('\n'.join(lines) + '\n')
    return name


def main():
    if shutil.which('systemd-analyze'):
        r = subprocess.run(['systemd-analyze', 'verify', '--man=no', unit(read(sys.argv[1]).decode(), path())], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        check(r.returncode == 0 and b'vigie.service' not in r.stdout, 'systemd takes the unit: %s' % r.stdout.decode())

    # what another user can reach: the folder of a test may be its maker's alone
    with tempfile.TemporaryDirectory(prefix='vigie-service-') as home:
        os.chmod(home, 0o755)
        program = shutil.copy(VIGIE, home)
        for name in ('rules', 'packs'):
            shutil.copytree(os.path.join(DATA, name), os.path.join(home, name))
        watch_module.DATA = home
        state, logs = os.path.join(home, 'state'), os.path.join(home, 'logs')
        for folder in (state, logs):
            os.mkdir(folder)
        for name, mode in (('open.log', 0o644), ('shut "up.log', 0o600)):
            with open(os.path.join(logs, name), 'w', encoding='utf-8') as f:
                f.write('Jan  1 00:00:00 here app: %s\n' % name)
            os.chmod(f.name, mode)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(os.path.join(home, 'notify'))
        os.chmod(os.path.join(home, 'notify'), 0o777)
        notify.settimeout(20)

        w = Watch('service', program=program, files=[os.path.join(logs, '*.log')], before=[
            'env', 'NOTIFY_SOCKET=' + os.path.join(home, 'notify'), 'WATCHDOG_USEC=1000000',
            'setpriv', '--reuid=%d' % UID, '--regid=%d' % UID, '--clear-groups', '--no-new-privs', '--inh-caps=+net_bind_service', '--ambient-caps=+net_bind_service',
            '--bounding-set=-all,+net_bind_service'])
        shutil.rmtree(w.state)
        w.state, w.rules = state, os.path.join(home, 'rules')
        w.settings()
        for folder, _, names in os.walk(state):
            for name in [folder] + [os.path.join(folder, n) for n in names]:
                os.chown(name, UID, UID)
        w.addresses['syslog'] = '127.0.0.1:%d' % low_port()
        w.start()
        told = [notify.recv(200)]
        check(told[0].startswith(b'READY=1'), 'systemd is told that it is ready: %s' % told)
        for _ in range(3):
            told.append(notify.recv(200))
        check(told[1:] == [b'WATCHDOG=1'] * 3, 'and that it lives: %s' % told)
        with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
            s.sendall(b'<13>1 - here app - - - lowport1\n')
        check(until(lambda: len(w.search('lowport1')) == 1, 20, 0.5), 'what came to a port below 1024 is kept')
        check(until(lambda: len(w.search('"open.log"')) == 1, 20, 0.5), 'a file that it may read is')
        for (role, _), pid in children(w.process.pid).items():
            check(powers(pid) == 0, 'the role %s keeps no power: %x' % (role, powers(pid)))
            check(b'\nUid:\t%d\t' % UID in read('/proc/%d/status' % pid), 'the role %s is not root' % role)

        s = until(lambda: (lambda x: x if 'files' in x.get('weaker', ()) else None)(w.status()), 10, 0.5) or w.status()
        check(set(s.get('weaker', ())) >= {'witness', 'recovery', 'person', 'files'} and 'root' not in s['weaker'], 'what is weaker is told: %s' % s.get('weaker'))
        text = w.vigie('status', good=(0, 1)).stdout.decode()
        check('shut ?up.log' in text, 'the file that it may not read is named: %s' % text)
        check(all(len(line) <= 80 for line in text.splitlines()), 'in 80 columns')
        os.remove(os.path.join(state, 'keys', 'recovery.secret'))
        check('recovery' not in w.status()['weaker'], 'a recovery key that was taken away is no weakness')

        os.kill(w.process.pid, signal.SIGTERM)
        last = notify.recv(200)
        while last == b'WATCHDOG=1':
            last = notify.recv(200)
        check(last.startswith(b'STOPPING=1'), 'systemd is told that it ends: %s' % last)
        check(w.process.wait(40) == 0, 'and it ends well')


main()
end()
