/* SPDX-License-Identifier: MIT */
/* What is asked of packets: of a trace, by their tuple, as a file. */
#include "common/json.h"
#include "tracer/capture.h"
#include "tracer/export.h"
#include "tracer/tracer.h"

/* A page ends before its message grows beyond what the bus carries. */
#define MAX_PAGE_BYTES ((size_t)PS_BUS_MAX_MESSAGE / 4 * 3)
/* A search ends after so long: the loop has other things to do. */
#define FIND_NS (250 * PS_NS_PER_MS)
/* Ways in one chunk of an export; the bus carries them all, whatever they
 * are (PS_WAY_MAX_BYTES each) and however JSON blows them up. */
#define CHUNK_WAYS  100u
#define CHUNK_BYTES ((size_t)256 << 10)

static void hide_payload(Ps__PacketWay **ways, size_t n, bool payload)
{
    for (size_t i = 0; i < n && !payload; i++)
        ps_capture_cut(ways[i]);
}

/* How many of the ways fit a message. */
static size_t fit_page(Ps__PacketWay *const *ways, size_t n, size_t max_bytes)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        bytes += protobuf_c_message_get_packed_size(&ways[i]->base);
        if (i && bytes > max_bytes)
            return i;
    }
    return n;
}

/* ---- of a trace --------------------------------------------------------- */

static int add_live(const struct tracer *t, const struct ps_trace *trace,
                    uint32_t n, bool drops_only, Ps__PacketWayList *list)
{
    const struct ps_way *way = ps_join_way(trace->join, n);
    struct ps_names names;
    Ps__PacketWay *msg;

    ps_tracer_names(t, trace, &names);
    if (drops_only &&
        !ps_streq(ps_join_fate(trace->join, way, ps_names_free, &names),
                  "dropped"))
        return 0;
    msg = ps_convert_way(trace->join, way, n, &names);
    if (!msg)
        return -ENOMEM;
    list->packets[list->n_packets++] = msg;
    msg->has_stored = 1;
    msg->stored = ps_keep_is_stored(trace, n, way);
    if (!msg->trace)
        msg->trace = strdup(trace->msg->id);
    return msg->trace ? 0 : -ENOMEM;
}

/* *next: number of the way that the next page begins with; 0: the end. */
static int live_packets(const struct tracer *t, const struct ps_trace *trace,
                        const Ps__ListPacketsRequest *req, uint32_t from,
                        uint32_t limit, Ps__PacketWayList *list, uint32_t *next)
{
    uint32_t listed = ps_join_packets(trace->join), n = from;
    int r = 0;

    list->total = listed;
    if (req->drops_only) {
        struct ps_names names;

        ps_tracer_names(t, trace, &names);
        list->total = ps_join_drops(trace->join, ps_names_free, &names);
    }
    list->packets = calloc(limit, sizeof(*list->packets));
    if (!list->packets)
        return -ENOMEM;
    for (; n < listed && list->n_packets < limit && r == 0; n++)
        r = add_live(t, trace, n, req->drops_only, list);
    *next = n < listed ? n : 0;
    return r;
}

static int kept_packets(const struct tracer *t,
                        const Ps__ListPacketsRequest *req, uint32_t from,
                        uint32_t limit, Ps__PacketWayList *list, uint32_t *next)
{
    struct ps_history_page page = {0};
    int r =
        ps_history_count(t->history, req->id, req->drops_only, &list->total);

    if (r == 0)
        r = ps_history_ways(t->history, req->id, from, limit, req->drops_only,
                            &page);
    if (r < 0)
        return r;
    list->packets = page.ways;
    list->n_packets = page.n;
    *next = page.next;
    return 0;
}

void ps_tracer_list_packets(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call)
{
    const Ps__ListPacketsRequest *req = (const Ps__ListPacketsRequest *)msg;
    struct tracer *t = arg;
    const struct ps_trace *trace = ps_traces_find(t, req->id);
    Ps__PacketWayList *list;
    uint32_t limit, next = 0;
    size_t offset, fit;
    int r;

    if (ps_list_limit(call, req->has_limit, req->limit, &limit) < 0 ||
        ps_list_offset(call, req->cursor, &offset) < 0)
        return;
    if (offset > PS_HISTORY_MAX_WAYS)
        offset = PS_HISTORY_MAX_WAYS;
    list =
        (Ps__PacketWayList *)ps_message_new(&ps__packet_way_list__descriptor);
    r = list ? 0 : -ENOMEM;
    if (r == 0)
        r = trace ? live_packets(t, trace, req, (uint32_t)offset, limit, list,
                                 &next)
                  : kept_packets(t, req, (uint32_t)offset, limit, list, &next);
    if (r < 0) {
        ps_tracer_fail_read(call, req->id, r);
    } else {
        fit = fit_page(list->packets, list->n_packets, MAX_PAGE_BYTES);
        if (fit < list->n_packets)
            next = (uint32_t)list->packets[fit]->id;
        while (list->n_packets > fit)
            ps__packet_way__free_unpacked(list->packets[--list->n_packets],
                                          NULL);
        hide_payload(list->packets, list->n_packets, req->payload);
        if (next)
            list->next_cursor = ps_list_cursor(next);
        ps_call_reply(call, &list->base);
    }
    if (list)
        ps__packet_way_list__free_unpacked(list, NULL);
}

/* ---- by tuple ----------------------------------------------------------- */

static int check_addr(const Ps__Ip *ip, const char *field, struct ps_call *call)
{
    if (!ip || ip->addr.len == 4 || ip->addr.len == 16)
        return 0;
    ps_call_fail(call, "packets.filter", 400, field,
                 "Give an IPv4 or IPv6 address.");
    return -EINVAL;
}

static int check_port(bool has, uint32_t port, const char *field,
                      struct ps_call *call)
{
    if (!has || port <= 65535)
        return 0;
    ps_call_fail(call, "packets.filter", 400, field,
                 "Give a port from 0 to 65535.");
    return -EINVAL;
}

static int check_find(const Ps__FindPacketsRequest *req,
                      struct ps_history_place *ret_from, struct ps_call *call)
{
    if (check_addr(req->saddr, "saddr", call) < 0 ||
        check_addr(req->daddr, "daddr", call) < 0 ||
        check_port(req->has_sport, req->sport, "sport", call) < 0 ||
        check_port(req->has_dport, req->dport, "dport", call) < 0)
        return -EINVAL;
    if (req->saddr && req->daddr &&
        req->saddr->addr.len != req->daddr->addr.len) {
        ps_call_fail(call, "packets.filter", 400, "daddr",
                     "Give both addresses of one family.");
        return -EINVAL;
    }
    if (ps_history_place_parse(req->cursor, ret_from) < 0) {
        ps_call_fail(call, "request.cursor", 400, "cursor",
                     "This cursor is not one of this list; take next_cursor "
                     "of the page before.");
        return -EINVAL;
    }
    return 0;
}

void ps_tracer_find_packets(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call)
{
    const Ps__FindPacketsRequest *req = (const Ps__FindPacketsRequest *)msg;
    _cleanup_(ps_history_found_clear) struct ps_history_found found = {0};
    Ps__FoundPackets reply = PS__FOUND_PACKETS__INIT;
    char cursor[PS_HISTORY_PLACE_TEXT];
    struct ps_history_place from;
    struct tracer *t = arg;
    uint32_t limit;
    int r;

    if (ps_list_limit(call, req->has_limit, req->limit, &limit) < 0 ||
        check_find(req, &from, call) < 0)
        return;
    r = ps_history_find(t->history, req, &from, limit, ps_mono_ns() + FIND_NS,
                        &found);
    if (r < 0) {
        ps_tracer_fail_read(call, "", r);
        return;
    }
    reply.packets = found.ways;
    reply.n_packets = fit_page(found.ways, found.n, MAX_PAGE_BYTES);
    if (reply.n_packets < found.n)
        ps_history_found_cut(&found, reply.n_packets);
    hide_payload(found.ways, found.n, req->payload);
    if (found.more) {
        ps_history_place_format(&found.next, cursor);
        reply.next_cursor = cursor;
    }
    reply.has_partial = found.partial;
    reply.partial = found.partial;
    ps_call_reply(call, &reply.base);
}

/* ---- as a file ---------------------------------------------------------- */

static int make_chunk(struct tracer *t, const Ps__ExportRequest *req,
                      struct ps_export *x, struct ps_export_place *place,
                      Ps__ExportChunk *chunk)
{
    _cleanup_(ps_history_page_clear) struct ps_history_page page = {0};
    struct ps_history_iface ifaces[PS_HISTORY_MAX_IFACES];
    size_t n;
    int r = ps_history_ways(t->history, req->id, place->way, CHUNK_WAYS, false,
                            &page);

    /* After the ways: those that they are on are known then. */
    if (r == 0)
        r = ps_history_ifaces(t->history, req->id, ifaces, &x->n_ifaces);
    if (r < 0)
        return r;
    x->ifaces = ifaces;
    n = fit_page(page.ways, page.n, CHUNK_BYTES);
    place->way = n < page.n ? (uint32_t)page.ways[n]->id : page.next;
    return ps_export_write(x, place, page.ways, n, &chunk->data.data,
                           &chunk->data.len);
}

static int check_export(const Ps__ExportRequest *req, struct ps_export *x,
                        struct ps_export_place *ret_place, struct ps_call *call)
{
    if (ps_export_format_parse(req->format, &x->format) < 0) {
        ps_call_fail(call, "trace.format", 400, "format",
                     "Give the format pcapng or jsonl.");
        return -EINVAL;
    }
    if (ps_export_place_parse(req->cursor, ret_place) < 0) {
        ps_call_fail(call, "request.cursor", 400, "cursor",
                     "This cursor is not one of this export; take next_cursor "
                     "of the chunk before.");
        return -EINVAL;
    }
    return 0;
}

void ps_tracer_export(void *arg, const ProtobufCMessage *msg,
                      struct ps_call *call)
{
    const Ps__ExportRequest *req = (const Ps__ExportRequest *)msg;
    Ps__ExportChunk chunk = PS__EXPORT_CHUNK__INIT;
    struct ps_export x = {.payload = req->payload};
    char cursor[PS_EXPORT_PLACE_TEXT];
    struct ps_export_place place;
    struct tracer *t = arg;
    Ps__Trace *trace = NULL;
    int r;

    if (check_export(req, &x, &place, call) < 0)
        return;
    r = ps_history_get(t->history, req->id, &trace);
    x.trace = trace;
    if (r == 0)
        r = make_chunk(t, req, &x, &place, &chunk);
    if (r < 0) {
        ps_tracer_fail_read(call, req->id, r);
    } else {
        if (place.way) {
            ps_export_place_format(&place, cursor);
            chunk.next_cursor = cursor;
        }
        ps_call_reply(call, &chunk.base);
    }
    free(chunk.data.data);
    if (trace)
        ps__trace__free_unpacked(trace, NULL);
}
