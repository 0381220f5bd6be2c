/* SPDX-License-Identifier: MIT */
/* One line of an ASN table. */
#include "common/utf8.h"
#include "locator/asn_csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_asn_range range;
    const char *problem = NULL;
    char line[PS_ASN_CSV_LINE];

    if (size >= sizeof(line))
        return 0;
    memcpy(line, data, size);
    line[size] = '\0';
    if (ps_asn_csv_parse(line, &range, &problem) < 0) {
        if (!problem)
            abort();
        return 0;
    }
    if (range.first.family != range.last.family ||
        memcmp(range.first.bytes, range.last.bytes, 16) > 0 ||
        !ps_utf8_valid(range.name, strlen(range.name)))
        abort();
    return 0;
}
