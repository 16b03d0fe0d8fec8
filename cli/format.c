#include "cli/format.h"

#include "proto/json.h"

#include "base/banned.h"

#define LABELS_BYTES_MAX (64 * MIB)

static bool has_text(const struct texts *texts, struct str text)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (str_eq(texts->items[i], text))
            return true;
    }
    return false;
}

/* ---- which labels ---- */

static bool has_pair(struct labels l, const struct label *pair)
{
    return labels_has(l, pair->name) && str_eq(labels_get(l, pair->name), pair->value);
}

/* Take out of `common` what `l` does not have. */
static void keep_common(struct label *common, size_t *count, struct labels l)
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        if (has_pair(l, &common[i]))
            common[kept++] = common[i];
    }
    *count = kept;
}

static enum status mark_used(const struct page *page, struct arena *a, bool **ret_used,
                             struct err *err)
{
    bool *used = arena_new(a, bool, page->stream_count);

    if (used == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < page->row_count; i++)
        used[page->rows[i].stream] = true;
    *ret_used = used;
    return ST_OK;
}

enum status format_common(const struct page *page, struct arena *a, struct labels *ret_common,
                          struct err *err)
{
    struct label *common = NULL;
    size_t count = 0;
    bool *used;

    enum status st = mark_used(page, a, &used, err);
    for (size_t i = 0; i < page->stream_count && st == ST_OK; i++) {
        struct labels l = page->streams[i];
        if (used[i] && common == NULL) {
            common = arena_new(a, struct label, l.count);
            if (common == NULL)
                return arena_status(a, err);
            for (; count < l.count; count++)
                common[count] = l.pairs[count];
        } else if (used[i]) {
            keep_common(common, &count, l);
        }
    }
    if (st == ST_OK)
        *ret_common = (struct labels){common, count};
    return st;
}

/* An included label is printed even if all have it: somebody asked for it by name. */
static bool is_wanted(const struct format *f, const struct label *pair, struct labels common)
{
    if (has_text(&f->exclude, pair->name))
        return false;
    if (f->include.count > 0)
        return has_text(&f->include, pair->name);
    return f->include_common || f->output == PRINT_JSONL || !has_pair(common, pair);
}

enum status format_select(const struct format *f, struct labels labels, struct labels common,
                          struct arena *a, struct labels *ret_labels, struct err *err)
{
    struct label *wanted = arena_new(a, struct label, labels.count);
    size_t count = 0;

    if (wanted == NULL)
        return arena_status(a, err);
    for (size_t i = 0; i < labels.count && !f->no_labels; i++) {
        if (is_wanted(f, &labels.pairs[i], common))
            wanted[count++] = labels.pairs[i];
    }
    *ret_labels = (struct labels){wanted, count};
    return ST_OK;
}

/* ---- the texts of streams ---- */

/* A colour that stays with the stream: by the hash of its labels. */
static unsigned colour_of(struct labels l)
{
    static const unsigned char colours[] = {31, 32, 33, 34, 35, 36, 91, 92, 93, 94, 95, 96};

    return colours[labels_hash(l) % COUNT_OF(colours)];
}

static void put_stream(struct buf *b, const struct format *f, struct labels selected)
{
    struct buf text;

    buf_init(&text, LABELS_BYTES_MAX);
    if (f->output == PRINT_JSONL)
        json_put_labels(&text, selected);
    else
        labels_put_text(&text, selected);
    if (f->terminal && f->output == PRINT_DEFAULT)
        put_visible(b, buf_str(&text));
    else
        buf_put(b, buf_str(&text));
    b->failed |= text.failed;
    buf_release(&text);
}

static enum status stream_text(const struct format *f, struct labels selected, struct arena *a,
                               struct str *ret_text, struct err *err)
{
    struct buf b;

    buf_init(&b, LABELS_BYTES_MAX);
    put_stream(&b, f, selected);
    enum status st = buf_status(&b, err);
    struct str text = st == ST_OK ? arena_str(a, buf_str(&b)) : STR_NULL;
    buf_release(&b);
    if (st == ST_OK && text.ptr == NULL)
        st = arena_status(a, err);
    if (st == ST_OK)
        *ret_text = text;
    return st;
}

/* The text of a column: coloured, and as wide as the column. */
static enum status column_text(const struct format *f, struct labels l, size_t width,
                               struct arena *a, struct str *text)
{
    size_t padding = print_width(*text);

    padding = padding < width ? width - padding : 0;
    if (f->colours)
        *text = arena_printf(a, "\x1b[%um%.*s\x1b[0m%*s ", colour_of(l), STR_ARG(*text),
                             (int)padding, "");
    else
        *text = arena_printf(a, "%.*s%*s ", STR_ARG(*text), (int)padding, "");
    return text->ptr == NULL ? ST_LIMIT : ST_OK;
}

enum status format_streams(const struct format *f, const struct page *page, struct labels common,
                           struct arena *a, struct str **ret_texts, struct err *err)
{
    struct str *texts = arena_new(a, struct str, page->stream_count);
    size_t width = (size_t)MIN_OF(f->labels_length, KIB);
    struct labels selected;
    bool *used;

    if (texts == NULL)
        return arena_status(a, err);
    enum status st = mark_used(page, a, &used, err);
    for (size_t i = 0; i < page->stream_count && st == ST_OK; i++) {
        if (!used[i])
            continue;
        st = format_select(f, page->streams[i], common, a, &selected, err);
        if (st == ST_OK)
            st = stream_text(f, selected, a, &texts[i], err);
        if (st == ST_OK && f->labels_length == 0)
            width = MAX_OF(width, print_width(texts[i]));
    }
    for (size_t i = 0; i < page->stream_count && st == ST_OK; i++) {
        if (used[i] && f->output == PRINT_DEFAULT && !f->no_labels &&
            column_text(f, page->streams[i], MIN_OF(width, KIB), a, &texts[i]) != ST_OK)
            st = arena_status(a, err);
    }
    if (st == ST_OK)
        *ret_texts = texts;
    return st;
}

/* ---- rows ---- */

static void put_jsonl(struct buf *b, const struct format *f, struct str stream,
                      const struct row *row)
{
    buf_put(b, STR("{\"labels\":"));
    buf_put(b, stream);
    buf_put(b, STR(",\"line\":"));
    json_put_string(b, row->line, false);
    buf_put(b, STR(",\"timestamp\":\""));
    put_zoned_time(b, row->ts_ns, (enum print_zone)f->zone, true);
    buf_put(b, STR("\"}"));
}

/* A JSON line on a terminal: inside of its strings C1 may stand, which a terminal would obey. */
static void put_jsonl_visible(struct buf *b, const struct format *f, struct str stream,
                              const struct row *row)
{
    struct buf text;

    buf_init(&text, b->max);
    put_jsonl(&text, f, stream, row);
    put_visible_json(b, buf_str(&text));
    b->failed |= text.failed;
    buf_release(&text);
}

static void put_default(struct buf *b, const struct format *f, struct str stream,
                        const struct row *row)
{
    put_zoned_time(b, row->ts_ns, (enum print_zone)f->zone, false);
    buf_put_char(b, ' ');
    if (!f->no_labels)
        buf_put(b, stream);
    if (f->terminal)
        put_visible(b, row->line);
    else
        buf_put(b, row->line);
}

void format_put_row(struct buf *b, const struct format *f, struct str stream, const struct row *row)
{
    if (f->output == PRINT_RAW)
        buf_put(b, row->line);
    else if (f->output == PRINT_DEFAULT)
        put_default(b, f, stream, row);
    else if (f->terminal)
        put_jsonl_visible(b, f, stream, row);
    else
        put_jsonl(b, f, stream, row);
    buf_put_char(b, '\n');
}
