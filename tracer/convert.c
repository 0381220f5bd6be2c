/* SPDX-License-Identifier: MIT */
#include "tracer/convert.h"

#include <netinet/in.h>

#include "common/json.h"
#include "common/net.h"
#include "tracer/station.h"

/* Tuples of one packet beside its first. */
#define MAX_TUPLES 16u

#define NEW(type, desc) ((type *)ps_message_new(&(desc)))
#define FREE(msg)       protobuf_c_message_free_unpacked(&(msg)->base, NULL)

/* ---- packets ------------------------------------------------------------ */

static Ps__Ip *make_ip(unsigned int family, const uint8_t *bytes)
{
    struct ps_addr addr = {.family = (uint8_t)family};

    memcpy(addr.bytes, bytes, family == 6 ? 16 : 4);
    return ps_addr_to_pb(&addr);
}

static bool has_ports(unsigned int proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
           proto == IPPROTO_SCTP || proto == IPPROTO_DCCP ||
           proto == IPPROTO_UDPLITE;
}

Ps__Tuple *ps_convert_tuple(const struct ps_tracer_tuple *t, bool fragment)
{
    Ps__Tuple *tuple = NEW(Ps__Tuple, ps__tuple__descriptor);

    /* What is no IP packet has neither addresses nor a protocol. */
    if (!tuple || (t->family != 4 && t->family != 6))
        return tuple;
    tuple->saddr = make_ip(t->family, t->saddr);
    tuple->daddr = make_ip(t->family, t->daddr);
    tuple->proto = ps_ipproto_to_pb(t->proto);
    if (!tuple->saddr || !tuple->daddr || !tuple->proto) {
        FREE(tuple);
        return NULL;
    }
    /* Only a first fragment has ports. */
    if (has_ports(t->proto) && (!fragment || t->sport || t->dport)) {
        tuple->has_sport = tuple->has_dport = 1;
        tuple->sport = t->sport;
        tuple->dport = t->dport;
    }
    return tuple;
}

static int set_text(char **field, const char *text)
{
    if (!text || !*text)
        return 0;
    *field = strdup(text);
    return *field ? 0 : -ENOMEM;
}

static int set_function(Ps__Step *step, const struct ps_step *s,
                        const struct ps_names *names)
{
    if (s->station == PS_ST_KFREE_SKB || !s->location || !names->ksyms)
        return 0;
    return set_text(&step->function,
                    ps_ksyms_find(names->ksyms, s->location, NULL));
}

static int fill_step(Ps__Step *step, const struct ps_step *s,
                     const struct ps_names *names)
{
    const struct ps_station *station = ps_station_get(s->station);

    step->time = ps_time_to_pb(s->time + names->mono_to_unix);
    step->layer = strdup(station->layer);
    step->station = strdup(station->name);
    step->tuple = ps_convert_tuple(&s->tuple, s->flags & PS_EF_FRAGMENT);
    if (!step->time || !step->layer || !step->station || !step->tuple)
        return -ENOMEM;
    if (s->flags & PS_EF_INNER) {
        step->inner = ps_convert_tuple(&s->other, s->flags & PS_EF_FRAGMENT);
        if (!step->inner)
            return -ENOMEM;
    }
    step->has_cpu = step->has_len = step->has_packets = step->has_mark = 1;
    step->cpu = s->cpu;
    step->len = s->len;
    step->packets = s->packets;
    step->mark = s->mark;
    step->has_netns = s->netns != 0;
    step->netns = s->netns;
    step->has_ifindex = s->ifindex != 0;
    step->ifindex = s->ifindex;
    step->has_inferred = 1;
    step->inferred = s->inferred;
    if (set_text(&step->ifname, s->ifname) < 0 ||
        set_text(&step->direction, station->direction) < 0 ||
        set_text(&step->hook, station->hook ? station->hook : names->tier) <
            0 ||
        set_function(step, s, names) < 0 ||
        ps_convert_stack(step, s, names) < 0)
        return -ENOMEM;
    return ps_convert_drop(step, s, names);
}

static int fill_steps(Ps__PacketWay *msg, const struct ps_join *join,
                      const struct ps_way *way, const struct ps_names *names)
{
    const struct ps_step *s;
    uint64_t before = 0;

    msg->steps = calloc(way->n_steps, sizeof(*msg->steps));
    if (!msg->steps)
        return -ENOMEM;
    for (uint32_t i = way->steps; (s = ps_join_step(join, i)); i = s->next) {
        Ps__Step *step = NEW(Ps__Step, ps__step__descriptor);

        if (!step)
            return -ENOMEM;
        msg->steps[msg->n_steps++] = step;
        if (msg->n_steps > 1) {
            step->has_delta_ns = 1;
            step->delta_ns = s->time - before;
        }
        before = s->time;
        if (fill_step(step, s, names) < 0)
            return -ENOMEM;
    }
    return 0;
}

enum ps_free ps_names_free(const void *arg, const struct ps_step *s)
{
    const struct ps_names *names = arg;
    const char *function = NULL, *reason = NULL;

    if (s->station != PS_ST_KFREE_SKB && s->station != PS_ST_CONSUME_SKB &&
        s->station != PS_ST_XDP_DROP)
        return PS_FREE_UNKNOWN;
    if (names->ksyms && s->location)
        function = ps_ksyms_find(names->ksyms, s->location, NULL);
    if (names->reasons && s->flags & PS_EF_REASON)
        reason = ps_drop_reason_name(names->reasons, s->reason);
    return ps_station_free(s->station, function, reason);
}

/* Of the packet, other than its first one. */
struct tuples {
    const struct ps_tracer_tuple *first;
    const struct ps_tracer_tuple *list[MAX_TUPLES];
    size_t n;
};

static void note_tuple(struct tuples *t, const struct ps_tracer_tuple *tuple)
{
    if (t->n == MAX_TUPLES || !memcmp(t->first, tuple, sizeof(*tuple)))
        return;
    for (size_t i = 0; i < t->n; i++)
        if (!memcmp(t->list[i], tuple, sizeof(*tuple)))
            return;
    t->list[t->n++] = tuple;
}

/* Those of its steps, and those that its connection has elsewhere. */
static void note_tuples(struct tuples *t, const struct ps_join *join,
                        const struct ps_way *way)
{
    const struct ps_tracer_tuple *names[PS_JOIN_MAX_NAMES];
    const struct ps_step *s;
    unsigned int n;

    for (uint32_t i = way->steps; (s = ps_join_step(join, i)); i = s->next) {
        note_tuple(t, &s->tuple);
        if (s->flags & (PS_EF_INNER | PS_EF_NAT))
            note_tuple(t, &s->other);
    }
    n = ps_join_names(join, t->first, names);
    for (unsigned int i = 1; i < n; i++)
        note_tuple(t, names[i]);
}

static int fill_tuples(Ps__PacketWay *msg, const struct ps_join *join,
                       const struct ps_way *way)
{
    struct tuples t = {.first = &way->first.tuple};

    note_tuples(&t, join, way);
    msg->tuples = calloc(t.n ? t.n : 1, sizeof(*msg->tuples));
    if (!msg->tuples)
        return -ENOMEM;
    for (size_t i = 0; i < t.n; i++) {
        msg->tuples[i] = ps_convert_tuple(t.list[i], false);
        if (!msg->tuples[i])
            return -ENOMEM;
        msg->n_tuples++;
    }
    return 0;
}

static int fill_way(Ps__PacketWay *msg, const struct ps_join *join,
                    const struct ps_way *way, const struct ps_names *names)
{
    const struct ps_tracer_event *first = &way->first;
    const struct ps_step *step = ps_join_step(join, way->steps);
    int r;

    msg->tuple = ps_convert_tuple(&first->tuple, first->flags & PS_EF_FRAGMENT);
    msg->first =
        ps_time_to_pb((step ? step->time : first->time) + names->mono_to_unix);
    msg->last = ps_time_to_pb(way->last + names->mono_to_unix);
    if (!msg->tuple || !msg->first || !msg->last)
        return -ENOMEM;
    msg->has_len = 1;
    msg->len = first->len;
    msg->has_ip_id = first->tuple.family == 4;
    msg->ip_id = first->ip_id;
    msg->has_tcp_seq = first->tuple.proto == IPPROTO_TCP;
    msg->tcp_seq = first->seq;
    msg->has_partial = msg->partial = way->partial;
    if (set_text(&msg->fate, ps_join_fate(join, way, ps_names_free, names)) < 0)
        return -ENOMEM;
    if (ps_convert_owners(msg, way, names) < 0 ||
        fill_tuples(msg, join, way) < 0)
        return -ENOMEM;
    if (ps_convert_bytes(msg, way, names) < 0)
        return -ENOMEM;
    r = fill_steps(msg, join, way, names);
    return r == 0 && names->calls ? ps_convert_calls(msg, join, way, names) : r;
}

Ps__PacketWay *ps_convert_way(const struct ps_join *join,
                              const struct ps_way *way, uint64_t id,
                              const struct ps_names *names)
{
    Ps__PacketWay *msg = NEW(Ps__PacketWay, ps__packet_way__descriptor);

    if (!msg)
        return NULL;
    msg->id = id;
    if (fill_way(msg, join, way, names) < 0) {
        FREE(msg);
        return NULL;
    }
    return msg;
}
