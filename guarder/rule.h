/* SPDX-License-Identifier: MIT */
/* One rule, as the daemon holds it: checked, plain, of a fixed size. */
#ifndef PS_GUARDER_RULE_H
#define PS_GUARDER_RULE_H

#include "common/net.h"
#include "common/types.h"
#include "common/util.h"

#define PS_RULE_ID_MAX           64
#define PS_RULE_COMMENT_MAX      256
#define PS_RULE_IFNAME_MAX       15
#define PS_RULE_PRIORITY_DEFAULT 1000

struct ps_rule_ports {
    bool set;
    uint16_t first, last; /* both included */
};

/* Packets and L2 bytes. */
struct ps_rule_hits {
    uint64_t packets;
    uint64_t bytes;
};

struct ps_rule {
    char id[PS_RULE_ID_MAX + 1]; /* "": none yet */
    char comment[PS_RULE_COMMENT_MAX + 1];
    char ifname[PS_RULE_IFNAME_MAX + 1]; /* "": any */
    bool enabled;
    bool has_comment;
    Ps__Rule__Action action;
    uint32_t priority;
    struct ps_addr src, dst; /* family 0: any */
    uint8_t src_len, dst_len;
    uint8_t family; /* 4, 6, or 0: both; follows from the other fields */
    bool has_proto;
    uint8_t proto;
    struct ps_rule_ports sport, dport;
    uint8_t flags_set, flags_unset; /* bit n: value n of enum TcpFlag */
    int16_t icmp_type, icmp_code;   /* -1: any */
    uint64_t created_ns, updated_ns;

    /*
     * Where the kernel counts its hits: the rule's total is base + the slot's
     * count, modulo 2^64. saved is the total that the store holds.
     */
    uint16_t slot;
    struct ps_rule_hits base;
    struct ps_rule_hits saved;
};

/* What is wrong with a request's rule; field is relative to the rule. */
struct ps_rule_error {
    char field[64]; /* "src", "" for the whole */
    char detail[256];
};

/*
 * Checks a rule of a request or of the store and fills ret_rule, counters and
 * times excepted (zero). Fields of answers are ignored. 0 or -EINVAL.
 */
int ps_rule_parse(const Ps__Rule *msg, struct ps_rule *ret_rule,
                  struct ps_rule_error *error);

/* 1 to 64 of A-Z a-z 0-9 . _ - and not starting with '.' or '-'. */
bool ps_rule_id_valid(const char *id);

/* The order in which rules are asked: priority, then id as text. */
int ps_rule_compare(const struct ps_rule *a, const struct ps_rule *b);
/* Equal in everything that a user can set. */
bool ps_rule_same(const struct ps_rule *a, const struct ps_rule *b);
/* Could match a packet from or to this address. */
bool ps_rule_concerns(const struct ps_rule *rule, const struct ps_addr *addr);

#endif
