"""Small chunks are merged in the background: few are left, and no answer changes."""
import glob
import json
import os
import unittest

from server import Server, skald

DAY = 86_400 * 10**9
START = 1_772_000_000 * 10**9 // DAY * DAY
DAYS, PARTS, STREAMS = 30, 4, 3
FLAGS = ["--compactor.compaction_interval=100ms"]


def line(day, minute, stream):
    return f"level={'error' if minute % 50 == 0 else 'info'} day={day} minute={minute} stream={stream} took={minute * 7919 % 1000}ms"


def push_days(server, days=DAYS, parts=PARTS):
    """A line a minute and stream, flushed in pieces."""
    for day in range(days):
        for part in range(parts):
            minutes = range(part * 1440 // parts, (part + 1) * 1440 // parts)
            streams = [({"job": "merge", "stream": str(s)},
                        [(START + day * DAY + m * 60 * 10**9 + s, line(day, m, s), {"part": str(part)}) for m in minutes])
                       for s in range(STREAMS)]
            status, text = server.push(streams)
            assert status == 204, (status, text)
            server.flush()


def without_stats(text):
    return text.partition(',"stats":')[0]


def answers(server, days=DAYS):
    """What clients see: lines in both directions, sums, a search, the volume, the counts, labels and series."""
    end = START + days * DAY
    seconds = {"start": START // 10**9, "end": end // 10**9}
    found = []
    for direction in ("forward", "backward"):
        for query in ('{job="merge"}', '{job="merge"} |= "minute=777 "', '{job="merge"} | part="2" |~ "took=9.*"'):
            found.append(server.get("/loki/api/v1/query_range", query=query, start=START, end=end, limit=5000, direction=direction))
    for query in ('sum by (stream) (count_over_time({job="merge"}[1h]))', 'sum(bytes_over_time({job="merge"} |= "error"[6h]))',
                  'max_over_time({job="merge"} | logfmt | unwrap duration(took) [1d]) by (stream)'):
        found.append(server.get("/loki/api/v1/query_range", query=query, step=6 * 3600, **seconds))
    found.append(server.get("/loki/api/v1/index/volume", query='{job="merge"}', **seconds))
    found.append(server.get("/loki/api/v1/index/volume_range", query='{job="merge"}', step=86400, **seconds))
    found.append(server.get("/loki/api/v1/labels", **seconds))
    assert all(status == 200 for status, _ in found), [text[:300] for status, text in found if status != 200]
    stats = counts(server, days)
    del stats["chunks"]
    series = json.loads(server.get("/loki/api/v1/series", **seconds)[1])["data"]  # in no promised order
    return [without_stats(text) for _, text in found] + [stats, sorted(s["stream"] for s in series)]


def counts(server, days=DAYS):
    return json.loads(server.get("/loki/api/v1/index/stats", query='{job="merge"}', start=START, end=START + days * DAY)[1])


def segment_bytes(server):
    return sum(os.path.getsize(path) for path in glob.glob(os.path.join(server.data, "segments", "*.seg")))


class MergeTest(unittest.TestCase):
    def check_verify(self, server):
        status, text, _ = skald("verify", server.data)
        self.assertEqual(status, 0, text.decode())

    def test_month(self):
        """A month of a line a minute: a chunk for each stream and day is left, and no answer is another."""
        server = Server(flags=["--compactor.compaction_interval=0"])
        with server:
            push_days(server)
            before, many, spread = answers(server), counts(server)["chunks"], segment_bytes(server)
            self.assertEqual(many, DAYS * PARTS * STREAMS)
            self.assertEqual(server.metric("skald_merge_days_pending"), 0)  # merging is off
            self.assertEqual(server.stop(), 0)
            server.flags = FLAGS
            server.start()
            server.merge()
            self.assertEqual(counts(server)["chunks"], DAYS * STREAMS)
            self.assertEqual(answers(server), before)
            self.assertLess(segment_bytes(server), spread)
            self.assertEqual(server.metric("skald_merge_chunks_total"), many)
            self.assertEqual(server.stop(), 0)
            self.check_verify(server)
            server.start()
            self.assertEqual(answers(server), before)
            server.merge()
            self.assertEqual(server.metric("skald_merges_total"), 0)  # nothing is packed twice
            self.assertEqual(answers(server), before)

    def test_late_lines(self):
        """Lines that come to a day that was merged for good are merged, too; what comes again is there once."""
        with Server(flags=FLAGS) as server:
            push_days(server, days=1)
            server.merge()
            before = answers(server, 1)
            push_days(server, days=1)
            server.merge()
            self.assertEqual(answers(server, 1), before)
            late = [(START + m * 10**9, f"late {m}") for m in range(100)]
            self.assertEqual(server.push([({"job": "merge", "stream": "0"}, late)])[0], 204)
            server.flush()
            before = answers(server, 1)
            server.merge()
            self.assertEqual(answers(server, 1), before)
            self.assertEqual(counts(server, 1)["chunks"], STREAMS)
            self.assertEqual(counts(server, 1)["entries"], 1440 * STREAMS + 100)
            self.assertEqual(server.stop(), 0)
            self.check_verify(server)

    def test_damage(self):
        """A chunk that is damaged stays where it is, with what can be read of it; its neighbours are merged."""
        server = Server(flags=["--compactor.compaction_interval=0"])
        with server:
            push_days(server, days=1, parts=9)
            self.assertEqual(server.stop(), 0)
            path, = glob.glob(os.path.join(server.data, "segments", "*.seg"))
            with open(path, "r+b") as f:
                f.seek(os.path.getsize(path) - 100)  # in the last column of the last chunk
                byte = f.read(1)
                f.seek(-1, os.SEEK_CUR)
                f.write(bytes([byte[0] ^ 1]))
            server.flags = FLAGS
            server.start()
            server.merge()
            self.assertEqual(server.metric("skald_merge_chunks_blocked_total"), 1)
            self.assertEqual(server.metric("skald_merge_failures_total"), 0)
            self.assertEqual(counts(server, 1)["chunks"], STREAMS + 1)
            self.assertEqual(counts(server, 1)["entries"], 1440 * STREAMS)
            status, text = server.get("/loki/api/v1/query_range", query='{job="merge"}', start=START, end=START + DAY, limit=5000)
            self.assertEqual(status, 200)
            self.assertIn("warnings", json.loads(text))
            self.assertTrue(os.path.exists(path))

    def test_dump(self):
        with Server(flags=FLAGS) as server:
            push_days(server, days=1)
            server.merge()
            self.assertEqual(server.stop(), 0)
            path, = glob.glob(os.path.join(server.data, "segments", "*.seg"))
            status, text, _ = skald("dump", path)
            self.assertEqual(status, 0)
            self.assertRegex(text.decode(), r"chunk \d+ to \d+, \d+ bytes, 1440 entries")


if __name__ == "__main__":
    unittest.main()
