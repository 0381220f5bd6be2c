/* SPDX-License-Identifier: MIT */
/*
 * What databases say of an address, and the reader of one record of a
 * MaxMind DB's data section. The bytes are hostile: every length is checked,
 * nothing recurses, the number of steps is bounded.
 */
#ifndef PS_LOCATOR_RECORD_H
#define PS_LOCATOR_RECORD_H

#include "common/util.h"

#define PS_RECORD_TEXT 128

/* Empty texts, has_… false: not said. All texts are UTF-8 without control
 * characters. */
struct ps_record {
    char country[3];
    char region[PS_RECORD_TEXT];
    char city[PS_RECORD_TEXT];
    bool has_location;
    double latitude, longitude;
    bool has_asn;
    uint32_t asn;
    char as_name[PS_RECORD_TEXT];
};

bool ps_record_empty(const struct ps_record *record);
/* Whether it says anything of a place (the ASN is none). */
bool ps_record_has_place(const struct ps_record *record);

/*
 * A copy of what fits; longer ones end at a whole character. False: not
 * UTF-8, has control characters, or is empty; dst is then untouched.
 */
bool ps_record_set_text(char *dst, size_t dst_size, const char *src,
                        size_t len);
/* Two capital letters; not "ZZ", which databases write for unknown. */
bool ps_record_set_country(struct ps_record *record, const char *src,
                           size_t len);

/*
 * Reads the record at an offset of a data section. Understands MaxMind's
 * nested layout (country.iso_code, city.names.en, location.latitude,
 * subdivisions.0.names.en, autonomous_system_number) and the flat one
 * (country_code, state1, city, latitude, ...). Fields of a wrong type or out
 * of range are left out. -EBADMSG: broken bytes; what was read stays.
 */
int ps_record_read(const uint8_t *data, size_t len, size_t offset,
                   struct ps_record *record);

#endif
