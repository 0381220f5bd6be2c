/* SPDX-License-Identifier: MIT */
#include "locator/asn_csv.h"

#include "common/options.h"

/* Takes the text up to the next comma, or to the end. */
static bool take_plain(const char **at, char *dst, size_t dst_size)
{
    size_t len = strcspn(*at, ",");

    if (len >= dst_size)
        return false;
    memcpy(dst, *at, len);
    dst[len] = '\0';
    *at += len;
    if (**at == ',')
        ++*at;
    return true;
}

/* A quoted field; a quote within is written twice. */
static bool take_quoted(const char **at, char *dst, size_t dst_size)
{
    const char *p = *at + 1;
    size_t used = 0;

    for (;; p++) {
        if (*p == '\0' || used + 1 >= dst_size)
            return false;
        if (*p == '"') {
            p++; /* twice: a quote; else the end */
            if (*p != '"')
                break;
        }
        dst[used++] = *p;
    }
    dst[used] = '\0';
    if (*p != '\0' && *p != ',')
        return false;
    *at = *p ? p + 1 : p;
    return true;
}

static int take_asn(const char **at, uint32_t *ret_asn)
{
    char text[16];
    uint64_t asn;

    if (!take_plain(at, text, sizeof(text)) ||
        ps_parse_uint(text, 0, UINT32_MAX, &asn) < 0)
        return -EINVAL;
    *ret_asn = (uint32_t)asn;
    return 0;
}

int ps_asn_csv_parse(const char *line, struct ps_asn_range *ret_range,
                     const char **ret_problem)
{
    struct ps_asn_range range = {};
    char first[PS_ADDR_TEXT + 1], last[PS_ADDR_TEXT + 1];
    char name[PS_ASN_CSV_LINE];
    const char *at = line;
    bool ok;

    *ret_problem = "expected first,last,asn,name with addresses as text";
    if (!take_plain(&at, first, sizeof(first)) ||
        !take_plain(&at, last, sizeof(last)) ||
        ps_addr_parse(first, &range.first) < 0 ||
        ps_addr_parse(last, &range.last) < 0)
        return -EINVAL;
    *ret_problem = "the two addresses are no range";
    if (range.first.family != range.last.family ||
        memcmp(range.first.bytes, range.last.bytes, 16) > 0)
        return -EINVAL;
    *ret_problem = "the AS number is not one";
    if (take_asn(&at, &range.asn) < 0)
        return -EINVAL;
    *ret_problem = "the name is not a CSV field";
    ok = *at == '"' ? take_quoted(&at, name, sizeof(name))
                    : take_plain(&at, name, sizeof(name));
    if (!ok)
        return -EINVAL;
    (void)ps_record_set_text(range.name, sizeof(range.name), name,
                             strlen(name));
    *ret_range = range;
    return 0;
}
