#!/usr/bin/env python3
"""Damage to every kind of file: what does a server make of it?

    bit_rot.py [--flips N] [--jobs N] [--seed N] [--case N]

A data directory is made that has one of everything: segments of several days, tenants and ages (version 1 of the chunk
format too), merged chunks of several blocks, lines that are only in the log, delete requests. Then, on a copy of it, one
file is damaged: a byte changed, bytes zeroed, the end cut off, the file exchanged with another one of its kind, replaced by
an older copy, or removed. `skald verify` looks at it, then a server starts and everything is asked for. Each time:

  - nothing crashes or hangs, and no line comes that was never pushed, was deleted, or was there before
  - a changed byte costs at most the lines of one block, one in the index none at all
  - when lines are missing the answer carries a warning, /metrics counts it, and verify has named the file
  - a server that damage keeps from starting says what is damaged; a changed byte keeps none from it
  - with damaged segments put back from a copy, and the index made again, nothing is missing: the start has destroyed nothing

Only a torn end of the newest log file is no damage to anybody: a crash leaves the same, of what was never acknowledged.
"""
import argparse
import collections
import glob
import json
import os
import random
import re
import shutil
import sys
import tempfile
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
from server import Server, skald  # noqa: E402

DAY = 86_400 * 10**9
START = 1_772_000_000 * 10**9 // DAY * DAY
TENANTS = ("fake", "other")
GOLDEN = os.path.join(TOP, "tests", "golden", "chunk-v1-filters.bin")
# Nothing happens by itself while a case is looked at.
COMMON = ["--auth_enabled=true", "--limits.max_entries_limit_per_query=100000", "--ingester.chunk_idle_period=1h",
          "--ingester.max_chunk_age=2h", "--ingester.chunk_block_size=4KB", "--wal.file_size=64KB"]
QUIET = COMMON + ["--compactor.compaction_interval=1h"]
BUSY = COMMON + ["--compactor.compaction_interval=20ms"]
BLOCK_ENTRIES_MAX = 110  # of the blocks made here; the golden ones have 100
WAIT_SECONDS = 30
RESTORE_EVERY = 3  # so many cases


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def golden_segment():
    """A segment of the day 0 with a chunk of version 1."""
    header = bytearray(b"SKSEG\r\n\x1a" + (1).to_bytes(2, "little") + (72).to_bytes(2, "little") + bytes(12) +
                       (0xF00).to_bytes(8, "little") + bytes(4) + (4).to_bytes(2, "little") + bytes(26) + b"fake" + bytes(4))
    header[20:24] = crc32c(header).to_bytes(4, "little")
    with open(GOLDEN, "rb") as f:
        return bytes(header) + f.read()


def push(server, tenant, app, day, begin, count):
    lines = [(START + day * DAY + n * 10**10, f"{tenant} {app} day={day} n={n} {'x' * (n * 7919 % 150)} end={n}")
             for n in range(begin, begin + count)]
    status, text = server.push([({"app": app}, lines)], headers={"X-Scope-OrgID": tenant})
    assert status == 204, (status, text)


def delete(server, tenant, query):
    status, _, text = server.request("POST", "/loki/api/v1/delete", headers={"X-Scope-OrgID": tenant}, params={
        "query": query, "start": START // 10**9, "end": (START + 4 * DAY) // 10**9})
    assert status == 204, text


def ask(server):
    """Every line there is, as a Counter of (tenant, app, time, line), and whether an answer had a warning."""
    lines, warned = collections.Counter(), False
    for tenant in TENANTS:
        for start, end in ((0, 1), (START, START + 4 * DAY)):
            status, _, body = server.request(
                "GET", "/loki/api/v1/query_range", headers={"X-Scope-OrgID": tenant}, timeout=WAIT_SECONDS,
                params={"query": '{app=~".+"}', "start": start, "end": end, "limit": 100000, "direction": "forward"})
            assert status == 200, (status, body)
            answer = json.loads(body)
            warned = warned or bool(answer.get("warnings"))
            for s in answer["data"]["result"]:
                for value in s["values"]:
                    lines[tenant, s["stream"]["app"], int(value[0]), value[1]] += 1
    return lines, warned


class Base:
    """The sound directory, an older copy of it, and all of its lines."""

    def __init__(self, directory):
        self.server = Server(directory=os.path.join(directory, "base"), flags=BUSY)
        self.data = self.server.data
        self.older = os.path.join(directory, "older")
        os.makedirs(self.data + "/segments")
        with open(self.data + "/segments/1970-01-01-0000000000000f00.seg", "wb") as f:
            f.write(golden_segment())
        self.fill(self.server)
        self.lines, warned = ask(self.server.start())
        self.server.kill()
        assert not warned and sum(self.lines.values()) == len(self.lines) > 1500, (warned, len(self.lines))
        status, out, _ = skald("verify", self.data)
        assert status == 0, out
        self.files = sorted(os.path.relpath(p, self.data) for p in glob.glob(self.data + "/**", recursive=True)
                            if os.path.isfile(p))

    def fill(self, server):
        server.start()
        assert server.metric("skald_index_rebuilt") == 1  # there was a segment and no index
        for part in range(4):  # small chunks, which are merged
            push(server, "fake", "merged", 0, part * 100, 100)
            push(server, "fake", "other", 0, part * 20, 20)
            server.flush()
        server.merge()
        server.kill()
        server.flags = QUIET
        server.start()
        push(server, "fake", "two-days", 0, 0, 60)
        push(server, "fake", "two-days", 1, 0, 60)
        push(server, "other", "one", 1, 0, 200)
        push(server, "fake", "gone", 1, 0, 50)
        server.flush()
        delete(server, "fake", '{app="gone"}')
        server.kill()
        shutil.rmtree(self.data + "/index.damaged-1")  # the empty one that the first start found
        shutil.copytree(self.data, self.older)
        server.start()
        push(server, "other", "one", 1, 200, 200)
        push(server, "fake", "many", 2, 0, 300)
        push(server, "fake", "gone", 1, 60, 50)  # after the request: it stays
        server.flush()
        delete(server, "other", '{app="one"} |= "end=7"')
        for part in range(6):
            push(server, "fake", "log", 2, part * 30, 30)
            push(server, "other", "log", 2, part * 30, 30)
        server.kill()


# ---- damage: each returns what was done, or None if it does not apply ----


def read(path):
    with open(path, "rb") as f:
        return bytearray(f.read())


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def flip(base, chance, data, name):
    content = read(os.path.join(data, name))
    if not content:
        return None
    at = chance.randrange(len(content))
    if name.endswith("data.mdb") and chance.random() < 0.6:  # most of that file is free space
        at = at // 4096 * 4096 + chance.randrange(chance.choice((24, 600)))
    change = chance.choice((1, 2, 16, 64, 128, 255, chance.randrange(1, 256)))
    content[at] ^= change
    write(os.path.join(data, name), content)
    return f"byte {at} ^ {change:#x}"


def zero(base, chance, data, name):
    content = read(os.path.join(data, name))
    if not content:
        return None
    at, count = chance.randrange(len(content)), chance.choice((8, 64, 512, 4096))
    if not any(content[at:at + count]):
        return None
    content[at:at + count] = bytes(len(content[at:at + count]))
    write(os.path.join(data, name), content)
    return f"{count} zeros at {at}"


def truncate(base, chance, data, name):
    size = os.path.getsize(os.path.join(data, name))
    if size == 0:
        return None
    to = chance.choice((0, size - 1, chance.randrange(size)))
    os.truncate(os.path.join(data, name), to)
    return f"cut from {size} to {to}"


def missing(base, chance, data, name):
    os.unlink(os.path.join(data, name))
    return "removed"


def swap(base, chance, data, name):
    others = [n for n in base.files if os.path.dirname(n) == os.path.dirname(name) != "" and n != name and
              os.path.splitext(n)[1] == os.path.splitext(name)[1] and "mdb" not in n]
    if not others:
        return None
    other = chance.choice(others)
    a, b = read(os.path.join(data, name)), read(os.path.join(data, other))
    write(os.path.join(data, name), b)
    write(os.path.join(data, other), a)
    return f"exchanged with {other}"


def older(base, chance, data, name):
    path = os.path.join(base.older, name)
    if not os.path.exists(path) or read(path) == read(os.path.join(data, name)):
        return None
    shutil.copyfile(path, os.path.join(data, name))
    return "an older copy"


KINDS = [(flip, 70), (zero, 12), (truncate, 8), (swap, 4), (older, 3), (missing, 3)]
FILES = [("segments", 45), ("wal", 20), ("index/data.mdb", 25), ("deletes", 7), ("lock", 3)]


class Failure(Exception):
    pass


class Case:
    """One damage, and what came of it."""

    def __init__(self, base, directory, seed, number):
        self.base = base
        self.chance = random.Random(f"{seed}/{number}")
        self.number = number
        self.directory = directory
        self.data = os.path.join(directory, "data")
        self.name = self.what = self.outcome = ""

    def damage(self):
        done = None
        while done is None:
            start = self.chance.choices([f for f, _ in FILES], [w for _, w in FILES])[0]
            self.name = self.chance.choice([n for n in self.base.files if n.startswith(start) or
                                            (start == "lock" and "lock" in n)])
            self.kind = self.chance.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
            done = self.kind(self.base, self.chance, self.data, self.name)
        self.what = f"{self.name}: {self.kind.__name__}: {done}"

    def run(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        shutil.copytree(self.base.data, self.data)
        self.damage()
        status, out, err = skald("verify", self.data, timeout=WAIT_SECONDS)
        self.expect(status in (0, 1), f"verify ended with {status}: {err}")
        self.verify_says = out.decode("utf-8", "replace")
        self.sound = status == 0
        server = Server(directory=self.directory, flags=QUIET)
        try:
            self.start(server)
        finally:
            server.kill()

    def expect(self, good, text):
        if not good:
            raise Failure(text)

    def start(self, server):
        try:
            server.start()
        except RuntimeError:
            self.refused(server)
            return
        lines, warned = ask(server)
        counted = sum(server.metric(f"skald_{m}") for m in ("corrupt_blocks_total", "wal_damaged_files"))
        self.expect(server.process.poll() is None, "the server has ended")
        self.compare(lines, warned, counted)
        if self.name.startswith("segments") and self.number % RESTORE_EVERY == 0:
            server.kill()
            self.restore(server)

    def restore(self, server):
        """The damaged files are put back from a copy: with the index made again nothing is missing."""
        for name in re.findall(r"segments/[^: ]*seg", self.what):
            shutil.copyfile(os.path.join(self.base.data, name), os.path.join(self.data, name))
        status, out, err = skald("rebuild-index", self.data, timeout=WAIT_SECONDS)
        self.expect(status == 0, f"rebuild-index ended with {status}: {out} {err}")
        lines, warned = ask(server.start())
        self.expect(lines == self.base.lines, f"restored: {len(self.base.lines - lines)} lines are missing, "
                                              f"{len(lines - self.base.lines)} too many")
        self.expect(not warned, "restored: a warning")
        status, out, _ = skald("verify", "--force", self.data, timeout=WAIT_SECONDS)
        self.expect(status == 0, f"restored: {out}")

    def refused(self, server):
        """Only when both copies of the delete requests are damaged: deleted lines must not come back."""
        self.outcome = "refused"
        self.expect(self.kind is not flip, "a changed byte keeps the server from starting")
        self.expect(server.process.returncode == 1, f"the server ended with {server.process.returncode}")
        self.expect(self.name == "deletes" and "deletes" in server.log() and not self.sound, server.log()[-600:])

    def compare(self, lines, warned, counted):
        want = self.base.lines
        extra, lost = lines - want, want - lines
        self.outcome = "whole" if not lost else "warned" if warned else "silent"
        if self.name == "deletes" and self.kind is flip:
            self.expect(not self.sound and "copy is damaged" in self.verify_says, "verify does not name the copy")
        if self.name == "deletes" and self.kind in (missing, older):
            return  # nobody can know what was asked for
        self.expect(not extra, f"lines that should not be there: {list(extra.items())[:3]}")
        self.expect(not self.name.startswith("index/") or not lost, f"damage of the index has cost {len(lost)} lines")
        if lost and not warned:
            self.expect(self.cannot_be_known(), f"{len(lost)} lines are missing without a warning")
        elif lost:
            self.expect(counted > 0, "/metrics counts nothing")
            self.expect(not self.sound and os.path.basename(self.name) in self.verify_says, "verify does not name the file")
        if lost and self.kind is flip and self.name.startswith("segments"):
            streams = {(tenant, app) for tenant, app, _, _ in lost}
            self.expect(len(streams) == 1 and len(lost) <= BLOCK_ENTRIES_MAX,
                        f"a byte has cost {len(lost)} lines of {streams}")

    def cannot_be_known(self):
        """The end of the newest log file looks torn, or log files are gone: no other file tells."""
        newest = max(n for n in self.base.files if n.startswith("wal/"))
        return self.name.startswith("wal/") and (self.kind in (missing, older, swap) or
                                                 (self.name == newest and "note: " in self.verify_says) or
                                                 (self.kind is truncate and self.name == newest))


def work(base, directory, seed, numbers, results, lock):
    while True:
        with lock:
            number = next(numbers, None)
        if number is None:
            return
        case = Case(base, directory, seed, number)
        text = None
        try:
            case.run()
        except Failure as e:
            text = str(e)
        except Exception as e:  # it hangs, or has crashed in the middle of an answer
            text = f"{type(e).__name__}: {e}"
        with lock:
            results.append((case, text))
            if text is not None:
                print(f"FAILED {case.what}\n  {text}\n  again: tests/torture/bit_rot.py --seed {seed} --case {number}",
                      flush=True)


def run(top, arguments):
    base, results, lock = Base(top), [], threading.Lock()
    numbers = iter(range(arguments.flips) if arguments.case is None else [arguments.case])
    threads = [threading.Thread(target=work, args=(base, os.path.join(top, str(i)), arguments.seed, numbers, results, lock))
               for i in range(arguments.jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=6000, help="how many damages")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--case", type=int, help="this one only, and keep its directory")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    top = tempfile.mkdtemp(prefix="skald-rot-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        results = run(top, arguments)
    finally:
        if arguments.case is None:
            shutil.rmtree(top, ignore_errors=True)
        else:
            print(f"kept: {top}")
    table = collections.Counter((re.sub(r"/[0-9].*", "/*", c.name), c.kind.__name__, "FAILED" if text else c.outcome)
                                for c, text in results)
    for (name, kind, outcome), count in sorted(table.items()):
        print(f"{name:16} {kind:9} {outcome:8} {count:5}")
    failed = sum(1 for _, text in results if text is not None)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
