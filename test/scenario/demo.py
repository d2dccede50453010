"""The sample case from end to end with our rules alone: what is found, the shape of every row, the same bytes for any
number of jobs, copies counted once, and what could not be read told."""
import json
import os
import re
import shutil
import subprocess

from scenario import RULES, SAMPLE, check, end, path, read, vigie

OURS = ('--only-rules', '--rules', RULES)
FOUND = {  # what the story must tell: title, host
    ('VPN: refusals that name no account, then a session', ''),
    ('A password was guessed: many failures, then success', 'web01'),
    ('Account created on a Linux host', 'web01'),
    ('New account, then its first remote use', 'web01'),
    ('A password was guessed: many failures, then success', 'DC01.corp.example'),
    ('Windows account created', 'DC01.corp.example'),
    ('Account added to a group of administrators', 'DC01.corp.example'),
    ('Windows event log cleared', 'DC01.corp.example'),
    ('Log cleared after a privileged sign-in', 'DC01.corp.example'),
    ('New service after an administrative share was opened', 'SRV-FILES.corp.example'),
    ('Windows event log cleared', 'SRV-FILES.corp.example'),
    ('Network and domain explored in one go', 'WS-COMPTA.corp.example'),
    ('Root signed in by SSH with a password', 'esx01'),
    ('Shadow copies or backups deleted by command', 'WS-COMPTA.corp.example'),
    ('Several ways back deleted on one host', 'WS-COMPTA.corp.example'),
}
QUIET = ('WS-OLD.corp.example', 'vpn-gateway')  # nothing happened there
LEVELS = ('informational', 'low', 'medium', 'high', 'critical')
TIME = re.compile(r'2026-0[3-9]-\d\dT\d\d:\d\d:\d\d\.\d{9}Z')


def hunt(case, name, *options):
    """The rows and the page of one hunt; paths are relative, so that they are the same for a copy of the case."""
    out = vigie('hunt', *OURS, '--output', path(name + '.jsonl'), '--report', path(name + '.html'), *options, case,
                cwd=path())
    check(out.returncode == 0, '%s: exit code %d: %s' % (name, out.returncode, out.stderr.decode()))
    return out.stdout.decode(), read(path(name + '.jsonl')), read(path(name + '.html'))


def tree(folder):
    """Every file below: its name, its bytes, its time."""
    out = {}
    for d, _, names in os.walk(folder):
        for n in names:
            p = os.path.join(d, n)
            out[os.path.relpath(p, folder)] = (read(p), os.stat(p).st_mtime_ns)
    return out


def check_row(i, row):
    rule, event = row.get('rule', {}), row.get('event', {})
    where = 'row %d' % i
    check(row.get('kind') in ('signal', 'correlation'), where + ': kind')
    check(TIME.fullmatch(row.get('time') or ''), where + ': time %r' % row.get('time'))
    for key in ('id', 'title', 'level', 'author'):
        check(isinstance(rule.get(key), str) and rule[key], where + ': rule.' + key)
    check(rule.get('level') in LEVELS, where + ': level')
    check(isinstance(rule.get('tags'), list) and all(t.startswith('attack.') for t in rule['tags']), where + ': tags')
    for key in ('file', 'host', 'channel', 'code'):
        check(isinstance(event.get(key), str), where + ': event.' + key)
    check(event.get('file', '').startswith('case/') and os.path.exists(path(event['file'])), where + ': event.file')
    check(isinstance(event.get('record'), int) and event['record'] > 0, where + ': event.record')
    check(isinstance(row.get('matched'), dict) and row['matched'], where + ': matched')
    if row.get('kind') == 'correlation':
        check(isinstance(row.get('count'), int) and row['count'] > 1, where + ': count')
        check(TIME.fullmatch(row.get('first', '')) and row['first'] <= row['time'], where + ': first')


def main():
    for name in ('case', 'twin'):
        os.mkdir(path(name))
        subprocess.run([SAMPLE, path(name)], check=True, stdout=subprocess.DEVNULL)
    check(tree(path('case')) == tree(path('twin')), 'two sample cases are the same, bytes and times')

    summary, rows, page = hunt('case', 'one', '--jobs', '1')
    events = int(re.search(r'files, ([\d,]+) events', summary).group(1).replace(',', ''))
    check(3000 <= events <= 6000, '%d events' % events)
    got = [json.loads(line) for line in rows.decode().splitlines()]
    for i, row in enumerate(got):
        check_row(i + 1, row)
    check([r['time'] for r in got] == sorted(r['time'] for r in got), 'rows are in order of time')
    titles = {(r['rule']['title'], r['event']['host']) for r in got}
    for what in sorted(FOUND - titles):
        check(False, 'not found: %s on %s' % what)
    for host in QUIET:
        check(not any(h == host for _, h in titles), 'nothing on ' + host)
    check(len(got) <= 40, '%d rows for some 20 facts' % len(got))
    said = re.sub(r'\s+', ' ', summary)
    check('j.martin came in by VPN from 203.0.113.45, first on 3 April 2026' in said, 'the story begins with the VPN, in April')
    check('203.0.113.45 → j.martin → 10.8.0.14 → backup → web01 (SSH)' in summary, 'a sign-in is tied to the VPN session it came through')
    check('Reached from there: web01, DC01.corp.example and 2 others.' in said, 'what was reached through it')
    check('notes.bin' in summary, 'the summary tells of the file that no reader knows')
    check('37' in summary and 'SRV-FILES' in summary, 'the summary tells of the 37 records that are missing')
    check(page.startswith(b'<!DOCTYPE html>') or page.startswith(b'<!doctype html>'), 'the page is HTML')
    check(page.rstrip().endswith(b'</html>'), 'the page is whole')
    check(re.search(rb'(?:src|href)\s*=\s*["\']?(?:https?:)?//', page) is None, 'the page loads nothing')
    for word in (b'svc-backup2', b'DC01.corp.example', b'WS-COMPTA', b'cut.evtx', b'notes.bin'):
        check(word in page, 'the page has ' + word.decode())

    for jobs in ('2', '4', '13'):
        again = hunt('case', 'jobs' + jobs, '--jobs', jobs)
        check(again[0].replace('jobs' + jobs, 'one') == summary, 'the same summary with %s jobs' % jobs)
        check(again[1] == rows, 'the same rows with %s jobs' % jobs)
        check(again[2] == page, 'the same page with %s jobs' % jobs)
    check(hunt('case', 'portable', '--portable', '--no-value-cache', '--no-cache')[1] == rows,
          'the same rows from the portable matcher without caches')

    # web01/auth.log.1 is a copy of web01/auth.log: with it or without it, the same is found.
    check(not any('auth.log.1' in r['event']['file'] for r in got), 'rows name the first of two copies')
    os.unlink(path('case/web01/auth.log.1'))
    check(hunt('case', 'without')[1] == rows, 'a copy of a log changes nothing')
    for name in ('DC01/Security.evtx', 'WS-COMPTA/Sysmon.evtx', 'vpn-gateway/openvpn.log'):
        shutil.copy2(path('case', name), path('case/z-' + name.replace('/', '-')))
    check(hunt('case', 'copies')[1] == rows, 'copies under other names change nothing')

    # A part of the time, a level, an exit code.
    for r in map(json.loads, hunt('case', 'august', '--from', '2026-08-01', '--to', '2026-08-31')[1].splitlines()):
        check(r['time'][:7] == '2026-08', '--from and --to: ' + r['time'])
    high = [json.loads(x) for x in hunt('case', 'high', '--level', 'high')[1].splitlines()]
    check(len(high) == sum(r['rule']['level'] in ('high', 'critical') for r in got), '--level high')
    check(vigie('hunt', *OURS, '--quiet', '--fail-on', 'critical', path('case')).returncode == 1, '--fail-on critical: 1')
    check(vigie('hunt', *OURS, '--quiet', '--fail-on', 'critical', path('case/esx01')).returncode == 0, '--fail-on critical: 0')
    end()


main()
