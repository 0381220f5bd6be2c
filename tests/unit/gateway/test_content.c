/* SPDX-License-Identifier: MIT */
#include "t.h"

#include <zlib.h>

#include "gateway/content.h"

static struct ps_content *make(const char *unit, size_t times, bool gzip)
{
    size_t len = strlen(unit);
    char *data = malloc(len * times + 1);
    struct ps_content *content = NULL;

    assert_non_null(data);
    for (size_t i = 0; i < times; i++)
        memcpy(data + i * len, unit, len);
    assert_int_equal(ps_content_new(data, len * times, "text/plain", "no-cache",
                                    gzip, &content),
                     0);
    return content;
}

/* What gunzip makes of a form equals the plain one. */
static void check_inflates(const struct ps_content_form *gzip,
                           const struct ps_content_form *plain)
{
    z_stream stream = {0};
    char *out = malloc(plain->len + 1);

    assert_non_null(out);
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = (Bytef *)gzip->data;
    stream.avail_in = (uInt)gzip->len;
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)plain->len + 1;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, plain->len);
    assert_memory_equal(out, plain->data, plain->len);
    inflateEnd(&stream);
    free(out);
}

static void test_forms(void **state _unused_)
{
    struct ps_content *content = make("0123456789", 1000, true);
    const struct ps_content_form *plain = ps_content_form(content, false);
    size_t before = ps_content_bytes(content);
    const struct ps_content_form *gzip = ps_content_form(content, true);

    assert_ptr_not_equal(plain, gzip);
    assert_int_equal(plain->len, 10000);
    assert_true(gzip->len < 1000);
    check_inflates(gzip, plain);
    /* Made once, and counted. */
    assert_ptr_equal(ps_content_form(content, true)->data, gzip->data);
    assert_int_equal(ps_content_bytes(content),
                     before + gzip->len + gzip->head_len);
    assert_string_not_equal(plain->etag, gzip->etag);
    assert_non_null(strstr(gzip->head, "Content-Encoding: gzip\r\n"));
    assert_null(strstr(plain->head, "Content-Encoding"));
    /* A 304 names tag, caching and Vary; not what belongs to a body. */
    for (int i = 0; i < 2; i++) {
        const struct ps_content_form *form = i ? gzip : plain;
        const char *length = strstr(form->head, "Content-");

        assert_non_null(strstr(form->head, "Vary: Accept-Encoding\r\n"));
        assert_non_null(strstr(form->head, "Cache-Control: no-cache\r\n"));
        assert_non_null(strstr(form->head, form->etag));
        assert_true((size_t)(length - form->head) == form->shared_len);
    }
    ps_content_unref(content);
}

static void test_not_worth_it(void **state _unused_)
{
    static const char bytes[] = "\x8f\x02\xd9\x41\x77\x13\xfa\xbc\x5e\x90";
    struct ps_content *small = make("x", PS_CONTENT_GZIP_MIN - 1, true);
    struct ps_content *never = make("x", 5000, false);
    struct ps_content *noise = NULL;
    uint64_t seed = 1;
    char *data = malloc(4096);

    assert_non_null(data);
    for (size_t i = 0; i < 4096; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        data[i] = (char)(seed >> 56 ^ (uint64_t)bytes[i % 10]);
    }
    assert_int_equal(
        ps_content_new(data, 4096, "image/png", "no-cache", true, &noise), 0);
    assert_ptr_equal(ps_content_form(small, true),
                     ps_content_form(small, false));
    assert_ptr_equal(ps_content_form(never, true),
                     ps_content_form(never, false));
    assert_ptr_equal(ps_content_form(noise, true),
                     ps_content_form(noise, false));
    assert_null(strstr(ps_content_form(never, true)->head, "Vary"));
    ps_content_unref(small);
    ps_content_unref(never);
    ps_content_unref(noise);
}

static void test_tag_is_of_the_bytes(void **state _unused_)
{
    struct ps_content *a = make("ab", 3, true), *b = make("ababab", 1, true),
                      *c = make("ba", 3, true), *none = make("", 0, true);

    assert_string_equal(ps_content_form(a, false)->etag,
                        ps_content_form(b, false)->etag);
    assert_string_not_equal(ps_content_form(a, false)->etag,
                            ps_content_form(c, false)->etag);
    assert_int_equal(ps_content_form(a, false)->etag[0], '"');
    assert_int_equal(strlen(ps_content_form(a, false)->etag), 34);
    assert_non_null(
        strstr(ps_content_form(none, true)->head, "Content-Length: 0\r\n"));
    ps_content_unref(a);
    ps_content_unref(b);
    ps_content_unref(c);
    ps_content_unref(none);
}

static void test_references(void **state _unused_)
{
    struct ps_content *content = make("x", 10, false);

    assert_ptr_equal(ps_content_ref(content), content);
    ps_content_unref(content);
    /* Still there: a sanitizer would say otherwise. */
    assert_int_equal(ps_content_form(content, false)->len, 10);
    ps_content_unref(content);
    ps_content_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_not_worth_it),
        cmocka_unit_test(test_tag_is_of_the_bytes),
        cmocka_unit_test(test_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
