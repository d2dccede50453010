#!/usr/bin/env python3
"""Make one dense event log of the full chunks of many: IN_DIR OUT_FILE [REPEAT].

Most logs are mostly empty chunks; speed is best measured on full ones.  Chunks are independent of one
another, so they can stand in one file behind one header."""
import os
import struct
import sys
import zlib

CHUNK = 65536


def full_chunks(folder):
    for root, dirs, files in os.walk(folder):
        dirs.sort()
        for name in sorted(files):
            if not name.lower().endswith(".evtx"):
                continue
            with open(os.path.join(root, name), "rb") as f:
                data = f.read()
            for at in range(4096, len(data) - CHUNK + 1, CHUNK):
                chunk = data[at:at + CHUNK]
                if chunk[:8] == b"ElfChnk\0" and 60000 < struct.unpack_from("<I", chunk, 48)[0] <= CHUNK:
                    yield chunk


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    chunks = list(full_chunks(sys.argv[1])) * (int(sys.argv[3]) if len(sys.argv) == 4 else 1)
    head = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, max(len(chunks) - 1, 0), 1, 128, 1, 3, 4096,
                       len(chunks) & 0xffff)
    head = head.ljust(120, b"\0")
    head += struct.pack("<II", 0, zlib.crc32(head))
    with open(sys.argv[2], "wb") as out:
        out.write(head.ljust(4096, b"\0"))
        for chunk in chunks:
            out.write(chunk)
    print(f"{len(chunks)} chunks, {4096 + len(chunks) * CHUNK} bytes")


if __name__ == "__main__":
    main()
