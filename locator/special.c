/* SPDX-License-Identifier: MIT */
#include "locator/special.h"

struct special {
    uint8_t bytes[16];
    uint8_t len;
    const char *name; /* NULL: global, an exception within a larger block */
};

/* The longest prefix that fits decides. */
static const struct special special4[] = {
    {{0}, 8, "this_network"},
    {{0}, 32, "unspecified"},
    {{10}, 8, "private"},
    {{100, 64}, 10, "shared"},
    {{127}, 8, "loopback"},
    {{169, 254}, 16, "link_local"},
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "reserved"},
    {{192, 0, 0, 9}, 32, NULL},
    {{192, 0, 0, 10}, 32, NULL},
    {{192, 0, 2}, 24, "documentation"},
    {{192, 88, 99}, 24, "reserved"},
    {{192, 168}, 16, "private"},
    {{198, 18}, 15, "benchmarking"},
    {{198, 51, 100}, 24, "documentation"},
    {{203, 0, 113}, 24, "documentation"},
    {{224}, 4, "multicast"},
    {{240}, 4, "reserved"},
    {{255, 255, 255, 255}, 32, "broadcast"},
};

static const struct special special6[] = {
    {{0}, 0, "reserved"},
    {{0}, 128, "unspecified"},
    {{[15] = 1}, 128, "loopback"},
    {{[10] = 0xff, 0xff}, 96, "ipv4_mapped"},
    {{0x00, 0x64, 0xff, 0x9b}, 96, "nat64"},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "nat64"},
    {{0x01, 0x00}, 64, "discard"},
    {{0x20}, 3, NULL},
    {{0x20, 0x01}, 23, "reserved"},
    {{0x20, 0x01, 0x00, 0x00}, 32, "teredo"},
    {{0x20, 0x01, 0x00, 0x01, [15] = 1}, 128, NULL},
    {{0x20, 0x01, 0x00, 0x01, [15] = 2}, 128, NULL},
    {{0x20, 0x01, 0x00, 0x01, [15] = 3}, 128, NULL},
    {{0x20, 0x01, 0x00, 0x02, 0x00, 0x00}, 48, "benchmarking"},
    {{0x20, 0x01, 0x00, 0x03}, 32, NULL},
    {{0x20, 0x01, 0x00, 0x04, 0x01, 0x12}, 48, NULL},
    {{0x20, 0x01, 0x00, 0x20}, 28, NULL},
    {{0x20, 0x01, 0x00, 0x30}, 28, NULL},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x20, 0x02}, 16, "6to4"},
    {{0x3f, 0xff, 0x00}, 20, "documentation"},
    {{0x5f, 0x00}, 16, "reserved"},
    {{0xfc}, 7, "private"},
    {{0xfe, 0x80}, 10, "link_local"},
    {{0xff}, 8, "multicast"},
};

static bool fits(const struct ps_addr *addr, const struct special *special)
{
    struct ps_addr net = {.family = addr->family};

    memcpy(net.bytes, special->bytes, sizeof(net.bytes));
    return ps_addr_in_prefix(addr, &net, special->len);
}

const char *ps_special_name(const struct ps_addr *addr)
{
    bool six = addr->family == 6;
    const struct special *table = six ? special6 : special4;
    size_t n = six ? ARRAY_SIZE(special6) : ARRAY_SIZE(special4);
    const struct special *best = NULL;

    for (size_t i = 0; i < n; i++) {
        if ((!best || table[i].len >= best->len) && fits(addr, &table[i]))
            best = &table[i];
    }
    return best ? best->name : NULL;
}
