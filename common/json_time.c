/* SPDX-License-Identifier: MIT */
/* RFC 3339 times and RFC 4648 bytes. */
#include "common/json_text.h"

void ps_time_format(uint64_t unix_ns, char *text)
{
    time_t seconds = (time_t)(unix_ns / PS_NS_PER_S);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    snprintf(text, PS_JSON_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%09lluZ",
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec, (unsigned long long)(unix_ns % PS_NS_PER_S));
}

/* Exactly n digits; returns what follows, NULL: there are not so many. */
static const char *take_digits(const char *text, int n, int *ret_value)
{
    int value = 0;

    for (; n > 0; n--, text++) {
        if (*text < '0' || *text > '9')
            return NULL;
        value = 10 * value + (*text - '0');
    }
    *ret_value = value;
    return text;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/*
 * Numbers and the characters between them: '0' to '9' stand for that many
 * digits, 'T' takes 't' and ' ' too, as RFC 3339 allows. NULL: does not fit.
 */
static const char *take_pattern(const char *text, const char *pattern,
                                int *values)
{
    for (; *pattern && text; pattern++) {
        if (*pattern >= '0' && *pattern <= '9') {
            text = take_digits(text, *pattern - '0', values++);
        } else if (*text == *pattern ||
                   (*pattern == 'T' && (*text == 't' || *text == ' '))) {
            text++;
        } else {
            return NULL;
        }
    }
    return text;
}

/* One to nine digits after a point, as nanoseconds. */
static const char *take_fraction(const char *text, uint64_t *ret_ns)
{
    size_t n = strspn(text, "0123456789");
    uint64_t ns = 0;

    if (n == 0 || n > 9)
        return NULL;
    for (size_t i = 0; i < 9; i++)
        ns = 10 * ns + (i < n ? (uint64_t)(text[i] - '0') : 0);
    *ret_ns = ns;
    return text + n;
}

/* "Z" or "+hh:mm", to the end of the text; seconds east of Greenwich. */
static int parse_offset(const char *text, int64_t *ret_offset)
{
    int v[2];
    int sign;

    if (ps_streq(text, "Z") || ps_streq(text, "z")) {
        *ret_offset = 0;
        return 0;
    }
    if (*text != '+' && *text != '-')
        return -EINVAL;
    sign = *text == '-' ? -1 : 1;
    text = take_pattern(text + 1, "2:2", v);
    if (!text || *text || v[0] > 23 || v[1] > 59)
        return -EINVAL;
    *ret_offset = sign * (v[0] * INT64_C(3600) + v[1] * INT64_C(60));
    return 0;
}

int ps_time_parse(const char *text, uint64_t *ret_unix_ns)
{
    enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, N };
    int v[N] = {0};
    uint64_t ns = 0, result;
    int64_t offset, seconds;
    struct tm tm = {0};

    text = take_pattern(text, "4-2-2T2:2:2", v);
    if (text && *text == '.')
        text = take_fraction(text + 1, &ns);
    if (!text || parse_offset(text, &offset) < 0)
        return -EINVAL;
    /* A leap second is the start of the next, as in POSIX time. */
    if (v[MONTH] < 1 || v[MONTH] > 12 || v[DAY] < 1 ||
        v[DAY] > month_days(v[YEAR], v[MONTH]) || v[HOUR] > 23 ||
        v[MINUTE] > 59 || v[SECOND] > 60)
        return -EINVAL;
    tm.tm_year = v[YEAR] - 1900;
    tm.tm_mon = v[MONTH] - 1;
    tm.tm_mday = v[DAY];
    tm.tm_hour = v[HOUR];
    tm.tm_min = v[MINUTE];
    tm.tm_sec = v[SECOND];
    seconds = (int64_t)timegm(&tm) - offset;
    if (seconds < 0 ||
        __builtin_mul_overflow((uint64_t)seconds, PS_NS_PER_S, &result) ||
        __builtin_add_overflow(result, ns, &result))
        return -EINVAL;
    *ret_unix_ns = result;
    return 0;
}

/* ---- base64 ------------------------------------------------------------- */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *ps_base64_encode(const uint8_t *data, size_t len)
{
    char *text, *out;

    if (len > SIZE_MAX / 2)
        return NULL;
    text = out = malloc((len + 2) / 3 * 4 + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)data[i] << 16;

        if (left > 1)
            bits |= (uint32_t)data[i + 1] << 8;
        if (left > 2)
            bits |= data[i + 2];
        *out++ = alphabet[bits >> 18];
        *out++ = alphabet[bits >> 12 & 63];
        *out++ = (char)(left > 1 ? alphabet[bits >> 6 & 63] : '=');
        *out++ = (char)(left > 2 ? alphabet[bits & 63] : '=');
    }
    *out = '\0';
    return text;
}

static int sextet(char c)
{
    const char *p = c ? strchr(alphabet, c) : NULL;

    return p ? (int)(p - alphabet) : -1;
}

int ps_base64_decode(const char *text, uint8_t **ret_data, size_t *ret_len)
{
    _cleanup_free_ uint8_t *data = NULL;
    size_t n = strlen(text), pad = 0, out = 0;

    if (n % 4 != 0)
        return -EINVAL;
    while (pad < 2 && pad < n && text[n - 1 - pad] == '=')
        pad++;
    data = malloc(n / 4 * 3 + 1);
    if (!data)
        return -ENOMEM;
    for (size_t i = 0; i < n; i += 4) {
        size_t digits = i + 4 == n ? 4 - pad : 4;
        uint32_t bits = 0;

        for (size_t j = 0; j < 4; j++) {
            int six = j < digits ? sextet(text[i + j]) : 0;

            if (six < 0)
                return -EINVAL;
            bits = bits << 6 | (uint32_t)six;
        }
        /* Bits that no byte takes must be zero: one text for each value. */
        if (bits & ((1u << (8 * (4 - digits))) - 1))
            return -EINVAL;
        for (size_t j = 0; j + 1 < digits; j++)
            data[out++] = (uint8_t)(bits >> (16 - 8 * j));
    }
    *ret_data = out ? TAKE_PTR(data) : NULL;
    *ret_len = out;
    return 0;
}
