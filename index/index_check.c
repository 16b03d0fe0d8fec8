/*
 * Is every record of an index as it was written? pages.c goes through the file, this knows what the
 * records look like.
 */
#include <errno.h>
#include <stdio.h>

#include "index/index_internal.h"
#include "index/pages.h"

#include "base/banned.h"

enum { PATH_BYTES_MAX = 8192 };

static const struct pages_database databases[] = {
#define X(id, name, flags) {name, flags, ((flags)&MDB_DUPFIXED) != 0 ? POSTING_BYTES : 0},
    INDEX_DATABASES(X)
#undef X
};

struct check {
    bool form_damaged; /* a record of `meta`; only the version tells whether it is that */
};

static enum status wrong_record(size_t database, struct err *err)
{
    return err_set(err, ST_CORRUPT, "index: a record of `%s` is damaged", databases[database].name);
}

/* The records of version 1 have no checksums. */
static enum status check_version(struct check *c, struct str stored, struct err *err)
{
    uint64_t version;

    if (stored.len == sizeof(version) && get_u64(&stored, &version) && version == 1)
        return err_set(err, ST_UNSUPPORTED, "index: it is of version 1");
    return c->form_damaged ? wrong_record(INDEX_META, err) : ST_OK;
}

static enum status check_record(void *context, size_t database, struct str key, struct str stored,
                                struct err *err)
{
    struct check *c = context;
    struct str value;

    bool sound = record_split(key, stored, &value);
    if (database == INDEX_META) {
        c->form_damaged |= !sound;
        return str_eq(key, STR("version")) ? check_version(c, stored, err) : ST_OK;
    }
    return sound && !c->form_damaged ? ST_OK : wrong_record(database, err);
}

enum status index_check(const char *dir, struct err *err)
{
    struct check c = {.form_damaged = false};
    const struct pages_form form = {databases, COUNT_OF(databases), check_record, &c};
    char path[PATH_BYTES_MAX];
    size_t there = 0;

    int len = snprintf(path, sizeof(path), "%s/data.mdb", dir);
    if (len < 0 || (size_t)len >= sizeof(path))
        return err_set(err, ST_INVALID, "the name of the index is too long");
    enum status st = pages_check(path, &form, &there, err);
    if (st != ST_OK)
        return st;
    if (there == 0)
        return err_set(err, ST_NOT_FOUND, "index: nothing was ever committed to it");
    if (there != COUNT_OF(databases))
        return err_set(err, ST_CORRUPT, "index: some of its databases are missing");
    return c.form_damaged ? wrong_record(INDEX_META, err) : ST_OK;
}
