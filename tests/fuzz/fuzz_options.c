/* SPDX-License-Identifier: MIT */
/*
 * Values of options, as flags and environment give them: type byte, then the
 * text. What is taken stands within its bounds.
 */
#include "common/options.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

struct config {
    char *text;
    bool flag;
    uint64_t number;
    struct ps_strlist list;
};

static void check_parsers(const char *text)
{
    uint64_t value;

    if (ps_parse_uint(text, 3, 9, &value) == 0)
        REQUIRE(value >= 3 && value <= 9);
    ps_parse_duration(text, &value);
    ps_parse_size(text, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    struct ps_option table[] = {{.name = "it"}, {0}};
    static const size_t places[] = {
        [PS_OPT_STRING] = offsetof(struct config, text),
        [PS_OPT_BOOL] = offsetof(struct config, flag),
        [PS_OPT_UINT] = offsetof(struct config, number),
        [PS_OPT_DURATION] = offsetof(struct config, number),
        [PS_OPT_SIZE] = offsetof(struct config, number),
        [PS_OPT_LIST] = offsetof(struct config, list),
    };
    uint8_t type = grow_u8(&g) % ARRAY_SIZE(places);
    char *text = strndup((const char *)g.data, g.left), *error = NULL;
    struct config config = {0};
    int r;

    REQUIRE(text);
    table[0].type = (enum ps_opt_type)type;
    table[0].offset = places[type];
    table[0].min = type == PS_OPT_LIST ? 0 : 2;
    table[0].max = type == PS_OPT_LIST ? 4 : 1000000;
    r = ps_options_set(table, &config, "it", text, &error);
    REQUIRE((r == 0) == !error);
    if (r == 0 && config.number)
        REQUIRE(config.number >= 2 && config.number <= 1000000);
    REQUIRE(config.list.n <= 4);
    check_parsers(text);
    ps_options_free(table, &config);
    free(error);
    free(text);
    return 0;
}
