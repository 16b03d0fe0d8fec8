"""What is read out of texts: numbers, durations, sizes, JSON, logfmt, patterns, addresses, colours, levels. Written from
the rules of LogQL, one rule at a time, with no thought of speed."""
import ipaddress
import json
import math
import re


class Conversion(Exception):
    """A text that is no number, duration or size; `value` is what counts all the same."""

    def __init__(self, text, value=0.0):
        super().__init__(text)
        self.value = value


class Ambiguous(Exception):
    """The rules leave the answer open: nothing can be compared."""


def quote(text):
    """A string as Go quotes it."""
    short = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", '"': '\\"', "\\": "\\\\"}
    out = []
    for c in text:
        if c in short:
            out.append(short[c])
        elif 0xDC80 <= ord(c) <= 0xDCFF:
            out.append(f"\\x{ord(c) - 0xDC00:02x}")
        elif c == " " or c.isprintable():
            out.append(c)
        else:
            out.append(f"\\x{ord(c):02x}" if ord(c) < 0x80 else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}")
    return '"' + "".join(out) + '"'


def raw(text):
    return text.encode("utf-8", "surrogateescape")


def size_of(text):
    return len(raw(text))


# ---- numbers ----

FLOAT = re.compile(r"[+-]?(\d+(_\d+)*(\.\d*(_\d+)*)?|\.\d+(_\d+)*)([eE][+-]?\d+)?|[+-]?(inf|infinity)|nan", re.I | re.A)
HEX_FLOAT = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?\d+)", re.A)


def parse_float(text):
    if FLOAT.fullmatch(text):
        value = float(text.replace("_", ""))
        if math.isinf(value) and "n" not in text.lower():
            raise Conversion(f"strconv.ParseFloat: parsing {quote(text)}: value out of range", value)
        return value
    if HEX_FLOAT.fullmatch(text):
        return float.fromhex(text)
    raise Conversion(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")


UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def quote_bytes(text):
    """A string as Go's time package quotes it."""
    return '"' + "".join("\\" + chr(b) if chr(b) in '"\\' else chr(b) if 0x20 <= b < 0x80 else f"\\x{b:02x}" for b in raw(text)) + '"'


def parse_duration(text):
    """Nanoseconds."""
    rest, sign = text, 1
    if rest[:1] in ("+", "-"):
        sign, rest = -1 if rest[0] == "-" else 1, rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise Conversion(f"time: invalid duration {quote_bytes(text)}")
    total = 0
    while rest:
        number = re.match(r"\d*(?:\.\d*)?", rest, re.A).group()
        if number in ("", "."):
            raise Conversion(f"time: invalid duration {quote_bytes(text)}")
        rest = rest[len(number):]
        unit = re.match(r"[^.0-9]*", rest).group()
        if not unit:
            raise Conversion(f"time: missing unit in duration {quote_bytes(text)}")
        if unit not in UNITS:
            raise Conversion(f"time: unknown unit {quote_bytes(unit)} in duration {quote_bytes(text)}")
        rest = rest[len(unit):]
        whole, _, part = number.partition(".")
        total += int(whole or 0) * UNITS[unit] + int(UNITS[unit] * int(part or 0) / 10 ** len(part))
    return sign * total


def seconds_of(ns):
    whole, part = divmod(abs(ns), 10**9)
    return math.copysign(whole + part / 1e9, ns)


SIZES = {"": 1, "b": 1}
for power, letter in enumerate("kmgtpe", 1):
    SIZES[letter] = SIZES[letter + "b"] = 1000**power
    SIZES[letter + "i"] = SIZES[letter + "ib"] = 1024**power


def parse_bytes(text):
    digits = re.match(r"[\d.,]*", text).group()
    value = parse_float(digits.replace(",", ""))
    unit = text[len(digits):].strip().lower()
    if unit not in SIZES:
        raise Conversion(f"unhandled size name: {unit}")
    if value * SIZES[unit] >= 2**64:
        raise Conversion(f"too large: {text}")
    return int(value * SIZES[unit])


# ---- names ----

def sanitize(key):
    key = re.sub(r"[^A-Za-z0-9_]", "_", key.strip())
    return "_" + key if key[:1].isdigit() else key


# ---- JSON, as leniently as it is read ----

class Malformed(Exception):
    pass


OBJECT = "Value looks like object, but can't find closing '}' symbol"
ARRAY = "Value is array, but can't find closing ']' symbol"
MALFORMED = "Malformed JSON error"
STRING = "Value is string, but can't find closing '\"' symbol"
UNKNOWN = "Unknown value type"
ESCAPE = "Encountered an invalid escape sequence in a string"


def next_token(text, at, error):
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    if at == len(text):
        raise Malformed(error)
    return at


def string_end(text, at):
    """The place after the closing quote of a string whose content begins at `at`, or -1."""
    while at < len(text):
        if text[at] == '"':
            return at + 1
        at += 2 if text[at] == "\\" else 1
    return -1


def block_end(text, at):
    opening = text[at]
    closing = {"{": "}", "[": "]"}[opening]
    level = 0
    while at < len(text):
        if text[at] == '"':
            at = string_end(text, at + 1)
            if at < 0:
                return -1
            continue
        level += (text[at] == opening) - (text[at] == closing)
        at += 1
        if level == 0:
            return at
    return -1


ESCAPED = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def unescape(text, more=""):
    """The content of a JSON string, or None if an escape is invalid."""
    out, at = [], 0
    while at < len(text):
        if text[at] != "\\":
            out.append(text[at])
            at += 1
            continue
        sign = text[at + 1:at + 2]
        if sign and (sign in ESCAPED or sign in more):
            out.append(ESCAPED.get(sign, sign))
            at += 2
            continue
        found = re.compile(r"\\u([0-9a-fA-F]{4})").match(text, at)
        if not found:
            return None
        code, at = int(found.group(1), 16), found.end()
        if 0xD800 <= code < 0xE000:
            low = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})").match(text, at)
            if code >= 0xDC00 or not low:
                return None
            code, at = 0x10000 + ((code - 0xD800) << 10) + int(low.group(1), 16) - 0xDC00, low.end()
        out.append(chr(code))
    return "".join(out)


def clean(text):
    """Invalid bytes and U+FFFD become spaces."""
    return re.sub("[\ufffd\udc80-\udcff]", " ", text)


def json_string(text):
    value = unescape(text)
    return "" if value is None else clean(value)


def json_value(text, at):
    """(kind, raw text, place after it)"""
    at = next_token(text, at, MALFORMED)
    if text[at] == '"':
        end = string_end(text, at + 1)
        if end < 0:
            raise Malformed(STRING)
        return "string", text[at + 1:end - 1], end
    if text[at] in "[{":
        end = block_end(text, at)
        if end < 0:
            raise Malformed(ARRAY if text[at] == "[" else OBJECT)
        return "array" if text[at] == "[" else "object", text[at:end], end
    end = at
    while end < len(text) and text[end] not in " \t\r\n,}]":
        end += 1
    word = text[at:end]
    if word[:1] in tuple("tf") and word in ("true", "false"):
        return "word", word, end
    if word[:1] in tuple("nu") and word == "null":
        return "null", word, end
    if word[:1] in tuple("-0123456789"):
        return "word", word, end
    raise Malformed(UNKNOWN)


def json_members(text):
    """Yields (key, kind, raw value); raises Malformed at the place of a mistake."""
    try:
        at = next_token(text, 0, OBJECT)
    except Malformed:
        raise Malformed(OBJECT) from None
    if text[at] != "{":
        raise Malformed(OBJECT)
    at = next_token(text, at + 1, MALFORMED)
    while True:
        if text[at] == "}":
            return
        if text[at] != '"':
            raise Malformed(OBJECT)
        end = string_end(text, at + 1)
        if end < 0:
            raise Malformed(MALFORMED)
        key = unescape(text[at + 1:end - 1])
        if key is None:
            raise Malformed(ESCAPE)
        at = next_token(text, end, MALFORMED)
        if text[at] != ":":
            raise Malformed(MALFORMED)
        kind, value, at = json_value(text, at + 1)
        yield key, kind, value
        at = next_token(text, at, ARRAY)
        if text[at] == "}":
            return
        if text[at] != ",":
            raise Malformed(OBJECT)
        at = next_token(text, at + 1, ARRAY)


def parse_path(path):
    """The steps of `a.b["c"][0]`: strings and integers."""
    steps = []
    for name, key, index in re.findall(r"\.?([A-Za-z_]\w*)|\[\s*\"([^\"\]]*)\"\s*\]|\[(\d+)\]", path, re.A):
        steps.append(name or key if not index else int(index))
    return steps


def json_find(line, path):
    """The text of what a path leads to, or None. Only for lines that are valid JSON, whose order of members is plain."""
    kind, text = None, line
    for step in parse_path(path):
        if isinstance(step, int):
            items = json_items(text) if text[:1] == "[" else []
            if step >= len(items):
                return None
            kind, text = items[step]
            continue
        found = [(k, v) for key, k, v in json_members(text) if key == step] if text.lstrip()[:1] == "{" else []
        if len(found) > 1:
            raise Ambiguous("a path that leads to two places")
        if not found:
            return None
        kind, text = found[0]
        if kind == "string" and text[:1] in ("{", "["):
            raise Ambiguous("a string that looks like a container")
    if kind == "string":
        return json_string(text)
    return "" if kind == "null" else text


def json_items(text):
    at, items = next_token(text, 1, ARRAY), []
    while text[at] != "]":
        kind, value, at = json_value(text, at)
        items.append((kind, value))
        at = next_token(text, at, ARRAY)
        at = next_token(text, at + 1, ARRAY) if text[at] == "," else at
    return items


def is_json(text):
    try:
        json.loads(text)
        return True
    except ValueError:
        return False


# ---- logfmt ----

def logfmt(line):
    """Yields (key, value, None), or (None, None, error) at each mistake; the reader goes on or stops."""
    at = 0

    def position(place):
        return size_of(line[:place]) + 1

    def mistake(place):
        return None, None, f"logfmt syntax error at pos {position(place)} : unexpected '{line[place]}'"

    def skip(place):
        while place < len(line) and line[place] > " ":
            place += 1
        return place

    while True:
        while at < len(line) and line[at] <= " ":
            at += 1
        if at == len(line):
            return
        begin = at
        while at < len(line) and line[at] > " " and line[at] not in '="':
            at += 1
        key = line[begin:at]
        if at < len(line) and (line[at] == '"' or line[at] == "=" and not key):
            yield mistake(at)
            at = skip(at)
            continue
        if at == len(line) or line[at] <= " ":
            yield key, "", None
            continue
        at += 1
        if line[at:at + 1] == '"':
            end = string_end(line, at + 1)
            if end < 0:
                yield None, None, f"logfmt syntax error at pos {size_of(line) + 1} : unterminated quoted value"
                return
            value = unescape(line[at + 1:end - 1], more="'")
            at = end
            if value is None:
                yield None, None, f"logfmt syntax error at pos {position(end)} : invalid quoted value"
                continue
        else:
            begin = at
            while at < len(line) and line[at] > " " and line[at] not in '="':
                at += 1
            if at < len(line) and line[at] in '="':
                yield mistake(at)
                at = skip(at)
                continue
            value = line[begin:at]
        yield key, value, None


# ---- patterns ----

def pattern_parts(pattern):
    """['literal', ('name',), ...]"""
    parts = []
    for piece in re.split(r"(<[A-Za-z_][A-Za-z0-9_]*>)", pattern):
        if re.fullmatch(r"<[A-Za-z_][A-Za-z0-9_]*>", piece):
            parts.append((piece[1:-1],))
        elif piece:
            parts.append(piece)
    return parts


def pattern_captures(pattern, line):
    """The pairs `| pattern` takes out of a line."""
    parts, out = pattern_parts(pattern), []
    if not line:
        return out
    if isinstance(parts[0], str):
        if not line.startswith(parts[0]):
            return out
        line, parts = line[len(parts[0]):], parts[1:]
    while parts:
        name, literal, parts = parts[0][0], parts[1] if len(parts) > 1 else None, parts[2:]
        at = line.find(literal) if literal is not None else -1
        if name != "_":
            out.append((name, line if at < 0 else line[:at]))
        if at < 0:
            break
        line = line[at + len(literal):]
    return out


def pattern_matches(pattern, line):
    """The test of `|>`."""
    parts = pattern_parts(pattern)
    if not parts or not line:
        return not parts and not line
    rest = line
    for i, part in enumerate(parts):
        if not isinstance(part, str):
            continue
        at = rest.find(part)
        if at < 0 or i > 0 and at == 0:
            return False
        rest = rest[at + len(part):]
    return not rest if isinstance(parts[-1], str) else bool(rest)


# ---- addresses ----

class AddressSet:
    def __init__(self, text):
        if "-" in text:
            first, last = (ipaddress.ip_address(a) for a in text.split("-"))
        elif "/" in text:
            net = ipaddress.ip_network(text, strict=False)
            first, last = net[0], net[-1]
        else:
            first = last = ipaddress.ip_address(text)
        self.version, self.first, self.last = first.version, int(first), int(last)

    def holds(self, text):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return address.version == self.version and self.first <= int(address) <= self.last

    def found_in(self, text):
        at = 0
        while at < len(text):
            run = None
            if re.match(r"\d", text[at], re.A) and "." in text[at + 1:at + 4]:
                run = re.compile(r"[0-9.]+").match(text, at)
            elif re.compile(r"[0-9a-fA-F]{1,4}:|::[0-9a-fA-F]").match(text, at):
                run = re.compile(r"[0-9a-fA-F:.]+").match(text, at)
            if run and self.holds(run.group()):
                return True
            at = (run.end() if run else at) + 1
        return False


# ---- regular expressions ----

def regex(text, whole=False, dot_all=False):
    """Go's expression as one of Python: ASCII classes, `$` is the end of the text."""
    text = text.replace("\\$", "\0").replace("$", r"\Z").replace("\0", "\\$").replace("\\z", r"\Z")
    flags = re.A | (re.S if dot_all else 0)
    inner = re.match(r"\(\?i\)", text)
    if inner:
        text, flags = text[4:], flags | re.I
    return re.compile(r"(?:" + text + r")\Z" if whole else text, flags)


def common_prefix(a, b):
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


def split_regex(text):
    """A tree of the few shapes the simplification of label filters looks at: ("lit", s), ("any",), ("some",),
    ("or", [...]), ("cat", [...]), ("group", t); None if there is anything else."""
    at = 0

    def alternation():
        nonlocal at
        branches = [sequence()]
        while at < len(text) and text[at] == "|":
            at += 1
            branches.append(sequence())
        return branches[0] if len(branches) == 1 else ("or", branches)

    def sequence():
        nonlocal at
        items = []
        while at < len(text) and text[at] not in "|)":
            c = text[at]
            if c == "(":
                capture = not text.startswith("(?:", at)
                if capture and text.startswith("(?", at):
                    raise ValueError
                at += 1 if capture else 3
                inner = alternation()
                if at == len(text):
                    raise ValueError
                at += 1
                if text[at:at + 1] in tuple("*+?{"):
                    raise ValueError
                items.append(("group", inner) if capture else inner)
                continue
            if text.startswith((".*", ".+"), at):
                items.append(("any",) if text[at + 1] == "*" else ("some",))
                at += 2
            elif c in ".*+?[]{}^$":
                raise ValueError
            elif c == "\\":
                if text[at + 1].isalnum():
                    raise ValueError
                items.append(("lit", text[at + 1]))
                at += 2
            else:
                items.append(("lit", c))
                at += 1
            if text[at:at + 1] in tuple("*+?{"):
                raise ValueError
        merged = []
        for item in items:
            if item[0] == "lit" and merged and merged[-1][0] == "lit":
                merged[-1] = ("lit", merged[-1][1] + item[1])
            else:
                merged.append(item)
        return ("cat", merged) if len(merged) != 1 else merged[0]

    try:
        tree = alternation()
    except ValueError:
        return None
    return tree if at == len(text) else None


def leading(tree):
    if tree[0] == "lit":
        return tree[1]
    return tree[1][0][1] if tree[0] == "cat" and tree[1] and tree[1][0][0] == "lit" else ""


def without_prefix(tree, n):
    if tree[0] == "lit":
        return ("lit", tree[1][n:]) if tree[1][n:] else ("cat", [])
    items = list(tree[1])
    items[0] = ("lit", items[0][1][n:])
    items = [i for i in items if i != ("lit", "")]
    return items[0] if len(items) == 1 else ("cat", items)


def factor(branches):
    """Alternatives as Go's parser keeps them: common prefixes taken out, single letters made a class (None)."""
    groups = []
    for branch in branches:
        if groups:
            n = common_prefix(groups[-1][0], leading(branch))
            if n:
                groups[-1] = (groups[-1][0][:n], groups[-1][1] + [branch])
                continue
        groups.append((leading(branch), [branch]))
    out = []
    for prefix, members in groups:
        if len(members) == 1:
            out.append(members[0])
            continue
        rest = factor([without_prefix(m, len(prefix)) for m in members])
        if rest is None:
            return None
        out.append(("cat", [("lit", prefix), rest]))
    for a, b in zip(out, out[1:]):
        if all(t[0] == "lit" and len(t[1]) == 1 for t in (a, b)):
            return None
    if len(out) == 1:
        return out[0]
    return ("or", [o for i, o in enumerate(out) if i == 0 or o != ("cat", []) or out[i - 1] != o])


ALWAYS = ("always",)


def simplify(tree):
    """("always",), ("equal", s), ("contains", s), ("some",), ("or", [...]), or None for the expression as it is."""
    if tree[0] == "group":
        return simplify(tree[1])
    if tree[0] == "lit":
        return ("equal", tree[1])
    if tree[0] == "any":
        return ALWAYS
    if tree[0] == "some":
        return ("some",)
    if tree[0] == "or":
        made = factor(tree[1])
        if made is None:
            return None
        if made[0] != "or":
            return simplify(made)
        return either([simplify(b) for b in made[1]])
    items = [i[1] if i[0] == "group" else i for i in tree[1]]
    items = [i for i in items if i != ("cat", [])]
    if not items:
        return ALWAYS
    if len(items) == 2 and items[0][0] == "lit" and items[1][0] == "or":
        made = factor(items[1][1])
        return prefixed(items[0][1], made) if made else None
    literals = [i for i in items if i[0] == "lit"]
    if len(items) <= 3 and len(literals) == 1 and all(i[0] in ("lit", "any") for i in items):
        return ("contains", literals[0][1])
    return None


def prefixed(prefix, tree):
    if tree[0] != "or":
        tree = ("or", [tree])
    out = []
    for branch in tree[1]:
        if branch[0] == "lit":
            out.append(("contains", prefix + branch[1]))
        elif branch in (("any",), ("cat", [])):
            out.append(("contains", prefix))
        elif branch[0] == "cat" and len(branch[1]) == 2 and branch[1][0][0] == "lit" and branch[1][1][0] in ("or", "any"):
            inner = branch[1][1] if branch[1][1][0] == "or" else ("or", [("any",)])
            made = prefixed(prefix + branch[1][0][1], inner)
            if made is None:
                return None
            out.append(made)
        else:
            return None
    return either(out)


def either(options):
    if any(o is None for o in options):
        return None
    kept = [o for o in options if o != ALWAYS]
    return ("or", kept) if kept else ALWAYS


def simple_test(tree, fold):
    """A function of the value."""
    low = (lambda s: s.lower()) if fold else (lambda s: s)
    if tree[0] == "always":
        return lambda v: True
    if tree[0] == "some":
        return lambda v: v != ""
    if tree[0] == "equal":
        return lambda v: low(v) == low(tree[1])
    if tree[0] == "contains":
        return lambda v: low(tree[1]) in low(v)
    tests = [simple_test(t, fold) for t in tree[1]]
    return lambda v: any(t(v) for t in tests)


def label_regex(text):
    """The test of `x=~"text"` in a label filter."""
    fold = text.startswith("(?i)")
    tree = split_regex(text[4:] if fold else text)
    simple = simplify(tree) if tree else None
    if simple:
        return simple_test(simple, fold)
    found = regex(text, whole=True)
    return lambda v: found.match(v) is not None


def line_regex(text):
    """(always true, the test) of `|~ "text"`."""
    fold = text.startswith("(?i)")
    tree = split_regex(text[4:] if fold else text)
    simple = simplify(tree) if tree else None
    if simple == ALWAYS:
        return True, lambda line: True
    if simple and tree[0] == "or":  # an alternative that is always true is forgotten
        words = []
        collect(simple, words)
        low = (lambda s: s.lower()) if fold else (lambda s: s)
        return False, lambda line: any(w is None and line != "" or w is not None and low(w) in low(line) for w in words)
    found = regex(text)
    return False, lambda line: found.search(line) is not None


def collect(simple, words):
    if simple[0] == "or":
        for s in simple[1]:
            collect(s, words)
    else:
        words.append(None if simple[0] == "some" else simple[1])


# ---- colours ----

COLOUR = re.compile("[\x1b\x9b][][()#;?]*(?:(?:[A-Za-z0-9]*(?:;[A-Za-z0-9]*)*)?\x07|"
                    "(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-nqry=><~t])")


def decolorize(line):
    return COLOUR.sub("", line)


# ---- levels ----

LEVEL_NAMES = ("level LEVEL Level log.level severity SEVERITY Severity SeverityText lvl LVL Lvl severity_text Severity_Text "
               "SEVERITY_TEXT").split()
LEVELS = {"trace": "trace", "trc": "trace", "debug": "debug", "dbg": "debug", "info": "info", "inf": "info",
          "information": "info", "warn": "warn", "wrn": "warn", "warning": "warn", "error": "error", "err": "error",
          "critical": "critical", "fatal": "fatal"}


def level_in_json(text, depth=1):
    try:
        for key, kind, value in json_members(text):
            if kind == "string" and key in LEVEL_NAMES:
                return json_string(value)
            if kind == "object" and depth < 2:
                found = level_in_json(value, depth + 1)
                if found:
                    return found
    except Malformed:
        pass
    return None


def level_in_logfmt(line):
    found = {}
    for key, value, error in logfmt(line):
        if error:
            break
        for i, name in enumerate(LEVEL_NAMES):
            if key.lower() == name.lower():
                found.setdefault(i, value)
    return found[min(found)] if found else None


def detected_level(stream, metadata, line):
    if "detected_level" in metadata:
        return LEVELS.get(metadata["detected_level"].lower(), metadata["detected_level"])
    for labels in (stream, metadata):
        for name in LEVEL_NAMES:
            if name in labels:
                return LEVELS.get(labels[name].lower(), labels[name])
    text, found = line.strip(), None
    if text[:1] == "{" and text[-1:] == "}":
        found = level_in_json(text)
    elif "=" in line:
        found = level_in_logfmt(line)
    if found and found.lower() in LEVELS:
        return LEVELS[found.lower()]
    word = re.search(r"""(?:^|[ \t\n\[({"'=|])(trace|debug|fatal|critical|error|err|warning|warn|info)"""
                     r"""(?=$|[ \t\n\[\](){}:,!"'=|])""", line.lower())
    return LEVELS[word.group(1)] if word else "unknown"


SERVICE_NAMES = ("service app application app_name name app_kubernetes_io_name container container_name "
                 "k8s_container_name component workload job k8s_job_name").split()


def service_name(labels):
    return next((labels[n] for n in SERVICE_NAMES if labels.get(n)), "unknown_service")


# ---- the hash that orders streams at equal times ----

M64 = 2**64 - 1
P1, P2, P3, P4, P5 = (11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579,
                      2870177450012600261)


def rotate(x, r):
    return (x << r | x >> 64 - r) & M64


def xxh64(data):
    def turn(acc, lane):
        return rotate(acc + lane * P2 & M64, 31) * P1 & M64
    at = 0
    if len(data) >= 32:
        lanes = [P1 + P2 & M64, P2, 0, -P1 & M64]
        while at + 32 <= len(data):
            for i in range(4):
                lanes[i] = turn(lanes[i], int.from_bytes(data[at:at + 8], "little"))
                at += 8
        h = sum(rotate(v, r) for v, r in zip(lanes, (1, 7, 12, 18))) & M64
        for v in lanes:
            h = (h ^ turn(0, v)) * P1 + P4 & M64
    else:
        h = P5
    h = h + len(data) & M64
    while at + 8 <= len(data):
        h = rotate(h ^ turn(0, int.from_bytes(data[at:at + 8], "little")), 27) * P1 + P4 & M64
        at += 8
    if at + 4 <= len(data):
        h = rotate(h ^ int.from_bytes(data[at:at + 4], "little") * P1 & M64, 23) * P2 + P3 & M64
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * P5 & M64, 11) * P1 & M64
    h = (h ^ h >> 33) * P2 & M64
    h = (h ^ h >> 29) * P3 & M64
    return h ^ h >> 32
