/* SPDX-License-Identifier: MIT */
/*
 * Which rule of nftables dropped a packet: the rules of its network namespace,
 * read when the first such drop is seen and again when they have changed, are
 * held against it. Nothing of the host's rules is changed.
 */
#ifndef PS_TRACER_NFT_H
#define PS_TRACER_NFT_H

#include "tracer/nft_rules.h"
#include "tracer/rules.h"

struct ps_nft;

int ps_nft_new(struct ps_nft **ret_nft);
void ps_nft_free(struct ps_nft **nft);

/* What is asked for from now on is another moment's: rules may have changed. */
void ps_nft_tick(struct ps_nft *nft);
/* No packet is looked at any more: gives all of it back. */
void ps_nft_rest(struct ps_nft *nft);

/* The number of the rule in `rules`; 0: not known. netns: of the hook. */
uint16_t ps_nft_find(struct ps_nft *nft, uint32_t netns,
                     const struct ps_nft_packet *packet,
                     struct ps_rules *rules);

#endif
