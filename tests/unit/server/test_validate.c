#include "server/store/validate.h"

#include "base/time.h"
#include "tests/support/expect.h"

#include "base/banned.h"

enum { ARENA_BYTES = 16 * 1024 * 1024, TEXT_BYTES = 4 * 1024 * 1024 };

#define NOW (INT64_C(1795215054) * SECOND_NS) /* 2026-11-20T22:50:54Z */

/* ---- a push with its limits ---- */

struct fixture {
    struct config config;
    struct arena arena;
    struct tenant_counters counters;
    struct push_check check;
    struct err err;
    struct push_stream streams[4];
    struct push_request request;
};

/* `settings` are "name=value" with a blank between them, on top of the defaults. */
static void fixture_begin(struct fixture *f, struct str settings)
{
    struct str setting, name;

    memset(f, 0, sizeof(*f));
    arena_init(&f->arena, ARENA_BYTES);
    REQUIRE_OK(config_init(&f->config, &f->err));
    while (settings.len > 0 && str_split(&settings, ' ', &setting)) {
        cr_assert(str_split(&setting, '=', &name));
        struct str key = arena_printf(&f->arena, "limits.%.*s", STR_ARG(name));
        cr_assert_eq(config_set(&f->config, key, setting, &f->err), ST_OK, "%s", f->err.text);
    }
    f->err.text[0] = '\0';
    f->request.streams = f->streams;
    f->check = (struct push_check){
        .arena = &f->arena, .limits = &f->config.limits, .counters = &f->counters, .now_ns = NOW};
}

static void fixture_end(struct fixture *f)
{
    arena_release(&f->arena);
    config_release(&f->config);
}

/* The pairs of "name=value" with a bar between them, in this order, as a decoder gives them. */
static struct labels pairs_of(struct arena *a, struct str text)
{
    struct label *pairs = arena_new(a, struct label, 1000);
    struct str pair, name;
    size_t count = 0;

    while (text.len > 0 && str_split(&text, '|', &pair)) {
        cr_assert(str_split(&pair, '=', &name));
        pairs[count++] = (struct label){name, pair};
    }
    return (struct labels){pairs, count};
}

static void add_stream(struct fixture *f, struct str labels, const struct entry *entries,
                       size_t count)
{
    struct push_stream *s = &f->streams[f->request.stream_count++];

    cr_assert_leq(f->request.stream_count, COUNT_OF(f->streams));
    cr_assert_eq(labels_parse(&f->arena, labels, &s->labels, &f->err), ST_OK, "%s", f->err.text);
    s->entries = arena_new(&f->arena, struct entry, count + 1);
    if (count > 0)
        memcpy(s->entries, entries, count * sizeof(*entries));
    s->entry_count = count;
}

/* What is left of the request: a line for each stream, times counted from now. */
static struct str stored_text(struct fixture *f)
{
    struct buf b;

    buf_init(&b, TEXT_BYTES);
    for (size_t i = 0; i < f->request.stream_count; i++) {
        const struct push_stream *s = &f->request.streams[i];
        labels_put_text(&b, s->labels);
        for (size_t k = 0; k < s->entry_count; k++) {
            buf_put_char(&b, ' ');
            buf_put_i64(&b, s->entries[k].ts_ns - NOW);
            buf_put_char(&b, ':');
            buf_put(&b, s->entries[k].line);
            labels_put_text(&b, s->entries[k].metadata);
        }
        buf_put_char(&b, '\n');
    }
    struct str text = arena_str(&f->arena, buf_str(&b));
    buf_release(&b);
    return text;
}

static struct str errors_text(struct fixture *f)
{
    struct buf b;

    buf_init(&b, TEXT_BYTES);
    push_errors_put(&b, &f->check.errors);
    struct str text = arena_str(&f->arena, buf_str(&b));
    buf_release(&b);
    return text;
}

static uint64_t discarded_entries(struct fixture *f)
{
    uint64_t sum = 0;

    for (unsigned reason = 0; reason < DISCARD_REASON_COUNT; reason++)
        sum += counter_get(&f->counters.discarded[reason].entries);
    return sum;
}

/* ---- one stream with one entry ---- */

#define NONE DISCARD_REASON_COUNT
#define BARE "discover_log_levels=false" /* so that only the case itself is stored */
#define SEE(limit, verb) \
    "Please see `limits_config." limit "` or contact your Loki administrator to " verb " it"
#define WEB "{app=\"web\", service_name=\"web\"}"

static const struct entry_case {
    const char *name;
    struct str settings;
    struct str labels;
    struct str line;
    int64_t after_now_ns;
    struct str metadata;
    struct str want; /* as it is stored, or what the answer says */
    enum discard_reason reason;
} entry_cases[] = {
    {"plain", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("hello"), -5, STR_INIT(""),
     STR_INIT(WEB " -5:hello{detected_level=\"unknown\"}\n"), NONE},
    {"empty line", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT(""), 0, STR_INIT(""),
     STR_INIT(WEB " 0:{}\n"), NONE},

    /* service_name */
    {"no labels", STR_INIT(BARE), STR_INIT("{}"), STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("{service_name=\"unknown_service\"} 0:x{}\n"), NONE},
    {"no label of the list", STR_INIT(BARE), STR_INIT("{x=\"1\"}"), STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("{service_name=\"unknown_service\", x=\"1\"} 0:x{}\n"), NONE},
    {"own service_name", STR_INIT(BARE), STR_INIT("{app=\"a\", service_name=\"mine\"}"),
     STR_INIT("x"), 0, STR_INIT(""), STR_INIT("{app=\"a\", service_name=\"mine\"} 0:x{}\n"), NONE},
    {"first of the list", STR_INIT(BARE), STR_INIT("{app=\"a\", job=\"j\", service=\"s\"}"),
     STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("{app=\"a\", job=\"j\", service=\"s\", service_name=\"s\"} 0:x{}\n"), NONE},
    {"last of the list", STR_INIT(BARE), STR_INIT("{k8s_job_name=\"k\"}"), STR_INIT("x"), 0,
     STR_INIT(""), STR_INIT("{k8s_job_name=\"k\", service_name=\"k\"} 0:x{}\n"), NONE},
    {"another list", STR_INIT(BARE " discover_service_name=team,x"),
     STR_INIT("{app=\"a\", x=\"1\"}"), STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("{app=\"a\", service_name=\"1\", x=\"1\"} 0:x{}\n"), NONE},
    {"switched off", STR_INIT(BARE " discover_service_name="), STR_INIT("{app=\"a\"}"),
     STR_INIT("x"), 0, STR_INIT(""), STR_INIT("{app=\"a\"} 0:x{}\n"), NONE},
    {"aggregated metrics", STR_INIT(BARE), STR_INIT("{__aggregated_metric__=\"a\"}"), STR_INIT("x"),
     0, STR_INIT(""), STR_INIT("{__aggregated_metric__=\"a\"} 0:x{}\n"), NONE},
    {"patterns", STR_INIT(BARE), STR_INIT("{__pattern__=\"a\"}"), STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("{__pattern__=\"a\"} 0:x{}\n"), NONE},

    /* labels */
    {"no labels at all", STR_INIT("discover_service_name="), STR_INIT("{}"), STR_INIT("x"), 0,
     STR_INIT(""), STR_INIT("error at least one label pair is required per stream"),
     DISCARD_MISSING_LABELS},
    {"service_name is not counted", STR_INIT(BARE " max_label_names_per_series=2"),
     STR_INIT("{a=\"1\", b=\"2\"}"), STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("{a=\"1\", b=\"2\", service_name=\"unknown_service\"} 0:x{}\n"), NONE},
    {"too many labels", STR_INIT("max_label_names_per_series=1"), STR_INIT("{a=\"1\", b=\"2\"}"),
     STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("entry for stream '{a=\"1\", b=\"2\", service_name=\"unknown_service\"}' has 2 label "
              "names; limit 1"),
     DISCARD_MAX_LABEL_NAMES},
    {"name too long", STR_INIT("max_label_name_length=12"), STR_INIT("{app_container=\"a\"}"),
     STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("stream '{app_container=\"a\", service_name=\"unknown_service\"}' has label name too "
              "long: 'app_container'"),
     DISCARD_LABEL_NAME_TOO_LONG},
    {"value too long", STR_INIT("max_label_value_length=15"), STR_INIT("{a=\"0123456789abcdef\"}"),
     STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("stream '{a=\"0123456789abcdef\", service_name=\"unknown_service\"}' has label value "
              "too long: '0123456789abcdef'"),
     DISCARD_LABEL_VALUE_TOO_LONG},
    {"duplicate", STR_INIT(""), STR_INIT("{a=\"1\",a=\"2\"}"), STR_INIT("x"), 0, STR_INIT(""),
     STR_INIT("stream '{a=\"1\", a=\"2\", service_name=\"unknown_service\"}' has duplicate label "
              "name: 'a'"),
     DISCARD_DUPLICATE_LABEL_NAMES},

    /* times */
    {"old is fine", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), -NOW, STR_INIT(""),
     STR_INIT(WEB " -1795215054000000000:x{}\n"), NONE},
    {"as old as it may be", STR_INIT(BARE " reject_old_samples=true"), STR_INIT("{app=\"web\"}"),
     STR_INIT("x"), -7 * DAY_NS, STR_INIT(""), STR_INIT(WEB " -604800000000000:x{}\n"), NONE},
    {"too old", STR_INIT("reject_old_samples=true"), STR_INIT("{app=\"web\"}"), STR_INIT("x"),
     -7 * DAY_NS - 1, STR_INIT(""),
     STR_INIT("entry for stream '" WEB "' has timestamp too old: 2026-11-13T22:50:53Z, oldest "
              "acceptable timestamp is: 2026-11-13T22:50:54Z"),
     DISCARD_TOO_OLD},
    {"too old for another age", STR_INIT("reject_old_samples=true reject_old_samples_max_age=1h"),
     STR_INIT("{app=\"web\"}"), STR_INIT("x"), -2 * HOUR_NS, STR_INIT(""),
     STR_INIT("entry for stream '" WEB "' has timestamp too old: 2026-11-20T20:50:54Z, oldest "
              "acceptable timestamp is: 2026-11-20T21:50:54Z"),
     DISCARD_TOO_OLD},
    {"as new as it may be", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"),
     10 * MINUTE_NS, STR_INIT(""), STR_INIT(WEB " 600000000000:x{}\n"), NONE},
    {"too new", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 2 * HOUR_NS, STR_INIT(""),
     STR_INIT("entry for stream '" WEB "' has timestamp too new: 2026-11-21T00:50:54Z"),
     DISCARD_TOO_NEW},
    {"too new by a little", STR_INIT("creation_grace_period=0s"), STR_INIT("{app=\"web\"}"),
     STR_INIT("x"), 1, STR_INIT(""),
     STR_INIT("entry for stream '" WEB "' has timestamp too new: 2026-11-20T22:50:54Z"),
     DISCARD_TOO_NEW},

    /* lines */
    {"as long as it may be", STR_INIT(BARE " max_line_size=5B"), STR_INIT("{app=\"web\"}"),
     STR_INIT("12345"), 0, STR_INIT(""), STR_INIT(WEB " 0:12345{}\n"), NONE},
    {"too long", STR_INIT("max_line_size=5B"), STR_INIT("{app=\"web\"}"), STR_INIT("123456"), 0,
     STR_INIT(""),
     STR_INIT("max entry size '5' bytes exceeded for stream '" WEB "' while adding an entry with "
              "length '6' bytes"),
     DISCARD_LINE_TOO_LONG},
    {"cut", STR_INIT(BARE " max_line_size=5B max_line_size_truncate=true"),
     STR_INIT("{app=\"web\"}"), STR_INIT("123456"), 0, STR_INIT(""), STR_INIT(WEB " 0:12345{}\n"),
     NONE},
    {"no limit", STR_INIT(BARE " max_line_size=0B"), STR_INIT("{app=\"web\"}"), STR_INIT("123456"),
     0, STR_INIT(""), STR_INIT(WEB " 0:123456{}\n"), NONE},

    /* structured metadata */
    {"sorted", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0, STR_INIT("b=2|a=1"),
     STR_INIT(WEB " 0:x{a=\"1\", b=\"2\"}\n"), NONE},
    {"empty values", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("a=|b=2"), STR_INIT(WEB " 0:x{b=\"2\"}\n"), NONE},
    {"name of a stream label", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("app=other"), STR_INIT(WEB " 0:x{app=\"other\"}\n"), NONE},
    {"not allowed", STR_INIT("allow_structured_metadata=false"), STR_INIT("{app=\"web\"}"),
     STR_INIT("x"), 0, STR_INIT("a=1"),
     STR_INIT("stream '" WEB "' includes structured metadata, but this feature is disallowed. " SEE(
         "allow_structured_metadata", "enable")),
     DISCARD_METADATA_NOT_ALLOWED},
    {"nothing where it is not allowed", STR_INIT("allow_structured_metadata=false"),
     STR_INIT("{app=\"web\"}"), STR_INIT("x level=error"), 0, STR_INIT(""),
     STR_INIT(WEB " 0:x level=error{}\n"), NONE},
    {"as much as there may be", STR_INIT(BARE " max_structured_metadata_size=4B"),
     STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0, STR_INIT("a=1|b=2"),
     STR_INIT(WEB " 0:x{a=\"1\", b=\"2\"}\n"), NONE},
    {"too much", STR_INIT("max_structured_metadata_size=4B"), STR_INIT("{app=\"web\"}"),
     STR_INIT("x"), 0, STR_INIT("a=1|b=23"),
     STR_INIT("stream '" WEB
              "' has structured metadata too large: '5' bytes, limit: '4' bytes. " SEE(
                  "max_structured_metadata_size", "increase")),
     DISCARD_METADATA_TOO_LARGE},
    {"as many as there may be", STR_INIT(BARE " max_structured_metadata_entries_count=2"),
     STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0, STR_INIT("a=1|b=2"),
     STR_INIT(WEB " 0:x{a=\"1\", b=\"2\"}\n"), NONE},
    {"too many", STR_INIT("max_structured_metadata_entries_count=1"), STR_INIT("{app=\"web\"}"),
     STR_INIT("x"), 0, STR_INIT("a=1|b=2"),
     STR_INIT("stream '" WEB "' has too many structured metadata labels: '2', limit: '1'. " SEE(
         "max_structured_metadata_entries_count", "increase")),
     DISCARD_METADATA_TOO_MANY},
    {"dots", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0, STR_INIT("a.b=1"),
     STR_INIT(WEB " 0:x{a_b=\"1\"}\n"), NONE},
    {"runs", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("weird-key!!x=1|a__b=2"), STR_INIT(WEB " 0:x{a_b=\"2\", weird_key_x=\"1\"}\n"), NONE},
    {"leading digit", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("9x=1|7=2"), STR_INIT(WEB " 0:x{key_7=\"2\", key_9x=\"1\"}\n"), NONE},
    {"underscores around it", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("__x__=1|_y=2|__z=3"), STR_INIT(WEB " 0:x{__x__=\"1\", _y=\"2\", _z=\"3\"}\n"), NONE},
    {"letters of other languages", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("stra\xc3\x9f"
              "e=1"),
     STR_INIT(WEB " 0:x{stra_e=\"1\"}\n"), NONE},
    {"empty name", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0, STR_INIT("=1"),
     STR_INIT("label name is empty"), DISCARD_METADATA_NAME},
    {"nothing left of the name", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("\xc3\xa9=1"),
     STR_INIT("normalization for label name \"\xc3\xa9\" resulted in invalid name \"_\""),
     DISCARD_METADATA_NAME},
    {"the name is quoted", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("\"\0=1"),
     STR_INIT("normalization for label name \"\\\"\\x00\" resulted in invalid name \"_\""),
     DISCARD_METADATA_NAME},
    {"the last of one name", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("a=1|a=2"), STR_INIT(WEB " 0:x{a=\"2\"}\n"), NONE},
    {"the last of one new name", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("a.b=1|a-b=2"), STR_INIT(WEB " 0:x{a_b=\"2\"}\n"), NONE},
    {"a renamed one behind", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("a_b=1|a.b=2"), STR_INIT(WEB " 0:x{a_b=\"2\"}\n"), NONE},
    {"a renamed one in front", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("a.b=1|a_b=2"), STR_INIT(WEB " 0:x{a_b=\"1\"}\n"), NONE},
    {"invalid UTF-8", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("a=1\xff\xfe"
              "2\xc3\xa4"),
     STR_INIT(WEB " 0:x{a=\"1  2\xc3\xa4\"}\n"), NONE},

    /* detected_level */
    {"of the line", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("x level=WARNING"), 0,
     STR_INIT(""), STR_INIT(WEB " 0:x level=WARNING{detected_level=\"warn\"}\n"), NONE},
    {"beside other metadata", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("an error"), 0,
     STR_INIT("z=1|a=2"), STR_INIT(WEB " 0:an error{a=\"2\", detected_level=\"error\", z=\"1\"}\n"),
     NONE},
    {"of metadata", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("level=error"), 0,
     STR_INIT("severity=INF"),
     STR_INIT(WEB " 0:level=error{detected_level=\"info\", severity=\"INF\"}\n"), NONE},
    {"of the stream", STR_INIT(""), STR_INIT("{app=\"web\", level=\"dbg\"}"),
     STR_INIT("level=error"), 0, STR_INIT(""),
     STR_INIT("{app=\"web\", level=\"dbg\", service_name=\"web\"} 0:level=error{detected_level="
              "\"debug\"}\n"),
     NONE},
    {"it is there already", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("level=error"), 0,
     STR_INIT("detected_level=WRN"), STR_INIT(WEB " 0:level=error{detected_level=\"warn\"}\n"),
     NONE},
    {"unknown words stay", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("detected_level=custom"), STR_INIT(WEB " 0:x{detected_level=\"custom\"}\n"), NONE},
    {"switched off, it stays as it is", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("detected_level=WRN"), STR_INIT(WEB " 0:x{detected_level=\"WRN\"}\n"), NONE},
    {"invalid UTF-8 in it", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("detected_level=a\xff"), STR_INIT(WEB " 0:x{detected_level=\"a \"}\n"), NONE},
    {"invalid UTF-8 in it, switched off", STR_INIT(BARE), STR_INIT("{app=\"web\"}"), STR_INIT("x"),
     0, STR_INIT("detected_level=a\xff"), STR_INIT(WEB " 0:x{detected_level=\"a \"}\n"), NONE},
    {"invalid UTF-8 where it comes from", STR_INIT(""), STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0,
     STR_INIT("level=a\xff"), STR_INIT(WEB " 0:x{detected_level=\"a \", level=\"a \"}\n"), NONE},
    {"another field", STR_INIT("log_level_fields=prio"), STR_INIT("{app=\"web\"}"),
     STR_INIT("prio=error level=info"), 0, STR_INIT(""),
     STR_INIT(WEB " 0:prio=error level=info{detected_level=\"error\"}\n"), NONE},

    /* what is checked first */
    {"time before line", STR_INIT("max_line_size=1B"), STR_INIT("{app=\"web\"}"),
     STR_INIT("123456"), DAY_NS, STR_INIT(""),
     STR_INIT("entry for stream '" WEB "' has timestamp too new: 2026-11-21T22:50:54Z"),
     DISCARD_TOO_NEW},
    {"line before metadata", STR_INIT("max_line_size=1B allow_structured_metadata=false"),
     STR_INIT("{app=\"web\"}"), STR_INIT("12"), 0, STR_INIT("a=1"),
     STR_INIT("max entry size '1' bytes exceeded for stream '" WEB "' while adding an entry with "
              "length '2' bytes"),
     DISCARD_LINE_TOO_LONG},
    {"size before count",
     STR_INIT("max_structured_metadata_size=1B max_structured_metadata_entries_count=0"),
     STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0, STR_INIT("=1|b=2"),
     STR_INIT("stream '" WEB
              "' has structured metadata too large: '3' bytes, limit: '1' bytes. " SEE(
                  "max_structured_metadata_size", "increase")),
     DISCARD_METADATA_TOO_LARGE},
    {"count before names", STR_INIT("max_structured_metadata_entries_count=1"),
     STR_INIT("{app=\"web\"}"), STR_INIT("x"), 0, STR_INIT("=1|b=2"),
     STR_INIT("stream '" WEB "' has too many structured metadata labels: '2', limit: '1'. " SEE(
         "max_structured_metadata_entries_count", "increase")),
     DISCARD_METADATA_TOO_MANY},
};

Test(validate, entries)
{
    for (size_t i = 0; i < COUNT_OF(entry_cases); i++) {
        const struct entry_case *c = &entry_cases[i];
        static struct fixture f;

        fixture_begin(&f, c->settings);
        struct entry e = {NOW + c->after_now_ns, c->line, pairs_of(&f.arena, c->metadata)};
        add_stream(&f, c->labels, &e, 1);
        EXPECT_STATUS(c->name, validate_push(&f.check, &f.request, &f.err), ST_OK);
        bool refused = c->reason != NONE;
        EXPECT_STR(c->name, stored_text(&f), refused ? STR("") : c->want);
        EXPECT_STR(c->name, errors_text(&f), refused ? c->want : STR(""));
        cr_expect_eq(f.check.entries, refused ? 0 : 1, "%s", c->name);
        cr_expect_eq(discarded_entries(&f), refused ? 1 : 0, "%s", c->name);
        if (refused)
            cr_expect_eq(counter_get(&f.counters.discarded[c->reason].entries), 1, "%s", c->name);
        fixture_end(&f);
    }
}

/* ---- the defaults, at their border and one above ---- */

static struct str of_length(struct fixture *f, size_t len)
{
    char *to = arena_bytes(&f->arena, len);

    cr_assert_not_null(to);
    memset(to, 'a', len);
    return str_make(to, len);
}

static const struct default_case {
    const char *name;
    size_t max;
    enum discard_reason reason;
} default_cases[] = {
    {"line", 262144, DISCARD_LINE_TOO_LONG},         {"name", 1024, DISCARD_LABEL_NAME_TOO_LONG},
    {"value", 2048, DISCARD_LABEL_VALUE_TOO_LONG},   {"labels", 15, DISCARD_MAX_LABEL_NAMES},
    {"metadata", 65536, DISCARD_METADATA_TOO_LARGE}, {"pairs", 128, DISCARD_METADATA_TOO_MANY},
};

/* `count` labels l1, l2 and so on. */
static struct labels many(struct fixture *f, size_t count)
{
    struct label *pairs = arena_new(&f->arena, struct label, count);

    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct label){arena_printf(&f->arena, "l%03zu", i), STR("v")};
    return (struct labels){pairs, count};
}

static void add_sized(struct fixture *f, enum discard_reason reason, size_t size)
{
    struct entry e = {NOW, STR("x"), {NULL, 0}};
    struct label *pair = arena_new(&f->arena, struct label, 1);

    *pair = (struct label){STR("m"), STR("v")};
    add_stream(f, STR("{}"), &e, 1);
    struct push_stream *s = &f->streams[0];
    if (reason == DISCARD_LINE_TOO_LONG)
        s->entries[0].line = of_length(f, size);
    else if (reason == DISCARD_LABEL_NAME_TOO_LONG)
        pair->name = of_length(f, size);
    else if (reason == DISCARD_LABEL_VALUE_TOO_LONG)
        pair->value = of_length(f, size);
    else if (reason == DISCARD_METADATA_TOO_LARGE)
        pair->value = of_length(f, size - 1);
    s->labels = (struct labels){pair, 1};
    if (reason == DISCARD_MAX_LABEL_NAMES)
        s->labels = many(f, size);
    if (reason == DISCARD_METADATA_TOO_MANY)
        s->entries[0].metadata = many(f, size);
    if (reason == DISCARD_METADATA_TOO_LARGE) {
        s->entries[0].metadata = (struct labels){pair, 1};
        s->labels = many(f, 1);
    }
}

Test(validate, defaults)
{
    for (size_t i = 0; i < 2 * COUNT_OF(default_cases); i++) {
        const struct default_case *c = &default_cases[i / 2];
        static struct fixture f;
        size_t more = i % 2;

        fixture_begin(&f, STR(""));
        add_sized(&f, c->reason, c->max + more);
        REQUIRE_OK(validate_push(&f.check, &f.request, &f.err));
        cr_expect_eq(f.check.entries, 1 - more, "%s: %zu", c->name, c->max + more);
        cr_expect_eq(counter_get(&f.counters.discarded[c->reason].entries), more, "%s: %zu",
                     c->name, c->max + more);
        fixture_end(&f);
    }
}

/* ---- requests ---- */

Test(validate, nothing_is_stored)
{
    static const struct {
        struct str labels;
        enum status st;
        struct str text;
    } cases[] = {
        {STR_INIT(""), ST_EMPTY,
         STR_INIT("error at least one valid stream is required for ingestion")},
        {STR_INIT("{a=\"1\", __backfill__=\"1\"}"), ST_INVALID,
         STR_INIT("labels __backfill__ and __backfill_shard__ are reserved")},
        {STR_INIT("{__backfill_shard__=\"1\"}"), ST_INVALID,
         STR_INIT("labels __backfill__ and __backfill_shard__ are reserved")},
    };
    static const struct entry e = {NOW, STR_INIT("x"), {NULL, 0}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        static struct fixture f;

        fixture_begin(&f, STR(""));
        if (cases[i].labels.len > 0) {
            add_stream(&f, STR("{a=\"1\"}"), &e, 1);
            add_stream(&f, cases[i].labels, &e, 1);
        }
        EXPECT_STATUS("status", validate_request(&f.request, &f.err), cases[i].st);
        EXPECT_STR("text", str_from(f.err.text), cases[i].text);
        fixture_end(&f);
    }
}

/* Good entries are kept beside bad ones, and the answer counts what was refused for one reason. */
Test(validate, partial_success)
{
    static const struct entry web[] = {
        {NOW, STR_INIT("good"), {NULL, 0}},      {NOW + DAY_NS, STR_INIT("future"), {NULL, 0}},
        {NOW, STR_INIT("long long"), {NULL, 0}}, {NOW + DAY_NS, STR_INIT("again"), {NULL, 0}},
        {NOW + 1, STR_INIT("good2"), {NULL, 0}},
    };
    static const struct entry bad[] = {{NOW, STR_INIT("a"), {NULL, 0}},
                                       {NOW, STR_INIT("bc"), {NULL, 0}}};
    static struct fixture f;

    fixture_begin(&f, STR(BARE " max_line_size=8B"));
    add_stream(&f, STR("{a=\"1\",a=\"2\"}"), bad, 2);
    add_stream(&f, STR("{app=\"web\"}"), web, COUNT_OF(web));
    add_stream(&f, STR("{app=\"none\"}"), web, 0);
    add_stream(&f, STR("{app=\"late\"}"), web + 1, 1);
    REQUIRE_OK(validate_push(&f.check, &f.request, &f.err));
    EXPECT_STR("stored", stored_text(&f), STR(WEB " 0:good{} 1:good2{}\n"));
    EXPECT_STR(
        "errors", errors_text(&f),
        STR("1 errors like: stream '{a=\"1\", a=\"2\", service_name=\"unknown_service\"}' has "
            "duplicate label name: 'a'; "
            "2 errors like: entry for stream '" WEB
            "' has timestamp too new: 2026-11-21T22:50:54Z; "
            "1 errors like: max entry size '8' bytes exceeded for stream '" WEB
            "' while adding an entry with length '9' bytes; "
            "1 errors like: entry for stream '{app=\"late\", service_name=\"late\"}' has "
            "timestamp too new: 2026-11-21T22:50:54Z"));
    cr_expect_eq(f.check.entries, 2);
    cr_expect_eq(f.check.bytes, 9);
    cr_expect_eq(counter_get(&f.counters.lines_received), 8);
    cr_expect_eq(counter_get(&f.counters.bytes_received), 3 + 4 + 6 + 9 + 5 + 5 + 6);
    cr_expect_eq(counter_get(&f.counters.discarded[DISCARD_DUPLICATE_LABEL_NAMES].entries), 2);
    cr_expect_eq(counter_get(&f.counters.discarded[DISCARD_DUPLICATE_LABEL_NAMES].bytes), 3);
    cr_expect_eq(counter_get(&f.counters.discarded[DISCARD_TOO_NEW].entries), 3);
    cr_expect_eq(counter_get(&f.counters.discarded[DISCARD_TOO_NEW].bytes), 17);
    cr_expect_eq(counter_get(&f.counters.discarded[DISCARD_LINE_TOO_LONG].bytes), 9);
    fixture_end(&f);
}

Test(validate, counted_bytes)
{
    static const struct label metadata[] = {{STR_INIT("trace"), STR_INIT("123")}};
    static const struct entry e = {NOW, STR_INIT("0123456789"), {metadata, 1}};
    static struct fixture f;

    fixture_begin(&f, STR("max_line_size=4B max_line_size_truncate=true"));
    add_stream(&f, STR("{app=\"web\"}"), &e, 1);
    REQUIRE_OK(validate_push(&f.check, &f.request, &f.err));
    cr_expect_eq(f.check.bytes, 4 + 8, "what is stored, without detected_level");
    cr_expect_eq(counter_get(&f.counters.bytes_received), 10 + 8);
    cr_expect_eq(counter_get(&f.counters.metadata_bytes_received), 8);
    cr_expect_eq(counter_get(&f.counters.lines_truncated), 1);
    cr_expect_eq(counter_get(&f.counters.bytes_truncated), 6);
    fixture_end(&f);
}

static const struct bump_case {
    const char *name;
    struct entry entries[4];
    size_t count;
    struct str want;
} bump_cases[] = {
    {"other line",
     {{NOW, STR_INIT("a"), {NULL, 0}}, {NOW, STR_INIT("b"), {NULL, 0}}},
     2,
     STR_INIT(WEB " 0:a{} 1:b{}\n")},
    {"same line",
     {{NOW, STR_INIT("a"), {NULL, 0}}, {NOW, STR_INIT("a"), {NULL, 0}}},
     2,
     STR_INIT(WEB " 0:a{} 0:a{}\n")},
    {"all at one time",
     {{NOW, STR_INIT("a"), {NULL, 0}},
      {NOW, STR_INIT("b"), {NULL, 0}},
      {NOW, STR_INIT("c"), {NULL, 0}}},
     3,
     STR_INIT(WEB " 0:a{} 1:b{} 2:c{}\n")},
    {"at the time a bumped one has now",
     {{NOW, STR_INIT("a"), {NULL, 0}},
      {NOW, STR_INIT("b"), {NULL, 0}},
      {NOW + 1, STR_INIT("c"), {NULL, 0}}},
     3,
     STR_INIT(WEB " 0:a{} 1:b{} 2:c{}\n")},
    {"only the one before counts",
     {{NOW, STR_INIT("a"), {NULL, 0}},
      {NOW + 5, STR_INIT("b"), {NULL, 0}},
      {NOW, STR_INIT("c"), {NULL, 0}}},
     3,
     STR_INIT(WEB " 0:a{} 5:b{} 0:c{}\n")},
    {"a refused one does not count",
     {{NOW, STR_INIT("a"), {NULL, 0}},
      {NOW + DAY_NS, STR_INIT("b"), {NULL, 0}},
      {NOW, STR_INIT("c"), {NULL, 0}}},
     3,
     STR_INIT(WEB " 0:a{} 1:c{}\n")},
};

Test(validate, duplicate_times)
{
    for (size_t i = 0; i < COUNT_OF(bump_cases); i++) {
        const struct bump_case *c = &bump_cases[i];
        static struct fixture f;

        fixture_begin(&f, STR(BARE " increment_duplicate_timestamp=true"));
        add_stream(&f, STR("{app=\"web\"}"), c->entries, c->count);
        REQUIRE_OK(validate_push(&f.check, &f.request, &f.err));
        EXPECT_STR(c->name, stored_text(&f), c->want);
        fixture_end(&f);
    }
}

/* Entries with the same level share a set, so that whoever stores them sees it. */
Test(validate, levels_share_sets)
{
    static const char *const levels[] = {"trace", "debug",    "info",  "warn",
                                         "error", "critical", "fatal", "unknown"};
    enum { LEVELS = COUNT_OF(levels), ENTRIES = 3 * LEVELS };
    static struct fixture f;
    struct entry entries[ENTRIES];

    fixture_begin(&f, STR(""));
    for (size_t i = 0; i < ENTRIES; i++) {
        struct str line = arena_printf(&f.arena, "level=%s", levels[i % LEVELS]);
        entries[i] = (struct entry){NOW + (int64_t)i, line, {NULL, 0}};
    }
    add_stream(&f, STR("{app=\"web\"}"), entries, ENTRIES);
    REQUIRE_OK(validate_push(&f.check, &f.request, &f.err));
    const struct entry *stored = f.streams[0].entries;
    for (size_t i = 0; i < ENTRIES; i++) {
        cr_assert_eq(stored[i].metadata.count, 1);
        EXPECT_STR("the level", stored[i].metadata.pairs[0].value, str_from(levels[i % LEVELS]));
        cr_expect_eq(stored[i].metadata.pairs, stored[i % LEVELS].metadata.pairs, "entry %zu", i);
    }
    fixture_end(&f);
}

/* Different texts are kept up to a number; what follows is counted under the last of them. */
Test(validate, many_different_errors)
{
    struct push_errors errors = {NULL, NULL, 0};
    struct str text, part;
    struct arena a;
    struct buf b;

    arena_init(&a, ARENA_BYTES);
    buf_init(&b, TEXT_BYTES);
    for (unsigned i = 0; i < 100; i++)
        push_errors_add(&errors, &a, arena_printf(&a, "error %u", i), i % 2 + 1);
    push_errors_add(&errors, &a, STR("error 3"), 10);
    push_errors_put(&b, &errors);
    size_t parts = 0;
    for (text = buf_str(&b); str_split(&text, ';', &part); parts++) {
        if (parts == 3)
            EXPECT_STR("the fourth", part, STR(" 12 errors like: error 3"));
        if (parts == 63)
            EXPECT_STR("the last", part, STR(" 56 errors like: error 63"));
    }
    cr_expect_eq(parts, 64);
    buf_release(&b);
    arena_release(&a);
}

Test(validate, one_error_many_times)
{
    struct push_errors errors = {NULL, NULL, 0};
    struct arena a;
    struct buf b;

    arena_init(&a, ARENA_BYTES);
    buf_init(&b, TEXT_BYTES);
    push_errors_put(&b, &errors);
    EXPECT_STR("none", buf_str(&b), STR(""));
    push_errors_add(&errors, &a, STR("x"), 1);
    push_errors_put(&b, &errors);
    EXPECT_STR("one", buf_str(&b), STR("x"));
    push_errors_add(&errors, &a, STR("x"), 2);
    buf_reset(&b);
    push_errors_put(&b, &errors);
    EXPECT_STR("three", buf_str(&b), STR("3 errors like: x"));
    buf_release(&b);
    arena_release(&a);
}

/* Sixty KB of text, of labels that every limit allows. */
static struct labels long_labels(struct fixture *f)
{
    enum { COUNT = 15, VALUE_BYTES = 1024 };
    struct label *pairs = arena_new(&f->arena, struct label, COUNT);

    for (size_t i = 0; i < COUNT; i++) {
        char *value = arena_bytes(&f->arena, VALUE_BYTES);
        memset(value, '\x01', VALUE_BYTES);
        pairs[i] =
            (struct label){arena_printf(&f->arena, "l%02zu", i), str_make(value, VALUE_BYTES)};
    }
    return (struct labels){pairs, COUNT};
}

static const struct refused_case {
    const char *name;
    struct str settings;
    struct str metadata; /* of entries in time */
    uint64_t distinct;   /* so many of the others are told apart, by time */
    struct str want;     /* of the last of what is told */
} refused_cases[] = {
    {"one time", STR_INIT(""), STR_INIT(""), 1,
     STR_INIT("has timestamp too new: 2026-11-21T22:50:54Z")},
    {"as many times as are told", STR_INIT(""), STR_INIT(""), 64,
     STR_INIT("has timestamp too new: 2026-11-21T22:51:57Z")},
    {"more times", STR_INIT(""), STR_INIT(""), 1000,
     STR_INIT("has timestamp too new: 2026-11-21T22:51:57Z")},
    {"lines", STR_INIT("max_line_size=1B creation_grace_period=2d"), STR_INIT(""), 1,
     STR_INIT("while adding an entry with length '4' bytes")},
    {"metadata", STR_INIT("allow_structured_metadata=false creation_grace_period=2d"),
     STR_INIT("a=1"), 1, STR_INIT(SEE("allow_structured_metadata", "enable"))},
    {"names", STR_INIT("creation_grace_period=2d"), STR_INIT("\xc3\xa9=1"), 1,
     STR_INIT("resulted in invalid name \"_\"")},
};

/* The texts that the answer has are made, and no others, however many entries are refused. */
Test(validate, texts_are_made_once)
{
    enum { ENTRIES = 10000, STREAMS = 2, TOLD_MAX = 64 };
    static struct entry entries[ENTRIES];

    for (size_t i = 0; i < COUNT_OF(refused_cases); i++) {
        const struct refused_case *c = &refused_cases[i];
        static struct fixture f;
        fixture_begin(&f, c->settings);
        for (size_t k = 0; k < ENTRIES; k++)
            entries[k] = (struct entry){NOW + DAY_NS + (int64_t)(k % c->distinct) * SECOND_NS +
                                            (int64_t)(k % 7),
                                        STR("line"),
                                        {NULL, 0}};
        struct labels metadata = pairs_of(&f.arena, c->metadata);
        for (size_t k = 0; k < STREAMS; k++) {
            add_stream(&f, STR("{}"), entries, ENTRIES);
            f.streams[k].labels = long_labels(&f);
            for (size_t at = 0; at < ENTRIES; at++)
                f.streams[k].entries[at].metadata = metadata;
        }
        REQUIRE_OK(validate_push(&f.check, &f.request, &f.err));
        struct str text = errors_text(&f);
        cr_expect(str_ends(text, c->want), "%s: %.*s", c->name,
                  STR_ARG(str_cut(text, text.len - 80)));
        cr_expect_eq(f.check.errors.distinct, MIN_OF(c->distinct, TOLD_MAX), "%s", c->name);
        cr_expect_leq(f.check.text_bytes, text.len, "%s: made %llu bytes", c->name,
                      (unsigned long long)f.check.text_bytes);
        cr_expect_eq(discarded_entries(&f), STREAMS * ENTRIES, "%s", c->name);
        fixture_end(&f);
    }
}

/* The client goes: the status says so, and the entries are not looked at. */
Test(validate, ends_when_nobody_waits)
{
    enum { ENTRIES = 100000, LOOKED_AT_MAX = 1024 };
    static struct entry entries[ENTRIES];
    static struct fixture f;
    struct flag gone = {false};

    for (int i = 0; i < 2; i++) {
        fixture_begin(&f, STR(BARE));
        for (size_t k = 0; k < ENTRIES; k++)
            entries[k] = (struct entry){NOW, STR("x"), {NULL, 0}};
        add_stream(&f, STR("{a=\"1\"}"), entries, ENTRIES);
        f.check.gone = &gone;
        EXPECT_STATUS("gone", validate_push(&f.check, &f.request, &f.err),
                      i == 0 ? ST_OK : ST_CANCELLED);
        cr_expect(i == 0 ? f.check.entries == ENTRIES : f.check.entries <= LOOKED_AT_MAX);
        fixture_end(&f);
        flag_set(&gone);
    }
}

/* What follows the last text that is told is counted under it, but what was told under its own. */
Test(validate, entries_beyond_the_told)
{
    enum { ENTRIES = 101 };
    static struct entry entries[ENTRIES];
    static struct fixture f;

    fixture_begin(&f, STR(""));
    for (size_t k = 0; k < ENTRIES; k++)
        entries[k] =
            (struct entry){NOW + DAY_NS + (int64_t)(k % 100) * SECOND_NS, STR("x"), {NULL, 0}};
    add_stream(&f, STR("{app=\"web\"}"), entries, ENTRIES);
    REQUIRE_OK(validate_push(&f.check, &f.request, &f.err));
    struct str text = errors_text(&f);
    cr_expect(
        str_starts(text, STR("2 errors like: entry for stream '" WEB
                             "' has timestamp too new: 2026-11-21T22:50:54Z; 1 errors like")));
    cr_expect(str_ends(text, STR("; 37 errors like: entry for stream '" WEB
                                 "' has timestamp too new: 2026-11-21T22:51:57Z")));
    fixture_end(&f);
}

/* Whenever the memory of the request ends: ST_LIMIT, and nothing else happens. */
Test(validate, arena_is_full)
{
    static const struct entry e = {NOW, STR_INIT("level=error"), {NULL, 0}};
    enum status st = ST_LIMIT;
    size_t full = 0;

    for (size_t more = 0; st != ST_OK; more += 64) {
        static struct fixture f;
        fixture_begin(&f, STR("max_line_size=8B"));
        struct entry entries[] = {e, {NOW, STR("x"), pairs_of(&f.arena, STR("a.b=\xff|c=d"))}};
        add_stream(&f, STR("{app=\"web\"}"), entries, 2);
        struct arena small;
        arena_init(&small, more);
        f.check.arena = &small;
        st = validate_push(&f.check, &f.request, &f.err);
        cr_assert(st == ST_OK || st == ST_LIMIT, "%s", status_name(st));
        full += st == ST_LIMIT;
        arena_release(&small);
        fixture_end(&f);
    }
    cr_expect_gt(full, 2);
}
