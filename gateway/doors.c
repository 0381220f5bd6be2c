/* SPDX-License-Identifier: MIT */
#include "gateway/doors.h"

#include "gateway/audit.h"

#define WRONG_TOKEN_DELAY_NS (200 * PS_NS_PER_MS)

static const struct ps_http_field challenge[] = {
    {"WWW-Authenticate", "Bearer realm=\"packetscope\""}, {NULL, NULL}};

/* ---- refusals ----------------------------------------------------------- */

static void fail_wait(struct ps_http_request *req, const char *id,
                      uint64_t wait_ns, const char *detail)
{
    char seconds[24];
    const struct ps_http_field fields[] = {{"Retry-After", seconds},
                                           {NULL, NULL}};
    const struct ps_problem problem = {
        .id = id, .status = 429, .detail = detail};

    snprintf(seconds, sizeof(seconds), "%llu",
             (unsigned long long)((wait_ns + PS_NS_PER_S - 1) / PS_NS_PER_S));
    ps_problem_reply(req, &problem, fields);
}

static void fail_token(void *arg _unused_, struct ps_http_request *req)
{
    static const struct ps_problem problem = {
        .id = "auth.wrong_token",
        .status = 401,
        .detail = "The token is not known, or has expired. The first "
                  "administrator's is in admin.token in the state directory."};

    ps_problem_reply(req, &problem, challenge);
}

static void fail_nobody(struct ps_http_request *req)
{
    static const struct ps_problem problem = {
        .id = "auth.no_token",
        .status = 401,
        .detail = "Send a token: \"Authorization: Bearer TOKEN\". The first "
                  "administrator's is in admin.token in the state directory."};

    ps_problem_reply(req, &problem, challenge);
}

static void fail_cookie(struct ps_http_request *req)
{
    static const struct ps_problem problem = {
        .id = "auth.session_ended",
        .status = 401,
        .detail = "The login has ended, or its token was revoked; log in "
                  "again."};

    ps_problem_reply(req, &problem, challenge);
}

void ps_doors_fail_foreign(struct ps_http_request *req)
{
    ps_problem_fail(req, 403, "auth.foreign_page", NULL,
                    "A login's cookie counts only for the console's own "
                    "pages, which send JSON; other pages and programs send a "
                    "token: \"Authorization: Bearer TOKEN\".");
}

void ps_doors_fail_store(struct ps_http_request *req, int r)
{
    ps_problem_fail(req, r == -ENOSPC ? 507 : 503, "gateway.store", NULL,
                    "gateway.db in the state directory cannot be written "
                    "(%s); nothing was changed. Make room on the disk, or "
                    "look at the gateway's log.",
                    strerror(-r));
}

static bool fail_blocked(struct ps_gateway *gateway,
                         struct ps_http_request *req)
{
    uint64_t wait_ns = 0;

    if (!ps_limits_blocked(gateway->clients, &req->addr, ps_mono_ns(),
                           &wait_ns))
        return false;
    fail_wait(req, "auth.too_many", wait_ns,
              "Too many wrong tokens came from this address; try again in a "
              "minute, or now with the right one.");
    return true;
}

void ps_doors_wrong_token(struct ps_gateway *gateway,
                          struct ps_http_request *req)
{
    if (fail_blocked(gateway, req))
        return;
    ps_limits_wrong(gateway->clients, &req->addr, ps_mono_ns());
    ps_gateway_audit_refused(gateway, req, "gateway.authenticate", 401,
                             "auth.wrong_token");
    if (ps_http_defer(req, WRONG_TOKEN_DELAY_NS, fail_token, NULL) < 0)
        fail_token(NULL, req);
}

bool ps_doors_rate(struct ps_gateway *gateway, struct ps_http_request *req)
{
    uint64_t wait_ns = 0;

    if (ps_limits_request(gateway->clients, &req->addr, ps_mono_ns(), &wait_ns))
        return true;
    fail_wait(req, "request.rate", wait_ns,
              "Too many requests came from this address; ask less often, or "
              "follow the event stream.");
    return false;
}

/* ---- admission ---------------------------------------------------------- */

/* A cookie comes with every request of the browser, whoever caused it. */
static bool is_foreign(const struct ps_http_request *req,
                       const struct ps_credential *credential)
{
    const unsigned int safe = PS_HTTP_GET | PS_HTTP_HEAD | PS_HTTP_OPTIONS;

    if (credential->by != PS_ACCESS_COOKIE || !credential->given)
        return false;
    return ps_origin_foreign(&req->head) ||
           (!(req->head.method & safe) && ps_origin_simple(&req->head));
}

static void fail_role(struct ps_http_request *req, enum ps_role needed)
{
    ps_problem_fail(req, 403, "auth.role", NULL,
                    "This needs the role %s; the token has %s.",
                    ps_role_name(needed), ps_role_name(req->who->role));
}

static void refuse(struct ps_gateway *gateway, struct ps_http_request *req,
                   enum ps_auth_result result)
{
    if (result == PS_AUTH_WRONG_TOKEN)
        ps_doors_wrong_token(gateway, req);
    else if (result == PS_AUTH_WRONG_COOKIE)
        fail_cookie(req);
    else
        fail_nobody(req);
}

bool ps_doors_admit(struct ps_gateway *gateway, struct ps_http_request *req,
                    enum ps_role needed, const struct ps_route *route)
{
    uint64_t now_ns = ps_now_ns();
    struct ps_credential credential;
    enum ps_auth_result result;

    if (needed == PS_ROLE_NONE)
        return true;
    ps_auth_read(&req->head, &credential);
    if (is_foreign(req, &credential)) {
        ps_doors_fail_foreign(req);
        return false;
    }
    result = ps_auth_find(gateway->auth, &credential, now_ns, &req->identity);
    if (result != PS_AUTH_KNOWN) {
        refuse(gateway, req, result);
        return false;
    }
    req->who = &req->identity;
    ps_http_know(req);
    ps_auth_used(gateway->auth, req->who, now_ns);
    if (req->who->role < needed) {
        ps_gateway_audit_role(gateway, req, route);
        fail_role(req, needed);
        return false;
    }
    return true;
}

bool ps_doors_would_admit(struct ps_gateway *gateway,
                          const struct ps_http_request *req,
                          enum ps_role needed)
{
    struct ps_credential credential;
    struct ps_identity who;

    if (needed == PS_ROLE_NONE)
        return true;
    ps_auth_read(&req->head, &credential);
    return !is_foreign(req, &credential) &&
           ps_auth_find(gateway->auth, &credential, ps_now_ns(), &who) ==
               PS_AUTH_KNOWN &&
           who.role >= needed;
}
