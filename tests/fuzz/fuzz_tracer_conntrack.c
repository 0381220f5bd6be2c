/* SPDX-License-Identifier: MIT */
/* Netlink messages of the table of connections: nothing read beyond them, and
 * what is told is a pair of one family and one protocol. */
#include "tests/fuzz/fuzz.h"
#include "tracer/conntrack.h"

static void on_pair(void *arg, const struct ps_tracer_tuple *before,
                    const struct ps_tracer_tuple *behind)
{
    unsigned int *told = arg;

    REQUIRE(before->family == 4 || before->family == 6);
    REQUIRE(before->family == behind->family);
    REQUIRE(before->proto == behind->proto);
    REQUIRE(memcmp(before, behind, sizeof(*before)) != 0);
    (*told)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned int told = 0;
    bool done = false;
    int r;

    r = ps_conntrack_parse(data, size, on_pair, &told, &done);
    REQUIRE(r <= 0);
    /* Both directions, or none. */
    REQUIRE(told % 2 == 0);
    return 0;
}
