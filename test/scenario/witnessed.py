"""witnessed.py: a witness beside a watch, for scenarios."""
import os
import re
import subprocess

from scenario import VIGIE, env, path, write
from watch import DATA, until

TOKEN = '0123456789abcdef0123456789abcdef'


def vigie(*words):
    return subprocess.run([VIGIE, *words], env=env(VIGIE_DATA=DATA), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def pin_of(certificate):
    shell = 'openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum'
    return subprocess.run(['sh', '-c', shell, 'sh', certificate], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]


def checkpoint(state, name='vault/default/checkpoint'):
    """Leaves, first record not in it, epoch."""
    try:
        with open(os.path.join(state, name), encoding='utf-8') as f:
            lines = f.read().split('\n')
    except FileNotFoundError:
        return 0, 0, 0
    return int(lines[1]), int(lines[3].split()[1]), int(lines[4].split()[1])


def start_witness(w, state, silence=60):
    """One that keeps its copy in @state, serves it, and writes alarms down."""
    write('token', TOKEN)
    url = 'https://' + re.search(r'listening on (\S+) \(witness', w.said()).group(1)
    with open(path('witness.log'), 'wb') as log:
        process = subprocess.Popen([VIGIE, 'witness', '--state', state, '--from', url, '--token-file', path('token'), '--pin', pin_of(w.state + '/tls/cert.pem'),
                                    '--every', '1s', '--silence', '%ds' % silence, '--listen', '127.0.0.1:0', '--alarm-command',
                                    'echo "$VIGIE_ALARM_KIND" >> ' + path('alarms')], env=env(VIGIE_DATA=DATA), stdout=log, stderr=log)
    return process


def recovery_key(w, name='recovery'):
    """The file that holds it."""
    text = vigie('vault', 'recovery-key', '--state', w.state).stdout
    return write(name, ' '.join(re.findall(r'\b[0-9a-f]{16}\b', text)))


def witness_url():
    port = until(lambda: re.search(r'port (\d+)', open(path('witness.log'), encoding='utf-8').read()), 5)
    return 'http://127.0.0.1:%s' % port.group(1)
