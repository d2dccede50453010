"""What a watch speaks to outside: a mail server, web servers with TLS, a certificate authority.  Each keeps what it got, and can be told to
misbehave."""
import email
import email.policy
import json
import socketserver
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scenario import path, write


def sh(script):
    subprocess.run(['sh', '-euc', script], cwd=path(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, timeout=60)


def make_ca(name):
    sh('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key -out %s.pem -days 30 -subj /CN=%s '
       '-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign' % (name, name, name))
    return path(name + '.pem')


def make_cert(name, ca, names='DNS:localhost,IP:127.0.0.1'):
    """A server's certificate and key, in one file."""
    write(name + '.ext', 'subjectAltName=%s\n' % names)
    sh('openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key -subj /CN=%s -out %s.csr; '
       'openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days 30 -extfile %s.ext -out %s.crt; cat %s.crt %s.key >%s.both'
       % (name, name, name, name, ca, ca, name, name, name, name, name))
    return path(name + '.both')


class Server:
    """Listens on a port of its own from start() to stop(), and again on the same one."""

    def __init__(self, made):
        self.made, self.port, self.server = made, 0, None

    def start(self):
        self.server = self.made(self.port)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def handle_error(self, request, address):
        pass  # clients that go away are part of it


class Smtp(Server):
    """Keeps letters (email.message), and all lines that clients sent.  how: '', 'refuse' (recipients), 'hang' (behind the letter)."""

    def __init__(self, cert=None):
        self.letters, self.raw, self.lines, self.how, self.hung = [], [], [], '', threading.Event()
        self.context = None
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(cert)
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write(text.encode() + b'\r\n')
                self.wfile.flush()

            def take(self):
                letter = b''
                for line in self.rfile:
                    if line == b'.\r\n':
                        break
                    letter += line[1:] if line.startswith(b'.') else line
                if sink.how == 'hang':
                    sink.hung.set()
                    threading.Event().wait(60)
                sink.raw.append(letter)
                sink.letters.append(email.message_from_bytes(letter, policy=email.policy.default))
                self.say('250 kept')

            def start_tls(self):
                self.say('220 go on')
                self.connection = sink.context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile('rb'), self.connection.makefile('wb')

            def handle(self):
                try:
                    self.talk()
                except OSError:
                    pass

            def talk(self):
                self.say('220 sink')
                secure = False
                while line := self.rfile.readline():
                    sink.lines.append(line.decode('latin-1').strip())
                    verb = line[:4].upper()
                    if verb == b'EHLO':
                        self.say('250-sink\r\n' + ('250-STARTTLS\r\n' if sink.context and not secure else '') + '250-AUTH PLAIN\r\n250 8BITMIME')
                    elif verb == b'STAR' and sink.context:
                        self.start_tls()
                        secure = True
                    elif verb == b'AUTH':
                        self.say('334 ')
                        self.rfile.readline()
                        self.say('235 in')
                    elif verb == b'RCPT' and sink.how == 'refuse':
                        self.say('550 nobody here')
                    elif verb == b'DATA':
                        self.say('354 go on')
                        self.take()
                    elif verb == b'QUIT':
                        self.say('221 bye')
                        return
                    else:
                        self.say('250 ok')

        super().__init__(lambda port: _Tcp(('127.0.0.1', port), Handler))


class Web(Server):
    """answer(path, body) gives (status, headers, body) or None to close; it may take its time, or be a generator of bytes as body."""

    def __init__(self, answer, cert=None):
        sink = self
        self.posts = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                sink.posts.append((self.path, dict(self.headers), body))
                status, headers, data = answer(self.path, body)
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k, v)
                if isinstance(data, bytes):
                    self.send_header('Content-Length', str(len(data)))
                self.end_headers()
                try:
                    for part in [data] if isinstance(data, bytes) else data:
                        self.wfile.write(part)
                except OSError:
                    pass

            def log_message(self, *a):
                pass

        def made(port):
            s = ThreadingHTTPServer(('127.0.0.1', port), Handler)
            s.handle_error = lambda request, address: None
            if cert:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(cert)
                s.socket = context.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
            return s

        super().__init__(made)

    def documents(self):
        return [json.loads(body) for _, _, body in self.posts]
