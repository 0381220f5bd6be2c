/* SPDX-License-Identifier: MIT */
/* The method by which another daemon is told of drops, with their rules. */
#include "common/json.h"
#include "guarder/guarder.h"

/* Of one answer. */
#define DROPS 256u

static uint32_t ifindex_of(void *arg, const char *name)
{
    const struct ps_netif *netif = ps_links_by_name(arg, name);

    return netif ? netif->ifindex : 0;
}

static Ps__WatchedDrop *make_drop(const struct ps_guarder *g,
                                  const struct ps_watched *w)
{
    const struct ps_netif *netif = ps_links_by_index(g->links, w->drop.ifindex);
    Ps__WatchedDrop *msg =
        (Ps__WatchedDrop *)ps_message_new(&ps__watched_drop__descriptor);

    if (!msg)
        return NULL;
    msg->mono_ns = w->drop.time;
    msg->cpu = w->drop.cpu;
    msg->ifindex = w->drop.ifindex;
    msg->ifname = netif ? strdup(netif->name) : NULL;
    msg->len = w->drop.len;
    msg->head.data = malloc(w->drop.head ? w->drop.head : 1);
    msg->rule = strdup(w->rule);
    msg->text = strdup(w->text);
    if (!msg->head.data || !msg->rule || !msg->text) {
        protobuf_c_message_free_unpacked(&msg->base, NULL);
        return NULL;
    }
    memcpy(msg->head.data, w->drop.bytes, w->drop.head);
    msg->head.len = w->drop.head;
    return msg;
}

/* NULL without memory: then what was taken is lost with it. */
static Ps__WatchedDrops *make_drops(struct ps_guarder *g)
{
    Ps__WatchedDrops *list =
        (Ps__WatchedDrops *)ps_message_new(&ps__watched_drops__descriptor);
    const struct ps_watched *w;

    if (!list)
        return NULL;
    list->lost = ps_watch_lost(g->watch);
    list->drops = calloc(DROPS, sizeof(*list->drops));
    while (list->drops && list->n_drops < DROPS &&
           (w = ps_watch_take(g->watch))) {
        list->drops[list->n_drops] = make_drop(g, w);
        if (!list->drops[list->n_drops])
            break;
        list->n_drops++;
    }
    list->more = list->n_drops == DROPS;
    ps_netns_self(&list->netns);
    return list;
}

/* False: the call has failed. */
static bool read_watches(const Ps__WatchDropsRequest *req,
                         struct ps_rule *rules, struct ps_call *call)
{
    struct ps_rule_error error;
    char field[128];

    if (req->n_watches > PS_GD_WATCHES) {
        ps_call_fail(call, "request.invalid", 400, "watches",
                     "The request has %zu watches; %d are the most.",
                     req->n_watches, PS_GD_WATCHES);
        return false;
    }
    for (size_t i = 0; i < req->n_watches; i++) {
        if (ps_rule_parse(req->watches[i], &rules[i], &error) == 0)
            continue;
        snprintf(field, sizeof(field), "watches[%zu]%s%s", i,
                 error.field[0] ? "." : "", error.field);
        ps_call_fail(call, "request.invalid", 400, field, "%s", error.detail);
        return false;
    }
    return true;
}

void ps_guarder_watch_drops(void *arg, const ProtobufCMessage *msg,
                            struct ps_call *call)
{
    const Ps__WatchDropsRequest *req = (const Ps__WatchDropsRequest *)msg;
    struct ps_rule rules[PS_GD_WATCHES];
    Ps__WatchedDrops *list = NULL;
    struct ps_guarder *g = arg;
    int r = -EOPNOTSUPP;

    if (!read_watches(req, rules, call))
        return;
    if (g->watch) {
        ps_watch_drain(g->watch, g->set, NULL);
        r = ps_watch_set(g->watch, rules, req->n_watches, ifindex_of, g->links,
                         ps_mono_ns());
    }
    if (r < 0) {
        ps_call_fail(call, "guarder.cannot_watch", 503, NULL,
                     "Drops cannot be watched for: %s.",
                     g->kernel ? strerror(-r) : g->no_kernel);
        return;
    }
    list = make_drops(g);
    if (!list) {
        ps_call_fail(call, "service.no_memory", 503, NULL,
                     "The guarder has no memory left; try again later.");
        return;
    }
    ps_call_reply(call, &list->base);
    protobuf_c_message_free_unpacked(&list->base, NULL);
}
