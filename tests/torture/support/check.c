#include "tests/torture/support/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "query/engine.h"
#include "query/parser.h"
#include "server/store/store_internal.h"

#include "base/banned.h"

enum {
    ARENA_BYTES_MAX = 256 * 1024 * 1024,
    ROWS_MAX = 100000,
    TEXT_BYTES_MAX = 16 * 1024 * 1024,
    FTW_FILES_MAX = 16,
};

/* A query whose answer is compared, for each tenant. */
static const struct checked_query {
    const char *text;
    bool backward;
    size_t limit;
} queries[] = {
    {"{app=~\".+\"}", false, ROWS_MAX},
    {"{app=~\".+\"}", true, ROWS_MAX},
    {"{app=~\".+\"}", true, 17},
    {"{env=\"prod\"} |= \"a\" != \"zz\"", false, 50},
    {"{app=\"app3\"} |~ \"e[0-9]+ [a-m]\" | trace=\"t1\"", true, ROWS_MAX},
    {"sum by (app) (count_over_time({app=~\".+\"}[6h]))", false, 0},
    {"sum by (env, trace) (bytes_over_time({app=~\"app[0-3]\"} |= \"b\" [1d]))", false, 0},
    {"{app=\"none\"}", false, 10},
};

static bool complain(const char *format, ...) PRINTF_LIKE(1, 2);

static bool complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fprintf(stderr, "  ");
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, "\n");
    va_end(args);
    return false;
}

/* ---- directories ---- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void check_dir_remove(const char *path)
{
    (void)nftw(path, remove_one, FTW_FILES_MAX, FTW_DEPTH | FTW_PHYS);
}

void check_dir_make(const char *path)
{
    check_dir_remove(path);
    if (mkdir(path, 0750) != 0) {
        perror(path);
        exit(2);
    }
}

/* ---- asking ---- */

struct answer {
    struct arena arena;
    struct query_context q;
    struct result result;
};

static enum status ask(struct store *s, struct str tenant, const struct checked_query *query,
                       struct answer *a, struct err *err)
{
    const struct expr *expr = NULL;

    arena_init(&a->arena, ARENA_BYTES_MAX);
    a->q = (struct query_context){
        .arena = &a->arena, .memory_max = ARENA_BYTES_MAX, .deadline_ns = time_mono_ns() + HOUR_NS};
    enum status st = logql_parse(&a->arena, str_from(query->text), &expr, err);
    if (st != ST_OK)
        return st;
    const struct engine_query q = {
        .source = store_source(s),
        .context = &a->q,
        .tenant = tenant,
        .expr = expr,
        .start_ns = SCENARIO_START_NS,
        .end_ns = SCENARIO_START_NS + SCENARIO_DAYS * DAY_NS,
        .step_ns = 6 * HOUR_NS,
        .limit = query->limit,
        .backward = query->backward,
        .categorize = true,
    };
    return engine_run(&q, &a->result, err);
}

static void answer_release(struct answer *a, enum status st)
{
    if (st == ST_OK)
        result_release(&a->result);
    arena_release(&a->arena);
}

static void put_labels(struct buf *b, struct labels labels)
{
    buf_put(b, STR("{"));
    for (size_t i = 0; i < labels.count; i++)
        buf_printf(b, "%.*s=%.*s,", STR_ARG(labels.pairs[i].name), STR_ARG(labels.pairs[i].value));
    buf_put(b, STR("}"));
}

static void put_result(struct buf *b, const struct result *r)
{
    for (size_t i = 0; i < r->stream_count; i++) {
        put_labels(b, r->streams[i].labels);
        for (size_t k = 0; k < r->streams[i].count; k++) {
            const struct result_row *row = &r->streams[i].rows[k];
            buf_printf(b, "\n %" PRId64 " %.*s ", row->ts_ns, STR_ARG(row->line));
            put_labels(b, row->metadata);
        }
        buf_put(b, STR("\n"));
    }
    for (size_t i = 0; i < r->series_count; i++) {
        put_labels(b, r->series[i].labels);
        for (size_t k = 0; k < r->series[i].count; k++)
            buf_printf(b, " %" PRId64 ":%g", r->series[i].samples[k].ts_ns,
                       r->series[i].samples[k].value);
        buf_put(b, STR("\n"));
    }
}

/* Does the answer miss nothing? What the log was said to have lost open_store() has judged. */
static bool is_whole(struct store *s, const struct query_stats *stats)
{
    return stats->corrupt_blocks <= store_state(s).damaged_files;
}

/* The text of all answers. */
static bool put_answers(struct store *s, bool torn_is_fine, struct buf *b)
{
    for (size_t t = 0; t < SCENARIO_TENANTS; t++) {
        for (size_t i = 0; i < COUNT_OF(queries); i++) {
            struct answer a;
            struct err err;
            buf_printf(b, "%.*s: %s\n", STR_ARG(scenario_tenants[t]), queries[i].text);
            enum status st = ask(s, scenario_tenants[t], &queries[i], &a, &err);
            if (st == ST_OK)
                put_result(b, &a.result);
            else
                complain("%s: %s", queries[i].text, err.text);
            bool whole = st == ST_OK && (torn_is_fine || is_whole(s, &a.q.stats));
            answer_release(&a, st);
            if (!whole)
                return complain("%s has no whole answer", queries[i].text);
        }
    }
    return !b->failed;
}

void check_queries(struct player *p)
{
    for (size_t t = 0; t < SCENARIO_TENANTS; t++) {
        for (size_t i = 0; i < COUNT_OF(queries); i++) {
            struct answer a;
            struct err err;
            answer_release(&a, ask(p->store, scenario_tenants[t], &queries[i], &a, &err));
        }
    }
}

/* ---- entries ---- */

static struct str label_of(struct labels labels, const char *name)
{
    for (size_t i = 0; i < labels.count; i++) {
        if (str_eq(labels.pairs[i].name, str_from(name)))
            return labels.pairs[i].value;
    }
    return STR("");
}

/* Note the row of a stream; false: it was never sent like this, or it is there twice. */
static bool note_row(const struct scenario *sc, unsigned tenant, struct labels labels,
                     const struct result_row *row, uint8_t *found)
{
    char app[16], number[16] = "";

    (void)snprintf(number, sizeof(number), "%.*s", (int)MIN_OF(row->line.len, 12),
                   row->line.len == 0 ? "" : row->line.ptr);
    size_t i = strtoul(number + 1, NULL, 10);
    if (number[0] != 'e' || i >= sc->entry_count || !str_eq(sc->entries[i].line, row->line))
        return complain("a line that was never sent: %.*s", STR_ARG(row->line));
    const struct scenario_entry *e = &sc->entries[i];
    (void)snprintf(app, sizeof(app), "app%u", e->stream);
    if (e->tenant != tenant || e->ts_ns != row->ts_ns ||
        !str_eq(label_of(labels, "app"), str_from(app)) ||
        (label_of(row->metadata, "trace").len > 0) != e->metadata)
        return complain("entry %zu has another tenant, time, stream or metadata", i);
    if (found[i]++ != 0)
        return complain("entry %zu is there twice", i);
    return true;
}

/* Which entries are there. */
static bool find_entries(struct player *p, uint8_t *found)
{
    bool good = true;

    memset(found, 0, p->scenario->entry_count);
    for (unsigned t = 0; t < SCENARIO_TENANTS; t++) {
        struct answer a;
        struct err err;
        enum status st = ask(p->store, scenario_tenants[t], &queries[0], &a, &err);
        if (st != ST_OK)
            good = complain("cannot read everything: %s", err.text);
        else if (!p->torn_is_fine && !is_whole(p->store, &a.q.stats))
            good = complain("%" PRIu64 " blocks are damaged", a.q.stats.corrupt_blocks);
        for (size_t i = 0; st == ST_OK && i < a.result.stream_count; i++) {
            const struct result_stream *s = &a.result.streams[i];
            for (size_t k = 0; k < s->count && good; k++)
                good = note_row(p->scenario, t, s->labels, &s->rows[k], found);
        }
        answer_release(&a, st);
    }
    return good;
}

static bool compare_entries(struct player *p, const uint8_t *found)
{
    uint8_t *presence = mem_new(p->scenario->entry_count, 1);
    size_t missing = 0, unsent = 0, first = 0;

    ledger_presence(p->ledger, p->scenario, presence);
    for (size_t i = p->scenario->entry_count; i-- > 0;) {
        bool bad = (presence[i] == PRESENCE_MUST) > found[i];
        missing += bad ? 1 : 0;
        bool ghost = presence[i] == PRESENCE_NONE && found[i] != 0;
        unsent += ghost ? 1 : 0;
        first = bad || ghost ? i : first;
    }
    mem_free(presence);
    if (missing + unsent > 0)
        return complain(
            "%zu acknowledged entries are missing, %zu should not be there; the first is %zu",
            missing, unsent, first);
    return true;
}

bool check_entries(struct player *p)
{
    uint8_t *found = mem_new(p->scenario->entry_count, 1);
    bool good = find_entries(p, found) && compare_entries(p, found);

    mem_free(found);
    return good;
}

/* ---- answers ---- */

/* The entries of a step that are to be pushed to the undisturbed store. */
static size_t entries_of_step(struct player *p, size_t step, const uint8_t *found, uint32_t *ret)
{
    const struct step *s = &p->scenario->steps[step];
    uint64_t state = counter_get(&p->ledger->states[step]);
    bool happened = state == STEP_ACKED;
    size_t count = 0;

    if (s->kind != STEP_PUSH || state == STEP_NOT_SENT)
        return 0;
    for (size_t i = 0; i < s->count; i++) {
        if (found[s->entries[i]] != 0)
            ret[count++] = s->entries[i];
    }
    /* Of a push that was not acknowledged: it came through if it brought an entry of its own. */
    for (size_t i = 0; i < count && !happened; i++) {
        bool own = true;
        for (size_t before = 0; before < step && own; before++) {
            const struct step *b = &p->scenario->steps[before];
            for (size_t k = 0; b->kind == STEP_PUSH && k < b->count; k++)
                own = own && b->entries[k] != ret[i];
        }
        happened = own;
    }
    return happened ? count : 0;
}

static bool push_found(struct player *p, struct player *calm, const uint8_t *found)
{
    uint32_t entries[64];
    struct err err;

    for (size_t i = 0; i < p->scenario->step_count; i++) {
        size_t count = entries_of_step(p, i, found, entries);
        ASSERT(count <= COUNT_OF(entries));
        if (count == 0)
            continue;
        enum status st =
            player_push_entries(calm, p->scenario->steps[i].tenant, entries, count, &err);
        if (st != ST_OK)
            return complain("the undisturbed store refuses: %s", err.text);
    }
    return true;
}

/* Where two texts part, for a person. */
static bool complain_of_answers(struct str got, struct str want)
{
    size_t at = 0, line = 0;

    for (; at < got.len && at < want.len && got.ptr[at] == want.ptr[at]; at++)
        line = got.ptr[at] == '\n' ? at + 1 : line;
    got = str_cut(got, line);
    want = str_cut(want, line);
    return complain("answers differ:\n    got  %.*s\n    want %.*s",
                    (int)MIN_OF(got.len, (size_t)200), got.ptr, (int)MIN_OF(want.len, (size_t)200),
                    want.ptr);
}

/* The answers are those of a store that got the same entries and was left alone. */
static bool check_answers(struct player *p)
{
    uint8_t *found = mem_new(p->scenario->entry_count, 1);
    char dir[PLAYER_PATH_BYTES + 8];
    struct buf got, want;
    struct player calm;
    struct err err;

    (void)snprintf(dir, sizeof(dir), "%s.calm", p->dir);
    check_dir_make(dir);
    buf_init(&got, TEXT_BYTES_MAX);
    buf_init(&want, TEXT_BYTES_MAX);
    player_init(&calm, p->scenario, NULL, dir);
    calm.merges = false;
    bool good = find_entries(p, found);
    if (good && player_open(&calm, &err) != ST_OK)
        good = complain("the undisturbed store does not open: %s", err.text);
    good = good && push_found(p, &calm, found) && put_answers(p->store, p->torn_is_fine, &got) &&
           put_answers(calm.store, false, &want);
    if (good && !str_eq(buf_str(&got), buf_str(&want)))
        good = complain_of_answers(buf_str(&got), buf_str(&want));
    player_release(&calm);
    check_dir_remove(dir);
    buf_release(&got);
    buf_release(&want);
    mem_free(found);
    return good;
}

/* ---- files ---- */

/* Every name in DIR/part that `is_known` does not know is a complaint. */
static bool check_names(const struct player *p, const char *part,
                        bool (*is_known)(const struct player *p, const char *path,
                                         const char *name))
{
    char path[PLAYER_PATH_BYTES * 2], file[PLAYER_PATH_BYTES * 4];
    bool good = true;

    (void)snprintf(path, sizeof(path), "%s/%s", p->dir, part);
    DIR *d = opendir(path);
    if (d == NULL)
        return complain("%s is not there", path);
    for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d)) {
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && !is_known(p, file, entry->d_name))
            good = complain("%s is of no use", file);
    }
    (void)closedir(d);
    return good;
}

static bool is_part(const struct player *p, const char *path, const char *name)
{
    static const char *const parts[] = {"lock", "index", "segments", "wal", "deletes"};

    (void)path;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (strcmp(name, parts[i]) == 0)
            return true;
    }
    return (p->scenario->kind == SCENARIO_REBUILD || p->rebuild_is_fine) &&
           str_starts(str_from(name), STR("index.damaged-"));
}

static bool is_log_file(const struct player *p, const char *path, const char *name)
{
    (void)path;
    return str_ends(str_from(name), STR(".wal")) ||
           (p->torn_log_is_fine && str_ends(str_from(name), STR(".wal.damaged")));
}

/* The index refers to the segment, and to all its bytes. */
static bool is_segment(const struct player *p, const char *path, const char *name)
{
    char known[SEGMENT_FILE_NAME_BYTES];
    struct index_read *r = NULL;
    struct segment_ref ref;
    struct arena none = {0};
    struct stat file;
    uint64_t cursor = 0;
    bool found = false;

    if (index_read_begin(p->store->index, &none, &r, NULL) != ST_OK || stat(path, &file) != 0)
        return complain("cannot look for %s", path);
    while (!found && index_next_segment(r, &cursor, &ref) == ST_OK) {
        segment_file_name((struct segment_name){ref.id, ref.day}, known);
        found = strcmp(known, name) == 0;
    }
    index_read_end(r);
    if (!found && p->torn_is_fine)
        return true; /* nothing in it can be read */
    if (!found || ref.state == SEGMENT_DEAD)
        return false;
    if (ref.committed_bytes > 0 && (uint64_t)file.st_size != ref.committed_bytes)
        return complain("%s has %lld bytes, the index knows %" PRIu64, name,
                        (long long)file.st_size, ref.committed_bytes);
    return true;
}

/* After everything is flushed and merged. */
static bool check_files(struct player *p)
{
    struct store_state state = store_state(p->store);
    bool good = check_names(p, ".", is_part) && check_names(p, "wal", is_log_file) &&
                check_names(p, "segments", is_segment);

    if (state.wal_files != 1)
        return complain("%" PRIu64 " log files are left", state.wal_files);
    return good;
}

/* ---- all of it ---- */

static bool open_store(struct player *p, bool may_rebuild, bool may_be_torn)
{
    struct err err;
    uint64_t errors = counter_get(&log_line_counts[LOG_ERROR]);
    enum status st = player_open(p, &err);

    if (st != ST_OK)
        return complain("it does not open: %s", err.text);
    if (store_state(p->store).index_rebuilt && !may_rebuild)
        return complain("the index was made again");
    bool damaged = store_state(p->store).damaged_files != 0;
    if (damaged && !may_be_torn)
        return complain("the log is said to be damaged");
    if (counter_get(&log_line_counts[LOG_ERROR]) != errors && !damaged && !p->torn_is_fine)
        return complain("an error was logged when it was opened");
    return true;
}

/* Everything becomes chunks, and few of them. */
static bool settle(struct player *p)
{
    struct err err;

    if (store_flush(p->store, &err) != ST_OK)
        return complain("it cannot flush: %s", err.text);
    if (player_merge(p))
        return true;
    struct store_state state = store_state(p->store);
    /* deleted lines may be in a segment with damage, which stays */
    return p->torn_is_fine && state.merge_days_pending == 0 && state.segments_dead == 0;
}

bool check_store(struct player *p)
{
    bool may_rebuild = p->rebuild_is_fine || p->scenario->kind == SCENARIO_REBUILD;
    bool good =
        open_store(p, may_rebuild, p->torn_log_is_fine) && check_entries(p) && check_answers(p);

    good = good && settle(p) && check_entries(p) && check_files(p);
    if (good) {
        p->failures = 0;
        (void)player_play(p, p->scenario->later, p->scenario->step_count);
        if (p->failures > 0)
            good = complain("%u later steps failed, the last: %s", p->failures, p->failure);
    }
    good = good && check_entries(p);
    player_close(p);
    good = good && open_store(p, false, false) && check_entries(p) && check_answers(p) &&
           settle(p) && check_files(p);
    player_close(p);
    return good;
}
