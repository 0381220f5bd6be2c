/* SPDX-License-Identifier: MIT */
#include "gateway/negotiate.h"

#include <strings.h>

#define MAX_AGE_S 1000000000u /* longer is as long */

/* A part of a field's text. */
struct span {
    const char *text;
    size_t len;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.text[0]))
        s = (struct span){s.text + 1, s.len - 1};
    while (s.len > 0 && is_blank(s.text[s.len - 1]))
        s.len--;
    return s;
}

static bool is_word(struct span s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.text, word, s.len) == 0;
}

/* Cuts off what stands before a separator; none: all. */
static struct span cut(struct span *rest, char separator)
{
    const char *end = memchr(rest->text, separator, rest->len);
    struct span part = {rest->text,
                        end ? (size_t)(end - rest->text) : rest->len};
    size_t used = part.len + (end ? 1 : 0);

    *rest = (struct span){rest->text + used, rest->len - used};
    return trim(part);
}

static struct span field_span(const struct ps_head_field *field)
{
    return (struct span){field->value, strlen(field->value)};
}

/* ---- Accept-Encoding ---------------------------------------------------- */

/* "0.123" as 123; -1: not a weight. */
static int weight(struct span s)
{
    int value = 0;

    if (s.len == 0 || s.len > 5 || s.text[0] < '0' || s.text[0] > '1' ||
        (s.len > 1 && s.text[1] != '.'))
        return -1;
    for (size_t i = 0; i < 5; i++) {
        int digit = i < s.len ? s.text[i] - '0' : 0;

        if (i == 1)
            continue;
        if (digit < 0 || digit > 9)
            return -1;
        value = value * 10 + digit;
    }
    return value <= 1000 ? value : -1;
}

/* The weight of "gzip;q=0.5", 1000 without; -1: cannot be read. */
static int coding_weight(struct span params)
{
    int found = 1000;

    while (params.len > 0) {
        struct span param = cut(&params, ';');
        struct span name = cut(&param, '=');

        if (is_word(name, "q"))
            found = weight(trim(param));
        if (found < 0)
            return -1;
    }
    return found;
}

struct codings {
    int gzip, identity, any; /* weights; -1: not named */
};

static void take_coding(struct span part, struct codings *codings)
{
    struct span name = cut(&part, ';');
    int found = coding_weight(part);

    if (found < 0)
        return;
    if (is_word(name, "gzip") || is_word(name, "x-gzip"))
        codings->gzip = found;
    else if (is_word(name, "identity"))
        codings->identity = found;
    else if (is_word(name, "*"))
        codings->any = found;
}

bool ps_takes_gzip(const struct ps_head *head)
{
    struct codings codings = {-1, -1, -1};

    for (size_t i = 0; i < head->n; i++) {
        struct span rest = field_span(&head->fields[i]);

        if (strcasecmp(head->fields[i].name, "accept-encoding") != 0)
            continue;
        while (rest.len > 0)
            take_coding(cut(&rest, ','), &codings);
    }
    if (codings.gzip < 0)
        codings.gzip = codings.any;
    return codings.gzip > 0 && codings.gzip >= codings.identity;
}

/* ---- If-None-Match ------------------------------------------------------ */

static bool list_has(struct span rest, const char *etag)
{
    size_t len = strlen(etag);

    if (is_word(trim(rest), "*"))
        return true;
    while (rest.len > 0) {
        const char *end;
        size_t n;

        /* A tag may hold commas: it goes from quote to quote. */
        if (is_blank(rest.text[0]) || rest.text[0] == ',') {
            rest = (struct span){rest.text + 1, rest.len - 1};
            continue;
        }
        if (rest.len > 2 && strncmp(rest.text, "W/", 2) == 0)
            rest = (struct span){rest.text + 2, rest.len - 2};
        end = rest.text[0] == '"' && rest.len > 1
                  ? memchr(rest.text + 1, '"', rest.len - 1)
                  : NULL;
        if (!end)
            return false;
        n = (size_t)(end - rest.text) + 1;
        if (n == len && memcmp(rest.text, etag, n) == 0)
            return true;
        rest = (struct span){rest.text + n, rest.len - n};
    }
    return false;
}

bool ps_has_etag(const struct ps_head *head, const char *etag)
{
    for (size_t i = 0; i < head->n; i++)
        if (strcasecmp(head->fields[i].name, "if-none-match") == 0 &&
            list_has(field_span(&head->fields[i]), etag))
            return true;
    return false;
}

/* ---- Cache-Control ------------------------------------------------------ */

/* Seconds as milliseconds; what is no number is no bound. */
static uint64_t age_ms(struct span s)
{
    uint64_t seconds = 0;

    if (s.len > 1 && s.text[0] == '"' && s.text[s.len - 1] == '"')
        s = (struct span){s.text + 1, s.len - 2};
    if (s.len == 0)
        return UINT64_MAX;
    for (size_t i = 0; i < s.len; i++) {
        if (s.text[i] < '0' || s.text[i] > '9')
            return UINT64_MAX;
        if (seconds < MAX_AGE_S)
            seconds = seconds * 10 + (uint64_t)(s.text[i] - '0');
    }
    return seconds * 1000;
}

static uint64_t directive_age(struct span part)
{
    struct span name = cut(&part, '=');

    if (is_word(name, "no-cache") || is_word(name, "no-store"))
        return 0;
    return is_word(name, "max-age") ? age_ms(trim(part)) : UINT64_MAX;
}

uint64_t ps_takes_age_ms(const struct ps_head *head)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < head->n; i++) {
        struct span rest = field_span(&head->fields[i]);

        if (strcasecmp(head->fields[i].name, "cache-control") != 0)
            continue;
        while (rest.len > 0) {
            uint64_t age = directive_age(cut(&rest, ','));

            if (age < least)
                least = age;
        }
    }
    return least;
}
