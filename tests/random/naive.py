"""A reference evaluator of LogQL: data is an array of entries, each step looks at all of them, nothing is clever.

It was written from the rules alone and shares nothing with the engine, so that where both agree an answer can be trusted.
What comes out is what the server says over HTTP; see `Answer`. Where the rules leave the answer open (ties of topk, for
one) it raises `lines.Ambiguous`."""
import functools
import math
import re
from collections import namedtuple

import lines
import template
import tree
from lines import Ambiguous

MAX_SERIES = 500

# status; kind: "streams" "vector" "matrix" "scalar"; result: streams [(labels, [(ns, line, metadata, parsed)])], series
# [(labels, [(ms, value)])], a number; errors: {(status, text), ...}, any of which the answer may be; order: what
# orders a vector: "labels", "values", or None if nothing is promised
Answer = namedtuple("Answer", "status kind result errors order", defaults=("labels",))
Request = namedtuple("Request", "kind start end step limit direction interval categorize")  # kind: "range" or "instant"; ns


class Refused(Exception):
    """The request answers an error: {(status, text), ...}, any of them."""

    def __init__(self, *errors):
        super().__init__(errors)
        self.errors = set(errors)


class Dropped(Exception):
    """The entry does not survive the pipeline."""


class Enough(Exception):
    """A parser has found all that is asked for."""


# ---- data ----

class Entry:
    def __init__(self, ns, line, labels, metadata, order):
        self.ns, self.line, self.labels, self.metadata, self.order = ns, line, labels, metadata, order


class Data:
    """All entries, as pushed: [(labels, [(ns, line[, metadata]), ...]), ...]."""

    def __init__(self):
        self.entries, self.seen, self.hashes = [], set(), {}

    def push(self, streams):
        for labels, entries in streams:
            labels = {k: v for k, v in labels.items() if v != ""}
            labels.setdefault("service_name", lines.service_name(labels))
            for ns, line, *more in entries:
                self.add(int(ns), line, labels, {lines.sanitize(k): v for k, v in (more[0] if more else {}).items()})

    def add(self, ns, line, labels, metadata):
        metadata["detected_level"] = lines.detected_level(labels, metadata, line)
        key = (ns, line, label_text(labels), label_text(metadata))
        if key in self.seen:
            return
        self.seen.add(key)
        name = label_text(labels)
        if name not in self.hashes:
            packed = b"".join(k.encode() + b"\xff" + v.encode() + b"\xff" for k, v in sorted(labels.items()))
            self.hashes[name] = lines.xxh64(packed)
        self.entries.append(Entry(ns, line, labels, metadata, (self.hashes[name], name, len(self.entries))))

    def in_order(self):
        return sorted(self.entries, key=lambda e: (e.ns, e.order))


@functools.lru_cache(100000)
def quoted(text):
    return lines.quote(text)


def label_text(labels):
    return "{" + ", ".join(f"{k}={quoted(v)}" for k, v in sorted(labels.items())) + "}"


def selects(matchers, labels):
    return all(matches(op, value, labels.get(name, ""), dot_all=True) for name, op, value in matchers)


@functools.lru_cache(10000)
def anchored(text, dot_all):
    return lines.regex(text, whole=True, dot_all=dot_all)


def matches(op, value, have, dot_all=False):
    if op in ("=", "!="):
        return (have == value) == (op == "=")
    return (anchored(value, dot_all).match(have) is not None) == (op == "=~")


# ---- the labels of one entry ----

class State:
    """The labels of an entry on its way through a pipeline; see the label builder of the rules."""

    def __init__(self, entry, hints):
        self.base, self.ns, self.line, self.hints = entry.labels, entry.ns, entry.line, hints
        self.metadata, self.parsed, self.deleted, self.extracted = {}, {}, set(), set()
        self.error = self.details = ""
        for name, value in entry.metadata.items():
            self.metadata[name + "_extracted" if name in self.base else name] = value

    def get(self, name):
        for labels in (self.metadata, self.parsed):
            if name in labels:
                return labels[name]
        return None if name in self.deleted else self.base.get(name)

    def set(self, name, value):
        self.metadata.pop(name, None)
        self.parsed[name] = value
        self.extracted.add(name)

    def delete(self, name):
        self.metadata.pop(name, None)
        self.parsed.pop(name, None)
        self.deleted.add(name)

    def fail(self, error, details=""):
        self.error, self.details = error, details or self.details
        if self.hints.preserve and error.endswith("ParserErr"):  # other errors fail a query that asks for __error__, too
            self.set("__preserve_error__", "true")

    def clash(self, name):
        return name + "_extracted" if name in self.base or name in self.metadata else name

    def found(self, name, value):
        """A parser has met a pair: the first value of a name wins."""
        name = self.clash(name)
        if name in self.extracted or not self.hints.wants(name):
            return
        self.set(name, value)
        early = self.hints.early.get(name)
        if early and not keeps(early, self):
            raise Dropped
        if self.hints.complete(self.extracted):
            raise Enough

    def stream_labels(self):
        return {k: v for k, v in self.base.items()
                if k not in self.deleted and k not in self.metadata and k not in self.parsed}

    def parsed_labels(self):
        out = dict(self.parsed)
        if self.error:
            out["__error__"] = self.error
        if self.details and (self.error or self.parsed or self.metadata or self.deleted):
            out["__error_details__"] = self.details
        return out

    def all_labels(self):
        return {**self.stream_labels(), **self.metadata, **self.parsed_labels()}


class Hints:
    """What parsers need not extract: `required` is None where nothing is known, `nothing` where no label is needed."""

    def __init__(self, required=None, empty=False, early=None):
        self.required = set(required) if required else None
        self.nothing = empty and not required
        self.preserve = bool(self.required) and "__error__" in self.required
        self.early = early or {}

    def wants(self, name):
        return self.required is None or name in self.required

    def complete(self, extracted):
        return self.required is not None and self.required <= extracted


# ---- filters ----

def keeps(f, state):
    """Does a label filter keep the entry?"""
    if f[0] == "and":
        first, second = keeps(f[1], state), keeps(f[2], state)
        return first and second
    if f[0] == "or":
        return keeps(f[1], state) or keeps(f[2], state)
    kind, name, op, value = f[:4]
    if kind == "text":
        have = state.error if name == "__error__" else state.get(name) or ""
        if op in ("=", "!="):
            return (have == value) == (op == "=")
        return label_test(value)(have) == (op == "=~")
    if kind == "ip" and state.error:
        return True
    have = state.get(name)
    if have is None or have == "" and name in state.stream_labels():
        return False
    if kind == "ip":
        return address_set(value).found_in(have) == (op == "=")
    try:
        have = CONVERSIONS[kind](have)
    except lines.Conversion as error:
        if not state.error:
            state.error, state.details = "LabelFilterErr", str(error)
        return True
    return COMPARE["==" if op == "=" else op](have, value)


CONVERSIONS = {"number": lines.parse_float, "duration": lines.parse_duration, "bytes": lines.parse_bytes}
COMPARE = {"==": lambda a, b: a == b, "!=": lambda a, b: a != b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
           "<": lambda a, b: a < b, "<=": lambda a, b: a <= b}
label_test = functools.lru_cache(1000)(lines.label_regex)
line_test = functools.lru_cache(1000)(lines.line_regex)
address_set = functools.lru_cache(1000)(lines.AddressSet)
template_of = functools.lru_cache(1000)(template.Template)


def line_keeps(stage, line):
    op, tests = stage[1], []
    for kind, text in stage[2]:
        if kind == "ip":
            tests.append((False, address_set(text).found_in(line)))
        elif op in ("|=", "!="):
            tests.append((text == "", text in line))
        elif op in ("|~", "!~"):
            always, test = line_test(text)
            tests.append((always, test(line)))
        else:
            tests.append((False, lines.pattern_matches(text, line)))
    if op[0] == "!":
        return not any(t for _, t in tests)
    if all(always for always, _ in tests):
        return True
    return any(t for always, t in tests if not always)


# ---- stages ----

def run_filter(stage, state):
    if not keeps(stage[1], state):
        raise Dropped


def run_line(stage, state):
    if not line_keeps(stage, state.line):
        raise Dropped


def run_json(stage, state):
    if stage[1] is not None:
        return run_json_paths(stage[1], state)
    try:
        walk_json(state.line, [], state)
    except lines.Malformed as error:
        state.fail("JSONParserErr", str(error))


def walk_json(text, path, state):
    for key, kind, value in lines.json_members(text):
        part = re.sub(r"[^A-Za-z0-9_]", "_", key.strip())
        parts = path + [part] if part else path
        name = "_".join(parts)
        name = "_" + name if name[:1].isdigit() else name
        if kind == "object":
            if state.hints.required is None or not parts or any(
                    r.startswith(name) or r.removesuffix("_extracted").startswith(name) for r in state.hints.required):
                walk_json(value, parts, state)
        elif kind in ("string", "word") and (part or path):
            state.found(name, lines.json_string(value) if kind == "string" else value)


def run_json_paths(paths, state):
    line = state.line
    if line == "":
        return
    if line[0] not in '"{[':
        state.fail("JSONParserErr")
        return
    if not lines.is_json(line):
        raise Ambiguous("expressions on malformed JSON")
    missing = False
    for name, path in paths:
        value = lines.json_find(line, path)
        if value is None:
            missing = True
        else:
            state.set(state.clash(name), value)
    for name, _ in paths if missing else []:  # also those that were found, but under another name
        if state.get(name) is None:
            state.set(name, "")


def run_logfmt(stage, state):
    strict, keep_empty, paths = "--strict" in stage[1], "--keep-empty" in stage[1], stage[2]
    if paths is not None:
        for name, _ in paths:
            if name not in state.base and name not in state.metadata:
                state.set(name, "")
        if len({p for _, p in paths}) < len(paths):
            raise Ambiguous("two names for one key")
    wanted = {p: n for n, p in paths or []}
    wanted.update((n, n) for n in set(wanted.values()) - set(wanted))
    for key, value, error in lines.logfmt(state.line):
        if error:
            if strict:
                state.fail("LogfmtParserErr", error)
                return
            continue
        name = lines.sanitize(key)
        if not name:
            continue
        if paths is None:
            if value or keep_empty:
                state.found(name, lines.clean(value))
        elif name in wanted:
            state.set(state.clash(wanted[name]), value if lines.clean(value) == value else "")


def run_regexp(stage, state):
    found = regexp_of(stage[1]).search(state.line)
    for name, value in (found.groupdict("") if found else {}).items():
        state.found(lines.sanitize(name), value)


regexp_of = functools.lru_cache(1000)(lines.regex)


def run_pattern(stage, state):
    for name, value in lines.pattern_captures(stage[1], state.line):
        state.found(name, value)


def run_unpack(stage, state):
    if state.line == "":
        return
    if state.line[0] != "{":
        state.fail("JSONParserErr", "expecting json object(6), but it is not")
        return
    pairs, entry = {}, None
    try:
        for key, kind, value in lines.json_members(state.line):
            if kind == "string" and key == "_entry":
                entry = lines.unescape(value)
                if entry is None:
                    raise lines.Malformed(lines.ESCAPE)
            elif kind == "string":
                pairs[lines.sanitize(key)] = lines.json_string(value)
    except lines.Malformed as error:
        state.fail("JSONParserErr", str(error))
        return
    if entry is not None:
        state.line = entry
        for name, value in pairs.items():
            state.found(name, value)


def run_decolorize(stage, state):
    state.line = lines.decolorize(state.line)


def run_line_format(stage, state):
    made = template_of(stage[1], "line")
    try:
        state.line = (state.get(made.simple) or "") if made.simple else made.run(state.all_labels(), state.line, state.ns)
    except template.Failure as error:
        state.fail("TemplateFormatErr", str(error))


def run_label_format(stage, state):
    dot = None
    for dst, kind, text in stage[1]:
        if kind == "name":
            value = state.get(text)
            if value is not None:
                state.set(dst, value)
                state.delete(text)
            continue
        made = template_of(text, "label")
        dot = state.all_labels() if dot is None else dot
        try:
            if made.simple:
                state.set(dst, "" if made.simple in ("__error__", "__error_details__") else dot.get(made.simple, ""))
            else:
                state.set(dst, made.run(dot, state.line, state.ns))
        except template.Failure as error:
            state.fail("TemplateFormatErr", str(error))


def run_drop(stage, state):
    for name, op, value in stage[1]:
        if name == "__error__":
            if op is None or matches(op, value, state.error):
                state.error = ""
        elif name == "__error_details__":
            if op is None or matches(op, value, state.details):
                state.details = ""
        elif op is None or matches(op, value, state.get(name) or ""):
            state.delete(name)


def run_keep(stage, state):
    for name, have in {**state.stream_labels(), **state.metadata, **state.parsed}.items():
        if name not in ("__error__", "__error_details__", "__preserve_error__") and not any(
                n == name and (op is None or matches(op, value, have)) for n, op, value in stage[1]):
            state.delete(name)


RUN = {"filter": run_filter, "line": run_line, "json": run_json, "logfmt": run_logfmt, "regexp": run_regexp,
       "pattern": run_pattern, "unpack": run_unpack, "decolorize": run_decolorize, "line_format": run_line_format,
       "label_format": run_label_format, "drop": run_drop, "keep": run_keep}
PARSERS = ("json", "logfmt", "regexp", "pattern", "unpack")


def in_order_of_execution(stages):
    """Line filters move in front of the other stages of their block."""
    out, filters, rest = [], [], []
    for stage in stages:
        if stage[0] == "line":
            filters.append(stage)
            continue
        if stage[0] == "filter":
            out += filters + rest + [stage]
            filters, rest = [], []
            continue
        rest.append(stage)
        if stage[0] in ("line_format", "unpack"):
            out += filters + rest
            filters, rest = [], []
    return out + filters + rest


def early_filters(filters):
    """The first stand-alone filter of each name."""
    out = {}
    for f in filters:
        if f[0] not in ("and", "or"):
            out.setdefault(f[1], f)
    return out


def run_stages(stages, entry, hints):
    """The state of an entry that survives, or None."""
    state = State(entry, hints)
    try:
        for stage in stages:
            if stage[0] in PARSERS:
                if hints.nothing and stage[0] != "regexp" or hints.complete(state.extracted):
                    continue
                try:
                    RUN[stage[0]](stage, state)
                except Enough:
                    pass
            else:
                RUN[stage[0]](stage, state)
    except Dropped:
        return None
    return state


# ---- log queries ----

def log_query(log, data, request):
    hints = Hints(early=early_filters([s[1] for s in log.stages if s[0] == "filter"]))
    stages = in_order_of_execution(log.stages)
    backward = request.direction == "backward"
    entries = [e for e in data.entries if request.start <= e.ns < request.end and selects(log.matchers, e.labels)]
    hashed, sign = (lambda e: e.order[:2]), (-1 if backward else 1)
    entries.sort(key=lambda e: (sign * e.ns, hashed(e), sign * e.order[2]))
    streams, count, last = {}, 0, None
    for entry in entries:
        if count == request.limit:
            break
        state = run_stages(stages, entry, hints)
        if state is None:
            continue
        if request.interval and last is not None and abs(entry.ns - last) < request.interval:
            continue
        last, count = entry.ns, count + 1
        labels = state.stream_labels() if request.categorize else state.all_labels()
        more = (state.metadata, state.parsed_labels()) if request.categorize else ({}, {})
        streams.setdefault(tuple(sorted(labels.items())), []).append((entry.ns, state.line, *more))
    result = sorted(((dict(k), v) for k, v in streams.items()), key=lambda s: label_text(s[0]))
    return Answer(200, "streams", result, None)


# ---- from lines to samples ----

COUNTING = ("count_over_time", "rate", "absent_over_time", "bytes_over_time", "bytes_rate")
PUSHED_DOWN = ("count_over_time", "rate", "bytes_over_time", "bytes_rate", "sum_over_time")


def names_of_filter(f):
    return names_of_filter(f[1]) + names_of_filter(f[2]) if f[0] in ("and", "or") else [f[1]]


def names_needed(stages, filters, unwrap, grouping):
    """R of the rules."""
    out = list(grouping)
    for stage in stages:
        if stage[0] == "filter":
            out += names_of_filter(stage[1])
        elif stage[0] == "line_format":
            out += template_of(stage[1], "line").fields
        elif stage[0] == "label_format":
            for _, kind, text in stage[1]:
                out += [text] if kind == "name" else template_of(text, "label").fields
    for f in filters:
        out += names_of_filter(f)
    out += [unwrap.name] if unwrap else []
    return set(out) | {n.removesuffix("_extracted") for n in out}


def without_useless_formats(r):
    if r.op in ("bytes_over_time", "bytes_rate"):
        return r.log.stages
    stages = r.log.stages
    return [s for i, s in enumerate(stages)
            if s[0] != "line_format" or any(t[0] == "line" or t[0] in PARSERS for t in stages[i:])]


def samples_of(r, pushed, data):
    """[(ns, value, labels)] in order of time; `pushed` is the grouping of a sum around."""
    stages = without_useless_formats(r)
    grouping = r.grouping or (pushed if r.op in PUSHED_DOWN else None)
    empty = r.op == "absent_over_time" or bool(grouping and not grouping.without and not grouping.names)
    filters = r.unwrap.filters if r.unwrap else []
    early = [s[1] for s in stages if s[0] == "filter"] + (filters if len(filters) == 1 else [])
    restricted = empty or grouping and not grouping.without
    names = names_needed(stages, filters, r.unwrap, grouping.names if restricted and grouping else [])
    hints = Hints(names if restricted else None, empty, early_filters(early))
    stages, out = in_order_of_execution(stages), []
    for entry in data.ordered:
        if not selects(r.log.matchers, entry.labels):
            continue
        state = run_stages(stages, entry, hints)
        value = state and value_of(r, state, filters)
        if value is not None:
            out.append((entry.ns, value, sample_labels(r, state, grouping, empty)))
    return out


def value_of(r, state, filters):
    if not r.unwrap:
        return float(lines.size_of(state.line)) if r.op.startswith("bytes") else 1.0
    text = state.get(r.unwrap.name)
    if not text:
        return None
    try:
        if r.unwrap.conversion is None:
            value = lines.parse_float(text)
        elif r.unwrap.conversion == "bytes":
            value = float(lines.parse_bytes(text))
        else:
            value = lines.seconds_of(lines.parse_duration(text))
    except lines.Conversion as error:
        state.fail("SampleExtractionErr", str(error))
        value = error.value
    return value if all(keeps(f, state) for f in filters) else None


def sample_labels(r, state, grouping, empty):
    labels = state.all_labels()
    if not state.error:
        if empty:
            labels = {}
        elif grouping and not grouping.without:
            labels = {k: v for k, v in labels.items() if k in grouping.names}
        else:
            gone = set(grouping.names if grouping else ()) | ({r.unwrap.name} if r.unwrap else set())
            labels = {k: v for k, v in labels.items() if k not in gone}
    return tuple(sorted(labels.items()))


# ---- range aggregations ----

def mean(values):
    m = 0.0
    for k, v in enumerate(values, 1):
        if k > 1 and math.isinf(m) and (math.isinf(v) and (m > 0) == (v > 0) or not math.isinf(v) and not math.isnan(v)):
            continue
        m += v / k - m / k
    return m


def extreme(values, better):
    out = values[0]
    for v in values[1:]:
        if better(v, out) or math.isnan(out):
            out = v
    return out


def variance(values):
    m = aux = 0.0
    for k, v in enumerate(values, 1):
        delta = v - m
        m += delta / k
        aux += delta * (v - m)
    return aux / len(values)


def quantile(q, values):
    if q > 1:
        return math.inf
    values = sorted(values, key=lambda v: (not math.isnan(v), v if not math.isnan(v) else 0))
    rank = q * (len(values) - 1)
    low = math.floor(rank)
    weight = rank - low
    high = min(len(values) - 1, low + 1)
    return values[low] * (1 - weight) + values[high] * weight


def rate_counter(samples, begin, end, seconds):
    if len(samples) < 2:
        return 0.0
    values = [v for _, v in samples]
    result, previous = values[-1] - values[0], 0.0
    for v in values:
        result += previous if v < previous else 0
        previous = v
    first, last = samples[0][0], samples[-1][0]
    span = (last - first) / 1e9
    if span == 0:
        raise Ambiguous("a rate over no time")
    average, to_start, to_end = span / (len(values) - 1), (first - begin) / 1e9, (end - last) / 1e9
    if to_start >= average * 1.1:
        to_start = average / 2
    if result > 0 and values[0] >= 0:
        to_start = min(to_start, span * values[0] / result)
    if to_end >= average * 1.1:
        to_end = average / 2
    return result * (span + to_start + to_end) / span / seconds


def range_value(r, samples, begin, end):
    values, seconds = [v for _, v in samples], r.range / 1e9
    if r.op == "rate_counter":
        return rate_counter(samples, begin, end, seconds)
    if r.op == "quantile_over_time":
        return quantile(r.param, values)
    return {"count_over_time": lambda: float(len(values)), "rate": lambda: total(values) / seconds,
            "bytes_over_time": lambda: total(values), "bytes_rate": lambda: total(values) / seconds,
            "sum_over_time": lambda: total(values), "avg_over_time": lambda: mean(values),
            "min_over_time": lambda: extreme(values, lambda a, b: a < b),
            "max_over_time": lambda: extreme(values, lambda a, b: a > b), "stdvar_over_time": lambda: variance(values),
            "stddev_over_time": lambda: math.sqrt(variance(values)), "first_over_time": lambda: values[0],
            "last_over_time": lambda: values[-1]}[r.op]()


def total(values):
    out = 0.0
    for v in values:
        out += v
    return out


def absent_labels(matchers):
    names = [n for n, _, _ in matchers]
    return tuple(sorted((n, v) for n, op, v in matchers if op == "=" and v != "" and names.count(n) == 1))


PIPELINE_ERROR = "pipeline error: '%s'"


def eval_range(r, at, context, pushed):
    key = (id(r), pushed)
    if key not in context.samples:
        context.samples[key] = samples_of(r, pushed, context.data)
    begin, end = at - r.offset - r.range, at - r.offset
    series = {}
    for ns, value, labels in context.samples[key]:
        if begin < ns <= end:
            series.setdefault(labels, []).append((ns, value))
    errors = {dict(labels)["__error__"] for labels in series
              if "__error__" in dict(labels) and dict(labels).get("__preserve_error__") != "true"}
    if errors:
        raise Refused(*((400, PIPELINE_ERROR % e) for e in errors))
    if r.op == "absent_over_time":
        return [] if series else [(absent_labels(r.log.matchers), 1.0)]
    return [(labels, range_value(r, samples, begin, end)) for labels, samples in series.items()]


# ---- vector aggregations ----

def running_mean(values):
    m = 0.0
    for k, v in enumerate(values, 1):
        if k == 1:
            m = v
            continue
        if math.isinf(m) and (math.isinf(v) and (m > 0) == (v > 0) or not math.isinf(v) and not math.isnan(v)):
            continue
        m += (v - m) / k
    return m


AGGREGATE = {"sum": total, "avg": running_mean, "count": lambda v: float(len(v)),
             "min": lambda v: extreme(v, lambda a, b: a < b), "max": lambda v: extreme(v, lambda a, b: a > b),
             "stdvar": variance, "stddev": lambda v: math.sqrt(variance(v))}


def no_empty_values(labels):
    """Whether an operation keeps labels with empty values is not told for all of them."""
    if any(v == "" for _, v in labels):
        raise Ambiguous("an empty value of a label")
    return labels


def eval_vector(node, at, context):
    vector = evaluate(node.of, at, context, pushed=node.grouping or tree.Grouping(False, ()) if node.op == "sum" else None)
    if node.op in ("sort", "sort_desc"):
        sign = 1 if node.op == "sort" else -1
        return sorted(vector, key=lambda s: (math.isnan(s[1]), 0 if math.isnan(s[1]) else sign * s[1]))
    groups = {}
    for labels, value in vector:
        grouping = node.grouping or tree.Grouping(False, ())
        if grouping.without:
            key = tuple(p for p in no_empty_values(labels) if p[0] not in grouping.names)
        else:
            key = tuple(p for p in labels if p[0] in grouping.names)
        groups.setdefault(key, []).append((labels, value))
    if node.op in ("topk", "bottomk"):
        return [s for members in groups.values() for s in best(members, node.param, node.op == "topk")]
    return [(key, AGGREGATE[node.op]([v for _, v in members])) for key, members in groups.items()]


def best(members, k, largest):
    numbers = [m for m in members if not math.isnan(m[1])]
    numbers.sort(key=lambda m: -m[1] if largest else m[1])
    if len(members) <= k:
        return members
    if len(numbers) < k or len(numbers) > k and close(numbers[k - 1][1], numbers[k][1]):
        raise Ambiguous("a tie")
    return numbers[:k]


def close(a, b):
    return a == b or math.isnan(a) and math.isnan(b) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


# ---- binary operations ----

def power(a, b):
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and math.fmod(b, 2) else math.inf
    except ValueError:
        if a == 0:
            return math.copysign(math.inf, a) if math.fmod(b, 2) in (1, -1) else math.inf
        return math.nan


def modulo(a, b):
    return math.nan if b == 0 or math.isinf(a) or math.isnan(a) or math.isnan(b) else math.fmod(a, b)


ARITHMETIC = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
              "/": lambda a, b: math.nan if b == 0 else a / b, "%": modulo, "^": power}
SETS = ("and", "or", "unless")


def apply(op, a, b):
    if op == "%" and b and math.isfinite(a / b) and a / b != round(a / b) and close(a / b, round(a / b)):
        raise Ambiguous("nearly a multiple")
    if op in ARITHMETIC:
        return ARITHMETIC[op](a, b)
    if a != b and close(a, b):
        raise Ambiguous("nearly equal")
    return 1.0 if COMPARE[op](a, b) else 0.0


def eval_binary(node, at, context):
    left, right, refused = None, None, set()
    for side in ("left", "right"):
        try:
            value = evaluate(getattr(node, side), at, context)
            left, right = (value, right) if side == "left" else (left, value)
        except Refused as error:
            refused |= error.errors
    if refused:
        raise Refused(*refused)
    comparison = node.op in COMPARE
    if isinstance(left, float) and isinstance(right, float):
        return apply(node.op, left, right)
    if isinstance(left, float) or isinstance(right, float):
        out = []
        for labels, value in left if isinstance(right, float) else right:
            made = apply(node.op, value, right) if isinstance(right, float) else apply(node.op, left, value)
            if not comparison or node.bool:
                out.append((labels, made))
            elif made:
                out.append((labels, value))
        return out
    return set_operation(node, left, right) if node.op in SETS else matched(node, left, right)


def signature(labels, matching):
    if matching is None:
        return no_empty_values(labels)
    return tuple(p for p in no_empty_values(labels) if (p[0] in matching.names) == matching.on)


def set_operation(node, left, right):
    keys = {"left": {signature(labels, node.matching) for labels, _ in left},
            "right": {signature(labels, node.matching) for labels, _ in right}}
    if node.op == "or":
        return left + [s for s in right if signature(s[0], node.matching) not in keys["left"]]
    return [s for s in left if (signature(s[0], node.matching) in keys["right"]) == (node.op == "and")]


def matched(node, left, right):
    m, comparison = node.matching, node.op in COMPARE
    side = m.side if m else None
    many, one = (right, left) if side == "right" else (left, right)
    ones = {}
    for labels, value in one:
        key = signature(labels, m)
        if key in ones:
            word = "left" if side == "right" else "right"
            raise Refused((500, f"found duplicate series on the {word} hand-side;many-to-many matching not allowed: "
                                "matching labels must be unique on one side"))
        ones[key] = (labels, value)
    out, seen = [], set()
    for labels, value in many:
        key = signature(labels, m)
        if key not in ones:
            continue
        made = result_labels(labels, ones[key][0], m)
        if (key if side is None else (key, made)) in seen:
            raise Refused((500, "multiple matches for labels: " + (
                "grouping labels must ensure unique matches" if side else
                "many-to-one matching must be explicit (group_left/group_right)")))
        seen.add(key if side is None else (key, made))
        a, b = (ones[key][1], value) if side == "right" else (value, ones[key][1])
        result = apply(node.op, a, b)
        if comparison and not node.bool:
            if result:
                out.append((made, a))
        else:
            out.append((made, result))
    return out


def result_labels(many, one, m):
    labels = dict(many)
    if m is None:
        return many
    if m.side is None:
        labels = {k: v for k, v in labels.items() if (k in m.names) == m.on}
    for name in m.include if m.side else ():
        if dict(one).get(name):
            labels[name] = dict(one)[name]
        else:
            labels.pop(name, None)
    return tuple(sorted(labels.items()))


def eval_replace(node, at, context):
    out = []
    for labels, value in evaluate(node.of, at, context):
        made = dict(no_empty_values(labels))
        found = anchored(node.regex, False).match(made.get(node.src, ""))
        if found:
            text = re.sub(r"\$(?:\{(\w+)\}|(\w+)|\$)", lambda m: expand(m, found), node.replacement)
            made.pop(node.dst, None)
            if text:
                made[node.dst] = text
        out.append((tuple(sorted(made.items())), value))
    return out


def expand(m, found):
    name = m[1] or m[2]
    if not name:
        return "$"
    try:
        return found.group(int(name) if name.isdigit() else name) or ""
    except IndexError:
        return ""


# ---- metric queries ----

Context = namedtuple("Context", "data samples")


def evaluate(node, at, context, pushed=None):
    """A vector [(labels, value), ...] or a number, at one time."""
    if isinstance(node, tree.Literal):
        return float(node.value)
    if isinstance(node, tree.Constant):
        return [((), float(node.value))]
    if isinstance(node, tree.Range):
        return eval_range(node, at, context, pushed)
    kinds = {tree.Vector: eval_vector, tree.Binary: eval_binary, tree.Replace: eval_replace}
    return kinds[type(node)](node, at, context)


def steps_of(request):
    if request.kind == "instant":
        return [request.start]
    step = request.step // 10**6
    first = request.start // 10**6 // step * step
    last = -(-(request.end // 10**6) // step) * step
    return [ms * 10**6 for ms in range(first, last + 1, step)]


def metric_query(node, data, request):
    data.ordered = data.in_order()
    context, errors, series = Context(data, {}), set(), {}
    for at in steps_of(request):
        try:
            value = evaluate(node, at, context)
        except Refused as refused:
            errors |= refused.errors
            continue
        if isinstance(value, float):
            if request.kind == "instant":
                return Answer(200, "scalar", value, None)
            value = [((), value)]
        for labels, v in value:
            series.setdefault(labels, []).append((at // 10**6, v))
    if len(series) > MAX_SERIES:
        errors.add((400, "maximum number of series (500) reached for a single query; consider reducing query cardinality by "
                         "adding more specific stream selectors, reducing the time range, or aggregating results with "
                         "functions like sum(), count() or topk()"))
    if errors:
        raise Refused(*errors)
    if request.kind == "range":
        return Answer(200, "matrix", [(dict(k), v) for k, v in sorted(series.items())], None)
    order = "values" if is_sort(node) else None if any(map(is_sort, nodes_of(node))) else "labels"
    if order != "values":
        value = sorted(value, key=lambda s: s[0])
    return Answer(200, "vector", [(dict(labels), [(at // 10**6, v)]) for labels, v in value], None, order)


def is_sort(node):
    return isinstance(node, tree.Vector) and node.op in ("sort", "sort_desc")


def nodes_of(node):
    yield node
    for name in ("of", "left", "right"):
        if hasattr(node, name):
            yield from nodes_of(getattr(node, name))


def answer(node, data, request):
    """What the server says."""
    try:
        check(node, request)
        if isinstance(node, tree.Log):
            return log_query(node, data, request)
        return metric_query(node, data, request)
    except Refused as refused:
        return Answer(None, None, None, refused.errors)


def check(node, request):
    if request.kind == "instant":
        if isinstance(node, tree.Log):
            raise Refused((400, "log queries are not supported as an instant query type, please change your query to a "
                                "range query type"))
        return
    if request.end < request.start:
        raise Refused((400, "end timestamp must not be before or equal to start time"))
    if (request.end - request.start) // request.step > 11000:
        raise Refused((400, "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the "
                            "step parameter"))
    if isinstance(node, tree.Log) and request.limit > 5000:
        raise Refused((400, f"max entries limit per query exceeded, limit > max_entries_limit_per_query ({request.limit} > 5000)"))
