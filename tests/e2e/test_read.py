"""Queries, labels and series over HTTP: parameters, answers, errors, and that the state does not matter."""
import gzip
import json
import time
import unittest
import urllib.parse

from server import Server, ServerTest

BASE = 1_772_366_400_000_000_000  # 2026-03-01T12:00:00Z
SECOND = 10**9


def fill(server):
    """Two apps, ten lines each, some out of order, some with metadata."""
    for app in ["web", "db"]:
        entries = [(BASE + i * 60 * SECOND, f"{app} line {i} level={'error' if i % 3 == 0 else 'info'}") for i in (3, 1, 2, 0)]
        entries += [(BASE + i * 60 * SECOND, f"{app} line {i} from 10.0.{i}.7", {"trace": f"t{i % 2}"}) for i in range(4, 10)]
        status, text = server.push([({"app": app, "env": "prod"}, entries)])
        assert status == 204, text


class Read(ServerTest):
    fill = staticmethod(fill)

    def range(self, query, **more):
        params = {"query": query, "start": BASE, "end": BASE + 3600 * SECOND, **more}
        return self.server.get("/loki/api/v1/query_range", **params)

    def lines(self, query, **more):
        status, text = self.range(query, **more)
        self.assertEqual(status, 200, text)
        return [v[1] for s in json.loads(text)["data"]["result"] for v in s["values"]]

    def test_bounds_direction_limit(self):
        self.assertEqual(self.lines('{app="web"}', direction="forward", limit=2), [
            "web line 0 level=error", "web line 1 level=info"])
        newest = self.lines('{app="web"}', limit=1)
        self.assertEqual(newest, ["web line 9 from 10.0.9.7"])
        two = self.lines('{app="db"}', direction="forward", start=BASE + 60 * SECOND, end=BASE + 180 * SECOND)
        self.assertEqual(sorted(two), ["db line 1 level=info", "db line 2 level=info"])
        self.assertEqual(self.lines('{app="web"}', start=BASE, end=BASE), [])
        spaced = self.lines('{app="web"} |= "line"', direction="forward", interval="150s", limit=10)
        self.assertEqual(sorted(spaced), ["web line 0 level=error", "web line 3 level=error", "web line 6 from 10.0.6.7",
                                          "web line 9 from 10.0.9.7"])

    def test_filters(self):
        for query, want in [
                ('|= "error"', 2), ('!= "error"', 8), ('|~ "line [0-3] "', 4), ('!~ "line [0-3] "', 6), ('|= "error" or "10.0.4"', 3),
                ('|= ip("10.0.4.0/22")', 4), ('|> "<_>line <_> from <_>"', 6), ('!> "<_>line <_> from <_>"', 4),
                ('|~ "error|"', 2), ('|= ""', 10), ('!= ""', 0), ('|= "ERROR"', 0), ('|~ "(?i)ERROR"', 2)]:
            with self.subTest(query):
                self.assertEqual(len(self.lines('{app="web"} ' + query)), want)

    def test_every_state_answers_alike(self):
        with Server() as server:
            fill(server)
            queries = ['{app=~".+"}', '{app="db"} |= "error"', '{env="prod", app!="web"}']

            def answers():
                out = []
                for query in queries:
                    for direction in ["forward", "backward"]:
                        for limit in [1, 3, 7, 100]:
                            out.append(server.query(query, BASE, BASE + 3600 * SECOND, limit=limit, direction=direction))
                return out
            want = answers()
            server.flush()
            self.assertEqual(answers(), want, "flushed")
            fill(server)
            self.assertEqual(answers(), want, "pushed again")
            server.kill()
            server.start()
            self.assertEqual(answers(), want, "after kill -9")
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assertEqual(answers(), want, "after SIGTERM")

    def test_metadata_and_categories(self):
        status, text = self.range('{app="web"} |= "line 5"')
        (stream,) = json.loads(text)["data"]["result"]
        self.assertEqual(stream["stream"], {"app": "web", "env": "prod", "service_name": "web", "trace": "t1",
                                            "detected_level": "unknown"})
        headers = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
        status, _, body = self.server.request("GET", "/loki/api/v1/query_range", {
            "query": '{app="web"} |= "line 5"', "start": BASE, "end": BASE + 3600 * SECOND}, headers=headers)
        data = json.loads(body)["data"]
        self.assertEqual(data["encodingFlags"], ["categorize-labels"])
        self.assertLess(body.index(b"encodingFlags"), body.index(b'"result":'))
        (stream,) = data["result"]
        self.assertEqual(stream["stream"], {"app": "web", "env": "prod", "service_name": "web"})
        self.assertEqual(stream["values"][0][2], {"structuredMetadata": {"detected_level": "unknown", "trace": "t1"}})

    def test_grafana_health_check(self):
        status, text = self.server.get("/loki/api/v1/query", query="vector(1)+vector(1)", time=4000000000)
        self.assertEqual((status, json.loads(text)["data"]["result"]), (200, [{"metric": {}, "value": [4000000000, "2"]}]))

    def test_errors(self):
        ok = {"query": '{app="web"}', "start": BASE, "end": BASE + SECOND}
        for change, want in [
                ({"query": ""}, "parse error : syntax error: unexpected $end"),
                ({"query": '{app="web"'}, "parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,"),
                ({"limit": "0"}, "limit must be a positive value"), ({"limit": "-1"}, "limit must be a positive value"),
                ({"limit": "abc"}, 'strconv.Atoi: parsing "abc": invalid syntax'),
                ({"limit": "99999999999"}, "limit value 99999999999 is out of range [0, 4294967295]"),
                ({"limit": "5001"}, "max entries limit per query exceeded, limit > max_entries_limit_per_query (5001 > 5000)"),
                ({"direction": "up"}, "invalid direction 'up'"),
                ({"start": "xx"}, "could not parse 'start' parameter: strconv.ParseInt: parsing \"xx\": invalid syntax"),
                ({"end": "xx"}, "could not parse 'end' parameter: strconv.ParseInt: parsing \"xx\": invalid syntax"),
                ({"since": "xx"}, "could not parse 'since' parameter: not a valid duration string: \"xx\""),
                ({"end": BASE - 1}, "end timestamp must not be before or equal to start time"),
                ({"step": "1.5s"}, 'cannot parse "1.5s" to a valid duration'),
                ({"step": "0"}, "zero or negative query resolution step widths are not accepted. Try a positive integer"),
                ({"end": BASE + 20000 * SECOND, "step": "1"}, "exceeded maximum resolution of 11,000 points per time series. "
                 "Try increasing the value of the step parameter"),
                ({"interval": "-1"}, "interval must be >= 0"),
                ({"start": -2**63, "end": 2**63 - 1}, "the query time range exceeds the limit (query length: 2562047h47m16.854775807s, "
                                                      "limit: 30d1h)"),
                ({"end": BASE + 960 * 3600 * SECOND}, "the query time range exceeds the limit (query length: 960h0m0s, limit: 30d1h)"),
                ({"limit": "0", "direction": "up", "query": "{"}, "limit must be a positive value")]:
            with self.subTest(change):
                status, text = self.server.get("/loki/api/v1/query_range", **{**ok, **change})
                self.assertEqual((status, text), (400, want))
        self.assertEqual(self.server.get("/loki/api/v1/query", query='{app="web"}'), (400, (
            "log queries are not supported as an instant query type, please change your query to a range query type")))
        for raw, want in [("query=a;b", "invalid semicolon separator in query"), ("query=%zz", 'invalid URL escape "%zz"')]:
            status, _, body = self.server.request("GET", "/loki/api/v1/query_range?" + raw)
            self.assertEqual((status, body.decode()), (400, want))

    def test_times(self):
        for start, end in [(BASE, BASE + 60 * SECOND), ("1772366400", "1772366460"), ("1772366400.0", "1772366460.000"),
                           ("2026-03-01T12:00:00Z", "2026-03-01T13:01:00.000+01:00"), ("1.7723664e9", "1772366460.0")]:
            with self.subTest(start=start):
                self.assertEqual(len(self.lines('{app="web"}', start=start, end=end)), 1)
        self.assertEqual(self.lines('{app="web"}', start="1772366400000", end="1772366460000"), [])  # 13 digits are nanoseconds

    def test_post_form(self):
        form = urllib.parse.urlencode({"query": '{app="web"}', "start": BASE, "end": BASE + 60 * SECOND})
        status, _, body = self.server.request("POST", "/loki/api/v1/query_range", body=form,
                                              headers={"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(status, 200, body)
        self.assertEqual(len(json.loads(body)["data"]["result"]), 1)
        status, _, body = self.server.request("POST", "/loki/api/v1/query_range", body="{}",
                                              headers={"Content-Type": "application/json"})
        self.assertEqual((status, body), (400, b"parse error : syntax error: unexpected $end"))

    def test_labels_and_series(self):
        bounds = {"start": BASE, "end": BASE + 3600 * SECOND}

        def get(path, **more):
            status, text = self.server.get(path, **{**bounds, **more})
            return status, json.loads(text) if text.startswith("{") else text
        self.assertEqual(get("/loki/api/v1/labels"), (200, {"status": "success", "data": ["app", "env", "service_name"]}))
        self.assertEqual(get("/loki/api/v1/label/app/values"), (200, {"status": "success", "data": ["db", "web"]}))
        self.assertEqual(get("/loki/api/v1/label/app/values", query='{service_name="db"}'),
                         (200, {"status": "success", "data": ["db"]}))
        self.assertEqual(get("/loki/api/v1/label/nope/values"), (200, {"status": "success"}))
        self.assertEqual(get("/loki/api/v1/label/detected_level/values"), (200, {"status": "success"}))
        self.assertEqual(get("/loki/api/v1/labels", query='{app="web"} |= "x"'), (400, "only label matchers are supported"))
        status, answer = get("/loki/api/v1/series", **{"match[]": '{app="web"}'})
        self.assertEqual((status, answer["data"]), (200, [{"app": "web", "env": "prod", "service_name": "web"}]))
        self.assertEqual([s["app"] for s in get("/loki/api/v1/series")[1]["data"]], ["db", "web"])
        self.assertEqual(len(get("/loki/api/v1/series", **{"match[]": "{ }"})[1]["data"]), 2)
        self.assertEqual(len(get("/loki/api/v1/series", match=['{app="web"}', '{app="db"}'])[1]["data"]), 2)
        self.assertEqual(get("/loki/api/v1/series", **{"match[]": '{app="no"}'}), (200, {"status": "success", "data": []}))
        self.assertEqual(get("/loki/api/v1/series", match=["{}", '{app="db"}']), (400, "0 matchers in group: { }"))
        self.assertIn("at least one regexp or equality matcher", get("/loki/api/v1/series", match='{a!="x"}')[1])
        self.assertEqual(self.server.get("/loki/api/v1/label/a%2Fb/values")[0], 200)
        self.assertEqual(self.server.get("/loki/api/v1/label/a/b/values")[0], 404)

    def test_gzip(self):
        status, headers, body = self.server.request("GET", "/loki/api/v1/query_range", {
            "query": '{app="web"}', "start": BASE, "end": BASE + 3600 * SECOND}, headers={"Accept-Encoding": "gzip"})
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(json.loads(gzip.decompress(body))["status"], "success")

    def test_stats(self):
        _, text = self.range('{app="web"}')
        stats = json.loads(text)["data"]["stats"]
        self.assertEqual(sorted(stats), ["cache", "index", "ingester", "querier", "summary"])
        self.assertEqual(stats["summary"]["totalEntriesReturned"], 10)
        self.assertGreaterEqual(stats["summary"]["totalLinesProcessed"], 10)

    def test_deadline(self):
        with Server(flags=["--limits.query_timeout=1ms"]) as server:
            many = [(BASE + i * 1000, f"line {i} " + "x" * 200) for i in range(100000)]
            for begin in range(0, len(many), 20000):
                self.assertEqual(server.push([({"a": "b"}, many[begin:begin + 20000])])[0], 204)
            server.flush()
            begin = time.monotonic()
            status, text = server.get("/loki/api/v1/query_range", query='{a="b"} |~ "(x+x+)+y"', start=BASE, end=BASE + SECOND)
            self.assertEqual(status, 504, text)
            self.assertTrue(text.startswith("request timed out, decrease the duration of the request"), text)
            self.assertLess(time.monotonic() - begin, 5)


if __name__ == "__main__":
    unittest.main()
