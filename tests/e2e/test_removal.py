"""Deleted lines leave the disk in the background, the others stay."""
import glob
import json
import os
import time
import unittest

from server import Server, skald

DAY = 86_400 * 10**9
START = 1_772_000_000 * 10**9 // DAY * DAY
DAYS, PARTS, LINES = 3, 3, 40
SECRET = "hunter2-is-the-password"
CODECS = ("none", "zstd")


def flags(codec, interval):
    return ["--compactor.delete_request_cancel_period=0s", f"--compactor.compaction_interval={interval}",
            f"--ingester.chunk_encoding={codec}"]


def line(day, part, i):
    secret = f" token={SECRET}" if i % 4 == 1 else ""
    return f"level=info day={day} part={part} i={i}{secret}"


def wanted(labels, day, text):
    """Is it one of those that stay?"""
    return not (labels["app"] == "gone" or (labels["app"] == "some" and "i=1 " in text and day < 2)
                or (labels["app"] == "secret" and SECRET in text))


def push(server, keep):
    """Every line that `keep` wants, flushed in pieces."""
    for part in range(PARTS):
        streams = []
        for app in ("gone", "some", "secret", "stays"):
            labels = {"app": app}
            values = []
            for day in range(DAYS):
                for i in range(LINES):
                    text = f"app={app} " + line(day, part, i)
                    if app != "secret":
                        text = text.replace(SECRET, "***")
                    if keep(labels, day, text):
                        values.append((START + day * DAY + (part * LINES + i) * 10**9, text, {"part": str(part)}))
            streams.append((labels, values))
        status, text = server.push([s for s in streams if s[1]])
        assert status == 204, (status, text)
        server.flush()


def delete(server, query, start=START, end=START + DAYS * DAY - 1):
    status, _, text = server.request("POST", "/loki/api/v1/delete",
                                     {"query": query, "start": start // 10**9, "end": end // 10**9})
    assert status == 204, (status, text)


def requests(server):
    status, text = server.get("/loki/api/v1/delete")
    assert status == 200, text
    return json.loads(text)


def wait_processed(server, seconds=60):
    until = time.monotonic() + seconds
    while not all(r["status"] == "processed" for r in requests(server)):
        assert time.monotonic() < until, requests(server)
        time.sleep(0.05)


def answers(server):
    """What clients see, in both directions and counted."""
    end = START + DAYS * DAY
    found = []
    for direction in ("forward", "backward"):
        for query in ('{app=~".+"}', '{app="some"} |= "part=1"', f'{{app="secret"}} |= "{SECRET}"', '{app="gone"}'):
            found.append(server.query(query, START, end, direction=direction))
    for query in ('sum by (app) (count_over_time({app=~".+"}[1h]))', 'sum(bytes_over_time({app=~"s.*"}[1d]))'):
        status, text = server.get("/loki/api/v1/query_range", query=query, start=START // 10**9, end=end // 10**9, step=3600)
        assert status == 200, text
        found.append(json.loads(text)["data"]["result"])
    for query in ('{app="stays"}', '{app="secret"}', '{app="gone"}'):
        stats = json.loads(server.get("/loki/api/v1/index/stats", query=query, start=START, end=end)[1])
        found.append((query, stats["entries"], stats["bytes"]))
    return found


def dump(server):
    """Every line that is in a file of chunks or of the log, whether the index knows it or not."""
    lines = ""
    for path in glob.glob(os.path.join(server.data, "segments", "*.seg")) + glob.glob(os.path.join(server.data, "wal", "*.wal")):
        status, text, errors = skald("dump", "--entries", path)
        assert status == 0, errors
        lines += text.decode()
    return lines


def files_with(server, text):
    found = []
    for directory, _, names in os.walk(server.data):
        for name in names:
            with open(os.path.join(directory, name), "rb") as f:
                if text.encode() in f.read():
                    found.append(os.path.join(directory, name))
    return found


class RemovalTest(unittest.TestCase):
    maxDiff = 2000

    def check(self, codec, interval):
        with Server(flags=flags(codec, interval)) as never:
            push(never, wanted)
            expected = answers(never)
        with Server(flags=flags(codec, interval)) as server:
            push(server, lambda *_: True)
            delete(server, '{app="gone"}')
            delete(server, '{app="some"} |= "i=1 "', end=START + 2 * DAY - 1)
            delete(server, '{app="some"} |~ "i=1$"', end=START + 2 * DAY - 1)
            delete(server, '{app="secret"} |= "token="')
            self.assertEqual(answers(server), expected)  # at once
            wait_processed(server)
            self.assertEqual(answers(server), expected)
            self.assertEqual(server.stop(), 0)
            lines = dump(server)
            self.assertFalse(SECRET in lines)
            self.assertFalse("app=gone" in lines)
            self.assertTrue("app=stays" in lines)
            self.assertEqual(files_with(server, SECRET), [])
            status, text, errors = skald("verify", server.data)
            self.assertEqual(status, 0, (text, errors))
            server.start()
            self.assertEqual(answers(server), expected)
            self.assertTrue(all(r["status"] == "processed" for r in requests(server)))

    def test_merging(self):
        for codec in CODECS:
            with self.subTest(codec=codec):
                self.check(codec, "100ms")

    def test_without_merging(self):
        for codec in CODECS:
            with self.subTest(codec=codec):
                self.check(codec, "0")

    def test_later_lines_stay(self):
        """What is pushed after the request stays, whatever is merged."""
        with Server(flags=flags("zstd", "100ms")) as server:
            push(server, lambda *_: True)
            delete(server, '{app="gone"}')
            push(server, lambda labels, *_: labels["app"] == "gone")
            wait_processed(server)
            server.merge()
            found = server.query('{app="gone"}', START, START + DAYS * DAY)
            self.assertEqual(sum(len(values) for _, values in found), DAYS * PARTS * LINES)

    def test_room(self):
        """The disk gets its room back."""
        with Server(flags=flags("none", "100ms")) as server:
            for part in range(4):
                server.push([({"app": "large"}, [(START + part * 1000 + i, f"{i} " + "x" * 10000) for i in range(300)])])
                server.flush()
            delete(server, '{app="large"}')
            wait_processed(server)
            segments = glob.glob(os.path.join(server.data, "segments", "*.seg"))
            self.assertEqual(segments, [])
            self.assertEqual(server.query('{app="large"}', START, START + DAY), [])


if __name__ == "__main__":
    unittest.main()
