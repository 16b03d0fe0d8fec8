#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/expect.h"

#include "base/banned.h"

Test(err, statuses)
{
    cr_expect_str_eq(status_name(ST_TOO_LARGE), "ST_TOO_LARGE");
    cr_expect_eq(status_http(ST_OK), 200);
    cr_expect_eq(status_http(ST_LIMIT), 429);
    cr_expect_eq(status_http(ST_TIMEOUT), 504);
    cr_expect_str_eq(status_text(ST_NOT_FOUND), "not found");
}

static const struct errno_case {
    int error;
    enum status want_st;
} errno_cases[] = {
    {ENOSPC, ST_FULL},      {EDQUOT, ST_FULL}, {ENOMEM, ST_NOMEM},
    {ENOENT, ST_NOT_FOUND}, {EIO, ST_IO},      {EACCES, ST_IO},
};

Test(err, of_errno)
{
    for (size_t i = 0; i < COUNT_OF(errno_cases); i++) {
        struct err err;
        char want[256];

        errno = errno_cases[i].error;
        EXPECT_STATUS("errno", err_errno(&err, "open %s", "x"), errno_cases[i].want_st);
        cr_expect_eq(err.status, errno_cases[i].want_st);
        (void)snprintf(want, sizeof(want), "open x: %s", strerror(errno_cases[i].error));
        cr_expect_str_eq(err.text, want);
        errno = errno_cases[i].error;
        EXPECT_STATUS("no err", err_errno(NULL, "open %s", "x"), errno_cases[i].want_st);
    }
}

Test(err, prefix)
{
    struct err err;

    EXPECT_STATUS("set", err_set(&err, ST_NOT_FOUND, "there is no setting \"%s\"", "x"),
                  ST_NOT_FOUND);
    EXPECT_STATUS("prefix", err_prefix(&err, ST_INVALID, "%s:%d", "file.yaml", 3), ST_INVALID);
    cr_expect_str_eq(err.text, "file.yaml:3: there is no setting \"x\"");
    cr_expect_eq(err.status, ST_INVALID);
    EXPECT_STATUS("no err", err_prefix(NULL, ST_IO, "x"), ST_IO);
    EXPECT_STATUS("no err", err_set(NULL, ST_IO, "x"), ST_IO);
}

Test(err, long_texts_are_cut)
{
    static char text[2 * ERR_TEXT_BYTES];
    struct err err;

    memset(text, 'x', sizeof(text) - 1);
    err_set(&err, ST_INVALID, "%s", text);
    cr_expect_eq(strlen(err.text), ERR_TEXT_BYTES - 1);
    err_prefix(&err, ST_INVALID, "file");
    cr_expect_eq(strlen(err.text), ERR_TEXT_BYTES - 1);
    cr_expect(str_starts(str_from(err.text), STR("file: xxx")));
    err_prefix(&err, ST_INVALID, "%s", text);
    cr_expect_eq(strlen(err.text), ERR_TEXT_BYTES - 1);
    for (size_t len = ERR_TEXT_BYTES - 4; len < ERR_TEXT_BYTES; len++) {
        errno = EIO;
        err_errno(&err, "%.*s", (int)len, text);
        cr_expect_lt(strlen(err.text), ERR_TEXT_BYTES, "%zu", len);
    }
}
