/* A configuration file: all settings printed as YAML are read as the same settings. */
#include "config/config.h"

#include "tests/fuzz/fuzz.h"

#include "base/banned.h"

static enum status read_config(struct str text, struct buf *printed)
{
    struct err err = {.text = ""};
    struct config c;

    ASSERT(config_init(&c, NULL) == ST_OK);
    enum status st = config_read_yaml(&c, text, "fuzz.yaml", &err);
    if (st == ST_OK)
        st = config_finish(&c, &err);
    ASSERT(st == ST_OK || err.text[0] != '\0');
    if (st == ST_OK)
        config_put_yaml(printed, &c);
    config_release(&c);
    return st;
}

void fuzz_input(struct str in)
{
    struct buf once, again;

    buf_init(&once, FUZZ_MEMORY_BYTES);
    buf_init(&again, FUZZ_MEMORY_BYTES);
    if (read_config(in, &once) == ST_OK) {
        ASSERT(read_config(buf_str(&once), &again) == ST_OK);
        ASSERT(str_eq(buf_str(&once), buf_str(&again)));
    }
    buf_release(&once);
    buf_release(&again);
}
