/* SPDX-License-Identifier: MIT */
/* What is asked of packets: of a trace, by their tuple, as a file. */
#include "common/json.h"
#include "tracer/capture.h"
#include "tracer/export.h"
#include "tracer/tracer.h"
#include "tracer/way_keys.h"

/* A page ends before its message grows beyond what the bus carries. */
#define MAX_PAGE_BYTES ((size_t)PS_BUS_MAX_MESSAGE / 4 * 3)
/* A search ends after so long: the loop has other things to do. */
#define FIND_NS (250 * PS_NS_PER_MS)
/* Looks at the clock after so many ways. */
#define LOOKS 16u
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

static bool is_dropped(const struct tracer *t, const struct ps_trace *trace,
                       const struct ps_way *way)
{
    struct ps_names names;

    ps_tracer_names(t, trace, &names);
    return ps_streq(ps_join_fate(trace->join, way, ps_names_free, &names),
                    "dropped");
}

static int add_live(const struct tracer *t, const struct ps_trace *trace,
                    uint32_t n, const struct ps_history_want *want,
                    Ps__PacketWayList *list)
{
    const struct ps_way *way = ps_join_way(trace->join, n);
    struct ps_names names;
    Ps__PacketWay *msg;

    if (want->drops_only && !is_dropped(t, trace, way))
        return 0;
    ps_tracer_names(t, trace, &names);
    msg = ps_convert_way(trace->join, way, n, &names);
    if (!msg)
        return -ENOMEM;
    if (want->station && !ps_way_passed(msg, want->station)) {
        ps__packet_way__free_unpacked(msg, NULL);
        return 0;
    }
    list->packets[list->n_packets++] = msg;
    msg->has_stored = 1;
    msg->stored = ps_keep_is_stored(trace, n, way);
    msg->cut = ps_keep_cut(trace, n);
    msg->has_cut = msg->cut > 0;
    if (!msg->trace)
        msg->trace = strdup(trace->msg->id);
    return msg->trace ? 0 : -ENOMEM;
}

/* *next: `from` of the next page; 0: the end. */
static int live_packets(const struct tracer *t, const struct ps_trace *trace,
                        const struct ps_history_want *want,
                        Ps__PacketWayList *list, uint32_t *next)
{
    uint32_t listed = ps_join_packets(trace->join), looks = 0;
    uint32_t begin = want->from < listed ? want->from : listed;
    int r = 0;

    list->total = listed;
    if (want->drops_only) {
        struct ps_names names;

        ps_tracer_names(t, trace, &names);
        list->total = ps_join_drops(trace->join, ps_names_free, &names);
    }
    /* One more than asked for: whether there is more. */
    list->packets = calloc((size_t)want->limit + 1, sizeof(*list->packets));
    if (!list->packets)
        return -ENOMEM;
    if (want->newest && want->from == 0)
        begin = listed;
    /* What is left: those below begin, or those from it on. */
    for (; begin != (want->newest ? 0 : listed) && r == 0; looks++) {
        if (list->n_packets > want->limit)
            break;
        if (looks % LOOKS == LOOKS - 1 && ps_mono_ns() > want->deadline) {
            list->has_partial = list->partial = true;
            break;
        }
        r = add_live(t, trace, want->newest ? begin - 1 : begin, want, list);
        begin = want->newest ? begin - 1 : begin + 1;
    }
    *next = begin == listed && !want->newest ? 0 : begin;
    return r;
}

static int kept_packets(const struct tracer *t, const char *id,
                        const struct ps_history_want *want,
                        Ps__PacketWayList *list, uint32_t *next)
{
    struct ps_history_page page = {0};
    int r = ps_history_count(t->history, id, want->drops_only, &list->total);

    if (r == 0)
        r = ps_history_ways(t->history, id, want, &page);
    if (r < 0)
        return r;
    list->packets = page.ways;
    list->n_packets = page.n;
    list->has_partial = list->partial = page.partial;
    *next = page.next;
    return 0;
}

/* "12": from this number on; "-12": those below it, the newest first. */
static int check_cursor(const char *text, bool newest, uint32_t *ret_from,
                        struct ps_call *call)
{
    uint64_t from = 0;

    if (text && *text &&
        ((text[0] == '-') != newest ||
         ps_parse_uint(text + newest, 1, PS_HISTORY_MAX_WAYS, &from) < 0)) {
        ps_call_fail(call, "request.cursor", 400, "cursor",
                     "This cursor is not one of this list in this order; take "
                     "next_cursor of the page before.");
        return -EINVAL;
    }
    *ret_from = (uint32_t)from;
    return 0;
}

static int check_list(const Ps__ListPacketsRequest *req,
                      struct ps_history_want *ret_want, struct ps_call *call)
{
    struct ps_history_want want = {
        .drops_only = req->drops_only,
        .station = req->station && *req->station ? req->station : NULL,
        .newest = ps_streq(req->sort, "-first"),
        .deadline = ps_mono_ns() + FIND_NS};

    if (ps_list_limit(call, req->has_limit, req->limit, &want.limit) < 0 ||
        check_cursor(req->cursor, want.newest, &want.from, call) < 0)
        return -EINVAL;
    if (req->sort && *req->sort && !want.newest &&
        strcmp(req->sort, "first") != 0) {
        ps_call_fail(call, "request.sort", 400, "sort",
                     "Sort by first, or by -first for the newest first.");
        return -EINVAL;
    }
    if (req->has_packet) {
        want.newest = false;
        want.limit = 1;
        want.from = req->packet < PS_HISTORY_MAX_WAYS ? (uint32_t)req->packet
                                                      : PS_HISTORY_MAX_WAYS;
    }
    *ret_want = want;
    return 0;
}

static void leave_only(Ps__PacketWayList *list, uint64_t id)
{
    size_t keep = list->n_packets && list->packets[0]->id == id;

    while (list->n_packets > keep)
        ps__packet_way__free_unpacked(list->packets[--list->n_packets], NULL);
    list->has_partial = list->partial = false;
}

/* What does not fit a message is on the next page. */
static void end_page(Ps__PacketWayList *list,
                     const struct ps_history_want *want, uint32_t next)
{
    size_t fit = fit_page(list->packets, list->n_packets, MAX_PAGE_BYTES);

    if (fit > want->limit)
        fit = want->limit;
    if (fit < list->n_packets) {
        next = (uint32_t)list->packets[fit]->id + want->newest;
        list->has_partial = list->partial = false;
    }
    while (list->n_packets > fit)
        ps__packet_way__free_unpacked(list->packets[--list->n_packets], NULL);
    if (next &&
        asprintf(&list->next_cursor, "%s%u", want->newest ? "-" : "", next) < 0)
        list->next_cursor = NULL;
}

void ps_tracer_list_packets(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call)
{
    const Ps__ListPacketsRequest *req = (const Ps__ListPacketsRequest *)msg;
    struct tracer *t = arg;
    const struct ps_trace *trace = ps_traces_find(t, req->id);
    struct ps_history_want want;
    Ps__PacketWayList *list;
    uint32_t next = 0;
    int r;

    if (check_list(req, &want, call) < 0)
        return;
    list =
        (Ps__PacketWayList *)ps_message_new(&ps__packet_way_list__descriptor);
    r = list ? 0 : -ENOMEM;
    if (r == 0)
        r = trace ? live_packets(t, trace, &want, list, &next)
                  : kept_packets(t, req->id, &want, list, &next);
    if (r < 0) {
        ps_tracer_fail_read(call, req->id, r);
    } else {
        if (req->has_packet)
            leave_only(list, req->packet);
        end_page(list, &want, req->has_packet ? 0 : next);
        hide_payload(list->packets, list->n_packets, req->payload);
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
    const struct ps_history_want want = {.from = place->way,
                                         .limit = CHUNK_WAYS};
    struct ps_history_iface ifaces[PS_HISTORY_MAX_IFACES];
    size_t n;
    int r = ps_history_ways(t->history, req->id, &want, &page);

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
