/* SPDX-License-Identifier: MIT */
/* The way of a request: host, path, token, route, message; then ask.c. */
#include "gateway/bind.h"
#include "gateway/doors.h"
#include "gateway/payload.h"

/* Of a request that needs no token: a login. */
#define MAX_OPEN_BODY 4096

/* What is known of a request before its body is read. */
struct plan {
    struct ps_path path;
    struct ps_route_match match;
    char *query; /* in target; NULL: none */
    char *target;
    bool api; /* below /api */
};

static void plan_clear(struct plan *plan)
{
    ps_path_clear(&plan->path);
    free(plan->target);
    *plan = (struct plan){0};
}

/* -EINVAL: the path is not in its plain form; -ENOMEM. */
static int plan_make(const struct ps_http_request *req, struct plan *plan)
{
    int r;

    plan->target = strdup(req->head.target);
    if (!plan->target)
        return -ENOMEM;
    plan->query = strchr(plan->target, '?');
    if (plan->query)
        *plan->query++ = '\0';
    r = ps_path_parse(plan->target, &plan->path);
    if (r < 0)
        return r == -ENOMEM ? r : -EINVAL;
    plan->api = plan->path.n > 0 && ps_streq(plan->path.segments[0], "api");
    ps_route_find(req->head.method, &plan->path, &plan->match);
    return 0;
}

static enum ps_role role_needed(const struct plan *plan)
{
    if (plan->match.route)
        return plan->match.route->role;
    return plan->api ? PS_ROLE_VIEWER : PS_ROLE_NONE;
}

static bool host_ok(const struct ps_gateway *gateway,
                    const struct ps_http_request *req)
{
    return ps_origin_host_ok(
        req->head.host, gateway->address, gateway->loopback,
        gateway->config->allowed_hosts.items, gateway->config->allowed_hosts.n);
}

static size_t body_limit(void *arg, struct ps_http_request *req)
{
    struct ps_gateway *gateway = arg;
    _cleanup_(plan_clear) struct plan plan = {0};
    uint64_t max = gateway->config->max_body;

    if (plan_make(req, &plan) < 0 || !plan.match.route ||
        !plan.match.route->body || !host_ok(gateway, req) ||
        !ps_doors_would_admit(gateway, req, plan.match.route->role))
        return 0;
    if (plan.match.route->role == PS_ROLE_NONE)
        return max > MAX_OPEN_BODY ? MAX_OPEN_BODY : (size_t)max;
    ps_http_know(req);
    return max;
}

/* ---- dispatch ----------------------------------------------------------- */

static void fail_method(struct ps_http_request *req, const struct plan *plan)
{
    char allow[80], detail[160];
    const struct ps_http_field fields[] = {{"Allow", allow}, {NULL, NULL}};
    const struct ps_problem problem = {
        .id = "request.method", .status = 405, .detail = detail};

    /* The console's files know only these. */
    ps_route_allow(plan->match.allowed ? plan->match.allowed
                                       : PS_HTTP_GET | PS_HTTP_HEAD,
                   allow, sizeof(allow));
    snprintf(detail, sizeof(detail), "%s is not possible here; use %s.",
             ps_http_method_name(req->head.method), allow);
    ps_problem_reply(req, &problem, fields);
}

static void run_route(struct ps_gateway *gateway, struct ps_http_request *req,
                      const struct plan *plan)
{
    const struct ps_route *route = plan->match.route;
    const struct ps_bind_input input = {
        .route = route,
        .params = plan->match.params,
        .query = plan->query,
        .content_type = ps_head_find(&req->head, "content-type"),
        .body = req->body,
        .body_len = req->body_len,
    };
    struct ps_bind_error error;
    ProtobufCMessage *msg = NULL;
    int r = ps_bind(&input, &msg, &error);

    if (r == -ENOMEM) {
        ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                        "There is no memory for this request.");
        return;
    }
    if (r < 0) {
        ps_problem_fail(req, error.status, error.id,
                        error.json.field[0] ? error.json.field : NULL, "%s",
                        error.json.detail);
        return;
    }
    if (ps_payload_admit(gateway, req, route, msg)) {
        if (route->local)
            route->local(gateway, req, msg);
        else
            ps_api_ask(gateway, req, route, msg);
    }
    if (msg)
        protobuf_c_message_free_unpacked(msg, NULL);
}

static void refuse_body(struct ps_http_request *req,
                        const struct ps_gateway *gateway,
                        const struct ps_route *route)
{
    if (!route->body)
        ps_problem_fail(req, 400, "request.body_unexpected", NULL,
                        "This request takes no body; send it without one.");
    else
        ps_problem_fail(req, 413, "request.too_large", NULL,
                        "The body has %llu bytes; %llu are the most.",
                        (unsigned long long)req->head.content_length,
                        (unsigned long long)(route->role == PS_ROLE_NONE
                                                 ? MAX_OPEN_BODY
                                                 : gateway->config->max_body));
}

static void route_request(struct ps_gateway *gateway,
                          struct ps_http_request *req, const struct plan *plan)
{
    const struct ps_route *route = plan->match.route;
    bool get = req->head.method & (PS_HTTP_GET | PS_HTTP_HEAD);

    if (ps_origins_preflight(gateway->origins, &req->head) &&
        plan->match.allowed) {
        ps_http_reply(req, 204, NULL, NULL);
        return;
    }
    if (!ps_doors_admit(gateway, req, role_needed(plan), route))
        return;
    if (plan->match.allowed == 0 && plan->api)
        ps_problem_fail(req, 404, "request.not_found", NULL,
                        "There is no such resource; /api/v1/openapi.json "
                        "names all.");
    else if (plan->match.allowed == 0 && get)
        ps_files_serve(gateway->files, req, &plan->path);
    else if (!route)
        fail_method(req, plan);
    else if (req->body_refused)
        refuse_body(req, gateway, route);
    else
        run_route(gateway, req, plan);
}

static void handle(void *arg, struct ps_http_request *req)
{
    struct ps_gateway *gateway = arg;
    _cleanup_(plan_clear) struct plan plan = {0};
    int r = plan_make(req, &plan);

    req->lines = ps_origins_lines(gateway->origins, &req->head);
    if (!ps_doors_rate(gateway, req))
        return;
    if (!host_ok(gateway, req))
        ps_problem_fail(req, 421, "request.wrong_host", NULL,
                        "This gateway is not \"%.100s\". Use the address it "
                        "listens on, or name the host in its option "
                        "allowed-hosts.",
                        req->head.host);
    else if (r == -EINVAL)
        ps_problem_fail(req, 400, "request.malformed", NULL,
                        "Write the path in its plain form: no empty, \".\" or "
                        "\"..\" segment, no broken %%XX, at most %d segments.",
                        PS_URL_MAX_SEGMENTS);
    else if (r < 0)
        ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                        "There is no memory for this request.");
    else
        route_request(gateway, req, &plan);
}

static bool on_connect(void *arg, const struct ps_addr *addr)
{
    return ps_limits_connect(((struct ps_gateway *)arg)->clients, addr);
}

static void on_disconnect(void *arg, const struct ps_addr *addr)
{
    ps_limits_disconnect(((struct ps_gateway *)arg)->clients, addr);
}

const struct ps_http_ops ps_api_ops = {
    .body_limit = body_limit,
    .handle = handle,
    .connect = on_connect,
    .disconnect = on_disconnect,
};
