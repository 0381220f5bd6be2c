/* SPDX-License-Identifier: MIT */
/*
 * What the daemons enforce of fields beside their types. The end-to-end test
 * of the contract sends values at and beyond each bound.
 */
#include "gateway/openapi_internal.h"

#define ANY    "*" /* fields of this name of any message */
#define HOUR   INT64_C(3600000000000)
#define MINUTE INT64_C(60000000000)
#define SECOND INT64_C(1000000000)

static const struct bound {
    const char *message, *field;
    json_int_t min, max, preset; /* of a number; max 0: no bounds */
    json_int_t min_length, max_length;
    const char *pattern;
    const char *oneof; /* "4 6": numbers */
    json_int_t max_items;
    bool wanted;    /* required, though the schema leaves it open */
    bool read_only; /* ignored in requests */
} bounds[] = {
    {ANY, "limit", .min = 1, .max = 1000, .preset = 100},
    {ANY, "cursor", .max_length = 4096},
    {ANY, "port", .max = 65535},
    {ANY, "sport", .max = 65535},
    {ANY, "dport", .max = 65535},
    {ANY, "lport", .max = 65535},
    {ANY, "rport", .max = 65535},
    {ANY, "family", .oneof = "4 6"},
    {"CreateTraceRequest", "filter", .wanted = true},
    {"CreateTraceRequest", "snaplen", .max = 1024},
    {"CreateTraceRequest", "max_packets", .min = 1, .max = 10000,
     .preset = 1000},
    {"CreateTraceRequest", "duration_ns", .min = 1, .max = HOUR,
     .preset = MINUTE},
    {"CreateTraceRequest", "comment", .max_length = 256},
    {"ListSocketsRequest", "container", .min_length = 12},
    {"MeasureRequest", "target", .wanted = true},
    {"MeasureRequest", "max_hops", .min = 1, .max = 64, .preset = 30},
    {"MeasureRequest", "probes", .min = 1, .max = 100, .preset = 10},
    {"MeasureRequest", "interval_ns", .min = SECOND / 50, .max = MINUTE,
     .preset = SECOND / 10},
    {"MeasureRequest", "timeout_ns", .min = SECOND / 100, .max = 10 * SECOND,
     .preset = SECOND},
    {"CreateTokenRequest", "name", .max_length = 63,
     .pattern = "^[A-Za-z0-9._-]+$"},
    {"CreateTokenRequest", "roles", .wanted = true},
    {"Rule", "id", .max_length = 64,
     .pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]*$"},
    {"Rule", "action", .wanted = true},
    {"Rule", "comment", .max_length = 256},
    {"Rule", "icmp_type", .max = 255},
    {"Rule", "icmp_code", .max = 255},
    {"Rule", "interface", .max_length = 15, .pattern = "^[^/: \\t\\n]+$"},
    {"Rule", "hit_packets", .read_only = true},
    {"Rule", "hit_bytes", .read_only = true},
    {"Rule", "created", .read_only = true},
    {"Rule", "updated", .read_only = true},
    {"Ruleset", "rules", .max_items = 512},
};

static void set_integer(json_t *schema, const char *name, json_int_t value)
{
    json_object_set_new(schema, name, json_integer(value));
}

static json_t *number_list(const char *text)
{
    json_t *list = json_array();
    char *end = NULL;

    for (long n = strtol(text, &end, 10); end != text;
         n = strtol(text, &end, 10)) {
        json_array_append_new(list, json_integer(n));
        text = end;
    }
    return list;
}

static void apply(const struct bound *bound, json_t *schema)
{
    if (bound->max) {
        set_integer(schema, "minimum", bound->min);
        set_integer(schema, "maximum", bound->max);
    }
    if (bound->preset)
        set_integer(schema, "default", bound->preset);
    if (bound->min_length)
        set_integer(schema, "minLength", bound->min_length);
    if (bound->max_length)
        set_integer(schema, "maxLength", bound->max_length);
    if (bound->max_items)
        set_integer(schema, "maxItems", bound->max_items);
    if (bound->pattern)
        json_object_set_new(schema, "pattern", json_string(bound->pattern));
    if (bound->oneof) {
        json_object_set_new(schema, "enum", number_list(bound->oneof));
        json_object_del(schema, "minimum");
        json_object_del(schema, "maximum");
    }
    if (bound->read_only)
        json_object_set_new(schema, "readOnly", json_true());
}

/* A bound of numbers is for numbers: Rule.sport is a range's text. */
static bool fits(const struct bound *bound, const json_t *schema)
{
    const char *type = json_string_value(json_object_get(schema, "type"));

    if (bound->max || bound->oneof)
        return ps_streq(type, "integer");
    if (bound->max_length || bound->min_length)
        return ps_streq(type, "string");
    return true;
}

void ps_openapi_bound(const char *message, const char *field, json_t *schema)
{
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++)
        if (ps_streq(bounds[i].field, field) &&
            (ps_streq(bounds[i].message, ANY) ||
             ps_streq(bounds[i].message, message)) &&
            fits(&bounds[i], schema))
            apply(&bounds[i], schema);
}

bool ps_openapi_wanted(const char *message, const char *field)
{
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++)
        if (bounds[i].wanted && ps_streq(bounds[i].message, message) &&
            ps_streq(bounds[i].field, field))
            return true;
    return false;
}
