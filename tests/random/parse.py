"""Reads the text of a query into a tree, so that recorded queries can be given to the evaluator. Only for queries that are
known to be right: it tells no mistakes well."""
import re

import lines
import template
import tree

TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<range>\[[^]]*\])|(?P<flag>--[a-z-]+)
    |(?P<number>-?(?:\d[\w.µ]*|\.\d+)(?:[eE][+-]\d+)?)|(?P<word>[A-Za-z_]\w*)
    |(?P<sign>\|=|\|~|\|>|!=|!~|!>|=~|==|>=|<=|[-+*/%^=<>|(){},]))""", re.X)
RANGES = ("count_over_time rate rate_counter bytes_over_time bytes_rate avg_over_time sum_over_time min_over_time max_over_time "
          "stdvar_over_time stddev_over_time quantile_over_time first_over_time last_over_time absent_over_time").split()
VECTORS = "sum avg count max min stddev stdvar bottomk topk sort sort_desc".split()
LEVELS = [("or",), ("and", "unless"), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"), ("^",)]
LINE_OPS = ("|=", "|~", "|>", "!=", "!~", "!>")
LONG = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400}


def duration(text):
    sign, text = (-1, text[1:]) if text[:1] == "-" else (1, text)
    total = 0
    for number, unit in re.findall(r"([\d.]+)(ms|us|µs|ns|[ywdhms])", text):
        total += int(number) * LONG[unit] * 10**9 if unit in LONG else lines.parse_duration(number + unit)
    return sign * total


def value_of(text):
    """A literal of a label filter: (kind, value)."""
    if re.fullmatch(r"-?([\d.]+(ms|us|µs|ns|[ywdhms]))+", text):
        return "duration", duration(text)
    if re.fullmatch(r"[\d.]+[kKMGTP]?i?B", text) or re.fullmatch(r"[\d.]+[kKMGTP]i?", text):
        return "bytes", lines.parse_bytes(text)
    return "number", lines.parse_float(text)


class Parser:
    def __init__(self, text):
        self.tokens, at = [], 0
        text = text.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if not found:
                raise ValueError(f"no token at {text[at:]!r}")
            token, kind = found.group(found.lastgroup), found.lastgroup
            if kind == "number" and token[0] == "-" and self.tokens and self.tokens[-1][1] in ("number", "range") or \
                    kind == "number" and token[0] == "-" and self.tokens and self.tokens[-1][0] == ")":
                self.tokens.append(("-", "sign"))
                token = token[1:]
            self.tokens.append((token, kind))
            at = found.end()

    def peek(self, n=0):
        return self.tokens[n][0] if n < len(self.tokens) else None

    def kind(self, n=0):
        return self.tokens[n][1] if n < len(self.tokens) else None

    def take(self, want=None):
        token = self.tokens.pop(0)[0]
        if want and token.lower() != want:
            raise ValueError(f"{want} expected, not {token}")
        return token

    def skip(self, token):
        if self.tokens and self.peek().lower() == token:
            self.tokens.pop(0)
            return True
        return False

    def string(self):
        return template.unquote(re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), self.take()))

    # ---- metrics ----

    def expression(self, level=0):
        if level == len(LEVELS):
            return self.primary()
        left = self.expression(level + 1)
        while self.tokens and self.peek().lower() in LEVELS[level]:
            op = self.take().lower()
            boolean, matching = self.skip("bool"), None
            if self.tokens and self.peek().lower() in ("on", "ignoring"):
                on, names, side, include = self.take().lower() == "on", self.names(), None, ()
                if self.tokens and self.peek().lower() in ("group_left", "group_right"):
                    side = self.take().lower().removeprefix("group_")
                    include = self.names() if self.peek() == "(" and (
                        self.peek(1) == ")" or self.kind(1) == "word" and self.peek(2) in (",", ")")) else ()
                matching = tree.Matching(on, names, side, include)
            right = self.expression(level if op == "^" else level + 1)
            left = fold(tree.Binary(op, boolean, matching, left, right))
        return left

    def names(self):
        out = []
        self.take("(")
        while not self.skip(")"):
            out.append(self.take())
            self.skip(",")
        return tuple(out)

    def grouping(self):
        if self.tokens and self.peek().lower() in ("by", "without"):
            return tree.Grouping(self.take().lower() == "without", self.names())
        return None

    def primary(self):
        token = self.peek()
        if token == "{":
            return self.log()
        if token in ("+", "-") or self.kind() == "number":
            sign = self.take() if token in ("+", "-") else "+"
            return tree.Literal(lines.parse_float((sign if sign == "-" else "") + self.take()))
        self.take()
        word = token.lower()
        if word == "(":
            inner = self.expression()
            self.take(")")
            return inner
        if word == "vector":
            return tree.Constant(lines.parse_float(self.names()[0]))
        if word == "label_replace":
            self.take("(")
            inner, texts = self.expression(), []
            while not self.skip(")"):
                self.take(",")
                texts.append(self.string())
            return tree.Replace(inner, *texts)
        if word in RANGES:
            return self.range(word)
        if word not in VECTORS:
            raise ValueError(f"{token} is unknown")
        grouping = self.grouping()
        self.take("(")
        param = None
        if self.kind() == "number" and self.peek(1) == ",":
            param = int(self.take())
            self.take(",")
        inner = self.expression()
        self.take(")")
        return tree.Vector(word, param, inner, grouping or self.grouping())

    def range(self, op):
        self.take("(")
        param = None
        if self.kind() == "number":
            param = float(self.take())
            self.take(",")
        bracket = self.skip("(")
        log = self.log()
        unwrap = self.unwrap()
        if bracket:
            self.take(")")
        length, offset = duration(self.take()[1:-1]), 0
        if self.skip("offset"):
            offset = duration(self.take())
        log = log._replace(stages=log.stages + self.stages())
        unwrap = unwrap or self.unwrap()
        self.take(")")
        return tree.Range(op, param, log, unwrap, length, offset, self.grouping())

    def unwrap(self):
        if not (self.peek() == "|" and self.peek(1) == "unwrap"):
            return None
        self.take("|")
        self.take("unwrap")
        conversion = self.take() if self.peek(1) == "(" else None
        name = self.names()[0] if conversion else self.take()
        filters = []
        while self.skip("|"):
            filters.append(self.filter())
        return tree.Unwrap(conversion, name, filters)

    # ---- logs ----

    def log(self):
        if self.skip("("):
            inner = self.log()
            self.take(")")
            return inner
        self.take("{")
        matchers = []
        while not self.skip("}"):
            matchers.append((self.take(), self.take(), self.string()))
            self.skip(",")
        return tree.Log(matchers, self.stages())

    def stages(self):
        out = []
        while self.tokens and (self.peek() in LINE_OPS or self.peek() == "|" and self.peek(1) != "unwrap"):
            out.append(self.line_filter() if self.peek() in LINE_OPS else self.stage())
        return out

    def line_filter(self):
        op, tests = self.take(), []
        while True:
            ip = self.skip("ip")
            if ip:
                self.take("(")
            tests.append(("ip" if ip else "text", self.string()))
            if ip:
                self.take(")")
            if not self.skip("or"):
                return ("line", op, tests)

    def stage(self):
        self.take("|")
        word = self.peek().lower()
        if word in ("unpack", "decolorize"):
            self.take()
            return (word,)
        if word in ("json", "logfmt"):
            self.take()
            flags = []
            while self.kind() == "flag":
                flags.append(self.take())
            paths = self.pairs() if self.kind() == "word" else None
            return (word, paths) if word == "json" else (word, tuple(flags), paths)
        if word in ("regexp", "pattern", "line_format"):
            self.take()
            return (word, self.string())
        if word == "label_format":
            self.take()
            return (word, self.formats())
        if word in ("drop", "keep"):
            self.take()
            return (word, self.named())
        return ("filter", self.filter())

    def listed(self, one):
        out = [one()]
        while self.peek() == "," and self.kind(1) == "word":
            self.take(",")
            out.append(one())
        return out

    def pairs(self):
        def one():
            name = self.take()
            return (name, self.string() if self.skip("=") else name)
        return self.listed(one)

    def formats(self):
        def one():
            dst = self.take()
            self.take("=")
            return (dst, "template", self.string()) if self.kind() == "string" else (dst, "name", self.take())
        return self.listed(one)

    def named(self):
        def one():
            name = self.take()
            return (name, self.take(), self.string()) if self.peek() in ("=", "!=", "=~", "!~") else (name, None, None)
        return self.listed(one)

    def filter(self):
        """`or` of `and` of single filters; what follows a comma or stands beside is one group on the right."""
        left = self.filter_and()
        while self.skip("or"):
            left = ("or", left, self.filter_and())
        return left

    def filter_and(self):
        left = self.filter_one()
        while True:
            if self.skip("and"):
                left = ("and", left, self.filter_one())
            elif self.skip(",") or self.kind() == "word" and self.peek().lower() not in ("or", "and", "offset") or self.peek() == "(":
                left = ("and", left, self.filter())
            else:
                return left

    def filter_one(self):
        if self.skip("("):
            inner = self.filter()
            self.take(")")
            return inner
        name, op = self.take(), self.take()
        if self.kind() == "string":
            return ("text", name, op, self.string())
        if self.skip("ip"):
            self.take("(")
            made = ("ip", name, op, self.string())
            self.take(")")
            return made
        sign = self.take() if self.peek() in ("+", "-") else ""
        text = sign.replace("+", "") + self.take()
        kind, value = value_of(text)
        return (kind, name, op, value, text)


def fold(node):
    """Two literals are one."""
    import naive
    if isinstance(node.left, tree.Literal) and isinstance(node.right, tree.Literal) and node.op not in naive.SETS:
        return tree.Literal(naive.apply(node.op, node.left.value, node.right.value))
    return node


def parse(text):
    parser = Parser(text)
    made = parser.expression()
    if parser.tokens:
        raise ValueError(f"{parser.tokens[0]} is left over")
    return made
