"""Names made to hurt whoever reads the results: markup, terminal escapes, marks that turn text round, formulas.

Nothing of it may act in the terminal, in JSON lines, in a spreadsheet or in a browser; and none of it may get lost."""
import csv
import html.parser
import io
import json
import re

from scenario import check, end, path, read, vigie, write

RULE = '''title: Hostile <script>alert("title")</script>
id: 3f5b9a44-6d0e-4b8c-9c11-0d3f7a2c5e10
status: test
author: '<b>x</b>'
logsource:
    product: windows
    category: process_creation
detection:
    selection:
        Image|contains: 'evil'
    condition: selection
level: high
tags:
    - attack.execution
---
title: Hostile line
id: 3f5b9a44-6d0e-4b8c-9c11-0d3f7a2c5e11
status: test
author: test
logsource:
    product: linux
    service: sshd
detection:
    keywords:
        - 'Accepted password'
    condition: keywords
level: high
tags:
    - attack.initial-access
'''
SCRIPT = '<script>alert("vigie-test")</script>'
IMG = '"><img src=x onerror=alert(1)>'
ANSI = '\x1b[31mred\x1b[0m\x1b]0;title\x07'
C1 = '\x9b31m\x85'  # the same escape in one character, and a new line
BIDI = 'a\u202egpj.exe\u2066b\u2069\u200f'
FORMULAS = ('=cmd|\'/c calc\'!A1', '+1+1', '-1+1', '@SUM(1)', '\t=1', '\r=1')
NAMES = (SCRIPT, IMG, ANSI, C1, BIDI, '</script></style></title><svg onload=alert(1)>', 'a\nb\rc', "javascript:alert('x')",
         '{{7*7}}', '\ufeff\u2028\u2029') + FORMULAS
HOSTS = (SCRIPT.replace(' ', ''), '=cmd', '%n%s', '\x1b[31mweb01', '@SUM(1)', BIDI)  # what a syslog line may say for a host
BAD = re.compile('[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]')  # all but \n


def check_raw(text, what):
    """No byte that acts on a terminal, reorders a line or hides in it."""
    found = BAD.search(text)
    check(found is None, '%s: raw %r in %r' % (what, found and found.group(), found and text[max(0, found.start() - 60):found.end() + 20]))


def sysmon(i, name):
    return json.dumps({
        'Event': {
            'System': {'Provider': {'#attributes': {'Name': 'Microsoft-Windows-Sysmon'}}, 'EventID': 1,
                       'TimeCreated': {'#attributes': {'SystemTime': '2026-04-03T08:%02d:00.000000Z' % i}}, 'EventRecordID': i + 1,
                       'Channel': 'Microsoft-Windows-Sysmon/Operational', 'Computer': name},
            'EventData': {'Image': 'C:\\evil\\' + name, 'CommandLine': name, 'User': name, 'ParentImage': name,
                          'LogonId': name, 'Hashes': name},
        }})


def logon(i, name):
    return json.dumps({
        'Event': {
            'System': {'Provider': {'#attributes': {'Name': 'Microsoft-Windows-Security-Auditing'}}, 'EventID': 4624,
                       'TimeCreated': {'#attributes': {'SystemTime': '2026-04-03T09:%02d:00.000000Z' % i}}, 'EventRecordID': i + 1,
                       'Channel': 'Security', 'Computer': name},
            'EventData': {'TargetUserName': name, 'TargetDomainName': name, 'LogonType': 10, 'IpAddress': '203.0.113.45',
                          'WorkstationName': name},
        }})


class Page(html.parser.HTMLParser):
    """What a browser would make elements and attributes of."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.handlers, self.links, self.text, self.inside = {}, [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        if tag in ('script', 'style'):
            self.inside.append(tag)
        for name, value in attrs:
            if name.startswith('on'):
                self.handlers.append((tag, name))
            if name in ('href', 'src', 'action', 'xlink:href'):
                self.links.append(value or '')

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if not self.inside:
            self.text.append(data)


def page_of(data):
    page = Page()
    page.feed(data.decode())
    page.close()
    return page


def main():
    write('rules/hostile.yml', RULE)
    ours = ('--only-rules', '--rules', path('rules'))
    write('plain/sysmon.json', '\n'.join(sysmon(i, 'plain%d' % i) for i in range(4)) + '\n')
    write('case/sysmon.json', '\n'.join(sysmon(i, n) for i, n in enumerate(NAMES)) + '\n')
    write('case/security.json', '\n'.join(logon(i, n) for i, n in enumerate(NAMES)) + '\n')
    lines = ['2026-04-03T10:%02d:00Z web01 sshd[%d]: Accepted password for %s from 203.0.113.45 port 40000 ssh2' % (i, 100 + i, n)
             for i, n in enumerate(NAMES) if '\n' not in n]
    lines += ['2026-04-03T11:00:%02dZ %s sshd[1]: Accepted password for root from 203.0.113.45 port 1 ssh2' % (i, n)
              for i, n in enumerate(HOSTS)]
    write('case/auth.log', '\n'.join(lines) + '\n')
    write('case/' + '=cmd <script>alert(1)<!.log', '2026-04-03T12:00:00Z web01 sshd[1]: Accepted password for root from 203.0.113.45 port 1 ssh2\n')
    write('case/\x1b[31m\u202ename.log', '2026-04-03T12:00:01Z web01 sshd[1]: Accepted password for root from 203.0.113.45 port 1 ssh2\n')
    write('case/unknown\x1b[2J<script>.bin', bytes(range(128, 256)) * 8)

    for lang in ('en', 'fr'):
        out = vigie('hunt', *ours, '--lang', lang, '--report', path('r.html'), '--output', path('r.jsonl'), path('case'))
        check(out.returncode == 0, 'exit code %d: %s' % (out.returncode, out.stderr))
        for name, text in (('summary', out.stdout), ('messages', out.stderr), ('JSON lines', read(path('r.jsonl')))):
            check_raw(text.decode(), '%s (%s)' % (name, lang))
        page = page_of(read(path('r.html')))
        vigie('hunt', *ours, '--lang', lang, '--report', path('p.html'), path('plain'))
        plain = page_of(read(path('p.html')))
        for tag in ('script', 'img', 'iframe', 'object', 'embed', 'link', 'base', 'form', 'meta', 'style', 'svg'):
            if tag != 'svg':  # drawings: how many there are depends on the case
                check(page.tags.get(tag, 0) == plain.tags.get(tag, 0), 'page (%s): %d <%s>, %d in a plain case'
                      % (lang, page.tags.get(tag, 0), tag, plain.tags.get(tag, 0)))
        check(not page.handlers, 'page (%s): handlers %s' % (lang, page.handlers[:5]))
        check(all(re.match(r'(#|data:image/|$)', x) for x in page.links), 'page (%s): links %s'
              % (lang, [x for x in page.links if not re.match(r'(#|data:image/|$)', x)][:5]))
        text = ''.join(page.text)
        check(SCRIPT in text, 'page (%s) shows the name with <script> as text' % lang)
        found = BAD.search(read(path('r.html')).decode().replace('\t', ''))
        check(found is None, 'page (%s): raw %r' % (lang, found and found.group()))

    # Nothing gets lost: every name comes back from the JSON lines.
    rows = [json.loads(x) for x in read(path('r.jsonl')).decode().split('\n') if x]
    hosts = {r['event']['host'] for r in rows}
    for n in NAMES:
        check(n in hosts or n.strip() in hosts, 'JSON lines keep the host %r' % n)
    check(len([r for r in rows if r['event']['file'].endswith('auth.log')]) == len(lines), 'a row a line of auth.log')
    check(len(vigie('dump', path('case/auth.log')).stdout.strip().split(b'\n')) == len(lines), 'an event a line of auth.log')

    for form, delimiter in (('csv', ','), ('timesketch', None), ('table', None), ('navigator', None), ('stix', None)):
        out = vigie('hunt', *ours, '--format', form, '--output', path('out'), path('case'))
        data = read(path('out'))
        check(out.returncode == 0 and data, form + ': written')
        text = data.decode()
        check_raw(text.replace('\r\n', '\n'), form)
        if form in ('csv', 'timesketch') and not text.startswith('{'):
            table = list(csv.reader(io.StringIO(text)))
            check(len({len(r) for r in table}) == 1, form + ': as many cells in each row')
            check(len(table) == len(rows) + 1, '%s: %d rows for %d signals' % (form, len(table) - 1, len(rows)))
            for r in table:
                for cell in r:
                    check(not re.match(r'[=+\-@\t\r]', cell), '%s: a cell begins as a formula: %r' % (form, cell[:40]))
        elif form in ('navigator', 'stix'):
            json.loads(text)
        elif form == 'timesketch':
            for line in text.strip().split('\n'):
                json.loads(line)
    end()


main()
