/* SPDX-License-Identifier: MIT */
#include "common/utf8.h"

/* What may start a sequence, and what its second byte may then be. */
static const struct lead {
    uint8_t first, last;
    uint8_t second_min, second_max;
    uint8_t length;
} leads[] = {
    {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static const struct lead *find_lead(uint8_t byte)
{
    for (size_t i = 0; i < ARRAY_SIZE(leads); i++)
        if (byte >= leads[i].first && byte <= leads[i].last)
            return &leads[i];
    return NULL;
}

size_t ps_utf8_sequence(const char *text, size_t len)
{
    const uint8_t *s = (const uint8_t *)text;
    const struct lead *lead;

    if (len == 0)
        return 0;
    lead = find_lead(s[0]);
    if (!lead || lead->length > len)
        return 0;
    if (lead->length > 1 &&
        (s[1] < lead->second_min || s[1] > lead->second_max))
        return 0;
    for (size_t i = 2; i < lead->length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return lead->length;
}

bool ps_utf8_valid(const char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = ps_utf8_sequence(text + i, len - i);
        if (n == 0)
            return false;
    }
    return true;
}

char *ps_utf8_repair(const char *text, size_t len, size_t *ret_len)
{
    char *out;
    size_t o = 0;

    /* At worst each byte becomes three. */
    if (len > (SIZE_MAX - 1) / 3)
        return NULL;
    out = malloc(3 * len + 1);
    if (!out)
        return NULL;
    for (size_t i = 0; i < len;) {
        size_t n = ps_utf8_sequence(text + i, len - i);
        const char *from = n ? text + i : replacement;
        size_t take = n ? n : sizeof(replacement) - 1;

        memcpy(out + o, from, take);
        o += take;
        i += n ? n : 1;
    }
    out[o] = '\0';
    if (ret_len)
        *ret_len = o;
    return out;
}
