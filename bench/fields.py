#!/usr/bin/env python3
"""bench/fields.py SEARCH FIELDS MEGABYTES [DIR [PACKS]] - searches by field with and without the cache of decoded fields, and what the cache costs.

SEARCH and FIELDS are the programs made of bench/search.c and bench/fields.c.  The lines are those of bench/search.py.  Last it is said what whole columns would
take instead: of each name, for each block, a number a record and the list of values, each compressed by zlib (level 9)."""
import collections, glob, json, os, struct, subprocess, sys, tempfile, zlib

QUERIES = [
    ("a user in 0.2 % of the lines", "user.name: alice.martin"),
    ("a user that nobody is", "user.name: zoe.nobody"),
    ("a common value", "event.outcome: failure"),
    ("both", "user.name: alice.martin and event.outcome: failure"),
    ("an action that never was", "event.action: account-created"),
    ("a field that no record has", "destination.port|exists: true"),
    ("a field that most do not have", "source.ip|exists: true"),
    ("without a field", "user.name: null and program: sshd"),
    ("an expression", "user.name|re: '^a.*t$'"),
    ("a network with 2.5 % of the lines", "source.ip|cidr: 10.1.2.0/24"),
    ("a network that nobody is in", "source.ip|cidr: 192.168.0.0/16"),
    ("a number", "source.port|lt: 1100"),
    ("an event number", "EventID: 4672"),
    ("one field native, one made", "LogonType: 3 and event.code: 4688"),
    ("nearly all", "not user.name: alice.martin"),
]


def main():
    search, fields, megabytes = sys.argv[1:4]
    folder = sys.argv[4] if len(sys.argv) > 4 else tempfile.mkdtemp()
    packs = sorted(glob.glob(os.path.join(sys.argv[5] if len(sys.argv) > 5 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "packs"), "*.yaml")))

    def run(*words):
        return json.loads(subprocess.run(words, check=True, capture_output=True).stdout)

    os.makedirs(folder, exist_ok=True)
    made = run(search, "make", folder, megabytes)
    cache = run(fields, "make", folder, *packs)
    all_bytes = made["blocks_bytes"] + made["index_bytes"]
    print(f"raw {made['raw']:,} bytes, {made['lines']:,} records; blocks {made['blocks_bytes']:,}, index {made['index_bytes']:,}; cache {cache['cache']:,} = {100 * cache['cache'] / all_bytes:.2f} % "
          f"(names, values and classes {cache['tables']:,}, blocks {cache['parts']:,}; {8 * cache['cache'] / cache['records']:.1f} bits a record)")
    print(f"made at {cache['records'] / cache['seconds']:,.0f} records/s, {made['raw'] / cache['seconds'] / 1e6:.0f} MB/s")
    print(f"{'':34} {'without':>21} {'with':>21}   ratio  records found, blocks skipped, decoded without and with")
    for what, selection in QUERIES:
        a, b = (run(fields, "ask", folder, w, selection, *packs) for w in "01")
        if a["matches"] != b["matches"]:
            sys.exit(f"{selection}: {a['matches']} and {b['matches']}")
        print(f"{what:34} {a['seconds']:8.4f} s {made['raw'] / a['seconds'] / 1e9:6.2f} GB/s {b['seconds']:8.4f} s {made['raw'] / b['seconds'] / 1e9:6.1f} GB/s {a['seconds'] / b['seconds']:7.1f}  "
              f"{b['matches']:7} {b['by_fields']:5}/{b['blocks']} {a['decoded']:8} {b['decoded']:8}")
    columns(fields, folder, packs, all_bytes * 60000 / made["lines"])


def columns(fields, folder, packs, vault):
    """Of the first 60,000 records."""
    rows = subprocess.run([fields, "print", folder, "60000", *packs], check=True, capture_output=True).stdout.decode("utf-8", "replace").split("\n")
    names = collections.defaultdict(dict)
    records = -1
    for row in rows:
        if row == "":
            records += 1
            continue
        name, _, value = row.partition("\t")
        names[name][records] = value
    numbers = lists = 0
    for values in names.values():
        for begin in range(0, records, 3000):
            seen = {"": 0}
            column = [seen.setdefault(values[i], len(seen)) if i in values else 0 for i in range(begin, min(begin + 3000, records))]
            numbers += len(zlib.compress(struct.pack("<%dH" % len(column), *column), 9))
            lists += len(zlib.compress("\n".join(seen).encode(), 9))
    print(f"whole columns of {records:,} records: numbers {numbers:,} = {100 * numbers / vault:.0f} % of the vault, values {lists:,} = {100 * lists / vault:.0f} %")


if __name__ == "__main__":
    main()
