/*
 * Three steps, each as the reference takes it:
 *
 * 1. Parse the expression into a small tree. Only what can end in a simpler form is known here:
 *    literals, `.*`, `.+`, groups, alternatives, and the flag for case. Anything else means that
 *    the expression stays as it is, and parsing stops.
 * 2. Go's parser factors alternatives: a run of them with a common literal in front becomes that
 *    literal and the alternatives of what follows it. Neighbours of one character each become a
 *    class, which is no shape that can be simplified.
 * 3. Read terms off the tree.
 */
#include "query/label_regex.h"

#include "base/utf8.h"

#include "base/banned.h"

enum {
    NESTING_MAX = 200,         /* of groups; deeper ones are left alone */
    CONCAT_ITEMS_MAX = 3,      /* a longer sequence is never simplified */
    SHAPE_BYTES_MAX = 4 << 20, /* of the tree, when nobody wants the terms */
};

enum node_kind {
    NODE_EMPTY,
    NODE_LITERAL,
    NODE_ANY_STAR,
    NODE_ANY_PLUS,
    NODE_CONCAT,
    NODE_ALTERNATE,
    NODE_CAPTURE,
};

struct node {
    enum node_kind kind;
    struct str text; /* LITERAL */
    bool any_case;
    char *own_text;      /* LITERAL: not NULL if `text` is ours and has room for `capacity` bytes */
    struct node *inside; /* CAPTURE */
    struct node **items; /* CONCAT, ALTERNATE */
    size_t count;
    size_t capacity;
};

struct shaper {
    struct arena *a;
    struct str rest; /* of the expression */
    bool any_case;
    bool dot_takes_newline;
    bool failed; /* it has no shape */
    unsigned depth;
};

static struct node *fail(struct shaper *s)
{
    s->failed = true;
    return NULL;
}

static struct node *make(struct shaper *s, enum node_kind kind)
{
    struct node *n = arena_new(s->a, struct node, 1);

    if (n == NULL)
        return fail(s);
    n->kind = kind;
    return n;
}

static struct node *make_literal(struct shaper *s, struct str text, bool any_case)
{
    struct node *n = make(s, text.len == 0 ? NODE_EMPTY : NODE_LITERAL);

    if (n == NULL)
        return NULL;
    n->text = text;
    n->any_case = any_case;
    return n;
}

/* Append `item`; one of the list's own kind gives its items instead. */
static void add(struct shaper *s, struct node *list, struct node *item)
{
    if (item == NULL || s->failed)
        return;
    if (item->kind == list->kind) {
        for (size_t i = 0; i < item->count; i++)
            add(s, list, item->items[i]);
        return;
    }
    struct node **items =
        arena_reserve(s->a, list->items, list->count, &list->capacity, sizeof(*items));
    if (items == NULL) {
        (void)fail(s);
        return;
    }
    items[list->count++] = item;
    list->items = items;
}

/* ---- 1. parsing ---- */

static bool accept(struct shaper *s, struct str text)
{
    if (!str_starts(s->rest, text))
        return false;
    s->rest = str_cut(s->rest, text.len);
    return true;
}

static bool at_char(const struct shaper *s, char c)
{
    return s->rest.len > 0 && s->rest.ptr[0] == c;
}

/* `{2}`, `{2,}` or `{2,3}`; every other brace is text. */
static bool at_repeat(const struct shaper *s)
{
    struct str in = s->rest;
    size_t at = 1, digits = 0;

    if (!at_char(s, '{'))
        return false;
    for (bool comma = false; at < in.len; at++) {
        char c = in.ptr[at];
        if (c >= '0' && c <= '9')
            digits++;
        else if (c == ',' && !comma && digits > 0)
            comma = true;
        else
            break;
    }
    return digits > 0 && at < in.len && in.ptr[at] == '}';
}

static bool at_quantifier(const struct shaper *s)
{
    return at_char(s, '*') || at_char(s, '+') || at_char(s, '?') || at_repeat(s);
}

static struct node *parse_dot(struct shaper *s)
{
    enum node_kind kind = NODE_ANY_STAR;

    s->rest = str_cut(s->rest, 1);
    if (s->dot_takes_newline)
        return fail(s);
    if (accept(s, STR("+")))
        kind = NODE_ANY_PLUS;
    else if (!accept(s, STR("*")))
        return fail(s);
    (void)accept(s, STR("?"));
    return at_quantifier(s) ? fail(s) : make(s, kind);
}

/* An escaped character that stands for itself, or a short name of a control character. */
static struct node *parse_escape(struct shaper *s)
{
    static const char names[] = "afnrtv", values[] = "\a\f\n\r\t\v";
    struct str text = str_head(str_cut(s->rest, 1), 1);

    if (text.len == 0)
        return fail(s);
    unsigned char c = (unsigned char)text.ptr[0];
    bool is_word = c >= 0x80 || c == '\0' || (c >= '0' && c <= '9') ||
                   ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    s->rest = str_cut(s->rest, 2);
    if (!is_word)
        return make_literal(s, text, s->any_case);
    const char *name = c == '\0' ? NULL : strchr(names, (int)c);
    return name == NULL ? fail(s)
                        : make_literal(s, str_make(&values[name - names], 1), s->any_case);
}

/* `[.]`: a class of one character is that character. */
static struct node *parse_class(struct shaper *s)
{
    size_t len;

    s->rest = str_cut(s->rest, 1);
    bool escaped = accept(s, STR("\\"));
    if (s->rest.len == 0 || s->any_case || (!escaped && (at_char(s, '^') || at_char(s, '['))))
        return fail(s);
    (void)utf8_decode(s->rest, &len);
    struct str text = str_head(s->rest, len);
    bool is_word = len > 1 || (text.ptr[0] >= '0' && text.ptr[0] <= '9') ||
                   ((text.ptr[0] | 0x20) >= 'a' && (text.ptr[0] | 0x20) <= 'z');
    s->rest = str_cut(s->rest, len);
    if ((escaped && is_word) || !accept(s, STR("]")))
        return fail(s);
    return make_literal(s, text, false);
}

static struct node *parse_alternatives(struct shaper *s);

/* The flags of `(?i)` and `(?i:`; false: it is something else. */
static bool parse_flags(struct shaper *s)
{
    bool on = true;

    for (; s->rest.len > 0; s->rest = str_cut(s->rest, 1)) {
        switch (s->rest.ptr[0]) {
        case '-':
            on = false;
            break;
        case 'i':
            s->any_case = on;
            break;
        case 's':
            s->dot_takes_newline = on;
            break;
        case 'm':
        case 'U':
            break;
        default:
            return at_char(s, ')') || at_char(s, ':');
        }
    }
    return false;
}

/* The opening of a group was passed. Its flags end with it. */
static struct node *parse_inside(struct shaper *s, struct shaper before)
{
    struct node *n = s->depth >= NESTING_MAX ? fail(s) : NULL;

    if (s->failed)
        return n;
    s->depth++;
    n = parse_alternatives(s);
    s->depth--;
    if (s->failed || !accept(s, STR(")")))
        return fail(s);
    s->any_case = before.any_case;
    s->dot_takes_newline = before.dot_takes_newline;
    return n;
}

/* NULL without a failure: only flags were set. */
static struct node *parse_group(struct shaper *s)
{
    struct shaper before = *s;

    (void)accept(s, STR("("));
    if (accept(s, STR("?P<")) || accept(s, STR("?<"))) {
        size_t end = str_find_char(s->rest, '>');
        if (end == STR_NPOS)
            return fail(s);
        s->rest = str_cut(s->rest, end + 1);
    } else if (accept(s, STR("?"))) {
        if (!parse_flags(s))
            return fail(s);
        if (accept(s, STR(")")))
            return NULL;
        (void)accept(s, STR(":"));
        return parse_inside(s, before);
    }
    struct node *inside = parse_inside(s, before);
    struct node *capture = s->failed ? NULL : make(s, NODE_CAPTURE);
    if (capture == NULL)
        return NULL;
    capture->inside = inside;
    return capture;
}

/* A run of characters that stand for themselves. */
static struct node *parse_text(struct shaper *s)
{
    static const char special[] = "\\.[()|*+?{^$";
    size_t len = 1;

    if (at_quantifier(s) || at_char(s, '^') || at_char(s, '$'))
        return fail(s);
    while (len < s->rest.len && memchr(special, s->rest.ptr[len], sizeof(special) - 1) == NULL)
        len++;
    struct str text = str_head(s->rest, len);
    s->rest = str_cut(s->rest, len);
    return make_literal(s, text, s->any_case);
}

static struct node *parse_item(struct shaper *s)
{
    struct node *n;

    switch (s->rest.ptr[0]) {
    case '.':
        return parse_dot(s);
    case '(':
        n = parse_group(s);
        break;
    case '[':
        n = parse_class(s);
        break;
    case '\\':
        n = parse_escape(s);
        break;
    default:
        n = parse_text(s);
        break;
    }
    return n != NULL && at_quantifier(s) ? fail(s) : n;
}

/* Put `more` behind the text of `literal`. */
static void extend(struct shaper *s, struct node *literal, struct str more)
{
    size_t len = literal->text.len + more.len;

    if (literal->own_text == NULL || len > literal->capacity) {
        char *wider = arena_bytes(s->a, 2 * len);
        if (wider == NULL) {
            (void)fail(s);
            return;
        }
        memcpy(wider, literal->text.ptr, literal->text.len);
        literal->own_text = wider;
        literal->capacity = 2 * len;
    }
    memcpy(literal->own_text + literal->text.len, more.ptr, more.len);
    literal->text = str_make(literal->own_text, len);
}

/* Append to a sequence; literals that meet are one. */
static void add_item(struct shaper *s, struct node *concat, struct node *item)
{
    struct node *last = concat->count > 0 ? concat->items[concat->count - 1] : NULL;

    if (last != NULL && item != NULL && last->kind == NODE_LITERAL && item->kind == NODE_LITERAL &&
        last->any_case == item->any_case)
        extend(s, last, item->text);
    else
        add(s, concat, item);
}

/* A list of one is that one, a list of none is empty. */
static struct node *unwrap(struct node *list)
{
    if (list->count == 0)
        list->kind = NODE_EMPTY;
    return list->count == 1 ? list->items[0] : list;
}

static struct node *parse_sequence(struct shaper *s)
{
    struct node *concat = make(s, NODE_CONCAT);

    while (!s->failed && s->rest.len > 0 && !at_char(s, '|') && !at_char(s, ')'))
        add_item(s, concat, parse_item(s));
    return s->failed ? NULL : unwrap(concat);
}

static struct node *factor(struct shaper *s, struct node *alternate);

static struct node *parse_alternatives(struct shaper *s)
{
    struct node *alternate = make(s, NODE_ALTERNATE);

    if (alternate == NULL)
        return NULL;
    do {
        add(s, alternate, parse_sequence(s));
    } while (!s->failed && accept(s, STR("|")));
    return s->failed ? NULL : factor(s, alternate);
}

/* ---- 2. factoring ---- */

/* The literal `n` begins with, or NULL. */
static const struct node *leading(const struct node *n)
{
    ASSERT(n->kind != NODE_CONCAT || n->count > 1); /* a shorter one is not a list */
    if (n->kind == NODE_CONCAT)
        n = n->items[0];
    return n->kind == NODE_LITERAL ? n : NULL;
}

static size_t common_len(struct str a, struct str b, bool any_case)
{
    size_t len = 0;

    while (len < a.len && len < b.len) {
        size_t rune_len;
        (void)utf8_decode(str_cut(a, len), &rune_len);
        struct str l = str_head(str_cut(a, len), rune_len);
        struct str r = str_head(str_cut(b, len), rune_len);
        if (any_case ? !str_eq_nocase(l, r) : !str_eq(l, r))
            break;
        len += rune_len;
    }
    return len;
}

/* `n` without the first `len` bytes of the literal it begins with. */
static struct node *without_leading(struct shaper *s, struct node *n, size_t len)
{
    const struct node *literal = leading(n);
    struct node *shorter = make_literal(s, str_cut(literal->text, len), literal->any_case);

    if (shorter == NULL || n->kind == NODE_LITERAL)
        return shorter;
    struct node *concat = make(s, NODE_CONCAT);
    if (concat == NULL)
        return NULL;
    if (shorter->kind != NODE_EMPTY)
        add(s, concat, shorter);
    for (size_t i = 1; i < n->count; i++)
        add(s, concat, n->items[i]);
    return unwrap(concat);
}

/* The items from `start` to `end` begin with the first `len` bytes of the first one's literal. */
static struct node *factored(struct shaper *s, struct node *const *items, size_t count, size_t len)
{
    const struct node *first = leading(items[0]);
    struct node *tails = make(s, NODE_ALTERNATE), *concat = make(s, NODE_CONCAT);

    if (s->failed)
        return NULL;
    for (size_t i = 0; i < count && !s->failed; i++)
        add(s, tails, without_leading(s, items[i], len));
    add(s, concat, make_literal(s, str_head(first->text, len), first->any_case));
    struct node *tail = s->failed ? NULL : factor(s, tails);
    if (tail == NULL)
        return NULL;

    /* A sequence inside stays one: the reference does not merge it either. */
    struct node **places =
        arena_reserve(s->a, concat->items, concat->count, &concat->capacity, sizeof(*places));
    if (places == NULL)
        return fail(s);
    places[concat->count++] = tail;
    concat->items = places;
    return concat;
}

/* How many alternatives from `start` on share a literal in front, and how long it is. */
static size_t shared_run(const struct node *alternate, size_t start, size_t *ret_len)
{
    const struct node *first = leading(alternate->items[start]);
    size_t end = start + 1;

    ASSERT(start < alternate->count);
    if (first == NULL)
        return 1;
    *ret_len = first->text.len;
    for (; end < alternate->count; end++) {
        const struct node *next = leading(alternate->items[end]);
        if (next == NULL || next->any_case != first->any_case)
            break;
        size_t len = common_len(str_head(first->text, *ret_len), next->text, first->any_case);
        if (len == 0)
            break;
        *ret_len = len;
    }
    return end - start;
}

static bool is_one_char(const struct node *n)
{
    size_t len;

    if (n->kind != NODE_LITERAL)
        return false;
    (void)utf8_decode(n->text, &len);
    return len == n->text.len;
}

static struct node *factor(struct shaper *s, struct node *alternate)
{
    struct node *result = make(s, NODE_ALTERNATE);
    const struct node *last = NULL;

    for (size_t i = 0, run; i < alternate->count && !s->failed; i += run) {
        size_t len = 0;
        run = shared_run(alternate, i, &len);
        struct node *item =
            run == 1 ? alternate->items[i] : factored(s, &alternate->items[i], run, len);
        if (item == NULL)
            return NULL;
        if (last != NULL && is_one_char(last) && is_one_char(item))
            return fail(s); /* a class */
        if (last == NULL || last->kind != NODE_EMPTY || item->kind != NODE_EMPTY)
            add(s, result, item);
        last = item;
    }
    return s->failed ? NULL : unwrap(result);
}

/* ---- 3. reading terms ---- */

struct reader {
    struct shaper *s;
    struct label_regex regex;
    size_t capacity;
};

static void add_term(struct reader *r, struct label_term term)
{
    struct label_regex *regex = &r->regex;
    struct label_term *terms =
        arena_reserve(r->s->a, regex->terms, regex->count, &r->capacity, sizeof(*terms));

    if (terms == NULL) {
        (void)fail(r->s);
        return;
    }
    terms[regex->count++] = term;
    regex->terms = terms;
}

/* `ptr` is NULL when the arena failed. */
static struct str join(struct shaper *s, struct str a, struct str b)
{
    char *text = arena_bytes(s->a, a.len + b.len);

    if (text == NULL) {
        (void)fail(s);
        return STR_NULL;
    }
    if (a.len > 0)
        memcpy(text, a.ptr, a.len);
    if (b.len > 0)
        memcpy(text + a.len, b.ptr, b.len);
    return str_make(text, a.len + b.len);
}

static void contains(struct reader *r, struct str a, struct str b, bool any_case)
{
    add_term(r, (struct label_term){LABEL_TERM_CONTAINS, join(r->s, a, b), any_case});
}

static bool read_sequence(struct reader *r, const struct node *concat, struct str base,
                          bool any_case);

/* Alternatives behind a literal: each becomes a text with that literal in front. */
static bool read_tails(struct reader *r, const struct node *alternate, struct str base,
                       bool any_case)
{
    for (size_t i = 0; i < alternate->count; i++) {
        const struct node *n = alternate->items[i];
        if (n->kind == NODE_EMPTY || n->kind == NODE_ANY_STAR)
            contains(r, base, STR_NULL, any_case);
        else if (n->kind == NODE_LITERAL && n->any_case == any_case)
            contains(r, base, n->text, any_case);
        else if (n->kind != NODE_CONCAT || !read_sequence(r, n, base, any_case))
            return false;
    }
    return true;
}

/* Can the literal `n` be put right behind `base`, `items` items having been read since? */
static bool joins(const struct node *n, struct str base, bool any_case, size_t items)
{
    return base.len == 0 || (items == 0 && n->any_case == any_case);
}

/* `base` is the literal in front of all this, if any. */
static bool read_sequence(struct reader *r, const struct node *concat, struct str base,
                          bool any_case)
{
    size_t literals = 0, items = 0, terms_before = r->regex.count;

    for (size_t i = 0; i < concat->count; i++) {
        const struct node *n = concat->items[i];
        n = n->kind == NODE_CAPTURE ? n->inside : n; /* one level, as there */
        if (n->kind == NODE_EMPTY)
            continue;
        if (items == CONCAT_ITEMS_MAX)
            return false;
        if (n->kind == NODE_LITERAL && literals++ == 0 && joins(n, base, any_case, items)) {
            base = join(r->s, base, n->text);
            any_case = n->any_case;
        } else if (n->kind == NODE_ALTERNATE && base.len > 0) {
            if (!read_tails(r, n, base, any_case))
                return false;
        } else if (n->kind != NODE_ANY_STAR) {
            return false;
        }
        items++;
    }
    if (r->regex.count == terms_before && base.len == 0)
        return false;
    if (r->regex.count == terms_before)
        contains(r, base, STR_NULL, any_case);
    return true;
}

static bool read(struct reader *r, const struct node *n)
{
    switch (n->kind) {
    case NODE_EMPTY:
    case NODE_ANY_STAR:
        return true;
    case NODE_ANY_PLUS:
        add_term(r, (struct label_term){LABEL_TERM_NOT_EMPTY, STR_NULL, false});
        return true;
    case NODE_LITERAL:
        add_term(r, (struct label_term){LABEL_TERM_EQUALS, n->text, n->any_case});
        return true;
    case NODE_CAPTURE:
        return read(r, n->inside);
    case NODE_CONCAT:
        return read_sequence(r, n, STR_NULL, false);
    case NODE_ALTERNATE:
        for (size_t i = 0; i < n->count; i++) {
            if (!read(r, n->items[i]))
                return false;
        }
        return true;
    }
    return false;
}

enum status label_regex_simplify(struct arena *a, struct str expression, struct label_regex *ret,
                                 struct err *err)
{
    struct shaper s = {.a = a, .rest = expression};
    struct reader r = {.s = &s, .regex = {.kind = LABEL_REGEX_WHOLE}};

    struct node *n = parse_alternatives(&s);
    bool simple = n != NULL && s.rest.len == 0 && read(&r, n) && !s.failed;
    if (a->failed)
        return arena_status(a, err);
    if (!simple)
        r.regex = (struct label_regex){.kind = LABEL_REGEX_WHOLE};
    else
        r.regex.kind = r.regex.count == 0 ? LABEL_REGEX_ALWAYS : LABEL_REGEX_ANY_OF;
    *ret = r.regex;
    return ST_OK;
}

bool label_regex_is_simple(struct str expression)
{
    struct label_regex regex;
    struct arena a;

    arena_init(&a, SHAPE_BYTES_MAX);
    bool simple = label_regex_simplify(&a, expression, &regex, NULL) == ST_OK &&
                  regex.kind != LABEL_REGEX_WHOLE;
    arena_release(&a);
    return simple;
}
