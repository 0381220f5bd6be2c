/* SPDX-License-Identifier: MIT */
/*
 * One line of an ASN table: first,last,asn,name with addresses as text, the
 * name perhaps in double quotes (RFC 4180). Text in, values out.
 */
#ifndef PS_LOCATOR_ASN_CSV_H
#define PS_LOCATOR_ASN_CSV_H

#include "common/net.h"
#include "locator/record.h"

#define PS_ASN_CSV_LINE 1024

struct ps_asn_range {
    struct ps_addr first, last; /* both included */
    uint32_t asn;
    char name[PS_RECORD_TEXT]; /* "" where there is none that can be used */
};

/* line without its end. -EINVAL: *ret_problem says why, a constant. */
int ps_asn_csv_parse(const char *line, struct ps_asn_range *ret_range,
                     const char **ret_problem);

#endif
