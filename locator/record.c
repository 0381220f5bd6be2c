/* SPDX-License-Identifier: MIT */
#include "locator/record.h"

#include <math.h>

#include "common/utf8.h"
#include "locator/mmdb_data.h"

#define MAX_PATH 4

bool ps_record_has_place(const struct ps_record *record)
{
    return record->country[0] || record->region[0] || record->city[0] ||
           record->has_location;
}

bool ps_record_empty(const struct ps_record *record)
{
    return !ps_record_has_place(record) && !record->has_asn &&
           !record->as_name[0];
}

bool ps_record_set_text(char *dst, size_t dst_size, const char *src, size_t len)
{
    size_t used = 0;

    if (!len || !ps_utf8_valid(src, len))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)src[i];

        /* C1 controls are c2 80 … c2 9f. */
        if (c < 0x20 || c == 0x7f ||
            (c == 0xc2 && (unsigned char)src[i + 1] < 0xa0))
            return false;
    }
    while (used < len) {
        size_t n = ps_utf8_sequence(src + used, len - used);

        if (!n || used + n >= dst_size)
            break;
        used += n;
    }
    memcpy(dst, src, used);
    dst[used] = '\0';
    return true;
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

bool ps_record_set_country(struct ps_record *record, const char *src,
                           size_t len)
{
    if (len != 2 || !is_capital(src[0]) || !is_capital(src[1]) ||
        (src[0] == 'Z' && src[1] == 'Z'))
        return false;
    memcpy(record->country, src, 2);
    record->country[2] = '\0';
    return true;
}

static const char *text_of(const uint8_t *data, const struct ps_mmdb_value *v)
{
    return (const char *)data + v->at;
}

static bool set_country(const uint8_t *data, const struct ps_mmdb_value *v,
                        struct ps_record *record)
{
    return v->type == PS_MMDB_STRING &&
           ps_record_set_country(record, text_of(data, v), v->size);
}

static bool set_region(const uint8_t *data, const struct ps_mmdb_value *v,
                       struct ps_record *record)
{
    return v->type == PS_MMDB_STRING &&
           ps_record_set_text(record->region, sizeof(record->region),
                              text_of(data, v), v->size);
}

static bool set_city(const uint8_t *data, const struct ps_mmdb_value *v,
                     struct ps_record *record)
{
    return v->type == PS_MMDB_STRING &&
           ps_record_set_text(record->city, sizeof(record->city),
                              text_of(data, v), v->size);
}

static bool set_as_name(const uint8_t *data, const struct ps_mmdb_value *v,
                        struct ps_record *record)
{
    return v->type == PS_MMDB_STRING &&
           ps_record_set_text(record->as_name, sizeof(record->as_name),
                              text_of(data, v), v->size);
}

static bool set_asn(const uint8_t *data, const struct ps_mmdb_value *v,
                    struct ps_record *record)
{
    uint64_t asn;

    /* AS 0 means that the route must not be used (RFC 7607). */
    if (!ps_mmdb_uint(data, v, &asn) || asn == 0 || asn > UINT32_MAX)
        return false;
    record->asn = (uint32_t)asn;
    record->has_asn = true;
    return true;
}

/* Single precision shows as -33.868801116943359: a metre is enough. */
static double to_metres(double degrees)
{
    return round(degrees * 1e5) / 1e5;
}

static bool set_latitude(const uint8_t *data, const struct ps_mmdb_value *v,
                         struct ps_record *record)
{
    double degrees;

    if (!ps_mmdb_real(data, v, &degrees) || fabs(degrees) > 90)
        return false;
    record->latitude = to_metres(degrees);
    return true;
}

static bool set_longitude(const uint8_t *data, const struct ps_mmdb_value *v,
                          struct ps_record *record)
{
    double degrees;

    if (!ps_mmdb_real(data, v, &degrees) || fabs(degrees) > 180)
        return false;
    record->longitude = to_metres(degrees);
    return true;
}

enum group {
    COUNTRY,
    REGION,
    CITY,
    LATITUDE,
    LONGITUDE,
    ASN,
    AS_NAME,
    N_GROUPS,
};

/* The first of a group that is there and fits is taken. */
static const struct {
    enum group group;
    const char *path[MAX_PATH + 1];
    bool (*set)(const uint8_t *data, const struct ps_mmdb_value *v,
                struct ps_record *record);
} fields[] = {
    {COUNTRY, {"country", "iso_code"}, set_country},
    {COUNTRY, {"country_code"}, set_country},
    {COUNTRY, {"country"}, set_country},
    {REGION, {"subdivisions", "0", "names", "en"}, set_region},
    {REGION, {"state1"}, set_region},
    {REGION, {"region"}, set_region},
    {CITY, {"city", "names", "en"}, set_city},
    {CITY, {"city"}, set_city},
    {LATITUDE, {"location", "latitude"}, set_latitude},
    {LATITUDE, {"latitude"}, set_latitude},
    {LONGITUDE, {"location", "longitude"}, set_longitude},
    {LONGITUDE, {"longitude"}, set_longitude},
    {ASN, {"autonomous_system_number"}, set_asn},
    {ASN, {"asn"}, set_asn},
    {AS_NAME, {"autonomous_system_organization"}, set_as_name},
    {AS_NAME, {"as_name"}, set_as_name},
    {AS_NAME, {"organization"}, set_as_name},
};

int ps_record_read(const uint8_t *data, size_t len, size_t offset,
                   struct ps_record *record)
{
    bool got[N_GROUPS] = {};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct ps_mmdb_value value;
        int result;

        if (got[fields[i].group])
            continue;
        result = ps_mmdb_find(data, len, offset, fields[i].path, &value);
        if (result == -EBADMSG)
            return result;
        if (result == 0)
            got[fields[i].group] = fields[i].set(data, &value, record);
    }
    record->has_location |= got[LATITUDE] && got[LONGITUDE];
    return 0;
}
