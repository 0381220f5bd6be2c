/* SPDX-License-Identifier: MIT */
/* Logins: a token is changed into a cookie, for browsers. */
#include "common/json.h"
#include "gateway/audit.h"
#include "gateway/doors.h"
#include "gateway/local.h"

#define MAX_COOKIE_FIELD 256

static void fill_session(Ps__Session *session, const struct ps_identity *who,
                         Ps__Role *roles, Ps__Time *expires)
{
    ps__session__init(session);
    session->role = (char *)(uintptr_t)ps_role_name(who->role);
    session->version = (char *)(uintptr_t)PS_VERSION;
    session->name = (char *)(uintptr_t)who->name;
    session->roles = roles;
    roles[session->n_roles++] = (Ps__Role)who->role;
    if (who->payload)
        roles[session->n_roles++] = PS__ROLE__payload;
    ps__time__init(expires);
    expires->unix_ns = who->expires_ns;
    session->expires = who->expires_ns ? expires : NULL;
}

void ps_local_session(struct ps_gateway *gateway _unused_,
                      struct ps_http_request *req,
                      const ProtobufCMessage *msg _unused_)
{
    Ps__Session session;
    Ps__Time expires;
    Ps__Role roles[2];

    fill_session(&session, req->who, roles, &expires);
    ps_json_reply(req, 200, "application/json",
                  ps_json_from_message(&session.base));
}

/* Only for us (Strict), not for scripts (HttpOnly), and where the page came
 * by TLS only by TLS. seconds 0: it is to be forgotten. */
static void make_cookie(const struct ps_gateway *gateway,
                        const struct ps_http_request *req, const char *value,
                        uint64_t seconds, char *text)
{
    bool secure = gateway->secure || ps_origin_secure(&req->head);

    snprintf(text, MAX_COOKIE_FIELD,
             PS_AUTH_COOKIE "=%s; Path=/; Max-Age=%llu; HttpOnly; "
                            "SameSite=Strict%s",
             value, (unsigned long long)seconds, secure ? "; Secure" : "");
}

static void reply_login(const struct ps_gateway *gateway,
                        struct ps_http_request *req,
                        const struct ps_identity *who, const char *cookie,
                        uint64_t now_ns)
{
    char field[MAX_COOKIE_FIELD];
    const struct ps_http_field fields[] = {{"Content-Type", "application/json"},
                                           {"Set-Cookie", field},
                                           {NULL, NULL}};
    struct evbuffer *body = evbuffer_new();
    _cleanup_free_ char *text = NULL;
    Ps__Session session;
    Ps__Time expires;
    Ps__Role roles[2];

    fill_session(&session, who, roles, &expires);
    if (!body || ps_json_print(&session.base, &text, NULL) < 0 ||
        evbuffer_add(body, text, strlen(text)) < 0) {
        if (body)
            evbuffer_free(body);
        ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                        "There is no memory for this answer.");
        return;
    }
    make_cookie(gateway, req, cookie, (who->expires_ns - now_ns) / PS_NS_PER_S,
                field);
    ps_http_reply(req, 200, fields, body);
    ps_secret_wipe(field, sizeof(field));
}

static void log_in(struct ps_gateway *gateway, struct ps_http_request *req)
{
    uint64_t now_ns = ps_now_ns();
    char cookie[PS_SECRET_TEXT];
    int r;

    /* The session that the browser had ends; its cookie is never taken over
     * for the new one. */
    r = ps_auth_logout(gateway->auth, &req->head);
    if (r == 0)
        r = ps_auth_login(gateway->auth, &req->identity, now_ns, cookie);
    if (r < 0) {
        ps_doors_fail_store(req, r);
        return;
    }
    req->who = &req->identity;
    ps_auth_used(gateway->auth, req->who, now_ns);
    ps_gateway_audit_note(gateway, req, "gateway.login", req->who->name);
    ps_info("login", "name=%s client=%s", req->who->name, req->client);
    reply_login(gateway, req, req->who, cookie, now_ns);
    ps_secret_wipe(cookie, sizeof(cookie));
}

void ps_local_login(struct ps_gateway *gateway, struct ps_http_request *req,
                    const ProtobufCMessage *msg)
{
    const char *token = ((const Ps__LoginRequest *)msg)->token;

    /* Else another site could log a browser in as somebody else. */
    if (ps_origin_foreign(&req->head)) {
        ps_doors_fail_foreign(req);
        return;
    }
    if (ps_auth_token(gateway->auth, token, ps_now_ns(), &req->identity) !=
        PS_AUTH_KNOWN) {
        ps_doors_wrong_token(gateway, req);
        return;
    }
    log_in(gateway, req);
}

/* Whose session the cookie is, while it is one. */
static bool know_session(struct ps_gateway *gateway,
                         struct ps_http_request *req)
{
    struct ps_credential credential;

    ps_auth_read(&req->head, &credential);
    return credential.by == PS_ACCESS_COOKIE &&
           ps_auth_find(gateway->auth, &credential, ps_now_ns(),
                        &req->identity) == PS_AUTH_KNOWN;
}

void ps_local_logout(struct ps_gateway *gateway, struct ps_http_request *req,
                     const ProtobufCMessage *msg _unused_)
{
    char field[MAX_COOKIE_FIELD];
    const struct ps_http_field fields[] = {{"Set-Cookie", field}, {NULL, NULL}};
    bool known;
    int r;

    if (ps_origin_foreign(&req->head)) {
        ps_doors_fail_foreign(req);
        return;
    }
    known = know_session(gateway, req);
    r = ps_auth_logout(gateway->auth, &req->head);
    if (r < 0) {
        ps_doors_fail_store(req, r);
        return;
    }
    if (known) {
        req->who = &req->identity;
        ps_gateway_audit_note(gateway, req, "gateway.logout", req->who->name);
    }
    make_cookie(gateway, req, "", 0, field);
    ps_http_reply(req, 204, fields, NULL);
}
