/* SPDX-License-Identifier: MIT */
/* Netlink messages of the kernel's table of connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include "tracer/conntrack.h"

#define CT_NEW ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW)

#define ALIGN4(n) (((n) + 3u) & ~(size_t)3)

struct message {
    uint8_t data[1024];
    size_t size;
};

static size_t put(struct message *m, const void *data, size_t size)
{
    size_t at = m->size;

    memcpy(m->data + at, data, size);
    m->size = ALIGN4(at + size);
    return at;
}

static size_t attr(struct message *m, uint16_t type, const void *data,
                   size_t size)
{
    struct nlattr head = {(uint16_t)(sizeof(head) + size), type};
    size_t at = m->size;

    memcpy(m->data + at, &head, sizeof(head));
    if (size)
        memcpy(m->data + at + sizeof(head), data, size);
    m->size = ALIGN4(at + sizeof(head) + size);
    return at;
}

static void end_nest(struct message *m, size_t at)
{
    struct nlattr head;

    memcpy(&head, m->data + at, sizeof(head));
    head.nla_len = (uint16_t)(m->size - at);
    memcpy(m->data + at, &head, sizeof(head));
}

static void put_tuple(struct message *m, uint16_t type, uint8_t from,
                      uint16_t sport, uint8_t to, uint16_t dport)
{
    const uint8_t src[] = {10, 0, 0, from}, dst[] = {10, 0, 0, to};
    uint16_t ports[] = {htons(sport), htons(dport)};
    const uint8_t udp = IPPROTO_UDP;
    size_t whole = attr(m, type | NLA_F_NESTED, NULL, 0), part;

    part = attr(m, CTA_TUPLE_IP | NLA_F_NESTED, NULL, 0);
    attr(m, CTA_IP_V4_SRC, src, 4);
    attr(m, CTA_IP_V4_DST, dst, 4);
    end_nest(m, part);
    part = attr(m, CTA_TUPLE_PROTO | NLA_F_NESTED, NULL, 0);
    attr(m, CTA_PROTO_NUM, &udp, 1);
    attr(m, CTA_PROTO_SRC_PORT, &ports[0], 2);
    attr(m, CTA_PROTO_DST_PORT, &ports[1], 2);
    end_nest(m, part);
    end_nest(m, whole);
}

static void end_message(struct message *m, size_t at)
{
    struct nlmsghdr head;

    memcpy(&head, m->data + at, sizeof(head));
    head.nlmsg_len = (uint32_t)(m->size - at);
    memcpy(m->data + at, &head, sizeof(head));
}

static void put_connection(struct message *m, uint32_t status)
{
    struct nlmsghdr head = {.nlmsg_type = CT_NEW};
    struct nfgenmsg gen = {.nfgen_family = AF_INET};
    size_t at = put(m, &head, sizeof(head));

    put(m, &gen, sizeof(gen));
    put_tuple(m, CTA_TUPLE_ORIG, 1, 1000, 9, 53);
    put_tuple(m, CTA_TUPLE_REPLY, 9, 53, 2, 40000);
    status = htonl(status);
    attr(m, CTA_STATUS, &status, sizeof(status));
    end_message(m, at);
}

static void put_plain(struct message *m, uint16_t type, const void *data,
                      size_t size)
{
    struct nlmsghdr head = {.nlmsg_type = type};
    size_t at = put(m, &head, sizeof(head));

    put(m, data, size);
    end_message(m, at);
}

struct told {
    struct ps_tracer_tuple before[8], behind[8];
    unsigned int n;
};

static void on_pair(void *arg, const struct ps_tracer_tuple *before,
                    const struct ps_tracer_tuple *behind)
{
    struct told *told = arg;

    assert_true(told->n < 8);
    told->before[told->n] = *before;
    told->behind[told->n++] = *behind;
}

static void check(const struct ps_tracer_tuple *t, uint8_t from, uint16_t sport,
                  uint8_t to, uint16_t dport)
{
    assert_int_equal(t->family, 4);
    assert_int_equal(t->proto, IPPROTO_UDP);
    assert_int_equal(t->saddr[3], from);
    assert_int_equal(t->daddr[3], to);
    assert_int_equal(t->sport, sport);
    assert_int_equal(t->dport, dport);
}

static void test_both_directions(void **state _unused_)
{
    struct message m = {.size = 0};
    struct told told = {.n = 0};
    bool done = false;

    put_connection(&m, IPS_SRC_NAT | IPS_CONFIRMED);
    assert_int_equal(ps_conntrack_parse(m.data, m.size, on_pair, &told, &done),
                     0);
    assert_false(done);
    assert_int_equal(told.n, 2);
    check(&told.before[0], 1, 1000, 9, 53);
    check(&told.behind[0], 2, 40000, 9, 53);
    check(&told.before[1], 9, 53, 2, 40000);
    check(&told.behind[1], 9, 53, 1, 1000);
}

static void test_only_what_is_translated(void **state _unused_)
{
    struct message m = {.size = 0};
    struct told told = {.n = 0};
    bool done = false;

    put_connection(&m, IPS_CONFIRMED);
    put_plain(&m, NLMSG_DONE, "", 0);
    assert_int_equal(ps_conntrack_parse(m.data, m.size, on_pair, &told, &done),
                     0);
    assert_true(done);
    assert_int_equal(told.n, 0);
}

static void test_errors(void **state _unused_)
{
    struct message m = {.size = 0};
    struct told told = {.n = 0};
    int error = -EPERM;
    bool done = false;

    put_plain(&m, NLMSG_ERROR, &error, sizeof(error));
    assert_int_equal(ps_conntrack_parse(m.data, m.size, on_pair, &told, &done),
                     -EPERM);
    error = 12345;
    m.size = 0;
    put_plain(&m, NLMSG_ERROR, &error, sizeof(error));
    assert_int_equal(ps_conntrack_parse(m.data, m.size, on_pair, &told, &done),
                     -EBADMSG);
    m.size = 0;
    put_plain(&m, NLMSG_ERROR, "", 0);
    assert_int_equal(ps_conntrack_parse(m.data, m.size, on_pair, &told, &done),
                     -EBADMSG);
    m.size = 0;
    put_connection(&m, IPS_DST_NAT);
    assert_int_equal(
        ps_conntrack_parse(m.data, m.size - 4, on_pair, &told, &done),
        -EBADMSG);
    assert_int_equal(told.n, 0);
}

/* However it is cut, nothing behind the end is read (the sanitizers look). */
static void test_cut_anywhere(void **state _unused_)
{
    struct message m = {.size = 0};

    put_connection(&m, IPS_SRC_NAT);
    for (size_t size = 0; size < m.size; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        struct told told = {.n = 0};
        bool done = false;

        memcpy(exact, m.data, size);
        if (size >= sizeof(struct nlmsghdr))
            ((struct nlmsghdr *)(void *)exact)->nlmsg_len = (uint32_t)size;
        ps_conntrack_parse(exact, size, on_pair, &told, &done);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions),
        cmocka_unit_test(test_only_what_is_translated),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
