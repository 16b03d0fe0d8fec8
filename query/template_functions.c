#include "query/template_functions.h"

#include "base/banned.h"

static const struct str names[] = {
#define X(name, text) STR_INIT(text),
    TEMPLATE_FUNCTIONS(X)
#undef X
};

bool template_function_find(struct str name, enum template_function *ret)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!str_eq(names[i], name))
            continue;
        *ret = (enum template_function)i;
        return true;
    }
    return false;
}

struct str template_function_name(enum template_function function)
{
    ASSERT((size_t)function < COUNT_OF(names));
    return names[function];
}
