#!/usr/bin/env python3
"""manual.py VIGIE MANUAL: every option of `vigie help COMMAND` stands in the manual under that command, and no other;
every command stands there too."""
import re
import subprocess
import sys


def run(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    vigie, path = sys.argv[1:]
    commands = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)  ", run(vigie, "help"), re.M)
    known = {c: set(re.findall(r"^  (--[a-z-]+)", run(vigie, "help", *c.split()), re.M)) for c in commands}
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"\\f[A-Z]", "", f.read()).replace("\\-", "-")
    options = re.search(r"^\.SH OPTIONS$(.*?)^\.SH ", text, re.M | re.S).group(1)
    told = {c: set() for c in commands}
    for section in re.split(r"^\.SS ", options, flags=re.M)[1:]:
        names, _, body = section.partition("\n")
        for command in names.rpartition(": ")[2].split(", "):
            if command not in told:
                sys.exit(f"the manual has options of {command!r}, which is no command")
            told[command] |= {o for line in re.findall(r"^\..*", body, re.M) for o in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)}
    bad = [f"{o} of `{c}` is not in the manual" for c in commands for o in sorted(known[c] - told[c])]
    bad += [f"{o} of `{c}` is in the manual, but the command has it not" for c in commands for o in sorted(told[c] - known[c])]
    bad += [f"command `{c}` is not in the manual" for c in commands
            if not re.search(r"\b" + c.replace(" ", r"\s+") + r"\b", text)]
    print("\n".join(bad) or f"manual: {len(commands)} commands, {sum(map(len, known.values()))} options, all told")
    return 1 if bad or not commands or not any(known.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
