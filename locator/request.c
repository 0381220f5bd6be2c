/* SPDX-License-Identifier: MIT */
#include "locator/locator.h"
#include "locator/special.h"

#define DEFAULT_HOPS        30
#define DEFAULT_PROBES      10
#define DEFAULT_INTERVAL_NS (100 * PS_NS_PER_MS)
#define DEFAULT_TIMEOUT_NS  PS_NS_PER_S

/* Kinds of addresses that nobody answers from, and why. */
static const struct {
    const char *special;
    const char *text;
} refused[] = {
    {"unspecified", "is the unspecified address; give a host's address"},
    {"this_network", "is not a host's address (0.0.0.0/8)"},
    {"multicast", "is a multicast address; give a single host's address"},
    {"broadcast", "is the broadcast address; give a single host's address"},
    {"ipv4_mapped", "is an IPv4 address in IPv6 form; write it as IPv4"},
};

static int check_target(const Ps__MeasureRequest *request,
                        struct ps_addr *ret_target,
                        struct ps_request_problem *problem)
{
    char text[PS_ADDR_TEXT];
    const char *special;

    problem->field = "target";
    problem->id = "path.target_invalid";
    if (ps_addr_from_pb(request->target, ret_target) < 0) {
        problem->id = "path.target_missing";
        snprintf(problem->text, sizeof(problem->text),
                 "target is missing; give an IPv4 or IPv6 address");
        return -EINVAL;
    }
    special = ps_special_name(ret_target);
    ps_addr_format(ret_target, text);
    for (size_t i = 0; special && i < ARRAY_SIZE(refused); i++) {
        if (strcmp(special, refused[i].special) != 0)
            continue;
        snprintf(problem->text, sizeof(problem->text), "%s %s", text,
                 refused[i].text);
        return -EINVAL;
    }
    if (ps_streq(special, "link_local") && ret_target->family == 6) {
        snprintf(problem->text, sizeof(problem->text),
                 "%s is link-local and needs an interface, which cannot be "
                 "given; use a global address of that host",
                 text);
        return -EINVAL;
    }
    return 0;
}

struct bound {
    const char *field;
    bool has;
    uint64_t value, preset, min, max;
};

static int check_bound(const struct bound *bound, uint64_t *ret_value,
                       struct ps_request_problem *problem)
{
    uint64_t value = bound->has ? bound->value : bound->preset;

    if (value >= bound->min && value <= bound->max) {
        *ret_value = value;
        return 0;
    }
    problem->id = "path.out_of_range";
    problem->field = bound->field;
    snprintf(problem->text, sizeof(problem->text),
             "%s is %llu; use %llu to %llu", bound->field,
             (unsigned long long)value, (unsigned long long)bound->min,
             (unsigned long long)bound->max);
    return -EINVAL;
}

int ps_locator_check_request(const Ps__MeasureRequest *request,
                             struct ps_engine_request *ret_request,
                             struct ps_request_problem *ret_problem)
{
    struct bound bounds[] = {
        {"max_hops", request->has_max_hops, request->max_hops, DEFAULT_HOPS, 1,
         PS_MEASURE_MAX_HOPS},
        {"probes", request->has_probes, request->probes, DEFAULT_PROBES, 1,
         PS_MEASURE_MAX_PROBES},
        {"interval_ns", request->has_interval_ns, request->interval_ns,
         DEFAULT_INTERVAL_NS, 20 * PS_NS_PER_MS, 60 * PS_NS_PER_S},
        {"timeout_ns", request->has_timeout_ns, request->timeout_ns,
         DEFAULT_TIMEOUT_NS, 10 * PS_NS_PER_MS, 10 * PS_NS_PER_S},
    };
    struct ps_addr target;
    uint64_t values[ARRAY_SIZE(bounds)];
    int r;

    r = check_target(request, &target, ret_problem);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(bounds); i++)
        r = check_bound(&bounds[i], &values[i], ret_problem);
    if (r < 0)
        return r;
    *ret_request = (struct ps_engine_request){
        .target = target,
        .max_hops = (uint32_t)values[0],
        .probes = (uint32_t)values[1],
        .interval_ns = values[2],
        .timeout_ns = values[3],
    };
    return 0;
}
