#!/usr/bin/env python3
"""manual.py VIGIE MANUAL: every option of `vigie help COMMAND` stands in the manual, and the manual names no other;
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
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", run(vigie, "help"), re.M)
    known = {}
    for command in commands:
        for option in re.findall(r"^  (--[a-z-]+)", run(vigie, "help", *command.split()), re.M):
            known.setdefault(option, command)
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"\\f[A-Z]", "", f.read()).replace("\\-", "-")
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    bad = [f"{option} of `{known[option]}` is not in the manual" for option in sorted(set(known) - told)]
    bad += [f"{option} is in the manual, but no command has it" for option in sorted(told - set(known))]
    bad += [f"command `{c}` is not in the manual" for c in commands
            if not re.search(r"\b" + c.replace(" ", r"\s+") + r"\b", text)]
    print("\n".join(bad) or f"manual: {len(commands)} commands, {len(known)} options, all told")
    return 1 if bad or not commands or not known else 0


if __name__ == "__main__":
    sys.exit(main())
