#!/usr/bin/env python3
"""bench/search.py SEARCH MEGABYTES|FOLDER [DIR [LEVEL]] - the vault's size and search beside ClickHouse's, over the same lines in one run.

SEARCH is the program made of bench/search.c.  Lines are of our own, or those of the files *.json in FOLDER (data/otrf): then sizes alone.  Needs chdb (pip install chdb).  ClickHouse has one thread, MergeTree in the order of time, the lines
under ZSTD(3) with a token filter index, and no cache of conditions; both have the files in the system's cache.  Both count matches."""
import glob, json, os, shutil, subprocess, sys, tempfile, time

# what, as a selection, as ClickHouse's condition
QUERIES = [
    ("a rare word", "needle42", "hasToken(line, 'needle42')"),
    ("an absent word", "absentword99", "hasToken(line, 'absentword99')"),
    ("a word in 1 % of the lines", "quarantined", "hasToken(line, 'quarantined')"),
    ("a rare part of a word", "eedle4", "line LIKE '%eedle4%'"),
    ("a common part of a word", "arantine", "line LIKE '%arantine%'"),
    ("a part across words", '"bruno.mart"', "line LIKE '%bruno.mart%'"),
    ("an expression with a literal", "|re: 'session opened for user [a-f][a-z]+\\.petit'", "match(line, 'session opened for user [a-f][a-z]+\\\\.petit')"),
    ("an expression with a frequent one", "|re: 'sessionid=1[0-9]+5 proto=17'", "match(line, 'sessionid=1[0-9]+5 proto=17')"),
    ("an expression without", "|re: '[a-z]{4}\\.[a-z]{7}@[a-z]+3[0-9]'", "match(line, '[a-z]{4}\\\\.[a-z]{7}@[a-z]+3[0-9]')"),
]
SETTINGS = "SETTINGS max_threads=1, use_query_condition_cache=0"


def clickhouse(folder):
    from chdb import session
    s = session.Session(os.path.join(folder, "chdb"))
    s.query("CREATE DATABASE IF NOT EXISTS b ENGINE=Atomic")
    s.query("CREATE TABLE b.l (time DateTime64(9), source UInt32, line String CODEC(ZSTD(3)), INDEX tok line TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 1) "
            "ENGINE=MergeTree ORDER BY time")
    begin = time.time()
    s.query(f"INSERT INTO b.l SELECT * FROM file('{folder}/rows.tsv', 'TSV', 'time DateTime64(9), source UInt32, line String') "
            "SETTINGS max_threads=1, max_insert_threads=1")
    took = time.time() - begin
    s.query("OPTIMIZE TABLE b.l FINAL")
    size = json.loads(s.query("SELECT sum(bytes_on_disk) AS b FROM system.parts WHERE active AND database='b'", "JSONEachRow").bytes())["b"]
    return s, int(size), took


def clickhouse_ask(s, condition):
    best, n = 1e9, 0
    for _ in range(3):
        begin = time.time()
        n = int(json.loads(s.query(f"SELECT count() AS n FROM b.l WHERE {condition} {SETTINGS}", "JSONEachRow").bytes())["n"])
        best = min(best, time.time() - begin)
    return n, best


def gather(tree, path):
    """All lines of the files below @tree, in one."""
    with open(path, "wb") as out:
        for name in sorted(glob.glob(tree + "/**/*.json", recursive=True)):
            with open(name, "rb") as f:
                out.writelines(line.rstrip(b"\r\n") + b"\n" for line in f if line.strip())


def main():
    search, what = sys.argv[1], sys.argv[2]
    folder = sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    shutil.rmtree(os.path.join(folder, "chdb"), ignore_errors=True)
    others = os.path.isdir(what)
    if others:
        gather(what, os.path.join(folder, "gathered"))
        what = os.path.join(folder, "gathered")
    made = json.loads(subprocess.run([search, "make", folder, what] + sys.argv[4:5], check=True, capture_output=True).stdout)
    s, size, took = clickhouse(folder)
    raw = made["raw"]
    print(f"raw {raw:,} bytes, {made['lines']:,} lines")
    print(f"vault: blocks {made['blocks_bytes']:,} (heads {made['heads_bytes']:,}), index {made['index_bytes']:,}, "
          f"all {made['blocks_bytes'] + made['index_bytes']:,}, {raw / (made['blocks_bytes'] + made['index_bytes']):.2f}:1; "
          f"packed at {raw / made['pack_s'] / 1e6:.0f} MB/s, indexed at {raw / made['index_s'] / 1e6:.0f} MB/s")
    print(f"ClickHouse: {size:,}, {raw / size:.2f}:1; in at {raw / took / 1e6:.0f} MB/s")
    if others:
        return
    print(f"{'':36} {'vault':>21} {'ClickHouse':>21}  ratio")
    for what, selection, condition in QUERIES:
        ours = json.loads(subprocess.run([search, "ask", folder, selection], check=True, capture_output=True).stdout)
        n, t = clickhouse_ask(s, condition)
        print(f"{what:36} {ours['seconds']:8.4f} s {raw / ours['seconds'] / 1e9:6.1f} GB/s {t:8.4f} s {raw / t / 1e9:6.1f} GB/s {t / ours['seconds']:6.2f}  "
              f"{ours['matches']} {n}")


if __name__ == "__main__":
    main()
