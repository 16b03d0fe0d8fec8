#include "cli/flags.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/print.h"
#include "server/http/params.h"

#include "base/banned.h"

enum {
    HELP_BYTES_MAX = 64 * 1024,
    HELP_COLUMN = 28, /* where the texts of the flags begin */
    HELP_WIDTH = 80,
};

/* ---- values ---- */

enum status flags_parse_duration(struct str text, int64_t *ret_ns, struct err *err)
{
    int64_t ns;

    if (duration_parse_prometheus(text, &ns, NULL) != ST_OK &&
        duration_parse_go(text, &ns, NULL) != ST_OK)
        return err_set(err, ST_INVALID, "\"%.*s\" is not a duration such as 30s, 1h30m or 7d",
                       STR_ARG(text));
    if (ns < 0)
        return err_set(err, ST_INVALID, "\"%.*s\" is negative", STR_ARG(text));
    *ret_ns = ns;
    return ST_OK;
}

enum status flags_parse_time(struct str text, int64_t *ret_ns, struct err *err)
{
    if (text.len == 0 || params_time(text, 0, ret_ns, NULL) != ST_OK)
        return err_set(err, ST_INVALID,
                       "\"%.*s\" is not a time: it is 2026-03-01T12:00:00Z, or seconds or "
                       "nanoseconds since 1970",
                       STR_ARG(text));
    return ST_OK;
}

static enum status parse_switch(struct str text, bool *ret, struct err *err)
{
    if (!str_eq(text, STR("true")) && !str_eq(text, STR("false")))
        return err_set(err, ST_INVALID, "\"%.*s\" is not true or false", STR_ARG(text));
    *ret = str_eq(text, STR("true"));
    return ST_OK;
}

static enum status parse_number(enum flag_kind kind, struct str text, uint64_t *ret,
                                struct err *err)
{
    enum status st = kind == FLAG_BYTES ? num_parse_bytes(text, ret) : num_parse_u64(text, ret);

    if (st != ST_OK)
        return err_set(err, ST_INVALID, "\"%.*s\" is not a %s", STR_ARG(text),
                       kind == FLAG_BYTES ? "size such as 4096 or 1MiB" : "number");
    return ST_OK;
}

static enum status parse_word(const char *words, struct str text, unsigned *ret, struct err *err)
{
    struct str rest = str_from(words), word;

    for (unsigned i = 0; str_split(&rest, '|', &word); i++) {
        if (str_eq_nocase(word, text)) {
            *ret = i;
            return ST_OK;
        }
    }
    return err_set(err, ST_INVALID, "\"%.*s\" is not one of %s", STR_ARG(text), words);
}

static enum status add_text(struct texts *texts, struct str text, struct err *err)
{
    if (texts->count == TEXTS_MAX)
        return err_set(err, ST_INVALID, "more than %d of them", TEXTS_MAX);
    texts->items[texts->count++] = text;
    return ST_OK;
}

static enum status parse_value(const struct flag_row *f, void *field, struct str text,
                               struct err *err)
{
    struct flag_time *time = field;

    switch (f->kind) {
    case FLAG_SWITCH:
        return parse_switch(text, field, err);
    case FLAG_TEXT:
        *(struct str *)field = text;
        return ST_OK;
    case FLAG_TEXTS:
        return add_text(field, text, err);
    case FLAG_COUNT:
    case FLAG_BYTES:
        return parse_number(f->kind, text, field, err);
    case FLAG_DURATION:
        return flags_parse_duration(text, field, err);
    case FLAG_TIME:
        time->given = true;
        return flags_parse_time(text, &time->ns, err);
    case FLAG_WORD:
        return parse_word(f->value, text, field, err);
    }
    return ST_INTERNAL;
}

static void *field_of(const struct flag_group *g, const struct flag_row *f)
{
    return (char *)g->base + f->offset;
}

/* ---- environment ---- */

static enum status from_environment(const struct flag_group *g, const struct flag_row *f,
                                    struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(f->variables) && f->variables[i] != NULL; i++) {
        const char *value = getenv(f->variables[i]);
        if (value == NULL || value[0] == '\0')
            continue;
        enum status st = parse_value(f, field_of(g, f), str_from(value), err);
        return st == ST_OK ? ST_OK : err_prefix(err, st, "%s", f->variables[i]);
    }
    return ST_OK;
}

static enum status read_environment(const struct command_line *line, struct err *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i < line->group_count; i++) {
        const struct flag_group *g = &line->groups[i];
        for (size_t j = 0; j < g->count && st == ST_OK; j++)
            st = from_environment(g, &g->flags[j], err);
    }
    return st;
}

/* ---- arguments ---- */

struct parsing {
    const struct command_line *line;
    int argc;
    char **argv;
    int at; /* of the argument that is looked at */
    struct texts *operands;
    struct err *err;
};

/* A flag as it stands there, taken apart. */
struct given {
    struct str shown; /* "--limit", "-q" */
    struct str name;  /* empty if it is a letter */
    char letter;
    bool has_value;
    struct str value;
};

static struct given take_apart(struct str arg)
{
    struct given g = {.shown = arg};

    if (!str_starts(arg, STR("--"))) {
        g.letter = arg.ptr[1];
        g.shown = str_head(arg, 2);
        g.has_value = arg.len > 2;
        g.value = str_cut(arg, 2);
        return g;
    }
    size_t equals = str_find_char(arg, '=');
    if (equals != STR_NPOS) {
        g.shown = str_head(arg, equals);
        g.has_value = true;
        g.value = str_cut(arg, equals + 1);
    }
    g.name = str_cut(g.shown, 2);
    return g;
}

static bool is_named(const struct flag_row *f, const struct given *given)
{
    if (given->name.len == 0)
        return given->letter != 0 && f->letter == given->letter;
    return str_eq(str_from(f->name), given->name);
}

static const struct flag_row *find_flag(const struct command_line *line, const struct given *given,
                                        const struct flag_group **ret_group)
{
    for (size_t i = 0; i < line->group_count; i++) {
        *ret_group = &line->groups[i];
        for (size_t j = 0; j < line->groups[i].count; j++) {
            if (is_named(&line->groups[i].flags[j], given))
                return &line->groups[i].flags[j];
        }
    }
    return NULL;
}

/* The argument behind the flag, as its value. */
static enum status next_value(struct parsing *p, struct given *given)
{
    if (p->at + 1 >= p->argc)
        return err_set(p->err, ST_INVALID, "%.*s wants a value", STR_ARG(given->shown));
    given->value = str_from(p->argv[++p->at]);
    given->has_value = true;
    return ST_OK;
}

/* An unknown flag goes to the others with its value; they all have one. */
static enum status take_other(struct parsing *p, struct given *given)
{
    struct flag_others *others = p->line->others;
    int begin = p->at;

    if (others == NULL || given->name.len == 0)
        return err_set(p->err, ST_INVALID, "there is no flag %.*s", STR_ARG(given->shown));
    if (!given->has_value) {
        enum status st = next_value(p, given);
        if (st != ST_OK)
            return st;
    }
    for (int i = begin; i <= p->at; i++)
        others->items[others->count++] = p->argv[i];
    return ST_OK;
}

static enum status take_flag(struct parsing *p, struct given *given)
{
    const struct flag_group *group = NULL;
    const struct flag_row *f = find_flag(p->line, given, &group);
    enum status st = ST_OK;

    if (f == NULL)
        return take_other(p, given);
    if (f->kind == FLAG_SWITCH && !given->has_value)
        given->value = STR("true");
    else if (!given->has_value)
        st = next_value(p, given);
    if (st != ST_OK)
        return st;
    st = parse_value(f, field_of(group, f), given->value, p->err);
    return st == ST_OK ? ST_OK : err_prefix(p->err, st, "%.*s", STR_ARG(given->shown));
}

static enum status take_operand(struct parsing *p, struct str text)
{
    if (p->operands->count >= p->line->operands_max)
        return err_set(p->err, ST_INVALID, "\"%.*s\" is one argument too many", STR_ARG(text));
    return add_text(p->operands, text, p->err);
}

static bool is_help(struct str arg)
{
    return str_eq(arg, STR("--help")) || str_eq(arg, STR("-h"));
}

static enum flags_verdict parse_arguments(struct parsing *p)
{
    bool only_operands = false;

    for (; p->at < p->argc; p->at++) {
        struct str arg = str_from(p->argv[p->at]);
        bool is_flag = !only_operands && arg.len > 1 && arg.ptr[0] == '-';
        enum status st;

        if (is_flag && str_eq(arg, STR("--"))) {
            only_operands = true;
            continue;
        }
        if (is_flag && is_help(arg))
            return FLAGS_HELP;
        if (is_flag) {
            struct given given = take_apart(arg);
            st = take_flag(p, &given);
        } else {
            st = take_operand(p, arg);
        }
        if (st != ST_OK)
            return FLAGS_WRONG;
    }
    return FLAGS_RUN;
}

enum flags_verdict flags_parse(const struct command_line *line, int argc, char **argv,
                               struct texts *ret_operands, struct err *err)
{
    struct parsing p = {
        .line = line, .argc = argc, .argv = argv, .operands = ret_operands, .err = err};

    ASSERT(line->operands_max <= TEXTS_MAX);
    ret_operands->count = 0;
    if (line->others != NULL)
        *line->others = (struct flag_others){argv, 0};
    if (read_environment(line, err) != ST_OK)
        return FLAGS_WRONG;
    enum flags_verdict verdict = parse_arguments(&p);
    if (verdict == FLAGS_RUN && ret_operands->count < line->operands_min) {
        err_set(err, ST_INVALID, "%s is missing", line->operands);
        return FLAGS_WRONG;
    }
    return verdict;
}

/* ---- help ---- */

static void put_usage(struct buf *b, const struct command_line *line)
{
    buf_printf(b, "Usage: skald %s [FLAGS]%s%s\n", line->command,
               line->operands[0] == '\0' ? "" : " ", line->operands);
}

static void put_blanks(struct buf *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_put_char(b, ' ');
}

/* Words from the column HELP_COLUMN on, broken before HELP_WIDTH. `at` is the column now. */
static void put_wrapped(struct buf *b, size_t at, struct str text)
{
    struct str word;

    while (str_split(&text, ' ', &word)) {
        if (at > HELP_COLUMN && at + 1 + word.len > HELP_WIDTH) {
            buf_put_char(b, '\n');
            put_blanks(b, HELP_COLUMN);
            at = HELP_COLUMN;
        } else if (at > HELP_COLUMN) {
            buf_put_char(b, ' ');
            at++;
        }
        buf_put(b, word);
        at += word.len;
    }
    buf_put_char(b, '\n');
}

static void put_variables(struct buf *b, const struct flag_row *f)
{
    if (f->variables[0] == NULL)
        return;
    buf_printf(b, " Variable %s", f->variables[0]);
    if (f->variables[1] != NULL)
        buf_printf(b, " or %s", f->variables[1]);
    buf_put_char(b, '.');
}

static void put_flag(struct buf *b, const struct flag_row *f)
{
    size_t begin = b->len;
    struct buf text;

    if (f->letter != 0)
        buf_printf(b, "  -%c, --%s", f->letter, f->name);
    else
        buf_printf(b, "      --%s", f->name);
    if (f->value != NULL)
        buf_printf(b, " %s", f->value);
    if (b->len - begin + 2 > HELP_COLUMN) {
        buf_put_char(b, '\n');
        begin = b->len;
    }
    put_blanks(b, HELP_COLUMN - (b->len - begin));

    buf_init(&text, HELP_BYTES_MAX);
    buf_put(&text, str_from(f->text));
    put_variables(&text, f);
    put_wrapped(b, HELP_COLUMN, buf_str(&text));
    buf_release(&text);
}

void flags_put_help(struct buf *b, const struct command_line *line)
{
    static const struct flag_row help = {
        .name = "help", .letter = 'h', .kind = FLAG_SWITCH, .text = "Print this."};

    put_usage(b, line);
    buf_printf(b, "\n%s\nFlags:\n", line->text);
    for (size_t i = 0; i < line->group_count; i++) {
        for (size_t j = 0; j < line->groups[i].count; j++)
            put_flag(b, &line->groups[i].flags[j]);
    }
    put_flag(b, &help);
}

static int print_help(const struct command_line *line)
{
    struct buf text;
    struct err err;

    buf_init(&text, HELP_BYTES_MAX);
    flags_put_help(&text, line);
    enum status st = print_out(buf_str(&text), &err);
    if (st == ST_OK)
        st = print_finish(&err);
    buf_release(&text);
    return st == ST_OK ? EXIT_GOOD : print_error(line->command, &err);
}

static int print_wrong(const struct command_line *line, const struct err *err)
{
    struct buf text;

    buf_init(&text, HELP_BYTES_MAX);
    buf_printf(&text, "skald %s: %s\n", line->command, err->text);
    put_usage(&text, line);
    buf_printf(&text, "skald %s --help tells more.\n", line->command);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&text)));
    buf_release(&text);
    return EXIT_USAGE;
}

bool flags_begin(const struct command_line *line, int argc, char **argv, struct texts *ret_operands,
                 int *ret_exit)
{
    struct err err = {.status = ST_OK};

    enum flags_verdict verdict = flags_parse(line, argc, argv, ret_operands, &err);
    if (verdict == FLAGS_RUN)
        return true;
    *ret_exit = verdict == FLAGS_HELP ? print_help(line) : print_wrong(line, &err);
    return false;
}
