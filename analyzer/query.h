/* SPDX-License-Identifier: MIT */
/* Which flows a request asks for, and in what order. */
#ifndef PS_ANALYZER_QUERY_H
#define PS_ANALYZER_QUERY_H

#include "analyzer/ifaces.h"
#include "analyzer/table.h"
#include "common/net.h"

struct ps_sort;

/* An end of a flow: unset parts match all. */
struct ps_query_end {
    struct ps_addr addr; /* family 0: any */
    uint32_t port;       /* PS_QUERY_ANY: any */
};

#define PS_QUERY_ANY UINT32_MAX

struct ps_query {
    struct ps_query_end either;     /* each part at either end */
    struct ps_query_end ends[2];    /* both, in either order */
    uint32_t proto, ifindex, netns; /* PS_QUERY_ANY */
    const char *ifname;             /* borrowed; NULL: any */
    const struct ps_sort *sort;     /* NULL: -rate, then -bytes */
    bool descending;
};

/* Matches everything. */
void ps_query_init(struct ps_query *query);
/* "bytes", "-rate", …: -EINVAL. NULL or "" leave the default. */
int ps_query_parse_sort(struct ps_query *query, const char *text);

/* ifaces gives the names; used only where the query asks for one. */
bool ps_query_match(const struct ps_query *query, const struct ps_flow *flow,
                    const struct ps_ifaces *ifaces);

/*
 * All matching flows in order: an array of borrowed pointers, owned by the
 * caller (NULL where there is none).
 */
int ps_query_run(const struct ps_query *query, const struct ps_table *table,
                 const struct ps_ifaces *ifaces,
                 const struct ps_flow ***ret_flows, size_t *ret_n);

#endif
