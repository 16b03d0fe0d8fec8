#!/usr/bin/env python3
"""Damage to every kind of file: what does a server make of it?

    bit_rot.py [--flips N] [--jobs N] [--seed N] [--case N]

A data directory is made that has one of everything: segments of several days, tenants and ages (version 1 of the chunk
format too), merged chunks of several blocks, lines that are only in the log, delete requests. Then, on a copy of it, one
file is damaged: a byte changed, bytes zeroed, the end cut off, the file exchanged with another one of its kind, replaced by
an older copy, or removed. `skald verify` looks at it, then a server starts and everything is asked for. Every kind of damage
comes once to every kind of file that it can come to, then what chance says. Each time:

  - nothing crashes or hangs, and no line comes that was never pushed or was deleted, nor one twice
  - no line is missing but those of the blocks and log records that have a damaged byte, and of chunks with more than one in
    their head; so a changed byte costs a block at most, or one push in the log, and damage of the index nothing
  - each answer that lacks lines has a warning, /metrics counts it, and verify has named file, offset and stream
  - only delete requests with both copies damaged keep a server from starting, and it says so; a changed byte does not
  - with damaged segments put back from a copy, and the index made again, nothing is missing: the start has destroyed nothing

Two things nobody can know of: that log files or delete requests are gone, old or exchanged, and damage that reaches the last
record of the newest log file, for a crash leaves the same of what was never acknowledged.
"""
import argparse
import collections
import glob
import hashlib
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
RANGES = [(0, DAY)] + [(START + day * DAY, START + (day + 1) * DAY) for day in range(4)]
GOLDEN = os.path.join(TOP, "tests", "golden", "chunk-v1-filters.bin")
GOLDEN_APP = "web"
GOLDEN_LINES = "abc2acb2696bb9c922077fab7c93ee331709af71ecf332bf7f31b103596637a1"  # SHA-256 of its times and lines
# Nothing happens by itself while a case is looked at.
COMMON = ["--auth_enabled=true", "--limits.max_entries_limit_per_query=100000", "--ingester.chunk_idle_period=1h",
          "--ingester.max_chunk_age=2h", "--ingester.chunk_block_size=4KB", "--wal.file_size=64KB"]
QUIET = COMMON + ["--compactor.compaction_interval=1h"]
BUSY = COMMON + ["--compactor.compaction_interval=20ms"]
WAL_HEADER_BYTES = 40
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


def ask(server):
    """{(tenant, range): every line in it as a Counter of (tenant, app, time, line), and whether the answer had a warning}"""
    answers = {}
    for tenant in TENANTS:
        for start, end in RANGES:
            status, _, body = server.request(
                "GET", "/loki/api/v1/query_range", headers={"X-Scope-OrgID": tenant}, timeout=WAIT_SECONDS,
                params={"query": '{app=~".+"}', "start": start, "end": end, "limit": 100000, "direction": "forward"})
            assert status == 200, (status, body)
            answer = json.loads(body)
            answers[tenant, start] = (collections.Counter((tenant, s["stream"]["app"], int(ns), line)
                                                          for s in answer["data"]["result"] for ns, line in s["values"]),
                                      bool(answer.get("warnings")))
    return answers


# Bytes of a file that hold lines: a block, a record of the log, or the head of a chunk, which all its blocks need. `offset`
# is where verify says that the damage is.
Place = collections.namedtuple("Place", "begin end offset is_head app lines")


def number(data, at, size=4):
    return int.from_bytes(data[at:at + size], "little")


def segment_places(data, lines):
    """See docs/format/segment.md and chunk.md. `lines` are all there are."""
    places, at = [], number(data, 10, 2)
    tenant = data[64:64 + number(data, 36, 2)].decode()
    while at < len(data):
        head = data[at:at + number(data, at + 12)]
        label = head.index(b"\x03app") + 4
        app = head[label + 1:label + 1 + head[label]].decode()
        of_chunk = {line for line in lines if line[:2] == (tenant, app)}
        for row in range(len(head) - 104 * number(head, 20), len(head), 104):
            begin, last = number(head, row + 24), number(head, row + 72) + number(head, row + 76)
            of_block = {line for line in of_chunk if number(head, row + 8, 8) <= line[2] <= number(head, row + 16, 8)}
            assert len(of_block) <= number(head, row), (tenant, app, len(of_block))
            places.append(Place(at + begin, at + last, at, False, app, of_block))
            places.append(Place(at, at + len(head), at, True, app, of_block))
        at += number(head, 8)
    return places


def wal_places(data, pushes):
    """See docs/format/wal.md. `pushes` are the lines of each record, of which it takes those that are its own."""
    places, at = [], WAL_HEADER_BYTES
    while at < len(data):
        end = at + 28 + number(data, at)
        lines = pushes.pop(0)
        places.append(Place(at, end, at, False, None, lines if "log" in {line[1] for line in lines} else set()))
        at = end
    return places


class Base:
    """The sound directory, an older copy of it, and all of its lines."""

    def __init__(self, directory):
        self.server = Server(directory=os.path.join(directory, "base"), flags=BUSY)
        self.data = self.server.data
        self.older = os.path.join(directory, "older")
        os.makedirs(self.server.directory)
        self.pushes, self.deleted = [], set()
        self.fill(self.server)
        answers = ask(self.server)
        self.server.kill()
        golden = {line for lines, _ in answers.values() for line in lines if line[1] == GOLDEN_APP}
        text = "".join(f"{ns} {line}\n" for _, _, ns, line in sorted(golden))
        assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN_LINES, text
        lines = golden.union(*self.pushes) - self.deleted
        self.answers = {(tenant, start): (collections.Counter(line for line in lines if line[0] == tenant and
                                                              start <= line[2] < end), False)
                        for tenant in TENANTS for start, end in RANGES}
        assert answers == self.answers, "not what was pushed"
        status, out, _ = skald("verify", self.data)
        assert status == 0 and b"note: " not in out, out
        self.files = sorted(os.path.relpath(p, self.data) for p in glob.glob(self.data + "/**", recursive=True)
                            if os.path.isfile(p))
        self.find_places(lines)

    def find_places(self, lines):
        """Where in which file lines are that only it has."""
        contents = {name: bytes(read(os.path.join(self.data, name))) for name in self.files}
        self.places = {name: segment_places(data, lines) for name, data in contents.items() if name.startswith("segments")}
        assert any(contents[name].endswith(golden_segment()[72:]) for name in self.places), "no chunk of version 1"
        assert set().union(*(p.lines for places in self.places.values() for p in places)) == {
            line for line in lines if line[1] != "log"}
        logs = [name for name in self.files if name.startswith("wal")]
        records = sum(len(wal_places(contents[name], [set()] * 100)) for name in logs)
        pushes = self.pushes[-records:]
        self.places.update((name, wal_places(contents[name], pushes)) for name in logs)
        self.newest = logs[-1]
        assert all(any(p.lines for p in self.places[name]) for name in logs) and len(logs) > 1, self.files

    def push(self, tenant, app, day, begin, count):
        lines = [(START + day * DAY + n * 10**10, f"{tenant} {app} day={day} n={n} {'x' * (n * 7919 % 150)} end={n}")
                 for n in range(begin, begin + count)]
        status, text = self.server.push([({"app": app}, lines)], headers={"X-Scope-OrgID": tenant})
        assert status == 204, (status, text)
        self.pushes.append({(tenant, app, *line) for line in lines})

    def delete(self, tenant, app, part):
        status, _, text = self.server.request("POST", "/loki/api/v1/delete", headers={"X-Scope-OrgID": tenant}, params={
            "query": f'{{app="{app}"}} |= "{part}"', "start": START // 10**9, "end": (START + 4 * DAY) // 10**9})
        assert status == 204, text
        self.deleted |= {line for line in set().union(*self.pushes) if line[:2] == (tenant, app) and part in line[3]}

    def fill(self, server):
        server.start()
        for part in range(4):  # small chunks, which are merged
            self.push("fake", "merged", 0, part * 100, 100)
            self.push("fake", "other", 0, part * 20, 20)
            server.flush()
        server.merge()
        assert server.metric("skald_merges_total") > 0, "nothing was merged"
        server.kill()
        write(self.data + "/segments/1970-01-01-0000000000000f00.seg", golden_segment())
        server.flags = QUIET
        server.start()
        assert server.metric("skald_index_rebuilt") == 1  # it did not know that segment
        self.push("fake", "two-days", 0, 0, 60)
        self.push("fake", "two-days", 1, 0, 60)
        self.push("other", "one", 1, 0, 200)
        self.push("fake", "gone", 1, 0, 50)
        server.flush()
        self.delete("fake", "gone", "day=1")
        server.kill()
        shutil.rmtree(self.data + "/index.damaged-1")
        shutil.copytree(self.data, self.older)
        server.start()
        self.push("other", "one", 1, 200, 200)
        self.push("fake", "many", 2, 0, 300)
        self.push("fake", "gone", 1, 60, 50)  # after the request: it stays
        server.flush()
        self.delete("other", "one", "end=7")
        for part in range(6):
            self.push("fake", "log", 2, part * 30, 30)
            self.push("other", "log", 2, part * 30, 30)
            if part == 3:
                shutil.copytree(self.data + "/wal", self.older + "/wal", dirs_exist_ok=True)


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
CELLS = [(file, kind) for file, _ in FILES for kind, _ in KINDS if kind is not swap or file in ("segments", "wal")]


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
            self.kind = self.chance.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
            if self.number < len(CELLS):
                start, self.kind = CELLS[self.number]
            self.name = self.chance.choice([n for n in self.base.files if n.startswith(start) or
                                            (start == "lock" and "lock" in n)])
            done = self.kind(self.base, self.chance, self.data, self.name)
        self.what = f"{self.name}: {self.kind.__name__}: {done}"
        self.changed = {name: span for name in self.base.files if (span := self.span(name)) is not None}

    def span(self, name):
        """The first byte of the file that is not as it was, and the one behind the last; None: all are."""
        path = os.path.join(self.data, name)
        old, new = bytes(read(os.path.join(self.base.data, name))), bytes(read(path)) if os.path.exists(path) else b""
        if old == new:
            return None
        same = len(os.path.commonprefix([old[::-1], new[::-1]])) if len(old) == len(new) else 0
        return len(os.path.commonprefix([old, new])), len(old) - same

    def damaged(self):
        """[(name, place)] of what may be lost. A single byte of a head is mended, or one of the header of a log file."""
        found = []
        for name, (first, last) in self.changed.items():
            is_unreadable = name.startswith("wal/") and first < WAL_HEADER_BYTES < last  # the salt is in both
            found += [(name, p) for p in self.base.places.get(name, []) if is_unreadable or (
                p.begin < last and first < p.end and (last - first > 1 or not p.is_head))]
        return found

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
        answers = ask(server)
        self.expect(server.process.poll() is None, "the server has ended")
        self.compare(answers, server)
        if self.name.startswith("segments") and self.number % RESTORE_EVERY == 0:
            server.kill()
            self.restore(server)

    def restore(self, server):
        """The damaged files are put back from a copy: with the index made again nothing is missing."""
        for name in re.findall(r"segments/[^: ]*seg", self.what):
            shutil.copyfile(os.path.join(self.base.data, name), os.path.join(self.data, name))
        status, out, err = skald("rebuild-index", self.data, timeout=WAIT_SECONDS)
        self.expect(status == 0, f"rebuild-index ended with {status}: {out} {err}")
        self.expect(ask(server.start()) == self.base.answers, "restored: not what was there, or a warning")
        status, out, _ = skald("verify", "--force", self.data, timeout=WAIT_SECONDS)
        self.expect(status == 0, f"restored: {out}")

    def refused(self, server):
        """Only when both copies of the delete requests are damaged: deleted lines must not come back."""
        self.outcome = "refused"
        self.expect(self.kind is not flip, "a changed byte keeps the server from starting")
        self.expect(server.process.returncode == 1, f"the server ended with {server.process.returncode}")
        self.expect(self.name == "deletes" and "deletes" in server.log() and not self.sound, server.log()[-600:])

    def compare(self, answers, server):
        lost, silent, extra = set(), set(), collections.Counter()
        for key, (lines, warned) in answers.items():
            want, _ = self.base.answers[key]
            extra += lines - want
            lost |= set(want - lines)
            silent |= set() if warned else set(want - lines)
        self.outcome = "whole" if not lost else "silent" if silent else "warned"
        if self.name == "deletes" and self.kind in (missing, older):
            extra -= collections.Counter(self.base.deleted)  # nobody can know what was asked for
        self.expect(not extra, f"lines that should not be there: {list(extra.items())[:3]}")
        damaged = self.damaged()
        strange = lost.difference(*(p.lines for _, p in damaged))
        self.expect(not strange, f"{len(strange)} of {len(lost)} missing lines were not where the damage is: {list(strange)[:3]}")
        self.expect(not silent or self.cannot_be_known(), f"{len(silent)} lines are missing without a warning")
        if lost - silent:
            counted = sum(server.metric(f"skald_{m}") for m in ("corrupt_blocks_total", "wal_damaged_files"))
            self.expect(counted > 0, "/metrics counts nothing")
            self.expect(not self.sound, "verify finds no problem")
            self.check_named(damaged, lost - silent)
        self.check_noticed(server.metric("skald_index_rebuilt") == 1, any(warned for _, warned in answers.values()))

    def says(self, pattern):
        return re.search(pattern, self.verify_says) is not None

    def check_named(self, damaged, lost):
        """verify names file, offset and stream. The log does not tell streams; what is damaged on end it says once."""
        for name, p in [(name, p) for name, p in damaged if p.lines & lost]:
            if self.kind is missing:
                pattern = f"{name}: the file is missing"
            elif name.startswith("segments"):
                pattern = f'{name}: offset {p.offset}: stream {{[^}}]*app="{p.app}"'
            elif self.kind is swap:
                pattern = f"{name}: offset [0-9]"
            else:
                pattern = f"{name}: offset (0|{min(q.offset for n, q in damaged if n == name)}): "
            self.expect(self.says(pattern), f"verify does not say {pattern}")

    def check_noticed(self, rebuilt, warned):
        """What costs no line is noticed, too. Of the index nobody looks at what is free, and its last pages may be."""
        if self.kind is flip and self.name in self.base.places:
            offsets = [int(at) for at in re.findall(f"{self.name}: offset ([0-9]+): ", self.verify_says)]
            self.expect(any(at <= self.changed[self.name][0] for at in offsets), "verify does not name the file and an offset")
        elif self.name == "deletes" and self.kind in (flip, zero, truncate):
            self.expect(not self.sound and self.says("deletes: .*copy is damaged"), "verify does not name the copy")
        elif self.name == "index/data.mdb":
            self.expect(rebuilt != self.sound, f"verify and the start do not agree about the index: {rebuilt}, {self.sound}")
            self.expect(rebuilt or self.kind in (flip, zero, truncate), "the index was not made again")
        elif "lock" in self.name:
            self.expect(self.sound and not rebuilt, "there is no damage")
        self.expect(not warned or self.name in self.base.places, "a warning, and no line can be missing")

    def cannot_be_known(self):
        """Log files are gone, or cut where a record ends: no other file tells. Or the end of the newest looks torn."""
        places = self.base.places[self.name]
        first, last = self.changed[self.name]
        return self.name.startswith("wal/") and (self.kind in (missing, older, swap) or
                                                 (self.kind is truncate and first in {p.begin for p in places}) or
                                                 (self.name == self.base.newest and last > places[-1].begin))


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
    return 1 if failed or not results else 0  # nothing tried is no success


if __name__ == "__main__":
    sys.exit(main())
