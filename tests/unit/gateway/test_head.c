/* SPDX-License-Identifier: MIT */
#include "t.h"

#include "gateway/head.h"

static unsigned int parse(const char *text, struct ps_head *head)
{
    static char copy[65536];
    const char *detail = NULL;
    unsigned int status;

    snprintf(copy, sizeof(copy), "%s", text);
    status = ps_head_parse(copy, strlen(copy), head, &detail);
    /* An error always says what is wrong. */
    if (status)
        assert_non_null(detail);
    return status;
}

static void test_plain(void **state _unused_)
{
    struct ps_head head;

    assert_int_equal(parse("POST /a?b=c HTTP/1.1\r\nHost: h:1\r\n"
                           "content-LENGTH: 12\r\nX:  y \r\n\r\n",
                           &head),
                     0);
    assert_int_equal(head.method, PS_HTTP_POST);
    assert_string_equal(head.target, "/a?b=c");
    assert_string_equal(head.host, "h:1");
    assert_int_equal(head.content_length, 12);
    assert_string_equal(ps_head_find(&head, "x"), "y");
    assert_null(ps_head_find(&head, "z"));
    assert_true(head.keep_alive);
    assert_false(head.expect_continue);
}

static void test_connection(void **state _unused_)
{
    struct ps_head head;

    assert_int_equal(
        parse("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n",
              &head),
        0);
    assert_false(head.keep_alive);
    assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &head), 0);
    assert_false(head.keep_alive);
    assert_null(head.host);
    assert_int_equal(
        parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &head), 0);
    assert_true(head.keep_alive);
    assert_int_equal(
        parse("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
              &head),
        0);
    assert_true(head.expect_continue);
}

static void test_absolute_form(void **state _unused_)
{
    struct ps_head head;

    assert_int_equal(
        parse("GET http://evil:80/x?y HTTP/1.1\r\nHost: h\r\n\r\n", &head), 0);
    assert_string_equal(head.target, "/x?y");
    /* The target's host is the one that counts. */
    assert_string_equal(head.host, "evil:80");
}

static void test_refused(void **state _unused_)
{
    static const struct {
        unsigned int status;
        const char *text;
    } cases[] = {
        {400, "GET\r\n\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET x HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET /\x80 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n z\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nX: a\nB: c\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
              "Content-Length: 1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: h\r\n"
              "Content-Length: 9999999999999999\r\n\r\n"},
        {411, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
              "\r\n"},
        {411, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
              "Transfer-Encoding: chunked\r\n\r\n"},
        {417, "POST / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n"},
        {501, "BREW / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {501, "get / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"},
        {505, "GET / HTTP/1.2\r\nHost: h\r\n\r\n"},
        {400, "GET / HTTP/1.10\r\nHost: h\r\n\r\n"},
    };
    struct ps_head head;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned int status = parse(cases[i].text, &head);

        if (status != cases[i].status)
            fail_msg("%u for %s", status, cases[i].text);
    }
}

static void test_too_much(void **state _unused_)
{
    const size_t size = 32768;
    _cleanup_free_ char *text = malloc(size);
    struct ps_head head;
    size_t len;

    snprintf(text, size, "GET /%0*d HTTP/1.1\r\nHost: h\r\n\r\n",
             PS_HEAD_MAX_TARGET, 0);
    assert_int_equal(parse(text, &head), 414);
    len = (size_t)snprintf(text, size, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (size_t i = 0; i < PS_HEAD_MAX_FIELDS; i++)
        len += (size_t)snprintf(text + len, size - len, "X-%zu: y\r\n", i);
    snprintf(text + len, size - len, "\r\n");
    assert_int_equal(parse(text, &head), 431);
}

static void test_zero_byte(void **state _unused_)
{
    char text[] = "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n";
    const char *detail;
    struct ps_head head;

    assert_int_equal(ps_head_parse(text, sizeof(text) - 1, &head, &detail),
                     400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),         cmocka_unit_test(test_connection),
        cmocka_unit_test(test_absolute_form), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_much),      cmocka_unit_test(test_zero_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
