#!/usr/bin/env python3
"""Asks a server random queries and compares every answer with the evaluator of naive.py.

    run.py [--queries N] [--seed S] [--state STATE|all] [--binary PATH] [--jobs N]
    run.py --seed S --only DATASET/QUERY      repeats one query; prints it, both answers, and the data with --data
"""
import argparse
import collections
import http.client
import json
import multiprocessing
import os
import sys
import time
import traceback
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]

import compare  # noqa: E402
import generate  # noqa: E402
import lines  # noqa: E402
import naive  # noqa: E402
import server as support  # noqa: E402
import tree  # noqa: E402
import wire  # noqa: E402

STATES = ["heads", "flushed", "mixed", "restarted", "doubled", "unfiltered", "merged"]
FLAGS = {"unfiltered": ["--querier.block_filters=false"], "merged": ["--compactor.compaction_interval=50ms"]}
PER_DATA_SET = 250
ATTEMPTS = 2  # to make a query that finds something
SHOWN = 10  # differences that are printed in full


def push(server, streams, as_protobuf):
    if not streams:
        return  # nothing is left for this part
    if as_protobuf:
        body = wire.snappy(wire.push_request(
            [(naive.label_text(labels), [(ns, line.encode(), sorted(m.items())) for ns, line, m in entries])
             for labels, entries in streams]))
        status, text = server.push_body(body, content_type="application/x-protobuf")
    else:
        status, text = server.push([(labels, [(*e[:2], *([e[2]] if e[2] else [])) for e in entries]) for labels, entries in streams])
    assert status == 204, (status, text)


def fill(server, data_set, state, number):
    """Brings the server into a state; returns what the evaluator is to know."""
    data = naive.Data()
    parts = data_set.pushes({"heads": 1, "flushed": 1, "unfiltered": 1, "merged": 12}.get(state, 2))
    for i, part in enumerate(parts):
        push(server, part, (number + i) % 2 == 1)
        data.push(part)
        if state in ("flushed", "unfiltered", "merged") or state in ("mixed", "restarted") and i == 0:
            server.flush()
    if state == "doubled":
        server.flush()
        for part in data_set.pushes(3)[1:]:
            push(server, part, False)
    if state == "merged":
        for part in data_set.pushes(3)[1:]:  # some of it twice
            push(server, part, False)
        server.flush()
        server.merge()
    if state == "restarted":
        assert server.stop(30) == 0
        server.start()
    return data


def seconds(ns):
    return f"{ns // 10**9}.{ns % 10**9:09d}".rstrip("0").rstrip(".")


def address(node, request):
    """(path with parameters, headers)"""
    query = tree.text_of(node)
    if request.kind == "instant":
        return "/loki/api/v1/query?" + urllib.parse.urlencode({"query": query, "time": request.start}), {}
    params = {"query": query, "start": request.start, "end": request.end}
    if isinstance(node, tree.Log):
        params.update(limit=request.limit, direction=request.direction)
        if request.interval:
            params["interval"] = seconds(request.interval)
    else:
        params["step"] = seconds(request.step)
    headers = {"X-Loki-Response-Encoding-Flags": "categorize-labels"} if request.categorize else {}
    return "/loki/api/v1/query_range?" + urllib.parse.urlencode(params), headers


class Client:
    """One connection that is kept."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path, headers):
        self.connection.request("GET", path, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")


def one_query(client, data_set, data, seed, number):
    """(kind of outcome, text of the difference or None)"""
    for attempt in range(ATTEMPTS):
        node, request = generate.QueryMaker(data_set, f"{seed}/{number}/{attempt}").make()
        try:
            want = naive.answer(node, data, request)
        except lines.Ambiguous as why:
            return f"left open: {why}", None
        if want.errors or want.kind == "scalar" or want.result:
            break
    path, headers = address(node, request)
    status, body = client.ask(path, headers)
    try:
        got = compare.read(status, body)
        why = compare.difference(want, got)
    except (ValueError, KeyError, TypeError) as error:
        why = f"the answer can not be read: {error!r}"
    if why is None:
        return "error" if want.errors else "empty" if want.kind != "scalar" and not want.result else "full", None
    said = body.partition(',"stats":')[0]
    request = path + "".join(f" {name}: {value}" for name, value in headers.items())
    return "different", (f"{why}\n  query   {tree.text_of(node)}\n  request {request}\n"
                         f"  want    {shorten(want.errors or want.result)}\n  got     {status} {shorten(said)}\n")


def shorten(value, size=2000):
    text = value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=sorted)
    return text if len(text) <= size else text[:size] + f"... ({len(text)} characters)"


def last_words(server):
    log = server.log()
    at = max(log.find("==ERROR"), log.find("runtime error:"), log.find("WARNING: ThreadSanitizer"))
    return log[at:at + 3000] if at >= 0 else log[-2000:]


def one_data_set(job):
    """(number, state, outcomes, [(query number, difference), ...])"""
    seed, number, queries, state = job
    data_set = generate.DataSet(f"{seed}/{number}")
    outcomes, differences = collections.Counter(), []
    try:
        with support.Server(flags=FLAGS.get(state, ())) as server:
            data = fill(server, data_set, state, number)
            client = Client(server.port)
            for query in queries:
                try:
                    outcome, why = one_query(client, data_set, data, f"{seed}/{number}", query)
                except (OSError, http.client.HTTPException):
                    outcome, why = "different", f"the server did not answer: {traceback.format_exc(limit=1)}"
                    client = Client(server.port)
                    if server.process.poll() is not None:
                        differences.append((query, f"the server ended with {server.process.returncode}\n{last_words(server)}"))
                        break
                outcomes[outcome] += 1
                if why:
                    differences.append((query, why))
            if server.process.poll() is None and server.stop(30) != 0:
                differences.append((0, f"the server stopped badly\n{last_words(server)}"))
    except Exception:  # pylint: disable=broad-except
        differences.append((0, traceback.format_exc()))
    return number, state, outcomes, differences


def jobs_of(options):
    if options.only:
        number, _, query = options.only.partition("/")
        queries = [int(query)] if query else range(PER_DATA_SET)
        return [(options.seed, int(number), queries, state_of(options, int(number)))]
    sets = -(-options.queries // PER_DATA_SET)
    return [(options.seed, n, range(min(PER_DATA_SET, options.queries - n * PER_DATA_SET)), state_of(options, n)) for n in range(sets)]


def state_of(options, number):
    return STATES[number % len(STATES)] if options.state == "all" else options.state


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=3000)
    parser.add_argument("--seed", default=None)
    parser.add_argument("--state", choices=STATES + ["all"], default="all")
    parser.add_argument("--binary", default=None)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default=None, metavar="DATASET[/QUERY]")
    parser.add_argument("--data", action="store_true", help="with --only: print the entries")
    return parser.parse_args()


def main():
    options = arguments()
    options.seed = options.seed or str(int(time.time()))
    if options.binary:
        support.BINARY = os.path.abspath(options.binary)
    print(f"seed {options.seed}", flush=True)
    if options.only and options.data:
        for labels, entries in generate.DataSet(f"{options.seed}/{options.only.split('/')[0]}").streams:
            print(labels, *entries, sep="\n    ")
    began, outcomes, shown, failed = time.monotonic(), collections.Counter(), 0, 0
    with multiprocessing.Pool(options.jobs) as pool:
        for number, state, counts, differences in pool.imap_unordered(one_data_set, jobs_of(options)):
            outcomes += counts
            failed += len(differences)
            for query, why in differences:
                shown += 1
                if shown <= SHOWN or options.only:
                    print(f"DIFFERENT {why}  repeat  tests/random/run.py --seed {options.seed} --only {number}/{query} --state {state}\n",
                          flush=True)
                else:
                    print(f"DIFFERENT --only {number}/{query} --state {state}: {why.splitlines()[0][:150]}")
    for name, count in sorted(outcomes.items()):
        print(f"{count:8} {name}")
    print(f"{time.monotonic() - began:.1f} s")
    passed = sum(outcomes[k] for k in ("full", "empty", "error"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
