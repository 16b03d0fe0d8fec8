"""Searches for texts in flushed chunks, whose blocks have filters: no line is lost, whatever is asked for."""
import json
import random
import re
import unittest

from server import Server, skald

SECOND = 10**9
NOON = 1772366400 * SECOND  # 2026-03-01T12:00:00Z
WORDS = "request served from cache Refused by Peer TIMEOUT while reading user Größe ſtraße \u212aelvin disk queue".split()
LINES = 12000
QUERIES = 150


def make_lines(rng):
    for n in range(LINES):
        words = " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 9)))
        yield NOON + n * SECOND // 4, f"id={rng.randrange(16**9):09x} {words} n={n}"


def quote(text):
    return json.dumps(text, ensure_ascii=False)


class Filters(unittest.TestCase):
    """One stream of many blocks; each query is compared with Python."""

    @classmethod
    def setUpClass(cls):
        cls.rng = random.Random(20261121)
        cls.server = Server(flags=["--ingester.chunk_block_size=16KB"]).start()
        cls.lines = list(make_lines(cls.rng))
        for begin in range(0, LINES, 1000):
            status, text = cls.server.push([({"app": "a"}, cls.lines[begin:begin + 1000])])
            assert status == 204, text
        cls.server.flush()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def ask(self, stages):
        status, text = self.server.get("/loki/api/v1/query_range", query='{app="a"} ' + stages, start=NOON,
                                       end=NOON + LINES * SECOND, limit=5000, direction="forward")
        self.assertEqual(status, 200, (stages, text))
        answer = json.loads(text)["data"]
        found = [(int(ts), line) for s in answer["result"] for ts, line, *_ in s["values"]]
        return sorted(found), answer["stats"]["summary"]["totalLinesProcessed"]

    def check(self, stages, keep):
        found, _ = self.ask(stages)
        want = [(ts, line) for ts, line in self.lines if keep(line)][:5000]
        self.assertEqual(found, want, stages)

    def test_counts_read_no_lines(self):
        """...and no metadata, whose level is in every entry, when labels of the stream are all that is asked for"""
        for query, want in (('sum by (app) (count_over_time({app="a"}[1m]))', LINES),
                            ('sum(bytes_over_time({app="a"}[1m]))', sum(len(line.encode()) for _, line in self.lines))):
            status, text = self.server.get("/loki/api/v1/query_range", query=query, start=NOON - SECOND,
                                           end=NOON + (LINES // 4 + 60) * SECOND, step=60)
            self.assertEqual(status, 200, text)
            answer = json.loads(text)["data"]
            self.assertEqual(sum(int(v) for _, v in answer["result"][0]["values"]), want)
            chunk = answer["stats"]["querier"]["store"]["chunk"]
            self.assertGreater(chunk["compressedBytes"], 0)
            self.assertEqual((chunk["decompressedBytes"], chunk["decompressedStructuredMetadataBytes"]), (0, 0), query)

    def piece(self):
        """a piece of a line, sometimes one that is in no line"""
        line = self.rng.choice(self.lines)[1]
        begin = self.rng.randrange(len(line))
        text = line[begin:begin + self.rng.randrange(1, 24)]
        if self.rng.random() < 0.3:
            at = self.rng.randrange(len(text))
            text = text[:at] + self.rng.choice("x7é") + text[at + 1:]
        return text

    def test_contains(self):
        for _ in range(QUERIES):
            a, b = self.piece(), self.piece()
            self.check(f"|= {quote(a)}", lambda line: a in line)
            self.check(f"|= {quote(a)} or {quote(b)}", lambda line: a in line or b in line)
            self.check(f"|= {quote(a)} |= {quote(b)}", lambda line: a in line and b in line)

    def test_expressions(self):
        for _ in range(QUERIES):
            a, b = re.escape(self.piece()), re.escape(self.piece())
            for text in (f"{a}.*{b}", f"({a}|{b})[0-9]", f"x*{a}$"):
                self.check(f"|~ {quote(text)}", lambda line, text=text: re.search(text, line))

    def test_any_case(self):
        for word in WORDS:
            text = "(?i)" + "".join(self.rng.choice((c.upper(), c.lower())) for c in word if c.isascii())
            fold = str.maketrans("\u212aſ", "ks")
            self.check(f"|~ {quote(text)}",
                       lambda line, text=text: text[4:].lower() in line.translate(fold).lower())

    def test_blocks_are_left_out(self):
        _, processed = self.ask('|= "no-such-needle-at-all"')
        self.assertEqual(processed, 0)
        ts, line = self.lines[77]
        found, processed = self.ask(f"|= {quote(line[3:12])}")
        self.assertEqual(found, [(ts, line)])
        self.assertLess(processed, LINES / 4)

    def test_filters_hold_every_line(self):
        self.server.kill()
        status, out, _ = skald("verify", self.server.data)
        self.server.start()
        self.assertEqual(status, 0, out)


if __name__ == "__main__":
    unittest.main()
