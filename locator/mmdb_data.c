/* SPDX-License-Identifier: MIT */
#include "locator/mmdb_data.h"

#include <math.h>

/* Values looked at for one record: a real one has some dozens. */
#define MAX_STEPS 4096

struct reader {
    const uint8_t *data;
    size_t len;
    unsigned int steps;
};

static int take(struct reader *r, size_t *at, size_t n, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (*at > r->len || n > r->len - *at)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++)
        number = number << 8 | r->data[*at + i];
    *at += n;
    *ret_number = number;
    return 0;
}

static int read_pointer(struct reader *r, uint8_t control, size_t at,
                        struct ps_mmdb_value *ret_value)
{
    static const struct {
        size_t bytes;
        uint64_t mask, add;
    } forms[] = {{1, 7, 0}, {2, 7, 2048}, {3, 7, 526336}, {4, 0, 0}};
    size_t form = control >> 3 & 3;
    uint64_t low;

    if (take(r, &at, forms[form].bytes, &low) < 0)
        return -EBADMSG;
    low |= (control & forms[form].mask) << (8 * forms[form].bytes);
    *ret_value = (struct ps_mmdb_value){
        .type = PS_MMDB_POINTER,
        .at = low + forms[form].add,
        .next = at,
    };
    return 0;
}

static int read_size(struct reader *r, uint8_t control, size_t *at,
                     size_t *ret_size)
{
    static const struct {
        size_t bytes;
        uint64_t add;
    } forms[] = {{1, 29}, {2, 285}, {3, 65821}};
    size_t form = control & 31;
    uint64_t number;

    if (form < 29) {
        *ret_size = form;
        return 0;
    }
    if (take(r, at, forms[form - 29].bytes, &number) < 0)
        return -EBADMSG;
    *ret_size = number + forms[form - 29].add;
    return 0;
}

/* Reads the head of a value; pointers are not followed. */
static int read_head(struct reader *r, size_t at,
                     struct ps_mmdb_value *ret_value)
{
    uint64_t control, extended;
    struct ps_mmdb_value value = {};

    if (++r->steps > MAX_STEPS || take(r, &at, 1, &control) < 0)
        return -EBADMSG;
    value.type = (unsigned int)(control >> 5);
    if (value.type == PS_MMDB_POINTER)
        return read_pointer(r, (uint8_t)control, at, ret_value);
    if (value.type == PS_MMDB_EXTENDED) {
        if (take(r, &at, 1, &extended) < 0)
            return -EBADMSG;
        value.type = (unsigned int)extended + 7;
    }
    if (read_size(r, (uint8_t)control, &at, &value.size) < 0)
        return -EBADMSG;
    value.at = at;
    value.next = at;
    /* A map's or array's content follows; a boolean has none. */
    if (value.type != PS_MMDB_MAP && value.type != PS_MMDB_ARRAY &&
        value.type != PS_MMDB_BOOLEAN) {
        if (value.size > r->len - at)
            return -EBADMSG;
        value.next = at + value.size;
    }
    *ret_value = value;
    return 0;
}

/* The same, and what a pointer points to; next stays behind the pointer. */
static int read_value(struct reader *r, size_t at,
                      struct ps_mmdb_value *ret_value)
{
    struct ps_mmdb_value value;
    size_t next;

    if (read_head(r, at, &value) < 0)
        return -EBADMSG;
    if (value.type == PS_MMDB_POINTER) {
        next = value.next;
        if (read_head(r, value.at, &value) < 0 || value.type == PS_MMDB_POINTER)
            return -EBADMSG;
        /* Only the head of what lies elsewhere was read. */
        value.next = next;
    }
    *ret_value = value;
    return 0;
}

/* Offset behind the value at `at`, with all that it contains. */
static int skip(struct reader *r, size_t at, size_t *ret_next)
{
    uint64_t left = 1;

    for (; left; left--) {
        struct ps_mmdb_value value;

        if (read_head(r, at, &value) < 0)
            return -EBADMSG;
        if (value.type == PS_MMDB_MAP)
            left += 2 * (uint64_t)value.size;
        else if (value.type == PS_MMDB_ARRAY)
            left += value.size;
        at = value.next;
    }
    *ret_next = at;
    return 0;
}

static bool key_is(const struct reader *r, const struct ps_mmdb_value *key,
                   const char *name)
{
    return key->type == PS_MMDB_STRING && key->size == strlen(name) &&
           memcmp(r->data + key->at, name, key->size) == 0;
}

/* 0: *value becomes its member; -ENOENT; -EBADMSG. */
static int enter(struct reader *r, struct ps_mmdb_value *value,
                 const char *name)
{
    struct ps_mmdb_value key;
    size_t at = value->at;

    if (value->type == PS_MMDB_ARRAY && ps_streq(name, "0"))
        return value->size ? read_value(r, at, value) : -ENOENT;
    if (value->type != PS_MMDB_MAP)
        return -ENOENT;
    for (size_t i = 0; i < value->size; i++) {
        if (read_value(r, at, &key) < 0)
            return -EBADMSG;
        if (key_is(r, &key, name))
            return read_value(r, key.next, value);
        if (skip(r, key.next, &at) < 0)
            return -EBADMSG;
    }
    return -ENOENT;
}

int ps_mmdb_find(const uint8_t *data, size_t len, size_t offset,
                 const char *const *path, struct ps_mmdb_value *ret_value)
{
    struct reader r = {.data = data, .len = len};
    struct ps_mmdb_value value;
    int result = read_value(&r, offset, &value);

    for (; result == 0 && *path; path++)
        result = enter(&r, &value, *path);
    if (result == 0)
        *ret_value = value;
    return result;
}

bool ps_mmdb_real(const uint8_t *data, const struct ps_mmdb_value *value,
                  double *ret_number)
{
    uint64_t bits = 0;
    uint32_t low;
    double wide;
    float narrow;

    if (!(value->type == PS_MMDB_DOUBLE && value->size == 8) &&
        !(value->type == PS_MMDB_FLOAT && value->size == 4))
        return false;
    for (size_t i = 0; i < value->size; i++)
        bits = bits << 8 | data[value->at + i];
    low = (uint32_t)bits;
    memcpy(&wide, &bits, sizeof(wide));
    memcpy(&narrow, &low, sizeof(narrow));
    *ret_number = value->size == 8 ? wide : (double)narrow;
    return isfinite(*ret_number) != 0;
}

bool ps_mmdb_uint(const uint8_t *data, const struct ps_mmdb_value *value,
                  uint64_t *ret_number)
{
    uint64_t number = 0;

    if ((value->type != PS_MMDB_UINT16 && value->type != PS_MMDB_UINT32 &&
         value->type != PS_MMDB_UINT64) ||
        value->size > 8)
        return false;
    for (size_t i = 0; i < value->size; i++)
        number = number << 8 | data[value->at + i];
    *ret_number = number;
    return true;
}
