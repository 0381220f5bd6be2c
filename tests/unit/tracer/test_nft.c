/* SPDX-License-Identifier: MIT */
/* Rules of nftables as netlink tells them, and which can have dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "tracer/nft_rules.h"

/* ---- messages ----------------------------------------------------------- */

struct message {
    uint8_t data[8192];
    size_t n;
    size_t open[16], depth;
};

static void put(struct message *m, const void *data, size_t n)
{
    assert_true(m->n + n + 3 <= sizeof(m->data));
    memcpy(m->data + m->n, data, n);
    m->n += n;
    while (m->n % 4)
        m->data[m->n++] = 0;
}

static void begin(struct message *m, uint16_t type)
{
    const struct nlattr attr = {.nla_type = type};

    m->open[m->depth++] = m->n;
    put(m, &attr, sizeof(attr));
}

static void end(struct message *m)
{
    size_t at = m->open[--m->depth];
    uint16_t len = (uint16_t)(m->n - at);

    memcpy(m->data + at, &len, sizeof(len));
}

static void attr(struct message *m, uint16_t type, const void *data, size_t n)
{
    const struct nlattr head = {(uint16_t)(sizeof(head) + n), type};

    put(m, &head, sizeof(head));
    put(m, data, n);
}

static void text(struct message *m, uint16_t type, const char *s)
{
    attr(m, type, s, strlen(s) + 1);
}

static void number(struct message *m, uint16_t type, uint32_t n)
{
    uint32_t be = htonl(n);

    attr(m, type, &be, sizeof(be));
}

static void head(struct message *m, uint8_t type, uint8_t family)
{
    const struct nlmsghdr h = {
        .nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type)};
    const struct nfgenmsg g = {.nfgen_family = family};

    m->n = m->depth = 0;
    put(m, &h, sizeof(h));
    put(m, &g, sizeof(g));
}

static int give(struct message *m, struct ps_nft_rules *rules)
{
    uint32_t len = (uint32_t)m->n;
    bool done = false;

    memcpy(m->data, &len, sizeof(len));
    return ps_nft_rules_parse(rules, m->data, m->n, &done);
}

static void table(struct ps_nft_rules *rules, const char *name, uint32_t flags)
{
    struct message m;

    head(&m, NFT_MSG_NEWTABLE, NFPROTO_INET);
    text(&m, NFTA_TABLE_NAME, name);
    number(&m, NFTA_TABLE_FLAGS, flags);
    assert_int_equal(give(&m, rules), 0);
}

/* hook below 0: not a base chain. */
static void chain(struct ps_nft_rules *rules, const char *of, const char *name,
                  int hook, int priority, uint32_t policy)
{
    struct message m;

    head(&m, NFT_MSG_NEWCHAIN, NFPROTO_INET);
    text(&m, NFTA_CHAIN_TABLE, of);
    text(&m, NFTA_CHAIN_NAME, name);
    if (hook >= 0) {
        begin(&m, NFTA_CHAIN_HOOK);
        number(&m, NFTA_HOOK_HOOKNUM, (uint32_t)hook);
        number(&m, NFTA_HOOK_PRIORITY, (uint32_t)priority);
        end(&m);
        number(&m, NFTA_CHAIN_POLICY, policy);
        text(&m, NFTA_CHAIN_TYPE, "filter");
    }
    assert_int_equal(give(&m, rules), 0);
}

static void rule_begin(struct message *m, const char *of, const char *name,
                       uint64_t handle)
{
    uint64_t be = htobe64(handle);

    head(m, NFT_MSG_NEWRULE, NFPROTO_INET);
    text(m, NFTA_RULE_TABLE, of);
    text(m, NFTA_RULE_CHAIN, name);
    attr(m, NFTA_RULE_HANDLE, &be, sizeof(be));
    begin(m, NFTA_RULE_EXPRESSIONS);
}

static void expr_begin(struct message *m, const char *name)
{
    begin(m, NFTA_LIST_ELEM);
    text(m, NFTA_EXPR_NAME, name);
    begin(m, NFTA_EXPR_DATA);
}

static void expr_end(struct message *m)
{
    end(m);
    end(m);
}

static void add_cmp(struct message *m, uint32_t op, const void *data, size_t n)
{
    expr_begin(m, "cmp");
    number(m, NFTA_CMP_SREG, NFT_REG_1);
    number(m, NFTA_CMP_OP, op);
    begin(m, NFTA_CMP_DATA);
    attr(m, NFTA_DATA_VALUE, data, n);
    end(m);
    expr_end(m);
}

/* UDP to a port. */
static void add_port(struct message *m, uint16_t port)
{
    const uint8_t udp = IPPROTO_UDP;
    uint16_t be = htons(port);

    expr_begin(m, "meta");
    number(m, NFTA_META_DREG, NFT_REG_1);
    number(m, NFTA_META_KEY, NFT_META_L4PROTO);
    expr_end(m);
    add_cmp(m, NFT_CMP_EQ, &udp, 1);
    expr_begin(m, "payload");
    number(m, NFTA_PAYLOAD_DREG, NFT_REG_1);
    number(m, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
    number(m, NFTA_PAYLOAD_OFFSET, 2);
    number(m, NFTA_PAYLOAD_LEN, 2);
    expr_end(m);
    add_cmp(m, NFT_CMP_EQ, &be, 2);
}

static void add_plain(struct message *m, const char *name)
{
    expr_begin(m, name);
    expr_end(m);
}

static void add_verdict(struct message *m, int32_t code, const char *to)
{
    expr_begin(m, "immediate");
    number(m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    begin(m, NFTA_IMMEDIATE_DATA);
    begin(m, NFTA_DATA_VERDICT);
    number(m, NFTA_VERDICT_CODE, (uint32_t)code);
    if (to)
        text(m, NFTA_VERDICT_CHAIN, to);
    end(m);
    end(m);
    expr_end(m);
}

static void rule_end(struct message *m, struct ps_nft_rules *rules)
{
    end(m);
    assert_int_equal(give(m, rules), 0);
}

/* port 0: every packet; may: an expression of which it is not known whether it
 * matches. */
static void rule(struct ps_nft_rules *rules, const char *of, const char *in,
                 uint64_t handle, uint16_t port, const char *may, int32_t code,
                 const char *to)
{
    struct message m;

    rule_begin(&m, of, in, handle);
    if (port)
        add_port(&m, port);
    if (may)
        add_plain(&m, may);
    add_verdict(&m, code, to);
    rule_end(&m, rules);
}

/* ---- questions ---------------------------------------------------------- */

static struct ps_tracer_event packet(uint16_t port)
{
    struct ps_tracer_event e = {
        .station = PS_ST_KFREE_SKB,
        .tuple = {.saddr = {10, 0, 0, 1},
                  .daddr = {10, 0, 0, 2},
                  .sport = 1,
                  .dport = port,
                  .family = 4,
                  .proto = IPPROTO_UDP},
    };

    return e;
}

/* The id that is found, "": none. */
static const char *ask(const struct ps_nft_rules *rules, uint32_t hook,
                       const struct ps_tracer_event *e)
{
    const struct ps_nft_packet p = {
        .event = e, .hook = hook, .ifindex = 3, .ifname = "eth0"};
    static char id[PS_NFT_ID];
    uint32_t budget = 1000, which = 0;
    enum ps_nft_found what = ps_nft_rules_find(rules, &p, &budget, &which);

    id[0] = '\0';
    if (what != PS_NFT_NONE)
        ps_nft_rules_id(rules, what, which, id);
    return id;
}

static const char *ask_port(const struct ps_nft_rules *rules, uint16_t port)
{
    struct ps_tracer_event e = packet(port);

    return ask(rules, NF_INET_LOCAL_IN, &e);
}

static void test_one_rule_or_the_policy(void **state _unused_)
{
    struct ps_nft_rules r = {0};

    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_DROP);
    chain(&r, "t", "out", NF_INET_LOCAL_OUT, 0, NF_DROP);
    rule(&r, "t", "in", 5, 80, NULL, NF_DROP, NULL);
    rule(&r, "t", "in", 6, 81, NULL, NF_ACCEPT, NULL);
    assert_string_equal(ask_port(&r, 80), "inet t in handle 5");
    assert_string_equal(ask_port(&r, 82), "inet t in policy");
    /* It was dropped, so they say, and no rule can have. */
    assert_string_equal(ask_port(&r, 81), "");
    ps_nft_rules_clear(&r);
}

static void test_two_that_can_are_none(void **state _unused_)
{
    struct ps_nft_rules r = {0};

    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_ACCEPT);
    rule(&r, "t", "in", 5, 80, "limit", NF_DROP, NULL);
    rule(&r, "t", "in", 6, 81, "limit", NF_DROP, NULL);
    rule(&r, "t", "in", 7, 81, NULL, NF_DROP, NULL);
    /* Not certain that it matches, but no other can have done it. */
    assert_string_equal(ask_port(&r, 80), "inet t in handle 5");
    assert_string_equal(ask_port(&r, 81), "");
    ps_nft_rules_clear(&r);
}

static void test_what_is_not_understood(void **state _unused_)
{
    struct ps_nft_rules r = {0};
    struct message m;

    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_DROP);
    rule_begin(&m, "t", "in", 5);
    add_plain(&m, "of-tomorrow");
    rule_end(&m, &r);
    assert_string_equal(ask_port(&r, 80), "");
    ps_nft_rules_clear(&r);
    /* A map of verdicts leads anywhere. */
    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_DROP);
    rule_begin(&m, "t", "in", 5);
    expr_begin(&m, "lookup");
    number(&m, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
    expr_end(&m);
    rule_end(&m, &r);
    assert_string_equal(ask_port(&r, 80), "");
    ps_nft_rules_clear(&r);
}

static void test_chains_behind_chains(void **state _unused_)
{
    struct ps_nft_rules r = {0};

    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_DROP);
    chain(&r, "t", "sub", -1, 0, 0);
    chain(&r, "t", "end", -1, 0, 0);
    rule(&r, "t", "in", 1, 80, NULL, NFT_JUMP, "sub");
    rule(&r, "t", "in", 2, 81, NULL, NFT_GOTO, "end");
    rule(&r, "t", "in", 3, 82, NULL, NFT_JUMP, "nowhere");
    rule(&r, "t", "in", 4, 81, NULL, NF_DROP, NULL);
    rule(&r, "t", "in", 5, 80, NULL, NF_DROP, NULL);
    rule(&r, "t", "sub", 6, 80, NULL, NFT_RETURN, NULL);
    rule(&r, "t", "sub", 7, 80, NULL, NF_DROP, NULL);
    assert_string_equal(ask_port(&r, 80), "inet t in handle 5");
    /* Who goes does not come back: behind it is the policy. */
    assert_string_equal(ask_port(&r, 81), "inet t in policy");
    assert_string_equal(ask_port(&r, 82), "");
    ps_nft_rules_clear(&r);
}

/* A loop of jumps ends, and nothing is certain then. */
static void test_a_loop_ends(void **state _unused_)
{
    struct ps_nft_rules r = {0};

    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_DROP);
    chain(&r, "t", "sub", -1, 0, 0);
    rule(&r, "t", "in", 1, 0, NULL, NFT_JUMP, "sub");
    rule(&r, "t", "sub", 2, 0, "limit", NFT_JUMP, "sub");
    assert_string_equal(ask_port(&r, 80), "");
    ps_nft_rules_clear(&r);
}

static void test_base_chains_in_their_order(void **state _unused_)
{
    struct ps_nft_rules r = {0};

    table(&r, "asleep", NFT_TABLE_F_DORMANT);
    table(&r, "t", 0);
    chain(&r, "asleep", "in", NF_INET_LOCAL_IN, -100, NF_DROP);
    chain(&r, "t", "late", NF_INET_LOCAL_IN, 10, NF_ACCEPT);
    chain(&r, "t", "early", NF_INET_LOCAL_IN, -10, NF_ACCEPT);
    rule(&r, "t", "late", 1, 80, NULL, NF_DROP, NULL);
    rule(&r, "t", "late", 2, 81, NULL, NF_DROP, NULL);
    rule(&r, "t", "early", 3, 80, NULL, NF_DROP, NULL);
    rule(&r, "t", "early", 4, 81, NULL, NF_ACCEPT, NULL);
    assert_string_equal(ask_port(&r, 80), "inet t early handle 3");
    /* What one chain accepts the next may drop. */
    assert_string_equal(ask_port(&r, 81), "inet t late handle 2");
    ps_nft_rules_clear(&r);
}

/* Of the same priority either may come first. */
static void test_base_chains_of_one_priority(void **state _unused_)
{
    struct ps_nft_rules r = {0};

    chain(&r, "t", "a", NF_INET_LOCAL_IN, 0, NF_ACCEPT);
    chain(&r, "t", "b", NF_INET_LOCAL_IN, 0, NF_ACCEPT);
    rule(&r, "t", "a", 1, 80, NULL, NF_DROP, NULL);
    rule(&r, "t", "b", 2, 80, NULL, NF_DROP, NULL);
    rule(&r, "t", "b", 3, 81, NULL, NF_DROP, NULL);
    assert_string_equal(ask_port(&r, 80), "");
    assert_string_equal(ask_port(&r, 81), "inet t b handle 3");
    ps_nft_rules_clear(&r);
}

static void test_what_a_fragment_does_not_show(void **state _unused_)
{
    struct ps_tracer_event e = packet(80);
    struct ps_nft_rules r = {0};

    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_ACCEPT);
    rule(&r, "t", "in", 1, 80, NULL, NF_DROP, NULL);
    rule(&r, "t", "in", 2, 81, NULL, NF_DROP, NULL);
    assert_string_equal(ask(&r, NF_INET_LOCAL_IN, &e), "inet t in handle 1");
    e.flags = PS_EF_FRAGMENT;
    e.tuple.sport = e.tuple.dport = 0;
    assert_string_equal(ask(&r, NF_INET_LOCAL_IN, &e), "");
    ps_nft_rules_clear(&r);
}

static void test_budget(void **state _unused_)
{
    struct ps_tracer_event e = packet(99);
    const struct ps_nft_packet p = {
        .event = &e, .hook = NF_INET_LOCAL_IN, .ifname = ""};
    uint32_t budget = 10, which;
    struct ps_nft_rules r = {0};

    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_DROP);
    for (uint16_t i = 1; i <= 10; i++)
        rule(&r, "t", "in", i, i, NULL, NF_DROP, NULL);
    assert_int_equal(ps_nft_rules_find(&r, &p, &budget, &which), PS_NFT_POLICY);
    assert_int_equal(budget, 0);
    assert_int_equal(ps_nft_rules_find(&r, &p, &budget, &which), PS_NFT_NONE);
    assert_int_equal(budget, 0);
    ps_nft_rules_clear(&r);
}

static void test_messages_that_are_none(void **state _unused_)
{
    struct ps_nft_rules r = {0};
    struct message m;
    bool done = false;

    /* A rule of a chain that was not told. */
    rule_begin(&m, "t", "gone", 1);
    end(&m);
    assert_int_equal(give(&m, &r), -EAGAIN);
    /* Cut at every byte. */
    chain(&r, "t", "in", NF_INET_LOCAL_IN, 0, NF_DROP);
    rule_begin(&m, "t", "in", 1);
    add_port(&m, 80);
    add_verdict(&m, NF_DROP, NULL);
    end(&m);
    for (uint32_t n = 0; n < m.n; n++) {
        memcpy(m.data, &n, sizeof(n));
        ps_nft_rules_parse(&r, m.data, n, &done);
        assert_false(done);
        ask_port(&r, 80);
    }
    ps_nft_rules_clear(&r);
    ps_nft_rules_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_rule_or_the_policy),
        cmocka_unit_test(test_two_that_can_are_none),
        cmocka_unit_test(test_what_is_not_understood),
        cmocka_unit_test(test_chains_behind_chains),
        cmocka_unit_test(test_a_loop_ends),
        cmocka_unit_test(test_base_chains_in_their_order),
        cmocka_unit_test(test_base_chains_of_one_priority),
        cmocka_unit_test(test_what_a_fragment_does_not_show),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_messages_that_are_none),
    };

    return cmocka_run_group_tests_name("nft", tests, NULL, NULL);
}
