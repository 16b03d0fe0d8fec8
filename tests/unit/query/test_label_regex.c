#include "query/label_regex.h"

#include <criterion/criterion.h>

#include "base/buf.h"

#include "base/banned.h"

#define ARENA_BYTES MIB

/*
 * `want` is "whole", "always", or terms in a row: `=x` equals, `*x` contains, `+` is not empty, a
 * `~` in front means any case.
 */
static const struct shape_case {
    const char *name;
    const char *expression;
    const char *want;
} shape_cases[] = {
    {"LB06", "ab+", "whole"},
    {"LB08, LB16", "warn.*", "*warn "},
    {"LB09", "warn.+", "whole"},
    {"LB10", "cat|car", "whole"},
    {"LB11", "info|information", "*info *information "},
    {"LB12", "dog|cat", "=dog =cat "},
    {"LB13", "", "always"},
    {"LB14", ".*", "always"},
    {"LB15", ".+", "+ "},
    {"LB17", "(?i)WARN", "~=WARN "},
    {"literal", "lit", "=lit "},
    {"escaped point", "a\\.b", "=a.b "},
    {"point in a class", "a[.]b", "=a.b "},
    {"tab", "\\t", "=\t "},
    {"prefix and suffix", ".*foo.*", "*foo "},
    {"suffix", ".*foo", "*foo "},
    {"four items", ".*foo.*bar", "whole"},
    {"two literals", "foo.*bar", "whole"},
    {"lazy", "foo.*?", "*foo "},
    {"group", "(foo)", "=foo "},
    {"groups of groups", "((foo))", "=foo "},
    {"group and text", "(foo)bar", "whole"},
    {"group without capture joins", "(?:foo)bar", "=foobar "},
    {"two points", "foo..", "whole"},
    {"class", "ca[rt]", "whole"},
    {"class that is factored out", "cat|cot", "*cat *cot "},
    {"common start of three", "4..|5..", "whole"},
    {"bar, b, buzz", "bar|b|buzz", "*bar *b *buzz "},
    {"text before a group", "foo(bar|qux)", "*foobar *fooqux "},
    {"group that is factored itself", "foo(bar|buzz)", "whole"},
    {"text before an empty branch", "foo(|bar)", "*foo *foobar "},
    {"text behind anything in a branch", "a.*b|acd", "whole"},
    {"case inside a factor", "(?i)bb|b.*", "~*bb ~*b "},
    {"anything before a group", ".*foo(bar|qux)", "*foobar *fooqux "},
    {"group before text", "(bar|buzz)foo", "whole"},
    {"empty branch", "warn|", "=warn "},
    {"empty branches", "|", "always"},
    {"always true branch", "foo|.*", "=foo "},
    {"the same twice", "foo|foo", "*foo "},
    {"branch that stays", "foo|ba+r", "whole"},
    {"branches with stars", "foo.*|bar", "*foo =bar "},
    {"repeat", "a{2}", "whole"},
    {"brace that is text", "a{b", "=a{b "},
    {"anchor", "^foo$", "whole"},
    {"point takes newlines", "(?s).*", "whole"},
    {"point takes none again", "(?s)(?-s).*", "always"},
    {"flags end with their group", "(?i:a)b", "whole"},
    {"digits", "\\d", "whole"},
    {"named group", "(?P<n>foo)", "=foo "},
    {"group at the end", "foo(bar)", "whole"},
    {"unicode", "größe|grün", "*größe *grün "},
};

static void put_regex(struct buf *b, const struct label_regex *r)
{
    if (r->kind == LABEL_REGEX_WHOLE)
        buf_put(b, STR("whole"));
    if (r->kind == LABEL_REGEX_ALWAYS)
        buf_put(b, STR("always"));
    for (size_t i = 0; i < r->count; i++) {
        const struct label_term *t = &r->terms[i];
        buf_printf(b, "%s%c%.*s ", t->any_case ? "~" : "", "=*+"[t->kind], STR_ARG(t->text));
    }
}

Test(label_regex, shapes)
{
    for (size_t i = 0; i < COUNT_OF(shape_cases); i++) {
        const struct shape_case *c = &shape_cases[i];
        struct label_regex r;
        struct arena a;
        struct buf b;

        arena_init(&a, ARENA_BYTES);
        buf_init(&b, ARENA_BYTES);
        cr_assert_eq(label_regex_simplify(&a, str_from(c->expression), &r, NULL), ST_OK);
        put_regex(&b, &r);

        cr_expect(str_eq(buf_str(&b), str_from(c->want)), "%s: %.*s", c->name,
                  STR_ARG(buf_str(&b)));
        cr_expect_eq(label_regex_is_simple(str_from(c->expression)), r.kind != LABEL_REGEX_WHOLE,
                     "%s", c->name);
        buf_release(&b);
        arena_release(&a);
    }
}

/* Nothing that is long or deep may take more than its share. */
Test(label_regex, hostile)
{
    static const char *const pieces[] = {"a", "(", "(?:", "\\.", "a|", "(a|", ".*", "[.]", "|"};
    enum { TIMES = 20000 };

    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct buf b;

        buf_init(&b, MIB);
        for (size_t j = 0; j < TIMES; j++)
            buf_put(&b, str_from(pieces[i]));
        (void)label_regex_is_simple(buf_str(&b));
        buf_release(&b);
    }
}
