"""How long entries are kept: to the minute in answers, by whole days on the disk; and room on the disk."""
import glob
import json
import os
import signal
import time
import unittest

from server import Server, skald

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
DAY = 24 * HOUR
FOREVER = 400 * DAY


def segments(server):
    return sorted(os.path.basename(path)[:10] for path in glob.glob(os.path.join(server.data, "segments", "*.seg")))


def day_of(ns):
    return time.strftime("%Y-%m-%d", time.gmtime(ns // 10**9))


def wait_for(what, seconds=30):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


class Floors(unittest.TestCase):
    """Entries of an age on both sides of their floor, in heads and in chunks."""

    AGES = [1 * MINUTE, 30 * MINUTE, 89 * MINUTE, 91 * MINUTE, 3 * HOUR, 26 * HOUR, 4 * DAY]

    def setUp(self):
        self.server = Server()
        self.settings = os.path.join(self.server.directory, "settings.yaml")
        self.server.flags = [f"--config={self.settings}", "--auth_enabled=true", "--compactor.compaction_interval=0"]
        self.now = 0

    def tearDown(self):
        self.server.close()

    def configure(self, text):
        with open(self.settings, "w", encoding="utf-8") as f:
            f.write(text)
        if self.server.process:
            before = self.server.log().count("limits reloaded")
            self.server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: self.server.log().count("limits reloaded") > before)

    def ask(self, path, tenant, **params):
        status, _, body = self.server.request("GET", path, params, headers={"X-Scope-OrgID": tenant})
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def push(self, tenant, apps):
        self.now = time.time_ns()
        streams = [({"app": app, "only": f"{app}-{age // MINUTE}"} if app == "each" else {"app": app},
                    [(self.now - age, f"{age // MINUTE} minutes old")])
                   for app in apps for age in self.AGES]
        status, text = self.server.push(streams, headers={"X-Scope-OrgID": tenant})
        self.assertEqual(status, 204, text)

    def range(self):
        return {"start": self.now - FOREVER // 20, "end": self.now + MINUTE}

    def lines(self, tenant, query, direction="forward"):
        answer = self.ask("/loki/api/v1/query_range", tenant, query=query, limit=1000, direction=direction, **self.range())
        self.assertNotIn("warnings", answer)
        return sorted(int(v[1].split()[0]) for s in answer["data"]["result"] for v in s["values"])

    def count(self, tenant, query):
        answer = self.ask("/loki/api/v1/query", tenant, query=f"sum(count_over_time({query}[20d]))", time=self.now + MINUTE)
        return int(answer["data"]["result"][0]["value"][1]) if answer["data"]["result"] else 0

    def check(self, tenant, app, ages):
        """All ways to ask find the entries of these ages, and no other."""
        query, minutes = f'{{app="{app}"}}', sorted(age // MINUTE for age in ages)
        self.assertEqual(self.lines(tenant, query), minutes)
        self.assertEqual(self.lines(tenant, query, "backward"), minutes)
        self.assertEqual(self.lines(tenant, query + ' |= "minutes"'), minutes)
        self.assertEqual(self.count(tenant, query), len(minutes))
        self.assertEqual(self.count(tenant, query + ' |~ "m.nutes"'), len(minutes))
        stats = self.ask("/loki/api/v1/index/stats", tenant, query=query, **self.range())
        self.assertEqual(stats["entries"], len(minutes))
        volume = self.ask("/loki/api/v1/index/volume", tenant, query=query, **self.range())["data"]["result"]
        self.assertEqual(sum(int(v["value"][1]) for v in volume), stats["bytes"])

    def check_everything(self):
        kept = [age for age in self.AGES if age < 90 * MINUTE]
        day = [age for age in self.AGES if age < DAY]
        self.check("all", "plain", self.AGES)
        self.check("ninety", "plain", kept)
        self.check("rules", "plain", day)
        self.check("rules", "short", kept)
        self.check("rules", "long", self.AGES)
        series = self.ask("/loki/api/v1/series", "ninety", **{"match[]": '{app="each"}'}, **self.range())["data"]
        self.assertEqual(len(series), len(kept))
        values = self.ask("/loki/api/v1/label/only/values", "ninety", query='{app="each"}', **self.range())["data"]
        self.assertEqual(len(values), len(kept))

    RULES = """
overrides:
  ninety:
    retention_period: 90m
  rules:
    retention_period: 24h
    retention_stream:
    - selector: '{app=~"short|long"}'
      priority: 1
      period: 90m
    - selector: '{app="long"}'
      priority: 2
      period: 0s
"""

    def test_floors(self):
        self.configure(self.RULES)
        self.server.start()
        for tenant in ("all", "ninety", "rules"):
            self.push(tenant, ["plain", "short", "long", "each"])
        self.check_everything()  # heads
        self.server.flush()
        self.check_everything()  # chunks
        self.server.kill()
        self.server.start()
        self.check_everything()
        self.assertEqual(self.server.stop(), 0)

    def test_reload(self):
        """What is hidden by a reload comes back by another one, as long as it is on the disk."""
        self.configure("limits:\n  retention_stream: []\n")
        self.server.start()
        self.push("all", ["plain"])
        self.check("all", "plain", self.AGES)
        self.server.flush()
        self.configure("limits:\n  retention_stream:\n  - {selector: '{app=\"plain\"}', priority: 1, period: 60m}\n")
        self.check("all", "plain", self.AGES[:2])
        self.configure("limits:\n  retention_stream: []\n")
        self.check("all", "plain", self.AGES)

    def test_days_leave_the_disk(self):
        self.configure("limits:\n  retention_period: 0s\n")
        self.server.start()
        self.push("one", ["plain"])
        self.push("two", ["plain"])
        self.server.flush()
        days = segments(self.server)
        self.assertEqual(days.count(day_of(self.now - 4 * DAY)), 2)
        settings = "limits:\n  retention_period: 0s\noverrides:\n  one:\n    retention_period: 3d\n"
        self.configure(settings)
        wait_for(lambda: segments(self.server).count(day_of(self.now - 4 * DAY)) == 1)
        self.assertEqual(len(segments(self.server)), len(days) - 1)
        self.check("one", "plain", self.AGES[:-1])
        self.check("two", "plain", self.AGES)
        wait_for(lambda: self.server.metric("skald_retention_days_dropped_total") == 1)
        self.assertGreater(self.server.metric("skald_dropped_bytes_total"), 0)
        self.assertIn('msg="dropped a day" day=' + day_of(self.now - 4 * DAY), self.server.log())
        self.push("one", ["each"])  # a stream for each age
        self.server.flush()
        self.configure(settings)
        wait_for(lambda: len(segments(self.server)) == len(days) - 1)
        self.server.kill()
        self.server.start()
        self.server.flush()  # the log's files go, so nothing needs the stream of the dropped day any more
        self.configure(settings)
        wait_for(lambda: self.server.metric("skald_streams_forgotten_total") == 1)
        self.check("one", "each", self.AGES[:-1])
        self.assertEqual(self.server.stop(), 0)
        status, text, _ = skald("verify", self.server.data)
        self.assertEqual(status, 0, text.decode())


class Chunks(unittest.TestCase):
    """Of a day that is left for some streams, the chunks of others leave the disk when they are below their floor."""

    def test_bytes_leave_the_disk(self):
        for interval in ("0", "20ms"):
            with self.subTest(interval=interval):
                self.check(interval)

    def check(self, interval):
        old, now = time.time_ns() - 3 * DAY, time.time_ns()
        flags = [f"--compactor.compaction_interval={interval}", "--ingester.chunk_encoding=none"]
        with Server(flags=flags) as server:
            stays = [(old + i, f"stays {i} {os.urandom(100).hex()}") for i in range(100)]
            goes = [(old + i, f"goes {i} {os.urandom(400).hex()}") for i in range(1000)]
            recent = [(now - MINUTE + i, f"goes later {i}") for i in range(100)]
            for part in range(0, 1000, 250):
                self.assertEqual(server.push([({"app": "short"}, goes[part:part + 250])])[0], 204)
                server.flush()
            self.assertEqual(server.push([({"app": "long"}, stays), ({"app": "short"}, recent)])[0], 204)
            server.flush()
            before = self.segment_bytes(server)
            self.assertGreater(before, 800_000)
            self.assertEqual(server.stop(), 0)
            server.flags.append('--limits.retention_stream={app="short"} 1 48h')
            server.start()
            wait_for(lambda: self.segment_bytes(server) < 60_000)
            for start in (1, 2):
                self.assertEqual([values for _, values in server.query('{app="long"}', old, now)], [stays])
                self.assertEqual([values for _, values in server.query('{app="short"}', old, now)], [recent])
                self.assertEqual(server.stop(), 0)
                status, text, _ = skald("verify", server.data)
                self.assertEqual(status, 0, text.decode())
                if start == 1:
                    server.start()

    def segment_bytes(self, server):
        total = 0
        for path in glob.glob(os.path.join(server.data, "segments", "*.seg")):
            try:
                total += os.path.getsize(path)
            except FileNotFoundError:
                pass
        return total


class Room(unittest.TestCase):
    def test_max_bytes(self):
        """The oldest days go, the newest stays whatever its size; then pushes are refused, and it is told why."""
        flags = ["--storage.max_bytes=4MB", "--wal.file_size=64KB", "--wal.size_target=256KB", "--ingester.chunk_encoding=none",
                 "--compactor.compaction_interval=0"]
        now = time.time_ns()
        with Server(flags=flags) as server:
            for day in range(9, -1, -1):
                status, text = server.push([({"app": "a"}, [(now - day * DAY + i, f"{day} {i} {os.urandom(400).hex()}") for i in range(1000)])])
                self.assertIn(status, (204, 503), text)
                self.assertEqual(status, 204, text)
                server.flush()
                wait_for(lambda: server.metric("skald_data_bytes") < 5 << 20)
            left = {line.split()[0] for _, line in server.entries('{app="a"}', now - 20 * DAY, now + MINUTE)}
            self.assertIn("0", left)
            self.assertNotIn("9", left)
            self.assertEqual(left, {str(day) for day in range(len(left))})  # the oldest went, nothing between
            self.assertEqual(server.get("/ready")[0], 200)

            def refused():
                status, headers, text = server.request("POST", "/loki/api/v1/push", headers={"Content-Type": "application/json"}, body=json.dumps(
                    {"streams": [{"stream": {"app": "a"}, "values": [[str(time.time_ns()), os.urandom(400).hex()] for _ in range(1000)]}]}))
                if status == 204:
                    return False
                self.assertEqual(status, 503, text)
                self.assertIn("Retry-After", headers)
                return b"storage.max_bytes is reached and only the newest day is left" in text

            wait_for(refused)
            self.assertEqual(server.get("/ready"), (503, "there is no room: queries are answered, pushes are refused\n"))
            self.assertEqual(server.metric("skald_store_full"), 1)
            self.assertLessEqual(len(set(segments(server))), 2)  # midnight may have passed
            left = [line for _, line in server.entries('{app="a"}', now - 20 * DAY, now + MINUTE) if line.startswith("0 ")]
            self.assertEqual(len(left), 1000)
            server.kill()
            server.flags[0] = "--storage.max_bytes=40MB"
            server.start()
            self.assertEqual(server.push([({"app": "a"}, [(time.time_ns(), "there is room")])])[0], 204)
            self.assertEqual(server.get("/ready")[0], 200)
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
