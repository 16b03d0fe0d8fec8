"""The part of Go's templates that random queries use: text, fields, functions, pipes, if, with, range, variables."""
import base64
import decimal
import json
import math
import re
import urllib.parse

import lines


class Failure(Exception):
    """A template that failed while it ran: the text is what `__error_details__` says."""


class Node:
    """kind, place in the text (line and byte column), text as Go prints it, parts."""

    def __init__(self, kind, place, text, parts):
        self.kind, self.place, self.text, self.parts = kind, place, text, parts


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|:=|\$\w*|\.[A-Za-z_]\w*|[A-Za-z_]\w*|[.()|=,]')


class Parser:
    def __init__(self, text):
        self.text = text
        self.actions = []  # ("text", s) or (begin, tokens)
        at = 0
        for found in re.finditer(r"\{\{(-(?=\s))?(.*?)(\s-)?\}\}", text, re.S):
            before = text[at:found.start()]
            if self.actions and self.actions[-1] == "trim":
                self.actions.pop()
                before = before.lstrip(" \t\r\n")
            self.actions.append(before.rstrip(" \t\r\n") if found.group(1) else before)
            if not found.group(2).strip().startswith("/*"):
                self.actions.append([(t.group(), found.start(2) + t.start()) for t in TOKEN.finditer(found.group(2))])
            if found.group(3):
                self.actions.append("trim")
            at = found.end()
        rest = text[at:]
        if self.actions and self.actions[-1] == "trim":
            self.actions.pop()
            rest = rest.lstrip(" \t\r\n")
        self.actions.append(rest)

    def place(self, at):
        begin = self.text.rfind("\n", 0, at) + 1
        return f"{self.text.count(chr(10), 0, at) + 1}:{lines.size_of(self.text[begin:at])}"

    def body(self):
        """Nodes up to end or else; returns (nodes, the tokens that ended them)."""
        nodes = []
        while self.actions:
            action = self.actions.pop(0)
            if isinstance(action, str):
                nodes.append(Node("text", "", action, None))
                continue
            word = action[0][0]
            if word in ("end", "else"):
                return nodes, action
            nodes.append(self.block(word, action[1:]) if word in ("if", "with", "range") else self.pipe(action, "action"))
        return nodes, None

    def block(self, word, tokens):
        pipe = self.pipe(tokens, "action")
        yes, ended = self.body()
        no = []
        if ended and ended[0][0] == "else":
            if len(ended) > 1:
                no = [self.block(ended[1][0], ended[2:])]
            else:
                no, _ = self.body()
        return Node(word, pipe.place, "", (pipe, yes, no))

    def pipe(self, tokens, kind):
        names = []
        words = [t for t, _ in tokens]
        for sign in (":=", "="):
            if sign in words:
                names = [w for w in words[:words.index(sign)] if w != ","]
                tokens = tokens[words.index(sign) + 1:]
                break
        self.tokens = list(tokens)
        begin = self.place(tokens[0][1])
        commands = self.commands()
        return Node(kind, begin, " | ".join(c.text for c in commands), (commands, names))

    def commands(self):
        out, arguments = [], []
        while self.tokens and self.tokens[0][0] != ")":
            if self.tokens[0][0] == "|":
                self.tokens.pop(0)
                out.append(arguments)
                arguments = []
            else:
                arguments.append(self.operand())
        out.append(arguments)
        return [Node("command", a[0].place, " ".join(n.text for n in a), a) for a in out]

    def operand(self):
        token, at = self.tokens.pop(0)
        if token == "(":
            commands = self.commands()
            self.tokens.pop(0)
            return Node("pipe", self.place(at), "(" + " | ".join(c.text for c in commands) + ")", (commands, []))
        if token[0] == "." and len(token) > 1:
            names, last = [token[1:]], at
            while self.tokens and self.tokens[0][0][0] == "." and self.tokens[0][1] == last + len(names[-1]) + 1:
                token, last = self.tokens.pop(0)
                names.append(token[1:])
            return Node("field", self.place(at if len(names) == 1 else at + len(names[0]) + 1), "." + ".".join(names), names)
        if token == ".":
            return Node("dot", self.place(at), ".", None)
        if token[0] == "$":
            return Node("variable", self.place(at), token, token)
        if token[0] in "\"`":
            return Node("value", self.place(at), token, unquote(token))
        if token[0].isdigit() or token[0] == "-":
            return Node("value", self.place(at), token, int(token) if re.fullmatch(r"-?\d+", token) else float(token))
        if token in ("true", "false", "nil"):
            return Node("value", self.place(at), token, {"true": True, "false": False, "nil": None}[token])
        return Node("function", self.place(at), token, token)


def unquote(token):
    if token[0] == "`":
        return token[1:-1]
    return re.sub(r'\\(n|t|r|\\|"|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})',
                  lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], chr(int(m[1][1:], 16)) if len(m[1]) > 1 else m[1]),
                  token[1:-1])


def show(value, inside=False):
    """%v"""
    if value is None:
        return "<nil>" if inside else "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return show_float(value)
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{show(value[k], True)}" for k in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(show(v, True) for v in value) + "]"
    return str(value)


def show_float(value):
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    made = decimal.Decimal(repr(value)).normalize()
    exponent = made.adjusted()
    if -4 <= exponent < 6:
        return f"{made:f}"
    digits = str(abs(made.scaleb(-exponent)).normalize())
    return f"{'-' if value < 0 else ''}{digits}e{exponent:+03d}"


def truth(value):
    return bool(value)


def to_int(value):
    if isinstance(value, str):
        found = re.match(r"[+-]?\d+", value.partition(".")[0]) if re.fullmatch(r"[+-]?\d+(\.\d*)?", value) else None
        text = found.group() if found else "0"
        digits = text.lstrip("+-")
        if len(digits) > 1 and digits[0] == "0":
            return int(text, 8) if re.fullmatch("[0-7]+", digits) else 0
        return int(text)
    return int(value or 0)


def to_float(value):
    if isinstance(value, str):
        try:
            return lines.parse_float(value)
        except lines.Conversion:
            return 0.0
    return float(value or 0)


def cut(a, b):
    """Division of integers, towards zero."""
    if b == 0:
        raise ZeroDivisionError("runtime error: integer divide by zero")
    return int(math.copysign(abs(a) // abs(b), 1) * (1 if (a < 0) == (b < 0) else -1))


def exact(fold):
    def run(first, *rest):
        value = decimal.Decimal(repr(to_float(first)))
        for r in rest:
            value = fold(value, decimal.Decimal(repr(to_float(r))))
        return float(value)
    return run


def divide(a, b):
    if b == 0:
        raise ZeroDivisionError("decimal division by 0")
    return (a / b).quantize(decimal.Decimal(1).scaleb(-16), rounding=decimal.ROUND_HALF_UP)


def round_to(value, places, at=0.5):
    power = 10.0**places
    digits = to_float(value) * power
    fraction = math.fmod(digits, 1)
    return (math.ceil(digits) if fraction >= at else math.floor(digits)) / power


def chained(fold):
    def run(first, *rest):
        value = to_int(first)
        for r in rest:
            value = fold(value, to_int(r))
        return value
    return run


def align(left):
    def run(n, s):
        if n < 0:
            return s
        return s.ljust(n)[:n] if left else s.rjust(n)[len(s) - n if len(s) > n else 0:]
    return run


def trunc(n, s):
    b = lines.raw(s)
    if n >= 0:
        b = b[:n]
    elif len(b) > -n:
        b = b[n:]
    return b.decode("utf-8", "surrogateescape")


def substr(start, end, s):
    b = lines.raw(s)
    if start < 0:
        b = b[:end]
    elif end < 0 or end > len(b):
        b = b[start:]
    else:
        b = b[start:end]
    return b.decode("utf-8", "surrogateescape")


def expand_go(replacement):
    """$1 ${1} of Go for re.sub."""
    return re.sub(r"\\?\$\{?(\w+)\}?", lambda m: f"\\g<{m[1]}>", replacement.replace("\\", "\\\\"))


def equal(a, *others):
    for b in others:
        kinds = [("int" if isinstance(v, int) and not isinstance(v, bool) else type(v).__name__) for v in (a, b)]
        if kinds[0] != kinds[1]:
            names = {"int": "int", "float": "float64", "str": "string", "bool": "bool"}
            raise TypeError("incompatible types for comparison: " + " and ".join(names[k] for k in kinds))
    return any(a == b for b in others)


def less(a, b):
    equal(a, b)
    return a < b


def go_printf(form, *values):
    values = list(values)

    def one(m):
        if m[2] == "%":
            return "%"
        v = values.pop(0)
        if m[2] in "vs":
            return ("%" + m[1] + "s") % show(v)
        if m[2] == "q":
            return lines.quote(v)
        return ("%" + m[1] + m[2]) % v
    return re.sub(r"%([-+0 #]*\d*(?:\.\d+)?)([vsqdxXfge%])", one, form)


def go_print(*values):
    out = ""
    for i, v in enumerate(values):
        if i and not isinstance(v, str) and not isinstance(values[i - 1], str):
            out += " "
        out += show(v, True)
    return out


def decode64(s):
    return base64.b64decode(s + "=" * (-len(s) % 4)).decode("utf-8", "surrogateescape")


def from_json(s):
    def floats(v):
        if isinstance(v, bool) or not isinstance(v, (int, dict, list)):
            return v
        if isinstance(v, int):
            return float(v)
        return [floats(x) for x in v] if isinstance(v, list) else {k: floats(x) for k, x in v.items()}
    try:
        return floats(json.loads(s))
    except ValueError:
        return None


def title(s):
    return re.sub(r"[^\W_]\w*|_\w*", lambda m: m[0][0].upper() + m[0][1:], s)


# name: (kinds of arguments, function); s string, i integer, any other v; the last kind repeats after "*"
FUNCTIONS = {
    "lower": ("s", str.lower), "ToLower": ("s", str.lower), "upper": ("s", str.upper), "ToUpper": ("s", str.upper),
    "title": ("s", title), "trim": ("s", str.strip), "TrimSpace": ("s", str.strip),
    "Trim": ("ss", lambda s, c: s.strip(c)), "TrimLeft": ("ss", lambda s, c: s.lstrip(c)),
    "TrimRight": ("ss", lambda s, c: s.rstrip(c)), "trimAll": ("ss", lambda c, s: s.strip(c)),
    "TrimPrefix": ("ss", lambda s, p: s.removeprefix(p)), "TrimSuffix": ("ss", lambda s, p: s.removesuffix(p)),
    "trimPrefix": ("ss", lambda p, s: s.removeprefix(p)), "trimSuffix": ("ss", lambda p, s: s.removesuffix(p)),
    "Replace": ("sssi", lambda s, a, b, n: s.replace(a, b, n)), "replace": ("sss", lambda a, b, s: s.replace(a, b)),
    "regexReplaceAll": ("sss", lambda r, s, to: lines.regex(r).sub(expand_go(to), s)),
    "regexReplaceAllLiteral": ("sss", lambda r, s, to: lines.regex(r).sub(lambda m: to, s)),
    "count": ("ss", lambda r, s: len(list(lines.regex(r).finditer(s)))),
    "contains": ("ss", lambda a, s: a in s), "hasPrefix": ("ss", lambda a, s: s.startswith(a)),
    "hasSuffix": ("ss", lambda a, s: s.endswith(a)), "substr": ("iis", substr), "trunc": ("is", trunc),
    "alignLeft": ("is", align(True)), "alignRight": ("is", align(False)),
    "indent": ("is", lambda n, s: " " * n + s.replace("\n", "\n" + " " * n)),
    "nindent": ("is", lambda n, s: "\n" + " " * n + s.replace("\n", "\n" + " " * n)),
    "repeat": ("is", lambda n, s: s * n), "default": ("vv", lambda d, v: v if truth(v) else d),
    "int": ("v", to_int), "float64": ("v", to_float),
    "add": ("v*", chained(lambda a, b: a + b)), "sub": ("vv", chained(lambda a, b: a - b)),
    "mul": ("v*", chained(lambda a, b: a * b)), "div": ("vv", chained(cut)),
    "mod": ("vv", chained(lambda a, b: a - b * cut(a, b))),
    "addf": ("v*", exact(lambda a, b: a + b)), "subf": ("v*", exact(lambda a, b: a - b)),
    "mulf": ("v*", exact(lambda a, b: a * b)), "divf": ("v*", exact(divide)),
    "max": ("v*", chained(max)), "min": ("v*", chained(min)),
    "maxf": ("v*", lambda *v: max(map(to_float, v))), "minf": ("v*", lambda *v: min(map(to_float, v))),
    "ceil": ("v", lambda v: float(math.ceil(to_float(v)))), "floor": ("v", lambda v: float(math.floor(to_float(v)))),
    "round": ("vi*", round_to), "b64enc": ("s", lambda s: base64.b64encode(lines.raw(s)).decode()), "b64dec": ("s", decode64),
    "urlencode": ("s", lambda s: urllib.parse.quote_plus(lines.raw(s), safe="-_.~")),
    "urldecode": ("s", lambda s: urllib.parse.unquote_plus(s, errors="surrogateescape")),
    "bytes": ("s", lambda s: float(lines.parse_bytes(s))), "duration": ("s", lambda s: lines.seconds_of(lines.parse_duration(s))),
    "duration_seconds": ("s", lambda s: lines.seconds_of(lines.parse_duration(s))), "fromJson": ("s", from_json),
    "unixEpoch": ("v", lambda t: str(t["ns"] // 10**9)), "unixEpochMillis": ("v", lambda t: str(t["ns"] // 10**6)),
    "unixEpochNanos": ("v", lambda t: str(t["ns"])),
    "eq": ("v*", equal), "ne": ("vv", lambda a, b: not equal(a, b)), "lt": ("vv", less), "gt": ("vv", lambda a, b: less(b, a)),
    "le": ("vv", lambda a, b: not less(b, a)), "ge": ("vv", lambda a, b: not less(a, b)),
    "not": ("v", lambda v: not truth(v)), "index": ("vv", lambda m, k: m.get(k, "") if isinstance(m, dict) else m[k]),
    "len": ("v", lambda v: lines.size_of(v) if isinstance(v, str) else len(v)),
    "print": ("v*", go_print), "printf": ("v*", go_printf), "println": ("v*", lambda *v: " ".join(show(x, True) for x in v) + "\n"),
}


class Template:
    def __init__(self, text, name):
        self.text, self.name = text, name
        simple = re.fullmatch(r"\{\{\s*\.([A-Za-z_]\w*)\s*\}\}", text)
        self.simple = simple.group(1) if simple else None
        self.nodes, _ = Parser(text).body()
        self.fields = re.findall(r"(?:^|[\s({|])\.([A-Za-z_]\w*)", " ".join(re.findall(r"\{\{(.*?)\}\}", text, re.S)))

    def run(self, dot, line, ts):
        self.line, self.ts, self.variables = line, ts, {"$": dot}
        out = []
        self.walk(self.nodes, dot, out)
        return "".join(out)

    def fail(self, node, text):
        raise Failure(f'template: {self.name}:{node.place}: executing "{self.name}" at <{node.text}>: {text}')

    def walk(self, nodes, dot, out):
        for node in nodes:
            if node.kind == "text":
                out.append(node.text)
            elif node.kind == "action":
                value = self.pipe(node, dot)
                if not node.parts[1]:
                    out.append(show(value))
            elif node.kind == "range":
                self.range(node, dot, out)
            else:
                value = self.pipe(node.parts[0], dot)
                inner = value if node.kind == "with" and truth(value) else dot
                self.walk(node.parts[1] if truth(value) else node.parts[2], inner, out)

    def range(self, node, dot, out):
        names = node.parts[0].parts[1]
        value = self.pipe(node.parts[0], dot, declare=False)
        pairs = [(k, value[k]) for k in sorted(value)] if isinstance(value, dict) else list(enumerate(value or []))
        if not pairs:
            self.walk(node.parts[2], dot, out)
        for key, item in pairs:
            if names:
                self.variables.update(zip(names, (key, item) if len(names) == 2 else (item,)))
            self.walk(node.parts[1], item, out)

    def pipe(self, node, dot, declare=True):
        value, piped = None, False
        for command in node.parts[0]:
            value = self.command(command, dot, [value] if piped else [])
            piped = True
        if declare:
            for name in node.parts[1]:
                self.variables[name] = value
        return value

    def command(self, command, dot, final):
        head, *rest = command.parts
        if head.kind != "function":
            return self.value(head, dot)
        if head.parts == "__line__":
            return self.line
        if head.parts == "__timestamp__":
            return {"ns": self.ts}
        if head.parts in ("and", "or"):
            for i, value in enumerate([self.value(r, dot) for r in rest] + final):
                last = value
                if truth(value) == (head.parts == "or"):
                    break
            return last
        kinds, function = FUNCTIONS[head.parts]
        values = [self.value(r, dot) for r in rest] + final
        if "*" not in kinds and len(kinds) != len(values):
            self.fail(command if rest or final else head,
                      f"wrong number of args for {head.parts}: want {len(kinds)} got {len(values)}")
        for kind, node, value in zip(kinds, rest, values):
            if kind == "s" and not isinstance(value, str):
                self.fail(node, f"expected string; found {node.text}")
            if kind == "i" and not isinstance(value, int):
                self.fail(node, f"expected integer; found {node.text}")
        try:
            return function(*values)
        except (ArithmeticError, lines.Conversion, TypeError) as error:
            return self.fail(command, f"error calling {head.parts}: {error}")

    def value(self, node, dot):
        if node.kind == "value":
            return node.parts
        if node.kind == "dot":
            return dot
        if node.kind == "variable":
            return self.variables[node.parts]
        if node.kind == "pipe":
            return self.pipe(node, dot)
        if node.kind == "field":
            value = dot.get(node.parts[0], "")
            for name in node.parts[1:]:
                if isinstance(value, str):
                    self.fail(node, f"can't evaluate field {name} in type string")
                value = value[name]
            return value
        return self.command(Node("command", node.place, node.text, [node]), dot, [])
