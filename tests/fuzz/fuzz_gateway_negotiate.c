/* SPDX-License-Identifier: MIT */
/* Fields that choose the form of an answer: each may hold anything, and what
 * is chosen must not depend on how the list is spaced. */
#include "fuzz.h"

#include "gateway/negotiate.h"

static const char *const names[] = {"Accept-Encoding", "If-None-Match",
                                    "Cache-Control"};

struct choice {
    bool gzip, known;
    uint64_t age_ms;
};

static struct choice choose(const char *value, const char *second)
{
    struct ps_head head = {0};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        head.fields[head.n++] = (struct ps_head_field){names[i], value};
        if (second)
            head.fields[head.n++] = (struct ps_head_field){names[i], second};
    }
    return (struct choice){ps_takes_gzip(&head), ps_has_etag(&head, "\"a\""),
                           ps_takes_age_ms(&head)};
}

static bool same(struct choice a, struct choice b)
{
    return a.gzip == b.gzip && a.known == b.known && a.age_ms == b.age_ms;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *value = malloc(size + 1), *spaced = malloc(size + 5);
    struct choice choice;

    if (value && spaced && !memchr(data, '\0', size)) {
        memcpy(value, data, size);
        value[size] = '\0';
        snprintf(spaced, size + 5, " \t%s \t", value);
        choice = choose(value, NULL);
        REQUIRE(same(choice, choose(spaced, NULL)));
        REQUIRE(same(choice, choose(value, value)));
        /* Nothing was asked for: nothing is taken for it. */
        if (size == 0)
            REQUIRE(!choice.gzip && !choice.known &&
                    choice.age_ms == UINT64_MAX);
        /* One reason not to take an old answer is enough. */
        REQUIRE(choose(value, "no-cache").age_ms == 0);
    }
    free(value);
    free(spaced);
    return 0;
}
