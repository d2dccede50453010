"""embed.py FILE... OUT: each file as a C string, named after the file."""
import os
import sys

*names, out = sys.argv[1:]
with open(out, "w", encoding="ascii") as f:
    for name in names:
        with open(name, "rb") as g:
            data = g.read()
        f.write("static const char %s[] =\n" % os.path.basename(name).replace(".", "_"))
        for line in data.splitlines(keepends=True):
            text = "".join(chr(c) if 32 <= c < 127 and c not in b'"\\?' else "\\%03o" % c for c in line)
            f.write('\t"%s"\n' % text)
        f.write("\t;\n")
