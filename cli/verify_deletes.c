/*
 * The delete requests. A server starts with one copy of them, and not without any: deleted lines
 * would come back.
 */
#include "base/io.h"
#include "cli/verify.h"
#include "server/store/delete_list.h"

#include "base/banned.h"

enum { PATH_BYTES_MAX = 8192 };

enum status verify_deletes(struct verify *v, struct err *err)
{
    struct delete_list list;
    struct buf path, bytes;
    struct arena arena;
    struct err why, damage = {.status = ST_OK};

    buf_init(&path, PATH_BYTES_MAX);
    buf_init(&bytes, DELETE_LIST_BYTES_MAX);
    arena_init(&arena, DELETE_LIST_BYTES_MAX);
    buf_printf(&path, "%s/deletes%c", v->dir, '\0');
    enum status st = buf_status(&path, err);
    enum status found = st == ST_OK ? io_file_read(path.ptr, &bytes, &why) : ST_NOT_FOUND;
    if (found == ST_OK)
        found = delete_list_decode(&arena, buf_str(&bytes), &list, &damage, &why);
    if (found != ST_OK && found != ST_NOT_FOUND)
        verify_problem(v, (struct verify_where){path.ptr, -1, NULL}, "%s", why.text);
    else if (damage.status != ST_OK)
        verify_problem(v, (struct verify_where){path.ptr, -1, NULL}, "%s", damage.text);
    arena_release(&arena);
    buf_release(&bytes);
    buf_release(&path);
    return st;
}
