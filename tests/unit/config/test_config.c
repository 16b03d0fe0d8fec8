#include "config/config.h"

#include <inttypes.h>

#include "tests/support/expect.h"

#include "base/banned.h"

/* ---- one setting ---- */

static const struct set_case {
    const char *name;
    struct str key;
    struct str value;
    enum status st;
    const char *want_text;
} set_cases[] = {
    {"true", STR_INIT("auth_enabled"), STR_INIT("true"), ST_OK, ""},
    {"false", STR_INIT("auth_enabled"), STR_INIT("false"), ST_OK, ""},
    {"bool in capitals", STR_INIT("auth_enabled"), STR_INIT("True"), ST_INVALID,
     "auth_enabled: \"True\" is not a true or false"},
    {"bool as a number", STR_INIT("auth_enabled"), STR_INIT("1"), ST_INVALID,
     "auth_enabled: \"1\" is not a true or false"},
    {"empty bool", STR_INIT("auth_enabled"), STR_INIT(""), ST_INVALID,
     "auth_enabled: \"\" is not a true or false"},
    {"count", STR_INIT("server.http_listen_port"), STR_INIT("65535"), ST_OK, ""},
    {"smallest count", STR_INIT("server.http_listen_port"), STR_INIT("0"), ST_OK, ""},
    {"count too large", STR_INIT("server.http_listen_port"), STR_INIT("65536"), ST_INVALID,
     "server.http_listen_port: \"65536\" is not a number from 0 to 65535"},
    {"count beyond 64 bits", STR_INIT("server.http_listen_port"), STR_INIT("99999999999999999999"),
     ST_INVALID,
     "server.http_listen_port: \"99999999999999999999\" is not a number from 0 to 65535"},
    {"count below zero", STR_INIT("server.http_listen_port"), STR_INIT("-1"), ST_INVALID,
     "server.http_listen_port: \"-1\" is not a number from 0 to 65535"},
    {"count with a unit", STR_INIT("server.http_listen_port"), STR_INIT("3k"), ST_INVALID,
     "server.http_listen_port: \"3k\" is not a number from 0 to 65535"},
    {"count too small", STR_INIT("storage.max_open_segments"), STR_INIT("7"), ST_INVALID,
     "storage.max_open_segments: \"7\" is not a number from 8 to 65536"},
    {"count without a range", STR_INIT("limits.max_query_series"), STR_INIT("9223372036854775807"),
     ST_OK, ""},
    {"count beyond 63 bits", STR_INIT("limits.max_query_series"), STR_INIT("9223372036854775808"),
     ST_INVALID, "limits.max_query_series: \"9223372036854775808\" is not a number"},
    {"size", STR_INIT("server.http_max_header_bytes"), STR_INIT("1.5MiB"), ST_OK, ""},
    {"smallest size", STR_INIT("server.http_max_header_bytes"), STR_INIT("1KB"), ST_OK, ""},
    {"size too small", STR_INIT("server.http_max_header_bytes"), STR_INIT("1023"), ST_INVALID,
     "server.http_max_header_bytes: \"1023\" is not a size from 1KB to 16MB"},
    {"size too large", STR_INIT("server.http_max_header_bytes"), STR_INIT("17MB"), ST_INVALID,
     "server.http_max_header_bytes: \"17MB\" is not a size from 1KB to 16MB"},
    {"size without a largest", STR_INIT("wal.file_size"), STR_INIT("4TB"), ST_OK, ""},
    {"size too small without a largest", STR_INIT("wal.file_size"), STR_INIT("1"), ST_INVALID,
     "wal.file_size: \"1\" is not a size of at least 64KB"},
    {"size of words", STR_INIT("wal.file_size"), STR_INIT("lots"), ST_INVALID,
     "wal.file_size: \"lots\" is not a size of at least 64KB"},
    {"duration of Prometheus", STR_INIT("limits.max_query_length"), STR_INIT("30d1h"), ST_OK, ""},
    {"duration of Go", STR_INIT("limits.max_query_length"), STR_INIT("1.5h"), ST_OK, ""},
    {"no duration", STR_INIT("limits.max_query_length"), STR_INIT("5"), ST_INVALID,
     "limits.max_query_length: \"5\" is not a duration"},
    {"duration below zero", STR_INIT("limits.max_query_length"), STR_INIT("-5m"), ST_INVALID,
     "limits.max_query_length: \"-5m\" is not a duration"},
    {"duration too small", STR_INIT("limits.query_timeout"), STR_INIT("10us"), ST_INVALID,
     "limits.query_timeout: \"10us\" is not a duration of at least 1ms"},
    {"six of which are too long", STR_INIT("compactor.compaction_interval"), STR_INIT("2000000h"),
     ST_INVALID, "compactor.compaction_interval: \"2000000h\" is not a duration from 0s to 1y"},
    {"number", STR_INIT("limits.ingestion_rate_mb"), STR_INIT("1.5"), ST_OK, ""},
    {"no number", STR_INIT("limits.ingestion_rate_mb"), STR_INIT("x"), ST_INVALID,
     "limits.ingestion_rate_mb: \"x\" is not a number"},
    {"number too large", STR_INIT("limits.ingestion_rate_mb"), STR_INIT("1e999"), ST_INVALID,
     "limits.ingestion_rate_mb: \"1e999\" is not a number"},
    {"not a number", STR_INIT("limits.ingestion_rate_mb"), STR_INIT("nan"), ST_INVALID,
     "limits.ingestion_rate_mb: \"nan\" is not a number"},
    {"text", STR_INIT("storage.data_dir"), STR_INIT("/a b/\xff"), ST_OK, ""},
    {"empty text", STR_INIT("storage.data_dir"), STR_INIT(""), ST_OK, ""},
    {"list", STR_INIT("limits.log_level_fields"), STR_INIT("a, b"), ST_OK, ""},
    {"rules", STR_INIT("limits.retention_stream"),
     STR_INIT("{a=\"x;y\", b=~`c|d`} 1 24h; {e!=\"\",} -2 0s ;"), ST_OK, ""},
    {"no rules", STR_INIT("limits.retention_stream"), STR_INIT(" "), ST_OK, ""},
    {"rule without a selector", STR_INIT("limits.retention_stream"), STR_INIT("1 24h"), ST_INVALID,
     "limits.retention_stream: rule 1: selector: expected a selector in braces"},
    {"rule with an empty selector", STR_INIT("limits.retention_stream"), STR_INIT("{} 1 24h"),
     ST_INVALID, "limits.retention_stream: rule 1: selector: a selector needs a matcher"},
    {"rule with half a matcher", STR_INIT("limits.retention_stream"), STR_INIT("{a} 1 24h"),
     ST_INVALID, "limits.retention_stream: rule 1: selector: expected =, !=, =~ or !~ behind a"},
    {"rule without quotes", STR_INIT("limits.retention_stream"), STR_INIT("{a=b} 1 24h"),
     ST_INVALID, "limits.retention_stream: rule 1: selector: expected a value in quotes for a"},
    {"rule that goes on", STR_INIT("limits.retention_stream"), STR_INIT("{a=\"b\" c=\"d\"} 1 24h"),
     ST_INVALID, "limits.retention_stream: rule 1: selector: expected , or } in a selector"},
    {"rule with a bad expression", STR_INIT("limits.retention_stream"),
     STR_INIT("{a=\"b\"} 1 24h; {a=~\"(\"} 1 24h"), ST_INVALID,
     "limits.retention_stream: rule 2: selector: error parsing regexp: missing closing ): `(`"},
    {"rule with a bad priority", STR_INIT("limits.retention_stream"), STR_INIT("{a=\"b\"} x 24h"),
     ST_INVALID, "limits.retention_stream: rule 1: priority: \"x\" is not a number"},
    {"rule with a bad period", STR_INIT("limits.retention_stream"), STR_INIT("{a=\"b\"} 1 -24h"),
     ST_INVALID, "limits.retention_stream: rule 1: period: \"-24h\" is not a duration"},
    {"rule without a period", STR_INIT("limits.retention_stream"), STR_INIT("{a=\"b\"} 1; "),
     ST_INVALID, "limits.retention_stream: rule 1: period: \"\" is not a duration"},
    {"rules without a border", STR_INIT("limits.retention_stream"),
     STR_INIT("{a=\"b\"} 1 24h {a=\"c\"} 1 24h"), ST_INVALID,
     "limits.retention_stream: rule 1: expected ; behind the period"},
    {"unknown section", STR_INIT("sever.log_level"), STR_INIT("x"), ST_NOT_FOUND,
     "there is no setting \"sever.log_level\""},
    {"unknown name", STR_INIT("server.log_levle"), STR_INIT("x"), ST_NOT_FOUND,
     "there is no setting \"server.log_levle\""},
    {"name without its section", STR_INIT("log_level"), STR_INIT("x"), ST_NOT_FOUND,
     "there is no setting \"log_level\""},
    {"section alone", STR_INIT("server"), STR_INIT("x"), ST_NOT_FOUND,
     "there is no setting \"server\""},
    {"section of the top level", STR_INIT("-.auth_enabled"), STR_INIT("true"), ST_NOT_FOUND,
     "there is no setting \"-.auth_enabled\""},
    {"capitals", STR_INIT("Server.log_level"), STR_INIT("x"), ST_NOT_FOUND,
     "there is no setting \"Server.log_level\""},
    {"empty key", STR_INIT(""), STR_INIT("x"), ST_NOT_FOUND, "there is no setting \"\""},
};

Test(config, set)
{
    for (size_t i = 0; i < COUNT_OF(set_cases); i++) {
        const struct set_case *k = &set_cases[i];
        struct err err = {.text = ""};
        struct config c;

        REQUIRE_OK(config_init(&c, NULL));
        EXPECT_STATUS(k->name, config_set(&c, k->key, k->value, &err), k->st);
        cr_expect_str_eq(err.text, k->want_text, "%s: %s", k->name, err.text);
        config_release(&c);
    }
}

static void set(struct config *c, const char *key, const char *value)
{
    struct err err = {.text = ""};

    cr_assert_eq(config_set(c, str_from(key), str_from(value), &err), ST_OK, "%s", err.text);
}

Test(config, values)
{
    struct config c;

    REQUIRE_OK(config_init(&c, NULL));
    cr_expect_eq(c.settings.http_listen_port, 3100);
    cr_expect_eq(c.settings.memory_target, 48 * MIB);
    cr_expect_eq(c.settings.http_read_timeout, 30 * SECOND_NS);
    cr_expect_eq(c.limits.max_query_length, 721 * HOUR_NS);
    cr_expect_eq(c.limits.discover_service_name.count, 13);
    EXPECT_STR("default", c.settings.no_auth_tenant, STR("fake"));
    set(&c, "auth_enabled", "true");
    set(&c, "server.http_listen_port", "80");
    set(&c, "wal.file_size", "1.5MB");
    set(&c, "limits.query_timeout", "1h30m");
    set(&c, "limits.ingestion_rate_mb", "0.25");
    set(&c, "limits.log_level_fields", " a ,,b.c");
    cr_expect(c.settings.auth_enabled);
    cr_expect_eq(c.settings.http_listen_port, 80);
    cr_expect_eq(c.settings.file_size, 1536 * KIB);
    cr_expect_eq(c.limits.query_timeout, 90 * MINUTE_NS);
    cr_expect(c.limits.ingestion_rate_mb == 0.25);
    cr_assert_eq(c.limits.log_level_fields.count, 3);
    EXPECT_STR("first", c.limits.log_level_fields.items[0], STR("a"));
    EXPECT_STR("second", c.limits.log_level_fields.items[1], STR(""));
    EXPECT_STR("third", c.limits.log_level_fields.items[2], STR("b.c"));
    set(&c, "limits.log_level_fields", "");
    cr_expect_eq(c.limits.log_level_fields.count, 0);
    config_release(&c);
}

Test(config, strings_are_copied)
{
    char value[] = "/data", list[] = "a,b";
    struct config c;

    REQUIRE_OK(config_init(&c, NULL));
    set(&c, "storage.data_dir", value);
    set(&c, "limits.log_level_fields", list);
    memset(value, 'x', sizeof(value));
    memset(list, 'x', sizeof(list));
    EXPECT_STR("text", c.settings.data_dir, STR("/data"));
    EXPECT_STR("list", c.limits.log_level_fields.items[1], STR("b"));
    config_release(&c);
}

Test(config, a_bad_value_changes_nothing)
{
    static const struct {
        const char *key;
        const char *bad;
    } cases[] = {
        {"server.http_listen_port", "70000"},
        {"server.http_read_timeout", "x"},
        {"wal.file_size", "1"},
        {"auth_enabled", "yes"},
        {"limits.ingestion_rate_mb", "1e999"},
    };
    struct config c, before;

    REQUIRE_OK(config_init(&c, NULL));
    before = c;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        EXPECT_STATUS(cases[i].key,
                      config_set(&c, str_from(cases[i].key), str_from(cases[i].bad), NULL),
                      ST_INVALID);
    cr_expect_eq(c.settings.http_listen_port, before.settings.http_listen_port);
    cr_expect_eq(c.settings.http_read_timeout, before.settings.http_read_timeout);
    cr_expect_eq(c.settings.file_size, before.settings.file_size);
    cr_expect_eq(c.settings.auth_enabled, before.settings.auth_enabled);
    cr_expect(c.limits.ingestion_rate_mb == before.limits.ingestion_rate_mb);
    config_release(&c);
}

/* ---- YAML ---- */

static const struct yaml_case {
    const char *name;
    struct str text;
    const char *want_text; /* NULL: accepted */
} yaml_cases[] = {
    {"nothing", STR_INIT(""), NULL},
    {"null", {NULL, 0}, NULL},
    {"comments", STR_INIT("# nothing\n\n# at all\n"), NULL},
    {"top level", STR_INIT("auth_enabled: true\n"), NULL},
    {"sections", STR_INIT("server:\n  http_listen_port: 80\nwal:\n  file_size: 1MB\n"), NULL},
    {"flow form", STR_INIT("{server: {http_listen_port: 80}, limits: {log_level_fields: [a, b]}}"),
     NULL},
    {"list", STR_INIT("limits:\n  log_level_fields:\n  - a\n  - b\n"), NULL},
    {"list as text", STR_INIT("limits:\n  log_level_fields: a,b\n"), NULL},
    {"empty list", STR_INIT("limits:\n  log_level_fields: []\n"), NULL},
    {"quoted", STR_INIT("\"server\":\n  'http_listen_port': \"80\"\n"), NULL},
    {"document mark", STR_INIT("---\nserver:\n  http_listen_port: 80\n...\n"), NULL},
    {"empty section", STR_INIT("server:\nauth_enabled: true\n"), NULL},
    {"empty overrides", STR_INIT("overrides:\n"), NULL},
    {"overrides", STR_INIT("overrides:\n  a:\n    max_line_size: 1KB\n  b:\n"), NULL},
    {"empty text", STR_INIT("storage:\n  data_dir: \"\"\n"), NULL},
    {"unknown key", STR_INIT("server:\n  http_listen_port: 80\n  nope: 1\n"),
     "f.yaml:3: there is no setting \"server.nope\""},
    {"unknown top level", STR_INIT("\nnope: 1\n"), "f.yaml:2: there is no setting \"nope\""},
    {"unknown section", STR_INIT("sever:\n  http_listen_port: 80\n"),
     "f.yaml:2: there is no setting \"sever.http_listen_port\""},
    {"bad value", STR_INIT("server:\n  http_listen_port: x\n"),
     "f.yaml:2: server.http_listen_port: \"x\" is not a number from 0 to 65535"},
    {"empty value", STR_INIT("server:\n  http_listen_port:\n"),
     "f.yaml:2: server.http_listen_port: \"\" is not a number from 0 to 65535"},
    {"setting for a section", STR_INIT("server: 80\n"), "f.yaml:1: there is no setting \"server\""},
    {"section for a setting", STR_INIT("auth_enabled:\n  x: true\n"),
     "f.yaml:2: there is no setting \"auth_enabled.x\""},
    {"nested too deep", STR_INIT("server:\n  http_listen_port:\n    x: 1\n"),
     "f.yaml:3: expected a value, not a map"},
    {"nested list", STR_INIT("limits:\n  log_level_fields: [[a]]\n"), "f.yaml:2: expected a value"},
    {"map in a list", STR_INIT("limits:\n  log_level_fields:\n  - a: 1\n"),
     "f.yaml:3: expected a value"},
    {"list for a section", STR_INIT("server: [a]\n"), "f.yaml:1: there is no setting \"server\""},
    {"list for one value", STR_INIT("server:\n  log_level: [info]\n"),
     "f.yaml:2: server.log_level takes one value, not a list"},
    {"list for one value of the top level", STR_INIT("auth_enabled:\n  - true\n"),
     "f.yaml:2: auth_enabled takes one value, not a list"},
    {"list for one value of a tenant", STR_INIT("overrides:\n  t.x:\n    max_line_size: [1]\n"),
     "f.yaml:3: overrides.t.x.max_line_size takes one value, not a list"},
    {"a setting twice", STR_INIT("server:\n  log_level: info\n\n  log_level: info\n"),
     "f.yaml:4: server.log_level is there a second time"},
    {"a section twice", STR_INIT("server:\n  log_level: info\nwal:\nserver:\n  http_threads: 1\n"),
     "f.yaml:4: server is there a second time"},
    {"a tenant twice",
     STR_INIT("overrides:\n  t: {max_line_size: 1}\n  t: {max_query_series: 1}\n"),
     "f.yaml:3: overrides.t is there a second time"},
    {"a limit of a tenant twice",
     STR_INIT("overrides:\n  t: {max_line_size: 1, max_line_size: 2}\n"),
     "f.yaml:2: overrides.t.max_line_size is there a second time"},
    {"the same names elsewhere",
     STR_INIT("limits:\n  max_line_size: 1\noverrides:\n  limits: {max_line_size: 1}\n"
              "  limits.max_line_size: {max_line_size: 2}\n  t: {max_line_size: 1}\n"),
     NULL},
    {"list for the file", STR_INIT("- a\n"), "f.yaml:1: expected a map of sections"},
    {"text for the file", STR_INIT("hello\n"), "f.yaml:1: expected a map of sections"},
    {"map for a key", STR_INIT("? {a: 1}\n: 2\n"), "f.yaml:1: expected a key"},
    {"alias", STR_INIT("server:\n  http_listen_port: *p\n"), "f.yaml:2: aliases are not supported"},
    {"overrides are a value", STR_INIT("overrides: 5\n"), "f.yaml:1: expected a map"},
    {"overrides are a list", STR_INIT("overrides: [a]\n"), "f.yaml:1: expected a map"},
    {"an override is a value", STR_INIT("overrides:\n  a: 5\n"), "f.yaml:2: expected a map"},
    {"an override is too deep", STR_INIT("overrides:\n  a:\n    max_line_size: {x: 1}\n"),
     "f.yaml:3: expected a value, not a map"},
    {"unknown override", STR_INIT("overrides:\n  a:\n    nope: 5\n"),
     "f.yaml:3: there is no limit \"nope\""},
    {"a setting is no limit", STR_INIT("overrides:\n  a:\n    http_listen_port: 5\n"),
     "f.yaml:3: there is no limit \"http_listen_port\""},
    {"bad override", STR_INIT("overrides:\n  a:\n    query_timeout: x\n"),
     "f.yaml:3: limits.query_timeout: \"x\" is not a duration of at least 1ms"},
    {"section that is not there, empty", STR_INIT("auth_enabled: true\nsever:\n"),
     "f.yaml:2: there is no setting \"sever\""},
    {"section that is not there, empty map", STR_INIT("sever: {}\n"),
     "f.yaml:1: there is no setting \"sever\""},
    {"section that is not there, map of nothing known", STR_INIT("server: {}\nsever: {}\n"),
     "f.yaml:2: there is no setting \"sever\""},
    {"top level setting without a value", STR_INIT("auth_enabled:\n"),
     "f.yaml:1: auth_enabled: \"\" is not a true or false"},
    {"anchor", STR_INIT("server:\n  http_listen_port: &p 80\n"),
     "f.yaml:2: anchors are not supported"},
    {"anchor of a map", STR_INIT("server: &s\n  http_listen_port: 80\n"),
     "f.yaml:1: anchors are not supported"},
    {"anchor of a list", STR_INIT("limits: {log_level_fields: &l [a]}\n"),
     "f.yaml:1: anchors are not supported"},
    {"rules",
     STR_INIT("limits:\n  retention_stream:\n"
              "  - selector: '{a=\"b\"}'\n    priority: 1\n    period: 24h\n"
              "  - {period: 30d, selector: '{c=~\"d|e\"}'}\n"
              "  - '{f=\"g\"} 3 1h'\n"),
     NULL},
    {"rules of a tenant",
     STR_INIT("overrides:\n  t:\n    retention_stream:\n"
              "    - {period: 30d, selector: '{c=~\"d|e\"}'}\n"),
     NULL},
    {"rules as text", STR_INIT("limits:\n  retention_stream: '{f=\"g\"} 3 1h'\n"), NULL},
    {"rule with a bad selector",
     STR_INIT("limits:\n  retention_stream:\n  - period: 1h\n    selector: a\n"),
     "f.yaml:4: limits.retention_stream: selector: expected a selector in braces"},
    {"rule with text behind its selector",
     STR_INIT("limits:\n  retention_stream:\n  - selector: '{a=\"b\"} |= \"c\"'\n"),
     "f.yaml:3: limits.retention_stream: selector: there is text behind the brace"},
    {"rule with an unknown key",
     STR_INIT("overrides:\n  t:\n    retention_stream:\n    - selector: '{a=\"b\"}'\n"
              "      prio: 1\n"),
     "f.yaml:5: limits.retention_stream: there is no \"prio\", only selector, priority and period"},
    {"rule without a period",
     STR_INIT("limits:\n  retention_stream:\n  - selector: '{a=\"b\"}'\n  - period: 1h\n"),
     "f.yaml:3: limits.retention_stream: a rule needs a selector and a period"},
    {"rule that is too deep",
     STR_INIT("limits:\n  retention_stream:\n  - selector: {a: b}\n    period: 1h\n"),
     "f.yaml:3: expected a value"},
    {"rule as the value", STR_INIT("limits:\n  retention_stream:\n    selector: x\n"),
     "f.yaml:3: expected a value, not a map"},
    {"tag", STR_INIT("server:\n  http_listen_port: !!str 80\n"),
     "f.yaml:2: tags are not supported"},
    {"tag of a map", STR_INIT("server: !x\n  http_listen_port: 80\n"),
     "f.yaml:1: tags are not supported"},
    {"two documents", STR_INIT("auth_enabled: true\n---\nauth_enabled: false\n"),
     "f.yaml:2: several documents are not supported"},
};

Test(config, read_yaml)
{
    for (size_t i = 0; i < COUNT_OF(yaml_cases); i++) {
        const struct yaml_case *k = &yaml_cases[i];
        struct err err = {.text = ""};
        struct config c;

        REQUIRE_OK(config_init(&c, NULL));
        EXPECT_STATUS(k->name, config_read_yaml(&c, k->text, "f.yaml", &err),
                      k->want_text == NULL ? ST_OK : ST_INVALID);
        cr_expect_str_eq(err.text, k->want_text == NULL ? "" : k->want_text, "%s: %s", k->name,
                         err.text);
        config_release(&c);
    }
}

/* What libyaml itself refuses: its words, with our file and its line. */
Test(config, malformed_yaml)
{
    static const struct {
        struct str text;
        const char *begin;
    } cases[] = {
        {STR_INIT("server:\n  a: [1\n"), "f.yaml:"},
        {STR_INIT("server: {a: 1\n"), "f.yaml:"},
        {STR_INIT("a: b: c\n"), "f.yaml:1: "},
        {STR_INIT("server:\n  log_level: x\n wal: {}\n"), "f.yaml:3: "},
        {STR_INIT("\tserver:\n"), "f.yaml:1: "},
        {STR_INIT("a: \"x\n"), "f.yaml:"},
        {STR_INIT("a: \"\\q\"\n"), "f.yaml:1: "},
        {STR_INIT("a: \xff\n"), "f.yaml:1: "},
        {STR_INIT("a: \x01\n"), "f.yaml:1: "},
        {STR_INIT("}\n"), "f.yaml:1: "},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {.text = ""};
        struct config c;
        REQUIRE_OK(config_init(&c, NULL));
        EXPECT_STATUS("malformed", config_read_yaml(&c, cases[i].text, "f.yaml", &err), ST_INVALID);
        cr_expect(str_starts(str_from(err.text), str_from(cases[i].begin)), "%zu: %s", i, err.text);
        config_release(&c);
    }
}

static void read_yaml(struct config *c, const char *text)
{
    struct err err = {.text = ""};

    cr_assert_eq(config_read_yaml(c, str_from(text), "f.yaml", &err), ST_OK, "%s", err.text);
}

Test(config, yaml_values)
{
    struct config c;

    REQUIRE_OK(config_init(&c, NULL));
    read_yaml(&c, "auth_enabled: true\n"
                  "server: {http_listen_port: 80, log_level: \"\\u0064ebug\"}\n"
                  "storage:\n  data_dir: |-\n    /a\n    b\n"
                  "limits:\n  log_level_fields:\n  - a\n  - \"b c\"\n");
    cr_expect(c.settings.auth_enabled);
    cr_expect_eq(c.settings.http_listen_port, 80);
    EXPECT_STR("escape", c.settings.log_level, STR("debug"));
    EXPECT_STR("block", c.settings.data_dir, STR("/a\nb"));
    cr_assert_eq(c.limits.log_level_fields.count, 2);
    EXPECT_STR("second", c.limits.log_level_fields.items[1], STR("b c"));
    config_release(&c);
}

Test(config, retention_rules)
{
    struct config c;

    REQUIRE_OK(config_init(&c, NULL));
    read_yaml(&c, "limits:\n  retention_stream:\n"
                  "  - selector: '{a=\"x;y\", b!~`c|d`}'\n    priority: -3\n    period: 36h\n"
                  "  - {period: 0s, selector: '{e=\"\"}'}\n");
    const struct retention_rules *rules = &c.limits.retention_stream;
    cr_assert_eq(rules->count, 2);
    EXPECT_STR("selector", rules->items[0].selector, STR("{a=\"x;y\", b!~`c|d`}"));
    cr_assert_eq(rules->items[0].matchers.count, 2);
    EXPECT_STR("value", rules->items[0].matchers.items[0].value, STR("x;y"));
    cr_expect_eq(rules->items[0].matchers.items[1].op, MATCH_NRE);
    cr_expect_not(matcher_accepts(&rules->items[0].matchers.items[1], STR("d")));
    cr_expect_eq(rules->items[0].priority, -3);
    cr_expect_eq(rules->items[0].period, 36 * HOUR_NS);
    cr_expect_eq(rules->items[1].priority, 0);
    cr_expect_eq(rules->items[1].period, 0);
    config_release(&c);
}

/* The later one counts, in a file and among sources. */
Test(config, order_of_sources)
{
    char *environment[] = {(char[]){"SKALD_SERVER_HTTP_LISTEN_PORT=82"}, NULL};
    struct config c;

    REQUIRE_OK(config_init(&c, NULL));
    set(&c, "server.http_listen_port", "80");
    read_yaml(&c, "server:\n  http_listen_port: 81\n");
    cr_expect_eq(c.settings.http_listen_port, 81);
    REQUIRE_OK(config_read_environment(&c, environment, NULL));
    cr_expect_eq(c.settings.http_listen_port, 82);
    set(&c, "server.http_listen_port", "83");
    cr_expect_eq(c.settings.http_listen_port, 83);
    config_release(&c);
}

/* ---- environment ---- */

static const struct variable_case {
    const char *name;
    const char *variable;
    enum status st;
    const char *want_text;
} variable_cases[] = {
    {"a setting", "SKALD_SERVER_HTTP_LISTEN_PORT=80", ST_OK, ""},
    {"top level", "SKALD_AUTH_ENABLED=true", ST_OK, ""},
    {"a limit", "SKALD_LIMITS_QUERY_TIMEOUT=5s", ST_OK, ""},
    {"equals signs in the value", "SKALD_STORAGE_DATA_DIR=/a=b", ST_OK, ""},
    {"empty", "SKALD_STORAGE_DATA_DIR=", ST_OK, ""},
    {"of a client", "SKALD_ADDR=http://x", ST_OK, ""},
    {"of another program", "SERVER_HTTP_LISTEN_PORT=x", ST_OK, ""},
    {"no value at all", "SKALD_SERVER_HTTP_LISTEN_PORT", ST_OK, ""},
    {"small letters", "skald_server_http_listen_port=x", ST_OK, ""},
    {"bad value", "SKALD_SERVER_HTTP_LISTEN_PORT=x", ST_INVALID,
     "environment: SKALD_SERVER_HTTP_LISTEN_PORT: server.http_listen_port: \"x\" is not a number "
     "from 0 to 65535"},
    {"unknown name in a section", "SKALD_SERVER_PORT=80", ST_INVALID,
     "environment: there is no setting for SKALD_SERVER_PORT"},
    {"a longer name", "SKALD_SERVER_HTTP_LISTEN_PORTS=80", ST_INVALID,
     "environment: there is no setting for SKALD_SERVER_HTTP_LISTEN_PORTS"},
};

Test(config, read_environment)
{
    for (size_t i = 0; i < COUNT_OF(variable_cases); i++) {
        const struct variable_case *k = &variable_cases[i];
        char variable[128];
        char *environment[] = {variable, NULL};
        struct err err = {.text = ""};
        struct config c;

        memcpy(variable, k->variable, strlen(k->variable) + 1);
        REQUIRE_OK(config_init(&c, NULL));
        EXPECT_STATUS(k->name, config_read_environment(&c, environment, &err), k->st);
        cr_expect_str_eq(err.text, k->want_text, "%s: %s", k->name, err.text);
        config_release(&c);
    }
}

Test(config, environment_values)
{
    char port[] = "SKALD_SERVER_HTTP_LISTEN_PORT=80", dir[] = "SKALD_STORAGE_DATA_DIR=/a=b",
         auth[] = "SKALD_AUTH_ENABLED=true", timeout[] = "SKALD_LIMITS_QUERY_TIMEOUT=5s";
    char *environment[] = {port, dir, auth, timeout, NULL};
    struct config c;

    REQUIRE_OK(config_init(&c, NULL));
    REQUIRE_OK(config_read_environment(&c, environment, NULL));
    cr_expect_eq(c.settings.http_listen_port, 80);
    EXPECT_STR("equals sign", c.settings.data_dir, STR("/a=b"));
    cr_expect(c.settings.auth_enabled);
    cr_expect_eq(c.limits.query_timeout, 5 * SECOND_NS);
    config_release(&c);
}

/* ---- overrides ---- */

static const char *const override_files[] = {
    "overrides:\n  a:\n    max_line_size: 1KB\n    query_timeout: 2s\n  b: {max_line_size: 2KB}\n"
    "limits:\n  query_timeout: 9s\n  max_label_name_length: 7\n",
    "limits:\n  query_timeout: 9s\n  max_label_name_length: 7\n"
    "overrides:\n  b: {max_line_size: 2KB}\n  a:\n    query_timeout: 2s\n    max_line_size: 1KB\n",
};

Test(config, overrides_in_any_order)
{
    for (size_t i = 0; i < COUNT_OF(override_files); i++) {
        struct config c;

        REQUIRE_OK(config_init(&c, NULL));
        read_yaml(&c, override_files[i]);
        REQUIRE_OK(config_finish(&c, NULL));
        const struct limits *a = config_limits(&c, STR("a")), *b = config_limits(&c, STR("b"));
        cr_expect_eq(config_limits(&c, STR("c")), &c.limits, "file %zu", i);
        cr_expect(a->max_line_size == KIB && a->query_timeout == 2 * SECOND_NS, "file %zu", i);
        cr_expect(b->max_line_size == 2 * KIB && b->query_timeout == 9 * SECOND_NS, "file %zu", i);
        cr_expect(a->max_label_name_length == 7 && b->max_label_name_length == 7, "file %zu", i);
        cr_expect_eq(c.limits.max_line_size, 256 * KIB, "file %zu", i);
        config_release(&c);
    }
}

Test(config, later_sources_reach_overrides)
{
    struct config c;

    REQUIRE_OK(config_init(&c, NULL));
    read_yaml(&c, "overrides: {a: {max_line_size: 1KB}}");
    set(&c, "limits.query_timeout", "3s");
    set(&c, "limits.max_line_size", "5KB");
    REQUIRE_OK(config_finish(&c, NULL));
    cr_expect_eq(config_limits(&c, STR("a"))->query_timeout, 3 * SECOND_NS);
    cr_expect_eq(config_limits(&c, STR("a"))->max_line_size, KIB);
    cr_expect_eq(config_limits(&c, STR("b"))->max_line_size, 5 * KIB);
    config_release(&c);
}

/* ---- printing ---- */

/* What config_put_yaml() says of the settings that `text` makes, read back and said again. */
static void expect_reads_back(const char *name, const char *text, const char *must_hold)
{
    struct buf first, second;
    struct config c, again;
    struct err err = {.text = ""};

    buf_init(&first, MIB);
    buf_init(&second, MIB);
    REQUIRE_OK(config_init(&c, NULL));
    read_yaml(&c, text);
    REQUIRE_OK(config_finish(&c, NULL));
    config_put_yaml(&first, &c);
    cr_expect(str_find(buf_str(&first), str_from(must_hold)) != STR_NPOS, "%s: no %s in\n%.*s",
              name, must_hold, STR_ARG(buf_str(&first)));

    REQUIRE_OK(config_init(&again, NULL));
    EXPECT_STATUS(name, config_read_yaml(&again, buf_str(&first), "again", &err), ST_OK);
    cr_expect_str_eq(err.text, "", "%s: %s", name, err.text);
    REQUIRE_OK(config_finish(&again, NULL));
    config_put_yaml(&second, &again);
    EXPECT_STR(name, buf_str(&second), buf_str(&first));
    cr_expect_eq(
        memcmp(&c.limits.ingestion_rate_mb, &again.limits.ingestion_rate_mb, sizeof(double)), 0,
        "%s", name);
    cr_expect_eq(c.limits.creation_grace_period, again.limits.creation_grace_period, "%s", name);
    cr_expect_eq(c.limits.log_level_fields.count, again.limits.log_level_fields.count, "%s", name);
    config_release(&c);
    config_release(&again);
    buf_release(&first);
    buf_release(&second);
}

static const struct print_case {
    const char *name;
    const char *text;
    const char *must_hold;
} print_cases[] = {
    {"defaults", "", "http_listen_port: 3100\n"},
    {"every kind",
     "auth_enabled: true\nserver: {http_listen_port: 80, http_read_timeout: 90s}\n"
     "wal: {file_size: 1.5MB}\nlimits: {ingestion_rate_mb: 0.1, log_level_fields: [a, b]}\n",
     "  file_size: 1536KB\n"},
    {"empty list", "limits: {log_level_fields: []}", "  log_level_fields: []\n"},
    {"empty items", "limits: {log_level_fields: \",a,\"}", "[\"\", \"a\", \"\"]\n"},
    {"blank list", "limits: {log_level_fields: \" \"}", "  log_level_fields: []\n"},
    {"empty text", "storage: {data_dir: ''}", "  data_dir: \"\"\n"},
    {"text of many kinds",
     "storage: {data_dir: \"a\\\"b\\\\ #: \\n\\t\\a\\e\\x7f\\u00e9\\u2028'\"}", "  data_dir: \""},
    {"text like a number", "storage: {data_dir: '1.5'}", "  data_dir: \"1.5\"\n"},
    {"odd size", "wal: {file_size: 65537}", "  file_size: 65537B\n"},
    {"size of nothing", "limits: {max_line_size: 0}", "  max_line_size: 0B\n"},
    {"large size", "wal: {file_size: 9223372036854775807B}", "9223372036854775807B\n"},
    {"large count", "limits: {max_query_series: 9223372036854775807}", "9223372036854775807\n"},
    {"small number", "limits: {ingestion_rate_mb: 1e-7}", "0.0000001\n"},
    {"long duration", "limits: {creation_grace_period: 292y}", "292y\n"},
    {"mixed duration", "limits: {creation_grace_period: 30d1h5ms}", "30d1h5ms\n"},
    {"microseconds", "limits: {creation_grace_period: 1500us}", "1.5ms\n"},
    {"one nanosecond", "limits: {creation_grace_period: 1h1ns}", "1h0m0.000000001s\n"},
    {"rules", "limits: {retention_stream: '{a=\"b\\\\c\", d=~`e|f`} 1 24h; {g!=\"\"} -5 0s'}",
     "[{selector: \"{a=\\\"b\\\\\\\\c\\\", d=~`e|f`}\", priority: 1, period: 1d}, {selector: "},
    {"rules of a tenant", "overrides: {a: {retention_stream: '{a=\"b\"} 1 25h'}}",
     "    retention_stream: [{selector: \"{a=\\\"b\\\"}\", priority: 1, period: 1d1h}]\n"},
    {"overrides", "overrides: {a: {max_line_size: 1KB}, \"b: c\": {query_timeout: 5s}}",
     "  \"b: c\":\n"},
};

Test(config, put_yaml_reads_back)
{
    for (size_t i = 0; i < COUNT_OF(print_cases); i++)
        expect_reads_back(print_cases[i].name, print_cases[i].text, print_cases[i].must_hold);
}

Test(config, put_markdown_has_every_setting)
{
    static const char *const names[] = {
#define NAME(section, name, kind, standard, least, most, text) "| `" #name "` | `" standard "` |",
        SETTINGS(NAME) LIMITS(NAME)
#undef NAME
    };
    struct buf b;

    buf_init(&b, MIB);
    config_put_markdown(&b);
    cr_assert_eq(buf_status(&b, NULL), ST_OK);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        cr_expect(str_find(buf_str(&b), str_from(names[i])) != STR_NPOS, "%s", names[i]);
    buf_release(&b);
}

Test(config, nth_allocation_fails)
{
    enum status st = ST_NOMEM;

    for (int64_t n = 1; st != ST_OK && n < 200; n++) {
        struct err err = {.text = ""};
        struct config c;
        mem_fail_after(n);
        st = config_init(&c, &err);
        if (st == ST_OK)
            st = config_read_yaml(&c, str_from(override_files[0]), "f.yaml", &err);
        if (st == ST_OK)
            st = config_finish(&c, &err);
        mem_fail_after(0);
        if (st != ST_OK)
            cr_expect_neq(err.text[0], '\0', "allocation %" PRId64, n);
        config_release(&c);
    }
    EXPECT_STATUS("in the end", st, ST_OK);
}
