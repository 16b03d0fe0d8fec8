#include "bench/bench.h"

#include <fts.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/num.h"
#include "base/time.h"

#include "base/banned.h"

void bench_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

static bool is_option(struct str arg, const char *name, struct str *ret_value)
{
    struct str n = str_from(name);

    if (!str_starts(arg, STR("--")) || !str_starts(str_cut(arg, 2), n))
        return false;
    arg = str_cut(arg, 2 + n.len);
    if (!str_starts(arg, STR("=")))
        return false;
    *ret_value = str_cut(arg, 1);
    return true;
}

void bench_check_options(int argc, char **argv, const char *const *names)
{
    struct str value;

    for (int i = 1; i < argc; i++) {
        const char *const *name = names;
        while (*name != NULL && !is_option(str_from(argv[i]), *name, &value))
            name++;
        if (*name == NULL)
            bench_fail("\"%s\" is not an option", argv[i]);
    }
}

struct str bench_text_option(int argc, char **argv, const char *name, const char *standard)
{
    struct str value = str_from(standard);

    for (int i = 1; i < argc; i++)
        (void)is_option(str_from(argv[i]), name, &value);
    return value;
}

uint64_t bench_option(int argc, char **argv, const struct bench_number *number)
{
    struct str text = bench_text_option(argc, argv, number->name, "");
    uint64_t v = number->standard;

    if (text.len > 0 && (num_parse_bytes(text, &v) != ST_OK || v == 0 || v > number->max))
        bench_fail("--%s wants a number up to %llu", number->name, (unsigned long long)number->max);
    return v;
}

double bench_seconds(void)
{
    return (double)time_mono_ns() / (double)SECOND_NS;
}

double bench_thread_seconds(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
        bench_fail("there is no clock of the thread");
    return (double)t.tv_sec + (double)t.tv_nsec / (double)SECOND_NS;
}

void bench_make_directory(char *path, size_t path_bytes)
{
    const char *parent = getenv("TMPDIR");

    (void)snprintf(path, path_bytes, "%s/skald-bench-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(path) == NULL)
        bench_fail("cannot make %s", path);
}

void bench_remove_directory(const char *path)
{
    char *const paths[] = {(char *)(uintptr_t)path, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    for (FTSENT *e = walk == NULL ? NULL : fts_read(walk); e != NULL; e = fts_read(walk)) {
        if (e->fts_info != FTS_D)
            (void)remove(e->fts_path);
    }
    if (walk != NULL)
        (void)fts_close(walk);
}
