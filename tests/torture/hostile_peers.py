#!/usr/bin/env python3
"""Peers that mean harm, of every kind there is a name for, while an honest client pushes and asks.

    hostile_peers.py [--seconds N] [--seed N]

One kind after the other has its share of the time. Every request of the honest client must be answered, and as a rule not much
later than while nobody disturbed it; memory and connections stay below their limits all the time; what the hostile ones get is
an error or nothing. When they have gone, memory, descriptors and threads are what they were.
"""
import argparse
import asyncio
import collections
import contextlib
import gzip
import http.client
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
from server import BINARY, Server  # noqa: E402

SANITIZED = "san-" in BINARY
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
# As many as the system lets one process have, which is the same number for the server and for us.
CONNECTIONS = min(2000 if SANITIZED else 20_000, DESCRIPTORS - 1000)
BUDGET = 64 << 20  # bytes: of bodies, of answers, of a query, of a body decompressed
FLAGS = ["--server.http_read_timeout=4s", "--server.http_write_timeout=2s", f"--server.http_max_connections={CONNECTIONS + 500}", "--storage.max_open_segments=64",
         f"--server.http_max_inflight_bytes={BUDGET}", f"--server.http_max_outgoing_bytes={BUDGET}", f"--querier.query_memory_max={BUDGET}",
         f"--distributor.max_decompressed_size={BUDGET}", f"--distributor.max_recv_msg_size={BUDGET}", "--limits.max_entries_limit_per_query=100000",
         "--limits.query_timeout=10s", "--limits.max_query_length=0s"]
# What the budgets allow at once: bodies, answers, two queries with their text, a push being decoded (four times), connections.
MEMORY_MAX = BUDGET * (1 + 1 + 4 + 4) + CONNECTIONS * 16_384
MEMORY_LEFT = 64 << 20  # more than before is not to be left
HONEST_SECONDS = 20 * (4 if SANITIZED else 1)
NOW = time.time_ns()
HEAD = b"Host: x\r\nContent-Type: application/json\r\n"


# ---- the honest client: a process of its own ----

def honest(port, phase, results):
    """Push and ask until the phase is negative; results are (phase, seconds) or a text that tells what went wrong."""
    n = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HONEST_SECONDS)
    while (during := phase.value) >= 0:
        if n % 10 == 0:  # a new connection must get in, too
            connection.close()
        body = json.dumps({"streams": [{"stream": {"honest": "1"}, "values": [[str(NOW + n), f"line {n}"]]}]}).encode()
        query = "/loki/api/v1/query_range?" + urllib.parse.urlencode(
            {"query": '{honest="1"}', "start": NOW, "end": NOW + n + 1, "limit": 5, "direction": "backward"})
        for method, path, text in [("POST", "/loki/api/v1/push", body), ("GET", query, None), ("GET", "/ready", None)]:
            began = time.monotonic()
            status = None
            try:
                while status in (None, 429, 503) and time.monotonic() - began < HONEST_SECONDS:  # these mean: later
                    if status:
                        time.sleep(0.1)
                    connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
                    answer = connection.getresponse()
                    status, got = answer.status, answer.read()
                if status not in (200, 204):
                    results.put(f"{path[:30]}: {status} {got[:200]!r}")
                elif path == query and json.loads(got)["data"]["result"][0]["values"][0] != [str(NOW + n), f"line {n}"]:
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
        self.loop = asyncio.get_running_loop()
        self.s = socket.socket()
        self.s.setblocking(False)
        if receive_bytes:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)

    async def connect(self):
        await asyncio.wait_for(self.loop.sock_connect(self.s, ("127.0.0.1", self.attack.server.port)), HONEST_SECONDS)
        return self

    async def send(self, data):
        await self.loop.sock_sendall(self.s, data)

    async def read(self, seconds=0.5, most=1 << 20):
        """What comes until the end, or until nothing comes for a while."""
        out = b""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            while len(out) < most:
                piece = await asyncio.wait_for(self.loop.sock_recv(self.s, 65536), seconds)
                if not piece:
                    break
                out += piece
        return out

    def close(self, reset=False):
        if reset:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.s.close()


def statuses(answer):
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d\d\d) ", answer)]


class Attack:
    """Runs one kind of peer, many at a time, until its time is over."""

    def __init__(self, server, chance):
        self.server = server
        self.random = chance
        self.counts = collections.Counter()
        self.problems = []
        self.until = 0

    def problem(self, text):
        if len(self.problems) < 20:
            self.problems.append(text)
            print(f"FAILED: {text}", flush=True)

    async def many(self, count, what, seconds):
        """`count` tasks, each of which does it again and again."""
        self.until = time.monotonic() + seconds

        async def again():
            while time.monotonic() < self.until:
                with contextlib.suppress(OSError, asyncio.TimeoutError):
                    await what()
                    self.counts[what.__name__] += 1
                await asyncio.sleep(0)
        await asyncio.gather(*[again() for _ in range(count)])

    async def exchange(self, data, want, seconds=5):
        """Send it on a connection of its own; each status that comes must be wanted, and one has to come."""
        peer = await Peer(self).connect()
        try:
            with contextlib.suppress(OSError):
                await peer.send(data)
            got = statuses(await peer.read(seconds))
            if not got or not set(got) <= set(want):
                self.problem(f"{data[:80]!r}: {got}, not one of {want}")
            return got
        finally:
            peer.close()

    # ---- slow ones ----

    async def trickle(self, begin):
        peer = await Peer(self).connect()
        try:
            await peer.send(begin)
            began = time.monotonic()
            while time.monotonic() - began < 15:
                await peer.send(b"x")
                await asyncio.sleep(0.3)
            self.problem("a request that trickles is still waited for")
        finally:
            peer.close()

    async def slow_headers(self):
        await self.trickle(b"GET /ready HTTP/1.1\r\nHost: x\r\nA: ")

    async def slow_bodies(self):
        await self.trickle(b"POST /loki/api/v1/push HTTP/1.1\r\n" + HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * self.random.randrange(100_000))

    async def slow_readers(self):
        peer = await Peer(self, receive_bytes=4096).connect()
        try:
            await peer.send(b"GET /loki/api/v1/query_range?query=%%7Bbig%%3D%%221%%22%%7D&limit=30000&start=%d&end=%d HTTP/1.1\r\nHost: x\r\n\r\n" % (NOW - 10**9, NOW + 10**9))
            while time.monotonic() < self.until:
                await asyncio.sleep(0.3)
                if not await asyncio.wait_for(self.loop_recv(peer, 100), 15):
                    return
        finally:
            peer.close()

    @staticmethod
    async def loop_recv(peer, size):
        return await peer.loop.sock_recv(peer.s, size)

    # ---- grammar ----

    async def giant_headers(self):
        name = self.random.choice([b"GET /" + b"x" * 100_000, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 70_000, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,
                                   b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 150, b"x" * 1_000_000])
        await self.exchange(name + b"\r\n\r\n", [400, 431])

    async def pipelined_garbage(self):
        good = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"
        count = self.random.randrange(1, 200)
        await self.exchange(good * count + self.random.randbytes(2000) + b"\r\n\r\n" + good, [200, 400, 431, 501])
        peer = await Peer(self).connect()  # thousands of requests, and no answer is read
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(peer.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 5000), 1)
        peer.close(reset=self.random.random() < 0.5)

    async def websocket(self):
        path = self.random.choice([b"/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D", b"/ready", b"/loki/api/v1/push"])
        upgrade = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + \
            self.random.choice([b"dGhlIHNhbXBsZSBub25jZQ==", b"x", b""]) + b"\r\n\r\n"
        await self.exchange(upgrade + bytes([0x81, 0xFF]) + self.random.randbytes(500) + b"\r\n\r\n", [200, 400, 404, 405, 426, 431, 501])

    async def smuggling(self):
        """Each of these two parties could read in two ways: one answer, an error, and nothing of what follows is looked at."""
        hidden = b"GET /config HTTP/1.1\r\nHost: x\r\n\r\n"
        begin = b"POST /loki/api/v1/push HTTP/1.1\r\n" + HEAD
        forms = [b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
                 b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", b"Content-Length: 3, 4\r\n\r\nabc", b"Content-Length: +3\r\n\r\nabc",
                 b"Content-Length: 0x3\r\n\r\nabc", b"Content-Length: -1\r\n\r\n", b"Content-Length: 18446744073709551617\r\n\r\nabc", b"Content-Length : 3\r\n\r\nabc",
                 b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding\r\n: chunked\r\n\r\n0\r\n\r\n", b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1 1\r\na\r\n0\r\n\r\n",
                 b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n2\r\na\r\n0\r\n\r\n",
                 b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n;x\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 2000 + b"\r\n\r\n"]
        got = await self.exchange(begin + self.random.choice(forms) + hidden, [400, 413, 501])
        if len(got) > 1:
            self.problem(f"a smuggled request was answered: {got}")

    # ---- bodies ----

    async def bombs(self):
        body, kind, encoding = self.random.choice(self.bodies())
        head = b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: " + kind + b"\r\nConnection: close\r\n" + encoding + b"Content-Length: %d\r\n\r\n" % len(body)
        await self.exchange(head + body, [204, 400, 413, 429, 503], seconds=HONEST_SECONDS)

    def bodies(self):
        if not hasattr(self, "made"):
            proto, text = b"application/x-protobuf", b"application/json"
            packed = gzip.compress(bytes(BUDGET * 2))
            raw = zlib.compressobj(9, zlib.DEFLATED, -15)
            deflated = raw.compress(bytes(BUDGET * 2)) + raw.flush()
            dense = b'{"streams":[{"stream":{"a":"b"},"values":[' + b'["1","a"],' * 1_000_000 + b'["1","a"]]}]}'
            small = b"".join(wire.field(1, wire.field(1, b'{a="%d"}' % i) + wire.field(2, wire.entry(NOW, b"x"))) for i in range(20_000))
            empty = wire.field(1, wire.field(1, b'{a="b"}') + wire.field(2, b"") * 2_000_000)
            self.made = [(wire.varint(size) + bytes(20), proto, b"") for size in (2**32 - 1, 2**32, 2**40, BUDGET - 1)]
            self.made += [(packed, text, b"Content-Encoding: gzip\r\n"), (packed, proto, b"Content-Encoding: gzip\r\n"), (deflated, text, b"Content-Encoding: deflate\r\n"),
                          (gzip.compress(packed), text, b"Content-Encoding: gzip, gzip\r\n"), (gzip.compress(gzip.compress(packed)), text, b"Content-Encoding: gzip\r\n"),
                          (gzip.compress(b" ") * 200_000, text, b"Content-Encoding: gzip\r\n"), (gzip.compress(dense), text, b"Content-Encoding: gzip\r\n"),
                          (wire.snappy(packed), proto, b""), (dense, text, b""), (wire.snappy(small), proto, b""), (wire.snappy(empty), proto, b""),
                          (b"[" * 1_000_000, text, b""), (b'{"a":' * 500_000, text, b""), (b"\x1f\x8b" + bytes(100), text, b"Content-Encoding: gzip\r\n"),
                          (b'{"streams":[{"stream":{' + b",".join(b'"l%d":"x"' % i for i in range(200_000)) + b'},"values":[]}]}', text, b"")]
        return self.made

    # ---- numbers ----

    async def resets(self):
        """Gone in the middle of anything."""
        data = self.random.choice([b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /loki/api/v1/labels HTTP/1.1\r\nHost: x\r\n\r\n" * 3,
                                   b"POST /loki/api/v1/push HTTP/1.1\r\n" + HEAD + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000,
                                   b"GET /loki/api/v1/query_range?query=%%7Bbig%%3D%%221%%22%%7D&limit=30000&start=%d&end=%d HTTP/1.1\r\nHost: x\r\n\r\n" % (NOW - 10**9, NOW + 10**9)])
        peer = await Peer(self).connect()
        await peer.send(data[:self.random.randrange(len(data) + 1)])
        if self.random.random() < 0.5:
            await peer.read(0.01, most=self.random.randrange(1, 10_000))
        peer.close(reset=True)

    async def silent(self, until):
        """CONNECTIONS of them at once that say nothing, and new ones when some are dropped."""
        peers = collections.deque()
        while time.monotonic() < until:
            while len(peers) < CONNECTIONS and time.monotonic() < until:
                for _ in range(100):
                    with contextlib.suppress(OSError):
                        peers.append(self.silent_one())
                await asyncio.sleep(0)
            self.counts["silent"] = max(self.counts["silent"], len(peers))
            await asyncio.sleep(1)
            for _ in range(CONNECTIONS // 4):
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
        except OSError:
            s.close()
            raise
        return s


# Each with the number of peers at once.
KINDS = [("slow_headers", 500), ("slow_bodies", 300), ("giant_headers", 10), ("pipelined_garbage", 10), ("websocket", 20), ("smuggling", 20), ("bombs", 4),
         ("slow_readers", 20), ("resets", 50)]


# ---- what must hold ----

def of_process(server, name):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        return int(re.search(name + r":\s+(\d+)", f.read()).group(1))


def sockets(server):
    base, count = f"/proc/{server.process.pid}/fd", 0
    for name in os.listdir(base):
        with contextlib.suppress(OSError):
            count += os.readlink(os.path.join(base, name)).startswith("socket:")
    return count


async def watch(server, attack, seen):
    """Every now and then: memory and connections."""
    while True:
        seen["memory"] = max(seen["memory"], of_process(server, "RssAnon") * 1024)
        seen["connections"] = max(seen["connections"], sockets(server))
        if seen["memory"] > MEMORY_MAX and not SANITIZED:
            attack.problem(f"{seen['memory'] >> 20} MB of memory, {MEMORY_MAX >> 20} are what the settings allow")
            return
        await asyncio.sleep(0.2)


async def attack_all(server, attack, phase, seconds):
    seen = collections.Counter()
    phases = ["quiet"]
    share = seconds / (len(KINDS) + 4)
    watcher = asyncio.create_task(watch(server, attack, seen))
    await asyncio.sleep(share / 2)
    for name, count in KINDS:
        phases.append(name)
        phase.value = len(phases) - 1
        await attack.many(count, getattr(attack, name), share)
    phases.append("silent")
    phase.value = len(phases) - 1
    await attack.silent(time.monotonic() + 3 * share)
    phases.append("afterwards")
    phase.value = len(phases) - 1
    await asyncio.sleep(share / 2)
    watcher.cancel()
    return phases, seen


def check_honest(attack, phases, results):
    times = collections.defaultdict(list)
    for result in results:
        if isinstance(result, str):
            attack.problem(f"the honest client: {result}")
        else:
            times[phases[result[0]]].append(result[1])
    quiet = statistics.median(times["quiet"])
    for name in phases:
        if not times[name]:
            attack.problem(f"{name}: the honest client was not answered")
            continue
        middle, longest = statistics.median(times[name]), max(times[name])
        print(f"{name:20} {attack.counts[name]:8d} times   honest: {len(times[name]):6d} answers, median {middle * 1000:7.1f} ms, longest {longest * 1000:7.0f} ms")
        if middle > 100 * quiet + 0.5:
            attack.problem(f"{name}: the honest client waits {middle:.2f} s as a rule, alone {quiet:.4f} s")


def check_recovery(server, attack, before):
    """Memory, descriptors and threads come back; what was accepted goes to the disk before."""
    server.flush()
    deadline = time.monotonic() + 60
    while True:
        now = {"memory": of_process(server, "RssAnon") * 1024, "sockets": sockets(server), "threads": of_process(server, "Threads")}
        left = [name for name in now if now[name] > before[name] + (MEMORY_LEFT if name == "memory" else 0)]
        if SANITIZED and left == ["memory"]:
            left = []
        if not left:
            break
        if time.monotonic() > deadline:
            attack.problem(f"{', '.join(left)}: {now}, before {before}")
            break
        time.sleep(0.5)
    print(f"memory {before['memory'] >> 20} MB before, {now['memory'] >> 20} MB afterwards")
    for name in ["skald_http_inflight_bytes", "skald_http_outgoing_bytes"]:
        if server.metric(name) > 0:
            attack.problem(f"{name} is {server.metric(name)}")
    for line in server.log().splitlines():
        if "level=error" in line or "Sanitizer" in line:
            attack.problem(f"log: {line[:300]}")


def run(arguments):
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    chance = random.Random(arguments.seed)
    server = Server(flags=FLAGS).start()
    attack = Attack(server, chance)
    attack.bodies()
    for i in range(4):
        status, text = server.push([({"big": "1"}, [(NOW + i * 10_000 + j, f"{j} " + "x" * 300) for j in range(10_000)])])
        assert status == 204, text
    server.flush()
    time.sleep(1)
    before = {"memory": of_process(server, "RssAnon") * 1024, "sockets": sockets(server), "threads": of_process(server, "Threads")}
    phase, queue = multiprocessing.Value("i", 0), multiprocessing.Queue()
    client = multiprocessing.Process(target=honest, args=(server.port, phase, queue))
    client.start()
    try:
        phases, seen = asyncio.run(attack_all(server, attack, phase, arguments.seconds))
    finally:
        phase.value = -1
    check_honest(attack, phases, list(iter(queue.get, None)))
    client.join()
    print(f"at most {seen['memory'] >> 20} MB of memory and {seen['connections']} connections")
    if seen["connections"] < CONNECTIONS * 0.5:
        attack.problem(f"only {seen['connections']} connections came about")
    check_recovery(server, attack, before)
    if server.stop(seconds=60) != 0:
        attack.problem("the server did not end in order")
    server.close()
    return attack.problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    problems = run(arguments)
    if problems:
        print(f"again: tests/torture/hostile_peers.py --seconds {arguments.seconds:g} --seed {arguments.seed}")
    print(f"{len(KINDS) + 2 if not problems else 0} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
