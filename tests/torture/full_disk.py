#!/usr/bin/env python3
"""Fills disks (tmpfs with a limit of bytes, or of files) at full push rate, and looks that nothing is lost.

    full_disk.py [--seconds N] [--seed N] [NAME ...]

Every scenario keeps a ledger of what was acknowledged. While the disk is full pushes must get 503 with Retry-After, queries
must find every line of the ledger once, and /ready must say 503; room that appears must be used without a restart; a
server that is killed on the full disk must start on it. A full index is the same, but /ready is not asked, and it takes a
restart with a larger one. Where storage.min_free_bytes or max_bytes is set the disk must never fill: the oldest days go, in
their order and whole, and nothing else. Without --seconds each scenario runs once (less than a minute), else they go on with
other seeds.

The last line is "N passed, N failed"; where no tmpfs can be mounted the scenarios are skipped.
"""
import argparse
import datetime
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server  # noqa: E402

MIB = 1 << 20
DAY = 86_400 * 10**9
BASE = 1_772_323_200 * 10**9  # 2026-03-01
PUSHERS = 4
SMALL = ["--wal.file_size=256KB", "--wal.size_target=2MB", "--ingester.chunk_target_size=256KB", "--ingester.memory_target=4MB",
         "--ingester.memory_max=16MB", "--compactor.compaction_interval=200ms",
         "--limits.max_query_length=0s"]


class Broken(Exception):
    """Something that must hold did not."""


def expect(condition, text):
    if not condition:
        raise Broken(text)


class Disk:
    """A tmpfs with a limit, and ballast that can be taken off it."""

    def __init__(self, options):
        self.directory = tempfile.mkdtemp(prefix="skald-disk-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.directory], capture_output=True, check=False)
        if done.returncode:
            os.rmdir(self.directory)
            raise OSError(done.stderr.decode())

    def close(self):
        subprocess.run(["umount", "-l", self.directory], check=False)
        os.rmdir(self.directory)

    def free(self):
        v = os.statvfs(self.directory)
        return v.f_bavail * v.f_frsize

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.directory], check=True)

    def add_ballast(self, size):
        with open(os.path.join(self.directory, "ballast"), "wb") as f:
            f.write(b"\0" * size)

    def add_files(self, count):
        os.mkdir(os.path.join(self.directory, "files"))
        for i in range(count):
            with open(os.path.join(self.directory, "files", str(i)), "wb"):
                pass

    def remove_ballast(self):
        shutil.rmtree(os.path.join(self.directory, "files"), ignore_errors=True)
        if os.path.exists(os.path.join(self.directory, "ballast")):
            os.remove(os.path.join(self.directory, "ballast"))


class Load:
    """Pushers at full rate, each with its own streams, and what they were told."""

    def __init__(self, server, chance, when=None, tenants=1):
        self.server, self.when, self.tenants = server, when or (lambda n: BASE + n), tenants
        self.lock = threading.Lock()
        self.next = 0
        self.acknowledged = {}  # ns -> line
        self.late = set()  # of the former, what was overtaken by days: its own may have been dropped before it came
        self.tried = {}
        self.texts = {}
        self.refused = self.bytes = 0
        self.stop = threading.Event()
        self.errors = []
        self.seeds = [chance.getrandbits(64) for _ in range(PUSHERS)]
        self.threads = []

    def start(self):
        self.stop.clear()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(PUSHERS)]
        for t in self.threads:
            t.start()
        return self

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join(60)
        if self.errors:
            raise Broken(self.errors[0])

    def batch(self, chance):
        with self.lock:
            first, self.next = self.next, self.next + 20
        return {self.when(n): f"{n} " + chance.randbytes(600).hex() for n in range(first, first + 20)}

    def push(self, connection, i, lines):
        body = json.dumps({"streams": [{"stream": {"job": "full", "pusher": str(i)},
                                        "values": [[str(ns), line] for ns, line in lines.items()]}]})
        connection.request("POST", "/loki/api/v1/push", body=body, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def run(self, i):
        chance = random.Random(self.seeds[i])
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        while not self.stop.is_set():
            lines = self.batch(chance)
            with self.lock:
                self.tried.update(lines)
            try:
                status, headers, text = self.push(connection, i, lines)
            except (OSError, http.client.HTTPException) as e:
                if not self.stop.is_set():
                    self.errors.append(f"a push got no answer: {e!r}")
                return
            with self.lock:
                if status == 204:
                    self.acknowledged.update(lines)
                    self.bytes += len(str(lines))
                    if self.when(self.next) > max(lines) + 2 * DAY:
                        self.late.update(lines)
                else:
                    self.refused += 1
                    self.texts[text.strip()] = self.texts.get(text.strip(), 0) + 1
            if status not in (204, 503):
                self.errors.append(f"a push got {status}: {text}")
                return
            if status == 503:
                if "Retry-After" not in headers:
                    self.errors.append("503 without Retry-After")
                    return
                time.sleep(0.002)

    def wait(self, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not what():
            if self.errors:
                raise Broken(self.errors[0])
            expect(time.monotonic() < deadline, f"it did not happen: {len(self.acknowledged)} acknowledged, {self.refused} refused, "
                   f"{self.texts}, ready: {self.server.get('/ready')}")
            time.sleep(0.01)

    def wait_until_full(self):
        """Refused for a while, and not just once."""
        self.wait(lambda: self.refused >= 100 and self.server.get("/ready")[0] == 503)

    def check(self, start=BASE - 400 * DAY, end=BASE + 400 * DAY, kept=lambda ns: True):
        """What was acknowledged is there once if it is `kept`, else it is gone; and nothing that was not pushed."""
        with self.lock:
            wanted, tried = dict(self.acknowledged), dict(self.tried)
        found = {}
        for ns, line in self.server.entries('{job="full"}', start, end, batch=1000):
            expect(ns not in found, f"the entry at {ns} is there twice")
            found[ns] = line
        with self.lock:
            tried = dict(self.tried)
        lost = [ns for ns, line in wanted.items() if kept(ns) and found.get(ns) != line]
        expect(not lost, f"{len(lost)} of {len(wanted)} acknowledged lines are missing, the first {wanted[lost[0]][:20] if lost else ''}")
        strange = [ns for ns, line in found.items() if tried.get(ns) != line]
        expect(not strange, f"{len(strange)} lines were never pushed")
        back = [ns for ns in found if not kept(ns) and ns not in self.late]
        expect(not back, f"{len(back)} lines are there that were dropped, the first {found[back[0]][:20] if back else ''}")
        return len(wanted)

    def push_one(self):
        """One push works, in the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        chance, deadline = random.Random(self.next), time.monotonic() + 30
        while True:
            lines = self.batch(chance)
            self.tried.update(lines)
            status, _, text = self.push(connection, 0, lines)
            if status == 204:
                self.acknowledged.update(lines)
                return
            expect(time.monotonic() < deadline, f"room is not used: {status} {text}")
            time.sleep(0.1)


class Bench:
    """A server on a disk, with its log elsewhere."""

    def __init__(self, options, flags):
        self.disk = Disk(options)
        self.server = Server(directory=self.disk.directory, flags=flags)
        self.server.log_path = tempfile.mktemp(prefix="skald-log-")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.server.kill()
        if kind is not None and os.path.exists(self.server.log_path):
            print("\n".join(self.server.log().splitlines()[-15:]))
        if os.path.exists(self.server.log_path):
            os.remove(self.server.log_path)
        self.disk.close()

    def restart(self):
        self.server.kill()
        self.server.start()


def fill_and_recover(bench, load):
    """The disk of `bench` fills, is told so, loses nothing, and uses the room that comes."""
    server, disk = bench.server, bench.disk
    load.start()
    load.wait_until_full()
    load.check()  # at full rate
    load.end()
    load.check()
    bench.restart()  # kill -9
    load.check()
    status, _, text = server.request("POST", "/flush")
    expect(status in (204, 500, 503), f"/flush: {status} {text}")
    load.start()
    load.wait(lambda: load.refused >= 200)
    load.end()
    load.check()
    disk.remove_ballast()
    load.push_one()
    load.wait(lambda: server.get("/ready")[0] == 200)
    server.flush()
    count = load.check()
    bench.restart()
    load.check()
    load.push_one()
    expect(server.stop() == 0, "it does not stop in order")
    return f"{count} lines, {load.refused} pushes refused"


def full_bytes(chance):
    """A limit of bytes."""
    with Bench(f"size={chance.randrange(14, 22)}m", SMALL) as bench:
        bench.disk.add_ballast(chance.randrange(3, 5) * MIB)
        bench.server.start()
        return fill_and_recover(bench, Load(bench.server, chance))


def no_room_to_merge(chance):
    """A day whose chunks do not fit a second time waits for room to be merged, and takes none from pushes and flushes. One that is
    smaller does not wait for it."""
    with Bench("size=14m", SMALL + ["--compactor.compaction_interval=0s"]) as bench:
        server, disk = bench.server.start(), bench.disk
        load = Load(server, chance, when=lambda n: BASE + n + (DAY if n >= 15000 else 0))
        while stored(server, ["segments"]) < 9 * MIB or load.next < 15200:
            for _ in range(20):
                load.push_one()
            server.flush()
        before = stored(server, ["segments"])
        expect(server.stop() == 0, "it does not stop in order")
        server.flags = SMALL
        server.start()
        load.wait(lambda: server.metric("skald_merge_failures_total") >= 5 and server.metric("skald_merge_days_pending") == 1)
        load.push_one()
        server.flush()
        load.check()
        now = stored(server, ["segments"])
        expect(before < now < before + MIB // 2, f"{before} bytes were stored, and {now} are")
        disk.resize(40 * MIB)
        load.wait(lambda: server.metric("skald_merge_days_pending") == 0)
        expect(server.metric("skald_merges_total") > 0, "nothing was merged")
        count = load.check()
        expect(server.stop() == 0, "it does not stop in order")
        return f"{count} lines, {before / MIB:.1f} MB unmerged"


def full_files(chance):
    """A limit of files: every day needs one, and so does every file of the log."""
    with Bench("size=256m,nr_inodes=120", SMALL) as bench:
        bench.disk.add_files(chance.randrange(40, 70))
        bench.server.start()
        return fill_and_recover(bench, Load(bench.server, chance, when=lambda n: BASE + n // 200 * DAY + n))


def full_index(chance):
    """A limit of the index: pushes are refused when memory is full, and a larger one takes all."""
    flags = SMALL + ["--ingester.memory_max=4MB", "--ingester.memory_target=1MB"]
    with Bench("size=512m", flags + ["--storage.index_max_bytes=1MB"]) as bench:
        server = bench.server.start()
        load = Load(server, chance)
        plain = load.push
        load.push = lambda connection, i, lines: plain(connection, f"{i}-{min(lines)}-" + "x" * 1000, lines)
        load.start()
        load.wait(lambda: load.refused >= 100, seconds=120)
        load.end()
        count = load.check()
        expect(server.metric("skald_flush_failing") == 1, "flushing does not fail")
        bench.restart()
        load.check()
        server.kill()
        server.flags = flags
        server.start()
        load.push_one()
        server.flush()
        load.check()
        expect(server.stop() == 0, "it does not stop in order")
        return f"{count} lines, {load.refused} pushes refused"


def watch(disk, stop, least):
    while not stop.is_set():
        least[0] = min(least[0], disk.free())
        time.sleep(0.002)


def dropped_days(server):
    """The days that the server has dropped for want of room, each once, in order; in ns."""
    names = re.findall(r'msg="dropped a day" day=(\S+) tenant=all why=space', server.log())
    return [(datetime.date.fromisoformat(name) - datetime.date(1970, 1, 1)).days * DAY for name in dict.fromkeys(names)]


def stored(server, folders=("segments", "wal")):
    """The bytes of segments and log. The file of the index does not shrink, and what is free in it does not count."""
    try:
        return sum(f.stat().st_size for folder in folders for f in os.scandir(os.path.join(server.data, folder)))
    except FileNotFoundError:  # one goes just now
        return sys.maxsize


def exceeds(server, data_max):
    """Does the server say that it uses more, and not that no day is left to be dropped?"""
    text = server.get("/metrics")[1]
    used, full = (float(re.search(f"^{name} (.*)$", text, re.MULTILINE)[1]) for name in ("skald_data_bytes", "skald_store_full"))
    return used > data_max and not full


def never_full(chance, limit, size, data_max, free_min=0):
    """Days go by while the pushers push: the oldest are dropped, the disk never fills, what is newer is whole; and when the
    pushers rest no more than `data_max` bytes are used and `free_min` are free.
    """
    with Bench(f"size={size}m", SMALL + [limit]) as bench:
        server = bench.server.start()
        day = chance.randrange(1500, 2500)  # lines of a day, 2 to 3 MB
        load = Load(server, chance, when=lambda n: BASE + n // day * DAY + n % day)
        stop, least = threading.Event(), [size * MIB]
        watcher = threading.Thread(target=watch, args=(bench.disk, stop, least), daemon=True)
        watcher.start()
        load.start()
        end, before = time.monotonic() + 6, 0
        while time.monotonic() < end or (len(dropped_days(server)) <= before and time.monotonic() < end + 60):
            load.wait(lambda: True)
            exceeded = exceeds(server, data_max)
            time.sleep(0.05)
            expect(not exceeded or not exceeds(server, data_max), "more than the limit is used")  # it says one, then the other
            if time.monotonic() < end and chance.random() < 0.02:
                load.end()
                bench.restart()
                load.start()
                before = len(dropped_days(server))  # one more has to be, it may not have told of the last
        load.end()
        stop.set()
        watcher.join()
        expect("no space left on the disk" not in load.texts, f"the disk was full: {load.texts}")
        expect(least[0] > 0, "the disk was full for a moment")
        load.wait(lambda: server.metric("skald_store_full") == 0)
        load.push_one()
        load.wait(lambda: stored(server) <= data_max and bench.disk.free() >= free_min)
        expect(server.stop(60) == 0, "it does not stop in order")
        server.flags = SMALL  # nothing is dropped any more
        server.start()
        days = dropped_days(server)
        expect(len(days) > before, "no day was dropped")
        expect(days == sorted(days), f"a day was dropped before an older one: {[(ns - BASE) // DAY for ns in days]}")
        load.check(kept=lambda ns: ns >= days[-1] + DAY)
        return (f"{load.bytes / MIB:.0f} MB pushed, {len(days)} days dropped, {load.refused} pushes refused, "
                f"{least[0] / MIB:.1f} of {size} MB free at least")


def min_free(chance):
    """storage.min_free_bytes"""
    return never_full(chance, "--storage.min_free_bytes=14MB", 40, 40 * MIB, 14 * MIB)


def max_bytes(chance):
    """storage.max_bytes"""
    return never_full(chance, "--storage.max_bytes=20MB", 36, 20 * MIB)


SCENARIOS = [full_bytes, no_room_to_merge, full_files, full_index, min_free, max_bytes]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=0)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    arguments.add_argument("names", nargs="*")
    options = arguments.parse_args()
    unknown = set(options.names) - {scenario.__name__ for scenario in SCENARIOS}
    if unknown:
        arguments.error(f"no scenario is called {' '.join(unknown)}")
    passed = failed = 0
    try:
        Disk("size=1m").close()
    except OSError as e:
        print(f"skipped: no tmpfs can be mounted here ({e})")
        print("0 passed, 0 failed")
        return 0
    begin, seed = time.monotonic(), options.seed
    while True:
        for scenario in SCENARIOS:
            if options.names and scenario.__name__ not in options.names:
                continue
            began = time.monotonic()
            try:
                text = scenario(random.Random(f"{scenario.__name__} {seed}"))
                passed += 1
                print(f"ok   {scenario.__name__}: {text}, {time.monotonic() - began:.1f} s", flush=True)
            except (Broken, AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as e:
                failed += 1
                print(f"FAIL {scenario.__name__}: {e}\n     again: {sys.argv[0]} --seed={seed} {scenario.__name__}", flush=True)
        seed += 1
        if time.monotonic() - begin >= options.seconds:
            break
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
