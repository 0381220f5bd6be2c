/* SPDX-License-Identifier: MIT */
#include "analyzer/ifaces.h"

void ps_ifaces_init(struct ps_ifaces *ifaces, size_t max)
{
    *ifaces = (struct ps_ifaces){.max = max};
}

void ps_ifaces_done(struct ps_ifaces *ifaces)
{
    free(ifaces->items);
    ps_ifaces_init(ifaces, 0);
}

void ps_ifaces_clear(struct ps_ifaces *ifaces)
{
    ifaces->n = 0;
}

int ps_ifaces_add(struct ps_ifaces *ifaces, const struct ps_iface_key *key,
                  const struct ps_iface_value *sum)
{
    if (ifaces->n == ifaces->max)
        return -ENOSPC;
    if (ifaces->n == ifaces->allocated) {
        size_t n = ifaces->allocated ? ifaces->allocated * 2 : 16;
        struct ps_iface *items = realloc(ifaces->items, n * sizeof(*items));

        if (!items)
            return -ENOMEM;
        ifaces->items = items;
        ifaces->allocated = n;
    }
    ifaces->items[ifaces->n] = (struct ps_iface){.key = *key, .sum = *sum};
    ifaces->items[ifaces->n++].sum.name[PS_IFNAME_LEN - 1] = '\0';
    return 0;
}

static int by_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare(const void *a, const void *b)
{
    const struct ps_iface_key *x = &((const struct ps_iface *)a)->key;
    const struct ps_iface_key *y = &((const struct ps_iface *)b)->key;
    int r = by_u32(x->netns, y->netns);

    if (r == 0)
        r = by_u32(x->netns_gen, y->netns_gen);
    return r ? r : by_u32(x->ifindex, y->ifindex);
}

/* Of the namespaces that share one inode number, only the one that was seen
 * last can still be there. */
static void mark_stale(struct ps_iface *items, size_t n)
{
    size_t newest = 0;

    for (size_t i = 1; i < n; i++) {
        if (items[i].sum.last_ns > items[newest].sum.last_ns)
            newest = i;
    }
    for (size_t i = 0; i < n; i++)
        items[i].stale = items[i].key.netns_gen != items[newest].key.netns_gen;
}

void ps_ifaces_finish(struct ps_ifaces *ifaces)
{
    struct ps_iface *items = ifaces->items;

    if (!ifaces->n)
        return;
    qsort(items, ifaces->n, sizeof(*items), compare);
    for (size_t start = 0, end = 0; start < ifaces->n; start = end) {
        while (end < ifaces->n &&
               items[end].key.netns == items[start].key.netns)
            end++;
        mark_stale(items + start, end - start);
    }
}

void ps_iface_sum(const struct ps_iface_value *values, size_t cpus,
                  struct ps_iface_value *ret_sum)
{
    struct ps_iface_value sum = {0};

    for (size_t i = 0; i < cpus; i++) {
        ps_counters_add(&sum.rx, &values[i].rx);
        ps_counters_add(&sum.tx, &values[i].tx);
        if (values[i].last_ns > sum.last_ns)
            sum.last_ns = values[i].last_ns;
        if (!sum.name[0])
            memcpy(sum.name, values[i].name, sizeof(sum.name));
    }
    sum.name[sizeof(sum.name) - 1] = 0;
    *ret_sum = sum;
}

void ps_ifaces_gone(struct ps_ifaces *ifaces, const struct ps_iface_value *sum)
{
    ps_counters_add(&ifaces->gone_rx, &sum->rx);
    ps_counters_add(&ifaces->gone_tx, &sum->tx);
}

const struct ps_iface *ps_ifaces_find(const struct ps_ifaces *ifaces,
                                      uint32_t netns, uint32_t netns_gen,
                                      uint32_t ifindex)
{
    const struct ps_iface want = {
        .key = {.netns = netns, .netns_gen = netns_gen, .ifindex = ifindex}};

    if (!ifaces->n)
        return NULL;
    return bsearch(&want, ifaces->items, ifaces->n, sizeof(want), compare);
}

const char *ps_ifaces_name(const struct ps_ifaces *ifaces, uint32_t netns,
                           uint32_t netns_gen, uint32_t ifindex)
{
    const struct ps_iface *iface =
        ps_ifaces_find(ifaces, netns, netns_gen, ifindex);

    return iface && iface->sum.name[0] ? iface->sum.name : NULL;
}

bool ps_ifaces_netns_stale(const struct ps_ifaces *ifaces, uint32_t netns,
                           uint32_t netns_gen)
{
    for (size_t i = 0; i < ifaces->n; i++) {
        const struct ps_iface *iface = &ifaces->items[i];

        if (iface->stale && iface->key.netns == netns &&
            iface->key.netns_gen == netns_gen)
            return true;
    }
    return false;
}
