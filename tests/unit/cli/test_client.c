#include "cli/client.h"

#include <criterion/criterion.h>

#include "base/time.h"

static const struct base_case {
    const char *name;
    struct str in;
    enum status want_status;
    const char *want;
} base_cases[] = {
    {"default", STR_INIT(""), ST_OK, "http://127.0.0.1:3100"},
    {"as it is", STR_INIT("http://loki:3100"), ST_OK, "http://loki:3100"},
    {"https", STR_INIT("https://logs.example.com"), ST_OK, "https://logs.example.com"},
    {"slashes at the end", STR_INIT("http://a//"), ST_OK, "http://a"},
    {"a path in front", STR_INIT("http://a/b/"), ST_OK, "http://a/b"},
    {"without a scheme", STR_INIT("localhost:3100"), ST_OK, "http://localhost:3100"},
    {"IPv6", STR_INIT("[::1]:3100"), ST_OK, "http://[::1]:3100"},
    {"another scheme", STR_INIT("file:///etc/passwd"), ST_INVALID, ""},
    {"no host", STR_INIT("http://"), ST_INVALID, ""},
    {"only slashes", STR_INIT("///"), ST_INVALID, ""},
    {"no host, but a path", STR_INIT("http:///a"), ST_INVALID, ""},
    {"a query", STR_INIT("http://a?b=c"), ST_INVALID, ""},
};

Test(cli_client, base)
{
    for (size_t i = 0; i < COUNT_OF(base_cases); i++) {
        const struct base_case *c = &base_cases[i];
        struct buf b;

        buf_init(&b, 256);
        enum status st = client_put_base(&b, c->in, NULL);
        cr_expect_eq(st, c->want_status, "%s: %s", c->name, status_name(st));
        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
    }
}

static const struct escape_case {
    const char *name;
    struct str in;
    const char *want_query;
    const char *want_path;
} escape_cases[] = {
    {"plain", STR_INIT("aZ09-_.~"), "aZ09-_.~", "aZ09-_.~"},
    {"a selector", STR_INIT("{a=\"b\"} |= `x`"), "%7Ba%3D%22b%22%7D+%7C%3D+%60x%60",
     "%7Ba%3D%22b%22%7D%20%7C%3D%20%60x%60"},
    {"separators", STR_INIT("a/b&c;d+e%"), "a%2Fb%26c%3Bd%2Be%25", "a%2Fb%26c%3Bd%2Be%25"},
    {"other bytes", STR_INIT("\0\xc3\xbc\n"), "%00%C3%BC%0A", "%00%C3%BC%0A"},
};

Test(cli_client, escapes)
{
    for (size_t i = 0; i < COUNT_OF(escape_cases); i++) {
        const struct escape_case *c = &escape_cases[i];
        struct buf b;

        buf_init(&b, 256);
        client_put_query_escaped(&b, c->in);
        cr_expect(str_eq(buf_str(&b), str_from(c->want_query)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_reset(&b);
        client_put_path_escaped(&b, c->in);
        cr_expect(str_eq(buf_str(&b), str_from(c->want_path)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
    }
}

static const struct secret_case {
    struct str in;
    const char *want;
} secret_cases[] = {
    {STR_INIT("http://me:secret@host:1/p?q=a@b"), "http://host:1/p?q=a@b"},
    {STR_INIT("http://host/p@q"), "http://host/p@q"},
    {STR_INIT("http://host?x=a@b"), "http://host?x=a@b"},
    {STR_INIT("http://a:b@c@host"), "http://host"},
    {STR_INIT("me:secret@host"), "host"},
    {STR_INIT(""), ""},
};

Test(cli_client, secrets_are_not_shown)
{
    for (size_t i = 0; i < COUNT_OF(secret_cases); i++) {
        struct buf b;

        buf_init(&b, 256);
        client_put_without_secrets(&b, secret_cases[i].in);
        cr_expect(str_eq(buf_str(&b), str_from(secret_cases[i].want)), "%.*s",
                  STR_ARG(buf_str(&b)));
        buf_release(&b);
    }
}

Test(cli_client, backoff)
{
    cr_expect_eq(client_backoff_ns(1), SECOND_NS / 2);
    cr_expect_eq(client_backoff_ns(2), SECOND_NS);
    cr_expect_eq(client_backoff_ns(9), 128 * SECOND_NS);
    cr_expect_eq(client_backoff_ns(10), 256 * SECOND_NS);
    cr_expect_eq(client_backoff_ns(11), 5 * MINUTE_NS);
    cr_expect_eq(client_backoff_ns(1000000), 5 * MINUTE_NS);
}

Test(cli_client, what_is_tried_again)
{
    cr_expect(client_may_retry(ST_LIMIT));
    cr_expect(client_may_retry(ST_BUSY));
    cr_expect(client_may_retry(ST_TIMEOUT));
    cr_expect_not(client_may_retry(ST_INVALID));
    cr_expect_not(client_may_retry(ST_NOT_FOUND));
    cr_expect_not(client_may_retry(ST_TOO_LARGE));
}

Test(cli_client, options)
{
    const struct client_options bad[] = {
        {.org_id = STR("a\r\nX: y")},
        {.bearer_token = STR("t"), .username = STR("u")},
        {.addr = STR("ftp://x")},
    };
    const struct client_options good = {.addr = STR("127.0.0.1:1"), .org_id = STR("t1")};
    struct client *c = NULL;
    struct err err;

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        cr_expect_eq(client_new(&bad[i], &c, &err), ST_INVALID, "%zu", i);
    cr_expect_null(c);
    cr_expect_eq(client_new(&good, &c, &err), ST_OK);
    client_free(c);
    client_free(NULL);
}
