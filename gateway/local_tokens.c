/* SPDX-License-Identifier: MIT */
/* Tokens: listed, made and revoked by administrators. */
#include "common/json.h"
#include "gateway/audit.h"
#include "gateway/doors.h"
#include "gateway/local.h"

#define NAME_LETTERS                                                 \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" \
    ".-_"

/* ---- as messages -------------------------------------------------------- */

struct row {
    Ps__Token token;
    Ps__Role roles[2];
    Ps__Time created, expires, last_used;
};

/* Texts stay the entry's. */
static void fill_row(struct row *row, const struct ps_vault_token *entry,
                     uint64_t last_used_ns)
{
    Ps__Token *token = &row->token;

    ps__token__init(token);
    ps__time__init(&row->created);
    ps__time__init(&row->expires);
    ps__time__init(&row->last_used);
    token->id = (char *)(uintptr_t)entry->id;
    token->name = (char *)(uintptr_t)entry->name;
    token->roles = row->roles;
    /* NOLINTNEXTLINE(*.EnumCastOutOfRange): a token has a role */
    row->roles[token->n_roles++] = (Ps__Role)entry->role;
    if (entry->payload)
        row->roles[token->n_roles++] = PS__ROLE__payload;
    row->created.unix_ns = entry->created_ns;
    row->expires.unix_ns = entry->expires_ns;
    row->last_used.unix_ns = last_used_ns;
    token->created = &row->created;
    token->expires = entry->expires_ns ? &row->expires : NULL;
    token->last_used = last_used_ns ? &row->last_used : NULL;
    if (entry->created_by[0])
        token->created_by = (char *)(uintptr_t)entry->created_by;
}

void ps_local_tokens(struct ps_gateway *gateway, struct ps_http_request *req,
                     const ProtobufCMessage *msg _unused_)
{
    const struct ps_vault *vault = ps_auth_vault(gateway->auth);
    Ps__TokenList list = PS__TOKEN_LIST__INIT;
    Ps__Token *pointers[PS_VAULT_MAX_TOKENS + 1];
    struct row rows[PS_VAULT_MAX_TOKENS + 1];
    struct ps_vault_token file;
    const struct ps_vault_token *entries;
    size_t n;

    list.tokens = pointers;
    if (ps_auth_file_token(gateway->auth, &file)) {
        fill_row(&rows[0], &file, ps_vault_token_last_used(vault, file.hash));
        pointers[list.n_tokens++] = &rows[0].token;
    }
    entries = ps_vault_tokens(vault, &n);
    for (size_t i = 0; i < n; i++) {
        struct row *row = &rows[list.n_tokens];

        fill_row(row, &entries[i],
                 ps_vault_token_last_used(vault, entries[i].hash));
        pointers[list.n_tokens++] = &row->token;
    }
    ps_json_reply(req, 200, "application/json",
                  ps_json_from_message(&list.base));
}

/* ---- in the audit log --------------------------------------------------- */

static void end_failed(struct ps_gateway *gateway, uint64_t seq, int r)
{
    static const struct {
        int result;
        uint32_t status;
        const char *error;
    } kinds[] = {
        {-EEXIST, 409, "token.name_taken"},
        {-EDQUOT, 409, "token.too_many"},
        {-ENOENT, 404, "token.not_found"},
    };
    struct ps_audit_end end = {.status = 503, .error = "gateway.store"};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (kinds[i].result != r)
            continue;
        end.status = kinds[i].status;
        end.error = kinds[i].error;
    }
    (void)ps_gateway_audit_end(gateway, seq, &end); /* counted */
}

/* What is recorded of a token holds neither its secret nor a hash. */
static int end_made(struct ps_gateway *gateway, uint64_t seq,
                    const struct ps_vault_token *token)
{
    struct row row;
    const struct ps_audit_end end = {.target = token->id,
                                     .after = &row.token.base};

    fill_row(&row, token, 0);
    return ps_gateway_audit_end(gateway, seq, &end);
}

static int end_revoked(struct ps_gateway *gateway, uint64_t seq,
                       const struct ps_vault_token *token)
{
    struct ps_audit_end end = {0};
    struct row row;
    int r;

    fill_row(&row, token, 0);
    end.before = ps_json_from_message(&row.token.base);
    r = ps_gateway_audit_end(gateway, seq, &end);
    json_decref(end.before);
    return r;
}

static void fail_record(struct ps_http_request *req, const char *what)
{
    ps_problem_fail(req, 500, "audit.not_recorded", NULL,
                    "%s, but the audit log holds only that it was begun: what "
                    "came of it cannot be written. Make room on the disk, or "
                    "see the gateway's log for why.",
                    what);
}

/* ---- making ------------------------------------------------------------- */

/* NULL: it is one. */
static const char *check_name(const char *name)
{
    size_t len = strnlen(name, 64);

    if (len == 0 || len > 63 || name[strspn(name, NAME_LETTERS)] != '\0')
        return "Give a name of 1 to 63 letters, digits, \".\", \"-\" and "
               "\"_\".";
    return NULL;
}

static const char *take_roles(const Ps__CreateTokenRequest *ask,
                              struct ps_vault_token *token)
{
    for (size_t i = 0; i < ask->n_roles; i++) {
        if (ask->roles[i] == PS__ROLE__payload)
            token->payload = true;
        else if ((enum ps_role)ask->roles[i] > token->role)
            token->role = (enum ps_role)ask->roles[i];
    }
    if (token->role == PS_ROLE_NONE)
        return "Give one of the roles viewer, operator and admin; payload "
               "may stand beside it.";
    return NULL;
}

static const char *take_expiry(const Ps__CreateTokenRequest *ask,
                               struct ps_vault_token *token)
{
    if (!ask->expires)
        return NULL;
    token->expires_ns = ask->expires->unix_ns;
    if (token->expires_ns <= token->created_ns)
        return "The token would have expired already; give a time that is "
               "to come, or none.";
    if (token->expires_ns > INT64_MAX)
        return "The time is too far away; give none for a token that does "
               "not expire.";
    return NULL;
}

/* False: the request has been answered. */
static bool take_request(struct ps_http_request *req,
                         const Ps__CreateTokenRequest *ask,
                         struct ps_vault_token *token)
{
    const char *field = "name", *wrong = check_name(ask->name);

    if (!wrong) {
        field = "roles";
        wrong = take_roles(ask, token);
    }
    if (!wrong) {
        field = "expires";
        wrong = take_expiry(ask, token);
    }
    if (wrong) {
        ps_problem_fail(req, 400, "request.invalid", field, "%s", wrong);
        return false;
    }
    snprintf(token->name, sizeof(token->name), "%s", ask->name);
    return true;
}

static void fail_add(struct ps_http_request *req, int r,
                     const struct ps_vault_token *token)
{
    if (r == -EEXIST)
        ps_problem_fail(req, 409, "token.name_taken", "name",
                        "There is a token \"%s\"; choose another name, or "
                        "revoke that one first.",
                        token->name);
    else if (r == -EDQUOT)
        ps_problem_fail(req, 409, "token.too_many", NULL,
                        "There are %d tokens; revoke one that is not used.",
                        PS_VAULT_MAX_TOKENS);
    else
        ps_doors_fail_store(req, r);
}

static void reply_new(struct ps_http_request *req,
                      const struct ps_vault_token *token, char *secret)
{
    char location[64];
    const struct ps_http_field fields[] = {{"Content-Type", "application/json"},
                                           {"Location", location},
                                           {NULL, NULL}};
    Ps__NewToken reply = PS__NEW_TOKEN__INIT;
    struct evbuffer *body = evbuffer_new();
    _cleanup_free_ char *text = NULL;
    struct row row;

    fill_row(&row, token, 0);
    reply.token = &row.token;
    reply.secret = secret;
    if (!body || ps_json_print(&reply.base, &text, NULL) < 0 ||
        evbuffer_add(body, text, strlen(text)) < 0) {
        if (body)
            evbuffer_free(body);
        ps_problem_fail(req, 503, "gateway.no_memory", NULL,
                        "There is no memory for the answer; revoke the "
                        "token \"%s\", whose secret nobody has.",
                        token->name);
        return;
    }
    ps_secret_wipe(text, strlen(text));
    snprintf(location, sizeof(location), "/api/v1/tokens/%s", token->id);
    ps_http_reply(req, 201, fields, body);
}

void ps_local_create_token(struct ps_gateway *gateway,
                           struct ps_http_request *req,
                           const ProtobufCMessage *msg)
{
    struct ps_vault_token token = {.created_ns = ps_now_ns()};
    char secret[PS_SECRET_TEXT];
    uint64_t seq;
    int r;

    if (!take_request(req, (const Ps__CreateTokenRequest *)msg, &token) ||
        !ps_gateway_audit_begin(gateway, req, "gateway.create_token",
                                token.name, &seq))
        return;
    snprintf(token.created_by, sizeof(token.created_by), "%s", req->who->name);
    r = ps_secret_make(secret);
    if (r == 0) {
        ps_secret_hash(secret, token.hash);
        r = ps_streq(token.name, PS_AUTH_ADMIN)
                ? -EEXIST
                : ps_vault_token_add(ps_auth_vault(gateway->auth), &token);
    }
    if (r < 0) {
        end_failed(gateway, seq, r);
        fail_add(req, r, &token);
        return;
    }
    if (end_made(gateway, seq, &token) < 0) {
        /* Nobody has its secret yet. */
        (void)ps_vault_token_remove(ps_auth_vault(gateway->auth), token.id);
        ps_secret_wipe(secret, sizeof(secret));
        fail_record(req, "The token was made and revoked again");
        return;
    }
    ps_info("token_made", "name=%s role=%s payload=%s by=%s client=%s",
            token.name, ps_role_name(token.role), token.payload ? "yes" : "no",
            req->who->name, req->client);
    reply_new(req, &token, secret);
    ps_secret_wipe(secret, sizeof(secret));
}

/* ---- revoking ----------------------------------------------------------- */

static void find_token(const struct ps_gateway *gateway, const char *id,
                       struct ps_vault_token *ret_token)
{
    size_t n;
    const struct ps_vault_token *tokens =
        ps_vault_tokens(ps_auth_vault(gateway->auth), &n);

    for (size_t i = 0; i < n; i++)
        if (ps_streq(tokens[i].id, id))
            *ret_token = tokens[i];
}

void ps_local_delete_token(struct ps_gateway *gateway,
                           struct ps_http_request *req,
                           const ProtobufCMessage *msg)
{
    const char *id = ((const Ps__TokenId *)msg)->id;
    struct ps_vault_token old = {0};
    uint64_t seq;
    int r;

    if (ps_streq(id, PS_AUTH_ADMIN)) {
        ps_problem_fail(req, 409, "token.file", NULL,
                        "This is the token of the file admin.token in the "
                        "state directory. Delete the file: the gateway makes "
                        "one with a new token, and the old one ends.");
        return;
    }
    if (!ps_gateway_audit_begin(gateway, req, "gateway.delete_token", id, &seq))
        return;
    find_token(gateway, id, &old);
    r = ps_vault_token_remove(ps_auth_vault(gateway->auth), id);
    if (r < 0)
        end_failed(gateway, seq, r);
    if (r == -ENOENT) {
        ps_problem_fail(req, 404, "token.not_found", NULL,
                        "There is no such token; GET tokens lists all.");
        return;
    }
    if (r < 0) {
        ps_doors_fail_store(req, r);
        return;
    }
    ps_info("token_revoked", "id=%.32s by=%s client=%s", id, req->who->name,
            req->client);
    ps_gateway_recheck(gateway);
    if (end_revoked(gateway, seq, &old) < 0)
        fail_record(req, "The token was revoked");
    else
        ps_http_reply(req, 204, NULL, NULL);
}
