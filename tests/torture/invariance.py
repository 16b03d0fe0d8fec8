#!/usr/bin/env python3
"""The same data in one state of the store after the other: every query of the conformance corpus answers alike.

    invariance.py [--rounds N] [--seed N] [--state NAME ...]

The first state is the whole corpus in heads, pushed as it stands. Its answers have to pass check.py's comparison with
those that Loki gave, and are what all others are compared with, byte for byte. What is left out, and why, tells
answer(). The first round goes through every state with the default settings; each further one cuts the pushes into
other pieces and has other settings of chunks, blocks, codecs and merges.
"""
import argparse
import http.client
import json
import os
import random
import shutil
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "conformance")]

import check  # noqa: E402
from server import Server, skald  # noqa: E402

SHOWN = 10  # differences that are printed
NO_MERGES = "--compactor.compaction_interval=0s"
MERGES = "--compactor.compaction_interval=20ms"
NOW = "--compactor.delete_request_cancel_period=0s"


# ---- the corpus ----

def bodies():
    return [json.loads(line) for line in check.lines(check.CORPUS, "push.jsonl")]


def cases():
    return [json.loads(line) for line in check.lines(check.CORPUS, "cases.jsonl")]


def pieces(pushes, count):
    """
    Each push as so many smaller ones, one after the other: entries stay in the order in which they came. Those of one
    stream and time stay together. An entry that comes twice counts where it came first; but if both are in chunks, and
    other entries of that time between them, a backward query shows it where it came last.
    """
    for body in pushes:
        entries = [(stream, value) for stream in body["streams"] for value in stream["values"]]
        begin = 0
        for i in range(count):
            end = len(entries) * (i + 1) // count
            while begin < end < len(entries) and entries[end][0] is entries[end - 1][0] and entries[end][1][0] == entries[end - 1][1][0]:
                end += 1
            streams = []
            for stream, value in entries[begin:end]:
                if not streams or streams[-1]["stream"] is not stream["stream"]:
                    streams.append({**stream, "values": []})
                streams[-1]["values"].append(value)
            if streams:
                yield {"streams": streams}
            begin = max(begin, end)


# What is pushed beside the corpus and deleted again, by what is in its lines or by its time.
GONE = "this line was deleted"
GONE_NS = (1_772_374_000_000_000_000, 1_772_375_000_000_000_000)  # an hour behind the corpus, on the same day
BEFORE_NS = 1_772_300_000_000_000_000  # the corpus begins after that


def with_neighbours(body, chance):
    """The push with other entries of the same streams between its own, and behind them all."""
    streams = []
    for stream in body["streams"]:
        values = []
        for value in stream["values"]:
            values.append(value)
            if chance.random() < 0.5:
                values.append([str(int(value[0]) + chance.randrange(3)), f"{GONE} level=error n={chance.randrange(1000)}"])
        values += [[str(chance.randrange(*GONE_NS)), f"n={i} size=17"] for i in range(chance.randrange(4))]
        streams.append({**stream, "values": values})
    return {"streams": streams}


def delete_neighbours(server):
    selector = '{service_name=~".+"}'
    for query, start, end in ((f'{selector} |= "{GONE}"', BEFORE_NS, GONE_NS[1]), (selector, *GONE_NS)):
        status, _, text = server.request("POST", "/loki/api/v1/delete", {"query": query, "start": start // 10**9, "end": end // 10**9})
        assert status == 204, (status, text)


def wait_until_removed(server):
    deadline = time.monotonic() + 120
    while [r["status"] for r in json.loads(server.get("/loki/api/v1/delete")[1])] != ["processed"] * 2:  # delete_neighbours()
        assert time.monotonic() < deadline, server.get("/loki/api/v1/delete")
        time.sleep(0.05)


# ---- asking ----

def without_stats(body):
    """
    "stats" tells how long a query took and through how many bytes, blocks and chunks it went: that is the state.
    """
    if isinstance(body, dict):
        return {k: without_stats(v) for k, v in body.items() if k != "stats"}
    return [without_stats(v) for v in body] if isinstance(body, list) else body


def answer(case, status, text):
    """
    What has to be the same in every state, as text: the status and the body, with everything in its order. Of the index
    endpoints only what there is, not how much: in heads there are no chunks, and an entry that was pushed twice, as some
    of the corpus are, counts twice for as long as it is in two chunks.
    """
    try:
        body = without_stats(json.loads(text))
    except ValueError:
        return f"{status} {text}"
    if case["path"].endswith("/index/stats") and status == 200:
        body = {"streams": body["streams"]}
    elif case["path"].endswith("/index/volume") and status == 200:
        body["data"]["result"] = sorted(json.dumps(series["metric"]) for series in body["data"]["result"])
    return f"{status} {json.dumps(body, ensure_ascii=False)}"


class Client:
    """One connection that is kept."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)

    def ask(self, case):
        path = case["path"] + ("?" + urllib.parse.urlencode(case["params"], doseq=True) if case["params"] else "")
        self.connection.request("GET", path, headers=case.get("headers") or {})
        got = self.connection.getresponse()
        return got.status, got.read().decode("utf-8", "replace")


class Run:
    """All cases, the answers in the first state, and what differed from them."""

    def __init__(self):
        self.cases = cases()
        self.wanted = None
        self.passed = 0
        self.failed = 0
        self.lock = threading.Lock()

    def fail(self, state, text):
        with self.lock:
            self.failed += 1
            if self.failed <= SHOWN:
                print(f"DIFFERENT {state}: {text}", flush=True)

    def ask(self, server, state, doubled=False):
        """
        Ask everything once; the first time the answers are those that are wanted from then on. `doubled`: everything was
        pushed twice, and sizes are those of both.
        """
        client, answers = Client(server), []
        for i, case in enumerate(self.cases):
            status, text = client.ask(case)
            got = answer(case, status, text)
            answers.append(got)
            why = None if doubled and case["path"].endswith("/index/volume") else check.compare(case, status, text)
            if why is None and self.wanted is not None and got != self.wanted[i]:
                why = part(self.wanted[i], got)
            if why is None:
                with self.lock:
                    self.passed += 1
            else:
                self.fail(state, f"{case['id']} {case['path']} {case['params'].get('query', '')}\n    {why}")
        if self.wanted is None:
            self.wanted = answers


def part(want, got):
    """Where two texts part."""
    at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
    begin = max(0, at - 60)
    return f"at {at}: want ...{want[begin:at + 100]}\n    {' ' * len(str(at))}     got ...{got[begin:at + 100]}"


# ---- bringing a store into a state ----

def push(server, body):
    status, text = server.push_body(json.dumps(body, ensure_ascii=False).encode())
    assert status == 204, (status, text)


def fill(server, count=1, flush=False):
    for body in pieces(bodies(), count):
        push(server, body)
        if flush:
            server.flush()


def restart(server, flags):
    assert server.stop(60) == 0
    server.flags = list(flags)
    server.start()


def ask_while(run, server, state, busy):
    """Ask again and again, from two threads, until nothing is left to do, and once after that."""
    done = threading.Event()

    def ask():
        try:
            while not done.is_set():
                run.ask(server, f"{state}, meanwhile")
        except Exception as error:  # pylint: disable=broad-except
            run.fail(f"{state}, meanwhile", repr(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        busy()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    run.ask(server, state)


def merge(server):
    server.merge()
    assert server.metric("skald_merges_total") > 0, "nothing was merged"


def in_heads(run, flags, chance):
    """Pushed as it stands; killed and replayed; flushed; started again; flushed a second time, with nothing to flush."""
    with Server(flags=[NO_MERGES, *flags]) as server:
        fill(server)
        run.ask(server, "heads")
        server.kill()
        server.start()
        run.ask(server, "replayed after kill -9")
        server.flush()
        run.ask(server, "flushed")
        server.kill()
        server.start()
        run.ask(server, "flushed, killed, started")
        server.flush()
        run.ask(server, "flushed twice")
        assert server.stop(60) == 0


def half_flushed(run, flags, chance):
    """Some in chunks, some in heads, some of the latter in chunks too when the log is replayed."""
    with Server(flags=[NO_MERGES, *flags]) as server:
        parts = list(pieces(bodies(), chance.randint(2, 6)))
        middle = chance.randrange(1, len(parts))
        for i, body in enumerate(parts):
            push(server, body)
            if i + 1 == middle:
                server.flush()
        run.ask(server, "half in heads")
        server.kill()
        server.start()
        run.ask(server, "half in heads, killed, started")


def twice(run, flags, chance):
    """The same pushes again: every entry is there already."""
    with Server(flags=[NO_MERGES, *flags]) as server:
        fill(server, chance.randint(1, 4), flush=True)
        fill(server)
        run.ask(server, "pushed twice, half in heads", doubled=True)
        server.flush()
        run.ask(server, "pushed twice", doubled=True)
        restart(server, [MERGES, *flags])
        merge(server)
        run.ask(server, "pushed twice, merged")


def merged(run, flags, chance):
    """Many small chunks, merged while queries run, then read again from the files alone."""
    with Server(flags=[NO_MERGES, *flags]) as server:
        fill(server, chance.randint(4, 12), flush=True)
        run.ask(server, "flushed in pieces")
        restart(server, [MERGES, *flags])
        ask_while(run, server, "merged", lambda: merge(server))
        server.kill()
        server.start()
        run.ask(server, "merged, killed, started")


def rebuild(server, flags):
    """Make the index again from the segments, by hand."""
    assert server.stop(60) == 0
    status, text, problem = skald("rebuild-index", server.data)
    assert status == 0, (status, text, problem)
    server.flags = list(flags)
    server.start()


def rebuilt(run, flags, chance):
    """The index made again from segments, of which some hold chunks that were merged into others, and from the log."""
    with Server(flags=[NO_MERGES, *flags]) as server:
        for i, body in enumerate(pieces(bodies(), chance.randint(2, 12))):
            push(server, body)
            if chance.random() < 0.8 or i == 0:
                server.flush()
        restart(server, [MERGES, *flags])
        merge(server)  # what is only flushed, and in the log as well, would come back from there
        rebuild(server, [MERGES, *flags])
        ask_while(run, server, "rebuilt, merged", lambda: merge(server))
        rebuild(server, [NO_MERGES, *flags])
        run.ask(server, "merged, rebuilt")
        server.kill()
        shutil.rmtree(os.path.join(server.data, "index"))
        server.start()
        assert server.metric("skald_index_rebuilt") == 1, "the lost index was not made again"
        run.ask(server, "index lost")
        server.kill()
        with open(os.path.join(server.data, "index", "data.mdb"), "r+b") as index:
            for page in range(chance.randrange(2, 8), os.path.getsize(index.name) // 4096):  # a single one may be free
                index.seek(4096 * page)
                index.write(bytes(64))
        server.start()
        assert server.metric("skald_index_rebuilt") == 1, "the damaged index was not made again"
        run.ask(server, "index damaged")


def half_deleted(run, flags, chance):
    """Half of what was pushed is deleted, in heads and in chunks; the rest of the corpus comes after that."""
    with Server(flags=[NO_MERGES, *flags]) as server:
        parts = list(pieces(bodies(), chance.randint(2, 6)))
        middle = chance.randrange(1, len(parts))
        for i, body in enumerate(parts):
            push(server, with_neighbours(body, chance) if i < middle else body)
            if i + 1 == middle:
                delete_neighbours(server)
            elif chance.random() < 0.2:
                server.flush()
        run.ask(server, "half deleted")
        server.kill()
        server.start()
        run.ask(server, "half deleted, killed, started")
        server.flush()
        rebuild(server, [NO_MERGES, *flags])
        run.ask(server, "half deleted, rebuilt")
        restart(server, [MERGES, *flags])
        ask_while(run, server, "half deleted, merged", lambda: merge(server))
        restart(server, [MERGES, NOW, *flags])
        ask_while(run, server, "removed", lambda: wait_until_removed(server))
        server.kill()
        server.start()
        run.ask(server, "removed, killed, started")
        rebuild(server, [MERGES, NOW, *flags])
        ask_while(run, server, "removed, rebuilt", lambda: wait_until_removed(server))


STATES = {"heads": in_heads, "half": half_flushed, "twice": twice, "merged": merged, "rebuilt": rebuilt, "deleted": half_deleted}


# ---- rounds ----

def settings(chance):
    """Settings that no answer may depend on."""
    return [f"--ingester.chunk_target_size={chance.choice(['4KB', '64KB', '1MB'])}",
            f"--ingester.chunk_block_size={chance.choice(['1KB', '16KB', '256KB'])}",
            f"--ingester.chunk_encoding={chance.choice(['none', 'snappy', 'lz4', 'zstd'])}",
            f"--querier.block_filters={chance.choice(['true', 'false'])}",
            f"--storage.segment_max_bytes={chance.choice(['1MB', '1GB'])}",
            f"--querier.max_concurrent={chance.choice(['1', '4'])}"]


def one_state(run, name, flags, chance):
    failed, passed, begin = run.failed, run.passed, time.monotonic()
    try:
        STATES[name](run, flags, chance)
    except Exception as error:  # pylint: disable=broad-except
        run.fail(name, repr(error))
    print(f"{name:10} {run.passed - passed:7} answers alike {run.failed - failed:5} not {time.monotonic() - begin:6.1f} s  {' '.join(flags)}",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--state", nargs="*", choices=list(STATES), default=[])
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    run = Run()
    for number in range(arguments.rounds):
        chance = random.Random(f"{arguments.seed}/{number}")
        flags = settings(chance) if number > 0 else []
        for name in STATES:
            if name == "heads" or not arguments.state or name in arguments.state:
                one_state(run, name, flags, chance)
    if run.failed:
        print(f"repeat: tests/torture/invariance.py --seed {arguments.seed} --rounds {arguments.rounds}")
    print(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed or not run.passed else 0  # nothing asked is no success


if __name__ == "__main__":
    sys.exit(main())
