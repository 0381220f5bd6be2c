/* SPDX-License-Identifier: MIT */
/* A configuration file as one daemon takes it: no key gets past its bounds. */
#ifndef PS_TESTS_FUZZ_YAML_OF_H
#define PS_TESTS_FUZZ_YAML_OF_H

#include <sys/mman.h>

#include "common/options.h"
#include "tests/fuzz/fuzz.h"

static void check_option(const struct ps_option *opt, const char *config)
{
    const void *place = config + opt->offset;
    uint64_t number;

    switch (opt->type) {
    case PS_OPT_UINT:
    case PS_OPT_DURATION:
    case PS_OPT_SIZE:
        memcpy(&number, place, sizeof(number));
        /* Without a default an option may be unset. */
        if (number || opt->def)
            REQUIRE(number >= opt->min && (!opt->max || number <= opt->max));
        break;
    case PS_OPT_LIST:
        REQUIRE(!opt->max || ((const struct ps_strlist *)place)->n <= opt->max);
        break;
    default:
        break;
    }
}

/* The file, and each of its lines as a flag. config: zeroed, large enough. */
static void load_yaml(const struct ps_option *table, void *config,
                      const uint8_t *data, size_t size)
{
    char path[64], *error = NULL;
    int fd = memfd_create("options", MFD_CLOEXEC), r;

    REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    REQUIRE(ps_options_defaults(table, config) == 0);
    r = ps_options_load_yaml(table, config, path, &error);
    REQUIRE((r == 0) == !error);
    for (const struct ps_option *opt = table; r == 0 && opt->name; opt++)
        check_option(opt, config);
    ps_options_free(table, config);
    free(error);
    close(fd);
}

#endif
