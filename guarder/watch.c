/* SPDX-License-Identifier: MIT */
#include "guarder/watch.h"

#include <stdarg.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "common/net.h"

struct ps_watch {
    struct ps_kernel_watch maps;
    struct ring_buffer *ring;
    struct ps_gd_set *compiled; /* buffer */
    struct ps_watched *queue;   /* PS_WATCH_QUEUE of room, round */
    size_t first, n;
    uint64_t lost; /* that the queue had no room for */
    uint64_t until;
    /* While the ring is emptied; NULL: nobody waits for it. */
    const struct ps_ruleset *set, *old;
};

/* ---- a rule as a line --------------------------------------------------- */

_printf_(3, 4) static void add(char *text, size_t *len, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text + *len, PS_WATCH_TEXT - *len, fmt, args);
    va_end(args);
    if (n > 0)
        *len += (size_t)n;
    if (*len >= PS_WATCH_TEXT)
        *len = PS_WATCH_TEXT - 1;
}

static void add_prefix(char *text, size_t *len, const struct ps_addr *addr,
                       unsigned int bits)
{
    char name[PS_ADDR_TEXT];

    if (!addr->family)
        add(text, len, "any");
    else if (bits == (addr->family == 4 ? 32 : 128))
        add(text, len, "%s", ps_addr_format(addr, name));
    else
        add(text, len, "%s/%u", ps_addr_format(addr, name), bits);
}

static void add_ports(char *text, size_t *len, const char *name,
                      const struct ps_rule_ports *ports)
{
    if (!ports->set)
        return;
    add(text, len, " %s %u", name, ports->first);
    if (ports->last != ports->first)
        add(text, len, "-%u", ports->last);
}

static void add_flags(char *text, size_t *len, const char *name, uint8_t flags)
{
    static const char *const names[] = {"fin", "syn", "rst", "psh",
                                        "ack", "urg", "ece", "cwr"};
    const char *between = " ";

    if (!flags)
        return;
    add(text, len, " %s", name);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!(flags & 1u << i))
            continue;
        add(text, len, "%s%s", between, names[i]);
        between = ",";
    }
}

const char *ps_watch_text(const struct ps_rule *rule, char *text)
{
    const char *proto = ps_ipproto_name(rule->proto);
    size_t len = 0;

    add(text, &len, "%s",
        rule->action == PS__RULE__ACTION__drop ? "drop" : "pass");
    if (rule->src.family || rule->dst.family) {
        add(text, &len, " ");
        add_prefix(text, &len, &rule->src, rule->src_len);
        add(text, &len, " > ");
        add_prefix(text, &len, &rule->dst, rule->dst_len);
    } else if (rule->family) {
        add(text, &len, " ipv%u", rule->family);
    }
    if (rule->has_proto && proto)
        add(text, &len, " %s", proto);
    else if (rule->has_proto)
        add(text, &len, " proto %u", rule->proto);
    add_ports(text, &len, "sport", &rule->sport);
    add_ports(text, &len, "dport", &rule->dport);
    add_flags(text, &len, "set", rule->flags_set);
    add_flags(text, &len, "unset", rule->flags_unset);
    if (rule->icmp_type >= 0)
        add(text, &len, " type %d", rule->icmp_type);
    if (rule->icmp_code >= 0)
        add(text, &len, " code %d", rule->icmp_code);
    if (rule->ifname[0])
        add(text, &len, " at %s", rule->ifname);
    if (rule->comment[0])
        add(text, &len, " (%s)", rule->comment);
    return text;
}

/* ---- the ring ----------------------------------------------------------- */

static const struct ps_rule *by_slot(const struct ps_ruleset *set,
                                     uint16_t slot)
{
    for (size_t i = 0; set && i < set->n; i++)
        if (set->rules[i].enabled && set->rules[i].slot == slot)
            return &set->rules[i];
    return NULL;
}

static int on_drop(void *arg, void *data, size_t size)
{
    struct ps_watch *w = arg;
    const struct ps_gd_drop *drop = data;
    const struct ps_rule *rule;
    struct ps_watched *to;

    if (!w->set || size < sizeof(*drop))
        return 0;
    rule = by_slot(w->set, drop->slot);
    if (!rule)
        rule = by_slot(w->old, drop->slot);
    if (!rule || w->n == PS_WATCH_QUEUE) {
        w->lost++;
        return 0;
    }
    to = &w->queue[(w->first + w->n++) % PS_WATCH_QUEUE];
    to->drop = *drop;
    if (to->drop.head > sizeof(to->drop.bytes))
        to->drop.head = sizeof(to->drop.bytes);
    memcpy(to->rule, rule->id, sizeof(to->rule));
    ps_watch_text(rule, to->text);
    return 0;
}

void ps_watch_drain(struct ps_watch *w, const struct ps_ruleset *set,
                    const struct ps_ruleset *old)
{
    w->set = set;
    w->old = old;
    ring_buffer__consume(w->ring);
    w->set = w->old = NULL;
}

const struct ps_watched *ps_watch_take(struct ps_watch *w)
{
    const struct ps_watched *taken;

    if (w->n == 0)
        return NULL;
    taken = &w->queue[w->first];
    w->first = (w->first + 1) % PS_WATCH_QUEUE;
    w->n--;
    return taken;
}

uint64_t ps_watch_lost(const struct ps_watch *w)
{
    return w->lost + __atomic_load_n(w->maps.untold, __ATOMIC_RELAXED);
}

/* ---- what is watched for ------------------------------------------------ */

int ps_watch_set(struct ps_watch *w, const struct ps_rule *rules, size_t n,
                 ps_ifindex_fn ifindex, void *arg, uint64_t now)
{
    struct ps_gd_watch watch = {0};
    const __u32 zero = 0;
    size_t used;
    int r;

    if (n > PS_GD_WATCHES)
        return -E2BIG;
    r = ps_compile_rules(rules, n, ifindex, arg, w->compiled, &used);
    if (r < 0)
        return r;
    watch.n4 = w->compiled->n4;
    watch.n6 = w->compiled->n6;
    memcpy(watch.r4, w->compiled->r4, watch.n4 * sizeof(*watch.r4));
    memcpy(watch.r6, w->compiled->r6, watch.n6 * sizeof(*watch.r6));
    /* What is left from another time, nobody asks for any more. */
    if (now > w->until) {
        ps_watch_drain(w, NULL, NULL);
        w->n = 0;
    }
    if (bpf_map_update_elem(w->maps.watch_fd, &zero, &watch, BPF_ANY) < 0)
        return -errno;
    w->until = now + PS_WATCH_LEASE_NS;
    __atomic_store_n(w->maps.until, w->until, __ATOMIC_RELAXED);
    return 0;
}

int ps_watch_new(struct ps_kernel *kernel, struct ps_watch **ret_watch)
{
    _cleanup_(ps_watch_free) struct ps_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    ps_kernel_watch(kernel, &w->maps);
    w->compiled = calloc(1, sizeof(*w->compiled));
    w->queue = calloc(PS_WATCH_QUEUE, sizeof(*w->queue));
    if (!w->compiled || !w->queue)
        return -ENOMEM;
    w->ring = ring_buffer__new(w->maps.ring_fd, on_drop, w, NULL);
    if (!w->ring)
        return -errno;
    *ret_watch = TAKE_PTR(w);
    return 0;
}

void ps_watch_free(struct ps_watch **watch)
{
    struct ps_watch *w = *watch;

    if (!w)
        return;
    /* The programs stay; nobody reads what they would write. */
    if (w->maps.until)
        __atomic_store_n(w->maps.until, 0, __ATOMIC_RELAXED);
    ring_buffer__free(w->ring);
    free(w->compiled);
    free(w->queue);
    free(w);
    *watch = NULL;
}
