"""scripts/feed.py VIGIE STATE SAMPLE PID - send the sample company's logs to the watch over HTTPS, as its machines would, and say what to do next."""
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request

VIGIE, STATE, SAMPLE, PID = sys.argv[1:5]
BATCH = 2000


def vigie(*args):
    done = subprocess.run([VIGIE, *args, '--state', STATE], stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


def wait_ready():
    for _ in range(300):
        code, text = vigie('status', '--format', 'jsonl')
        if code == 0 or (text and json.loads(text).get('running') and json.loads(text).get('collect.0.ready')):
            return json.loads(text)
        os.kill(int(PID), 0)  # it ended: so do we
        time.sleep(0.2)
    raise SystemExit('feed: the watch is not ready')


def lines():
    """Every record: event logs as the agent of a Windows machine sends them, text logs as they are."""
    for folder, _, names in sorted(os.walk(SAMPLE)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith('.evtx') and 'shadow' not in folder:
                done = subprocess.run([VIGIE, 'dump', path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
                yield from done.stdout.splitlines()
            elif name.endswith('.log'):
                with open(path, 'rb') as f:
                    yield from f.read().splitlines()


def post(url, secret, body):
    context = ssl.create_default_context(cafile=STATE + '/tls/cert.pem')
    context.check_hostname = False  # the address, not the name, is what is on loopback; the certificate is pinned by its file
    request = urllib.request.Request(url + '/v1/lines', data=b'\n'.join(body) + b'\n', method='POST',
                                     headers={'Authorization': 'Bearer ' + secret, 'Content-Type': 'application/x-ndjson', 'User-Agent': 'vigie-feed'})
    with urllib.request.urlopen(request, context=context) as answer:
        return json.loads(answer.read())['taken']


def main():
    status = wait_ready()
    url = 'https://' + next(v for k, v in status.items() if k.startswith('listen.listen:https:'))
    code, text = vigie('key', 'add', 'sample-company', '--tenant', 'sample', '--format', 'jsonl')
    if code:
        raise SystemExit('feed: no key')
    secret, sent, batch = json.loads(text)['secret'], 0, []
    time.sleep(2)  # the watch hears of it
    for line in lines():
        if not line.strip():
            continue
        batch.append(line)
        if len(batch) == BATCH:
            sent += post(url, secret, batch)
            batch = []
    if batch:
        sent += post(url, secret, batch)
    time.sleep(2)
    print('\nvigie: %d records of the sample company are in the vault, and these signals among them (the newest):\n' % sent, flush=True)
    os.system('"%s" signal list --state "%s" --level medium --limit 12' % (VIGIE, STATE))
    syslog = next((v for k, v in status.items() if k.startswith('listen.listen:tcp:')), '')
    print('''
It watches this machine's own logs, and listens. To send it more:
    logger -T -n %s -P %s hello from me
To look at it, in another terminal:
    %s status --state %s
    %s signal list --state %s
    %s vault search 'hello' --state %s
    %s vault verify --state %s
Ctrl-C ends it; nothing is lost.
''' % (*syslog.rsplit(':', 1), VIGIE, STATE, VIGIE, STATE, VIGIE, STATE, VIGIE, STATE), flush=True)


main()
