/* SPDX-License-Identifier: MIT */
#include "analyzer/convert.h"
#include "analyzer/flow_id.h"
#include "common/json.h"

/* Pages after the first are cut from the same reading, while it is this
 * young, so that they fit together. */
#define PAGE_NS PS_NS_PER_S

static void free_message(void *p)
{
    ProtobufCMessage *msg = *(ProtobufCMessage **)p;

    if (msg)
        protobuf_c_message_free_unpacked(msg, NULL);
}

#define _cleanup_message_ _cleanup_(free_message)

static void fail_memory(struct ps_call *call)
{
    ps_call_fail(call, "service.no_memory", 503, NULL,
                 "There is no memory for the answer; ask for less or later.");
}

/* A reading that is fresh, or young enough for the next page. */
static int get_reading(struct ps_analyzer *a, struct ps_call *call, bool page)
{
    uint64_t now = ps_mono_ns();
    int r;

    if (!a->probe) {
        ps_call_fail(call, "analyzer.unavailable", 503, NULL,
                     "This kernel does not let packets be counted: %s.",
                     a->unavailable);
        return -ENODEV;
    }
    a->asked_ns = now;
    ps_analyzer_read_netns(a);
    if (page && a->read_ns && now < a->read_ns + PAGE_NS)
        return 0;
    r = ps_analyzer_read(a);
    if (r < 0)
        ps_call_fail(call, "analyzer.read_failed", 503, NULL,
                     "The kernel's counters cannot be read: %s. Try again.",
                     strerror(-r));
    return r;
}

/* Limit, offset and a reading: what every list begins with. */
static int begin_list(struct ps_analyzer *a, struct ps_call *call,
                      bool has_limit, uint32_t limit, const char *cursor,
                      uint32_t *ret_limit, size_t *ret_offset)
{
    if (ps_list_limit(call, has_limit, limit, ret_limit) < 0 ||
        ps_list_offset(call, cursor, ret_offset) < 0)
        return -EINVAL;
    return get_reading(a, call, *ret_offset > 0);
}

/* Entries of a page: at most limit of those behind offset. */
static size_t page_size(size_t n, size_t offset, uint32_t limit)
{
    size_t left = offset < n ? n - offset : 0;

    return left < limit ? left : limit;
}

/* False without memory. */
static bool set_cursor(char **ret_cursor, size_t n, size_t end)
{
    if (end >= n)
        return true;
    *ret_cursor = ps_list_cursor(end);
    return *ret_cursor != NULL;
}

/* ---- flows -------------------------------------------------------------- */

static void sum_flows(const struct ps_flow **flows, size_t n,
                      struct ps_counters *rx, struct ps_counters *tx)
{
    for (size_t i = 0; i < n; i++) {
        ps_counters_add(rx, &flows[i]->value.rx);
        ps_counters_add(tx, &flows[i]->value.tx);
    }
}

static Ps__FlowList *make_flows(const struct ps_analyzer *a,
                                const struct ps_flow **flows, size_t n,
                                size_t offset, uint32_t limit)
{
    _cleanup_message_ Ps__FlowList *list =
        (void *)ps_message_new(&ps__flow_list__descriptor);
    size_t size = page_size(n, offset, limit);
    struct ps_counters rx = {0}, tx = {0};

    if (!list)
        return NULL;
    sum_flows(flows, n, &rx, &tx);
    list->total = n;
    list->time = ps_reading_time_to_pb(a);
    list->rx = ps_counters_to_pb(&rx);
    list->tx = ps_counters_to_pb(&tx);
    list->flows = calloc(size + 1, sizeof(*list->flows));
    if (!list->time || !list->rx || !list->tx || !list->flows ||
        !set_cursor(&list->next_cursor, n, offset + size))
        return NULL;
    for (size_t i = 0; i < size; i++) {
        list->flows[i] = ps_flow_to_pb(a, flows[offset + i]);
        if (!list->flows[i])
            return NULL;
        list->n_flows++;
    }
    return TAKE_PTR(list);
}

static void list_flows(void *arg, const ProtobufCMessage *msg,
                       struct ps_call *call)
{
    const Ps__ListFlowsRequest *req = (const void *)msg;
    _cleanup_free_ const struct ps_flow **flows = NULL;
    _cleanup_message_ Ps__FlowList *list = NULL;
    const char *field = NULL, *detail = NULL;
    struct ps_analyzer *a = arg;
    struct ps_query query;
    size_t offset, n;
    uint32_t limit;

    if (ps_query_from_pb(req, &query, &field, &detail) < 0) {
        ps_call_fail(call, "request.invalid", 400, field, "%s", detail);
        return;
    }
    if (begin_list(a, call, req->has_limit, req->limit, req->cursor, &limit,
                   &offset) < 0)
        return;
    if (ps_query_run(&query, a->table, &a->ifaces, &flows, &n) == 0)
        list = make_flows(a, flows, n, offset, limit);
    if (list)
        ps_call_reply(call, &list->base);
    else
        fail_memory(call);
}

static void get_flow(void *arg, const ProtobufCMessage *msg,
                     struct ps_call *call)
{
    const Ps__FlowId *req = (const void *)msg;
    _cleanup_message_ Ps__Flow *pb = NULL;
    const struct ps_flow *flow = NULL;
    struct ps_analyzer *a = arg;
    struct ps_flow_key key;

    if (ps_flow_id_parse(req->id, &key) == 0) {
        if (get_reading(a, call, false) < 0)
            return;
        flow = ps_table_find(a->table, &key);
    }
    if (!flow) {
        ps_call_fail(call, "flow.not_found", 404, "id",
                     "There is no such flow; it may have been idle for too "
                     "long. GET flows lists those there are.");
        return;
    }
    pb = ps_flow_to_pb(a, flow);
    if (pb)
        ps_call_reply(call, &pb->base);
    else
        fail_memory(call);
}

/* ---- drops -------------------------------------------------------------- */

/* Sums over all flows come from the totals, which do not age. */
static int add_totals(const struct ps_analyzer *a,
                      const Ps__ListDropsRequest *req,
                      struct ps_drop_rows *rows)
{
    const struct ps_drop_rows *sources[] = {&a->drops, &a->past_drops};
    int r = 0;

    for (size_t s = 0; s < ARRAY_SIZE(sources); s++) {
        for (size_t i = 0; i < sources[s]->n && r == 0; i++) {
            const struct ps_drop_row *row = &sources[s]->items[i];

            if (!req->has_netns || row->netns == req->netns)
                r = ps_drop_rows_add(rows, SIZE_MAX, row);
        }
    }
    return r;
}

static int add_flow_drops(const struct ps_analyzer *a,
                          const struct ps_query *query,
                          struct ps_drop_rows *rows)
{
    int r = 0;

    for (uint32_t i = 0; i < ps_table_drops(a->table) && r == 0; i++) {
        const struct ps_flow_drop *drop = ps_table_drop(a->table, i);
        const struct ps_flow flow = {.key = drop->key.flow};
        const struct ps_drop_row row = {
            .location = drop->key.location,
            .reason = drop->key.reason,
            .skbs = drop->value.skbs,
            .packets = drop->value.packets,
        };

        if (ps_query_match(query, &flow, &a->ifaces))
            r = ps_drop_rows_add(rows, SIZE_MAX, &row);
    }
    return r;
}

/* The same filters as flows have, by the same checks. */
static int drops_query(const Ps__ListDropsRequest *req, struct ps_call *call,
                       struct ps_query *ret_query)
{
    Ps__ListFlowsRequest same = PS__LIST_FLOWS_REQUEST__INIT;
    const char *field = NULL, *detail = NULL;

    same.addr = req->addr;
    same.has_port = req->has_port;
    same.port = req->port;
    same.proto = req->proto;
    same.has_netns = req->has_netns;
    same.netns = req->netns;
    if (ps_query_from_pb(&same, ret_query, &field, &detail) == 0)
        return 0;
    ps_call_fail(call, "request.invalid", 400, field, "%s", detail);
    return -EINVAL;
}

static Ps__DropList *make_drops(const struct ps_analyzer *a,
                                const struct ps_drop_rows *rows, size_t offset,
                                uint32_t limit)
{
    _cleanup_message_ Ps__DropList *list =
        (void *)ps_message_new(&ps__drop_list__descriptor);
    size_t size = page_size(rows->n, offset, limit);

    if (!list)
        return NULL;
    list->total = rows->n;
    list->time = ps_reading_time_to_pb(a);
    list->drops = calloc(size + 1, sizeof(*list->drops));
    if (!list->time || !list->drops ||
        !set_cursor(&list->next_cursor, rows->n, offset + size))
        return NULL;
    for (size_t i = 0; i < size; i++) {
        list->drops[i] = ps_drop_to_pb(a, &rows->items[offset + i]);
        if (!list->drops[i])
            return NULL;
        list->n_drops++;
    }
    return TAKE_PTR(list);
}

static void list_drops(void *arg, const ProtobufCMessage *msg,
                       struct ps_call *call)
{
    const Ps__ListDropsRequest *req = (const void *)msg;
    _cleanup_(ps_drop_rows_done) struct ps_drop_rows rows = {0};
    _cleanup_message_ Ps__DropList *list = NULL;
    struct ps_analyzer *a = arg;
    struct ps_query query;
    size_t offset;
    uint32_t limit;
    int r;

    if (drops_query(req, call, &query) < 0 ||
        begin_list(a, call, req->has_limit, req->limit, req->cursor, &limit,
                   &offset) < 0)
        return;
    if (req->addr || req->has_port || req->proto)
        r = add_flow_drops(a, &query, &rows);
    else
        r = add_totals(a, req, &rows);
    if (r == 0) {
        ps_drop_rows_finish(&rows);
        list = make_drops(a, &rows, offset, limit);
    }
    if (list)
        ps_call_reply(call, &list->base);
    else
        fail_memory(call);
}

/* ---- interfaces --------------------------------------------------------- */

static bool iface_wanted(const struct ps_iface *iface,
                         const Ps__ListInterfacesRequest *req)
{
    return !iface->stale &&
           (!req->has_ifindex || req->ifindex == iface->key.ifindex) &&
           (!req->has_netns || req->netns == iface->key.netns);
}

static Ps__InterfaceList *make_ifaces(const struct ps_analyzer *a,
                                      const Ps__ListInterfacesRequest *req,
                                      size_t offset, uint32_t limit)
{
    _cleanup_message_ Ps__InterfaceList *list =
        (void *)ps_message_new(&ps__interface_list__descriptor);
    size_t n = 0;

    if (!list)
        return NULL;
    list->time = ps_reading_time_to_pb(a);
    list->interfaces = calloc(limit, sizeof(*list->interfaces));
    if (!list->time || !list->interfaces)
        return NULL;
    for (size_t i = 0; i < a->ifaces.n; i++) {
        const struct ps_iface *iface = &a->ifaces.items[i];

        if (!iface_wanted(iface, req) || n++ < offset ||
            list->n_interfaces == limit)
            continue;
        list->interfaces[list->n_interfaces] = ps_iface_to_pb(iface);
        if (!list->interfaces[list->n_interfaces])
            return NULL;
        list->n_interfaces++;
    }
    list->total = n;
    if (!set_cursor(&list->next_cursor, n, offset + list->n_interfaces))
        return NULL;
    return TAKE_PTR(list);
}

static void list_interfaces(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call)
{
    const Ps__ListInterfacesRequest *req = (const void *)msg;
    _cleanup_message_ Ps__InterfaceList *list = NULL;
    struct ps_analyzer *a = arg;
    size_t offset;
    uint32_t limit;

    if (begin_list(a, call, req->has_limit, req->limit, req->cursor, &limit,
                   &offset) < 0)
        return;
    list = make_ifaces(a, req, offset, limit);
    if (list)
        ps_call_reply(call, &list->base);
    else
        fail_memory(call);
}

const struct ps_method ps_analyzer_methods[] = {
    {"analyzer.list_flows", &ps__list_flows_request__descriptor,
     &ps__flow_list__descriptor, list_flows, false},
    {"analyzer.get_flow", &ps__flow_id__descriptor, &ps__flow__descriptor,
     get_flow, false},
    {"analyzer.list_drops", &ps__list_drops_request__descriptor,
     &ps__drop_list__descriptor, list_drops, false},
    {"analyzer.list_interfaces", &ps__list_interfaces_request__descriptor,
     &ps__interface_list__descriptor, list_interfaces, false},
    {0},
};
