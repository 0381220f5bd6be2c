/* SPDX-License-Identifier: MIT */
/* The way of a request: host, path, token, route, message; then ask.c. */
#include "gateway/bind.h"
#include "gateway/gateway.h"

#define WRONG_TOKEN_DELAY_NS (200 * PS_NS_PER_MS)

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
    return ps_auth_host_ok(req->head.host, gateway->address, gateway->loopback,
                           gateway->config->allowed_hosts.items,
                           gateway->config->allowed_hosts.n);
}

static size_t body_limit(void *arg, const struct ps_http_request *req)
{
    const struct ps_gateway *gateway = arg;
    _cleanup_(plan_clear) struct plan plan = {0};
    const struct ps_identity *who =
        ps_auth_find(gateway->auth, ps_head_find(&req->head, "authorization"));

    if (plan_make(req, &plan) < 0 || !plan.match.route ||
        !plan.match.route->body || !who || who->role < plan.match.route->role ||
        !host_ok(gateway, req))
        return 0;
    return gateway->config->max_body;
}

/* ---- tokens ------------------------------------------------------------- */

static void fail_token(struct ps_http_request *req, bool given)
{
    static const struct ps_http_field fields[] = {
        {"WWW-Authenticate", "Bearer realm=\"packetscope\""}, {NULL, NULL}};
    const struct ps_problem problem = {
        .id = given ? "auth.wrong_token" : "auth.no_token",
        .status = 401,
        .detail = given ? "The token is not known. The first administrator's "
                          "is in admin.token in the state directory."
                        : "Send a token: \"Authorization: Bearer TOKEN\". "
                          "The first administrator's is in admin.token in "
                          "the state directory."};

    ps_problem_reply(req, &problem, fields);
}

static void on_wrong_token(void *arg _unused_, struct ps_http_request *req)
{
    fail_token(req, true);
}

/* Wrong ones are answered late, and then not at all for a minute. */
static void refuse_token(struct ps_gateway *gateway,
                         struct ps_http_request *req)
{
    static const struct ps_http_field fields[] = {{"Retry-After", "60"},
                                                  {NULL, NULL}};
    const struct ps_problem problem = {
        .id = "auth.too_many",
        .status = 429,
        .detail = "Too many wrong tokens came from this address; try again "
                  "in a minute with the right one."};

    if (!ps_head_find(&req->head, "authorization")) {
        fail_token(req, false);
        return;
    }
    if (ps_auth_wrong(gateway->auth, req->client, ps_mono_ns()))
        ps_problem_reply(req, &problem, fields);
    else if (ps_http_defer(req, WRONG_TOKEN_DELAY_NS, on_wrong_token, NULL) < 0)
        fail_token(req, true);
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
    if (route->local)
        route->local(gateway, req, msg);
    else
        ps_api_ask(gateway, req, route, msg);
    if (msg)
        protobuf_c_message_free_unpacked(msg, NULL);
}

/* True when the caller may; otherwise it has been answered. */
static bool admit(struct ps_gateway *gateway, struct ps_http_request *req,
                  const struct plan *plan)
{
    enum ps_role needed = role_needed(plan);

    const struct ps_identity *who =
        ps_auth_find(gateway->auth, ps_head_find(&req->head, "authorization"));

    /* Kept with the request: a token may go while a daemon is asked. */
    if (who) {
        req->identity = *who;
        req->who = &req->identity;
    }
    if (needed == PS_ROLE_NONE)
        return true;
    if (!req->who) {
        refuse_token(gateway, req);
        return false;
    }
    if (req->who->role < needed) {
        ps_problem_fail(req, 403, "auth.role", NULL,
                        "This needs the role %s; the token has %s.",
                        ps_role_name(needed), ps_role_name(req->who->role));
        return false;
    }
    return true;
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
                        (unsigned long long)gateway->config->max_body);
}

static void route_request(struct ps_gateway *gateway,
                          struct ps_http_request *req, const struct plan *plan)
{
    const struct ps_route *route = plan->match.route;
    bool get = req->head.method & (PS_HTTP_GET | PS_HTTP_HEAD);

    if (!admit(gateway, req, plan))
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

const struct ps_http_ops ps_api_ops = {
    .body_limit = body_limit,
    .handle = handle,
};
