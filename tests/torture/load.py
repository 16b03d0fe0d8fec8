#!/usr/bin/env python3
"""Fifty pushing and twenty asking clients, some of them rude, and restarts in between; then compare with the ledger.

    load.py [--seconds N] [--seed N]

Four of those that push have lines of their own to lose: two delete some of them again and again, and take some requests back; two
push what is soon older than its streams are kept. Gone must be what should be, and nothing else.

Half of the time the server is killed (kill -9) or stopped (SIGTERM) again and again; the other half it lives. In a life of a minute
or more its memory must stay what it is, and when all have gone its descriptors must be those of its start, but for segments and the
log file that it keeps open. Every line that was acknowledged must be answered exactly once, with its text; of a line that was
not, no more than one copy; of a request that was left in the middle, nothing. An answer has one of the documented statuses, a
503 has Retry-After, the log has no error, SIGTERM ends the process within ten seconds with status 0, and nothing else ends it
but a kill. At least so much must have happened as LEAST says.

The ledger keeps numbers, not lines: what a line says follows from its client, stream and number.
"""
import argparse
import asyncio
import collections
import contextlib
import gzip
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import time
import traceback
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import wire  # noqa: E402
from server import BINARY, Server, skald  # noqa: E402

SANITIZED = "san-" in BINARY
# Small, so that flushes, merges, new log files and removals of old ones happen all the time.
MAX_OPEN_SEGMENTS = 8
CANCEL_SECONDS = 5
FLAGS = ["--wal.file_size=256KB", "--wal.size_target=2MB", "--ingester.chunk_target_size=64KB", "--ingester.memory_target=4MB",
         "--ingester.chunk_idle_period=5s", "--storage.segment_max_bytes=16MB", "--compactor.compaction_interval=100ms",
         f"--storage.max_open_segments={MAX_OPEN_SEGMENTS}", "--limits.max_entries_limit_per_query=100000", "--limits.max_query_length=0s",
         "--limits.query_timeout=20s", f"--compactor.delete_request_cancel_period={CANCEL_SECONDS}s", "--server.graceful_shutdown_timeout=5s",
         '--limits.retention_stream={job="short"} 1 20s; {job="longer"} 1 60s']
PERIODS = {"short": 20 * 10**9, "longer": 60 * 10**9, "kept": None}  # as the flags say
# 2026-02-28T23:55:00Z: the lines of a short run go over the end of a day. No line is at a whole hour, where the last one of a
# stream is not found (docs/api.md).
START = 1_772_322_900_001_000_000
STEP = 250_000_000  # between the lines of a stream
STREAMS = 2  # of each client
PAGE = 50_000  # lines, when everything is compared
REQUEST_SECONDS = 120 if SANITIZED else 60
STOP_SECONDS = 40 if SANITIZED else 10  # a slow reader may have the graceful time, and workers and a flush a second each
# What must have happened while the clients ran: once, and so often a second besides. Each client goes on until it has done what
# it is for, so that once is sure in a run of any length.
LEAST = {"lines acknowledged": 100, "lines to be deleted acknowledged": 0.1, "lines that age acknowledged": 0.1, "queries answered": 0.1,
         "lines compared while running": 0.1, "lines compared among deleted ones": 0.1, "lines compared among ageing ones": 0.01,
         "delete requests": 0.01, "pushes left in the middle": 0.01, "large answers read slowly": 0.01, "answers left in the middle": 0.01,
         "queries cancelled": 0.01, "kills": 0.001, "stops": 0.001}


class Ledger:
    """What became of the lines of a stream: all below `next` were sent, and acknowledged, save those of `unsure`."""

    def __init__(self, client, stream, job="load"):
        self.client = client
        self.stream = stream
        self.job = job
        self.next = 0
        self.unsure = []  # [first, behind the last), in order
        self.selector = f'{{job="{job}", client="{client}", stream="{stream}"}}'

    def line(self, n):
        return f"level=info client={self.client} stream={self.stream} n={n} {'x' * ((n * 7919 + self.stream) % 200)} end={n}"

    def ns(self, n):
        return START + n * STEP + self.stream

    def give_up(self, first, behind):
        if self.unsure and self.unsure[-1][1] == first:
            self.unsure[-1][1] = behind
        else:
            self.unsure.append([first, behind])

    def is_sure(self, first, behind):
        return behind <= self.next and all(b <= first or a >= behind for a, b in self.unsure)


class World:
    """The server, what is expected of it, and what it did."""

    def __init__(self, arguments):
        self.random = random.Random(arguments.seed)
        self.server = Server(flags=FLAGS, env={"SKALD_LOG": "info"})
        self.generation = 0  # counts deaths
        self.is_up = asyncio.Event()
        self.end = asyncio.Event()
        self.ledgers = []
        self.statuses = collections.Counter()
        self.counts = collections.Counter()
        self.problems = []

    @property
    def stopping(self):
        return self.end.is_set()

    async def rest(self, shortest, longest):
        """Sleep, but not beyond the end."""
        try:
            await asyncio.wait_for(self.end.wait(), self.random.uniform(shortest, longest))
        except asyncio.TimeoutError:
            pass

    def problem(self, text):
        if len(self.problems) < 20:
            self.problems.append(text)
            print(f"FAILED: {text}", flush=True)

    def note(self, kind, status, headers):
        """Count a status, and complain about one that is not documented."""
        self.statuses[kind, status] += 1
        # /ready says 503 when the log has failed or there is no room, which is never here; /flush when too many wait for one
        good = {"push": (204, 429, 503), "query": (200, 429, 503, 504), "admin": (200,), "flush": (204, 503),
                "delete": (200, 204, 429, 503), "cancel": (204, 400, 404, 503)}[kind]
        if status not in good:
            self.problem(f"{kind}: status {status}")
        if status == 503 and "retry-after" not in headers:
            self.problem(f"{kind}: 503 without Retry-After")


class Broken(Exception):
    """The connection ended before the answer."""


class Connection:
    """HTTP/1.1 over one socket, as much of it as is needed."""

    def __init__(self, world, receive_bytes=1 << 20):
        self.world = world
        self.receive_bytes = receive_bytes  # that are taken before somebody reads them, about, here and in the kernel
        self.reader = self.writer = None
        self.generation = 0  # of the server it leads to

    async def open(self):
        await self.world.is_up.wait()
        self.generation = self.world.generation
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        await asyncio.get_running_loop().sock_connect(s, ("127.0.0.1", self.world.server.port))
        self.reader, self.writer = await asyncio.open_connection(sock=s, limit=self.receive_bytes)

    def close(self, reset=False):
        if self.writer is None:
            return
        if reset:
            with contextlib.suppress(OSError):  # it is closed already: the server has died
                self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort() if reset else self.writer.close()
        self.reader = self.writer = None

    async def send(self, method, target, body=b"", headers=()):
        if self.generation != self.world.generation:
            self.close()
        if self.writer is None:
            await self.open()
        lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()

    async def head(self):
        """(status, headers); interim answers are left out."""
        while True:
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = int(text[9:12])
            if status != 100:
                pairs = (line.split(": ", 1) for line in text.split("\r\n")[1:] if line)
                return status, {name.lower(): value for name, value in pairs}

    async def answer(self):
        status, headers = await self.head()
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return status, headers, body

    async def guard(self, steps):
        """Run a coroutine that speaks over this connection; Broken if it ended, which only a death of the server excuses."""
        try:
            return await asyncio.wait_for(steps, REQUEST_SECONDS)
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, OSError) as error:
            self.close()
            await asyncio.sleep(0.2)
            if self.generation == self.world.generation:
                self.world.problem(f"a connection ended without a reason, or no answer came in time: {error!r}")
            raise Broken from error

    async def request(self, kind, method, target, body=b"", headers=()):
        async def steps():
            await self.send(method, target, body, headers)
            return await self.answer()
        status, answer_headers, text = await self.guard(steps())
        self.world.note(kind, status, answer_headers)
        return status, text

    async def insist(self, *request):
        """(status, text) of a request that is made again until the server does it."""
        deadline = time.monotonic() + 4 * REQUEST_SECONDS
        while time.monotonic() < deadline:
            try:
                status, text = await self.request(*request)
                if status not in (429, 503, 504):
                    return status, text
            except Broken:
                pass
            await asyncio.sleep(0.1)
        raise TimeoutError(f"in vain again and again: {request}")


def target(path, **params):
    return "/loki/api/v1/" + path + ("?" + urllib.parse.urlencode(params) if params else "")


# ---- clients that push ----

class Pusher:
    """Sends numbered lines of its own streams, each batch until it is acknowledged or, now and then, given up."""

    def __init__(self, world, number):
        self.world = world
        self.random = random.Random(world.random.random())
        self.ledgers = self.make_ledgers(number)
        self.connection = Connection(world)
        self.done = False  # what it is for, once
        self.sizes = (5, 100)
        self.pause = (0.2, 1.4)

    def make_ledgers(self, number):
        made = [Ledger(number, stream) for stream in range(STREAMS)]
        self.world.ledgers += made
        return made

    def body(self, batch):
        """(body, headers) of a batch [(ledger, numbers), ...], in one of the forms there are."""
        form = self.random.random()
        if form < 0.5:
            request = [(ledger.selector, [(ledger.ns(n), ledger.line(n).encode()) for n in numbers]) for ledger, numbers in batch]
            return wire.snappy(wire.push_request(request)), ["Content-Type: application/x-protobuf"]
        streams = ",".join(
            '{"stream":{"job":"%s","client":"%s","stream":"%s"},"values":[%s]}' % (
                ledger.job, ledger.client, ledger.stream, ",".join(f'["{ledger.ns(n)}","{ledger.line(n)}"]' for n in numbers)) for ledger, numbers in batch)
        text = f'{{"streams":[{streams}]}}'.encode()
        if form < 0.9:
            return text, ["Content-Type: application/json"]
        return gzip.compress(text, 1), ["Content-Type: application/json", "Content-Encoding: gzip"]

    async def push(self, body, headers):
        status, _ = await self.connection.request("push", "POST", target("push"), body, headers)
        return status == 204

    async def push_batch(self, batch):
        body, headers = self.body(batch)
        tries = 1 if self.random.random() < 0.02 else 1000
        for _ in range(tries):
            try:
                if await self.push(body, headers):
                    return True
            except Broken:
                pass
            if self.world.stopping:
                break
            await asyncio.sleep(0.1)
        return False

    async def run(self):
        while not self.world.stopping or not self.done:
            batch = []
            for ledger in self.ledgers:
                count = self.random.randint(*self.sizes)
                batch.append((ledger, range(ledger.next, ledger.next + count)))
            acknowledged = await self.push_batch(batch)
            self.done |= acknowledged
            for ledger, numbers in batch:
                if not acknowledged:
                    ledger.give_up(numbers.start, numbers.stop)
                ledger.next = numbers.stop
                self.world.counts["lines acknowledged" if acknowledged else "lines given up"] += len(numbers)
            await self.world.rest(*self.pause)
        self.connection.close()


class LargePusher(Pusher):
    """Batches that the server does not decode on a loop."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.sizes = (7000, 8000)
        self.pause = (5, 15)


class StoppingPusher(Pusher):
    """Stops in the middle of a request, by closing or resetting the connection; none of its lines may ever be seen. Then a whole one."""

    async def push(self, body, headers):
        rude, ledger = Connection(self.world), Ledger(self.ledgers[0].client, 0, "half")
        half, half_headers = self.body([(ledger, range(self.random.randint(*self.sizes)))])

        async def steps():
            await rude.open()
            whole = b"\r\n".join([b"POST /loki/api/v1/push HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(half),
                                  *[h.encode() for h in half_headers]]) + b"\r\n\r\n" + half
            rude.writer.write(whole[:self.random.randrange(len(whole))])
            await asyncio.sleep(self.random.uniform(0, 0.5))
            rude.close(reset=self.random.random() < 0.5)
        await rude.guard(steps())
        self.world.counts["pushes left in the middle"] += 1
        return await super().push(body, headers)


class HalfClosedPusher(Pusher):
    """Closes its side behind each request."""

    async def push(self, body, headers):
        connection = Connection(self.world)

        async def steps():
            await connection.send("POST", target("push"), body, headers)
            connection.writer.write_eof()
            return await connection.answer()
        try:
            status, answer_headers, _ = await connection.guard(steps())
        finally:
            connection.close()
        self.world.note("push", status, answer_headers)
        return status == 204


# ---- clients whose lines go again ----

class DeletedLedger(Ledger):
    """A stream of which lines are deleted. What is said of a line is about the copies that were pushed until now."""

    MARKS = 8

    def __init__(self, client, stream):
        super().__init__(client, stream, "delete")
        self.hidden = collections.defaultdict(set)  # number of the line: requests that hide every copy of it
        self.maybe = set()  # lines of which nobody knows whether they are stored

    def mark(self, n):
        return (n * 2654435761 >> 7) % self.MARKS

    def line(self, n):
        return f"mark={self.mark(n)} {super().line(n)}"


class Request:
    """A delete request, as it was asked for."""

    def __init__(self, query, start, end):
        self.query, self.start, self.end = query, start, end
        self.id = None
        self.created = 0  # s
        self.lines = []  # [(ledger, number)] that it hides


def rfc3339(ns):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns % 10**9:09d}Z"


class Deleter(Pusher):
    """Deletes lines of its own streams, pushes some again, and takes requests back as long as that can be done, or by force."""

    def __init__(self, world, number):
        super().__init__(world, number)
        self.number = number
        self.sizes = (5, 60)
        self.asked = 0
        self.requests = []  # that are in force, or processed

    def make_ledgers(self, number):
        return [DeletedLedger(number, stream) for stream in range(STREAMS)]

    async def listed(self):
        _, text = await self.connection.insist("delete", "GET", target("delete"))
        return {r["query"]: r for r in json.loads(text)}

    async def push_more(self):
        batch = [(ledger, range(ledger.next, ledger.next + self.random.randint(*self.sizes))) for ledger in self.ledgers]
        acknowledged = await self.push_batch(batch)
        for ledger, numbers in batch:
            if not acknowledged:
                ledger.maybe.update(numbers)
            ledger.next = numbers.stop
            self.world.counts["lines to be deleted acknowledged"] += len(numbers) if acknowledged else 0

    async def push_again(self):
        """Lines that are there, or were: a request is not about what comes after it."""
        batch = []
        for ledger in self.ledgers:
            numbers = [n for n in self.some_window(ledger) if self.random.random() < 0.2][:50]
            if numbers:
                batch.append((ledger, numbers))
        if not batch:
            return
        acknowledged = await self.push_batch(batch)
        for ledger, numbers in batch:
            for n in numbers:
                if acknowledged:
                    ledger.maybe.discard(n)
                elif n in ledger.hidden:
                    ledger.maybe.add(n)
                ledger.hidden.pop(n, None)
            self.world.counts["lines pushed again"] += len(numbers)

    def some_window(self, ledger):
        """Numbers of lines that follow each other, the newest ones more often than others."""
        count = self.random.choice([20, 200, 1000])
        behind = self.random.choice([ledger.next, self.random.randint(0, ledger.next)])
        return range(max(0, behind - count), behind)

    def make_request(self):
        """A request of its own text, so that the list tells whether it is in force."""
        ledgers = self.random.choice([self.ledgers, self.ledgers[:1], self.ledgers[1:]])
        selector = f'{{job="delete", client="{self.number}"}}' if len(ledgers) > 1 else ledgers[0].selector
        marks = self.random.sample(range(DeletedLedger.MARKS), self.random.choice([1, 2, 3]))
        filters = self.random.choice([
            f' |~ "mark=[{"".join(map(str, marks))}] "', " |= " + " or ".join(f'"mark={m} "' for m in marks),
            f' | logfmt | mark=~"[{"".join(map(str, marks))}]"', ""])
        window = self.some_window(ledgers[0])
        if not filters:
            window, marks = window[:30], range(DeletedLedger.MARKS)
        if not window:
            return None
        start, end = ledgers[0].ns(window.start), ledgers[0].ns(window.stop - 1)
        request = Request(f'{selector}{filters} != "request {self.asked}"', start, max(end, start + 1))
        request.lines = [(ledger, n) for ledger in ledgers for n in range(window.start, min(window.stop, ledger.next))
                         if start <= ledger.ns(n) <= request.end and ledger.mark(n) in marks]
        self.asked += 1
        return request

    async def delete(self):
        request = self.make_request()
        if request is None:
            return
        try:
            status, _ = await self.connection.request("delete", "POST", target(
                "delete", query=request.query, start=rfc3339(request.start), end=rfc3339(request.end)))
        except Broken:
            status = None
        found = (await self.listed()).get(request.query)
        if status is not None and (status == 204) != (found is not None):
            self.world.problem(f"{request.query}: answered with {status}, and in the list: {found}")
        self.world.counts["delete requests" if found else "delete requests refused or cut"] += 1
        if found is None:
            return
        request.id = found["request_id"]
        request.created = float(found["created_at"])
        self.requests.append(request)
        for ledger, n in request.lines:
            ledger.hidden[n].add(request)
        if request.lines:
            ledger, n = self.random.choice(request.lines)
            await self.compare(ledger, max(0, n - 200), min(ledger.next, n + 200))
            self.done = True

    async def cancel(self):
        """Without force it gives all lines back or is refused; with force those that are still stored, for good."""
        if not self.requests:
            return
        request = self.random.choice(self.requests[-2:])
        force = self.random.random() < 0.3
        if self.random.random() < 0.5:  # in the last moment
            left = request.created + CANCEL_SECONDS - time.time() - self.random.uniform(0, 0.02)
            await self.world.rest(max(0, left), max(0, left))
        try:
            status, text = await self.connection.request("cancel", "DELETE", target(
                "delete", request_id=request.id, **({"force": "true"} if force else {})))
        except Broken:
            status, text = None, b""
        found = (await self.listed()).get(request.query)
        if status is not None and (status == 204) != (found is None):
            self.world.problem(f"{request.query}: the cancelling was answered with {status} ({text}), and in the list: {found}")
        if found is not None:
            return
        self.world.counts["delete requests cancelled" + (" by force" if force else "")] += 1
        self.requests.remove(request)
        unsure = collections.defaultdict(set)
        for ledger, n in request.lines:
            if request in ledger.hidden.get(n, ()):
                ledger.hidden[n].discard(request)
                if force and n not in ledger.maybe:
                    unsure[ledger].add(n)
                if not ledger.hidden[n]:
                    del ledger.hidden[n]
        for ledger, numbers in unsure.items():  # what is there now stays
            ledger.maybe |= numbers
            found = await self.compare(ledger, min(numbers), max(numbers) + 1)
            ledger.maybe -= numbers & set(found)

    async def compare(self, ledger, first, behind):
        """Returns which lines were found."""
        if first >= behind:
            return {}
        _, text = await self.connection.insist("query", "GET", target(
            "query_range", query=ledger.selector, start=ledger.ns(first), end=ledger.ns(behind), limit=behind - first + 1,
            direction=self.random.choice(["forward", "backward"])))
        found = collections.Counter()
        for ns, line in (v for s in json.loads(text)["data"]["result"] for v in s["values"]):
            n, rest = divmod(int(ns) - START - ledger.stream, STEP)
            if rest or line != ledger.line(n):
                self.world.problem(f"{ledger.selector}: line {n} is {line[:100]!r}")
            found[n] += 1
        for n in range(first, behind):
            if found[n] > 1:
                self.world.problem(f"{ledger.selector}: line {n} is there {found[n]} times")
            elif found[n] and n in ledger.hidden:
                self.world.problem(f"{ledger.selector}: line {n} was deleted by {[r.query for r in ledger.hidden[n]]} and is there")
            elif not found[n] and n not in ledger.hidden and n not in ledger.maybe:
                self.world.problem(f"{ledger.selector}: line {n} was not deleted and is not there")
        self.world.counts["lines compared among deleted ones"] += behind - first
        return found

    async def compare_some(self):
        ledger = self.random.choice(self.ledgers)
        window = self.some_window(ledger)
        await self.compare(ledger, window.start, window.stop)

    async def run(self):
        steps = [self.push_more, self.push_again, self.delete, self.cancel, self.compare_some]
        while not self.world.stopping or not self.done:
            await self.push_more()
            await self.random.choices(steps, [1, 1, 3, 2, 2])[0]()
            await self.world.rest(0.2, 1.5)
        self.connection.close()

    async def check(self):
        for ledger in self.ledgers:
            for first in range(0, ledger.next, PAGE):
                await self.compare(ledger, first, min(first + PAGE, ledger.next))
        self.connection.close()

    async def finish(self):
        """Every request that can no longer be cancelled leaves the disk, and is processed."""
        deadline = time.monotonic() + 2 * REQUEST_SECONDS
        while left := [r for r in (await self.listed()).values() if r["status"] != "processed"]:
            if time.monotonic() > deadline:
                self.world.problem(f"{len(left)} delete requests are not processed, the first is {left[0]}")
                break
            await asyncio.sleep(0.5)
        self.connection.close()


class AgeingLedger(Ledger):
    """A stream with times of today, of which entries are seen as long as they are not older than its period."""

    def __init__(self, client, stream, job):
        super().__init__(client, stream, job)
        self.period = PERIODS[job]
        self.times = []
        self.maybe = set()

    def ns(self, n):
        return self.times[n]


class Ager(Pusher):
    """Pushes to streams that are kept for different times, some of it close to its end, or beyond it."""

    def make_ledgers(self, number):
        return [AgeingLedger(number, stream, job) for stream, job in enumerate(PERIODS)]

    async def push_more(self):
        batch = []
        for ledger in self.ledgers:
            count = self.random.randint(1, 20)
            oldest = self.random.choice([1, 10, 25, 70]) * 10**9
            ledger.times += [time.time_ns() - self.random.randrange(oldest) for _ in range(count)]
            batch.append((ledger, range(ledger.next, ledger.next + count)))
        acknowledged = await self.push_batch(batch)
        for ledger, numbers in batch:
            ledger.next = numbers.stop
            if not acknowledged:
                ledger.maybe.update(numbers)
            self.world.counts["lines that age acknowledged"] += len(numbers) if acknowledged else 0
        self.done |= acknowledged

    async def compare(self, ledger, since):
        before = time.time_ns()
        _, text = await self.connection.insist("query", "GET", target(
            "query_range", query=ledger.selector, start=since, end=before + 10**9, limit=100_000,
            direction=self.random.choice(["forward", "backward"])))
        after = time.time_ns()
        found = collections.Counter((int(ns), line) for s in json.loads(text)["data"]["result"] for ns, line in s["values"])
        for n in range(ledger.next):
            ns = ledger.ns(n)
            if ns < since:
                continue
            seen = found.pop((ns, ledger.line(n)), 0)
            if seen > 1:
                self.world.problem(f"{ledger.selector}: line {n} is there {seen} times")
            elif seen and ledger.period and ns < before - ledger.period:
                self.world.problem(f"{ledger.selector}: line {n} is there, {(before - ns) / 1e9:.3f} s old")
            elif not seen and n not in ledger.maybe and (not ledger.period or ns > after - ledger.period):
                self.world.problem(f"{ledger.selector}: line {n} is not there, {(after - ns) / 1e9:.3f} s old")
        if found:
            self.world.problem(f"{ledger.selector}: {list(found)[0]} was never pushed")
        self.world.counts["lines compared among ageing ones"] += ledger.next

    async def run(self):
        while not self.world.stopping or not self.done:
            await self.push_more()
            await self.compare(self.random.choice(self.ledgers), time.time_ns() - self.random.choice([30, 90, 300]) * 10**9)
            await self.world.rest(0.2, 2)
        self.connection.close()

    async def check(self):
        for ledger in self.ledgers:
            if ledger.next:
                await self.compare(ledger, min(ledger.times))
        self.connection.close()

    async def finish(self):
        """Nothing to wait for: entries are not seen any more, whatever is on the disk."""


# ---- clients that ask ----

class Asker:
    """Asks one of everything."""

    def __init__(self, world, _number):
        self.world = world
        self.random = random.Random(world.random.random())
        self.connection = Connection(world)
        self.done = False

    def ledger(self):
        return self.random.choice(self.world.ledgers)

    def range(self, ledger):
        """Somewhere near the newest lines, or anywhere."""
        back = self.random.choice([100, 1000, 10_000, 10**6])
        last = ledger.next - self.random.randrange(back)
        return {"start": ledger.ns(max(0, last - back)), "end": ledger.ns(max(1, last))}

    def question(self):
        ledger = self.ledger()
        some = f'{{job="load", client=~"{ledger.client}|{self.ledger().client}"}}'
        span = self.range(ledger)
        return self.random.choice([
            lambda: target("query_range", query=ledger.selector, limit=1000, **span),
            lambda: target("query_range", query=some + f' |= "n={self.random.randrange(1 + ledger.next)} "', limit=100, **span),
            lambda: target("query_range", query=some + ' | logfmt | n > 100 | line_format "{{.n}}"', limit=1000, **span),
            lambda: target("query_range", query=f"sum by (stream) (count_over_time({some}[1m]))", step=60, **span),
            lambda: target("query_range", query=f"quantile_over_time(0.9, {ledger.selector} | logfmt | unwrap n [5m]) by (client)", step=300, **span),
            lambda: target("query", query=f"topk(3, sum by (client) (rate({some}[5m])))", time=span["end"]),
            lambda: target("labels", **span), lambda: target("label/client/values", **span),
            lambda: target("series", **{"match[]": some}, **span), lambda: target("index/stats", query=some, **span),
            lambda: target("index/volume", query=some, **span), lambda: target("detected_fields", query=some, **span),
            lambda: target("detected_labels", query=some, **span), lambda: target("patterns", query=some, **span)])()

    def large_question(self):
        return target("query_range", query='{job="load"}', limit=20_000, start=START, end=START + 10**6 * STEP, direction=self.random.choice(["forward", "backward"]))

    async def ask(self):
        """True if it was answered, or left, as it was meant to be."""
        status, text = await self.connection.request("query", "GET", self.question())
        if status == 200 and "warnings" in json.loads(text):
            self.world.problem(f"an answer with a warning: {text[:200]}")
        self.world.counts["queries answered"] += status == 200
        return status == 200

    async def run(self):
        while not self.world.stopping or not self.done:
            try:
                self.done |= await self.ask()
            except Broken:
                pass
            await self.world.rest(0.2, 1.5)
        self.connection.close()


class Comparer(Asker):
    """Compares some lines that are acknowledged with what is stored."""

    async def ask(self):
        ledger = self.ledger()
        count = self.random.randint(1, 2000)
        first = self.random.randrange(max(1, ledger.next - count))
        if self.random.random() < 0.5:  # the newest ones
            first = max(0, ledger.next - count)
        behind = min(first + count, ledger.next)
        if first >= behind or not ledger.is_sure(first, behind):
            return False
        direction = self.random.choice(["forward", "backward"])
        status, text = await self.connection.request("query", "GET", target(
            "query_range", query=ledger.selector, start=ledger.ns(first), end=ledger.ns(behind), limit=count, direction=direction))
        if status != 200:
            return False
        values = [v for s in json.loads(text)["data"]["result"] for v in s["values"]]
        want = [[str(ledger.ns(n)), ledger.line(n)] for n in range(first, behind)]
        if values != (want if direction == "forward" else want[::-1]):
            self.world.problem(f"{ledger.selector}: lines {first} to {behind}: {len(values)} are there")
        self.world.counts["lines compared while running"] += len(values)
        return True


class SlowReader(Asker):
    """Takes the first part of a large answer bit by bit, so that the server has to wait, and then the rest of it."""

    RECEIVE_BYTES = 16 << 10
    PIECES = 100  # that it takes slowly

    async def ask(self):
        connection = Connection(self.world, self.RECEIVE_BYTES)

        async def steps():
            await connection.send("GET", self.large_question())
            status, headers = await connection.head()
            left, pieces = int(headers["content-length"]), 0
            while left > 0:
                piece = await connection.reader.read(min(left, self.RECEIVE_BYTES))
                if not piece:
                    raise ConnectionError("the answer is cut")
                left -= len(piece)
                pieces += 1
                if pieces <= self.PIECES:
                    await asyncio.sleep(0.05)
            return status, headers
        try:
            status, headers = await connection.guard(steps())
        finally:
            connection.close()
        self.world.note("query", status, headers)
        self.world.counts["large answers read slowly"] += status == 200
        return status == 200


class StoppingReader(Asker):
    """Goes away in the middle of a large answer."""

    async def ask(self):
        connection = Connection(self.world)

        async def steps():
            await connection.send("GET", self.large_question())
            await connection.reader.read(65536)
        try:
            await connection.guard(steps())
        finally:
            connection.close(reset=self.random.random() < 0.5)
        self.world.counts["answers left in the middle"] += 1
        return True


class Canceller(Asker):
    """Asks much and goes away at once."""

    async def ask(self):
        connection = Connection(self.world)

        async def steps():
            await connection.send("GET", target("query_range", query='sum by (n) (count_over_time({job="load"} |~ "(x?){50}y" | logfmt [1m]))', step=60,
                                                start=START, end=START + 10**5 * STEP))
            await asyncio.sleep(self.random.uniform(0, 0.3))
        try:
            await connection.guard(steps())
        finally:
            connection.close(reset=self.random.random() < 0.5)
        self.world.counts["queries cancelled"] += 1
        return True


class HalfClosedAsker(Asker):
    """Closes its side behind the question, and waits for the answer."""

    async def ask(self):
        connection = Connection(self.world)

        async def steps():
            await connection.send("GET", self.question())
            connection.writer.write_eof()
            return await connection.answer()
        try:
            status, headers, _ = await connection.guard(steps())
        finally:
            connection.close()
        self.world.note("query", status, headers)
        return status == 200


class Administrator(Asker):
    async def ask(self):
        for method, path in [("GET", "/ready"), ("GET", "/metrics"), ("GET", "/config")]:
            await self.connection.request("admin", method, path)
        status, _ = await self.connection.request("flush", "POST", "/flush")
        return status == 204


# Who takes part, and how many: 50 push, 20 ask. One more kind is a class with run(), and what it does to lines that are
# acknowledged belongs into the ledgers.
ACTORS = [(Pusher, 36), (LargePusher, 2), (StoppingPusher, 4), (HalfClosedPusher, 4), (Deleter, 2), (Ager, 2),
          (Asker, 9), (Comparer, 4), (SlowReader, 3), (StoppingReader, 1), (Canceller, 1), (HalfClosedAsker, 1), (Administrator, 1)]


# ---- the server's life ----

async def stop_server(world):
    """SIGTERM: in order, and in time."""
    began = time.monotonic()
    try:
        status = await asyncio.to_thread(world.server.stop, STOP_SECONDS)
    except subprocess.TimeoutExpired:
        world.problem(f"SIGTERM has not ended it after {STOP_SECONDS} s")
        world.server.kill()
        return
    world.counts["slowest stop, ms"] = max(world.counts["slowest stop, ms"], int((time.monotonic() - began) * 1000))
    if status != 0:
        world.problem(f"SIGTERM ended it with status {status}")


async def start_server(world):
    await asyncio.to_thread(world.server.start)
    world.threads, world.descriptors, world.memory = world.server.process_status("Threads"), descriptors(world), []
    world.is_up.set()


async def restart(world, way):
    check_memory(world)
    world.is_up.clear()
    world.generation += 1
    if way == "stop":
        await stop_server(world)
    else:
        await asyncio.to_thread(world.server.kill)
    world.counts[way + "s"] += 1
    await start_server(world)


async def restarts(world, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for way in world.random.sample(["kill", "stop"], 2):
            await asyncio.sleep(min(world.random.uniform(1, max(4, seconds / 30)), until - time.monotonic()))
            await restart(world, way)


def descriptors(world):
    """How many of each kind: sockets, segments, log files, others by what they lead to."""
    base, kinds = f"/proc/{world.server.process.pid}/fd", collections.Counter()
    for name in os.listdir(base):
        with contextlib.suppress(FileNotFoundError):
            link = os.readlink(os.path.join(base, name)).replace(os.path.realpath(world.server.directory), "")
            for kind, pattern in (("sockets", r"socket:.*"), ("segments", r"/data/segments/[^/ ]+"), ("log files", r"/data/wal/[^/ ]+")):
                link = kind if re.fullmatch(pattern, link) else link
            kinds[re.sub(r":\[\d+\]", "", link)] += 1
    return kinds


def slope(samples):
    """Of a line through (x, y) by least squares."""
    n = len(samples)
    mx, my = sum(x for x, _ in samples) / n, sum(y for _, y in samples) / n
    spread = sum((x - mx) ** 2 for x, _ in samples)
    return sum((x - mx) * (y - my) for x, y in samples) / spread if spread else 0


async def watch(world):
    """Each second, of each life: memory of its own, and files, of which some are open for a moment only."""
    while not world.stopping:
        await world.rest(1, 1)
        if world.is_up.is_set():
            world.server.check_status(world.server.process.poll(), None)
            world.memory.append(world.server.process_status("RssAnon") / 1024)
            now = descriptors(world)
            world.descriptors &= now  # without what was open for a moment at the start
            more = now - world.descriptors
            files = more.total() - more["sockets"]
            world.counts["most files"] = max(world.counts["most files"], files)
            if files > MAX_OPEN_SEGMENTS + 16:
                world.problem(f"more than at the start: {dict(more)}")


def check_memory(world):
    """The second half of a life; what comes and goes blurs the slope the more, the shorter it is."""
    samples = list(enumerate(world.memory))[len(world.memory) // 2:]
    if SANITIZED or len(samples) < 30:
        return
    growth, middle = slope(samples) * len(samples), sum(y for _, y in samples) / len(samples)
    print(f"memory {middle:.0f} MB, by the slope {growth:+.1f} MB in {len(samples)} s", flush=True)
    if growth > 12 + 1500 / len(samples):
        world.problem(f"memory grew by {growth:.0f} MB in {len(samples)} s")


async def check_quiet(world):
    """Nobody is connected any more: what is left is what was there at the start, the log file, and segments."""
    deadline = time.monotonic() + 30
    while True:
        now, threads = descriptors(world), world.server.process_status("Threads")
        now["sockets"] -= world.descriptors["sockets"]
        if now["sockets"] == 0 and now["log files"] <= 1 and now["segments"] <= MAX_OPEN_SEGMENTS and threads <= world.threads and all(
                now[kind] == world.descriptors[kind] for kind in now | world.descriptors if kind not in ("sockets", "log files", "segments")):
            return
        if time.monotonic() > deadline:
            world.problem(f"{dict(now)} and {threads} threads are left, {dict(world.descriptors)} and {world.threads} were at the start")
            return
        await asyncio.sleep(0.2)


def check_counts(world, seconds):
    for name, rate in LEAST.items():
        if world.counts[name] < 1 + int(rate * seconds):
            world.problem(f"{name}: {world.counts[name]}, fewer than {1 + int(rate * seconds)}")


# ---- at the end ----

def check_page(world, ledger, values, n):
    """Compare a page with the ledger, from line `n` on; returns the next line."""
    unsure = iter([r for r in ledger.unsure if r[1] > n] + [[ledger.next, 1 << 62]])
    gap = next(unsure)
    for ns, line in values:
        found, rest = divmod(int(ns) - START - ledger.stream, STEP)
        while n < found:  # what is left out must be unsure
            while gap[1] <= n:
                gap = next(unsure)
            if gap[0] > n:
                world.problem(f"{ledger.selector}: line {n} was acknowledged and is not there")
                return None
            n = min(found, gap[1])
        if found < n or rest:
            world.problem(f"{ledger.selector}: line {found} is there twice")
            return None
        if line != ledger.line(found):
            world.problem(f"{ledger.selector}: line {found} is {line[:100]!r}")
            return None
        n += 1
    return n


async def check_everything(world, ledgers):
    """Every line of every ledger, page by page, and none of what was left in the middle; returns how many are answered."""
    connection, stored = Connection(world), 0
    _, text = await connection.insist("query", "GET", target("query_range", query='{job="half"}', start=START, end=START + 10**6 * STEP))
    if json.loads(text)["data"]["result"]:
        world.problem(f"of pushes that were left in the middle: {text[:300]}")
    for ledger in ledgers:
        n = 0
        while n is not None and n < ledger.next:
            status, text = await connection.insist("query", "GET", target(
                "query_range", query=ledger.selector, start=ledger.ns(n), end=ledger.ns(ledger.next), limit=PAGE, direction="forward"))
            assert status == 200, text[:300]
            answer = json.loads(text)
            if "warnings" in answer:
                world.problem(f"{ledger.selector}: {answer['warnings']}")
            values = [v for s in answer["data"]["result"] for v in s["values"]]
            n = check_page(world, ledger, values, n)
            stored += len(values)
            if n is not None and len(values) < PAGE:  # the last ones: what is behind them must be unsure
                check_page(world, ledger, [(ledger.ns(ledger.next), ledger.line(ledger.next))], n)
                break
    connection.close()
    return stored


def check_log(world):
    for line in world.server.log().splitlines():
        if "level=error" in line or "level=warn" in line or "Sanitizer" in line:
            world.problem(f"log: {line[:300]}")


async def run(world, seconds):
    await start_server(world)
    actors = [kind(world, number) for number, kind in enumerate(k for k, count in ACTORS for _ in range(count))]
    tasks = [asyncio.create_task(watch(world)), *(asyncio.create_task(actor.run()) for actor in actors)]
    await restarts(world, seconds / 2)
    for watcher in (await asyncio.wait(tasks[:1], timeout=seconds / 2))[0]:
        watcher.result()  # raises: it ends only if the server has
    world.end.set()
    for done in await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10 * REQUEST_SECONDS):
        if isinstance(done, Exception):
            world.problem(f"a client failed: {done!r}")
    check_memory(world)
    check_counts(world, seconds)
    await check_quiet(world)
    stored = await check_everything(world, world.ledgers)
    losers = [actor for actor in actors if isinstance(actor, (Deleter, Ager))]
    for loser in losers:
        await loser.check()
        await loser.finish()
        await loser.check()
    await restart(world, world.random.choice(["kill", "stop"]))
    await check_everything(world, world.random.sample(world.ledgers, len(world.ledgers) // 5))
    for loser in losers:
        await loser.check()
    await stop_server(world)
    status, text, _ = skald("verify", world.server.data)
    if status != 0:
        world.problem(text.decode())
    check_log(world)
    print(", ".join(f"{name}: {count}" for name, count in sorted(world.counts.items())))
    print("answers: " + ", ".join(f"{kind} {status}: {count}" for (kind, status), count in sorted(world.statuses.items())))
    print(f"{stored} lines answered, each once")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    world = World(arguments)
    try:
        asyncio.run(run(world, arguments.seconds))
    except Exception:  # noqa: B902  the result is the last line, whatever happens
        world.problems.append("an exception")
        print(f"FAILED: {traceback.format_exc()}\n{world.server.log()[-3000:]}")
    finally:
        with contextlib.suppress(RuntimeError):  # who has ended by himself: that was said
            world.server.kill()
    if world.problems:
        print(f"again: tests/torture/load.py --seconds {arguments.seconds:g} --seed {arguments.seed}\ndata kept in {world.server.directory}")
        print(f"0 passed, {len(world.problems)} failed")
        return 1
    world.server.close()
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
