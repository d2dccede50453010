#!/usr/bin/env python3
"""Small rules and events: does Vigie answer as pySigma's reading of the rule says?

pySigma parses each rule (values, escapes, modifiers, conditions); the evaluator below walks what it made.
usage: sigma_vectors.py [-v] [--rules DIR] COMMAND...    COMMAND reads pairs as test/scenario/sigma_eval.c says.
With --rules the rules under DIR are asked instead, each with events made from its own values.
Exit: 0 all agree, 1 some differ, 77 no pySigma here."""
import ipaddress
import json
import pathlib
import re
import subprocess
import sys
from datetime import datetime, timezone

try:
    from sigma.rule import SigmaRule
    from sigma import conditions as sc, types as st
except ImportError:
    print("pySigma is not installed: skipped")
    sys.exit(77)

# ---- the reference evaluator ----


def flatten(event, name=""):
    """(name, value) pairs: nested names joined by dots, one pair a list entry."""
    if isinstance(event, dict):
        for k, v in event.items():
            yield from flatten(v, name + "." + k if name else k)
    elif isinstance(event, list):
        for v in event:
            yield from flatten(v, name)
    else:
        yield name, event


def text(v):
    return "true" if v is True else "false" if v is False else str(v)


def pattern(s):
    return "".join(".*" if p == st.SpecialChars.WILDCARD_MULTI else "." if p == st.SpecialChars.WILDCARD_SINGLE
                   else re.escape(p) for p in s.s)


PARTS = {"MINUTE": lambda t: t.minute, "HOUR": lambda t: t.hour, "DAY": lambda t: t.day, "WEEK": lambda t: t.isocalendar()[1],
         "MONTH": lambda t: t.month, "YEAR": lambda t: t.year}
OPS = {"LT": lambda a, b: a < b, "LTE": lambda a, b: a <= b, "GT": lambda a, b: a > b, "GTE": lambda a, b: a >= b,
       "NEQ": lambda a, b: a != b}


def part_of(part, v):
    try:
        t = datetime.fromisoformat(text(v).replace("Z", "+00:00"))
    except ValueError:
        return None
    return PARTS[part.name](t.astimezone(timezone.utc))


def value_matches(want, have, fields, keyword):
    """One value of a rule against one value of an event that is not null."""
    h = text(have)
    if isinstance(want, st.SigmaExpansion):
        return any(value_matches(w, have, fields, keyword) for w in want.values)
    if isinstance(want, st.SigmaTimestampPart):
        return part_of(want.timestamp_part, have) == want.number
    if isinstance(want, st.SigmaNumber):
        return str(want.number) in h if keyword else h == str(want.number)
    if isinstance(want, st.SigmaBool):
        return h.lower() == text(want.boolean)
    if isinstance(want, st.SigmaString):  # a cased one too
        flags = re.S | (0 if isinstance(want, st.SigmaCasedString) else re.I)
        find = re.search if keyword else re.fullmatch
        return find(pattern(want), h, flags) is not None
    if isinstance(want, st.SigmaRegularExpression):
        flags = 0
        for f in want.flags:
            flags |= want.sigma_to_python_flags[f]
        return re.search(str(want.regexp), h, flags) is not None
    if isinstance(want, st.SigmaCIDRExpression):
        try:
            return ipaddress.ip_address(h) in want.network
        except ValueError:
            return False
    if isinstance(want, st.SigmaCompareExpression):
        number = want.number
        try:
            mine = part_of(number.timestamp_part, have) if isinstance(number, st.SigmaTimestampPart) else float(h)
        except ValueError:
            return False
        return mine is not None and OPS[want.op.name](mine, number.number)
    if isinstance(want, st.SigmaFieldReference):
        others = [text(v).lower() for k, v in fields if k == want.field and v is not None]
        h = h.lower()
        if want.starts_with and want.ends_with:
            return any(o in h for o in others)
        if want.starts_with:
            return any(h.startswith(o) for o in others)
        return any(h.endswith(o) if want.ends_with else h == o for o in others)
    raise NotImplementedError(type(want))


def evaluate(c, fields):
    if isinstance(c, sc.ConditionAND):
        return all(evaluate(a, fields) for a in c.args)
    if isinstance(c, sc.ConditionOR):
        return any(evaluate(a, fields) for a in c.args)
    if isinstance(c, sc.ConditionNOT):
        return not evaluate(c.args[0], fields)
    if isinstance(c, sc.ConditionValueExpression):
        return any(value_matches(c.value, v, fields, True) for _, v in fields if v is not None)
    mine = [v for k, v in fields if k == c.field]
    if isinstance(c.value, st.SigmaNull):
        return all(v is None for v in mine)
    if isinstance(c.value, st.SigmaExists):
        return bool(mine) == bool(c.value)
    return any(value_matches(c.value, v, fields, False) for v in mine if v is not None)


# ---- the vectors: detection, events; for each rule some event matches and some does not ----

def one(item, *events):
    """A rule with one selection of one item."""
    return "  s: {%s}\n  condition: s\n" % item, [e if isinstance(e, dict) else {"f": e} for e in events]


SEL = "".join("  %s: {%s: 1}\n" % (n, n) for n in "abcd")
BITS = [{n: int(bool(i >> k & 1)) for k, n in enumerate("abcd")} for i in range(16)]


def cond(text):
    return SEL + "  condition: " + text + "\n", BITS


VECTORS = [
    # plain values, folding, numbers, booleans
    one("f: abc", "abc", "ABC", "abcd", "xabc", "", None, {"g": "abc"}, ["x", "aBc"], ["x", "y"]),
    one("f: 'ÄÖß'", "äöß", "ÄÖß", "aoss"),
    one("f: 4688", 4688, "4688", 46880, "04688"),
    one("f: -5", -5, 5),
    one("f: true", True, "true", "True", False, "1"),
    one("f: 'true'", True, "TRUE", False),
    one("f: [a, B, 3]", "A", "b", 3, "c", None),
    one("f: ''", "", "x", None, {"g": 1}),
    one("f: null", None, "", "x", {"g": 1}),
    one("f: ~", None, {"g": 1}, "x"),
    one("'f.g': x", {"f": {"g": "X"}}, {"f.g": "x"}, {"f": "x"}, {"f": {"h": "x"}}),
    one("f: 1, g: 2", {"f": 1, "g": 2}, {"f": 1}, {"f": 1, "g": 3}),
    # wildcards and escapes
    one("f: 'a*'", "a", "abc", "ba", "A\nb"),
    one("f: '*a'", "a", "cba", "ab"),
    one("f: '*a*'", "a", "xax", "b", ""),
    one("f: 'a*c'", "ac", "abc", "abcd", "aCC"),
    one("f: 'a?c'", "abc", "ac", "abbc", "aéc", "a𝄞c"),
    one("f: '*'", "", "x", None, {"g": 1}),
    one("f: '?'", "x", "", "xy", "é"),
    one("f: '??*'", "xy", "x", "xyz"),
    one("f: 'a*b*c'", "abc", "aXbYc", "acb", "abcc", "ab"),
    one(r"f: 'a\*b'", "a*b", "aXb", r"a\*b"),
    one(r"f: 'a\?b'", "a?b", "aXb"),
    one(r"f: 'a\\*b'", "a\\b", "a\\xxb", "a*b", "axb"),
    one(r"f: 'a\\\*b'", r"a\*b", r"a\xb", "a*b"),
    one(r"f: 'C:\Windows\*'", "C:\\Windows*", "C:\\Windows\\x", "c:\\windows*"),
    one(r"f: 'C:\Windows\\*'", "C:\\Windows\\x", "c:\\windows\\", "C:\\Windows"),
    one(r"f: '\cmd.exe'", "\\cmd.exe", "cmd.exe"),
    one(r"f: 'a\\b'", r"a\b", r"a\\b"),
    one(r"f: 'a\\\\b'", r"a\\b", r"a\b"),
    one(r"f: '\\\\host\\*'", r"\\host\share", r"\host\share"),
    one(r"f: 'a\'", "a\\", "a"),
    one(r"f: '%x%'", "%x%", "x"),
    # contains, startswith, endswith, all, cased
    one("f|contains: b", "abc", "B", "ac", "", ["x", "b"]),
    one("f|contains: ''", "", "x", None, {"g": 1}),
    one("f|contains: 'a*c'", "xabcx", "acx", "ca"),
    one("f|contains: '*b*'", "abc", "ac"),
    one(r"f|contains: '\*'", "a*b", "ab"),
    one("f|startswith: ab", "ABc", "xab", "a"),
    one("f|startswith: '*b'", "ab", "xxb!", "a"),
    one("f|endswith: bc", "aBC", "bcx", "c"),
    one("f|endswith: 'b?'", "abc", "ab", "bcd"),
    one(r"f|endswith: '\net.exe'", "C:\\x\\NET.EXE", "subnet.exe"),
    one("f|contains: [a, b]", "xax", "xbx", "c"),
    one("f|contains|all: [a, b]", "ab", "bxa", "a", "b", ["a", "b"]),
    one("f|startswith|all: [a, ab]", "abc", "ac"),
    one("f|all: ['*a*', '*b']", "ab", "ba"),
    one("f|all: a", "a", "b"),
    one("f|cased: aB", "aB", "ab"),
    one("f|contains|cased: Ab", "xAb", "xab"),
    one("f|startswith|cased: Ab", "Abx", "abx"),
    one("f|endswith|cased: Ab", "xAb", "xab"),
    one("f|cased: 'A*b'", "Axb", "axb"),
    # expressions
    one("f|re: 'a.c'", "xabcx", "ABC", "ac"),
    one("f|re: '^a.*c$'", "abc", "abcd", "xabc"),
    one("f|re|i: 'a.c'", "ABC", "ac"),
    one("f|re|ignorecase: 'é'", "É", "e"),
    one("f|re|m: '^b$'", "a\nb", "ab"),
    one("f|re|multiline: '^b$'", "a\nb\nc", "abc"),
    one("f|re|s: 'a.c'", "a\nc", "ac"),
    one("f|re|dotall: 'a.c'", "a\nc", "abbc"),
    one("f|re: 'a.c'", "abc", "a\nc"),
    one("f|re|i|s: 'a.c'", "A\nC", "b"),
    one("f|re: ['^a', 'b$']", "ax", "xb", "x"),
    one("f|re|all: ['a', 'b']", "ab", "a"),
    one(r"f|re: '\d{2,3}x'", "12x", "1x"),
    one(r"f|re: '[^\w]+\\x'", "a!\\x", "a\\y"),
    one(r"f|re: '(?i)ab|cd'", "AB", "CD", "ef"),
    one(r"f|re: '\bcat\b'", "a cat b", "concat"),
    # encodings
    one("f|base64: 'foo bar'", "Zm9vIGJhcg==", "foo bar", "Zm9v"),
    one("f|base64|contains: 'foo'", "xxZm9vyy", "foo"),
    one("f|base64offset|contains: 'foo bar'", "xZm9vIGJhcg==", "ICZvbyBiYXIg", "xxxmb28gYmFyx", "Zvbwx", "foo bar"),
    one("f|base64offset|contains: ['http://', 'https://']", "aHR0cDovLw==", "IGh0dHBzOi8v", "ICBodHRwOi8v", "ftp"),
    one("f|wide|base64offset|contains: 'ab'", "YQBiA", "EAYg", "zzz"),
    one("f|utf16be|base64offset|contains: 'ab'", "AGEAY", "BhAG", "zzz"),
    one("f|utf16|base64: 'ab'", "//5hAGIA", "YQBiAA=="),
    one("f|wide|base64: 'ab'", "YQBiAA==", "YWI="),
    one("f|wide: ab", "a\0b\0", "ab"),
    one("f|wide|contains: ab", "xa\0b\0x", "ab"),
    # windash
    one("f|windash: '-x'", "-x", "/x", "–x", "—x", "―x", "+x", "x"),
    one("f|windash|contains: ' -x'", "a -x", "a /X b", "a –x", "a —x", "a ―x", "ax"),
    one("f|contains|windash: '-a -b'", "q -a /b", "/a –b", "-a b"),
    one("f|windash|contains|all: ['-a', ' -b']", "-a -b", "/b /a -b", "-a", "b"),
    one("f|windash: 'foo-bar'", "foo-bar", "foo/bar"),
    one("f|windash|endswith: ' /c-d'", "x -c-d", "x /c-d", "x /c/d"),
    # cidr
    one("f|cidr: 10.0.0.0/8", "10.1.2.3", "11.0.0.1", "x", "10.1.2", ["x", "10.9.9.9"]),
    one("f|cidr: [192.168.0.0/16, 172.16.0.0/12]", "192.168.1.1", "172.31.0.1", "172.32.0.1"),
    one("f|cidr: 192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
    one("f|cidr: 0.0.0.0/0", "1.2.3.4", "::1", "x"),
    one("f|cidr: '2001:db8::/33'", "2001:db8::1", "2001:db8:8000::1", "2001:DB8:7fff::", "10.0.0.1"),
    one("f|cidr: '::1/128'", "::1", "0:0:0:0:0:0:0:1", "::2"),
    one("f|cidr: 'fe80::/10'", "fe80::1", "febf::1", "fec0::1"),
    # numbers
    one("f|lt: 10", 9, 10, "9.5", "x", None),
    one("f|lte: 10", 10, "10.0", 11),
    one("f|gt: 10", 11, 10, "1e2"),
    one("f|gte: 2.5", 2.5, 2, 3),
    one("f|gt: -1", 0, -2),
    one("f|lt: [1, 5]", 0, 4, 5),
    # neq
    one("f|neq: a", "b", "A", {"g": 1}, ["a", "b"], None),
    one("f|neq: [a, b]", "c", "a", "b"),
    one("f|contains|neq: a", "b", "xax"),
    one("f|neq: null", "x", None),
    # exists
    one("f|exists: true", "", "x", None, {"g": 1}),
    one("f|exists: false", "x", {"g": 1}),
    one("f|exists: yes", "x", {"g": 1}),
    # fieldref
    one("f|fieldref: g", {"f": "A", "g": "a"}, {"f": "a", "g": "b"}, {"f": "a"}, {"g": "a"}, {"f": ["x", "y"], "g": ["z", "Y"]}),
    one("f|fieldref|startswith: g", {"f": "abc", "g": "AB"}, {"f": "abc", "g": "bc"}),
    one("f|fieldref|endswith: g", {"f": "abc", "g": "bc"}, {"f": "abc", "g": "ab"}),
    one("f|fieldref|contains: g", {"f": "abc", "g": "B"}, {"f": "abc", "g": "x"}),
    one("f|fieldref|neq: g", {"f": "a", "g": "b"}, {"f": "a", "g": "a"}, {"f": "a"}),
    one("f|fieldref: [g, h]", {"f": "a", "g": "b", "h": "a"}, {"f": "a", "g": "b"}),
    # times
    one("f|minute: 12", "2026-04-03T08:12:45Z", "2026-04-03T08:13:45Z", "x"),
    one("f|hour: 8", "2026-04-03T08:12:45Z", "2026-04-03T09:12:45Z", "2026-04-03T10:12:45+02:00"),
    one("f|day: 3", "2026-04-03T08:12:45Z", "2026-04-04T08:12:45Z"),
    one("f|week: 14", "2026-04-03T08:12:45Z", "2026-04-13T08:12:45Z"),
    one("f|week: 53", "2027-01-01T00:00:00Z", "2027-01-04T00:00:00Z"),
    one("f|month: 4", "2026-04-03T08:12:45Z", "2026-05-03T08:12:45Z"),
    one("f|year: [2026, 2027]", "2026-04-03T08:12:45Z", "2025-12-31T23:59:59Z"),
    # lists of maps, null in lists, keywords
    ("  s:\n    - f: 1\n      g: 2\n    - h|contains: x\n  condition: s\n",
     [{"f": 1, "g": 2}, {"f": 1}, {"h": "axb"}, {"g": 2, "h": "y"}]),
    ("  s:\n    - f: [1, 2]\n    - f: null\n      g: 1\n  condition: s\n", [{"f": 2}, {"g": 1}, {"f": 3, "g": 1}, {}]),
    ("  s:\n    - alpha\n    - 'be?a'\n    - 12\n  condition: s\n",
     [{"x": "say ALPHA now"}, {"x": 1, "y": {"z": "beta!"}}, {"x": 4125}, {"x": "alph a"}, {"alpha": "x"}]),
    ("  s: alpha\n  condition: s\n", [{"x": "Alphabet"}, {"x": "beta"}]),
    ("  s:\n    '|all': [one, two]\n  condition: s\n", [{"x": "one two"}, {"x": "one", "y": "two"}, {"x": "one"}]),
    ("  s:\n    '|contains': [one, two]\n  condition: s\n", [{"x": "a one b"}, {"x": "three"}]),
    ("  s:\n    '|re': ['o[a-n]e', 'tw+o']\n  condition: s\n", [{"x": "xonex"}, {"x": "twwo"}, {"x": "ooe"}]),
    ("  s:\n    - 'a*c'\n  condition: s\n", [{"x": "zzabbczz"}, {"x": "ca"}]),
    ("  s:\n    - '*mid*'\n  condition: s\n", [{"x": "a mid b"}, {"x": "md"}]),
    ("  s:\n    - 'win\\\\dir'\n  condition: s\n", [{"x": r"c:\win\dir\x"}, {"x": "windir"}]),
    ("  s:\n    - alpha\n    - f: 1\n  condition: s\n", [{"x": "alpha"}, {"f": 1}, {"f": 2}]),
    # conditions
    cond("a"), cond("not a"), cond("a and b"), cond("a or b"), cond("a or b and c"), cond("a and b or c"),
    cond("(a or b) and c"), cond("not a and b"), cond("not (a and b)"), cond("not a or b"), cond("not not a"),
    cond("a and not b and not c"), cond("a or not (b or c) and d"), cond("((a) or ((b and c)))"), cond("a and (b or (c and not d))"),
    cond("1 of them"), cond("all of them"), cond("any of them"), cond("not 1 of them"), cond("1 of a* and all of b*"),
    cond("[a and b, c]"),
    ("  sel_a: {a: 1}\n  sel_b: {b: 1}\n  _x: {c: 1}\n  flt-1: {d: 1}\n  condition: 1 of sel_* and not flt-1\n", BITS),
    ("  sel_a: {a: 1}\n  sel_b: {b: 1}\n  _x: {c: 1}\n  fl_d: {d: 1}\n  condition: all of sel_* or 1 of fl*\n", BITS),
    ("  sel_a: {a: 1}\n  sel_b: {b: 1}\n  _x: {c: 1}\n  fl_d: {d: 1}\n  condition: all of them\n", BITS),
    ("  sel_a: {a: 1}\n  sel_b: {b: 1}\n  _x: {c: 1}\n  fl_d: {d: 1}\n  condition: 1 of *_b or 1 of _*\n", BITS),
    ("  sel_a: {a: 1}\n  sel_b: {b: 1}\n  a_sel: {c: 1}\n  fl_d: {d: 1}\n  condition: 1 of sel*_* and not all of *_d\n", BITS),
]

# ---- events for the rules of others ----


def example(v):
    """A value that @v matches, or None where that is not plain."""
    if isinstance(v, st.SigmaExpansion):
        return example(v.values[0])
    if isinstance(v, st.SigmaString):
        return "".join("xY" if p == st.SpecialChars.WILDCARD_MULTI else "z" if p == st.SpecialChars.WILDCARD_SINGLE else
                       p.swapcase() if not isinstance(v, st.SigmaCasedString) else p for p in v.s)
    if isinstance(v, st.SigmaCIDRExpression):
        return str(v.network[0])
    if isinstance(v, st.SigmaNumber):
        return v.number
    if isinstance(v, st.SigmaBool):
        return v.boolean
    return None


def leaves(c, wanted, pick):
    """(field, value) that make @c true, by the alternative number @pick; below a NOT those of it too when not @wanted."""
    if isinstance(c, sc.ConditionNOT):
        if not wanted:
            yield from leaves(c.args[0], wanted, pick)
    elif isinstance(c, sc.ConditionOR):
        yield from leaves(c.args[pick % len(c.args)], wanted, pick)
    elif isinstance(c, sc.ConditionAND):
        for a in c.args:
            yield from leaves(a, wanted, pick)
    else:
        yield getattr(c, "field", "any"), example(c.value)


def events_of(conditions):
    for c in conditions:
        for pick in range(3):
            event = {}
            for k, v in leaves(c, True, pick):
                if v is not None and v not in event.setdefault(k, []):
                    event[k].append(v)
            yield event
            for k in list(event)[:4]:
                yield {n: v for n, v in event.items() if n != k}
                yield {n: v if n != k else ["q" + text(v[0])] for n, v in event.items() if v}
                yield {n: v if n != k else [text(v[0]) + "q"] for n, v in event.items() if v}
            for k, v in leaves(c, False, pick):
                if v is not None:
                    yield {**event, k: event.get(k, []) + [v]}


def rules_under(folder):
    for path in sorted(pathlib.Path(folder).rglob("*.yml")):
        rule = path.read_text()
        if "|expand" in rule:
            continue  # nobody says what its names stand for
        try:
            parsed = [c.parsed for c in SigmaRule.from_yaml(rule).detection.parsed_condition]
        except Exception:
            continue  # not one that pySigma reads, or not a rule alone
        yield rule, parsed, list(events_of(parsed))


HEAD = "title: t\nlogsource:\n  product: test\ndetection:\n"
# What both must refuse.
REFUSED = ["f|nosuch: a", "f|base64: 'a*'", "f|re: '('", "f|cidr: 10.0.0.0/40", "f|exists: x", "f|fieldref: 'g*'", "f|contains|re: a"]


def main():
    verbose = sys.argv[1:2] == ["-v"]
    command = sys.argv[2 if verbose else 1:]
    folder = command[1] if command[0] == "--rules" else None
    if folder:
        command = command[2:]
    p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    count = differ = 0

    def ask(rule, event):
        r, e = rule.encode(), json.dumps(event, ensure_ascii=False).encode()
        p.stdin.write(b"%d %d\n" % (len(r), len(e)) + r + e)
        p.stdin.flush()
        return p.stdout.readline().decode().rstrip("\n")

    def same(rule, parsed, event):
        """What both answer to one event, told when it differs."""
        want = any(evaluate(c, list(flatten(event))) for c in parsed)
        got = ask(rule, event)
        if got != str(int(want)) or verbose:
            print("%s\n%s  %s\n  pySigma %d, Vigie %s" % ("ok" if got == str(int(want)) else "DIFFERENT", rule,
                  json.dumps(event, ensure_ascii=False), want, got))
        return want, got == str(int(want))

    if folder:
        rules = true = 0
        for rule, parsed, events in rules_under(folder):
            rules += 1
            for event in events:
                want, agree = same(rule, parsed, event)
                count += 1
                true += want
                differ += not agree
        p.stdin.close()
        print("%d events (%d match) for %d rules, %d differ" % (count, true, rules, differ))
        return 1 if differ or p.wait() != 0 else 0
    for detection, events in VECTORS:
        rule = HEAD + detection
        try:
            parsed = [c.parsed for c in SigmaRule.from_yaml(rule).detection.parsed_condition]
        except Exception as e:
            print("pySigma refuses:\n%s  %s" % (detection, e))
            differ += 1
            continue
        seen = set()
        for event in events:
            want, agree = same(rule, parsed, event)
            seen.add(want)
            count += 1
            differ += not agree
        if len(seen) < 2:
            print("vectors that show nothing (all %s):\n%s" % (seen, detection))
            differ += 1
    for item in REFUSED:
        rule = HEAD + "  s: {%s}\n  condition: s\n" % item
        try:
            [c.parsed for c in SigmaRule.from_yaml(rule).detection.parsed_condition]
            print("pySigma does not refuse: " + item)
            differ += 1
        except Exception:
            pass
        count += 1
        got = ask(rule, {"f": "a"})
        if not got.startswith("refused: "):
            print("Vigie does not refuse: %s (%s)" % (item, got))
            differ += 1
    p.stdin.close()
    if p.wait() != 0:
        print("the command ended with %d" % p.returncode)
        differ += 1
    print("%d vectors of %d rules, %d differ" % (count, len(VECTORS) + len(REFUSED), differ))
    return 1 if differ or count < 150 else 0


if __name__ == "__main__":
    sys.exit(main())
