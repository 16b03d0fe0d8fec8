/*
 * skald push: the lines of standard input as one stream.
 *
 * One thread reads, packs and sends. While a batch is on its way, or waits for its next try,
 * nothing is read: the pipe fills and holds its writer back, so memory stays small and no line is
 * dropped because the server is slow. The first SIGINT or SIGTERM ends the input, what has been
 * read is still sent; the second ends the program.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/batch.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/lines.h"
#include "cli/print.h"

#include "base/banned.h"

static const char text[] =
    "Sends the lines of standard input to the stream with the given labels, each with\n"
    "the time it was read at. Works behind \"tail -F FILE |\": lines wait for others at\n"
    "most --batch-wait. Ends with 1 if the server refused anything.\n";

enum {
    READ_BYTES = 64 * 1024,
    TRIES_DEFAULT = 10,
    LOOK_MS = 500, /* how long a signal may go unseen */
};

#define LINE_BYTES_MAX (64 * MIB)
#define BATCH_BYTES_DEFAULT MIB
#define BATCH_BYTES_MAX (256 * MIB)
#define BATCH_WAIT_DEFAULT_NS SECOND_NS

struct push {
    struct client_options client_options;
    struct texts metadata;
    uint64_t batch_size;
    int64_t batch_wait_ns;
    uint64_t tries;
    bool quiet;

    struct client *client;
    struct batch batch;
    struct lines lines;
    int64_t begun_ns; /* when the first line of the batch came */

    uint64_t sent_requests;
    uint64_t sent_lines;
    uint64_t sent_bytes;
    uint64_t refused_requests;
    uint64_t refused_lines;
};

#define OPTION(name) offsetof(struct push, name)

static const struct flag_row flags[] = {
    {.name = "metadata",
     .kind = FLAG_TEXTS,
     .offset = OPTION(metadata),
     .value = "NAME=VALUE",
     .text = "Structured metadata of every line; may be given several times."},
    {.name = "batch-size",
     .kind = FLAG_BYTES,
     .offset = OPTION(batch_size),
     .value = "BYTES",
     .text = "Send when so much has gathered, 1MiB by default."},
    {.name = "batch-wait",
     .kind = FLAG_DURATION,
     .offset = OPTION(batch_wait_ns),
     .value = "DURATION",
     .text = "Send when the first line has waited so long, 1s by default."},
    {.name = "max-retries",
     .kind = FLAG_COUNT,
     .offset = OPTION(tries),
     .value = "N",
     .text = "Tries of a batch while the server answers 429, 5xx or not at all, 10 by default. "
             "Between them are 0.5s, doubling up to 5m."},
    {.name = "quiet",
     .letter = 'q',
     .kind = FLAG_SWITCH,
     .offset = OPTION(quiet),
     .text = "Print errors only."},
};

/* ---- signals ---- */

static volatile sig_atomic_t told_to_stop;

static void on_signal(int number)
{
    (void)number;
    told_to_stop = 1;
}

static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* ---- sending ---- */

static void wait_before_try(const struct push *p, const struct err *err, unsigned failures)
{
    int64_t left_ns = client_backoff_ns(failures);
    struct buf wait;

    buf_init(&wait, KIB);
    duration_put_go(&wait, left_ns);
    if (!p->quiet) {
        (void)print_error("push", err);
        fprintf(stderr, "skald push: trying again in %.*s\n", STR_ARG(buf_str(&wait)));
    }
    buf_release(&wait);
    for (; left_ns > 0 && told_to_stop == 0; left_ns -= LOOK_MS * MS_NS)
        (void)poll(NULL, 0, (int)(MIN_OF(left_ns, LOOK_MS * MS_NS) / MS_NS));
}

/* Send a body, as often as that makes sense. */
static enum status send_body(const struct push *p, struct str body, struct err *err)
{
    for (unsigned failures = 1;; failures++) {
        enum status st = client_push(p->client, body, err);
        if (st == ST_OK || !client_may_retry(st) || failures >= p->tries || told_to_stop != 0)
            return st;
        wait_before_try(p, err, failures);
    }
}

/* Send what has gathered. What is refused is reported and counted; only our own errors end it. */
static enum status send_batch(struct push *p, struct err *err)
{
    struct batch *b = &p->batch;
    struct str body;

    if (b->count == 0)
        return ST_OK;
    enum status st = batch_pack(b, &body, err);
    if (st != ST_OK)
        return st;
    p->sent_requests++;
    p->sent_lines += b->count;
    p->sent_bytes += b->line_bytes;
    if (send_body(p, body, err) != ST_OK) {
        (void)print_error("push", err);
        p->refused_requests++;
        p->refused_lines += b->count;
    }
    batch_reset(b);
    return ST_OK;
}

static enum status add_line(struct push *p, struct str line, int64_t now_ns, struct err *err)
{
    enum status st = ST_OK;

    if (p->batch.count > 0 && p->batch.bytes + batch_line_bytes(&p->batch, line) > p->batch_size)
        st = send_batch(p, err);
    if (st == ST_OK && p->batch.count == 0)
        p->begun_ns = time_mono_ns();
    return st == ST_OK ? batch_add(&p->batch, line, now_ns, err) : st;
}

/* ---- reading ---- */

/* How long to wait for more input. */
static int wait_ms(const struct push *p)
{
    if (p->batch.count == 0)
        return LOOK_MS;
    int64_t left_ns = p->begun_ns + p->batch_wait_ns - time_mono_ns();
    if (left_ns <= 0)
        return 0;
    return (int)(MIN_OF(left_ns + MS_NS - 1, LOOK_MS * MS_NS) / MS_NS);
}

static enum status add_lines(struct push *p, struct str bytes, struct err *err)
{
    int64_t now_ns = time_now_ns();
    enum status st = ST_OK;
    struct str line;

    lines_feed(&p->lines, bytes);
    while (st == ST_OK && lines_next(&p->lines, &line))
        st = add_line(p, line, now_ns, err);
    return st;
}

/* Read what is there. `*ret_end`: there will be no more. */
static enum status read_input(struct push *p, char *room, bool *ret_end, struct err *err)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

    if (poll(&in, 1, wait_ms(p)) <= 0)
        return ST_OK; /* time has passed, or a signal came */
    ssize_t got = read(STDIN_FILENO, room, READ_BYTES);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return ST_OK;
    if (got < 0)
        return err_errno(err, "standard input");
    *ret_end = got == 0;
    return add_lines(p, str_make(room, (size_t)got), err);
}

static enum status read_all(struct push *p, struct err *err)
{
    static char room[READ_BYTES];
    enum status st = ST_OK;
    bool end = false;
    struct str line;

    while (st == ST_OK && !end && told_to_stop == 0) {
        st = read_input(p, room, &end, err);
        bool waited = p->batch.count > 0 && time_mono_ns() - p->begun_ns >= p->batch_wait_ns;
        if (st == ST_OK && waited)
            st = send_batch(p, err);
    }
    if (lines_last(&p->lines, &line)) {
        enum status added = add_line(p, line, time_now_ns(), st == ST_OK ? err : NULL);
        st = st == ST_OK ? added : st;
    }
    enum status sent = send_batch(p, st == ST_OK ? err : NULL);
    return st == ST_OK ? sent : st;
}

/* ---- the command ---- */

static void print_summary(const struct push *p)
{
    if (p->lines.too_long > 0)
        fprintf(stderr, "skald push: %" PRIu64 " lines of more than %zu bytes were not sent\n",
                p->lines.too_long, LINE_BYTES_MAX);
    if (p->quiet)
        return;
    fprintf(stderr, "%" PRIu64 " lines, %" PRIu64 " bytes, %" PRIu64 " requests", p->sent_lines,
            p->sent_bytes, p->sent_requests);
    if (p->refused_requests > 0)
        fprintf(stderr, "; refused, all or in part: %" PRIu64 " requests with %" PRIu64 " lines",
                p->refused_requests, p->refused_lines);
    fputc('\n', stderr);
}

static int push(struct push *p, struct str labels, struct labels metadata)
{
    struct err err = {.status = ST_OK};

    if (client_new(&p->client_options, &p->client, &err) != ST_OK) {
        (void)print_error("push", &err);
        return EXIT_USAGE;
    }
    watch_signals();
    batch_init(&p->batch, labels, metadata);
    lines_init(&p->lines, LINE_BYTES_MAX);
    enum status st = read_all(p, &err);
    if (st != ST_OK)
        (void)print_error("push", &err);
    print_summary(p);
    lines_release(&p->lines);
    batch_release(&p->batch);
    client_free(p->client);
    return st == ST_OK && p->refused_requests == 0 && p->lines.too_long == 0 ? EXIT_GOOD
                                                                             : EXIT_FAILED;
}

static enum status parse_metadata(const struct texts *texts, struct label *pairs, struct err *err)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct str pair = texts->items[i];
        size_t equals = str_find_char(pair, '=');
        if (equals == STR_NPOS || equals == 0)
            return err_set(err, ST_INVALID, "--metadata: \"%.*s\" is not NAME=VALUE",
                           STR_ARG(pair));
        pairs[i] = (struct label){str_head(pair, equals), str_cut(pair, equals + 1)};
    }
    return ST_OK;
}

static enum status parse_labels(struct arena *a, struct str selector, struct buf *labels,
                                struct err *err)
{
    struct labels parsed;

    if (!str_starts(selector, STR("{")))
        return err_set(err, ST_INVALID, "\"%.*s\" is not a set of labels such as '{app=\"x\"}'",
                       STR_ARG(selector));
    enum status st = labels_parse(a, selector, &parsed, err);
    if (st != ST_OK)
        return st;
    labels_put_text(labels, parsed);
    return buf_status(labels, err);
}

static int run(struct push *p, struct str selector)
{
    struct label metadata[TEXTS_MAX];
    struct arena arena;
    struct buf labels;
    struct err err;
    int status = EXIT_USAGE;

    arena_init(&arena, 16 * MIB);
    buf_init(&labels, 16 * MIB);
    enum status st = parse_labels(&arena, selector, &labels, &err);
    if (st == ST_OK)
        st = parse_metadata(&p->metadata, metadata, &err);
    if (st == ST_OK && (p->batch_size == 0 || p->batch_size > BATCH_BYTES_MAX))
        st = err_set(&err, ST_INVALID, "--batch-size is at most %zu bytes", BATCH_BYTES_MAX);
    if (st == ST_OK)
        status = push(p, buf_str(&labels), (struct labels){metadata, p->metadata.count});
    else
        (void)print_error("push", &err);
    buf_release(&labels);
    arena_release(&arena);
    return status;
}

int cmd_push(int argc, char **argv)
{
    struct push p = {
        .batch_size = BATCH_BYTES_DEFAULT,
        .batch_wait_ns = BATCH_WAIT_DEFAULT_NS,
        .tries = TRIES_DEFAULT,
    };
    const struct flag_group groups[] = {
        {flags, COUNT_OF(flags), &p},
        client_flag_group(&p.client_options),
    };
    const struct command_line line = {
        .command = "push",
        .operands = "'LABELS'",
        .text = text,
        .groups = groups,
        .group_count = COUNT_OF(groups),
        .operands_min = 1,
        .operands_max = 1,
    };
    struct texts operands;
    int status;

    if (!flags_begin(&line, argc, argv, &operands, &status))
        return status;
    return run(&p, operands.items[0]);
}
