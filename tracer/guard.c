/* SPDX-License-Identifier: MIT */
#include "tracer/guard.h"

#include <netinet/in.h>

#include "common/json.h"
#include "common/net.h"
#include "tracer/advice.h"
#include "tracer/aliases.h"
#include "tracer/frame.h"
#include "tracer/tracer.h"

#define ASK_NS (50 * PS_NS_PER_MS)
/* An answer that comes later is lost, and with it the drops that are in it. */
#define TIMEOUT_NS (2 * PS_NS_PER_S)
#define RETRY_NS   PS_NS_PER_S
/* For so long an answer is held back, where the guarder is there but busy. */
#define HOLD_NS (2 * PS_NS_PER_S)
/* Answers that are held back. */
#define MAX_HELD 16u

struct held {
    struct ps_call *call;
    ProtobufCMessage *msg;
    uint64_t since;
    bool asked; /* the question on its way has its watches */
};

struct ps_guard {
    struct tracer *t;
    struct ps_client *client;
    bool asking;
    uint64_t asked; /* CLOCK_MONOTONIC, of the last question */
    uint64_t past;  /* of the last one that was answered to the end */
    uint64_t next;  /* nothing is asked before */
    bool answers;
    bool met;
    uint64_t guarder_lost; /* its own count, as it was last */
    uint64_t lost, unread;
    struct held held[MAX_HELD];
    size_t n_held;
};

int ps_guard_new(struct tracer *t, struct ps_guard **ret_guard)
{
    _cleanup_free_ char *url = NULL;
    struct ps_guard *g = calloc(1, sizeof(*g));
    int r;

    if (!g)
        return -ENOMEM;
    g->t = t;
    r = ps_daemon_peer_url(t->daemon, "guarder", "rep", &url);
    if (r == 0)
        r = ps_client_new(ps_daemon_bus(t->daemon), url, &g->client);
    if (r < 0) {
        free(g);
        return r;
    }
    *ret_guard = g;
    return 0;
}

enum let_go {
    ASKED,  /* those whose watches the guarder has now */
    OLDEST, /* those that have waited for long */
    ALL,
};

static bool may_go(const struct held *h, enum let_go which, uint64_t now)
{
    return which == ASKED ? h->asked
                          : which == ALL || now - h->since >= HOLD_NS;
}

static void let_go(struct ps_guard *g, enum let_go which)
{
    uint64_t now = ps_mono_ns();
    size_t kept = 0;

    for (size_t i = 0; i < g->n_held; i++) {
        struct held *h = &g->held[i];

        if (!may_go(h, which, now)) {
            h->asked = false;
            g->held[kept++] = *h;
            continue;
        }
        ps_call_reply(h->call, h->msg);
        protobuf_c_message_free_unpacked(h->msg, NULL);
    }
    g->n_held = kept;
}

void ps_guard_free(struct ps_guard **guard)
{
    if (!*guard)
        return;
    ps_client_free(&(*guard)->client);
    let_go(*guard, ALL);
    free(*guard);
    *guard = NULL;
}

bool ps_guard_is_past(const struct ps_guard *g, uint64_t since)
{
    return !g || !g->answers || g->past > since;
}

uint64_t ps_guard_lost(const struct ps_guard *g)
{
    return g->lost + g->unread;
}

/* ---- what came ---------------------------------------------------------- */

static bool is_xdp(const void *arg, const struct ps_step *s)
{
    const struct ps_names *names = arg;
    const char *function = NULL, *reason = NULL;
    const struct ps_advice *advice;

    if (names->ksyms && s->location)
        function = ps_ksyms_find(names->ksyms, s->location, NULL);
    if (names->reasons && s->flags & PS_EF_REASON)
        reason = ps_drop_reason_name(names->reasons, s->reason);
    advice = ps_advice_find(NULL, reason, function);
    return advice && ps_streq(advice->id, "xdp");
}

/* Whether a trace wants a packet of which it knows nothing else. */
static bool begins(const struct ps_trace *trace,
                   const struct ps_tracer_event *e)
{
    const Ps__TraceFilter *asked = trace->msg->filter;
    const struct ps_tracer_filter *f = &trace->filter->kernel;

    /* What can be seen of a packet only once it has a buffer or a socket. */
    if (trace->filter->expr.n || f->sample > 1 || asked->has_pid ||
        asked->cgroup || asked->container || asked->has_min_latency_ns)
        return false;
    if (f->netns && f->netns != e->netns)
        return false;
    if (f->flags & PS_FF_IFNAME &&
        strncmp(f->ifname, e->ifname, sizeof(f->ifname)) != 0)
        return false;
    /* It has no mark yet. */
    if (f->flags & PS_FF_MARK && f->mark)
        return false;
    return ps_aliases_match(f, &e->tuple);
}

static void give(struct tracer *t, struct ps_trace *trace,
                 struct ps_tracer_event *e, const Ps__WatchedDrop *drop,
                 size_t l3)
{
    uint32_t want = trace->wish.snap_bytes;
    size_t n = drop->head.len - l3;
    struct ps_names names;

    e->rule =
        ps_rules_put(trace->rules, "guarder", drop->rule, drop->text, false);
    ps_tracer_names(t, trace, &names);
    if (ps_join_rule(trace->join, e, (uint16_t)e->rule, is_xdp, &names))
        return;
    if (!begins(trace, e) && !ps_join_knows(trace->join, e))
        return;
    trace->delivered[PS_ST_XDP_DROP]++;
    trace->told++;
    e->bytes = ps_carry_put_bytes(trace->carry, drop->head.data + l3,
                                  (uint32_t)(n < want ? n : want));
    ps_join_add(trace->join, e, true);
}

static bool read_drop(const Ps__WatchedDrop *drop, uint32_t netns,
                      struct ps_tracer_event *e, size_t *ret_l3)
{
    if (ps_frame_read(drop->head.data, drop->head.len, drop->len, e, ret_l3) <
        0)
        return false;
    e->time = drop->mono_ns;
    e->cpu = (unsigned short)drop->cpu;
    e->netns = netns;
    e->ifindex = drop->ifindex;
    e->len = drop->len;
    e->packets = 1;
    e->station = PS_ST_XDP_DROP;
    snprintf(e->ifname, sizeof(e->ifname), "%s",
             drop->ifname ? drop->ifname : "");
    return true;
}

static void take(struct ps_guard *g, const Ps__WatchedDrops *list)
{
    struct tracer *t = g->t;

    /* What the kernel told of the same packets comes first. */
    ps_traces_consume(t);
    for (size_t i = 0; i < list->n_drops; i++) {
        struct ps_tracer_event event = {0};
        size_t l3 = 0;

        if (!read_drop(list->drops[i], list->netns, &event, &l3)) {
            g->unread++;
            continue;
        }
        for (size_t k = 0; k < PS_TRACER_MAX_TRACES; k++) {
            struct ps_trace *trace = &t->traces[k];
            struct ps_tracer_event copy = event;

            if (trace->phase != PS_TRACE_FREE &&
                trace->phase <= PS_TRACE_ENDING && trace->join &&
                event.time >= trace->started)
                give(t, trace, &copy, list->drops[i], l3);
        }
    }
}

static void on_reply(void *arg, int result, const ProtobufCMessage *reply,
                     const Ps__Error *error _unused_)
{
    const Ps__WatchedDrops *list = (const Ps__WatchedDrops *)reply;
    struct ps_guard *g = arg;

    g->asking = false;
    if (result < 0) {
        let_go(g, result == -ETIMEDOUT ? OLDEST : ALL);
        g->answers = false;
        g->next = ps_mono_ns() + RETRY_NS;
        return;
    }
    let_go(g, ASKED);
    /* What a guarder lost before it was asked was not for us. */
    if (g->met && list->lost > g->guarder_lost)
        g->lost += list->lost - g->guarder_lost;
    g->guarder_lost = list->lost;
    g->met = true;
    g->answers = true;
    g->next = list->more ? 0 : g->asked + ASK_NS;
    if (!list->more)
        g->past = g->asked;
    take(g, list);
}

/* ---- what is asked ------------------------------------------------------ */

static Ps__Prefix *make_prefix(const Ps__Ip *ip)
{
    Ps__Prefix *p = (Ps__Prefix *)ps_message_new(&ps__prefix__descriptor);

    if (!p)
        return NULL;
    p->addr.data = malloc(ip->addr.len ? ip->addr.len : 1);
    if (!p->addr.data) {
        ps__prefix__free_unpacked(p, NULL);
        return NULL;
    }
    memcpy(p->addr.data, ip->addr.data, ip->addr.len);
    p->addr.len = ip->addr.len;
    p->len = (uint32_t)ip->addr.len * 8;
    return p;
}

static Ps__PortRange *make_port(uint32_t port)
{
    Ps__PortRange *p =
        (Ps__PortRange *)ps_message_new(&ps__port_range__descriptor);

    if (p)
        p->first = p->last = port;
    return p;
}

/* Ports alone are no rule; a rule without them is wider, and each drop is held
 * against the filter once it is here. */
static bool may_have_ports(const Ps__TraceFilter *f)
{
    return f->proto && (f->proto->number == IPPROTO_TCP ||
                        f->proto->number == IPPROTO_UDP ||
                        f->proto->number == IPPROTO_SCTP);
}

static int fill_rule(const Ps__TraceFilter *f, bool back, Ps__Rule *rule)
{
    const Ps__Ip *src = back ? f->daddr : f->saddr;
    const Ps__Ip *dst = back ? f->saddr : f->daddr;

    rule->has_action = 1;
    rule->action = PS__RULE__ACTION__drop;
    /* What is inside of a tunnel is not looked at there. */
    if (f->has_inner && f->inner)
        return 0;
    if ((src && !(rule->src = make_prefix(src))) ||
        (dst && !(rule->dst = make_prefix(dst))) ||
        (f->proto && !(rule->proto = ps_ipproto_to_pb(f->proto->number))))
        return -ENOMEM;
    if (!may_have_ports(f))
        return 0;
    if ((back ? f->has_dport : f->has_sport) &&
        !(rule->sport = make_port(back ? f->dport : f->sport)))
        return -ENOMEM;
    if ((back ? f->has_sport : f->has_dport) &&
        !(rule->dport = make_port(back ? f->sport : f->dport)))
        return -ENOMEM;
    return 0;
}

int ps_guard_watches(const Ps__TraceFilter *f, Ps__Rule **ret_rules)
{
    bool one_way = !f->saddr && !f->daddr &&
                   !(may_have_ports(f) && (f->has_sport || f->has_dport));
    int n = 0;

    if (f->has_inner && f->inner)
        one_way = true;
    for (; n < (one_way ? 1 : 2); n++) {
        ret_rules[n] = (Ps__Rule *)ps_message_new(&ps__rule__descriptor);
        if (ret_rules[n] && fill_rule(f, n == 1, ret_rules[n]) == 0)
            continue;
        for (; n >= 0; n--)
            if (ret_rules[n])
                ps__rule__free_unpacked(ret_rules[n], NULL);
        return -ENOMEM;
    }
    return n;
}

/* There is nobody to ask. */
static void stop(struct ps_guard *g, uint64_t now)
{
    g->answers = false;
    g->next = now + RETRY_NS / 10;
    let_go(g, ALL);
}

static void ask(struct ps_guard *g, uint64_t now)
{
    Ps__Rule *rules[2 * PS_TRACER_MAX_TRACES];
    Ps__WatchDropsRequest req = PS__WATCH_DROPS_REQUEST__INIT;
    const struct ps_ask question = {
        .method = "guarder.watch_drops",
        .request = &req.base,
        .reply = &ps__watched_drops__descriptor,
        .timeout_ns = TIMEOUT_NS,
    };
    const struct ps_trace *trace = g->t->traces;
    int n;

    req.watches = rules;
    for (size_t i = 0; i < PS_TRACER_MAX_TRACES; i++, trace++) {
        if (trace->phase == PS_TRACE_FREE || trace->phase > PS_TRACE_ENDING)
            continue;
        n = ps_guard_watches(trace->msg->filter, &rules[req.n_watches]);
        if (n > 0)
            req.n_watches += (size_t)n;
    }
    g->asked = now;
    g->asking = ps_client_call(g->client, &question, on_reply, g) == 0;
    for (size_t i = 0; i < g->n_held; i++)
        g->held[i].asked = true;
    if (!g->asking)
        stop(g, now);
    for (size_t i = 0; i < req.n_watches; i++)
        ps__rule__free_unpacked(rules[i], NULL);
}

void ps_guard_tick(struct ps_guard *g, uint64_t now)
{
    if (g->asking || (now < g->next && g->n_held == 0))
        return;
    if (ps_client_connected(g->client))
        ask(g, now);
    else
        stop(g, now);
}

void ps_guard_reply(struct ps_guard *g, struct ps_call *call,
                    ProtobufCMessage *msg)
{
    if (!g || g->n_held == MAX_HELD) {
        ps_call_reply(call, msg);
        protobuf_c_message_free_unpacked(msg, NULL);
        return;
    }
    g->held[g->n_held++] =
        (struct held){.call = call, .msg = msg, .since = ps_mono_ns()};
    ps_guard_tick(g, ps_mono_ns());
}
