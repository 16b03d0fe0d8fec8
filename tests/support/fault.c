#include "tests/support/fault.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/banned.h"

static int count_call(struct io_event *event, void *context)
{
    struct fault *f = context;
    uint64_t times = f->times == 0 ? 1 : f->times;
    int error = 0;

    (void)pthread_mutex_lock(&f->mutex);
    bool counts = f->kinds == 0 || (f->kinds & (1U << event->call)) != 0;
    f->calls += counts ? 1 : 0;
    if (counts && f->at != 0 && f->calls >= f->at && f->calls < f->at + times) {
        if (f->kill)
            (void)raise(SIGKILL);
        f->hit = true;
        f->failed = event->call;
        error = f->error;
        if (error == 0 && event->call == IO_WRITE)
            event->bytes = (event->bytes + 1) / 2;
    }
    if (event->call == IO_WRITE && f->write_max != 0 && event->bytes > f->write_max)
        event->bytes = f->write_max;
    (void)pthread_mutex_unlock(&f->mutex);
    return error;
}

void fault_begin(struct fault *f)
{
    (void)pthread_mutex_init(&f->mutex, NULL);
    io_hook_set(count_call, f);
}

void fault_end(void)
{
    io_hook_set(NULL, NULL);
}

bool fault_kills(void (*work)(void *context, struct fault *kill), void *context, uint64_t at)
{
    enum { NOT_KILLED = 7 };
    struct fault kill = {.at = at, .kill = true};
    int status = 0;

    pid_t process = fork();
    cr_assert_geq(process, 0);
    if (process == 0) {
        work(context, &kill);
        _exit(NOT_KILLED);
    }
    cr_assert_eq(waitpid(process, &status, 0), process);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    cr_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == NOT_KILLED));
    return killed;
}

static int wait_until_over(struct io_event *event, void *context)
{
    enum { PAUSE_US = 1000 };
    struct stall *s = context;

    if (event->call != s->call)
        return 0;
    flag_set(&s->reached);
    while (!flag_get(&s->over))
        (void)usleep(PAUSE_US);
    return 0;
}

void stall_begin(struct stall *s)
{
    io_hook_set(wait_until_over, s);
}
