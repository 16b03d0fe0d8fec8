#!/usr/bin/env python3
"""Gives the evaluator what is known of Loki: rows.txt (one rule a row) and the conformance corpus."""
import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import compare  # noqa: E402
import generate  # noqa: E402
import lines  # noqa: E402
import naive  # noqa: E402
import parse  # noqa: E402
import tree  # noqa: E402

CORPUS = os.path.join(HERE, "..", "conformance", "corpus")
SECOND = 10**9
SETS = {
    "A": [({"svc": "web", "pod": "p1"}, [(t, "GET /a 200") for t in (5, 15, 25, 35, 45, 55)]),
          ({"svc": "web", "pod": "p2"}, [(t, "GET /bb 404") for t in (10, 30, 50)]),
          ({"svc": "db", "pod": "p3"}, [(t, "slow query") for t in (20, 40)])],
    "B": [({"svc": "web", "pod": "p1"}, [(10, "n=4 d=120ms s=2KB code=200"), (20, "n=6 d=1.5s s=512B code=500"),
                                         (35, "n=9 d=3s s=1KiB code=200")]),
          ({"svc": "web", "pod": "p2"}, [(15, "n=10 d=2s code=200"), (45, "n=20 d=1m code=500"), (50, "other=1 code=200")])],
    "X": [({"svc": "web", "pod": "p1"}, [(10, "n=4"), (20, "n=oops"), (30, "plain")])],
    "C": [({"svc": "ctr"}, [(10, "c=10"), (20, "c=25"), (30, "c=5"), (50, "c=30")]), ({"svc": "one"}, [(30, "c=7")])],
    "J": [({"svc": "js"}, [(10, '{"lvl":"error","ms":12,"u":{"id":"x1"}}'), (20, '{"lvl":"info","ms":30}'), (30, "oops")])],
    "M": [({"svc": "sm", "env": "prod"}, [(10, "m=1", {"trace": "t1"}), (20, "m=2", {"trace": "t2", "env": "canary"}),
                                          (30, "m=3")])],
    "S": [({"svc": "sp"}, [(10, "v=NaN"), (20, "v=+Inf"), (30, "v=-Inf"), (40, "v=5")])],
    "L": [({"svc": "a"}, [(1, "k=1 x"), (2, "k=2 y"), (4, "k=1 z")]), ({"svc": "b"}, [(3, "k=1 w")])],
}
NOT_FOLLOWED = {
    "selector-025": "an entry at a whole hour is hidden", "bounds-007": "an entry at a whole hour is hidden",
    "json-010": "sizes in queries lose digits on their way through Loki",
    "RA13": "its steps are not aligned, as over HTTP", "TP23": "dates are not evaluated", "template-007": "dates are not evaluated", "template-087": "js is not evaluated"}
JOBJ = '__error__="JSONParserErr", __error_details__="' + lines.OBJECT + '"'


def bare(streams):
    """Data without what the server adds to each entry."""
    data = naive.Data()
    for labels, entries in streams:
        for ns, line, *more in entries:
            name = naive.label_text(labels)
            data.entries.append(naive.Entry(ns, line, labels, dict(more[0]) if more else {}, (hash(name) % 97, name, len(data.entries))))
    return data


def rows():
    with open(os.path.join(HERE, "rows.txt"), encoding="utf-8") as f:
        for row in f:
            row = re.sub(r"\s+\[Q\]$", "", row.rstrip("\n"))
            yield [part.removesuffix(" ") for part in row.split("¦ ")]


def labels_in(text):
    """{a="1", b="2"} and what follows."""
    found = re.match(r'\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}', text)
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")', found.group(1))
    return {k: json.loads(v) for k, v in pairs}, text[found.end():].strip()


class Rows(unittest.TestCase):
    def pipeline(self, name, query, given, want):
        line, labels, metadata = given, {"svc": "web"}, {}
        for part, into in (("labels", labels), ("sm", metadata)):
            found = re.search(r"\s+\+" + part + r"(\{.*?\})(?=\s+\+|$)", line)
            if found:
                into.update(json.loads(found.group(1)))
                line = line[:found.start()] + line[found.end():]
        line = "" if line == "(empty)" else line
        if name in ("LF14", "LF15"):
            line = line.replace("\\n", "\n")
        if name in ("LF35", "ST22"):
            line = line.replace("\\x1b", "\x1b")
        if want.startswith("ERROR"):
            return
        log = parse.parse('{svc="web"} ' + query)
        data = bare([(labels, [(1700000000123456789, line, metadata)])])
        request = naive.Request("range", 0, 2**62, 2**50, 100, "forward", 0, False)
        got = naive.answer(log, data, request)
        if want == "DROP":
            self.assertEqual(got.result, [])
            return
        wanted_line = line
        want = want.replace("<JOBJ>", JOBJ)
        if want.startswith("line="):
            wanted_line, at = json.JSONDecoder().raw_decode(want[5:])
            want = want[5 + at:].strip()
        wanted, rest = labels_in(want)
        if rest != "NO-svc":
            wanted["svc"] = "web"
        self.assertEqual((got.result[0][0], got.result[0][1][0][1]), (wanted, wanted_line))

    def query(self, name, data, when, query, want):
        data = bare([(labels, [(e[0] * SECOND, *e[1:]) for e in entries]) for labels, entries in SETS[data]])
        node = parse.parse(re.sub(r"\bc\b(?=[ ),]|$)", 'count_over_time({svc=~".+"}[1m])', query) if name[:2] == "VB" else query)
        if when[0] == "@":
            at = int(when[1:]) * SECOND
            request = naive.Request("instant", at, at, 0, 0, "", 0, False)
        else:
            words = when.split()
            start, end, step = map(int, re.match(r"(\d+)\.\.(\d+)/(\d+)", words[0]).groups())
            more = dict(w.split("=") for w in words[1:])
            request = naive.Request("range", start * SECOND, end * SECOND, step * SECOND, int(more.get("limit", 100)),
                                    more.get("dir", "backward"), int(more.get("interval", 0)) * SECOND, False)
        got = naive.answer(node, data, request)
        if want.startswith("ERROR"):
            self.assertEqual({e.split(" for series")[0] for _, e in got.errors}, {want[6:].split(" for series")[0]})
            return
        kind, want = want.split(": ", 1)
        if kind == "scalar":
            self.assertTrue(compare.same_number(got.result, float(want)), got)
            return
        wanted = []
        for item in [] if want == "empty" else want.split(" ; "):
            labels, rest = labels_in(item)
            if kind == "streams":
                wanted.append((labels, [(int(t) * SECOND, json.loads(x), {}, {}) for t, x in re.findall(r'\[(\d+) ("[^"]*")\]', rest)]))
            elif kind == "matrix":
                wanted.append((labels, [(int(p.split("@")[1]) * 1000, float(p.split("@")[0])) for p in rest.split()]))
            else:
                wanted.append((labels, [(request.start // 10**6, float(rest))]))
        self.assertIsNone(compare.difference(naive.Answer(200, kind, wanted, None, got.order), got), (wanted, got.result))

    def test_rows(self):
        for row in rows():
            if row[0] in NOT_FOLLOWED:
                continue
            with self.subTest(row[0], row=row):
                (self.pipeline if len(row) == 4 else self.query)(*row)


def time_of(text, default):
    if text is None:
        return default
    text = str(text)
    if "T" in text:
        import datetime
        return int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) * SECOND
    return int(text) if len(text) > 15 else round(float(text) * 1000) * 10**6


def request_of(case):
    params = case["params"]
    seconds = lambda t: parse.duration(t) if t[-1:].isalpha() else round(float(t) * 1000) * 10**6
    start, end = time_of(params.get("start"), 0), time_of(params.get("end"), 0)
    categorize = "categorize-labels" in str(case.get("headers") or {})
    if case["path"].endswith("/query"):
        at = time_of(params["time"], 0)
        return naive.Request("instant", at, at, 0, 0, "", 0, False)
    step = seconds(str(params["step"])) if "step" in params else max((end - start) // (250 * SECOND), 1) * SECOND
    return naive.Request("range", start, end, step, int(params.get("limit", 100)), params.get("direction", "backward"),
                         seconds(str(params["interval"])) if "interval" in params else 0, categorize)


class Corpus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = naive.Data()
        with open(os.path.join(CORPUS, "push.jsonl"), encoding="utf-8") as f:
            for line in f:
                cls.data.push([(s["stream"], s["values"]) for s in json.loads(line)["streams"]])

    def test_corpus(self):
        asked = skipped = 0
        with open(os.path.join(CORPUS, "cases.jsonl"), encoding="utf-8") as f:
            for line in f:
                case = json.loads(line)
                if not case["path"].startswith("/loki/api/v1/query") or case["group"] == "mistake":
                    continue
                if case["status"] == 400 and not str(case["body"]).startswith("pipeline error"):
                    continue  # what parsers refuse
                if case["id"] in NOT_FOLLOWED:
                    continue
                body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
                with self.subTest(case["id"], query=case["params"]["query"]):
                    try:
                        got = naive.answer(parse.parse(case["params"]["query"]), self.data, request_of(case))
                    except lines.Ambiguous:
                        skipped += 1
                        continue
                    asked += 1
                    self.assertIsNone(compare.difference(got, compare.read(case["status"], body), in_order=False))
        print(f"{asked} cases of the corpus, {skipped} left open")
        self.assertGreater(asked, 350)


class Texts(unittest.TestCase):
    def test_text_of_random_queries_is_read_again(self):
        data = generate.DataSet("texts")
        for i in range(1000):
            text = tree.text_of(generate.QueryMaker(data, i).make()[0])
            with self.subTest(text):
                self.assertEqual(tree.text_of(parse.parse(text)), text)


if __name__ == "__main__":
    unittest.main()
