#!/usr/bin/env python3
"""From inside each process of the watch everything is tried that it has no business to do: open, connect, resolve, execute, trace, signal,
and some hundred more (scenario/probe.c); what it may do stands in the tables below, and all the rest is refused.  As root and as an
ordinary user; with Landlock as the kernel has it, held to ABI 2, and absent; and without namespaces.  VIGIE_PROBE is the program that
tries."""
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading

import scenario
from scenario import check, end, path, write
from watch import DATA, Watch, keyword_rule, until

PROBE = os.environ['VIGIE_PROBE']
NOBODY = 65534
TOKEN = '0123456789abcdef0123456789abcdef'

# What each may do by design.
OWN = {'own_read', 'own_make'}
MAY = {'seal': OWN, 'vault': OWN, 'trace': OWN, 'local': OWN, 'publish': {'own_read'}, 'collect': set(), 'detect': set(), 'rules': set(), 'learn': OWN | {'memfd'},
       'look': {'own_read'}, 'respond': set()}
# The witness's.  Who connects does so to the Internet's addresses, by name too, which takes threads; it reads a file of names and whom to trust.
NET = {'socket_tcp', 'socket_tcp6', 'socket_udp', 'socket_pair', 'connect_tcp', 'connect_held', 'resolve', 'thread'}
MAY['out'] = OWN | NET
WITNESS = {'pull': OWN | NET, 'serve': {'own_read'}, 'tell': NET}
# The commands that read evidence: what they are asked about.
STATE = {'read_settings', 'read_catalogue', 'read_signals', 'read_signing_key'}
COMMANDS = {'search': {'read_catalogue', 'memfd'}, 'verify': STATE, 'export': STATE | OWN}
# Without a root of its own a process sees which names there are, which is not Landlock's to refuse.
NAMES = {'stat_passwd'}
MORE_NAMES = {'stat_passwd', 'access_passwd', 'readlink_exe', 'path_only'}
OWN_BY_PATH = {'vault': {'read_catalogue'}, 'publish': {'read_catalogue'}, 'look': {'read_catalogue'}, 'seal': {'read_signing_key'}, 'trace': {'read_signals'}}
# And without Landlock besides, who may open files may do so wherever its user may.
READS = {'read_passwd', 'read_secret', 'read_settings', 'read_signing_key', 'read_catalogue', 'read_signals', 'read_above', 'read_environ', 'see_root',
         'folder_up', 'parent_environ', 'read_tenant_key'}
WRITES = {'make_tmp', 'make_above', 'make_in_state', 'write_secret', 'rename_secret', 'mkdir_tmp', 'self_mem'}

# How a file may be out of reach; whatever else is tried is to be refused as such.
FILES = {'read_passwd', 'read_secret', 'read_settings', 'read_tenant_key', 'read_signing_key', 'read_catalogue', 'read_signals', 'read_above', 'read_environ',
         'stat_passwd', 'access_passwd', 'readlink_exe', 'path_only', 'parent_mem', 'parent_mem_write', 'parent_environ', 'self_mem', 'see_root', 'folder_up',
         'folder_change_up', 'make_tmp', 'make_above', 'make_in_state', 'write_secret', 'rename_secret', 'mkdir_tmp', 'own_read', 'own_make', 'own_set_id',
         'own_chown', 'watch_etc'}
SENDING = {'datagram_out', 'datagram_message_out', 'datagram_many_out'}
REFUSED = {'EPERM', 'ENOSYS', 'SIGSYS'}
NO_FILE = REFUSED | {'ENOENT', 'EACCES', 'ENOTDIR', 'EXDEV', 'EROFS', 'ESRCH'}
NO_SOCKET = REFUSED | {'ENOTSOCK', 'EPIPE'}

# What the attempts come to where there is no sandbox: a test of the test.
SUCCEED = set('''read_passwd read_secret read_settings read_signing_key read_catalogue read_above read_environ stat_passwd access_passwd
readlink_exe path_only openat2_ self_mem see_root folder_up folder_change_up make_tmp make_above make_in_state write_secret truncate_secret
chmod_secret chown_secret rename_secret unlink_secret mkdir_tmp own_read own_make own_set_id own_symlink own_fifo watch_etc socket_tcp socket_udp
socket_unix socket_netlink socket_pair connect_tcp connect_unix connect_held bind_held resolve socket_filter interfaces exec_true
exec_self exec_held memfd map_exec map_exec_held protect_exec protect_key_exec fork_ clone_ clone_3 thread trace_me kill_parent tgkill_parent
tkill_parent pidfd_open_ pidfd_signal signal_by_owner signal_by_ioctl limits_parent nice_parent affinity_parent dumpable rename_self
new_group ioprio set_gid set_res_uid cap_set unshare_fs window adjust_time'''.split())


def targets():
    os.chmod(scenario.tmp, 0o711)
    tcp = socket.create_server(('127.0.0.1', 0), backlog=64)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(('127.0.0.1', 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(path('unix'))
    unix.listen(64)
    os.chmod(path('unix'), 0o777)
    os.environ.update(PROBE_TCP=str(tcp.getsockname()[1]), PROBE_UDP=str(udp.getsockname()[1]), PROBE_UNIX=path('unix'), PROBE_SECRET=write('secret', 'x' * 1024))
    return tcp, udp, unix


def results(file):
    rows = {}
    with open(file) as f:
        for line in f:
            process, attempt, result = line.rstrip('\n').split('\t')
            rows.setdefault(process, {})[attempt] = result
    return rows


def judge(what, rows, may):
    """Nothing but what it may, and that."""
    for process, row in sorted(rows.items()):
        if process not in may:
            check(False, '%s: %s has no row in the table' % (what, process))
            continue
        for attempt, result in row.items():
            if attempt == 'threads':
                check(result == '1', '%s: %s has one thread: %s' % (what, process, result))
            elif attempt == 'weakness':
                continue
            elif attempt in may[process]:
                check(result == 'done' or attempt not in OWN, '%s: %s may %s: %s' % (what, process, attempt, result))
            else:
                refused = NO_FILE if attempt in FILES else NO_SOCKET if attempt in SENDING else REFUSED
                check(result in refused, '%s: %s is refused %s: %s' % (what, process, attempt, result))
    check(set(may) == set(rows), '%s: each process was probed: %s' % (what, sorted(set(may) ^ set(rows))))


def probed(name, user, **how):
    """A watch that was probed while it began, and that works; what came of it."""
    out = write(name + '.probe', '')
    os.chmod(out, 0o666)
    os.environ.update(how, PROBE_TO=out, PROBE_STATE=path(name))
    log = write(name + '-logs/app.log', 'needle42 in a file\n')
    indicators = os.path.dirname(write(name + '-indicators/list.txt', '198.51.100.7\n'))  # so that there is something to look for
    before = ['setpriv', '--reuid=%d' % user, '--regid=%d' % user, '--clear-groups'] if user != os.geteuid() else []
    w = Watch(name, [keyword_rule('Needle', 'needle42')], program=PROBE, before=before, files=[os.path.join(os.path.dirname(log), '*.log')],
              settings='rules.indicators: %s\nwitness:\n  token: %s\nvault:\n  checkpoint-every: 2s\n' % (indicators, TOKEN), also=['witness'])
    scenario.env()
    if before:
        for folder, folders, files in os.walk(scenario.tmp):
            for each in [folder] + [os.path.join(folder, f) for f in files]:
                os.chown(each, user, user)
    w.start(120)
    check(until(lambda: 'look' in results(out), 60), '%s: it looks for indicators' % name)
    del os.environ['PROBE_TO']
    with socket.create_connection(('127.0.0.1', w.port('syslog'))) as s:
        s.sendall(b'<13>1 - host app - - - needle42 by syslog\n')
    w.examined()
    found = sorted(r['raw'].split(' ')[-1] for r in w.search('needle42'))
    check(found == ['file', 'syslog'], '%s: it works, and reads its files: %s' % (name, found))
    for key in how:
        del os.environ[key]
    return results(out), w


class Heard(http.server.BaseHTTPRequestHandler):
    """Whom an alarm is told."""
    said = []

    def do_POST(self):
        self.said.append(json.loads(self.rfile.read(int(self.headers['Content-Length'])))['kind'])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words):
        pass


def witness(name, user, w, **how):
    """A witness that was probed pulls by name, serves, and tells when the watch is gone.  What came of it."""
    out, state = write(name + '-witness.probe', ''), path(name + '-witness')
    os.chmod(out, 0o666)
    os.mkdir(state)
    os.chown(state, user, user)
    before = ['setpriv', '--reuid=%d' % user, '--regid=%d' % user, '--clear-groups'] if user != os.geteuid() else []
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Heard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Heard.said.clear()
    os.environ.update(how, PROBE_TO=out, PROBE_STATE=w.state)
    write('token', TOKEN)
    os.chmod(path('token'), 0o644)
    pin = subprocess.run('openssl x509 -in %s/tls/cert.pem -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum' % w.state, shell=True,
                         stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]
    with open(path(name + '-witness.log'), 'wb') as log:
        process = subprocess.Popen(before + [PROBE, 'witness', '--state', state, '--from', 'https://localhost:%d' % w.port('witness'), '--token-file', path('token'), '--pin', pin,
                                             '--every', '1s', '--silence', '6s', '--listen', '127.0.0.1:0', '--alarm-webhook', 'http://localhost:%d/' % server.server_address[1]],
                                   env=scenario.env(VIGIE_DATA=DATA), stdout=log, stderr=log)
    try:
        check(until(lambda: os.path.exists(state + '/vault/default/checkpoint'), 60), '%s: the witness pulls: %s' % (name, open(path(name + '-witness.log')).read()))
        w.stop()
        check(until(lambda: 'silence' in Heard.said, 60), '%s: the witness tells: %s' % (name, open(path(name + '-witness.log')).read()))
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        for key in ('PROBE_TO', *how):
            del os.environ[key]
    rows = results(out)
    for row in rows.values():  # begun again, or told again, while the test looked
        row.setdefault('weakness', '-')
    return rows


def commands(name, user, w, **how):
    """What reads evidence, of a watch that has stopped."""
    out = write(name + '-commands.probe', '')
    os.chmod(out, 0o666)
    os.environ.update(how, PROBE_TO=out, PROBE_STATE=w.state)
    before = ['setpriv', '--reuid=%d' % user, '--regid=%d' % user, '--clear-groups'] if user != os.geteuid() else []
    shared = w.state + '/vault/catalogue.db-shm'  # which a copy of the state has not, and nobody can make here
    if os.path.exists(shared):
        os.remove(shared)
    to = path(name + '-exports')
    os.mkdir(to)
    os.chown(to, user, user)
    for words, codes, says in ((['search', 'needle42'], {0}, b'by syslog'), (['verify'], {3}, b'sound'), (['export', '--to', to + '/case'], {0}, b'records')):
        r = subprocess.run(before + [PROBE, 'vault', *words, '--state', w.state], env=scenario.env(VIGIE_DATA=DATA), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        check(r.returncode in codes and says in r.stdout, '%s: %s works: %d: %s' % (name, words[0], r.returncode, r.stdout))
    for key in ('PROBE_TO', *how):
        del os.environ[key]
    return results(out)


def all_of(user):
    who = 'root' if user == 0 else 'user'
    for landlock, held in (('as it is', {}), ('held to ABI 2', {'PROBE_LANDLOCK': '2'}), ('absent', {'PROBE_LANDLOCK': '0'})):
        name = '%s-%s' % (who, landlock[-1])
        rows, w = probed(name, user, **held)
        said = w.said()
        weak = {row['weakness'] for row in rows.values()}
        check(weak == ({'1'} if held.get('PROBE_LANDLOCK') == '0' else {'0'}), '%s, Landlock %s: nothing else is weak: %s' % (who, landlock, weak))
        check(('no Landlock' in said) == (held.get('PROBE_LANDLOCK') == '0'), '%s, Landlock %s: it is told what is weak' % (who, landlock))
        judge('%s, Landlock %s' % (who, landlock), rows, MAY)
        judge('%s, Landlock %s' % (who, landlock), witness(name, user, w, **held), WITNESS)
        judge('%s, Landlock %s' % (who, landlock), commands(name, user, w, **held), COMMANDS)


def no_spaces(user):
    """Where an ordinary user gets no namespace, Landlock remains; and without that, calls alone."""
    may = {p: m | (MORE_NAMES if m else NAMES) | ({'watch_etc'} if p == 'local' else set()) | OWN_BY_PATH.get(p, set()) for p, m in MAY.items()}
    rows, w = probed('no-spaces', user, PROBE_NO_SPACES='1', PROBE_LANDLOCK='2')
    w.stop()
    check('no root folder of its own' in w.said(), 'without namespaces: it is told')
    judge('user, no namespaces', rows, may)
    rows, w = probed('nothing', user, PROBE_NO_SPACES='1', PROBE_LANDLOCK='0')
    w.stop()
    judge('user, neither', rows, {p: m | (READS if 'own_read' in m else set()) | (WRITES if 'own_make' in m else set()) for p, m in may.items()})


def control():
    """Each attempt is one that an open process succeeds with."""
    out = write('open.probe', '')
    os.environ.update(PROBE_TO=out, PROBE_STATE=path('root-s'), PROBE_OPEN='1')
    subprocess.run([PROBE, 'vault', 'search', 'needle42', '--state', path('root-s')], env=scenario.env(VIGIE_DATA=DATA), stdout=subprocess.DEVNULL, timeout=120)
    rows = results(out)
    del os.environ['PROBE_TO'], os.environ['PROBE_OPEN']
    done = set.intersection(*[{a for a, r in row.items() if r == 'done'} for row in rows.values()])
    check(SUCCEED - OWN - {'own_set_id', 'own_symlink', 'own_fifo', 'folder_up', 'folder_change_up'} <= done,
          'outside a sandbox they succeed: not %s' % sorted(SUCCEED - done))


held = targets()
user = os.geteuid()
all_of(user)
if user == 0:
    control()
    if shutil.which('setpriv') is None or subprocess.run(['setpriv', '--reuid=%d' % NOBODY, '--regid=%d' % NOBODY, '--clear-groups', PROBE, 'version'],
                                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        print('skipped in part: the program cannot be run by another user here')
        end()
    all_of(NOBODY)
    no_spaces(NOBODY)
else:
    print('only as this user: others need root')
    no_spaces(user)
end()
