/* SPDX-License-Identifier: MIT */
/* Netlink messages: nothing read beyond them, no name without an end. */
#include "guarder/links.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_links *links = NULL;
    bool done = false;

    REQUIRE(ps_links_new(&links) == 0);
    ps_links_parse(links, data, size, &done);
    REQUIRE(links->n <= PS_LINKS_MAX);
    for (size_t i = 0; i < links->n; i++) {
        REQUIRE(strnlen(links->list[i].name, 16) < 16);
        REQUIRE(links->list[i].ifindex != 0);
        ps_links_unfit(&links->list[i]);
    }
    ps_links_free(&links);
    return 0;
}
