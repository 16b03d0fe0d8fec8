"""The commands of the program, as a user types them, against a server and its files."""
import glob
import json
import os
import re
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

from server import Server, skald

SECOND = 10**9
NOON = 1772366400 * SECOND  # 2026-03-01T12:00:00Z
HOUR = ["--from", "2026-03-01T12:00:00Z", "--to", "2026-03-01T13:00:00Z"]


class Asking(unittest.TestCase):
    """query, labels and series: one server with three streams, each test asks it something."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        cls.url = f"http://127.0.0.1:{cls.server.port}"
        streams = [({"app": "web", "host": "a"}, [(NOON + 2 * SECOND, "GET /"), (NOON, "start")]),
                   ({"app": "web", "host": "b"}, [(NOON + SECOND, 'tab\there "q"', {"trace": "7"})]),
                   ({"app": "many"}, [(NOON + n // 3, f"line {n}") for n in range(3000)])]
        status, text = cls.server.push(streams)
        assert status == 204, text

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def ask(self, *arguments, status=0):
        """(stdout, stderr) as text"""
        got, out, err = skald(*arguments, env={"LOKI_ADDR": self.url, "TZ": "UTC"})
        self.assertEqual(got, status, err)
        return out.decode(), err.decode()

    def query(self, *flags):
        return self.query_of('{app="web"}', *flags)

    def query_of(self, logql, *flags):
        return self.ask("query", logql, *HOUR, *flags)

    def test_default_output(self):
        out, err = self.query()
        self.assertEqual(out,
                         '2026-03-01T12:00:02Z {host="a"}            GET /\n'
                         '2026-03-01T12:00:01Z {host="b", trace="7"} tab\there "q"\n'
                         '2026-03-01T12:00:00Z {host="a"}            start\n')
        self.assertIn('Common labels: {app="web", detected_level="unknown", service_name="web"}\n', err)
        self.assertIn(f"{self.url}/loki/api/v1/query_range?direction=BACKWARD&", err)

    def test_forward_raw_quiet(self):
        self.assertEqual(self.query("--forward", "--output=raw", "--quiet"), ('start\ntab\there "q"\nGET /\n', ""))

    def test_jsonl(self):
        out, _ = self.query("-o", "jsonl", "--limit", "2")
        first, second = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(first["timestamp"], "2026-03-01T12:00:02Z")
        self.assertEqual(second["labels"]["trace"], "7")
        self.assertEqual(second["line"], 'tab\there "q"')

    def test_paging_loses_and_doubles_nothing(self):
        for direction in ([], ["--forward"]):
            out, _ = self.ask("query", '{app="many"}', "--from", str(NOON), "--to", str(NOON + SECOND), "--limit", "0",
                              "--batch", "100", "-o", "raw", "-q", *direction)
            self.assertEqual(sorted(out.splitlines()), sorted(f"line {n}" for n in range(3000)))

    def test_paging_forward_through_one_time(self):
        entries = [(NOON - 3601 * SECOND, f"line {n}") for n in range(40)]
        self.assertEqual(self.server.push([({"app": "one"}, entries)])[0], 204)
        out, _ = self.ask("query", '{app="one"}', "--from", str(NOON - 3602 * SECOND), "--to", str(NOON), "--limit", "0",
                          "--batch", "7", "-o", "raw", "-q", "--forward")
        self.assertEqual(sorted(out.splitlines()), sorted(line for _, line in entries))

    def test_metric_forms(self):
        out, err = self.query_of("vector(1)", "--step", "30m", "-q", "--stats")
        self.assertEqual(json.loads(out), [{"metric": {}, "values": [[NOON // SECOND + n, "1"] for n in (0, 1800, 3600)]}])
        self.assertTrue(out.startswith('[\n  {\n    "metric": {},\n    "values": [\n      [\n        1772366400,\n        "1"\n'), out)
        self.assertIn("summary.", err)
        out, _ = self.query_of("vector(1)", "--step", "1h", "-q", "-o", "jsonl")
        self.assertEqual(out, '{"metric":{},"values":[[1772366400,"1"],[1772370000,"1"]]}\n')

    def test_metric_of_lines(self):
        out, _ = self.query_of('sum by (host) (count_over_time({app="web"}[1h]))', "--step", "1h", "-q", "-o", "jsonl")
        series = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(sorted((s["metric"]["host"], s["values"]) for s in series),
                         [("a", [[1772366400, "1"], [1772370000, "1"]]), ("b", [[1772370000, "1"]])])

    def test_stats(self):
        out, err = self.ask("stats", '{app="many"}', *HOUR)
        self.assertRegex(out, r"^\{\n  streams: 1\n  chunks: 1\n  bytes: \d+kB\n  entries: 3000\n\}\n$")
        self.assertIn(f"{self.url}/loki/api/v1/index/stats?end=", err)
        out, err = self.ask("stats", '{app="web"}', *HOUR, "-q", "-o", "jsonl")
        stats = json.loads(out)
        self.assertEqual((stats["streams"], stats["entries"], err), (2, 3, ""))
        self.assertGreater(stats["bytes"], len('GET /start tab\there "q"'))
        _, err = self.ask("stats", '{app="web"} |= "x"', *HOUR, status=1)
        self.assertIn("only label matchers are supported", err)

    def volume(self, *arguments):
        """[(labels, bytes or points), ...] as jsonl has them, whose form by default says the same"""
        out, _ = self.ask(*arguments, *HOUR, "-q", "-o", "jsonl")
        rows = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(json.loads(self.ask(*arguments, *HOUR, "-q")[0]), rows)
        return [(row["metric"], int(row["value"][1]) if "value" in row else row["values"]) for row in rows]

    def test_volume(self):
        rows = self.volume("volume", '{app=~"web|many"}')
        self.assertEqual([labels for labels, _ in rows], [{"app": "many"}, {"app": "web"}])
        self.assertGreater(rows[0][1], rows[1][1])
        self.assertEqual(self.volume("volume", '{app=~"web|many"}', "--limit", "1"), rows[:1])
        rows = self.volume("volume", '{app="web"}', "--targetLabels", "app", "--targetLabels=host")
        self.assertEqual(sorted(labels["host"] for labels, _ in rows), ["a", "b"])
        rows = self.volume("volume", '{app="web"}', "--aggregateByLabels")
        self.assertIn({"app": ""}, [labels for labels, _ in rows])
        _, err = self.ask("volume", '{app="web"}', *HOUR, "--stats")
        self.assertIn("summary.", err)
        self.ask("volume", '{app="web"}', "--step", "1m", status=2)

    def test_volume_range(self):
        whole = self.volume("volume_range", '{app="web"}')[0][1]
        self.assertEqual(self.volume("volume", '{app="web"}')[0][1], whole)
        status, text = self.server.push([({"app": "steps"}, [(NOON, "one"), (NOON + 1800 * SECOND, "two")])])
        self.assertEqual(status, 204, text)
        (labels, points), = self.volume("volume_range", '{app="steps"}', "--step=30m")
        self.assertEqual((labels, [at for at, _ in points]), ({"app": "steps"}, [1772368199.999, 1772369999.999]))

    def test_detected_fields(self):
        status, text = self.server.push([({"app": "fields"}, [(NOON, "size=3kB n=1"), (NOON + 1, "size=4kB")])])
        self.assertEqual(status, 204, text)
        out, err = self.ask("detected-fields", '{app="fields"}', *HOUR)
        self.assertEqual(out, "label: detected_level\t\ttype: string\t\tcardinality: 1\n"
                              "label: n\t\ttype: int\t\tcardinality: 1\n"
                              "label: size\t\ttype: bytes\t\tcardinality: 2\n")
        self.assertIn(f"{self.url}/loki/api/v1/detected_fields?", err)
        out, err = self.ask("detected-fields", '{app="fields"}', *HOUR, "-q", "-o", "jsonl")
        fields = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(f["label"], f["parsers"]) for f in fields],
                         [("detected_level", None), ("n", ["logfmt"]), ("size", ["logfmt"])])
        out, _ = self.ask("detected-fields", '{app="fields"}', *HOUR, "-q", "-o", "raw", "--field-limit", "1000")
        self.assertEqual(sorted(json.loads(out)["fields"], key=lambda f: f["label"]), fields)
        self.assertEqual(self.ask("detected-fields", '{app="nothing"}', *HOUR, "-q")[0], "")

    def test_instant_query(self):
        now = ["--now", "2026-03-01T13:00:00Z"]
        out, err = self.ask("instant-query", "vector(1)", *now)
        self.assertEqual(json.loads(out), [{"metric": {}, "value": [1772370000, "1"]}])
        self.assertIn(f"{self.url}/loki/api/v1/query?limit=30&query=vector%281%29&time=1772370000000000000\n", err)
        self.assertEqual(self.ask("instant-query", "vector(1)", *now, "-q", "-o", "jsonl"),
                         ('{"metric":{},"value":[1772370000,"1"]}\n', ""))
        self.assertRegex(self.ask("instant-query", "1 + 1", *now, "-q", "-o", "jsonl")[0], r'^\[1772370000\d*,"2"\]\n$')
        self.assertEqual(json.loads(self.ask("instant-query", "vector(1)", "-q")[0])[0]["value"][1], "1")
        _, err = self.ask("instant-query", '{app="web"}', *now, status=1)
        self.assertIn("log queries are not supported as an instant query type", err)

    def test_labels_and_series(self):
        times = [*HOUR, "-q"]
        self.assertEqual(self.ask("labels", *times)[0], "app\nhost\nservice_name\n")
        self.assertEqual(self.ask("labels", "host", *times)[0], "a\nb\n")
        self.assertEqual(self.ask("series", '{host=~".+"}', *times)[0],
                         '{app="web", host="a", service_name="web"}\n{app="web", host="b", service_name="web"}\n')

    def test_errors(self):
        _, err = self.ask("query", '{app="web"', status=1)
        self.assertIn("parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,", err)
        _, err = self.ask("query", '{app="web"}', "--limit=x", status=2)
        self.assertIn('--limit: "x" is not a number', err)
        _, err = self.ask("query", '{app="web"}', "--addr=http://127.0.0.1:1", status=1)
        self.assertIn("Failed to connect", err)
        _, err = self.ask("nothing", status=2)
        self.assertIn('there is no command "nothing"', err)

    def test_help_everywhere(self):
        out, _ = self.ask("--help")
        commands = re.findall(r"^  (\S+)", out, re.MULTILINE)
        self.assertGreaterEqual(len(commands), 8)
        for command in commands:
            out, err = self.ask(command, "--help")
            self.assertTrue(out.startswith(f"Usage: skald {command}"), out)
            self.assertEqual(err, "")

    def test_full_disk(self):
        """What could not be printed is an error, of help too."""
        for arguments in (["--help"], ["--version"], ["query", "--help"], ["fmt", '{a="b"}'], ["check-config"],
                          ["query", "vector(1)", "-q"], ["instant-query", "vector(1)", "-q"], ["labels", "-q"]):
            with open("/dev/full", "wb") as full:
                status, _, err = skald(*arguments, env={"LOKI_ADDR": self.url}, stdout=full)
            self.assertEqual(status, 1, arguments)
            self.assertIn(b"standard output: No space left on device", err, arguments)


class Formatting(unittest.TestCase):
    def test_argument_and_input(self):
        self.assertEqual(skald("fmt", '{a="b"}|="x"|json'), (0, b'{a="b"} |= "x" | json\n', b""))
        self.assertEqual(skald("fmt", stdin=b'\n sum( rate({a="b"}[60s]) )by(c)\n'), (0, b'sum by (c)(rate({a="b"}[1m]))\n', b""))

    def test_long(self):
        query = ('sum(rate({app="web", env=~".+"} | logfmt | line_format "{{.a}}" | unwrap duration(dur) [1m])) by (env, app) > 10 '
                 'and vector(1)')
        self.assertEqual(skald("fmt", query)[1].decode(),
                         '    sum by (env, app)(\n'
                         '      rate({app="web", env=~".+"} | logfmt | line_format "{{.a}}" | unwrap duration(dur)[1m])\n'
                         '    )\n  >\n    10\nand\n  vector(1.000000)\n')

    def test_wrong(self):
        for query in (b"{", b"", b"\x00", b"{" * 5000, b"(" * 100000):
            status, out, err = skald("fmt", stdin=query)
            self.assertEqual((status, out), (1, b""), query[:10])
            self.assertIn(b"skald fmt: ", err)
        self.assertEqual(skald("fmt", stdin=b" " * (2 << 20))[0], 1)


class Pushing(unittest.TestCase):
    def test_labels_and_metadata(self):
        with Server() as server:
            url = f"http://127.0.0.1:{server.port}"
            begin = time.time_ns()
            status, _, err = skald("push", "--addr", url, "--metadata", "trace=7", '{b="2", a="1"}', stdin=b"one\n\ntwo")
            self.assertEqual(status, 0, err)
            entries = server.query('{a="1"}', begin, time.time_ns() + SECOND)
            self.assertEqual([(labels["b"], labels["trace"], [line for _, line in values]) for labels, values in entries],
                             [("2", "7", ["one", "", "two"])])

    def test_refused(self):
        with Server(flags=["--limits.max_line_size=10"]) as server:
            status, _, err = skald("push", "--addr", f"http://127.0.0.1:{server.port}", '{a="1"}',
                                   stdin=b"short\nmuch too long\n")
            self.assertEqual(status, 1)
            self.assertIn(b"max entry size '10' bytes exceeded for stream '{a=\"1\", service_name=\"unknown_service\"}'", err)

    def test_tries_again(self):
        """A server that is busy twice gets the same body a third time."""
        bodies = []

        class Busy(BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(503 if len(bodies) < 3 else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        busy = HTTPServer(("127.0.0.1", 0), Busy)
        threading.Thread(target=busy.serve_forever, daemon=True).start()
        status, _, err = skald("push", "--addr", f"http://127.0.0.1:{busy.server_port}", '{a="1"}', stdin=b"line\n")
        busy.shutdown()
        busy.server_close()
        self.assertEqual(status, 0, err)
        self.assertEqual(len(bodies), 3)
        self.assertEqual(len(set(bodies)), 1)


class Files(unittest.TestCase):
    """verify and dump: what they say about a sound directory, and about each kind of damage."""

    def setUp(self):
        self.server = Server().start()
        for stream in ("a", "b"):
            status, text = self.server.push([({"app": stream}, [(NOON + n, f"line={n} of {stream}") for n in range(1000)])])
            self.assertEqual(status, 204, text)
        self.server.flush()
        self.server.push([({"app": "late"}, [(NOON + 5, "in the log only")])])
        self.server.kill()
        self.segment = glob.glob(self.server.data + "/segments/*")[0]
        self.log = sorted(glob.glob(self.server.data + "/wal/*.wal"))[-1]

    def tearDown(self):
        self.server.close()

    def flip(self, path, offset):
        with open(path, "r+b") as f:
            f.seek(offset)
            byte = f.read(1)
            f.seek(offset)
            f.write(bytes([byte[0] ^ 0x40]))

    def chunks(self):
        """(offset, bytes, stream) of each chunk, from dump"""
        status, out, err = skald("dump", self.segment)
        self.assertEqual(status, 0, err)
        return [(int(m[1]), int(m[2]), m[3]) for m in
                re.finditer(r"^offset (\d+): chunk \d+, (\d+) bytes, .* (\{.*\})$", out.decode(), re.MULTILINE)]

    def test_sound(self):
        status, out, err = skald("verify", self.server.data)
        self.assertEqual((status, err), (0, b""), out)
        self.assertIn(b"1 segments, 2 chunks, 2 blocks, 2000 entries, 1 log files: 0 problems", out)
        self.assertEqual(sorted(labels for _, _, labels in self.chunks()),
                         ['{app="a", service_name="a"}', '{app="b", service_name="b"}'])
        status, out, _ = skald("dump", self.log)
        self.assertEqual(status, 0)
        self.assertEqual(len(re.findall(rb"^offset \d+: record", out, re.MULTILINE)), 3)

    def test_damaged_block(self):
        offset, size, labels = self.chunks()[1]
        self.flip(self.segment, offset + size - 20)
        status, out, _ = skald("verify", self.server.data)
        self.assertEqual(status, 1)
        self.assertIn(self.segment, out.decode())
        self.assertIn(labels, out.decode())
        found = int(re.search(r"offset (\d+)", out.decode())[1])
        self.assertTrue(offset <= found < offset + size, out)

        self.server.start()  # the other stream is whole, the answer says what is missing
        status, text = self.server.get("/loki/api/v1/query_range", query='{app=~".+"}', start=NOON, end=NOON + SECOND, limit=5000)
        answer = json.loads(text)
        self.assertEqual(status, 200)
        whole = {"a", "b", "late"} - {re.search(r'app="(\w)"', labels)[1]}
        self.assertEqual({s["stream"]["app"] for s in answer["data"]["result"]}, whole)
        self.assertTrue(answer["warnings"])
        gone, = {"a", "b"} - whole
        for query, found in [('{app=~".+"}', True), (f'{{app="{gone}"}}', False)]:  # fields of what can be read, if any
            for path, key in [("detected_fields", "fields"), ("detected_field/line/values", "values")]:
                status, text = self.server.get("/loki/api/v1/" + path, query=query, start=NOON,
                                               end=NOON + SECOND, line_limit=5000)
                answer = json.loads(text)
                self.assertEqual((status, len(answer["warnings"]), bool(answer[key]), answer["limit"]), (200, 1, found, 1000), text)

    def test_damaged_filter(self):
        self.server.start()  # few grams in much that cannot be compressed
        lines = [(NOON + n, f"{n * 2654435761 % 2**32:032b}") for n in range(1500)]
        self.assertEqual(self.server.push([({"app": "c"}, lines)])[0], 204)
        self.server.flush()
        self.server.kill()
        self.segment = sorted(glob.glob(self.server.data + "/segments/*"))[-1]
        status, out, _ = skald("dump", self.segment)
        self.assertEqual(status, 0)
        chunk = re.search(r'^offset (\d+): .*filters of ([1-9]\d*) bytes, .*app="c"', out.decode(), re.MULTILINE)
        self.assertTrue(chunk, out)
        with open(self.segment, "rb") as f:
            f.seek(int(chunk[1]) + 12)
            head_bytes = int.from_bytes(f.read(4), "little")
        self.flip(self.segment, int(chunk[1]) + head_bytes + 10)
        status, out, _ = skald("verify", self.server.data)
        self.assertEqual(status, 1)
        self.assertIn("filter of a block is damaged", out.decode())
        self.server.start()  # no line is lost
        status, text = self.server.get("/loki/api/v1/query_range", query='{app="c"} |= "' + lines[7][1] + '"', start=NOON,
                                       end=NOON + SECOND)
        self.assertEqual((status, json.loads(text)["data"]["result"][0]["values"][0][1]), (200, lines[7][1]))

    def test_damaged_log(self):
        self.flip(self.log, 60)
        status, out, _ = skald("verify", self.server.data)
        self.assertEqual(status, 1)
        self.assertIn(f"{self.log}: offset 40", out.decode())

    def test_missing_segment(self):
        os.rename(self.segment, self.segment + ".away")
        status, out, _ = skald("verify", self.server.data)
        self.assertEqual(status, 1)
        self.assertIn(os.path.basename(self.segment), out.decode())

    def test_in_use(self):
        self.server.start()
        status, _, err = skald("verify", self.server.data)
        self.assertEqual(status, 1)
        self.assertIn(f"is in use by a server (process {self.server.process.pid})", err.decode())

    def test_not_ours(self):
        with tempfile.TemporaryDirectory() as empty:
            self.assertEqual(skald("verify", empty)[0], 1)
            self.assertEqual(skald("dump", os.path.join(empty, "nothing"))[0], 1)
            self.assertEqual(os.listdir(empty), [])


class Config(unittest.TestCase):
    def check(self, text, *flags):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(text)
            f.flush()
            status, out, err = skald("check-config", "--config", f.name, *flags)
            return status, out.decode(), err.decode().replace(f.name, "FILE")

    def test_good(self):
        status, out, err = self.check("limits:\n  max_line_size: 1KB\n", "--server.http_listen_port", "3200")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("max_line_size: 1KB", out)
        self.assertIn("http_listen_port: 3200", out)
        self.assertEqual(self.check(out)[:2], (0, out))

    def test_bad(self):
        for text, want in [("limits:\n  max_line_size: much\n", "FILE:2: "), ("server:\n  nothing: 1\n", 'FILE:2: there is no setting "server.nothing"'),
                           ("a: [\n", "FILE:")]:
            status, out, err = self.check(text)
            self.assertNotEqual(status, 0)
            self.assertEqual(out, "")
            self.assertIn(want, err)


if __name__ == "__main__":
    unittest.main()
