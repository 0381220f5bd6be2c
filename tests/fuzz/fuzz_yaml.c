/* SPDX-License-Identifier: MIT */
/*
 * A configuration file. What is taken stands within its bounds; what is not
 * has a message that names the file.
 */
#include <sys/mman.h>

#include "common/options.h"
#include "tests/fuzz/fuzz.h"

struct config {
    char *level;
    bool flag;
    uint64_t limit, wait, room;
    struct ps_strlist peers;
};

static const struct ps_option table[] = {
    {.name = "log-level",
     .type = PS_OPT_STRING,
     .offset = offsetof(struct config, level)},
    {.name = "flag",
     .type = PS_OPT_BOOL,
     .offset = offsetof(struct config, flag)},
    {.name = "limit",
     .type = PS_OPT_UINT,
     .offset = offsetof(struct config, limit),
     .def = "3",
     .min = 1,
     .max = 10},
    {.name = "wait",
     .type = PS_OPT_DURATION,
     .offset = offsetof(struct config, wait),
     .def = "2s",
     .min = PS_NS_PER_S,
     .max = 60 * PS_NS_PER_S},
    {.name = "room",
     .type = PS_OPT_SIZE,
     .offset = offsetof(struct config, room),
     .max = 1 << 20},
    {.name = "peers",
     .type = PS_OPT_LIST,
     .offset = offsetof(struct config, peers),
     .max = 4},
    {0},
};

static void check_bounds(const struct config *c)
{
    REQUIRE(c->limit >= 1 && c->limit <= 10);
    REQUIRE(c->wait >= PS_NS_PER_S && c->wait <= 60 * PS_NS_PER_S);
    REQUIRE(c->room <= 1 << 20);
    REQUIRE(c->peers.n <= 4);
    for (size_t i = 0; i < c->peers.n; i++)
        REQUIRE(c->peers.items[i] && c->peers.items[i][0]);
    REQUIRE(!c->level || c->level[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config = {0};
    char path[64];
    char *error = NULL;
    int fd = memfd_create("options", MFD_CLOEXEC);
    int r;

    REQUIRE(fd >= 0);
    REQUIRE(write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    REQUIRE(ps_options_defaults(table, &config) == 0);
    r = ps_options_load_yaml(table, &config, path, &error);
    REQUIRE(r == 0 || r == -EINVAL);
    REQUIRE((r == 0) == !error);
    REQUIRE(!error || strncmp(error, path, strlen(path)) == 0);
    check_bounds(&config);
    ps_options_free(table, &config);
    free(error);
    close(fd);
    return 0;
}
