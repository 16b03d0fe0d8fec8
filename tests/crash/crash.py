#!/usr/bin/env python3
"""Kill -9 at random moments under load, again and again; then compare with the ledger.

    crash.py [--kills N] [--clients N] [--seed N]

Clients push without a pause, each to streams of its own, and write down what was acknowledged (204). The
server is killed at a random moment and started again on the same directory, with small settings, so that
flushes, merges of chunks, new log files and removals of old ones happen all the time. At the end, and every now and then,
every acknowledged line must be answered exactly once and in order; lines that were sent but not acknowledged
may be there or not, but never twice and never in part. Pushes are answered with 204, 429 or 503, and only a kill breaks a
connection; the server ends when it is told, not by itself. At last there is something to merge, and segments go.
"""
import argparse
import collections
import contextlib
import http.client
import json
import os
import random
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import wire  # noqa: E402
from server import Server, skald  # noqa: E402

FLAGS = ["--wal.file_size=64KB", "--wal.size_target=256KB", "--ingester.chunk_target_size=16KB",
         "--ingester.memory_target=1MB", "--ingester.chunk_idle_period=2s", "--storage.segment_max_bytes=1MB",
         "--compactor.compaction_interval=20ms"]
CHECK_EVERY = 25  # kills
START = 1_772_000_000_000_000_000
ANSWER_SECONDS = 120  # by then a client hangs


class KilledServer(Server):
    changes = 0  # odd: it is not there

    def crash(self):
        """Kill it and start it; returns the seconds that the start took."""
        self.changes += 1
        self.kill()
        begin = time.monotonic()
        self.start()
        self.changes += 1
        return time.monotonic() - begin


class Client(threading.Thread):
    """Pushes numbered lines to two streams; a line that was not acknowledged is sent again or given up."""

    def __init__(self, server, number, seed):
        super().__init__(daemon=True)
        self.server = server
        self.number = number
        self.random = random.Random(seed * 1000 + number)
        self.acknowledged = [[], []]  # of each stream: numbers of lines, in order
        self.sent = [0, 0]
        self.stop = False
        self.acknowledges = False  # it has pushed something since it began
        self.failure = None
        self.pushes = 0

    def line(self, stream, n):
        """A line that tells where it belongs and whether it is whole."""
        filler = "x" * ((n * 7919 + stream) % 300)
        return f"client={self.number} stream={stream} n={n} {filler} end={n}"

    def timestamp(self, stream, n):
        return START + n * 1_000_000 + stream

    def body(self, batches):
        """One push and its type; now and then with a stream object for each line, as some agents send them."""
        apart = self.random.random() < 0.3
        streams = []
        for stream, numbers in batches:
            labels = {"job": "crash", "client": str(self.number), "stream": str(stream)}
            values = [[str(self.timestamp(stream, n)), self.line(stream, n)] for n in numbers]
            for part in [[v] for v in values] if apart else [values]:
                streams.append({"stream": labels, "values": part})
        if self.random.random() < 0.5:
            return json.dumps({"streams": streams}).encode(), "application/json"
        request = [("{%s}" % ",".join(f'{name}="{value}"' for name, value in s["stream"].items()),
                    [(int(ns), line.encode()) for ns, line in s["values"]]) for s in streams]
        return wire.snappy(wire.push_request(request)), "application/x-protobuf"

    def run(self):
        try:
            while not self.stop or not self.acknowledges:
                self.push_batches()
        except Exception:  # noqa: B902  pause() tells
            self.failure = traceback.format_exc()

    def push_batches(self):
        batches = []
        for stream in range(2):
            count = self.random.randint(1, 40)
            batches.append((stream, range(self.sent[stream], self.sent[stream] + count)))
            self.sent[stream] += count
        tries = self.random.choice([1, 1, 3])  # a batch that fails is sent again, or given up
        for _ in range(tries):
            if self.push(*self.body(batches)):
                self.pushes += 1
                self.acknowledges = True
                for stream, numbers in batches:
                    self.acknowledged[stream].extend(numbers)
                break
            time.sleep(0.01)

    def push(self, body, content_type):
        changes = self.server.changes
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.port}/loki/api/v1/push", data=body,
                                         headers={"Content-Type": content_type})
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        except (OSError, http.client.HTTPException):
            if changes % 2 == 0 and changes == self.server.changes:
                raise  # nobody has killed it
            return False
        assert status in (204, 429, 503), f"a push was answered with {status}"
        return status == 204


def check(server, clients):
    """Compare what is stored with the ledgers; returns the number of acknowledged lines."""
    total = 0
    for client in clients:
        for stream in range(2):
            selector = f'{{job="crash", client="{client.number}", stream="{stream}"}}'
            end = client.timestamp(stream, client.sent[stream] + 1)
            stored = server.entries(selector, START, end)
            counts = collections.Counter(ns for ns, _ in stored)
            doubled = [ns for ns, count in counts.items() if count > 1]
            assert not doubled, f"{selector}: answered twice: {doubled[:5]}"
            assert [ns for ns, _ in stored] == sorted(counts), f"{selector}: out of order"
            lines = dict(stored)
            for n in client.acknowledged[stream]:
                got = lines.get(client.timestamp(stream, n))
                assert got == client.line(stream, n), f"{selector}: line {n} acknowledged, stored {got!r}"
            for ns, line in stored:
                n = (ns - START - stream) // 1_000_000
                assert line == client.line(stream, n), f"{selector}: a line that was never sent: {line!r}"
            total += len(client.acknowledged[stream])
    return total


def run(server, arguments):
    """Returns what was done."""
    chance = random.Random(arguments.seed)
    slowest, merges, removed = 0.0, 0, 0
    server.start()
    clients = [Client(server, number, arguments.seed) for number in range(arguments.clients)]
    for client in clients:
        client.start()
    for kill in range(1, arguments.kills + 1):
        time.sleep(chance.uniform(0.0, 0.4))
        slowest = max(slowest, server.crash())
        if kill % CHECK_EVERY == 0:
            pause(clients)
            check(server, clients)
            merges += server.metric("skald_merges_total")
            removed += server.metric("skald_segments_removed_total")
            clients = resume(server, clients, arguments.seed + kill)
    pause(clients)
    for part in (1, 2):  # whatever the kills have left, each stream has two chunks to merge, whose segments go
        server.flush()
        clients = resume(server, clients, arguments.seed + arguments.kills + part)
        pause(clients)
    server.flush()
    total = check(server, clients)
    server.merge()
    assert check(server, clients) == total
    merges += server.metric("skald_merges_total")
    removed += server.metric("skald_segments_removed_total")
    assert merges > 0 and removed > 0, f"{merges} merges, {removed} segments removed"
    assert server.stop() == 0, "the server did not end cleanly"
    status, text, _ = skald("verify", server.data)
    assert status == 0, text.decode()
    server.start()
    assert check(server, clients) == total
    server.kill()
    pushes = sum(client.pushes for client in clients)
    return (f"{arguments.kills} kills, {pushes} pushes and {total} lines acknowledged, each answered exactly once; "
            f"{merges:.0f} merges and {removed:.0f} segments removed in the lives that were looked at; slowest start {slowest * 1000:.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    server = KilledServer(flags=FLAGS)
    try:
        print(run(server, arguments))
    except Exception:  # noqa: B902  the result is the last line, whatever happens
        print(f"FAILED: {traceback.format_exc()}\ndata kept in {server.directory}\n{server.log()[-3000:]}\n0 passed, 1 failed")
        return 1
    finally:
        with contextlib.suppress(RuntimeError):  # that it has ended by itself has been said
            server.kill()
    server.close()
    print("1 passed, 0 failed")
    return 0


def pause(clients):
    """Each ends when it has pushed something that was acknowledged."""
    for client in clients:
        client.stop = True
    for client in clients:
        client.join(2 * ANSWER_SECONDS)
        assert client.failure is None and not client.is_alive(), f"client {client.number} failed or hangs: {client.failure}"


def resume(server, clients, seed):
    """Threads cannot be started twice: go on with new ones that inherit the ledgers."""
    fresh = []
    for old in clients:
        client = Client(server, old.number, seed)
        client.acknowledged, client.sent, client.pushes = old.acknowledged, old.sent, old.pushes
        client.start()
        fresh.append(client)
    return fresh


if __name__ == "__main__":
    sys.exit(main())
