#!/usr/bin/env python3
"""Peers that mean harm, of every kind there is a name for, while an honest client pushes and asks.

    hostile_peers.py [--seconds N] [--seed N]

One kind after the other has its share of the time. Every request of the honest client must be answered, and as a rule
not much later than while nobody disturbed it; memory stays below its limit all the time; what the hostile ones get is
the error that is meant for them, or they are cut off. When they have gone, memory, descriptors and threads are what
they were.

20,000 connections at once are aimed at; where the hard limit of descriptors is below 21,000, a thousand less than that
limit. 95 % of them have to come about.
"""
import argparse
import asyncio
import collections
import contextlib
import gzip
import http.client
import itertools
import json
import multiprocessing
import os
import random
import re
import resource
import socket
import statistics
import struct
import sys
import time
import urllib.parse
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import wire  # noqa: E402
from server import Server  # noqa: E402


def most_descriptors(wanted):
    """Take as many descriptors as one process may have, the server as well as we: `wanted`, or what we were given."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, wanted),) * 2)
    except ValueError:  # only who administers the system may
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


CONNECTIONS = min(20_000, most_descriptors(21_000) - 1000)
BUDGET = 64 << 20  # bytes: of bodies, of answers, of a query, of a body decompressed, of entries in memory
FLAGS = ["--server.http_read_timeout=4s", "--server.http_write_timeout=2s", "--storage.max_open_segments=64",
         f"--server.http_max_connections={CONNECTIONS + 500}", f"--server.http_max_inflight_bytes={BUDGET}",
         f"--server.http_max_outgoing_bytes={BUDGET}", f"--querier.query_memory_max={BUDGET}",
         f"--distributor.max_decompressed_size={BUDGET}", f"--distributor.max_recv_msg_size={BUDGET}",
         f"--ingester.memory_max={BUDGET}", f"--wal.queue_max={BUDGET}", "--limits.max_entries_limit_per_query=100000",
         "--limits.query_timeout=60s", "--limits.max_query_length=0s", "--compactor.compaction_interval=0s"]
# Bodies, answers, entries in memory, the log's queue, a body decompressed and decoded (four times); each connection.
# Of this 400 MB were seen at most. A server that did not count while it inflates would take 4 GB.
MEMORY_MAX = (1 + 1 + 1 + 1 + 1 + 4) * BUDGET
CONNECTION_MEMORY_MAX = 8192
# More than before when they have gone: libevent keeps an entry of each descriptor that it has ever seen, and each of
# these the page of the heap that it is in. That took 1.1 KB for a connection; the rest takes less than 5 MB.
MEMORY_LEFT = (8 << 20) + CONNECTIONS * 1536
BODIES = 21  # kinds of bodies
PATIENCE = 30  # seconds: nothing takes so long unless it hangs
NOW = time.time_ns()
HEAD = b"Host: x\r\nContent-Type: application/json\r\n"
READY = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"
TEN_MEGABYTES = (b"GET /loki/api/v1/query_range?query=%%7Bbig%%3D%%221%%22%%7D&limit=30000&start=%d&end=%d HTTP/1.1\r\n"
                 b"Host: x\r\n\r\n" % (NOW - 10**9, NOW + 10**9))


# ---- the honest client: a process of its own ----

def honest(port, phase, results):
    """Push and ask until the phase is negative; results are (phase, seconds) or a text that tells what went wrong."""
    n = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    while (during := phase.value) >= 0:
        if n % 10 == 0:  # a new connection must get in, too
            connection.close()
        value = [str(NOW + n), f"line {n}"]
        body = json.dumps({"streams": [{"stream": {"honest": "1"}, "values": [value]}]}).encode()
        query = "/loki/api/v1/query_range?" + urllib.parse.urlencode(
            {"query": '{honest="1"}', "start": NOW, "end": NOW + n + 1, "limit": 5, "direction": "backward"})
        for method, path, text in [("POST", "/loki/api/v1/push", body), ("GET", query, None), ("GET", "/ready", None)]:
            began = time.monotonic()
            status = None
            try:
                while status in (None, 429, 503) and time.monotonic() - began < PATIENCE:  # these mean: later
                    if status:
                        time.sleep(0.1)
                    connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
                    answer = connection.getresponse()
                    status, got = answer.status, answer.read()
                if status not in (200, 204):
                    results.put(f"{path[:30]}: {status} {got[:200]!r}")
                elif path == query and json.loads(got)["data"]["result"][0]["values"][0] != value:
                    results.put(f"line {n} was acknowledged and is not there")
                else:
                    results.put((during, time.monotonic() - began))
            except (OSError, http.client.HTTPException) as error:
                results.put(f"{path[:30]}: {error!r} after {time.monotonic() - began:.1f} s")
                connection.close()
        n += 1
        time.sleep(0.02)
    results.put(None)


# ---- sockets ----

class Peer:
    """A hostile connection, without any manners of a library."""

    def __init__(self, attack, receive_bytes=None):
        self.attack = attack
        self.ended = False  # read() came to the end
        self.loop = asyncio.get_running_loop()
        self.s = socket.socket()
        self.s.setblocking(False)
        if receive_bytes:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)

    async def connect(self):
        await asyncio.wait_for(self.loop.sock_connect(self.s, ("127.0.0.1", self.attack.server.port)), PATIENCE)
        return self

    async def send(self, data):
        await self.loop.sock_sendall(self.s, data)

    async def read(self, seconds, most=1 << 20):
        """What comes until the end, or until nothing comes for a while."""
        out = b""
        try:
            while not self.ended and len(out) < most:
                piece = await asyncio.wait_for(self.loop.sock_recv(self.s, min(most, 65536)), seconds)
                self.ended = not piece
                out += piece
        except asyncio.TimeoutError:
            pass
        except OSError:
            self.ended = True
        return out

    def close(self, reset=False):
        if reset:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.s.close()


def statuses(answer):
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d\d\d) ", answer)]


class Attack:
    """Runs one kind of peer, many at a time, until its time is over."""

    def __init__(self, server, chance, phase):
        self.server = server
        self.random = chance
        self.phase = phase  # a number that the honest client sees; its name is phases[number]
        self.phases = ["quiet"]
        self.counts = collections.Counter()
        self.memory = collections.Counter()  # phase: most bytes
        self.problems = []
        self.before = state(server)
        self.bodies = itertools.cycle(self.make_bodies())

    def begin(self, name):
        self.phases.append(name)
        self.phase.value = len(self.phases) - 1

    def problem(self, text):
        if len(self.problems) < 20:
            self.problems.append(text)
            print(f"FAILED: {text}", flush=True)

    async def many(self, name, count, least, seconds):
        """`count` tasks, each of which does it again and again, all together `least` times or more."""
        until = time.monotonic() + seconds
        begun = 0

        async def again():
            nonlocal begun
            while time.monotonic() < until or begun < least:
                begun += 1
                with contextlib.suppress(OSError, asyncio.TimeoutError):
                    await getattr(self, name)()
                    self.counts[name] += 1
                await asyncio.sleep(0)
        await asyncio.gather(*[again() for _ in range(count)])
        if self.counts[name] < least:
            self.problem(f"{name}: {self.counts[name]} times, not {least}")

    async def exchange(self, data, want):
        """Send it on a connection of its own: exactly these statuses have to come, and then the end."""
        peer = await Peer(self).connect()
        try:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(peer.send(data), PATIENCE)
            got = statuses(await peer.read(PATIENCE))
            if want == [204] and got == [503]:  # there is no room just now
                got = want
            if got != want or not peer.ended:
                self.problem(f"{data[:80]!r}: {got}{'' if peer.ended else ' and no end'}, not {want}")
        finally:
            peer.close()

    # ---- slow ones ----

    async def trickle(self, begin, want):
        peer = await Peer(self).connect()
        got = b""
        try:
            await peer.send(begin)
            began = time.monotonic()
            with contextlib.suppress(OSError):  # that is the end of it
                while time.monotonic() - began < PATIENCE:
                    await peer.send(b"x")
                    got += await peer.read(0.1)
                    await asyncio.sleep(0.2)
                self.problem("a request that trickles is still waited for")
            if statuses(got) != want:
                self.problem(f"{begin[:30]!r}, which trickled, got {statuses(got)}, not {want}")
        finally:
            peer.close()

    async def slow_headers(self):
        await self.trickle(b"GET /ready HTTP/1.1\r\nHost: x\r\nA: ", [])

    async def slow_bodies(self):
        begin = b"POST /loki/api/v1/push HTTP/1.1\r\n" + HEAD + b"Content-Length: 1000000\r\n\r\n"
        await self.trickle(begin + b"x" * self.random.randrange(100_000), [408])

    async def slow_readers(self):
        """Who takes less than 2 KB a second of a long answer is cut off, if there was room for the answer at all."""
        peer = await Peer(self, receive_bytes=4096).connect()
        try:
            await peer.send(TEN_MEGABYTES)
            got = statuses(await peer.read(PATIENCE, most=500))
            began = time.monotonic()
            while got == [200] and not peer.ended and time.monotonic() - began < PATIENCE:
                await asyncio.sleep(0.3)
                await peer.read(PATIENCE, most=500)
            cut = peer.ended and got in ([200], [])  # by a reset, which may overtake what was sent
            self.counts["cut"] += cut
            if not cut and got != [503]:
                self.problem(f"a slow reader got {got} and was not cut off")
        finally:
            peer.close()

    # ---- grammar ----

    async def giant_headers(self):
        line = b"GET / HTTP/1.1\r\n"
        data, status = self.random.choice([
            (b"GET /" + b"x" * 100_000, 431), (line + b"Host: x\r\nA: " + b"x" * 70_000, 431), (b"x" * 1_000_000, 431),
            (line + b"A: b\r\n" * 20_000, 431), (line + b"Host: x\r\n" + b"A: b\r\n" * 150, 400)])
        await self.exchange(data + b"\r\n\r\n", [status])

    async def pipelined_garbage(self):
        """Answers to what is good, one error, and nothing of what follows is looked at."""
        count = self.random.randrange(1, 200)
        garbage = b"\x80" + self.random.randbytes(2000) + b"\r\n\r\n"
        await self.exchange(READY * count + garbage + READY, [200] * count + [400])
        peer = await Peer(self).connect()  # thousands of requests, and no answer is read
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(peer.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 5000), 1)
        peer.close(reset=self.random.random() < 0.5)

    async def websocket(self):
        """An upgrade is ignored, so the frames that follow are a request that makes no sense."""
        path, status = self.random.choice([
            (b"/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D", 404), (b"/ready", 200), (b"/loki/api/v1/push", 405)])
        key = self.random.choice([b"dGhlIHNhbXBsZSBub25jZQ==", b"x", b""])
        upgrade = (b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
        await self.exchange(upgrade + bytes([0x81, 0xFF]) + self.random.randbytes(500) + b"\r\n\r\n", [status, 400])

    async def smuggling(self):
        """Each of these two parties could read in two ways: an error, and nothing of what follows is looked at."""
        encoding = b"Transfer-Encoding: chunked\r\n"
        unclear = [
            b"Content-Length: 6\r\n" + encoding + b"\r\n0\r\n\r\n", encoding + b"Content-Length: 6\r\n\r\n0\r\n\r\n",
            b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", b"Content-Length: 3, 4\r\n\r\nabc",
            b"Content-Length: +3\r\n\r\nabc", b"Content-Length: 0x3\r\n\r\nabc", b"Content-Length: -1\r\n\r\n",
            b"Content-Length: 18446744073709551617\r\n\r\nabc", b"Content-Length : 3\r\n\r\nabc",
            b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n",
            b" " + encoding + b"\r\n0\r\n\r\n"]
        unclear += [encoding + b"\r\n" + body for body in [
            b"-1\r\n\r\n", b"0x1\r\na\r\n0\r\n\r\n", b"1 1\r\na\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n",
            b"1\na\n0\n\n\r\n", b"2\r\na\r\n0\r\n\r\n", b"1\r\nabc\r\n0\r\n\r\n", b";x\r\n\r\n",
            b"0" * 2000 + b"\r\n\r\n"]]
        unknown = [b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", encoding + encoding + b"\r\n0\r\n\r\n",
                   b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"]
        form = self.random.choice(unclear + unknown)
        hidden = b"GET /config HTTP/1.1\r\nHost: x\r\n\r\n"
        data = b"POST /loki/api/v1/push HTTP/1.1\r\n" + HEAD + form + hidden
        await self.exchange(data, [501 if form in unknown else 400])

    # ---- bodies ----

    async def bombs(self):
        status, body, kind, encoding = next(self.bodies)
        head = (b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"Content-Type: application/%b\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n")
        await self.exchange(head % (kind, encoding, len(body)) + body, [status])

    def make_bodies(self):
        """BODIES of them, in any order: (wanted status, body, what it is said to be, its encoding)"""
        proto, text, zeros = b"x-protobuf", b"json", bytes(BUDGET)
        raw = zlib.compressobj(9, zlib.DEFLATED, -15)
        flushed = raw.compress(zeros) + raw.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before: may be repeated
        end = raw.flush()
        member, packed = gzip.compress(zeros), gzip.compress(zeros * 2)
        dense = b'{"streams":[{"stream":{"a":"b"},"values":[' + b'["1","a"],' * 700_000 + b'["1","a"]]}]}'
        small = b"".join(wire.push_request([(f'{{a="{i}"}}', [(NOW, b"x")])]) for i in range(20_000))
        empty = wire.field(1, wire.field(1, b'{a="b"}') + wire.field(2, b"") * 2_000_000)
        pairs = b",".join(b'"l%d":"x"' % i for i in range(200_000))
        labels = b'{"streams":[{"stream":{' + pairs + b'},"values":[]}]}'
        bodies = [
            (413, wire.varint(2**32 - 1) + bytes(20), proto, b""), (400, wire.varint(2**32) + bytes(20), proto, b""),
            (400, wire.varint(2**40) + bytes(20), proto, b""), (400, wire.varint(BUDGET - 1) + bytes(20), proto, b""),
            (413, packed, text, b"gzip"), (413, packed, proto, b"gzip"), (413, flushed * 2 + end, text, b"deflate"),
            # 4 GB of which nothing is announced: only who counts while it inflates sees it
            (413, member * 64 + gzip.compress(b" "), text, b"gzip"), (413, flushed * 64 + end, proto, b"deflate"),
            (400, gzip.compress(packed), text, b"gzip, gzip"),
            (400, gzip.compress(gzip.compress(packed)), text, b"gzip"),
            (400, gzip.compress(b" ") * 200_000, text, b"gzip"), (400, wire.snappy(packed), proto, b""),
            (400, b"\x1f\x8b" + bytes(100), text, b"gzip"), (400, b"[" * 1_000_000, text, b""),
            (400, b'{"a":' * 500_000, text, b""), (400, labels, text, b""),
            (204, gzip.compress(dense), text, b"gzip"), (204, dense, text, b""),
            (204, wire.snappy(small), proto, b""), (204, wire.snappy(empty), proto, b"")]
        assert len(bodies) == BODIES
        return self.random.sample(bodies, BODIES)

    # ---- numbers ----

    async def resets(self):
        """Gone in the middle of anything."""
        data = self.random.choice([READY, b"GET /loki/api/v1/labels HTTP/1.1\r\nHost: x\r\n\r\n" * 3, TEN_MEGABYTES,
                                   b"POST /loki/api/v1/push HTTP/1.1\r\n" + HEAD + b"Content-Length: 5000\r\n\r\n" +
                                   b"x" * 5000])
        peer = await Peer(self).connect()
        await peer.send(data[:self.random.randrange(len(data) + 1)])
        if self.random.random() < 0.5:
            await peer.read(0.01, most=self.random.randrange(1, 10_000))
        peer.close(reset=True)

    async def silent(self, seconds):
        """CONNECTIONS of them at once that ask once and then say nothing; some go and others come, again and again."""
        until = time.monotonic() + seconds
        peers = collections.deque()
        while True:
            deadline = time.monotonic() + 4 * PATIENCE
            while len(peers) < CONNECTIONS and time.monotonic() < deadline:
                for _ in range(100):
                    with contextlib.suppress(OSError):
                        peers.append(self.silent_one())
                await asyncio.sleep(0)
            while (there := self.server.descriptors()) < 0.95 * CONNECTIONS and time.monotonic() < deadline:
                await asyncio.sleep(0.1)
            self.counts["silent"] = max(self.counts["silent"], there)
            if there < 0.95 * CONNECTIONS:
                self.problem(f"only {there} connections of {CONNECTIONS} came about")
            await asyncio.sleep(1)
            if time.monotonic() >= until:
                break
            for _ in range(len(peers) // 4):
                peers.popleft().close()
        for s in peers:
            s.close()

    def silent_one(self):
        s = socket.socket()
        try:
            s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: one source has not enough ports
            s.bind((f"127.0.0.{2 + self.random.randrange(200)}", 0))
            s.settimeout(5)
            s.connect(("127.0.0.1", self.server.port))
            s.sendall(READY)
        except OSError:
            s.close()
            raise
        return s


# (name, how many at once, how often at least)
KINDS = [("slow_headers", 500, 500), ("slow_bodies", 300, 300), ("giant_headers", 10, 10),
         ("pipelined_garbage", 10, 10), ("websocket", 20, 20), ("smuggling", 20, 20), ("bombs", 4, BODIES),
         ("slow_readers", 20, 20), ("resets", 50, 50)]


# ---- what must hold ----

def state(server):
    return {"memory": server.process_status("RssAnon") * 1024, "descriptors": server.descriptors(),
            "threads": server.process_status("Threads")}


async def watch(attack):
    """Every now and then: memory."""
    connections = 0
    while True:
        now = state(attack.server)
        connections = max(connections, now["descriptors"])  # what they took is kept for a while
        most = MEMORY_MAX + connections * CONNECTION_MEMORY_MAX
        name = attack.phases[-1]
        if attack.memory[name] <= most < now["memory"]:
            attack.problem(f"{name}: {now['memory'] >> 20} MB of memory, {most >> 20} are what the settings allow")
        attack.memory[name] = max(attack.memory[name], now["memory"])
        await asyncio.sleep(0.2)


async def attack_all(attack, seconds):
    share = seconds / (len(KINDS) + 4)
    watcher = asyncio.create_task(watch(attack))
    await asyncio.sleep(share / 2)
    for name, count, least in KINDS:
        attack.begin(name)
        await attack.many(name, count, least, share)
    if attack.counts["cut"] == 0:
        attack.problem("no slow reader was cut off")
    attack.begin("silent")
    await attack.silent(3 * share)
    attack.begin("afterwards")
    await asyncio.sleep(share / 2)
    watcher.cancel()


def check_honest(attack, results):
    times = collections.defaultdict(list)
    for result in results:
        if isinstance(result, str):
            attack.problem(f"the honest client: {result}")
        else:
            times[attack.phases[result[0]]].append(result[1])
    quiet = statistics.median(times["quiet"])
    for name in attack.phases:
        if not times[name]:
            attack.problem(f"{name}: the honest client was not answered")
            continue
        middle, longest = statistics.median(times[name]), max(times[name])
        print(f"{name:18} {attack.counts[name]:8d} times {attack.memory[name] >> 20:4d} MB   "
              f"honest: {len(times[name]):6d} answers, median {middle * 1000:.1f} ms, longest {longest * 1000:.0f} ms")
        if middle > 100 * quiet + 0.5:
            attack.problem(f"{name}: the honest client waits {middle:.2f} s as a rule, alone {quiet:.4f} s")


def check_recovery(attack):
    """Memory, descriptors and threads come back; what was accepted goes to the disk before."""
    server, before = attack.server, attack.before
    server.flush()
    deadline = time.monotonic() + 60
    while True:
        now = state(server)
        left = [name for name in now if now[name] > before[name] + (MEMORY_LEFT if name == "memory" else 0)]
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    print(f"before {before}, afterwards {now}")
    if left:
        attack.problem(f"{', '.join(left)} did not come back")
    for name in ["skald_http_inflight_bytes", "skald_http_outgoing_bytes"]:
        if server.metric(name) > 0:
            attack.problem(f"{name} is {server.metric(name)}")
    for line in server.log().splitlines():
        if "level=error" in line:
            attack.problem(f"log: {line[:300]}")


def fill(server):
    """What the hostile ones ask for, and a line of the day that the bombs write to."""
    for i in range(4):
        lines = [(NOW + i * 10_000 + j, f"{j} " + "x" * 300) for j in range(10_000)]
        status, text = server.push([({"big": "1"}, lines), ({"a": "b"}, [(1, "x")])])
        assert status == 204, text
    server.flush()
    server.flush()  # one that finds nothing gives memory back
    time.sleep(1)


def run(arguments, server):
    server.start()
    fill(server)
    phase, queue = multiprocessing.Value("i", 0), multiprocessing.Queue()
    attack = Attack(server, random.Random(arguments.seed), phase)
    client = multiprocessing.Process(target=honest, args=(server.port, phase, queue), daemon=True)
    client.start()
    try:
        asyncio.run(attack_all(attack, arguments.seconds))
    finally:
        phase.value = -1
    check_honest(attack, list(iter(queue.get, None)))
    client.join()
    check_recovery(attack)
    if server.stop(seconds=60) != 0:
        attack.problem("the server did not end in order")
    return attack.problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    server = Server(flags=FLAGS)
    try:
        problems = run(arguments, server)
    finally:
        server.close()
    if problems:
        print(f"again: tests/torture/hostile_peers.py --seconds {arguments.seconds:g} --seed {arguments.seed}")
    print(f"{len(KINDS) + 2 if not problems else 0} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
