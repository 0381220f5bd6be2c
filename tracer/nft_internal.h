/* SPDX-License-Identifier: MIT */
/* Shared by nft_eval.c and nft_load.c only. */
#ifndef PS_TRACER_NFT_INTERNAL_H
#define PS_TRACER_NFT_INTERNAL_H

#include "tracer/nft_rules.h"

/* Four words of verdict, sixteen of data. */
#define PS_NFT_REG_BYTES 80u

/* Bits that are known, and bits that are not. */
struct ps_nft_regs {
    uint8_t value[PS_NFT_REG_BYTES], known[PS_NFT_REG_BYTES];
};

/* A rule while it is asked. */
struct ps_nft_asked {
    const struct ps_nft_packet *packet;
    const struct ps_nft_rules *rules;
    struct ps_nft_regs regs;
    char *chain;
};

/* Where a register is among the bytes of all; false: not wholly. */
bool ps_nft_reg_at(uint32_t reg, size_t len, size_t *ret_at);
void ps_nft_put(struct ps_nft_asked *v, uint32_t reg, const uint8_t *value,
                const uint8_t *known, size_t len);
/* dreg: the attribute of data that names the register. */
void ps_nft_put_unknown(struct ps_nft_asked *v, struct ps_nl_span data,
                        uint16_t dreg);

/* Whether what is loaded is there in this packet for sure. */
bool ps_nft_load_payload(struct ps_nft_asked *v, struct ps_nl_span data);
void ps_nft_load_meta(struct ps_nft_asked *v, struct ps_nl_span data);
void ps_nft_load_ct(struct ps_nft_asked *v, struct ps_nl_span data);

#endif
