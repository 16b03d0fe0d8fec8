/* A push body in JSON, as /loki/api/v1/push takes it. */
#include "proto/json.h"
#include "tests/fuzz/push.h"

#include "base/banned.h"

static void put_entry(struct buf *b, const struct entry *e)
{
    buf_put(b, STR("[\""));
    buf_put_i64(b, e->ts_ns);
    buf_put(b, STR("\","));
    json_put_string(b, e->line, false);
    buf_put_char(b, ',');
    json_put_labels(b, e->metadata);
    buf_put_char(b, ']');
}

static void put_body(struct buf *b, const struct push_request *request)
{
    buf_put(b, STR("{\"streams\":["));
    for (size_t i = 0; i < request->stream_count; i++) {
        const struct push_stream *s = &request->streams[i];
        buf_put(b, i == 0 ? STR("{\"stream\":") : STR(",{\"stream\":"));
        json_put_labels(b, s->labels);
        buf_put(b, STR(",\"values\":["));
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
    push_round_trip(PUSH_JSON, put_body, in);
}
