"""The tree of a query, and its text."""
from collections import namedtuple

import lines

# {matchers} stages; a matcher is (name, op, value); a stage is a tuple whose first item is its kind:
#   ("line", op, [("text" | "ip", s), ...])      ("json", None | [(id, path), ...])    ("logfmt", flags, None | [...])
#   ("regexp", s) ("pattern", s) ("unpack",) ("decolorize",) ("line_format", s)
#   ("label_format", [(dst, "name" | "template", s), ...])   ("drop" | "keep", [(name, None, None) | matcher, ...])
#   ("filter", f) with f: ("text", name, op, s) | ("number" | "duration" | "bytes", name, op, value, text)
#                         | ("ip", name, op, s) | ("and" | "or", f, f)
Log = namedtuple("Log", "matchers stages")
Unwrap = namedtuple("Unwrap", "conversion name filters")  # conversion: None, "bytes", "duration", "duration_seconds"
Grouping = namedtuple("Grouping", "without names")
Range = namedtuple("Range", "op param log unwrap range offset grouping")  # times in ns; param a number or None
Vector = namedtuple("Vector", "op param of grouping")
Matching = namedtuple("Matching", "on names side include")  # on: True, False; side: None, "left", "right"
Binary = namedtuple("Binary", "op bool matching left right")
Replace = namedtuple("Replace", "of dst replacement src regex")
Constant = namedtuple("Constant", "value")  # vector(x)
Literal = namedtuple("Literal", "value")


def duration_text(ns):
    if ns == 0:
        return "0s"
    sign, ns, out = "-" if ns < 0 else "", abs(ns), ""
    for unit, size in (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6)):
        n, ns = divmod(ns, size)
        out += f"{n}{unit}" if n else ""
    return sign + out


def text_of(node):
    return WRITERS[type(node)](node)


def number(value):
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def names_of(items):
    return ", ".join(i[0] if i[1] is None else i[0] + i[1] + lines.quote(i[2]) for i in items)


def filter_text(f, top=True):
    if f[0] in ("and", "or"):
        made = f"{filter_text(f[1], False)} {f[0]} {filter_text(f[2], False)}"
        return made if top else f"({made})"
    if f[0] == "ip":
        return f"{f[1]} {f[2]} ip({lines.quote(f[3])})"
    return f"{f[1]}{f[2]}{lines.quote(f[3])}" if f[0] == "text" else f"{f[1]} {f[2]} {f[4]}"


def stage_text(stage):
    kind = stage[0]
    if kind == "line":
        return f"{stage[1]} " + " or ".join(f"ip({lines.quote(s)})" if k == "ip" else lines.quote(s) for k, s in stage[2])
    if kind in ("json", "logfmt"):
        flags = "".join(f" {f}" for f in stage[1]) if kind == "logfmt" else ""
        made = stage[-1] or []
        return f"| {kind}{flags}" + (" " if made else "") + ", ".join(f"{i}={lines.quote(p)}" for i, p in made)
    if kind == "filter":
        return "| " + filter_text(stage[1])
    if kind == "label_format":
        return "| label_format " + ", ".join(f"{d}={s if k == 'name' else lines.quote(s)}" for d, k, s in stage[1])
    if kind in ("drop", "keep"):
        return f"| {kind} {names_of(stage[1])}"
    return "| " + kind + (" " + lines.quote(stage[1]) if len(stage) > 1 else "")


def log_text(log):
    return " ".join(["{" + ", ".join(n + o + lines.quote(v) for n, o, v in log.matchers) + "}"] +
                    [stage_text(s) for s in log.stages])


def grouping_text(grouping):
    return f" {'without' if grouping.without else 'by'} ({', '.join(grouping.names)})" if grouping else ""


def range_text(r):
    unwrap = ""
    if r.unwrap:
        name = f"{r.unwrap.conversion}({r.unwrap.name})" if r.unwrap.conversion else r.unwrap.name
        unwrap = f" | unwrap {name}" + "".join(f" | {filter_text(f)}" for f in r.unwrap.filters)
    offset = f" offset {duration_text(r.offset)}" if r.offset else ""
    param = f"{number(r.param)}, " if r.param is not None else ""
    return f"{r.op}({param}{log_text(r.log)}{unwrap} [{duration_text(r.range)}]{offset}){grouping_text(r.grouping)}"


def vector_text(v):
    return f"{v.op}{grouping_text(v.grouping)} ({'' if v.param is None else str(v.param) + ', '}{text_of(v.of)})"


def binary_text(b):
    m, words = b.matching, " bool" if b.bool else ""
    if m:
        words += f" {'on' if m.on else 'ignoring'} ({', '.join(m.names)})"
        words += f" group_{m.side} ({', '.join(m.include)})" if m.side else ""
    return f"({text_of(b.left)} {b.op}{words} {text_of(b.right)})"


def replace_text(r):
    return f"label_replace({text_of(r.of)}, {', '.join(map(lines.quote, (r.dst, r.replacement, r.src, r.regex)))})"


WRITERS = {Log: log_text, Range: range_text, Vector: vector_text, Binary: binary_text, Replace: replace_text,
           Constant: lambda c: f"vector({number(c.value)})", Literal: lambda x: number(x.value)}
