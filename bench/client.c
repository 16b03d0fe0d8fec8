#include "bench/client.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "bench/bench.h"

#include "base/banned.h"

enum {
    REPLY_BYTES_MAX = 1 << 28,
    RECEIVE_BYTES = 64 * 1024,
    PATH_BYTES_MAX = 16 * 1024,
};

struct endpoint endpoint_free(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        bench_fail("cannot find a free port");
    (void)close(fd);
    return (struct endpoint){.port = ntohs(address.sin_port)};
}

int client_connect(const struct endpoint *e)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(e->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int send_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t put = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (put <= 0)
            return -1;
        bytes = str_cut(bytes, (size_t)put);
    }
    return 0;
}

/* The number behind "Content-Length: ", 0 if it is not there. */
static uint64_t content_length(struct str head)
{
    static const struct str name = STR_INIT("Content-Length: ");
    size_t at = str_find(head, name);
    uint64_t length = 0;

    if (at == STR_NPOS)
        return 0;
    struct str rest = str_cut(head, at + name.len);
    return num_parse_u64(str_head(rest, str_find_char(rest, '\r')), &length) == ST_OK ? length : 0;
}

int client_request(int fd, struct str head, struct str body, struct buf *ret_body)
{
    struct buf reply;
    size_t head_bytes = 0, bytes = 0;
    int status = -1;

    if (send_all(fd, head) != 0 || send_all(fd, body) != 0)
        return -1;
    buf_init(&reply, REPLY_BYTES_MAX);
    while (head_bytes == 0 || reply.len < bytes) {
        char *to = buf_reserve(&reply, RECEIVE_BYTES);
        ssize_t got = to == NULL ? -1 : recv(fd, to, RECEIVE_BYTES, 0);
        if (got <= 0)
            break;
        buf_advance(&reply, (size_t)got);
        size_t end = head_bytes > 0 ? STR_NPOS : str_find(buf_str(&reply), STR("\r\n\r\n"));
        if (end == STR_NPOS)
            continue;
        head_bytes = end + 4;
        bytes = head_bytes + content_length(str_head(buf_str(&reply), head_bytes));
    }
    if (head_bytes > 0 && reply.len >= bytes)
        status = (int)strtol(reply.ptr + sizeof("HTTP/1.1"), NULL, 10);
    if (ret_body != NULL && status > 0)
        buf_put(ret_body, str_cut(buf_str(&reply), head_bytes));
    buf_release(&reply);
    return status;
}

int client_get_over(int fd, const char *path, struct buf *ret_body)
{
    struct buf head;

    buf_init(&head, PATH_BYTES_MAX);
    buf_printf(&head, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path);
    int status = client_request(fd, buf_str(&head), STR(""), ret_body);
    buf_release(&head);
    return status;
}

int client_get(const struct endpoint *e, const char *path, struct buf *ret_body)
{
    int fd = client_connect(e);

    if (fd < 0)
        return -1;
    int status = client_get_over(fd, path, ret_body);
    (void)close(fd);
    return status;
}

void client_put_escaped(struct buf *b, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (isalnum((unsigned char)*p) != 0)
            buf_put_char(b, *p);
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)*p);
    }
}
