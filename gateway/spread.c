/* SPDX-License-Identifier: MIT */
#include "gateway/spread.h"

#include "common/unpack.h"
#include "gateway/gateway.h"
#include "gateway/merge.h"

#define DEFAULT_LIMIT 100

/* One instance's part of a question to several. */
struct part {
    struct fan *fan;
    char instance[PS_SERVICE_MAX_INSTANCE + 1];
    ProtobufCMessage *reply; /* a copy; NULL: it did not answer so */
    Ps__Error *error;        /* a copy */
    int result;
    char reason[256]; /* why it did not answer */
};

struct fan {
    const char *service;
    enum ps_spread how;
    size_t limit;
    ps_reply_fn fn; /* NULL: it was called */
    void *arg;
    size_t open;
    size_t n;
    struct part parts[PS_PEERS_MAX];
};

/* ---- the end ------------------------------------------------------------ */

static void give(struct fan *fan, int result, const ProtobufCMessage *reply,
                 const Ps__Error *error)
{
    ps_reply_fn fn = fan->fn;

    fan->fn = NULL;
    fn(fan->arg, result, reply, error);
}

static void fan_free(struct fan *fan)
{
    for (size_t i = 0; i < fan->n; i++) {
        if (fan->parts[i].reply)
            protobuf_c_message_free_unpacked(fan->parts[i].reply, NULL);
        if (fan->parts[i].error)
            ps__error__free_unpacked(fan->parts[i].error, NULL);
    }
    free(fan);
}

static bool said_no(const struct part *part)
{
    return part->error && part->error->status == 404;
}

/* Nobody has it. That is certain only if all said so. */
static void end_first(struct fan *fan)
{
    Ps__Error error = PS__ERROR__INIT;
    const struct part *silent = NULL;
    char text[640];
    size_t n = 0;

    for (size_t i = 0; i < fan->n; i++) {
        if (said_no(&fan->parts[i]))
            continue;
        silent = &fan->parts[i];
        n++;
    }
    if (!silent) {
        give(fan, -EREMOTEIO, NULL, fan->parts[0].error);
        return;
    }
    snprintf(text, sizeof(text),
             "No %s that answered has it, but %zu of %zu did not answer, among "
             "them %s: %s",
             fan->service, n, fan->n, silent->instance, silent->reason);
    error.id = (char *)(uintptr_t)"service.incomplete";
    error.status = 503;
    error.detail = text;
    give(fan, -EREMOTEIO, NULL, &error);
}

static void end_merge(struct fan *fan)
{
    const Ps__PathList *lists[PS_PEERS_MAX];
    struct ps_merge_missing missing[PS_PEERS_MAX];
    struct ps_merge merge = {
        .lists = lists, .missing = missing, .limit = fan->limit};
    Ps__PathList *list = NULL;

    for (size_t i = 0; i < fan->n; i++) {
        const struct part *part = &fan->parts[i];

        if (part->reply)
            lists[merge.n++] = (const Ps__PathList *)part->reply;
        else
            missing[merge.n_missing++] =
                (struct ps_merge_missing){part->instance, part->reason};
    }
    if (merge.n == 0) {
        give(fan, fan->parts[0].result, NULL, fan->parts[0].error);
    } else if (ps_merge_paths(&merge, &list) < 0) {
        give(fan, -ENOMEM, NULL, NULL);
    } else {
        give(fan, 0, &list->base, NULL);
        ps_merge_free(&list);
    }
}

static void part_done(struct fan *fan)
{
    if (--fan->open > 0)
        return;
    if (fan->fn && fan->how == PS_SPREAD_FIRST)
        end_first(fan);
    else if (fan->fn)
        end_merge(fan);
    fan_free(fan);
}

/* ---- parts -------------------------------------------------------------- */

static ProtobufCMessage *copy_message(const ProtobufCMessage *msg)
{
    size_t len = protobuf_c_message_get_packed_size(msg);
    _cleanup_free_ uint8_t *data = malloc(len + 1);

    if (!data)
        return NULL;
    protobuf_c_message_pack(msg, data);
    return ps_message_unpack(msg->descriptor, data, len, PS_UNPACK_MAX);
}

static void on_part(void *arg, int result, const ProtobufCMessage *reply,
                    const Ps__Error *error)
{
    struct part *part = arg;
    struct fan *fan = part->fan;

    part->result = result;
    if (fan->fn && result == 0 && fan->how == PS_SPREAD_FIRST)
        give(fan, 0, reply, NULL);
    if (fan->fn && result == 0) {
        part->reply = copy_message(reply);
        part->result = part->reply ? 0 : -ENOMEM;
    } else if (fan->fn && error) {
        part->error = (Ps__Error *)copy_message(&error->base);
    }
    if (fan->fn && part->result < 0)
        ps_api_reason(fan->service,
                      result == -EREMOTEIO && !part->error ? -ENOMEM
                                                           : part->result,
                      part->error, part->reason, sizeof(part->reason));
    part_done(fan);
}

static struct part *add_part(struct fan *fan, const struct ps_peer *peer)
{
    struct part *part = &fan->parts[fan->n++];
    const char *instance = peer->status ? peer->status->instance
                                        : peer->instance;

    part->fan = fan;
    part->result = -ENOTCONN;
    snprintf(part->instance, sizeof(part->instance), "%s", instance);
    return part;
}

static size_t limit_of(const ProtobufCMessage *request)
{
    const Ps__ListPathsRequest *list = (const Ps__ListPathsRequest *)request;

    if (request->descriptor != &ps__list_paths_request__descriptor ||
        !list->has_limit || list->limit == 0)
        return DEFAULT_LIMIT;
    return list->limit;
}

/* Instances that are known and cannot be asked now. */
static size_t find_silent(struct ps_peers *peers, const char *service,
                          struct ps_peer **ret_list)
{
    struct ps_peer *list[PS_PEERS_MAX];
    size_t n = 0, n_shown = ps_peers_shown(peers, list);

    for (size_t i = 0; i < n_shown; i++) {
        Ps__ServiceStatus__State state;

        if (!ps_streq(list[i]->name, service) || !list[i]->status)
            continue;
        state = ps_peer_state(list[i]);
        if (!ps_peer_serves(state) &&
            state != PS__SERVICE_STATUS__STATE__standby)
            ret_list[n++] = list[i];
    }
    return n;
}

static int ask_all(struct fan *fan, struct ps_peer *const *list, size_t n,
                   const struct ps_ask *ask)
{
    int result = -ENOTCONN;
    size_t asked = 0;

    /* One more: none is the last before all are asked. */
    fan->open = 1;
    for (size_t i = 0; i < n; i++) {
        struct part *part = add_part(fan, list[i]);
        int r = ps_client_call(list[i]->client, ask, on_part, part);

        if (r == 0) {
            fan->open++;
            asked++;
            continue;
        }
        result = part->result = r;
        ps_api_reason(fan->service, r, NULL, part->reason,
                      sizeof(part->reason));
    }
    fan->open--;
    return asked ? 0 : result;
}

static int ask_several(struct ps_peers *peers, struct ps_peer *const *list,
                       size_t n, struct fan *fan, const struct ps_ask *ask)
{
    struct ps_peer *silent[PS_PEERS_MAX];
    size_t n_silent = find_silent(peers, fan->service, silent);
    int r;

    r = ask_all(fan, list, n, ask);
    for (size_t i = 0; r == 0 && i < n_silent; i++) {
        struct part *part = add_part(fan, silent[i]);
        struct ps_peer_view view;

        ps_peer_view(silent[i], &view);
        snprintf(part->reason, sizeof(part->reason), "%s",
                 view.status.reason ? view.status.reason
                                    : "It takes no requests now.");
    }
    return r;
}

/* ---- which -------------------------------------------------------------- */

static uint64_t hash(const char *text, uint64_t h)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h;
}

/* The same key finds the same instance, whoever else comes and goes: what is
 * asked twice is done once. */
static struct ps_peer *by_key(struct ps_peer *const *list, size_t n,
                              const char *key)
{
    struct ps_peer *best = NULL;
    uint64_t most = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t h = hash(list[i]->status->instance,
                          hash(key, UINT64_C(0xcbf29ce484222325)));

        h ^= h >> 29;
        h *= UINT64_C(0xbf58476d1ce4e5b9);
        h ^= h >> 32;
        if (!best || h > most) {
            best = list[i];
            most = h;
        }
    }
    return best;
}

static struct ps_peer *choose(struct ps_peers *peers, enum ps_spread how,
                              const char *service, const char *key)
{
    struct ps_peer *list[PS_PEERS_MAX];
    size_t n = ps_peers_serving(peers, service, list);

    if (how == PS_SPREAD_ONE || n == 0)
        return ps_peers_pick(peers, service);
    if (key)
        return by_key(list, n, key);
    return list[ps_peers_turn(peers) % n];
}

int ps_spread_call(struct ps_peers *peers, enum ps_spread how,
                   const char *service, const struct ps_ask *ask,
                   ps_reply_fn fn, void *arg)
{
    struct ps_peer *list[PS_PEERS_MAX], *silent[PS_PEERS_MAX], *peer;
    size_t n = ps_peers_serving(peers, service, list);
    struct fan *fan;
    int r;

    if (how == PS_SPREAD_ONE || how == PS_SPREAD_ANY ||
        n + find_silent(peers, service, silent) <= 1 || n == 0) {
        peer = choose(peers, how, service, ask->idempotency_key);
        if (!peer)
            return -ENOTCONN;
        return ps_client_call(peer->client, ask, fn, arg);
    }
    fan = calloc(1, sizeof(*fan));
    if (!fan)
        return -ENOMEM;
    fan->service = service;
    fan->how = how;
    fan->limit = limit_of(ask->request);
    fan->fn = fn;
    fan->arg = arg;
    r = ask_several(peers, list, n, fan, ask);
    if (r < 0)
        fan_free(fan);
    return r;
}
