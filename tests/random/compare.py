"""Does an answer over HTTP say what the evaluator says?"""
import json
import math

import naive


def number(text):
    return float(text)


def same_number(a, b):
    return a == b or math.isnan(a) and math.isnan(b) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def read(status, body):
    """The answer of the server as naive.Answer, errors as {(status, text)}."""
    if status != 200:
        return naive.Answer(None, None, None, {(status, body.strip().split(" for series:")[0])})
    data = json.loads(body)["data"]
    kind, result = data["resultType"], data["result"]
    if kind == "streams":
        made = []
        for s in result:
            rows = []
            for ns, line, *more in s["values"]:
                labels = more[0] if more else {}
                rows.append((int(ns), line, labels.get("structuredMetadata", {}), labels.get("parsed", {})))
            made.append((s["stream"], rows))
        return naive.Answer(200, kind, made, None)
    if kind == "scalar":
        return naive.Answer(200, kind, number(result[1]), None)
    rows = [(s["metric"], [(round(p[0] * 1000), number(p[1])) for p in (s["values"] if kind == "matrix" else [s["value"]])])
            for s in result]
    return naive.Answer(200, kind, rows, None)


def shown(text):
    """Bytes that are no UTF-8 are shown as U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def shown_labels(labels):
    return {k: shown(v) for k, v in labels.items()}


def key(series):
    points = [(t, "NaN") if math.isnan(v) else (t, f"{v:.9g}") for t, v in series[1]]
    return json.dumps(shown_labels(series[0]), sort_keys=True), points


def difference(want, got, in_order=True):
    """None, or a line that says where they part."""
    if want.errors is not None or got.errors is not None:
        if want.errors is None or got.errors is None or not got.errors & want.errors:
            return "errors differ"
        return None
    if want.kind != got.kind:
        return f"resultType {got.kind}, want {want.kind}"
    if want.kind == "scalar":
        return None if same_number(want.result, got.result) else "values differ"
    if len(want.result) != len(got.result):
        return f"{len(got.result)} {'streams' if want.kind == 'streams' else 'series'}, want {len(want.result)}"
    if want.kind == "streams":
        return streams_differ(want.result, got.result, in_order)
    if want.kind == "vector" and want.order == "values":  # series of one value come in no promised order
        if not all(same_number(w[1][0][1], h[1][0][1]) for w, h in zip(want.result, got.result)):
            return "the order of values differs"
    elif want.kind == "vector" and want.order == "labels" and in_order:
        if not all(shown_labels(w[0]) == h[0] for w, h in zip(want.result, got.result)):
            return "series, or their order, differ"
    wanted, have = sorted(want.result, key=key), sorted(got.result, key=key)
    for (labels, points), (others, values) in zip(wanted, have):
        if shown_labels(labels) != others:
            return f"series {others}, want {shown_labels(labels)}"
        points, values = (sorted(p, key=lambda p: (p[0], math.isnan(p[1]), p[1])) for p in (points, values))
        if [t for t, _ in points] != [t for t, _ in values]:
            return f"points of {labels} stand at other times"
        for (t, v), (_, w) in zip(points, values):
            if not same_number(v, w):
                return f"{labels} at {t / 1000}: {w!r}, want {v!r}"
    return None


def streams_differ(want, got, in_order):
    want = [(shown_labels(labels), [(ns, shown(line), shown_labels(m), shown_labels(p)) for ns, line, m, p in rows])
            for labels, rows in want]
    if not in_order:
        want, got = (sorted(x, key=lambda s: json.dumps(s[0], sort_keys=True)) for x in (want, got))
    for (labels, rows), (others, values) in zip(want, got):
        if labels != others:
            return f"stream {others}, want {labels}"
        if len(rows) != len(values):
            return f"{len(values)} entries of {labels}, want {len(rows)}"
        for a, b in zip(rows, values):
            if a != b:
                return f"entry {b} of {labels}, want {a}"
    return None
