#!/usr/bin/env python3
"""Our regular expressions give the answers of Python's re: all expressions of a Sigma rule set, and random ones, over
random texts made from them.  Usage: regex_vs_python.py REGEX_RUN [SHARED_DATA]"""
import os, random, re, signal, subprocess, sys, warnings

warnings.simplefilter("ignore")
I, M, S = 2, 4, 8


def sigma(folder):
    import yaml
    out = set()

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                parts = str(key).split("|")
                if "re" in parts[1:]:
                    flags = sum(f for name, f in (("i", I), ("m", M), ("s", S)) if name in parts)
                    for v in value if isinstance(value, list) else [value]:
                        out.add((flags, str(v)))
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".yml"):
                with open(os.path.join(path, name), encoding="utf-8") as f:
                    text = f.read()
                if "|re" in text:
                    for doc in yaml.safe_load_all(text):
                        walk(doc)
    return sorted(out)


def random_expression(rng, depth=0):
    def atom():
        kind = rng.random()
        if kind < .45 or depth > 3:
            return rng.choice(["a", "b", "c", "x", "1", " ", "é", r"\.", "-", "_", "日"])
        if kind < .55:
            return rng.choice([".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S"])
        if kind < .70:
            return "[" + rng.choice(["", "^"]) + "".join(
                rng.choice(["a", "b", "a-c", r"\d", r"\w", "é", "x", " ", "-9"[1:], r"\n", "A-Z"])
                for _ in range(rng.randint(1, 3))) + "]"
        if kind < .80:
            return rng.choice(["^", "$", r"\b", r"\B", r"\A", r"\Z"])
        return rng.choice(["(", "(?:", "(?i:", "(?s:"]) + random_expression(rng, depth + 1) + ")"

    def piece():
        a = atom()
        if a.startswith("(") and re.search(r"[*+}]", a): # Python's time is exponential there
            return a
        if rng.random() < .35 and a not in ("^", "$", r"\b", r"\B", r"\A", r"\Z"):
            a += rng.choice(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "{,2}"])
        return a

    return "|".join("".join(piece() for _ in range(rng.randint(0 if depth else 1, 4)))
                    for _ in range(rng.choice([1, 1, 1, 2, 3])))


def texts(rng, source, n):
    """Pieces of the expression itself, so that some of them match."""
    bits = re.findall(r"[A-Za-z0-9/\\$%._-]+|.", source, re.S) + list("ab1 \n_-.,\\/") + ["é", "日", "exe", "a" * 70, "–"]
    for i in range(n):
        yield "".join(rng.choice(bits) for _ in range(rng.randint(0, 9))).replace(rng.choice(bits), rng.choice(bits))


def strip(source):
    """The expression read as text: the shortest way to a match."""
    t = re.sub(r"\(\?[a-z:]+\)?|\\b|[()^$]", "", source)
    t = re.sub(r"\\s[+*]?", " ", t)
    t = re.sub(r"\\d|\[0-9\]", "1", t)
    t = re.sub(r"\\w|\[[^\]]*[a-z]-[^\]]*\]", "a", t)
    t = re.sub(r"(.)\{(\d+)(,\d*)?\}", lambda m: m[1] * int(m[2]), t)
    return re.sub(r"\\(.)", r"\1", re.sub(r"[+?]", "", t))


def too_long(signum, frame):
    raise TimeoutError


def main():
    rng = random.Random(20260401)
    run = sys.argv[1]
    shared = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("VIGIE_SHARED_DATA", "")
    cases = []
    expressions = [(rng.choice([0, 0, I, M, S]), random_expression(rng)) for _ in range(3000)]
    nsigma = 0
    if shared and os.path.isdir(os.path.join(shared, "sigma")):
        found = sigma(os.path.join(shared, "sigma"))
        nsigma = len(found)
        expressions += found
    signal.signal(signal.SIGALRM, too_long)
    for flags, source in expressions:
        try: # \d \w \s \b are ASCII with us
            pattern = re.compile(source.replace(r"\Z", r"(?=\n?\Z)"), re.A | (re.I if flags & I else 0) | (re.M if flags & M else 0) |
                                 (re.S if flags & S else 0))
        except re.error:
            continue
        caseless = flags & I or "(?i" in source
        some = list(texts(rng, source, 40)) + [strip(source), "x " + strip(source) + " y"]
        for text in some:
            if not text and "\\B" in source: # before 3.14 Python found no \B in an empty text; PCRE does
                continue
            if caseless: # Python folds only ASCII then
                text = text.replace("é", "–")
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            try:
                cases.append((flags, source, text, pattern.search(text) is not None))
            except TimeoutError: # backtracking
                pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    feed = "".join("%d\t%s\t%s\n" % (f, s.encode().hex(), t.encode().hex()) for f, s, t, _ in cases)
    answers = subprocess.run([run], input=feed, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(answers) == len(cases)
    bad = hits = 0
    for (flags, source, text, want), got in zip(cases, answers):
        hits += want
        if got != "01"[want]:
            bad += 1
            if bad < 20:
                print("flags %d %r on %r: python %d, ours %s" % (flags, source, text, want, got))
    print("%d expressions of Sigma, %d cases, %d of them match, %d differ" % (nsigma, len(cases), hits, bad))
    return bad != 0


sys.exit(main())
