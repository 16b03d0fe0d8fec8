"""The cases over HTTP that Loki has answered, and the limits and error texts a client of Loki knows."""
import decimal
import json
import unittest

from server import ServerTest

B = 1_772_366_460  # 2026-03-01T12:01:00Z, a multiple of 60
SECOND = 10**9
AT_THE_END = {"time": B + 60}
SERIES_RULE = ("queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, "
               'app=~".*" does not meet this requirement, but app=~".+" will')
TOO_MANY_SERIES = ("maximum number of series (500) reached for a single query; consider reducing query cardinality by adding more "
                   "specific stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or "
                   "topk()")
NO_STEP = "zero or negative query resolution step widths are not accepted. Try a positive integer"
TOO_MANY_POINTS = "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter"
WEB = 'count_over_time({svc="web"}[1m])'
ALL = 'count_over_time({svc=~"web|db"}[1m])'

# id, path, parameters, status, answer: as text, times relative to B; None: only the status counts.
CASES = [
    ("HT01", "query_range", {"query": "vector(1)", "start": B + 7, "end": B + 47, "step": 20}, 200,
     "matrix: {} 1@0 1@20 1@40 1@60"),
    ("HT02", "query_range", {"query": "1+1", "start": f"{B}.25", "end": f"{B + 1}.3", "step": "0.5"}, 200,
     "matrix: {} 2@0 2@0.5 2@1 2@1.5"),
    ("HT03", "query", {"query": "vector(1)", "time": f"{B}.123456789"}, 200, "vector: {} 1@0.123"),
    ("HT04", "query", {"query": '{svc="web"}'}, 400,
     "log queries are not supported as an instant query type, please change your query to a range query type"),
    ("HT05", "query", {"query": "7", "time": B}, 200, "scalar: 7@0"),
    ("HT06", "query", {"query": "vector(2)^10000", "time": B}, 200, "vector: {} +Inf@0"),
    ("HT07", "query", {"query": "vector(1)/0", "time": B}, 200, "vector: {} NaN@0"),
    ("HT08", "query", {"query": "vector(1e21)", "time": B}, 200, "vector: {} 1000000000000000000000@0"),
    ("HT09", "query", {"query": "vector(1e-7)", "time": B}, 200, "vector: {} 0.0000001@0"),
    ("HT10", "query", {"query": "-1*vector(0)", "time": B}, 200, "vector: {} 0@0"),
    ("HT11", "query_range", {"query": 'sum(rate({svc="web"}[1m]))', "start": B, "end": B + 60, "step": 0}, 400, NO_STEP),
    ("HT12", "query_range", {"query": 'sum(rate({svc="web"}[1m]))', "start": B, "end": B + 11000, "step": 1}, 200, None),
    ("HT13", "query_range", {"query": 'sum(rate({svc="web"}[1m]))', "start": B, "end": B + 12000, "step": 1}, 400,
     TOO_MANY_POINTS),
    ("HT14", "query_range", {"query": '{svc="web"}', "start": B, "end": B + 60, "limit": 6000}, 400,
     "max entries limit per query exceeded, limit > max_entries_limit_per_query (6000 > 5000)"),
    ("HT15", "query_range", {"query": '{svc="web"}', "start": B + 10, "end": B + 30, "direction": "forward"}, 200,
     'streams: {pod="p1", svc="web"} [15 "GET /a 200"] [25 "GET /a 200"] ; {pod="p2", svc="web"} [10 "GET /bb 404"]'),
    ("HT16", "query", {"query": 'count_over_time({svc="web"} |~ "(" [1m])', **AT_THE_END}, 400,
     "parse error : stage '|~ \"(\"' : error parsing regexp: missing closing ): `(`"),
    ("HT17", "query", {"query": 'count_over_time({svc="web"} | line_format "{{foo}}" [1m])', **AT_THE_END}, 200,
     'vector: {pod="p1", svc="web"} 6@60 ; {pod="p2", svc="web"} 3@60'),
    ("HT18", "query", {"query": 'bytes_over_time({svc="web"} | line_format "{{foo}}" [1m])', **AT_THE_END}, 400,
     "parse error : stage '| line_format \"{{foo}}\"' : invalid line template: template: line:1: function \"foo\" not defined"),
    ("HT19", "query", {"query": f"{WEB} + on(zz) {WEB}", **AT_THE_END}, 500,
     "found duplicate series on the right hand-side;many-to-many matching not allowed: matching labels must be unique on one side"),
    # Loki refuses it unless it is switched on; here it is topk().
    ("HT20", "query", {"query": f"approx_topk(1,{WEB})", **AT_THE_END}, 200, 'vector: {pod="p1", svc="web"} 6@60'),
    ("HT21", "query", {"query": ""}, 400, "parse error : syntax error: unexpected $end"),
    ("HT22", "query", {"query": 'count_over_time({many="yes"}[1m])', **AT_THE_END}, 400, TOO_MANY_SERIES),
    ("HT22", "query", {"query": 'sum(count_over_time({many="yes"}[1m]))', **AT_THE_END}, 200, "vector: {} 501@60"),
    ("HT23", "query", {"query": 'count_over_time({svc="twice"}[1m])', **AT_THE_END}, 200, 'vector: {svc="twice"} 1@60'),
    ("HT24", "format_query", {"query": "sum("}, 400,
     '{"status":"invalid-query","error":"parse error at line 1, col 5: syntax error: unexpected $end"}'),
    ("HT25", "format_query", {"query": 'sum(rate({app="a"}|json|x=5[5m]))by(x)'}, 200,
     'sum by (x)(rate({app="a"} | json | x==5[5m]))'),
]

RANGE = {"query": f"sum({WEB})", "start": B, "end": B + 60}
PIPELINE_ERROR = (
    "pipeline error: 'JSONParserErr' for series: '{__error__=\"JSONParserErr\", __error_details__=\"Value looks like object, but "
    "can't find closing '}' symbol\", detected_level=\"unknown\", service_name=\"unknown_service\", svc=\"twice\"}'.\n"
    'Use a label filter to intentionally skip this error. (e.g | __error__!="JSONParserErr").\n'
    'To skip all potential errors you can match empty errors.(e.g __error__="")\n'
    'The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__="" )\n')

LIMITS = [
    ("step of a short range", "query_range", {"query": "vector(1)", "start": B, "end": B + 3}, 200,
     "matrix: {} 1@0 1@1 1@2 1@3"),
    ("negative step", "query_range", {**RANGE, "step": "-1"}, 400, NO_STEP),
    ("step that is none", "query_range", {**RANGE, "step": "abc"}, 400, 'cannot parse "abc" to a valid duration'),
    ("step as a duration", "query_range", {**RANGE, "step": "1m"}, 200, "matrix: {} 9@60"),
    ("step with a fraction", "query_range", {**RANGE, "start": B + 50, "end": B + 55, "step": "2.5"}, 200,
     "matrix: {} 8@50 8@52.5 9@55"),
    ("steps are aligned", "query_range", {**RANGE, "start": B + 7, "end": B + 47, "step": "20"}, 200,
     "matrix: {} 3@20 6@40 9@60"),
    ("points of a log query", "query_range", {"query": '{svc="web"}', "start": B, "end": B + 11001, "step": 1}, 400,
     TOO_MANY_POINTS),
    ("end before start", "query_range", {**RANGE, "end": B - 1}, 400, "end timestamp must not be before or equal to start time"),
    ("no limit", "query_range", {**RANGE, "limit": 0}, 400, "limit must be a positive value"),
    ("negative limit", "query_range", {**RANGE, "limit": -5}, 400, "limit must be a positive value"),
    ("the limit of lines is no limit of series", "query_range", {**RANGE, "limit": 6000, "step": 60}, 200, "matrix: {} 9@60"),
    ("length", "query_range", {**RANGE, "end": B + 960 * 3600, "step": 3600}, 400,
     "the query time range exceeds the limit (query length: 960h0m0s, limit: 30d1h)"),
    ("direction", "query_range", {**RANGE, "direction": "up"}, 400, "invalid direction 'up'"),
    ("series over all steps", "query_range", {"query": 'count_over_time({many="yes"}[1s])', "start": B, "end": B + 600, "step": 1},
     400, TOO_MANY_SERIES),
    ("series of a part do not count", "query", {"query": 'topk(500, count_over_time({many="yes"}[1m])) > 1', **AT_THE_END}, 200,
     "vector: empty"),
    ("the error of a line", "query", {"query": 'count_over_time({svc="twice"} | json [1m])', **AT_THE_END}, 400, PIPELINE_ERROR),
    ("an error that is looked for", "query", {"query": 'sum(count_over_time({svc="twice"} | json | __error__!="" [1m]))',
                                              **AT_THE_END}, 200, "vector: {} 1@60"),
    ("left side not unique", "query", {"query": f"{ALL} - on(svc) group_right {ALL}", **AT_THE_END}, 500,
     "found duplicate series on the left hand-side;many-to-many matching not allowed: matching labels must be unique on one side"),
    ("many to one", "query", {"query": f"{ALL} / on(svc) sum by (svc) ({ALL})", **AT_THE_END}, 500,
     "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"),
    ("equal results", "query", {"query": f"{ALL} / on(svc) group_left(pod) sum by (svc) ({ALL})", **AT_THE_END}, 500,
     "multiple matches for labels: grouping labels must ensure unique matches"),
    ("a sum of a literal", "query", {"query": "sum(1)", **AT_THE_END}, 400, f"parse error : {SERIES_RULE}"),
    ("a selector of everything", "query", {"query": f'{WEB} + rate({{a=~".*"}}[1m])', **AT_THE_END}, 400,
     f"parse error : {SERIES_RULE}"),
]


def fill(server):
    """The data set A of the cases, 501 streams at 59 times, and an entry that comes twice."""
    def at(stream, seconds, line):
        return stream, [((B + s) * SECOND, line) for s in seconds]
    streams = [at({"svc": "web", "pod": "p1"}, range(5, 60, 10), "GET /a 200"),
               at({"svc": "web", "pod": "p2"}, (10, 30, 50), "GET /bb 404"),
               at({"svc": "db", "pod": "p3"}, (20, 40), "slow query"),
               *(at({"many": "yes", "n": str(n)}, (1 + n % 59,), "one") for n in range(501))]
    twice = [at({"svc": "twice"}, (30,), "the same")]
    for body in (streams, twice, twice):
        status, text = server.push(body)
        assert status == 204, text


def labels_text(labels):
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())
                           if name not in ("service_name", "detected_level")) + "}"


def sample_text(sample):
    time, value = sample
    time = (time - B).normalize() if isinstance(time, decimal.Decimal) else time - B
    return f"{value}@{time}"


def answer_text(text):
    """An answer as the tables have it."""
    data = json.loads(text, parse_float=decimal.Decimal)["data"]
    if isinstance(data, str):
        return data
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":  # whose time is in milliseconds
        return f"scalar: {sample_text([result[0] // 1000, result[1]])}"
    if kind == "streams":
        series = [" ".join([labels_text(s["stream"]), *(f'[{int(ns) // SECOND - B} "{line}"]' for ns, line in s["values"])])
                  for s in result]
    else:
        series = [" ".join([labels_text(s["metric"]), *map(sample_text, s.get("values") or [s["value"]])]) for s in result]
    return f"{kind}: " + (" ; ".join(series) or "empty")


class Reference(ServerTest):
    fill = staticmethod(fill)
    maxDiff = None

    def check(self, cases):
        for name, path, params, status, want in cases:
            with self.subTest(name):
                got_status, text = self.server.get(f"/loki/api/v1/{path}", **params)
                self.assertEqual(got_status, status, text)
                if want is not None:
                    self.assertEqual(answer_text(text) if status == 200 else text, want)

    def test_cases(self):
        self.check(CASES)

    def test_limits_and_errors(self):
        self.check(LIMITS)

    def test_default_step(self):
        for seconds, step in [(249, 1), (250, 1), (499, 1), (500, 2), (3600, 14), (86400, 345)]:
            status, text = self.server.get("/loki/api/v1/query_range", query="vector(1)", start=B, end=B + seconds)
            self.assertEqual(status, 200, text)
            times = [t for t, _ in json.loads(text)["data"]["result"][0]["values"]]
            self.assertEqual({b - a for a, b in zip(times, times[1:])}, {step}, seconds)


if __name__ == "__main__":
    unittest.main()
