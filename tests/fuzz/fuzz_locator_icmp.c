/* SPDX-License-Identifier: MIT */
/* What a raw ICMP socket gives: first byte even: IPv4, odd: IPv6. */
#include "locator/measure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ps_measure_config config = {
    .flow = {.source = {4, {192, 0, 2, 1}},
             .target = {4, {192, 0, 2, 9}},
             .id = 0x1234,
             .nonce = 0x1122334455667788},
    .max_hops = 4,
    .probes = 2,
    .interval_ns = 20 * PS_NS_PER_MS,
    .timeout_ns = PS_NS_PER_S,
};

/* Whatever is believed must leave the figures consistent. */
static void measure(const struct ps_icmp_answer *answer)
{
    const struct ps_addr from = {4, {192, 0, 2, 7}};
    struct ps_measure_probe probe;
    struct ps_measure_hop hop;
    struct ps_measure *m;

    if (ps_measure_new(&config, 1000, &m) < 0)
        return;
    while (ps_measure_next(m, 1000, &probe))
        ps_measure_sent(m, 1000, 5000);
    ps_measure_answer(m, answer, &from, 6000, 2000);
    ps_measure_answer(m, answer, &from, 6000, 2000);
    for (uint32_t ttl = 1; ttl <= ps_measure_hops(m); ttl++) {
        ps_measure_hop(m, ttl, &hop);
        if (hop.received + hop.expired > hop.sent || hop.received > 1)
            abort();
    }
    ps_measure_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_icmp_answer answer;

    if (size < 1 || size > 4096)
        return 0;
    if (ps_icmp_parse(data[0] & 1 ? 6 : 4, data + 1, size - 1, &answer) < 0)
        return 0;
    if ((answer.kind == PS_ICMP_UNREACHABLE) != (answer.unreachable != NULL))
        abort();
    measure(&answer);
    return 0;
}
