/* SPDX-License-Identifier: MIT */
/* A trace's filter of any contents: refused with a field and a sentence, or
 * made into words to compare. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/filter.h"
#include "tracer/guard.h"

/* What the guarder is asked to watch is at least what the filter asks for. */
static void watch(const Ps__TraceFilter *msg)
{
    Ps__Rule *rules[2];
    int n = ps_guard_watches(msg, rules);

    REQUIRE(n >= 1 && n <= 2);
    for (int i = 0; i < n; i++) {
        REQUIRE(protobuf_c_message_check(&rules[i]->base));
        ps__rule__free_unpacked(rules[i], NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    size_t len;
    uint8_t *packed = grow_packed(&g, &ps__trace_filter__descriptor, &len);
    Ps__TraceFilter *msg = ps__trace_filter__unpack(NULL, len, packed);
    struct ps_filter_error error = {0};
    struct ps_filter filter;

    free(packed);
    if (!msg)
        return 0;
    if (ps_filter_read(msg, true, &filter, &error) < 0) {
        REQUIRE(error.field && error.detail[0]);
    } else {
        const struct ps_tracer_filter *k = &filter.kernel;

        for (size_t i = 0; i < sizeof(k->value); i++)
            REQUIRE(!(((uint8_t *)&k->value)[i] & ~((uint8_t *)&k->mask)[i]));
        REQUIRE(!(k->mark & ~k->mark_mask));
        REQUIRE(!k->ifname[sizeof(k->ifname) - 1]);
        REQUIRE(filter.expr.n <= PS_TRACER_EXPR_INSNS);
        REQUIRE(!filter.process.cgroup[PS_CGROUP_PATH - 1]);
        REQUIRE(!filter.process.cgroup[0] || filter.process.cgroup[0] == '/');
        REQUIRE(!filter.process.container[PS_CONTAINER_HEX]);
        REQUIRE(filter.min_latency_ns <= PS_FILTER_MAX_LATENCY_NS);
        REQUIRE(!ps_filter_is_tuple(&filter) ||
                !ps_filter_asks_process(&filter));
        watch(msg);
    }
    ps__trace_filter__free_unpacked(msg, NULL);
    return 0;
}
