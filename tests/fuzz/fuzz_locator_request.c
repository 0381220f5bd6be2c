/* SPDX-License-Identifier: MIT */
/* A measurement that is asked for: refused with a field and a sentence, or
 * within all bounds. */
#include "locator/locator.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    size_t len;
    uint8_t *packed = grow_packed(&g, &ps__measure_request__descriptor, &len);
    Ps__MeasureRequest *msg = ps__measure_request__unpack(NULL, len, packed);
    struct ps_request_problem problem = {0};
    struct ps_engine_request out = {0};

    free(packed);
    if (!msg)
        return 0;
    if (ps_locator_check_request(msg, &out, &problem) < 0) {
        REQUIRE(problem.id && problem.field && problem.text[0]);
    } else {
        REQUIRE(out.target.family == 4 || out.target.family == 6);
        REQUIRE(out.max_hops >= 1 && out.max_hops <= PS_MEASURE_MAX_HOPS);
        REQUIRE(out.probes >= 1 && out.probes <= PS_MEASURE_MAX_PROBES);
        REQUIRE(out.interval_ns && out.timeout_ns);
    }
    ps__measure_request__free_unpacked(msg, NULL);
    return 0;
}
