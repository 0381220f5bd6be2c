/* SPDX-License-Identifier: MIT */
/* A way in words, for people and for a packet's comment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/json.h"
#include "tracer/way_text.h"

#define MAX 32768u

static Ps__PacketWay *make_way(size_t steps)
{
    Ps__PacketWay *w =
        (Ps__PacketWay *)ps_message_new(&ps__packet_way__descriptor);

    w->first = (Ps__Time *)ps_message_new(&ps__time__descriptor);
    w->steps = calloc(steps, sizeof(*w->steps));
    for (size_t i = 0; i < steps; i++) {
        Ps__Step *s = (Ps__Step *)ps_message_new(&ps__step__descriptor);

        s->time = (Ps__Time *)ps_message_new(&ps__time__descriptor);
        s->layer = strdup("network");
        s->station = strdup("a_function_with_an_ordinary_name");
        s->has_depth = 1;
        s->depth = 20;
        w->steps[w->n_steps++] = s;
    }
    return w;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

static char *text_of(const Ps__PacketWay *w)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    ps_way_text(out, w, MAX);
    fclose(out);
    return text;
}

/* What has no room is said, not left out silently. */
static void test_more_steps_than_there_is_room_for(void **state _unused_)
{
    enum { STEPS = 2000 };
    Ps__PacketWay *w = make_way(STEPS);
    char *text = text_of(w), *more = strstr(text, "\u2026 ");

    assert_non_null(more);
    assert_true(strlen(text) <= MAX);
    assert_int_equal(count(text, "ordinary_name") + strtoul(more + 4, NULL, 10),
                     STEPS);
    assert_true(count(text, "ordinary_name") > 200);
    free(text);
    ps__packet_way__free_unpacked(w, NULL);
}

static void test_all_steps(void **state _unused_)
{
    Ps__PacketWay *w = make_way(3);
    char *text = text_of(w);

    assert_int_equal(count(text, "ordinary_name"), 3);
    assert_null(strstr(text, "\u2026"));
    assert_null(strstr(text, "not kept"));
    free(text);
    w->has_cut = 1;
    w->cut = 7;
    text = text_of(w);
    assert_non_null(strstr(text, "7 steps before the last were not kept"));
    free(text);
    ps__packet_way__free_unpacked(w, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_more_steps_than_there_is_room_for),
        cmocka_unit_test(test_all_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
