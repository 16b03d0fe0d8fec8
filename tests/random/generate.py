"""Random data and random queries on it, from a seed. Most queries find something: they are made of the words the data is
made of."""
import json
import random

import naive
import tree

SECOND, MINUTE, HOUR = 10**9, 60 * 10**9, 3600 * 10**9
MIDNIGHT = 1_772_409_600 * SECOND  # 2026-03-02T00:00:00Z

STYLES = ["json", "logfmt", "access", "packed", "colour", "words"]
LEVELS = ["info", "warn", "error", "debug", "INFO", "warning", "critical"]
WORDS = ["timeout", "connected", "retry", "disk full", "done ok", "cache miss", "naïve ☃", "a=b", "error in x", "日本語"]
USERS = ["bob", "ann", "zoë", "root", "-"]
PATHS = ["/", "/api/v1/items", "/login", "/static/app.js", "/api/v1/items/42"]
ADDRESSES = ["10.0.0.1", "10.0.3.77", "192.168.1.20", "8.8.8.8", "2001:db8::7", "::1"]
DURATIONS = ["120ms", "1.5s", "2s", "1m30s", "90s", "300us", "0"]
SIZES = ["512B", "2KB", "1KiB", "1.5MB", "10", "4 kB"]
STATUSES = ["200", "201", "404", "500", "503"]


def chance(r, p):
    return r.random() < p


# ---- data ----

class DataSet:
    """pushes: [[(labels, [(ns, line, metadata), ...]), ...], ...]; styles: {app: style}."""

    def __init__(self, seed):
        r = self.random = random.Random(seed)
        self.span = r.choice([2 * MINUTE, 10 * MINUTE, 45 * MINUTE, 2 * HOUR, 5 * HOUR])
        self.start = MIDNIGHT - r.randrange(self.span) if chance(r, 0.6) else MIDNIGHT + r.randrange(20 * HOUR)
        self.start -= self.start % SECOND
        self.grid = r.choice([SECOND, SECOND, 5 * SECOND, 10**6, 1])
        self.bad = r.choice([0, 0, 0.03, 0.1])
        self.empty = r.choice([0, 0, 0.1])
        self.metadata = r.choice([0, 0.4, 1])
        self.counter = 0
        self.styles = {}
        self.streams = []
        for labels in self.label_sets(r.randint(3, 12)):
            self.streams.append((labels, []))
        for _ in range(r.randint(30, 300)):
            labels, entries = r.choice(self.streams)
            times = [e[0] for e in entries]
            if entries and chance(r, 0.05):
                double = r.choice(entries)
                if times.count(double[0]) == 1:  # which of two copies gives an entry its place is not told
                    entries.append(double)
                continue
            ns = times[-1] if entries and entries[-1] not in entries[:-1] and chance(r, 0.08) else self.time()
            if ns in times and any(entries.count(e) > 1 for e in entries if e[0] == ns):
                continue
            entries.append((ns, self.line(self.styles[labels["app"]]), self.structured()))
        for _, entries in self.streams:
            if chance(r, 0.7):
                entries.sort(key=lambda e: e[0])
        self.streams = [s for s in self.streams if s[1]]

    def label_sets(self, count):
        r, seen = self.random, set()
        apps = r.sample(["api", "web", "db", "worker", "zug"], r.randint(1, 4))
        for i, app in enumerate(apps):
            self.styles[app] = r.choice(STYLES[:3]) if i == 0 else r.choice(STYLES)
        leveled = chance(r, 0.4)
        while len(seen) < count:
            labels = {"app": r.choice(apps), "env": r.choice(["prod", "dev", "test"]), "pod": f"p{r.randrange(6)}"}
            if leveled and chance(r, 0.6):
                labels["level"] = r.choice(LEVELS)
            if chance(r, 0.1):
                labels["zone"] = r.choice(["eu-1", "süd", 'q"uo\\te'])
            if chance(r, 0.1):
                labels["service_name"] = "own"
            if tuple(labels.items()) not in seen:
                seen.add(tuple(labels.items()))
                yield labels

    def time(self):
        ns = self.start + self.random.randrange(self.span)
        ns -= ns % self.grid
        return ns + SECOND if ns % HOUR == 0 else ns  # an entry at a whole hour may be hidden

    def structured(self):
        r, out = self.random, {}
        if chance(r, self.metadata):
            for name, values in (("trace", ["t1", "t2", "t3"]), ("env", ["canary"]), ("n", ["7", "x"]), ("user", USERS),
                                 ("level", LEVELS)):
                if chance(r, 0.3):
                    out[name] = r.choice(values)
        return out

    def fields(self):
        r = self.random
        self.counter = 0 if chance(r, 0.05) else self.counter + r.randrange(9)
        out = {"level": r.choice(LEVELS), "status": r.choice(STATUSES), "dur": r.choice(DURATIONS), "size": r.choice(SIZES),
               "n": r.choice(["1", "2", "7", "10", "0.5", "-3", "1e2", "oops" if chance(r, 0.1) else "4"]),
               "c": str(self.counter), "user": r.choice(USERS), "path": r.choice(PATHS), "ip": r.choice(ADDRESSES),
               "msg": r.choice(WORDS), "pod": r.choice(["inner", "p1"]), "trace": r.choice(["t1", "t9"])}
        names = [n for n in out if chance(r, 0.6)]
        r.shuffle(names)
        return {n: "" if chance(r, self.empty) else out[n] for n in names}

    def line(self, style):
        r = self.random
        if style == "words":
            style = r.choice(["json", "logfmt", "plain", "plain"])
        text = getattr(self, style)()
        if chance(r, self.bad):
            cut = r.randrange(len(text) + 1)
            text = r.choice([text[:cut], text[:cut] + '"' + text[cut:], "=" + text, text + ' k="open', ""])
        return text

    def json(self):
        r, out = self.random, {}
        for name, value in self.fields().items():
            number = name in ("status", "n", "c") and value not in ("oops", "") and chance(r, 0.7)
            out[name] = json.loads(value) if number else value
            if chance(r, 0.08):
                out[r.choice(["ok", "none", "tags", "o-k", "9x"])] = r.choice([True, None, ["a", 1], {"b": "c"}, 3])
        if chance(r, 0.5):
            out["u"] = {"id": r.randrange(3), "geo": {"city": r.choice(["Oslo", "São Paulo"])}}
        text = json.dumps(out, ensure_ascii=chance(r, 0.5), separators=r.choice([(",", ":"), (", ", ": ")]))
        return text[:-1] + ',"level":"twice"}' if out and chance(r, 0.03) else text

    def logfmt(self):
        r, out = self.random, []
        for name, value in self.fields().items():
            quoted = '"' in value or " " in value or "=" in value or chance(r, 0.1)
            out.append(f"{name}={json.dumps(value, ensure_ascii=False) if quoted else value}")
        if chance(r, 0.1):
            out.insert(r.randrange(len(out) + 1), r.choice(["bare", "x-y=1", "9z=2", "status=twice", "e=", "'q'=1"]))
        return " ".join(out)

    def access(self):
        r, f = self.random, self.fields()
        return (f'{f.get("ip", "::1")} - {f.get("user", "-")} "{r.choice(["GET", "POST"])} {f.get("path", "/")}" '
                f'{f.get("status", "200")} {r.randrange(5000)} {f.get("dur", "1s")}')

    def packed(self):
        inner = self.logfmt() if chance(self.random, 0.5) else self.plain()
        out = {"pod": "p9", "node": self.random.choice(["n0", "n1"]), "_entry": inner}
        if chance(self.random, 0.2):
            out["num"] = 5
        return json.dumps(out)

    def colour(self):
        r = self.random
        return f"\x1b[{r.randint(30, 37)}m{r.choice(LEVELS)}\x1b[0m {self.plain()}\x1b[1;4m!\x1b[m"

    def plain(self):
        r = self.random
        return f"{r.choice(LEVELS)}: {r.choice(WORDS)} from {r.choice(ADDRESSES)} in {r.choice(DURATIONS)} n {r.randrange(20)}"

    def pushes(self, parts):
        """The entries in `parts` halves, each a list of streams."""
        out = [[] for _ in range(parts)]
        for labels, entries in self.streams:
            cut = [len(entries) * i // parts for i in range(parts + 1)]
            for i in range(parts):
                if cut[i] < cut[i + 1]:
                    out[i].append((labels, entries[cut[i]:cut[i + 1]]))
        return out


# ---- queries ----

FIELDS = {  # name: kind of its values
    "level": ("text", LEVELS), "status": ("number", STATUSES), "dur": ("duration", DURATIONS), "size": ("bytes", SIZES),
    "n": ("number", ["1", "2", "7", "10"]), "c": ("number", ["5", "50", "100"]), "user": ("text", USERS),
    "path": ("text", PATHS), "ip": ("ip", ADDRESSES), "msg": ("text", WORDS), "trace": ("text", ["t1", "t2", "t9"]),
    "pod_extracted": ("text", ["inner", "p1", "p9"]), "trace_extracted": ("text", ["t1", "t9"]), "u_id": ("number", ["0", "1"]),
    "u_geo_city": ("text", ["Oslo"]), "env_extracted": ("text", ["canary"]), "detected_level": ("text", LEVELS),
    "app": ("text", ["api", "web"]), "pod": ("text", ["p0", "p1", "p2"]), "env": ("text", ["prod", "dev"]),
    "node": ("text", ["n0", "n1"]), "nosuch": ("text", ["x", ""])}
PLAIN_FIELDS = ["level", "detected_level", "trace", "app", "pod", "env", "user", "env_extracted", "n", "zone"]
PARSED = {"json": ["level", "status", "dur", "size", "n", "c", "user", "path", "ip", "msg", "trace", "pod_extracted", "u_id",
                   "u_geo_city", "trace_extracted"],
          "logfmt": ["level", "status", "dur", "size", "n", "c", "user", "path", "ip", "msg", "trace", "pod_extracted",
                     "trace_extracted"],
          "access": ["ip", "user", "method", "path", "status", "bytes", "dur"], "packed": ["pod_extracted", "node", "n", "level", "status", "c", "dur"],
          "colour": ["word", "ip", "dur"], "words": ["word", "ip", "dur", "level"]}
REGEXPS = {
    "level": ["err.*", "info|warn", "e.+", ".*r.*", "(?i)error", "(?i)INFO|warn.*", "warn|warning", "in(f|t).*", ".+", "[a-z]+"],
    "status": ["4..|5..", "20[01]", "[45]\\d\\d", "2.*", "404|405"], "user": ["b.*", "ann|bob", "z.+", "[a-z]{3}", ".*o.*"],
    "path": ["/api/.*", "/.+", "/|/login", ".*items.*"], "msg": [".*error.*", "disk.*", "re(try|set)", ".+☃"],
    "pod": ["p[0-2]", "p1|p2", "p.+"], "app": ["api|web", "w.*", ".*"], "env": ["prod|dev", "pro.*", "d.+"]}
LINE_WORDS = ["info", "error", "level=", "GET", "POST", "timeout", "10.0.", "naïve", "200", "n", "items", " ", '"', "status", "日本"]
LINE_REGEXPS = ["err(or)?", "(?i)ERROR", "[45]0\\d", "^\\{", "\\d+ms", "warn|", "timeout|retry", "status.{1,3}200", "\\w+@", ".+",
                "$", "(?i)get|post", "disk.*full", "\\bn\\b"]
LINE_PATTERNS = ["<_>level=<_>", "<_>from <_> in <_>", "<_>GET<_>", "{<_>}", "<_> - <_>", "error<_>"]
TEMPLATES = ["{{.level}}", "{{.nosuch}}", "[{{.user}}] {{.msg}}", "{{__line__}}!", "{{ .level | upper }}", "{{ToLower .level}}:{{.status}}",
             "{{if eq .level \"error\"}}bad{{else if .user}}{{.user}}{{else}}none{{end}}", "{{ .msg | replace \"o\" \"0\" }}",
             "{{ .n | default \"0\" }}", "{{ add .n 2 }}", "{{ printf \"%s-%s\" .app .pod }}", "{{ len .msg }}",
             "{{ .path | trimPrefix \"/\" }}", "{{ regexReplaceAll \"(\\\\d+)\" .status \"<$1>\" }}", "{{ div 10 2 }}",
             "{{ mod .c 3 }}", "{{ .user | title }}", "{{ with .trace }}t={{.}}{{end}}", "static", "level={{.level}} n={{.n}}",
             "{{ __timestamp__ | unixEpoch }}", "{{ contains \"e\" .level }}", "{{ .user | trunc 2 }}", "{{ alignLeft 5 .level }}|",
             "{{ .user | b64enc }}", "{{ urlencode .msg }}", "{{ if or .user .level }}y{{ end }}", "{{ floor .n }}",
             "{{ round .n 1 }}", "{{ mulf .n 1.5 }}", "{\"level\":\"{{.level}}\",\"x\":\"y\"}", "a {{- .n -}} b",
             "{{ $x := .level }}{{ $x }}{{ $x | len }}", "{{ .msg | substr 0 3 }}", "{{ hasPrefix \"e\" .level }}"]
BAD_TEMPLATES = ["{{ div 1 0 }}", "{{ .level.b }}", "{{ mod 1 0 }}"]
PATTERNS = {"access": ['<ip> - <user> "<method> <path>" <status> <bytes> <dur>', '<ip> <_> "<method> <_>" <status> <_>',
                       '<_> - <user> "<_>', '<ip> <nothing>|<x>'],
            "colour": ["<_>[<x>m<word>\x1b<_>"], "words": ["<word>: <_> from <ip> in <dur> <_>", "<word>: <rest>"]}
EXPRESSIONS = {"access": ['^(?P<ip>\\S+) - (?P<user>\\S+) "(?P<method>\\w+) (?P<path>[^"]+)" (?P<status>\\d+)',
                          '(?P<method>GET)|(?P<post>POST)', '" (?P<status>\\d+) (?P<bytes>\\d+) (?P<dur>\\S+)$'],
               "colour": ["(?P<word>\\w+): .* from (?P<ip>\\S+)"], "words": ["(?P<word>\\w+): .* in (?P<dur>\\S+) n (?P<n>\\d+)"]}
UNWRAPS = [("c", None), ("c", None), ("n", None), ("n", None), ("status", None), ("bytes", None), ("dur", "duration"),
           ("size", "bytes"), ("dur", "duration_seconds"), ("dur", None), ("nosuch", None), ("u_id", None)]
RANGES = ["count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time"]
UNWRAPPED = ["rate", "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "stdvar_over_time", "stddev_over_time",
             "quantile_over_time", "first_over_time", "last_over_time", "rate_counter", "absent_over_time"]
GROUPED = ["avg_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time", "max_over_time", "min_over_time",
           "first_over_time", "last_over_time"]
VECTORS = ["sum", "sum", "sum", "avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "sort", "sort_desc"]


class QueryMaker:
    """One query on a data set."""

    def __init__(self, data, seed):
        self.random, self.data = random.Random(seed), data

    def pick(self, values):
        return self.random.choice(values)

    def chance(self, p):
        return self.random.random() < p

    def make(self):
        """(tree, request)"""
        if self.chance(0.42):
            node, kind = self.log(), "range"
        else:
            node = self.metric()
            kind = "instant" if self.chance(0.4) else "range"
        return node, self.request(node, kind)

    # ---- requests ----

    def request(self, node, kind):
        data, r = self.data, self.random
        if kind == "instant":
            at = data.start + r.choice([data.span, data.span, data.span * 3 // 4, r.randrange(data.span * 5 // 4)])
            at -= at % r.choice([SECOND, 10**6, 60 * SECOND])
            return naive.Request("instant", at, at, 0, 0, "", 0, False)
        start, end = data.start - SECOND, data.start + data.span + SECOND
        if self.chance(0.4):
            start += r.randrange(data.span // 2)
            end -= r.randrange(data.span // 3)
        if self.chance(0.5):
            start -= start % (10 * SECOND)
        start, end = start - start % 10**6, end - end % 10**6
        if isinstance(node, tree.Log):
            limit = self.pick([100, 100, 100, 1000, 1, 3, 10, 37])
            interval = self.pick([SECOND, 10 * SECOND, MINUTE]) if self.chance(0.06) else 0
            return naive.Request("range", start, end, max((end - start) // (250 * SECOND), 1) * SECOND, limit,
                                 self.pick(["backward", "forward"]), interval, self.chance(0.15))
        points = self.pick([1, 3, 8, 20, 50])
        step = max((end - start) // points, 10**6)
        nice = [s for s in (500 * 10**6, SECOND, 5 * SECOND, 7 * SECOND, 15 * SECOND, MINUTE, 5 * MINUTE, 7 * MINUTE, 20 * MINUTE,
                            HOUR, 90 * MINUTE) if s <= step] or [step - step % 10**6]
        return naive.Request("range", start, end, nice[-1], 100, "backward", 0, False)

    # ---- selectors and pipelines ----

    def selector(self):
        labels = self.pick(self.data.streams)[0]
        app = labels["app"]
        style = self.data.styles[app]
        matchers = [("app", "=", app)]
        if self.chance(0.25):
            matchers = [self.pick([("app", "=~", ".+"), ("pod", "=~", "p.*|q"), ("env", "=~", "prod|dev|test"), ("app", "!~", "none"),
                                   ("service_name", "=~", ".+"), ("app", "=~", app + "|nosuch")])]
            if matchers[0][1] == "!~" or matchers[0][2] == "p.*|q":
                matchers.append(("app", "=~", "[a-z]+"))
        if self.chance(0.3):
            matchers.append(self.pick([("env", "=", labels["env"]), ("env", "!=", "dev"), ("pod", "=", labels["pod"]),
                                       ("pod", "=~", "p[0-3]"), ("pod", "!~", "p[45]"), ("level", "=", ""), ("zone", "!=", "eu-1"),
                                       ("env", "=", "nosuch"), ("trace", "=", "t1")][:9 if self.chance(0.1) else 7]))
        return matchers, style

    def line_filter(self):
        op = self.pick(["|=", "|=", "|=", "!=", "|~", "|~", "!~", "|>", "!>"])
        if op in ("|=", "!="):
            if self.chance(0.12):
                return ("line", op, [("ip", self.pick(["10.0.0.0/8", "10.0.0.1", "192.168.1.1-192.168.1.30", "2001:db8::/32", "::1"]))])
            tests = [("text", self.pick(LINE_WORDS + ([""] if self.chance(0.1) else [])))]
        elif op in ("|~", "!~"):
            tests = [("text", self.pick(LINE_REGEXPS))]
        else:
            tests = [("text", self.pick(LINE_PATTERNS))]
        if self.chance(0.25):
            tests.append(("text", self.pick(LINE_WORDS) if op in ("|=", "!=") else tests[0][1]))
        return ("line", op, tests)

    def pipeline(self, style, metric=False, length=None):
        """(stages, names that may be there)"""
        stages, names = [], list(PLAIN_FIELDS)
        if self.chance(0.35):
            stages.append(self.line_filter())
        if style == "colour" and self.chance(0.7):
            stages.append(("decolorize",))
        if self.chance(0.1):
            stages.append(("filter", self.filter(names)))
        if self.chance(0.75):
            stages.append(self.parser(style))
            if stages[-1] == ("unpack",) and self.chance(0.5):
                stages.append(("logfmt", (), None))
            names = PARSED[style] * 2 + names
            if self.data.bad and metric and self.chance(0.7) or self.chance(0.05):
                stages.append(("filter", ("text", "__error__", self.pick(["=", "=", "=", "!="]), "")))
        for _ in range(self.pick([0, 0, 1, 1, 2, 3]) if length is None else length):
            stages.append(self.stage(names, style))
        for before, (i, stage) in zip(stages, enumerate(stages[1:], 1)):
            if before[0] in ("drop", "keep") and before[1][-1][1] is None and stage[0] == "line" and stage[1] in ("!=", "!~"):
                stages[i] = ("line", {"!=": "|=", "!~": "|~"}[stage[1]], stage[2])  # `keep a != "b"` is one matcher
        return stages, names

    def parser(self, style):
        if style in ("json", "logfmt", "packed"):
            if self.chance(0.05):
                return self.pick([("json", None), ("logfmt", (), None), ("unpack",)])
            if style == "packed":
                return self.pick([("unpack",), ("unpack",), ("json", None)])
            if self.chance(0.2):
                paths = [(n, self.pick([n, n, "u", "u.id", 'u["geo"].city', "tags[0]"]) if style == "json" else n)
                         for n in self.random.sample(["level", "status", "n", "dur", "pod", "zz", "user"], self.random.randint(1, 3))]
                if style == "json":
                    return ("json", [(self.pick([n, "x" + n]), p) for n, p in paths])
                return ("logfmt", self.pick([(), ("--strict",)]), [(self.pick([n, "x" + n]), p) for n, p in paths])
            if style == "json":
                return ("json", None)
            return ("logfmt", self.pick([(), (), (), ("--strict",), ("--keep-empty",), ("--strict", "--keep-empty")]), None)
        if self.chance(0.5):
            return ("pattern", self.pick(PATTERNS[style]))
        return ("regexp", self.pick(EXPRESSIONS[style]))

    def stage(self, names, style):
        kind = self.pick(["filter"] * 8 + ["line", "line_format", "label_format", "label_format", "drop", "keep", "parser", "decolorize"])
        if kind == "filter":
            return ("filter", self.filter(names))
        if kind == "line":
            return self.line_filter()
        if kind == "parser":
            return self.parser(style)
        if kind == "line_format":
            return ("line_format", self.template())
        if kind == "label_format":
            dsts = self.random.sample(["x", "y", "level", "user", "pod", "n", "status"], self.pick([1, 1, 2, 3]))
            return ("label_format", [(d, "name", self.pick(names)) if self.chance(0.4) else (d, "template", self.template()) for d in dsts])
        if kind in ("drop", "keep"):
            return (kind, [self.named(names) for _ in range(self.random.randint(1, 4))])
        return (kind,)

    def template(self):
        return self.pick(BAD_TEMPLATES if self.chance(0.03) else TEMPLATES)

    def named(self, names):
        name = self.pick(names + ["__error__", "__error_details__"] if self.chance(0.2) else names)
        if self.chance(0.7):
            return (name, None, None)
        if self.chance(0.5) and name in REGEXPS:
            return (name, self.pick(["=~", "!~"]), self.pick(REGEXPS[name]))
        return (name, self.pick(["=", "!="]), self.pick(FIELDS.get(name, ("", ["x"]))[1]))

    def filter(self, names, depth=0):
        if depth < 2 and self.chance(0.2):
            return (self.pick(["and", "or"]), self.filter(names, depth + 1), self.filter(names, depth + 1))
        name = self.pick(names)
        if self.chance(0.03):
            name = self.pick(["__error__", "nosuch"])
        kind, values = FIELDS.get(name, ("text", ["info", "GET", "x"]))
        if name in REGEXPS and self.chance(0.3):
            return ("text", name, self.pick(["=~", "=~", "!~"]), self.pick(REGEXPS[name]))
        if kind == "ip" and self.chance(0.6):
            return ("ip", name, self.pick(["=", "!="]), self.pick(["10.0.0.0/8", "10.0.3.77", "192.168.0.0-192.168.255.255", "2001:db8::/16"]))
        op = self.pick(["=", "!=", ">", ">=", "<", "<=", "=="])
        if kind == "number" and self.chance(0.75):
            value = float(self.pick(["1", "2", "7", "200", "404", "0.5", "-3", "50"]))
            return ("number", name, op, value, tree.number(value))
        if kind == "duration" and self.chance(0.8):
            value, text = self.pick([(10**9, "1s"), (120 * 10**6, "120ms"), (90 * SECOND, "1m30s"), (1500 * 10**6, "1.5s")])
            return ("duration", name, op, value, text)
        if kind == "bytes" and self.chance(0.8):
            value, text = self.pick([(1000, "1KB"), (512, "512B"), (2000, "2KB"), (10**6, "1MB"), (10, "10B")])
            return ("bytes", name, op, value, text)
        return ("text", name, self.pick(["=", "!=", "!="]), self.pick(values))

    # ---- log queries ----

    def log(self):
        matchers, style = self.selector()
        return tree.Log(matchers, self.pipeline(style)[0])

    # ---- metric queries ----

    def metric(self, depth=0):
        p = self.random.random()
        if depth >= 3 or p < 0.25 + 0.1 * depth:
            return self.range()
        if p < 0.72:
            return self.vector(depth)
        if p < 0.93:
            return self.binary(depth)
        if p < 0.97:
            return self.replaced(depth)
        return tree.Constant(self.pick([0, 1, 2.5])) if depth or self.chance(0.7) else tree.Literal(self.pick([0, 7, 2.5, -4]))

    def names(self, count=2):
        out = self.random.sample(["app", "env", "pod", "level", "status", "user", "detected_level", "trace", "method", "nosuch",
                                  "u_id", "pod_extracted", "word"] + ["__error__"] * self.chance(0.04), self.random.randint(1, count))
        return tuple(dict.fromkeys(["app"] * self.chance(0.3) + out))

    def grouping(self):
        if self.chance(0.3):
            return None
        if self.chance(0.06):
            return tree.Grouping(self.chance(0.5), ())
        return tree.Grouping(self.chance(0.25), self.names())

    def range(self):
        matchers, style = self.selector()
        unwrapped = self.chance(0.4)
        stages, names = self.pipeline(style, metric=True, length=self.pick([0, 0, 0, 1, 2]))
        unwrapped = unwrapped and style not in ("words", "colour") and any(s[0] in naive.PARSERS for s in stages)
        op = self.pick(UNWRAPPED if unwrapped else RANGES[:4] * 4 + RANGES[4:])
        unwrap = self.unwrap(names) if unwrapped else None
        length = self.pick([10 * SECOND, 90 * SECOND, MINUTE, 5 * MINUTE, HOUR] + [self.data.span // n for n in (1, 1, 1, 2, 2, 4, 8, 20)])
        length -= length % SECOND
        offset = self.pick([MINUTE, -MINUTE, 10 * SECOND, -5 * MINUTE, self.data.span // 3 // SECOND * SECOND]) if self.chance(0.12) else 0
        param = self.pick([0, 0.5, 0.9, 0.99, 1, 2]) if op == "quantile_over_time" else None
        grouping = self.grouping() if op in GROUPED and self.chance(0.7) else None
        return tree.Range(op, param, tree.Log(matchers, stages), unwrap, length, offset, grouping)

    def unwrap(self, names):
        known = [u for u in UNWRAPS if u[0] in names]
        name, conversion = self.pick(known if known and self.chance(0.95) else UNWRAPS)
        filters = []
        if self.chance(0.6):
            filters.append(("text", "__error__", "=", ""))
        if self.chance(0.15):
            filters.append(self.filter(names))
        return tree.Unwrap(conversion, name, filters)

    def vector(self, depth):
        op = self.pick(VECTORS)
        of = self.range() if self.chance(0.65) else self.metric(depth + 1)
        if isinstance(of, tree.Literal):
            of = tree.Constant(1)
        param = self.random.randint(1, 4) if op in ("topk", "bottomk") else None
        return tree.Vector(op, param, of, None if op in ("sort", "sort_desc") else self.grouping())

    def binary(self, depth):
        op = self.pick(["+", "-", "*", "/", "%", "^", "==", "!=", ">", ">=", "<", "<=", "and", "or", "unless"])
        sets = op in ("and", "or", "unless")
        left, right = self.metric(depth + 1), self.metric(depth + 1)
        if isinstance(left, tree.Literal):
            left = tree.Constant(1)
        if not sets and self.chance(0.4):
            right = tree.Literal(self.pick([0, 1, 2, 3.5, 10, -2]))
            if self.chance(0.3) and not isinstance(left, tree.Literal):
                left, right = right, left
        elif self.chance(0.7):  # the same series on both sides
            right = left if self.chance(0.5) else tree.Vector("sum", None, left, tree.Grouping(False, ("app",)))
        if isinstance(right, tree.Literal) and (sets or isinstance(left, tree.Literal)):
            right = tree.Constant(2)
        literal = isinstance(left, tree.Literal) or isinstance(right, tree.Literal)
        matching = None if literal or self.chance(0.5) else self.matching(right, sets)
        return tree.Binary(op, not sets and self.chance(0.25), matching, left, right)

    def matching(self, right, sets):
        if isinstance(right, tree.Vector) and right.grouping and right.grouping.names and not right.grouping.without:
            side = "left" if self.chance(0.5) and not sets else None
            return tree.Matching(True, right.grouping.names, side, self.include() if side else ())
        side = self.pick([None, None, "left", "right"]) if not sets else None
        return tree.Matching(self.chance(0.5), self.pick([("app",), ("app", "pod"), (), ("env",)]), side, self.include() if side else ())

    def include(self):
        return self.pick([(), (), ("env",), ("nosuch",)])

    def replaced(self, depth):
        of = self.metric(depth + 1)
        if isinstance(of, tree.Literal):
            of = tree.Constant(1)
        dst, replacement, src, regex = self.pick([
            ("x", "$1", "app", "(.).*"), ("app", "", "app", "api"), ("y", "${1}-$0", "pod", "p(\\d)"), ("env", "all", "env", ".*"),
            ("z", "$$", "nosuch", ""), ("app", "$first", "app", "(?P<first>[a-z])[a-z]*"), ("x", "q", "app", "nomatch")])
        return tree.Replace(of, dst, replacement, src, regex)
