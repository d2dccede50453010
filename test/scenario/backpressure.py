#!/usr/bin/env python3
"""While the disk counts as full (vault.keep-free) senders are told to wait: 429 by HTTPS, and TCP is not read.  What was acknowledged before is
there, nothing is lost that was acknowledged, and when there is room again all that waits comes in."""
import json
import socket
import threading
import time

from scenario import check, end
from watch import Watch, acknowledged, bulk, raw_of, until

FULL, ROOM = 'vault:\n  keep-free: 1 TiB\n', 'vault:\n  keep-free: 16 MiB\n'
LINE = b'<13>1 - host app - - - tcpmark %07d ' + b'x' * 900
AGENT = {'User-Agent': 'test'}  # one that has none is hung up on, since old clients take any answer for a good one


def documents(of, n=50):
    return [('%s%d' % (of, i), {'message': 'httpmark %s %d' % (of, i)}) for i in range(n)]


class Lines(threading.Thread):
    """Sends lines by TCP as fast as they are taken, and keeps count of what the kernel took from it."""

    def __init__(self, w, n):
        super().__init__(daemon=True)
        self.s, self.n, self.sent = socket.create_connection(('127.0.0.1', w.port('syslog'))), n, 0
        self.start()

    def run(self):
        try:
            for i in range(self.n):
                self.s.sendall(LINE % i + b'\n')
                self.sent = i + 1
            self.s.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def is_full(w, full):
    return until(lambda: w.status().get('vault.0.disk_full') == full, 10, 0.1)


def refused(w, key, docs, what):
    began = time.monotonic()
    status, text = bulk(w.https(), key, docs, **AGENT)
    check(status == 429, '%s: 429, not %s %s' % (what, status, str(text)[:200]))
    check(time.monotonic() - began < 3, '%s: told at once: %.1f s' % (what, time.monotonic() - began))


def found(w, word):
    return sorted(raw_of(r) for r in w.search(word))


def expect(w, sent, what):
    want = sorted(json.dumps(d).encode() for _, d in sent)
    check(until(lambda: found(w, 'httpmark') == want, 10, 0.3), '%s: what was acknowledged is there, and no other: %d of %d' % (what, len(found(w, 'httpmark')), len(want)))


w = Watch('full', settings=ROOM).start()
key, kept = w.key('key'), documents('before')
check(len(acknowledged(kept, bulk(w.https(), key, kept))) == len(kept), 'with room all is taken')
w.stop()

w.settings(FULL)
w.start()
check(is_full(w, 1), 'the disk counts as full')
refused(w, key, documents('during'), 'no room')
tcp = Lines(w, 60000)
time.sleep(2)
before = tcp.sent
time.sleep(1)
check(tcp.sent == before < 30000, 'TCP is not read: the sender stands at %d lines' % tcp.sent)
refused(w, key, documents('during'), 'no room, and lines that wait')
status = w.status()
check(status['vault.0.records'] == 0 and status['collect.0.records'] == 0, 'nothing is taken: %s' % {k: v for k, v in status.items() if k.startswith(('vault', 'collect'))})
expect(w, kept, 'while it is full')
check('senders are told to wait' in w.said(), 'it is told')
w.stop()  # the connection ends: those lines were never acknowledged
check('are not kept' in w.said(), 'a stop tells what waited in vain')

w.settings(ROOM)
w.start()
check(is_full(w, 0), 'there is room again')
expect(w, kept, 'with room again')
more = documents('during') + documents('after')
check(len(acknowledged(more, bulk(w.https(), key, more))) == len(more), 'what was refused is taken when it comes again')
expect(w, kept + more, 'with room again, and more')
tcp = Lines(w, 5000)
tcp.join(20)
want = [LINE % i for i in range(5000)]
check(until(lambda: found(w, 'tcpmark')[-5000:] and set(want) <= set(found(w, 'tcpmark')), 20, 0.5), 'TCP is read again')
w.again()
expect(w, kept + more, 'behind a stop and a start')
w.stop()
end()
