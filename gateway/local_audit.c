/* SPDX-License-Identifier: MIT */
/* GET audit: the logs of all services, asked at once and merged. */
#include "common/json.h"
#include "common/unpack.h"
#include "gateway/audit_merge.h"
#include "gateway/gateway.h"
#include "gateway/local.h"

#define DEFAULT_LIMIT 100
#define MAX_LIMIT     1000

struct part {
    struct gathering *gathering;
    char service[16], instance[PS_SERVICE_MAX_INSTANCE + 1];
    Ps__AuditList *list; /* NULL: no answer; reason says why */
    char *reason;
};

struct gathering {
    struct ps_http_request *req;
    size_t limit, open, n;
    struct part parts[]; /* the daemons, then the gateway */
};

/* ---- the end ------------------------------------------------------------ */

static void gathering_free(struct gathering *g)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->parts[i].list)
            ps__audit_list__free_unpacked(g->parts[i].list, NULL);
        free(g->parts[i].reason);
    }
    free(g);
}

/* Texts stay the parts'. */
static size_t fill_missing(const struct gathering *g, Ps__Missing *missing,
                           Ps__Missing **pointers)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n; i++) {
        const struct part *part = &g->parts[i];

        if (part->list)
            continue;
        ps__missing__init(&missing[n]);
        missing[n].service = (char *)(uintptr_t)part->service;
        missing[n].instance =
            part->instance[0] ? (char *)(uintptr_t)part->instance : NULL;
        missing[n].reason = part->reason ? part->reason
                                         : (char *)(uintptr_t)"no memory";
        pointers[n] = &missing[n];
        n++;
    }
    return n;
}

static json_t *make_report(const struct gathering *g)
{
    struct ps_audit_source sources[PS_PEERS_MAX + 1];
    Ps__Missing missing[PS_PEERS_MAX + 1], *pointers[PS_PEERS_MAX + 1];
    Ps__AuditReport *report = NULL;
    json_t *json;
    size_t n = 0;

    for (size_t i = 0; i < g->n; i++)
        if (g->parts[i].list)
            sources[n++] = (struct ps_audit_source){
                g->parts[i].service, g->parts[i].instance, g->parts[i].list};
    if (ps_audit_merge(sources, n, g->limit, &report) < 0)
        return NULL;
    report->missing = pointers;
    report->n_missing = fill_missing(g, missing, pointers);
    json = ps_json_from_message(&report->base);
    ps_audit_merge_free(&report);
    return json;
}

static void finish(struct gathering *g)
{
    ps_json_reply(g->req, 200, "application/json", make_report(g));
    gathering_free(g);
}

/* ---- asking ------------------------------------------------------------- */

static void set_reason(struct part *part, int result, const Ps__Error *error)
{
    char text[512];

    ps_api_reason(part->service, result, error, text, sizeof(text));
    part->reason = strdup(text);
}

/* The reply is lent, and the others are not here yet. */
static Ps__AuditList *copy(const ProtobufCMessage *msg)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    _cleanup_free_ uint8_t *data = malloc(len + 1);

    if (!data)
        return NULL;
    protobuf_c_message_pack(msg, data);
    return (Ps__AuditList *)ps_message_unpack(&ps__audit_list__descriptor, data,
                                              len, PS_UNPACK_MAX);
}

static void on_list(void *arg, int result, const ProtobufCMessage *reply,
                    const Ps__Error *error)
{
    struct part *part = arg;
    struct gathering *g = part->gathering;

    if (result == 0)
        part->list = copy(reply);
    if (result < 0)
        set_reason(part, result, error);
    if (--g->open == 0)
        finish(g);
}

static void ask_peer(struct ps_gateway *gateway, struct part *part,
                     struct ps_peer *peer, const Ps__ListAuditRequest *request)
{
    const struct ps_ask ask = {
        .method = "service.list_audit",
        .request = &request->base,
        .reply = &ps__audit_list__descriptor,
        .timeout_ns = gateway->config->request_timeout,
        .actor = part->gathering->req->who->name,
        .client = part->gathering->req->client,
    };
    int r = -ENOTCONN;

    if (ps_client_connected(peer->client))
        r = ps_client_call(peer->client, &ask, on_list, part);
    if (r < 0)
        on_list(part, r, NULL, NULL);
}

static void ask_own(struct ps_gateway *gateway, struct part *part,
                    const Ps__ListAuditRequest *request, uint32_t limit)
{
    struct ps_audit *audit = ps_daemon_audit(gateway->daemon);
    int r = audit ? ps_audit_list(audit, request, limit, &part->list) : -ENODEV;

    if (r < 0)
        set_reason(part, r, NULL);
    if (--part->gathering->open == 0)
        finish(part->gathering);
}

/* Those that are asked: the daemons, and the gateway, whose replicas on a
 * host write one log. */
static size_t choose(struct ps_gateway *gateway, const char *service,
                     struct ps_peer **ret_list)
{
    struct ps_peer *all[PS_PEERS_MAX];
    size_t n = 0, found = ps_peers_shown(gateway->peers, all);

    for (size_t i = 0; i < found; i++)
        if (!ps_streq(all[i]->name, "gateway") &&
            (!service || ps_streq(all[i]->name, service)))
            ret_list[n++] = all[i];
    return n;
}

static void ask_all(struct ps_gateway *gateway, struct gathering *g,
                    struct ps_peer **peers, const Ps__ListAuditRequest *request,
                    const struct ps_audit_place *place)
{
    Ps__ListAuditRequest ask = *request;
    char cursor[PS_AUDIT_CURSOR];
    size_t n = g->n;

    ask.cursor = cursor;
    ask.has_limit = true;
    ask.limit = (uint32_t)g->limit;
    /* One more than the parts: all are asked before the end comes. */
    g->open = n + 1;
    for (size_t i = 0; i < n; i++) {
        struct part *part = &g->parts[i];

        ps_audit_place_of(place, part->service, part->instance, cursor);
        if (peers[i])
            ask_peer(gateway, part, peers[i], &ask);
        else
            ask_own(gateway, part, &ask, (uint32_t)g->limit);
    }
    if (--g->open == 0)
        finish(g);
}

static struct gathering *gather(struct ps_http_request *req,
                                struct ps_peer **peers, size_t n)
{
    struct gathering *g = calloc(1, sizeof(*g) + n * sizeof(g->parts[0]));

    if (!g)
        return NULL;
    g->req = req;
    g->n = n;
    for (size_t i = 0; i < n; i++) {
        struct part *part = &g->parts[i];

        part->gathering = g;
        snprintf(part->service, sizeof(part->service), "%s",
                 peers[i] ? peers[i]->name : "gateway");
        snprintf(part->instance, sizeof(part->instance), "%s",
                 peers[i] ? peers[i]->instance : "");
    }
    return g;
}

void ps_local_audit(struct ps_gateway *gateway, struct ps_http_request *req,
                    const ProtobufCMessage *msg)
{
    const Ps__ListAuditRequest *request = (const Ps__ListAuditRequest *)msg;
    uint32_t limit = request->has_limit ? request->limit : DEFAULT_LIMIT;
    struct ps_peer *peers[PS_PEERS_MAX + 1] = {NULL};
    struct ps_audit_place place;
    struct gathering *g;
    size_t n;

    if (limit == 0 || limit > MAX_LIMIT) {
        ps_problem_fail(req, 400, "request.limit", "limit",
                        "limit is %u; give a number from 1 to %d.", limit,
                        MAX_LIMIT);
        return;
    }
    if (ps_audit_place_parse(request->cursor, &place) < 0) {
        ps_problem_fail(req, 400, "request.cursor", "cursor",
                        "This cursor was not given by this list; leave it out "
                        "to start from the first entry.");
        return;
    }
    n = choose(gateway, request->service, peers);
    if (!request->service || ps_streq(request->service, "gateway"))
        peers[n++] = NULL;
    g = gather(req, peers, n);
    if (!g) {
        ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                        "There is no memory for this answer.");
        return;
    }
    g->limit = limit;
    ask_all(gateway, g, peers, request, &place);
}
