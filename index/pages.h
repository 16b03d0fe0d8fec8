/*
 * pages.h - look through a file of LMDB before LMDB opens it.
 *
 * LMDB believes its pages: a page number that is damaged leads it out of its mapping, a size out of
 * its page, and a page that is free and in use at once is overwritten. What this module has found
 * to be sound cannot do that. It reads the file by itself, page after page, each once.
 *
 * The file is one of LMDB 0.9 (data version 1) of this machine's word size and byte order. Nothing
 * writes to it meanwhile.
 */
#ifndef INDEX_PAGES_H
#define INDEX_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* A named database that the file may have. */
struct pages_database {
    const char *name;
    unsigned flags;      /* MDB_DUPSORT and MDB_DUPFIXED, or none */
    uint16_t duplicates; /* bytes of each value, if it has MDB_DUPFIXED */
};

struct pages_form {
    const struct pages_database *databases;
    size_t count;

    /*
     * Called for every record, database by database in the order of the form, keys ascending. A
     * status other than ST_OK ends the look with it, and its text.
     */
    enum status (*record)(void *context, size_t database, struct str key, struct str value,
                          struct err *err);
    void *context;
};

/*
 * ST_OK         all of it is sound; `*ret_databases` of the form are there
 * ST_NOT_FOUND  there is no file, or nothing in it yet
 * ST_CORRUPT    it is damaged, or not of this form; `err` says where
 * ST_IO         it cannot be read
 */
MUST_CHECK enum status pages_check(const char *path, const struct pages_form *form,
                                   size_t *ret_databases, struct err *err);

#endif
