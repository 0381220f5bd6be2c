/* SPDX-License-Identifier: MIT */
/* A trace's filter of any contents: refused with a field and a sentence, or
 * made into words to compare. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    size_t len;
    uint8_t *packed = grow_packed(&g, &ps__trace_filter__descriptor, &len);
    Ps__TraceFilter *msg = ps__trace_filter__unpack(NULL, len, packed);
    struct ps_filter_error error = {0};
    struct ps_tracer_filter filter;
    uint32_t netns;

    free(packed);
    if (!msg)
        return 0;
    if (ps_convert_filter(msg, &filter, &netns, &error) < 0)
        REQUIRE(error.field && error.detail);
    else
        for (size_t i = 0; i < sizeof(filter.value); i++)
            REQUIRE(!(((uint8_t *)&filter.value)[i] &
                      ~((uint8_t *)&filter.mask)[i]));
    ps__trace_filter__free_unpacked(msg, NULL);
    return 0;
}
