/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "locator/icmp.h"

static const struct ps_icmp_flow flow4 = {
    .source = {4, {192, 0, 2, 1}},
    .target = {4, {198, 51, 100, 9}},
    .id = 0xbeef,
    .nonce = UINT64_C(0x0102030405060708),
};

static const struct ps_icmp_flow flow6 = {
    .source = {6, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
    .target = {6, {0x20, 0x01, 0x0d, 0xb8, [15] = 9}},
    .id = 0xbeef,
    .nonce = UINT64_C(0x0102030405060708),
};

/* The checksum's own definition, written apart from the code under test. */
static uint32_t sum16(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)(p[i] * 256 + (i + 1 < len ? p[i + 1] : 0));
    while (sum > 0xffff)
        sum = sum % 0x10000 + sum / 0x10000;
    return sum;
}

static size_t wrap4(uint8_t *buf, const uint8_t *payload, size_t len,
                    const struct ps_addr *from, const struct ps_addr *to)
{
    uint8_t head[20] = {0x45, [8] = 64, [9] = 1};

    head[2] = (uint8_t)((20 + len) >> 8);
    head[3] = (uint8_t)(20 + len);
    memcpy(head + 12, from->bytes, 4);
    memcpy(head + 16, to->bytes, 4);
    memcpy(buf, head, 20);
    memcpy(buf + 20, payload, len);
    return 20 + len;
}

static void set_sum(uint8_t *icmp, size_t len)
{
    uint32_t sum;

    icmp[2] = icmp[3] = 0;
    sum = ~sum16(icmp, len) & 0xffff;
    icmp[2] = (uint8_t)(sum >> 8);
    icmp[3] = (uint8_t)sum;
}

/* An ICMP error of IPv4 that quotes `quote` bytes of a probe. */
static size_t error4(uint8_t *buf, uint8_t type, uint8_t code, uint16_t seq,
                     size_t quote)
{
    static const struct ps_addr router = {4, {203, 0, 113, 5}};
    uint8_t probe[PS_ICMP_PROBE_BYTES], icmp[128] = {type, code};
    size_t len;

    ps_icmp_build(&flow4, seq, probe);
    len = 8 +
          wrap4(icmp + 8, probe, sizeof(probe), &flow4.source, &flow4.target);
    if (quote < sizeof(probe))
        len = 8 + 20 + quote;
    set_sum(icmp, len);
    return wrap4(buf, icmp, len, &router, &flow4.source);
}

static size_t error6(uint8_t *buf, uint8_t type, uint8_t code, uint16_t seq)
{
    uint8_t *quote = buf + 8;

    memset(buf, 0, 8 + 40);
    buf[0] = type;
    buf[1] = code;
    quote[0] = 0x60;
    quote[5] = PS_ICMP_PROBE_BYTES;
    quote[6] = 58;
    memcpy(quote + 8, flow6.source.bytes, 16);
    memcpy(quote + 24, flow6.target.bytes, 16);
    ps_icmp_build(&flow6, seq, quote + 40);
    return 8 + 40 + PS_ICMP_PROBE_BYTES;
}

static void checksum_is_right_and_constant4(void **state _unused_)
{
    uint8_t buf[PS_ICMP_PROBE_BYTES];

    for (uint32_t seq = 0; seq < 65536; seq += 257) {
        ps_icmp_build(&flow4, (uint16_t)seq, buf);
        assert_int_equal(sum16(buf, sizeof(buf)), 0xffff);
        assert_int_equal(buf[2] * 256 + buf[3], ps_icmp_checksum(&flow4));
        assert_int_equal(buf[6] * 256 + buf[7], seq);
    }
}

static void checksum_is_right_and_constant6(void **state _unused_)
{
    uint8_t buf[40 + PS_ICMP_PROBE_BYTES] = {};

    memcpy(buf, flow6.source.bytes, 16);
    memcpy(buf + 16, flow6.target.bytes, 16);
    buf[35] = PS_ICMP_PROBE_BYTES;
    buf[39] = 58;
    for (uint32_t seq = 0; seq < 65536; seq += 257) {
        ps_icmp_build(&flow6, (uint16_t)seq, buf + 40);
        assert_int_equal(sum16(buf, sizeof(buf)), 0xffff);
        assert_int_equal(buf[42] * 256 + buf[43], ps_icmp_checksum(&flow6));
    }
}

static void reads_replies(void **state _unused_)
{
    uint8_t probe[PS_ICMP_PROBE_BYTES], buf[128];
    struct ps_icmp_answer answer;
    size_t len;

    ps_icmp_build(&flow4, 77, probe);
    probe[0] = 0;
    set_sum(probe, sizeof(probe));
    len = wrap4(buf, probe, sizeof(probe), &flow4.target, &flow4.source);
    assert_int_equal(ps_icmp_parse(4, buf, len, &answer), 0);
    assert_int_equal(answer.kind, PS_ICMP_ECHO_REPLY);
    assert_int_equal(answer.seq, 77);
    assert_true(ps_icmp_answers(&flow4, &answer));
    answer.nonce ^= 1;
    assert_false(ps_icmp_answers(&flow4, &answer));

    ps_icmp_build(&flow6, 78, probe);
    probe[0] = 129;
    assert_int_equal(ps_icmp_parse(6, probe, sizeof(probe), &answer), 0);
    assert_int_equal(answer.seq, 78);
    assert_true(ps_icmp_answers(&flow6, &answer));
}

static void reads_time_exceeded(void **state _unused_)
{
    struct ps_icmp_answer answer;
    uint8_t buf[256];
    size_t len;

    /* The whole probe, and the least that RFC 792 asks for. */
    for (size_t quote = 8; quote <= PS_ICMP_PROBE_BYTES; quote += 16) {
        len = error4(buf, 11, 0, 5, quote);
        assert_int_equal(ps_icmp_parse(4, buf, len, &answer), 0);
        assert_int_equal(answer.kind, PS_ICMP_TIME_EXCEEDED);
        assert_int_equal(answer.seq, 5);
        assert_null(answer.unreachable);
        assert_true(ps_icmp_answers(&flow4, &answer));
    }
    answer.checksum ^= 0x100;
    assert_false(ps_icmp_answers(&flow4, &answer));
    len = error6(buf, 3, 0, 6);
    assert_int_equal(ps_icmp_parse(6, buf, len, &answer), 0);
    assert_int_equal(answer.kind, PS_ICMP_TIME_EXCEEDED);
    assert_true(ps_icmp_answers(&flow6, &answer));
    answer.quoted_target.bytes[0] ^= 1;
    assert_false(ps_icmp_answers(&flow6, &answer));
}

static void names_unreachables(void **state _unused_)
{
    static const struct {
        unsigned int family;
        uint8_t code;
        const char *name;
    } cases[] = {
        {4, 0, "net_unreachable"},  {4, 1, "host_unreachable"},
        {4, 3, "port_unreachable"}, {4, 9, "net_prohibited"},
        {4, 10, "host_prohibited"}, {4, 13, "admin_prohibited"},
        {4, 200, "unreachable"},    {6, 0, "net_unreachable"},
        {6, 1, "admin_prohibited"}, {6, 3, "host_unreachable"},
        {6, 4, "port_unreachable"}, {6, 6, "route_rejected"},
        {6, 200, "unreachable"},
    };
    struct ps_icmp_answer answer;
    uint8_t buf[256];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t len = cases[i].family == 4 ? error4(buf, 3, cases[i].code, 9, 24)
                                          : error6(buf, 1, cases[i].code, 9);

        assert_int_equal(ps_icmp_parse(cases[i].family, buf, len, &answer), 0);
        assert_int_equal(answer.kind, PS_ICMP_UNREACHABLE);
        assert_string_equal(answer.unreachable, cases[i].name);
    }
}

static void refuses_every_cut(void **state _unused_)
{
    struct ps_icmp_answer answer;
    uint8_t buf[256];
    size_t len = error4(buf, 11, 0, 5, 8);

    for (size_t cut = 0; cut < len; cut++) {
        /* On the heap, so that a read behind the end is seen. */
        uint8_t *copy = malloc(cut ? cut : 1);

        memcpy(copy, buf, cut);
        assert_int_equal(ps_icmp_parse(4, copy, cut, &answer), -EBADMSG);
        free(copy);
    }
    len = error6(buf, 3, 0, 6);
    for (size_t cut = 0; cut < 8 + 40 + 8; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1);

        memcpy(copy, buf, cut);
        assert_true(ps_icmp_parse(6, copy, cut, &answer) < 0);
        free(copy);
    }
}

static void refuses_what_is_no_answer(void **state _unused_)
{
    struct ps_icmp_answer answer;
    uint8_t buf[256];
    size_t len;

    len = error4(buf, 11, 0, 5, 24);
    buf[22] ^= 1; /* its checksum */
    assert_int_equal(ps_icmp_parse(4, buf, len, &answer), -EBADMSG);
    len = error4(buf, 11, 1, 5, 24); /* reassembly time exceeded */
    assert_int_equal(ps_icmp_parse(4, buf, len, &answer), -ENOMSG);
    len = error4(buf, 5, 0, 5, 24); /* redirect */
    assert_int_equal(ps_icmp_parse(4, buf, len, &answer), -ENOMSG);
    len = error4(buf, 11, 0, 5, 24);
    buf[20 + 8 + 9] = 17; /* quotes UDP */
    set_sum(buf + 20, len - 20);
    assert_int_equal(ps_icmp_parse(4, buf, len, &answer), -EBADMSG);
    len = error4(buf, 11, 0, 5, 24);
    buf[20 + 8] = 0x4f; /* options that are not there */
    set_sum(buf + 20, len - 20);
    assert_int_equal(ps_icmp_parse(4, buf, len, &answer), -EBADMSG);
    len = error4(buf, 11, 0, 5, 24);
    buf[0] = 0x65;
    assert_int_equal(ps_icmp_parse(4, buf, len, &answer), -EBADMSG);
    len = error6(buf, 3, 0, 6);
    buf[8] = 0x40;
    assert_int_equal(ps_icmp_parse(6, buf, len, &answer), -EBADMSG);
    assert_int_equal(ps_icmp_parse(5, buf, len, &answer), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_is_right_and_constant4),
        cmocka_unit_test(checksum_is_right_and_constant6),
        cmocka_unit_test(reads_replies),
        cmocka_unit_test(reads_time_exceeded),
        cmocka_unit_test(names_unreachables),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(refuses_what_is_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
