"""What a push may look like, what is stored of it, and what the client is told."""
import gzip
import json
import os
import re
import time
import unittest
import zlib

from server import BINARY, Server, ServerTest
import wire

NOW = time.time_ns()
PROTOBUF = "application/x-protobuf"


def around_now(server, query, **more):
    return server.query(query, NOW - 3600 * 10**9, NOW + 3600 * 10**9, **more)


def body(labels, *values):
    return json.dumps({"streams": [{"stream": labels, "values": [list(v) for v in values]}]}).encode()


def lines(result):
    return sorted(line for _, values in result for _, line in values)


class Push(ServerTest):
    flags = ["--distributor.max_recv_msg_size=1MB", "--distributor.max_decompressed_size=2MB"]

    def expect(self, want_status, want_text, answer):
        status, text = answer
        self.assertEqual(status, want_status, text)
        self.assertEqual(text, want_text)

    def test_encodings(self):
        plain = body({"app": "encodings"}, (str(NOW), "line"))
        raw = zlib.compressobj(wbits=-15)
        deflated = raw.compress(plain) + raw.flush()
        for name, encoding, data, want in [
                ("none", None, plain, 204), ("snappy header on JSON", "snappy", plain, 204),
                ("gzip", "gzip", gzip.compress(plain), 204),
                ("two gzip members", "gzip", gzip.compress(plain[:20]) + gzip.compress(plain[20:]), 204),
                ("deflate", "deflate", deflated, 204), ("zlib is not deflate", "deflate", zlib.compress(plain), 400),
                ("garbage", "gzip", b"garbage", 400), ("cut gzip", "gzip", gzip.compress(b"{" * 100)[:-9] + bytes(4), 400),
                ("upper case", "GZIP", gzip.compress(plain), 400)]:
            with self.subTest(name):
                headers = {"Content-Encoding": encoding} if encoding else {}
                status, text = self.server.push_body(data, headers=headers)
                self.assertEqual(status, want, text)
        self.expect(400, 'Content-Encoding "zstd" not supported\n',
                    self.server.push_body(plain, headers={"Content-Encoding": "zstd"}))

    def test_content_types(self):
        plain = body({"app": "types"}, (str(NOW), "line"))
        proto = wire.snappy(wire.push_request([('{app="types"}', [(NOW, b"line")])]))
        self.assertEqual(self.server.push_body(plain, "application/json; charset=utf-8")[0], 204)
        self.assertEqual(self.server.push_body(proto, PROTOBUF)[0], 204)
        self.assertEqual(self.server.push_body(proto, "application/octet-stream")[0], 204)
        self.assertEqual(self.server.push_body(gzip.compress(proto), PROTOBUF, headers={"Content-Encoding": "gzip"})[0], 204)
        self.expect(400, "snappy: corrupt input\n", self.server.push_body(plain, "text/plain"))
        self.expect(400, "mime: no media type\n", self.server.push_body(plain, ""))
        self.expect(400, "mime: invalid media parameter\n", self.server.push_body(plain, "application/json; x"))

    def test_json_shapes(self):
        def push(text):
            return self.server.push_body(text.encode())[0]
        ts = str(NOW)
        for text, want in [
                ('{"streams":[]}', 422), ("{}", 422), ("", 400), ("   ", 400), ("{", 400), ("[]", 400),
                ('{"streams":[{"stream":{"app":"s"},"values":[]}]}', 204),
                ('{"streams":[{"stream":{"app":"s"},"values":null}]}', 204),
                ('{"streams":[{"stream":{"app":"s","n":5,"b":true},"values":[["%s","x"]]}]}' % ts, 204),
                ('{"streams":[{"values":[["%s","no labels"]]}]}' % ts, 204),
                ('{"streams":[{"stream":{},"values":[["%s","no labels"]]}]}' % ts, 204),
                ('{"streams":[{"stream":{"app":"s"},"values":[[%s,"number"]]}]}' % ts, 400),
                ('{"streams":[{"stream":{"app":"s"},"values":[["1.5","float"]]}]}', 400),
                ('{"streams":[{"stream":{"app":"s"},"values":[["2026-01-01T00:00:00Z","rfc"]]}]}', 400),
                ('{"streams":[{"stream":{"app":"s"},"values":[["%s",5]]}]}' % ts, 400),
                ('{"streams":[{"stream":{"app":"s"},"values":[["%s",null]]}]}' % ts, 400),
                ('{"streams":[{"stream":{"app":"s"},"values":[["%s"]]}]}' % ts, 204),
                ('{"streams":[{"stream":{"app":"s"},"values":[["%s","m",{}]]}]}' % ts, 204),
                ('{"streams":[{"stream":{"app":"s"},"values":[["%s","m",{"k":"v"},"more",7]]}]}' % ts, 204),
                ('{"streams":[{"stream":{"app":"s"},"values":[["%s","m",null]]}]}' % ts, 400),
                ('{"streams":[{"stream":{"app":"s"},"values":[["%s","m",{"k":5}]]}]}' % ts, 400),
                ('{"streams":[{"stream":{"app":"s"},"values":[["%s","x"]]}]} trailing' % ts, 400)]:
            with self.subTest(text):
                self.assertEqual(push(text), want)
        self.assertIn({"app": "s", "b": "true", "n": "5", "detected_level": "unknown", "service_name": "s"},
                      [labels for labels, _ in around_now(self.server, '{n="5"}')])

    def test_legacy_path(self):
        text = '{"streams":[{"labels":"{x=\\"legacy\\"}","entries":[{"ts":"%s","line":"l","structuredMetadata":{"k":"v"}}]}]}'
        ts = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(NOW / 1e9)) + ".123456789Z"
        self.assertEqual(self.server.push_body((text % ts).encode(), path="/api/prom/push")[0], 204)
        self.assertEqual([values[0][0] % 10**9 for _, values in around_now(self.server, '{x="legacy"}')], [123456789])
        self.assertEqual(self.server.push_body(body({"x": "v1 on legacy"}, (str(NOW), "l")), path="/api/prom/push")[0], 204)
        self.assertEqual(around_now(self.server, '{x="v1 on legacy"}'), [])

    def test_label_errors(self):
        for labels, want in [
                ('{foo.bar="x"}', "couldn't parse labels: 1:5: parse error: unexpected character inside braces: '.'\n"),
                ('{a="1"', "couldn't parse labels: 1:7: parse error: unexpected end of input inside braces\n")]:
            data = wire.snappy(wire.push_request([('{a="good"}', [(NOW, b"kept out too")]), (labels, [(NOW, b"x")])]))
            self.expect(400, want, self.server.push_body(data, PROTOBUF))
        self.assertEqual(around_now(self.server, '{a="good"}'), [])
        self.expect(400, "couldn't parse labels: 1:5: parse error: unexpected character inside braces: '.'\n",
                    self.server.push_body(body({"foo.bar": "x"}, (str(NOW), "x"))))
        duplicate = wire.snappy(wire.push_request([('{a="1",a="2"}', [(NOW, b"x")])]))
        self.expect(400, """stream '{a="1", a="2", service_name="unknown_service"}' has duplicate label name: 'a'\n""",
                    self.server.push_body(duplicate, PROTOBUF))

    def test_limits(self):
        many = {f"l{i:02}": "x" for i in range(16)}
        text = ", ".join(f'{k}="x"' for k in sorted(many))
        self.expect(400, "entry for stream '{%s, service_name=\"unknown_service\"}' has 16 label names; limit 15\n" % text,
                    self.server.push([(many, [(NOW, "x")])]))
        status, answer = self.server.push([({"a": "v" * 3000}, [(NOW, "x")])])
        self.assertEqual(status, 400)
        self.assertIn("has label value too long: 'vvv", answer)
        status, answer = self.server.push([({"a": "long"}, [(NOW, "x" * 300000), (NOW, "short")])])
        self.expect(400, """max entry size '262144' bytes exceeded for stream '{a="long", service_name="unknown_service"}' """
                    "while adding an entry with length '300000' bytes\n", (status, answer))
        self.assertEqual(lines(around_now(self.server, '{a="long"}')), ["short"])
        pairs = {f"k{i}": "v" for i in range(129)}
        status, answer = self.server.push([({"a": "meta"}, [(NOW, "x", pairs)])])
        self.assertEqual(status, 400)
        self.assertIn("has too many structured metadata labels: '129', limit: '128'", answer)

    def test_sizes(self):
        self.expect(413, "request body too large: message size too large than max (1048577 vs 1048576)\n",
                    self.server.push_body(b"x" * (1024 * 1024 + 1)))
        bomb = wire.varint(2**32 - 1) + b"\x00"
        self.expect(413, "request body too large: decompressed message size too large than max (4294967295 vs 2097152)\n",
                    self.server.push_body(bomb, PROTOBUF))
        status, answer = self.server.push_body(gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})
        self.assertEqual(status, 413, answer)

    def test_times(self):
        hour = 3600 * 10**9
        status, answer = self.server.push([({"t": "new"}, [(NOW + hour, "new"), (NOW, "now"), (0, "old")])])
        self.assertEqual(status, 400)
        self.assertIn("entry for stream '{service_name=\"unknown_service\", t=\"new\"}' has timestamp too new: ", answer)
        for start, end, want in [(0, hour, "old"), (NOW - hour, NOW + 2 * hour, "now")]:
            self.assertEqual(lines(self.server.query('{t="new"}', start, end)), [want])
        with Server(flags=["--limits.reject_old_samples=true"]) as strict:
            status, answer = strict.push([({"t": "old"}, [(1_600_000_000_000_000_000, "x")])])
            self.assertEqual(status, 400)
            self.assertIn("has timestamp too old: 2020-09-13T12:26:40Z, oldest acceptable timestamp is: ", answer)

    def test_grouped_errors(self):
        future = NOW + 3600 * 10**9
        status, answer = self.server.push([({"g": "1"}, [(future, "a"), (future, "b"), (NOW, "fine")])])
        self.assertEqual(status, 400)
        self.assertTrue(answer.startswith("2 errors like: entry for stream '{g=\"1\""), answer)

    def test_many_refused_alike(self):
        """What is good of a push is stored however much of it is refused: each text names all labels of its stream."""
        labels = {f"label_{i:02}": "v" * 2000 for i in range(14)} | {"job": "refused"}
        entries = [(NOW + 3600 * 10**9 + i, "x") for i in range(40000)] + [(NOW, "good")]
        with Server() as server:
            status, answer = server.push([(labels, entries)])
            self.assertEqual(status, 400)
            self.assertIn("has timestamp too new", answer[-200:])
            self.assertEqual(lines(around_now(server, '{job="refused"}')), ["good"])

    def test_a_large_one_that_is_refused(self):
        """The answer is the same, compressed or not: that of more than 2 MB is made behind the loop."""
        labels = {f"label_{i:02}": "v" * 2000 for i in range(14)}
        with Server() as server:
            for size in 10, 3 << 20:
                entries = [(NOW + 3600 * 10**9, "refused"), (NOW, "x" * size)]
                answers = [server.push([(labels, entries)], headers=more) for more in ({}, {"Accept-Encoding": "gzip"})]
                self.assertEqual(answers[0], answers[1])
                self.assertEqual(answers[0][0], 400)
                self.assertGreater(len(answers[0][1]), 20000)

    def test_metadata_names(self):
        metadata = {"a.b": "1", "a__c": "2", "weird-key!!x": "3", "9x": "4", "__y__": "5", "empty": "", "_lead": "6"}
        self.assertEqual(self.server.push([({"m": "names"}, [(NOW, "x", metadata)])])[0], 204)
        (labels, _), = around_now(self.server, '{m="names"}')
        self.assertEqual(labels, {"m": "names", "service_name": "unknown_service", "detected_level": "unknown", "a_b": "1",
                                  "a_c": "2", "weird_key_x": "3", "key_9x": "4", "__y__": "5", "_lead": "6"})
        self.expect(400, "label name is empty\n", self.server.push([({"m": "e"}, [(NOW, "x", {"": "v"})])]))
        self.expect(400, 'normalization for label name "é" resulted in invalid name "_"\n',
                    self.server.push([({"m": "e"}, [(NOW, "x", {"é": "v"})])]))

    def test_discovery(self):
        for labels, line, metadata, service, level in [
                ({"job": "j", "app": "a"}, "x", {}, "a", "unknown"), ({"k8s_job_name": "k"}, "ERROR: x", {}, "k", "error"),
                ({"x": "y"}, '{"a":{"level":"WARNING"}}', {}, "unknown_service", "warn"),
                ({"x": "y"}, "ts=1 lvl=dbg msg=x", {}, "unknown_service", "debug"),
                ({"x": "y"}, "misc:error errors", {}, "unknown_service", "unknown"),
                ({"x": "y"}, "x", {"severity": "custom"}, "unknown_service", "custom"),
                ({"x": "y"}, "x", {"severity_number": "17"}, "unknown_service", "error"),
                ({"level": "Information"}, "error", {}, "unknown_service", "info")]:
            with self.subTest(labels=labels, line=line):
                server = self.server
                labels = dict(labels, case=f"{service}-{level}-{len(line)}")
                self.assertEqual(server.push([(labels, [(NOW, line, metadata)])])[0], 204)
                (got, _), = around_now(server, '{case="%s"}' % labels["case"])
                self.assertEqual((got["service_name"], got["detected_level"]), (service, level))

    def test_duplicates_are_one(self):
        entries = [(NOW, "same"), (NOW, "same"), (NOW, "other"), (NOW, "same", {"k": "v"})]
        for _ in range(2):
            self.assertEqual(self.server.push([({"d": "1"}, entries)])[0], 204)
        self.assertEqual(lines(around_now(self.server, '{d="1"}')), ["other", "same", "same"])
        self.server.flush()
        self.assertEqual(self.server.push([({"d": "1"}, entries)])[0], 204)
        self.assertEqual(lines(around_now(self.server, '{d="1"}')), ["other", "same", "same"])

    def test_binary_lines(self):
        raw = [b"zero\x00byte", b"invalid \xff\xfe utf8", b"", b"new\nline", "日本語".encode(), b"\x01\x1b[31m"]
        data = wire.snappy(wire.push_request([('{b="1"}', [(NOW + i, line) for i, line in enumerate(raw)])]))
        self.assertEqual(self.server.push_body(data, PROTOBUF)[0], 204)
        got = [line for _, values in around_now(self.server, '{b="1"}') for _, line in values]
        self.assertEqual(got, [line.decode("utf-8", "replace") for line in raw])

    def test_any_order_of_arrival(self):
        order = [5, 1, 9, 3, 7, 2, 8, 0, 6, 4]
        for i in order:
            self.assertEqual(self.server.push([({"o": "1"}, [(NOW + i * 10**6, f"line {i}")])])[0], 204)
            if i == 7:
                self.server.flush()
        want = [f"line {i}" for i in range(10)]
        self.assertEqual([line for _, v in around_now(self.server, '{o="1"}') for _, line in v], want)
        back = around_now(self.server, '{o="1"}', direction="backward")
        self.assertEqual([line for _, v in back for _, line in v], want[::-1])


class RepeatedStreams(unittest.TestCase):
    """Some agents (Fluent Bit, pino-loki) send one stream object for each record: one push, one log record, many parts."""

    def check(self, server, count):
        stored = server.entries('{r="1"}', NOW, NOW + count)
        self.assertEqual([line[:8] for _, line in stored], [f"line {i:03}" for i in range(count)])

    def test_kill(self):
        with Server() as server:
            self.assertEqual(server.push([({"r": "1"}, [(NOW + i, f"line {i:03}")]) for i in range(200)])[0], 204)
            self.check(server, 200)
            server.kill()
            server.start()
            self.check(server, 200)

    def test_kill_after_some_parts_filled_a_chunk(self):
        with Server(flags=["--ingester.chunk_target_size=4KB"]) as server:
            filler = "x" * 1000
            self.assertEqual(server.push([({"r": "1"}, [(NOW + i, f"line {i:03} {filler}")]) for i in range(52)])[0], 204)
            deadline = time.monotonic() + 10
            while server.metric("loki_ingester_chunks_stored_total") == 0 and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertGreater(server.metric("loki_ingester_chunks_stored_total"), 0)
            server.kill()
            server.start()
            self.check(server, 52)


class Backpressure(unittest.TestCase):
    """A client that sends as fast as it is answered does not fill the memory: the answer waits for the flusher."""

    @unittest.skipIf("san-" in BINARY, "an answer waits for a second at most, the flusher may take longer")
    def test_memory(self):
        with Server(flags=["--ingester.memory_target=1MB"]) as server:
            above = 0
            entries = [(NOW + n, os.urandom(500).hex().encode()) for n in range(4000)]
            data = wire.snappy(wire.push_request([('{b="1"}', entries)]))
            for _ in range(20):
                self.assertEqual(server.push_body(data, PROTOBUF)[0], 204)
                above += server.metric("skald_head_bytes") > 1.5 * 2**20
            self.assertLess(above, 5)


class Replay(unittest.TestCase):
    """What the log gives back after kill -9 is what was there before, whichever form the record has."""

    STREAMS = [('{app="web"}', [(NOW, b"level=info started"), (NOW + 1, b"an error"), (NOW + 2, b"\x00\xff"), (NOW + 3, b"")]),
               ('{app="db", level="custom"}', [(NOW + 4, b"of a stream with a level"), (NOW - 5, b"earlier")]),
               ('{app="web"}', [(NOW + 6, b"the first stream again")])]
    FORMS = [("as it came", STREAMS, 204, []),
             ("with metadata", STREAMS + [('{app="m"}', [(NOW, b"x", [("k", "v")])])], 204, []),
             ("in part", STREAMS + [('{app="f"}', [(NOW, b"y"), (NOW + 3 * 3600 * 10**9, b"of the future")])], 400, []),
             ("cut lines", STREAMS, 204, ["--limits.max_line_size=10B", "--limits.max_line_size_truncate=true"]),
             ("an empty stream", STREAMS + [('{app="e"}', [])], 204, []),
             ("other times", STREAMS + [('{app="t"}', [(NOW, b"a"), (NOW, b"b")])], 204,
              ["--limits.increment_duplicate_timestamp=true"])]

    def test_kill(self):
        for name, streams, status, flags in self.FORMS:
            with self.subTest(name), Server(flags=flags) as server:
                answer = server.push_body(wire.snappy(wire.push_request(streams)), PROTOBUF)
                self.assertEqual(answer[0], status, answer[1])
                before = around_now(server, '{app=~".+"}')
                self.assertEqual(sum(len(values) for _, values in before), 7 + sum(len(e) for _, e in streams[3:]) - (status == 400))
                server.kill()
                server.start()
                self.assertEqual(around_now(server, '{app=~".+"}'), before)


class LargestEntries(unittest.TestCase):
    """Whatever the largest limits let in fits into a chunk: else its stream could never be flushed."""

    def test_flush(self):
        flags = ["--limits.max_line_size=0", "--limits.max_label_names_per_series=256", "--limits.max_label_value_length=65536",
                 "--limits.max_structured_metadata_size=16MB", "--limits.max_structured_metadata_entries_count=1024"]
        large = {f"label_{i:03}": f"{i:08}" * 8192 for i in range(255)} | {"job": "large"}
        pairs = {f"m{i:04}": "v" * 16000 for i in range(1000)}
        with Server(flags=flags) as server:
            status, text = server.push([
                (large, [(NOW, "x" * (16 << 20)), (NOW + 1, "y", pairs)]),
                ({"job": "sets"}, [(NOW + i, "z", {"m": f"{i:08}" * (1 << 20)}) for i in range(6)])])
            self.assertEqual(status, 204, text)
            server.flush()
            self.assertEqual(server.metric("loki_ingester_chunks_flush_failures_total"), 0)
            server.kill()
            server.start()
            self.assertEqual([len(line) for line in lines(around_now(server, '{job="large"}'))], [16 << 20, 1])
            self.assertEqual(len(around_now(server, '{job="sets"}')), 6)


class TenantLimits(unittest.TestCase):
    def test_rate(self):
        with Server(flags=["--limits.ingestion_rate_mb=0.001", "--limits.ingestion_burst_size_mb=0.001"]) as server:
            self.assertEqual(server.push([({"a": "b"}, [(NOW, "x" * 900)])])[0], 204)
            status, answer = server.push([({"a": "b"}, [(NOW, "y" * 900)])])
            self.assertEqual(status, 429)
            self.assertEqual(answer, "ingestion rate limit exceeded for user fake (limit: 1049 bytes/sec) while attempting to "
                             "ingest '1' lines totaling '900' bytes, reduce log volume or contact your Loki administrator to "
                             "see if the limit can be increased\n")

    def test_streams(self):
        with Server(flags=["--limits.max_global_streams_per_user=2"]) as server:
            status, answer = server.push([({"s": str(i)}, [(NOW, "x")]) for i in range(3)])
            self.assertEqual(status, 429)
            self.assertEqual(answer, 'maximum active stream limit exceeded when trying to create stream {s="2", '
                             'service_name="unknown_service"}, reduce the number of active streams (reduce labels or reduce '
                             "label values), or contact your Loki administrator to see if the limit can be increased, "
                             "user: 'fake'\n")
            self.assertEqual(len(around_now(server, '{s=~".+"}')), 2)
            self.assertEqual(server.metric("loki_discarded_samples_total"), 1)

    def test_tenants(self):
        with Server(flags=["--auth_enabled=true"]) as server:
            self.assertEqual(server.push([({"a": "b"}, [(NOW, "x")])]), (401, "no org id\n"))
            for tenant in ["one", "two"]:
                self.assertEqual(server.push([({"t": tenant}, [(NOW, tenant)])], headers={"X-Scope-OrgID": tenant})[0], 204)
            for header, want in [("a b/c", "tenant ID 'a b/c' contains unsupported character ' '\n"),
                                 ("a|b", "multiple org IDs present\n"), ("..", "tenant ID is '.' or '..'\n"),
                                 ("x" * 151, "tenant ID is too long: max 150 characters\n")]:
                self.assertEqual(server.push([({"a": "b"}, [(NOW, "x")])], headers={"X-Scope-OrgID": header}), (400, want))
            for flushed in [False, True]:
                if flushed:
                    server.flush()
                for tenant in ["one", "two"]:
                    status, _, text = server.request("GET", "/loki/api/v1/label/t/values", headers={"X-Scope-OrgID": tenant})
                    self.assertEqual((status, json.loads(text)), (200, {"status": "success", "data": [tenant]}))
            self.assertEqual(server.get("/loki/api/v1/labels"), (401, "no org id"))
            self.assertEqual(server.get("/ready"), (200, "ready\n"))

    def test_tenants_are_counted(self):
        """Only what has something to keep makes a tenant, and only so many are made."""
        def known():
            return set(re.findall(r'^loki_distributor_lines_received_total\{tenant="(\w+)"', server.get("/metrics")[1], re.MULTILINE))

        def push(tenant, streams=(({"a": "b"}, [(NOW, "x")]),)):
            return server.push(streams, headers={"X-Scope-OrgID": tenant})

        def delete(tenant):
            return server.request("POST", "/loki/api/v1/delete", {"query": '{a="b"}', "start": "1000000000"}, headers={"X-Scope-OrgID": tenant})[::2]

        with Server(flags=["--auth_enabled=true", "--ingester.max_tenants=3"]) as server:
            self.assertEqual(push("empty", []), (422, "error at least one valid stream is required for ingestion\n"))
            self.assertEqual(push("hollow", [({"a": "b"}, [])]), (204, ""))
            self.assertEqual(push("reserved", [({"__backfill__": "1"}, [(NOW, "x")])])[0], 400)
            self.assertEqual(server.push_body(b"{", headers={"X-Scope-OrgID": "broken"})[0], 400)
            self.assertEqual(push("a b/c")[0], 400)
            for path in ["labels", "query_range?query=%7Ba%3D%22b%22%7D", "detected_labels", "delete"]:
                self.assertEqual(server.request("GET", "/loki/api/v1/" + path, headers={"X-Scope-OrgID": "asks"})[0], 200, path)
            self.assertEqual(known(), set())
            for tenant in ["one", "two"]:
                self.assertEqual(push(tenant), (204, ""))
            self.assertEqual(delete("three")[0], 204)
            full = "there are 3 tenants, as many as ingester.max_tenants allows, and '%s' is none of them"
            self.assertEqual(push("four"), (429, full % "four" + "\n"))
            self.assertEqual(delete("five"), (429, (full % "five" + "\n").encode()))
            for tenant in ["one", "two", "three"]:
                self.assertEqual(push(tenant), (204, ""))
            self.assertEqual(known(), {"one", "two", "three"})
            self.assertEqual(server.stop(), 0)
            server.start()  # those whose lines are kept come back
            server.flush()
            self.assertEqual(push("one"), (204, ""))


if __name__ == "__main__":
    unittest.main()
