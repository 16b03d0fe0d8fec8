#include "server/store/tenant.h"

#include "base/mem.h"
#include "base/time.h"

#include "base/banned.h"

enum { TENANT_NAME_BYTES_MAX = 150 };

const char *discard_reason_name(enum discard_reason reason)
{
    static const char *const names[] = {
#define X(id, name) name,
        DISCARD_REASONS(X)
#undef X
    };

    ASSERT((size_t)reason < COUNT_OF(names));
    return names[reason];
}

struct tenant *tenant_new(struct str name, struct tenant *older)
{
    struct tenant *t = mem_new(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->older = older;
    t->name = mem_str(name);
    if (t->name.ptr == NULL) {
        mem_free(t);
        return NULL;
    }
    lock_init(&t->lock, LOCK_RANK_TENANT);
    return t;
}

void tenant_free(struct tenant *t)
{
    if (t == NULL)
        return;
    streams_release(&t->streams);
    lock_release(&t->lock);
    mem_free((void *)(uintptr_t)t->name.ptr);
    mem_free(t);
}

enum status tenant_check_name(struct str name, struct err *err)
{
    static const char punctuation[] = "!-_.*'()";

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
            (c != '\0' && strchr(punctuation, c) != NULL))
            continue;
        if (c == '|')
            return err_set(err, ST_INVALID, "multiple org IDs present");
        return err_set(err, ST_INVALID, "tenant ID '%.*s' contains unsupported character '%c'",
                       STR_ARG(name), c);
    }
    if (name.len > TENANT_NAME_BYTES_MAX)
        return err_set(err, ST_INVALID, "tenant ID is too long: max %d characters",
                       TENANT_NAME_BYTES_MAX);
    if (str_eq(name, STR(".")) || str_eq(name, STR("..")))
        return err_set(err, ST_INVALID, "tenant ID is '.' or '..'");
    return name.len > 0 ? ST_OK : err_set(err, ST_UNAUTHORIZED, "no org id");
}

bool tenant_take_rate(struct tenant *t, double rate, double burst, uint64_t bytes)
{
    int64_t now_ns = time_mono_ns();

    lock_assert_held(&t->lock);
    if (rate <= 0)
        return true;
    double elapsed_s = (double)(now_ns - t->rate_filled_ns) / (double)SECOND_NS;
    t->rate_tokens = MIN_OF(burst, t->rate_tokens + elapsed_s * rate);
    t->rate_filled_ns = now_ns;
    if ((double)bytes > t->rate_tokens)
        return false;
    t->rate_tokens -= (double)bytes;
    return true;
}
