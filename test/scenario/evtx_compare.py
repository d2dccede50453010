#!/usr/bin/env python3
"""Compare `vigie dump` with evtx-rs, record by record: VIGIE [DATA_DIR] [EVTX_DUMP].

DATA_DIR (or VIGIE_SHARED_DATA) holds the event logs of others in evtx/; exits with 77 when it is absent.  The
other side is the program EVTX_DUMP when given, else the Python package `evtx`, which writes GUIDs and times as
older versions did and so is only reported.  Prints totals and each kind of difference with an example; exits
with 1 when a published count is missed, a file that libevtx cannot read is not read, or records differ from
EVTX_DUMP's in more than doc/evtx.md explains."""
import collections
import json
import os
import subprocess
import sys

# Records that evtx-rs's own tests expect of its samples (tests/test_full_samples.rs).
PUBLISHED = {
    "sample-with-irregular-bool-values.evtx": 3028,
    "2-vss_0-Microsoft-Windows-RemoteDesktopServices-RdpCoreTS%4Operational.evtx": 1910,
    "2-vss_0-Microsoft-Windows-TerminalServices-RemoteConnectionManager%4Operational.evtx": 1774,
    "2-vss_7-System.evtx": 1160,
    "sample_with_a_bad_chunk_magic.evtx": 270,
    "Microsoft-Windows-HelloForBusiness%4Operational.evtx": 6,
    "Microsoft-Windows-LanguagePackSetup%4Operational.evtx": 17,
    "E_Windows_system32_winevt_logs_Microsoft-Windows-Shell-Core%4Operational.evtx": 1146,
    "E_Windows_system32_winevt_logs_Microsoft-Windows-CAPI2%4Operational.evtx": 340,
    "Application_no_crc32.evtx": 17,
    "post-Security.evtx": 126,
}


def other_lines(path, dump):
    if dump:
        out = subprocess.run([dump, "-t", "1", "-o", "jsonl", path], capture_output=True, check=False).stdout
        return out.split(b"\n")[:-1]
    import evtx
    lines = []
    records = iter(evtx.PyEvtxParser(path).records_json())
    while True:
        try:
            lines.append(next(records)["data"].encode())
        except StopIteration:
            return lines
        except RuntimeError:  # a record that it cannot read
            continue


def flatten(value, prefix=""):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from flatten(v, prefix + "/" + k)
    elif isinstance(value, list):
        for v in value:
            yield from flatten(v, prefix)
    else:
        yield prefix, value


def record_id(event):
    system = event.get("Event", {}).get("System") or {}
    created = (system.get("TimeCreated") or {}).get("#attributes", {})
    return str(system.get("EventRecordID")), created.get("SystemTime", "")[:19]


def differences(ours, theirs):
    a, b = collections.defaultdict(list), collections.defaultdict(list)
    for k, v in flatten(ours):
        a[k].append(v)
    for k, v in flatten(theirs):
        b[k].append(v)
    for k in sorted(set(a) | set(b)):
        x, y = a.get(k), b.get(k)
        if x == y or [v for v in x or [] if v not in (None, "")] == [v for v in y or [] if v not in (None, "")]:
            continue
        yield k, x, y


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    vigie = sys.argv[1]
    root = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("VIGIE_SHARED_DATA", "")
    dump = sys.argv[3] if len(sys.argv) > 3 else None
    folder = os.path.join(root, "evtx")
    if not root or not os.path.isdir(folder):
        print("no data of others: skipped")
        sys.exit(77)
    if dump is None:
        try:
            import evtx  # noqa: F401
        except ImportError:
            print("neither evtx_dump nor the Python package evtx: skipped")
            sys.exit(77)
    unreadable = set()
    golden = os.path.join(folder, "golden.json")
    if os.path.exists(golden):
        with open(golden, encoding="utf-8") as f:
            unreadable = {x["file"] for x in json.load(f) if not x["libevtx_ok"]}
    total, kinds, example, failed = collections.Counter(), collections.Counter(), {}, []
    for place, dirs, files in os.walk(folder):
        dirs.sort()
        for name in sorted(n for n in files if n.lower().endswith(".evtx")):
            path = os.path.join(place, name)
            run = subprocess.run([vigie, "dump", path], capture_output=True, check=False)
            ours = run.stdout.split(b"\n")[:-1]
            theirs = other_lines(path, dump)
            total["files"] += 1
            total["ours"] += len(ours)
            total["theirs"] += len(theirs)
            if name in PUBLISHED and len(ours) < PUBLISHED[name]:
                failed.append(f"{name}: {len(ours)} records, {PUBLISHED[name]} published")
            relative = os.path.relpath(path, root)
            if relative in unreadable:
                total["files libevtx cannot read"] += 1
                if not ours:
                    failed.append(f"{relative}: not read")
            left = collections.Counter(ours)
            rest = []
            for line in theirs:
                if left[line] > 0:
                    left[line] -= 1
                    total["identical bytes"] += 1
                else:
                    rest.append(json.loads(line))
            mine = collections.defaultdict(list)
            for line in left.elements():
                event = json.loads(line)
                mine[record_id(event)].append(event)
            for event in rest:
                if not mine[record_id(event)]:
                    kinds["only theirs"] += 1
                    example.setdefault("only theirs", (name, record_id(event)))
                    continue
                found = list(differences(mine[record_id(event)].pop(), event))
                total["identical fields" if not found else "different"] += 1
                for k, x, y in found:
                    kind = "field " + k
                    kinds[kind] += 1
                    example.setdefault(kind, (name, record_id(event), x, y))
            for key, events in mine.items():
                if events:
                    kinds["only ours"] += len(events)
                    example.setdefault("only ours", (name, key))
    for k, v in total.items():
        print(f"{v:8} {k}")
    for k, v in kinds.most_common():
        print(f"{v:8} {k}, as in {example[k]}")
    for line in failed:
        print("FAILED:", line)
    sys.exit(1 if failed or (dump and (total["different"] or kinds["only theirs"])) else 0)


if __name__ == "__main__":
    main()
