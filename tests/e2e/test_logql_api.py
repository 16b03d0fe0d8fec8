"""Endpoints beside the queries themselves: formatting, stored volumes, labels, fields and patterns; in every state of the store."""
import json
import unittest

from server import Server, ServerTest

BASE = 1_772_366_400_000_000_000  # 2026-03-01T12:00:00Z
SECOND = 10**9
MINUTE = 60 * SECOND

WEB = [(BASE + i * MINUTE, json.dumps({"method": "GET", "path": f"/item/{i}", "took": f"{i}ms", "user": {"id": i % 2}}),
        {"trace_id": f"t{i}"}) for i in range(10)]
DB = [(BASE + i * MINUTE, f"query {i} rows={i} size={i}kB slow=true") for i in range(20)]


def fill(server):
    status, text = server.push([({"app": "web", "pod": "1", "shard": "7"}, WEB), ({"app": "db", "pod": "2", "id": "12"}, DB)])
    assert status == 204, text


def more(server):
    status, text = server.push([({"app": "web", "pod": "1", "shard": "7"}, [(BASE + 30 * MINUTE, "late", {"trace_id": "t30"})])])
    assert status == 204, text


class Api(ServerTest):
    fill = staticmethod(fill)

    def ask(self, path, want=200, server=None, **params):
        params = {"start": BASE, "end": BASE + 60 * MINUTE, **params}
        status, text = (server or self.server).get("/loki/api/v1/" + path, **params)
        self.assertEqual(status, want, text)
        return json.loads(text) if want == 200 else text

    # ---- format_query ----

    def test_format(self):
        for method in ["GET", "POST"]:
            status, headers, body = self.server.request(method, "/loki/api/v1/format_query",
                                                        {"query": 'sum(rate({app="a"}|json|x=5[5m]))by(x)'})
            self.assertEqual((status, headers["Content-Type"]), (200, "application/json; charset=utf-8"))
            self.assertEqual(json.loads(body), {"status": "success", "data": 'sum by (x)(rate({app="a"} | json | x==5[5m]))'})
        status, headers, body = self.server.request("GET", "/loki/api/v1/format_query", {"query": "sum("})
        self.assertEqual((status, headers["Content-Type"]), (400, "application/json; charset=utf-8"))
        self.assertEqual(json.loads(body), {"status": "invalid-query",
                                            "error": "parse error at line 1, col 5: syntax error: unexpected $end"})

    # ---- stats and volume ----

    def test_stats(self):
        stats = self.ask("index/stats", query='{app="db"}')
        self.assertEqual((stats["streams"], stats["chunks"], stats["entries"]), (1, 1, 20))
        lines = sum(len(line) for _, line in DB)
        self.assertGreaterEqual(stats["bytes"], lines)
        self.assertLess(stats["bytes"], 2 * lines)
        part = self.ask("index/stats", query='{app="db"}', start=BASE + 5 * MINUTE, end=BASE + 8 * MINUTE)
        self.assertEqual(part["entries"], 3)
        self.assertEqual(self.ask("index/stats", query='{app="none"}'), {"streams": 0, "chunks": 0, "bytes": 0, "entries": 0})
        self.assertEqual(self.ask("index/stats", 400, query='{app="db"} |= "x"'), "only label matchers are supported")
        self.assertIn("queries require at least one", self.ask("index/stats", 400, query="{}"))
        self.assertIn("the query time range exceeds the limit", self.ask("index/stats", 400, query='{app="db"}', start=0))

    def volumes(self, path="index/volume", **params):
        data = self.ask(path, **params)["data"]
        return data["resultType"], data["result"]

    def test_volume(self):
        kind, result = self.volumes(query='{app=~".+"}')
        self.assertEqual(kind, "vector")
        self.assertEqual([s["metric"] for s in result], [{"app": "db"}, {"app": "web"}])
        self.assertEqual({s["value"][0] for s in result}, {(BASE + 60 * MINUTE) // SECOND})
        values = [int(s["value"][1]) for s in result]
        self.assertEqual(values, sorted(values, reverse=True))
        for app, value in zip(["db", "web"], values):
            self.assertEqual(value, self.ask("index/stats", query=f'{{app="{app}"}}')["bytes"])
        self.assertEqual(len(self.volumes(query='{app=~".+"}', limit=1)[1]), 1)
        self.assertEqual(len(self.volumes(query='{app=~".+"}', limit=0)[1]), 2)
        self.assertEqual([s["metric"] for s in self.volumes(query="{}", targetLabels="shard")[1]], [{"shard": "7"}])
        self.assertEqual([sorted(s["metric"]) for s in self.volumes(query="{}")[1]],
                         [["app", "id", "pod", "service_name"], ["app", "pod", "service_name", "shard"]])
        names = {tuple(s["metric"].items()) for s in self.volumes(query="{}", aggregateBy="labels")[1]}
        self.assertEqual(names, {((name, ""),) for name in ["app", "id", "pod", "service_name", "shard"]})
        for params, text in [({"query": "{}", "aggregateBy": "x"}, "invalid aggregation option"),
                             ({"query": "{}", "limit": -1}, "limit must be a positive value"),
                             ({"query": '{a="b"} | json'}, "only label matchers are supported"),
                             ({}, "parse error : syntax error: unexpected $end")]:
            self.assertEqual(self.ask("index/volume", 400, **params), text)

    def test_volume_range(self):
        kind, result = self.volumes("index/volume_range", query='{app="db"}', step="10m")
        self.assertEqual(kind, "matrix")
        times = [t for t, _ in result[0]["values"]]
        self.assertEqual(times, [BASE / SECOND + 600 - 0.001, BASE / SECOND + 1200 - 0.001])
        total = sum(int(v) for _, v in result[0]["values"])
        self.assertAlmostEqual(total, int(self.volumes(query='{app="db"}')[1][0]["value"][1]), delta=2)
        self.assertEqual(self.volumes("index/volume_range", query='{app="db"}', step="2h")[0], "vector")
        self.assertIn("zero or negative", self.ask("index/volume_range", 400, query="{}", step=0))

    def test_limits_of_volume(self):
        with Server(flags=["--limits.volume_max_series", "1"]) as server:
            fill(server)
            self.assertEqual(self.ask("index/volume", 400, server, query='{app=~".+"}'),
                             "the query hit the max number of series limit (limit: 1 series)")
        with Server(flags=["--limits.volume_enabled", "false"]) as server:
            self.assertEqual(self.ask("index/volume", 404, server, query='{app=~".+"}'), "not found")

    # ---- labels, fields, patterns ----

    def test_too_many_matchers(self):
        few, many = 'count_over_time({a="1",b="2"}[1m])', 'count_over_time({a="1",b="2",c="3"}[1m])'
        text = "max streams matchers per query exceeded, matchers-count > limit (3 > 2)"
        with Server(flags=["--limits.max_streams_matchers_per_query=2"]) as server:
            for query, want in [('{a="1",b="2"}', 200), ('{a="1",b="2",c="3"}', 400), (few, 200), (many, 400), (f"sum by (a) ({many})", 400),
                                (f"{few} + {few}", 200), (f"{few} + {many}", 400), (f"{many} + {few}", 400), ("1 + vector(2)", 200),
                                (f'label_replace({many}, "x", "$1", "y", "(.*)")', 400)]:
                with self.subTest(query):
                    got = self.ask("query_range", want, server, query=query, step="1m")
                    if want == 400:
                        self.assertEqual(got, text)

    def test_too_many_series(self):
        too_many = "maximum number of series (2) reached for a single query; "
        with Server(flags=["--limits.max_query_series=2"]) as server:
            fill(server)
            params = {"query": "count_over_time({app=\"db\"} | logfmt | keep rows [1h])", "start": BASE, "end": BASE + 60 * MINUTE,
                      "time": BASE + 60 * MINUTE, "step": "1h"}
            for path, rows in [("query_range", ["0", "1"]), ("query", ["1", "10"])]:
                status, text = server.get("/loki/api/v1/" + path, **params)
                self.assertEqual(status, 400)
                self.assertTrue(text.startswith(too_many + "consider reducing"), text)
                for tags, want in [("Source=grafana-lokiexplore-app", 200), ("a=b,source=Grafana-LokiExplore-App", 200),
                                   ("Source=logvolhist", 400), ("", 400)]:
                    status, _, body = server.request("GET", "/loki/api/v1/" + path, params, headers={"X-Query-Tags": tags})
                    self.assertEqual(status, want, (tags, body))
                    if want == 200:
                        answer = json.loads(body)
                        self.assertEqual(answer["warnings"], [too_many + "returning partial results"])
                        self.assertEqual([s["metric"]["rows"] for s in answer["data"]["result"]], rows)
            status, _, body = server.request("GET", "/loki/api/v1/query", {**params, "query": "vector(1)"},
                                             headers={"X-Query-Tags": "Source=grafana-lokiexplore-app"})
            self.assertNotIn("warnings", json.loads(body))

    def test_detected_labels(self):
        want = {"app": 2, "pod": 2, "service_name": 2}  # but not id and shard, which are numbers
        for params in [{}, {"query": '{app=~".+"}'}]:
            found = self.ask("detected_labels", **params)["detectedLabels"]
            self.assertEqual({f["label"]: f["cardinality"] for f in found}, want)
        self.assertEqual(self.ask("detected_labels", query='{app="none"}'), {})
        self.assertIn("queries require at least one", self.ask("detected_labels", 400, query="{}"))

    def fields(self, **params):
        return {f["label"]: f for f in self.ask("detected_fields", **params).get("fields", [])}

    def test_detected_fields(self):
        fields = self.fields(query='{app="web"}')
        self.assertEqual(fields["user_id"], {"label": "user_id", "type": "int", "cardinality": 2, "parsers": ["json"],
                                             "jsonPath": ["user", "id"]})
        self.assertEqual(fields["took"]["type"], "duration")
        self.assertEqual(fields["trace_id"], {"label": "trace_id", "type": "string", "cardinality": 10, "parsers": None})
        fields = self.fields(query='{app="db"}')
        self.assertEqual({name: f["type"] for name, f in fields.items() if f["parsers"] == ["logfmt"]},
                         {"rows": "int", "size": "bytes", "slow": "boolean"})
        self.assertEqual(self.fields(query='{app="db"}', line_limit=3)["rows"]["cardinality"], 3)
        self.assertEqual(len(self.fields(query='{app="db"}', field_limit=2)), 2)
        self.assertEqual(self.ask("detected_fields", query='{app="none"}'), {})
        self.assertEqual(self.ask("detected_fields", 400, query='rate({app="db"}[1m])'), "only log selector is supported")
        self.assertIn("max entries limit", self.ask("detected_fields", 400, query='{app="db"}', line_limit=6000))

    def test_detected_field_values(self):
        self.assertEqual(self.ask("detected_field/user_id/values", query='{app="web"}'), {"limit": 1000, "values": ["0", "1"]})
        sizes = self.ask("detected_field/size/values", query='{app="db"}', limit=5)
        self.assertEqual((sizes["limit"], len(sizes["values"])), (5, 5))
        self.assertIn("19kB", sizes["values"])
        self.assertEqual(self.ask("detected_field/none/values", query='{app="web"}'), {})
        self.assertIn("parse error", self.ask("detected_field/size/values", 400))

    def test_patterns(self):
        answer = self.ask("patterns", query='{app="db"}', step="10m")
        self.assertEqual(answer, {"status": "success", "data": [
            {"pattern": "query <_> rows=<_> size=<_> slow=true", "level": "unknown",
             "samples": [[BASE // SECOND, 10], [BASE // SECOND + 600, 10]]}]})
        found = self.server.query('{app="db"} |> "query <_> rows=<_> size=<_> slow=true"', BASE, BASE + 60 * MINUTE)
        self.assertEqual(sum(len(entries) for _, entries in found), 20)
        self.assertEqual(self.ask("patterns", query='{app="none"}'), {"status": "success", "data": []})
        self.assertEqual(self.ask("patterns", 400, query='{app="db"} |= "x"'), "only label matchers are supported")

    # ---- every state ----

    def test_every_state_answers_alike(self):
        asked = [("index/stats", {"query": '{app=~".+"}'}), ("index/stats", {"query": '{app=~".+"}', "start": BASE + 7 * MINUTE}),
                 ("index/volume", {"query": "{}"}), ("index/volume_range", {"query": '{app=~".+"}', "step": "5m"}),
                 ("detected_labels", {}), ("detected_fields", {"query": '{app=~".+"}'}),
                 ("patterns", {"query": '{app=~".+"}', "step": "5m"})]

        def answers(server):
            out = []
            for path, params in asked:
                answer = self.ask(path, server=server, **params)
                answer.pop("chunks", None)  # which depends on the state
                if "data" in answer and "stats" in answer["data"]:
                    del answer["data"]["stats"]
                out.append(answer)
            return out
        with Server() as one, Server() as other:
            fill(one)
            more(one)
            want = answers(one)
            one.flush()
            self.assertEqual(answers(one), want, "chunks")
            fill(other)
            other.flush()
            more(other)
            self.assertEqual(answers(other), want, "chunks and heads")
            other.kill()
            other.start()
            self.assertEqual(answers(other), want, "restarted")


if __name__ == "__main__":
    unittest.main()
