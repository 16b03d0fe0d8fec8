/*
 * id_value.h - is the value of a label one of many ids, rather than one to choose from?
 */
#ifndef QUERY_ID_VALUE_H
#define QUERY_ID_VALUE_H

#include <stdbool.h>

#include "base/str.h"

/* A number, or a UUID in one of its usual forms. */
bool value_is_id(struct str value);

#endif
