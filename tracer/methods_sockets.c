/* SPDX-License-Identifier: MIT */
/* What is asked of sockets. */
#include "common/json.h"
#include "tracer/tracer.h"

#define MAX_PAGE_BYTES ((size_t)PS_BUS_MAX_MESSAGE / 4 * 3)

static int read_filter(const Ps__ListSocketsRequest *req,
                       struct ps_sock_filter *ret_filter, struct ps_call *call)
{
    struct ps_sock_filter f = {
        .has_port = req->has_port,
        .port = req->port,
        .has_pid = req->has_pid,
        .pid = req->pid,
        .has_netns = req->has_netns,
        .netns = req->netns,
        .has_proto = req->proto != NULL,
        .proto = req->proto ? req->proto->number : 0,
        .comm = req->comm,
        .container = req->container,
    };
    const char *field = NULL, *detail = NULL;

    if (req->has_family && req->family != 4 && req->family != 6) {
        field = "family";
        detail = "Give 4 or 6.";
    } else if (req->has_port && req->port > UINT16_MAX) {
        field = "port";
        detail = "Give a port from 0 to 65535.";
    } else if (req->addr && ps_addr_from_pb(req->addr, &f.addr) < 0) {
        field = "addr";
        detail = "Give an IPv4 or IPv6 address.";
    } else if (req->container && strlen(req->container) < 12) {
        field = "container";
        detail = "Give at least the first 12 digits of the container's id.";
    } else if (req->state && ps_sock_parse_state(req->state, &f.state) < 0) {
        field = "state";
        detail = "Give a state as `ss` writes it, such as ESTAB, LISTEN, "
                 "TIME-WAIT or UNCONN.";
    }
    if (field) {
        ps_call_fail(call, "sockets.filter", 400, field, "%s", detail);
        return -EINVAL;
    }
    f.has_state = req->state != NULL;
    f.family = req->has_family ? (uint8_t)req->family : 0;
    *ret_filter = f;
    return 0;
}

static size_t select_sockets(const struct ps_socktable *table,
                             const struct ps_sock_filter *filter,
                             const struct ps_sock **socks)
{
    size_t n = 0;

    for (size_t i = 0; i < ps_socktable_len(table); i++) {
        const struct ps_sock *sock = ps_socktable_get(table, i);

        if (ps_sock_matches(table, sock, filter, ps_cgroup_of))
            socks[n++] = sock;
    }
    return n;
}

/* A page of what matches; it ends early where the bus could not carry it. */
static int fill_list(Ps__SocketList *list,
                     const struct ps_sockscan_result *result,
                     const struct ps_sock **socks, size_t n, size_t offset,
                     uint32_t limit)
{
    struct ps_sock_cgroup cache = {0};
    size_t bytes = 0;

    list->total = n;
    list->sockets = calloc(limit, sizeof(*list->sockets));
    if (!list->sockets)
        return -ENOMEM;
    for (size_t i = offset;
         i < n && list->n_sockets < limit && bytes < MAX_PAGE_BYTES; i++) {
        Ps__Socket *sock = ps_convert_socket(
            result->table, socks[i], result->netns, result->n_netns, &cache);

        if (!sock)
            return -ENOMEM;
        bytes += protobuf_c_message_get_packed_size(&sock->base);
        list->sockets[list->n_sockets++] = sock;
    }
    if (offset + list->n_sockets < n)
        list->next_cursor = ps_list_cursor(offset + list->n_sockets);
    return 0;
}

static int answer(struct tracer *t, const Ps__ListSocketsRequest *req,
                  const struct ps_sock_filter *filter, size_t offset,
                  uint32_t limit, struct ps_call *call)
{
    _cleanup_(ps_sockscan_result_free) struct ps_sockscan_result result = {0};
    _cleanup_free_ const struct ps_sock **socks = NULL;
    Ps__SocketList *list;
    size_t n;
    int r;

    r = ps_sockscan_run(t->scan, &result);
    if (r < 0)
        return r;
    n = ps_socktable_len(result.table);
    t->sockets_seen = n;
    t->netns_missed += result.missed_netns;
    t->owners_cut += ps_socktable_cut_owners(result.table);
    socks = calloc(n ? n : 1, sizeof(const struct ps_sock *));
    list = (Ps__SocketList *)ps_message_new(&ps__socket_list__descriptor);
    if (!socks || !list) {
        if (list)
            ps__socket_list__free_unpacked(list, NULL);
        return -ENOMEM;
    }
    n = select_sockets(result.table, filter, socks);
    ps_sock_sort(socks, n, req->sort, offset + limit);
    r = fill_list(list, &result, socks, n, offset, limit);
    ps_losses_add(&list->losses, &list->n_losses, "netns_unreadable",
                  "namespaces", result.missed_netns);
    ps_losses_add(&list->losses, &list->n_losses, "owners_cut", "owners",
                  ps_socktable_cut_owners(result.table));
    if (r == 0)
        ps_call_reply(call, &list->base);
    ps__socket_list__free_unpacked(list, NULL);
    return r;
}

void ps_tracer_list_sockets(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call)
{
    const Ps__ListSocketsRequest *req = (const Ps__ListSocketsRequest *)msg;
    struct tracer *t = arg;
    struct ps_sock_cgroup cache = {0};
    struct ps_sock_filter filter;
    uint32_t limit;
    size_t offset;
    int r;

    if (ps_list_limit(call, req->has_limit, req->limit, &limit) < 0 ||
        ps_list_offset(call, req->cursor, &offset) < 0 ||
        read_filter(req, &filter, call) < 0)
        return;
    if (ps_sock_sort(NULL, 0, req->sort, 0) < 0) {
        ps_call_fail(call, "request.sort", 400, "sort",
                     "Sort by one of %s; \"-\" before it for descending.",
                     ps_sock_sort_names);
        return;
    }
    if (!t->scan) {
        ps_call_fail(call, "sockets.unavailable", 501, NULL,
                     "This kernel takes none of the socket iterators: %s.",
                     t->no_sockets);
        return;
    }
    filter.cache = &cache;
    r = answer(t, req, &filter, offset, limit, call);
    if (r < 0)
        ps_call_fail(call, "sockets.failed", 500, NULL,
                     "The sockets could not be read: %s.", strerror(-r));
}
