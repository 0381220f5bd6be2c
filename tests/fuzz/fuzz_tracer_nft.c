/* SPDX-License-Identifier: MIT */
/* Rules of nftables as netlink tells them, and packets that are held against
 * them: nothing read beyond them, bounded, and what is found is there. */
#include "tests/fuzz/fuzz.h"
#include "tracer/nft_rules.h"

static const struct ps_tracer_event packets[] = {
    {.tuple = {{10, 0, 0, 1}, {10, 0, 0, 2}, 1, 80, 4, 17, 0}, .ct = 1},
    {.tuple = {{0xfd}, {0xfd, 1}, 1, 80, 6, 6, 0}, .tcp_flags = 2},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_nft_rules rules = {0};
    char id[PS_NFT_ID], text[PS_NFT_COMMENT];
    bool done = false;

    ps_nft_rules_parse(&rules, data, size, &done);
    for (uint32_t i = 0; i < 2 * ARRAY_SIZE(packets); i++) {
        const struct ps_nft_packet p = {.event = &packets[i / 2],
                                        .hook = i % 2 ? 1 : 3,
                                        .ifindex = 2,
                                        .ifname = "eth0"};
        uint32_t budget = 500, which = UINT32_MAX;
        enum ps_nft_found what = ps_nft_rules_find(&rules, &p, &budget, &which);

        REQUIRE(budget <= 500);
        if (what == PS_NFT_NONE)
            continue;
        REQUIRE(which < (what == PS_NFT_RULE ? rules.n_rules : rules.n_chains));
        ps_nft_rules_id(&rules, what, which, id);
        if (what == PS_NFT_RULE)
            ps_nft_rules_comment(&rules, which, text);
    }
    ps_nft_rules_clear(&rules);
    return 0;
}
