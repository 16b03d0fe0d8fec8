#include <sys/eventfd.h>
#include <unistd.h>

#include "server/http/server_internal.h"

#include "base/banned.h"

enum status mailbox_init(struct mailbox *m, struct err *err)
{
    *m = (struct mailbox){.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (m->event_fd < 0)
        return err_errno(err, "eventfd");
    lock_init(&m->lock, LOCK_RANK_QUEUE);
    return ST_OK;
}

void mailbox_release(struct mailbox *m)
{
    if (m->event_fd <= 0)
        return;
    (void)close(m->event_fd);
    lock_release(&m->lock);
}

static void wake(struct mailbox *m)
{
    uint64_t one = 1;
    ssize_t written = write(m->event_fd, &one, sizeof(one));

    (void)written; /* a full counter wakes all the same */
}

void mailbox_put_request(struct mailbox *m, struct request *r)
{
    r->next = NULL;
    lock_take(&m->lock);
    if (m->last == NULL)
        m->first = r;
    else
        m->last->next = r;
    m->last = r;
    lock_give(&m->lock);
    wake(m);
}

/*
 * Outcomes in a row that are the same are one. Should a loop fall so far behind that the list is
 * full, the last entries become a failure: those clients send again, and nothing is stored twice.
 */
void mailbox_put_settled(struct mailbox *m, uint64_t seq, enum status st)
{
    lock_take(&m->lock);
    struct settled *last = m->settled_count == 0 ? NULL : &m->settled[m->settled_count - 1];
    if (last != NULL && (last->status == st || m->settled_count == MAILBOX_SETTLED_MAX)) {
        if (last->status != st)
            last->status = ST_BUSY;
        last->seq = seq;
    } else {
        m->settled[m->settled_count++] = (struct settled){seq, st};
    }
    lock_give(&m->lock);
    wake(m);
}

void mailbox_put_stop(struct mailbox *m, int64_t until_ns)
{
    lock_take(&m->lock);
    m->stop_ns = until_ns;
    lock_give(&m->lock);
    wake(m);
}

void mailbox_put_wanted(struct mailbox *m, struct room wanted)
{
    lock_take(&m->lock);
    m->wanted.request_bytes = MAX_OF(m->wanted.request_bytes, wanted.request_bytes);
    m->wanted.answer_bytes = MAX_OF(m->wanted.answer_bytes, wanted.answer_bytes);
    lock_give(&m->lock);
    wake(m);
}

void mailbox_take(struct mailbox *m, bool settled, struct mail *ret_mail)
{
    uint64_t count;
    ssize_t got = read(m->event_fd, &count, sizeof(count));

    (void)got; /* nothing to read is fine */
    lock_take(&m->lock);
    ret_mail->requests = m->first;
    ret_mail->settled_count = settled ? m->settled_count : 0;
    for (size_t i = 0; i < ret_mail->settled_count; i++)
        ret_mail->settled[i] = m->settled[i];
    ret_mail->left = m->settled_count > ret_mail->settled_count;
    ret_mail->stop_ns = m->stop_ns;
    ret_mail->wanted = m->wanted;
    m->first = NULL;
    m->last = NULL;
    m->settled_count = ret_mail->left ? m->settled_count : 0;
    m->stop_ns = 0;
    m->wanted = (struct room){0};
    lock_give(&m->lock);
}
