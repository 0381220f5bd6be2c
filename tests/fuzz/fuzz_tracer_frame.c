/* SPDX-License-Identifier: MIT */
/* The head of a frame: nothing read beyond it, and what is told of it lies in
 * it. */
#include "tests/fuzz/fuzz.h"
#include "tracer/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_tracer_event e = {0};
    uint32_t len;
    size_t l3 = 0;

    if (size < sizeof(len))
        return 0;
    memcpy(&len, data, sizeof(len));
    data += sizeof(len);
    size -= sizeof(len);
    if (ps_frame_read(data, size, len, &e, &l3) < 0) {
        REQUIRE(e.tuple.family == 0 && l3 == 0);
        return 0;
    }
    REQUIRE(e.tuple.family == 4 || e.tuple.family == 6);
    REQUIRE(l3 + 20 <= size && e.payload <= len);
    return 0;
}
