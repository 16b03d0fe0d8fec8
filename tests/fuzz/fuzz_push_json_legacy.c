/* A push body in the older JSON, as /api/prom/push takes it. */
#include "base/time.h"
#include "proto/json.h"
#include "tests/fuzz/push.h"

#include "base/banned.h"

static void put_entry(struct buf *b, const struct entry *e)
{
    buf_put(b, STR("{\"ts\":\""));
    time_put(b, e->ts_ns, TIME_NANOS);
    buf_put(b, STR("\",\"line\":"));
    json_put_string(b, e->line, false);
    buf_put(b, STR(",\"structuredMetadata\":"));
    json_put_labels(b, e->metadata);
    buf_put_char(b, '}');
}

static void put_labels(struct buf *b, struct labels l)
{
    struct buf text;

    buf_init(&text, FUZZ_MEMORY_BYTES);
    push_put_labels(&text, l);
    json_put_string(b, buf_str(&text), false);
    buf_release(&text);
}

static void put_body(struct buf *b, const struct push_request *request)
{
    buf_put(b, STR("{\"streams\":["));
    for (size_t i = 0; i < request->stream_count; i++) {
        const struct push_stream *s = &request->streams[i];
        buf_put(b, i == 0 ? STR("{\"labels\":") : STR(",{\"labels\":"));
        put_labels(b, s->labels);
        buf_put(b, STR(",\"entries\":["));
        for (size_t j = 0; j < s->entry_count; j++) {
            if (j > 0)
                buf_put_char(b, ',');
            put_entry(b, &s->entries[j]);
        }
        buf_put(b, STR("]}"));
    }
    buf_put(b, STR("]}"));
}

void fuzz_input(struct str in)
{
    push_round_trip(PUSH_JSON_LEGACY, put_body, in);
}
