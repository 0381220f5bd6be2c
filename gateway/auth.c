/* SPDX-License-Identifier: MIT */
#include "gateway/auth.h"

#include <strings.h>

#include "gateway/token_file.h"

struct ps_auth {
    char *dir;
    struct ps_token_file file;
    struct ps_vault *vault;
};

int ps_auth_open(const char *dir, struct ps_auth **ret_auth, char **ret_error)
{
    _cleanup_(ps_auth_free) struct ps_auth *auth = calloc(1, sizeof(*auth));
    int r;

    if (!auth)
        return -ENOMEM;
    auth->file.dir_fd = -1;
    auth->dir = strdup(dir);
    if (!auth->dir)
        return -ENOMEM;
    r = ps_token_file_open(dir, &auth->file, ret_error);
    if (r < 0)
        return r;
    *ret_auth = TAKE_PTR(auth);
    return 0;
}

int ps_auth_start(struct ps_auth *auth, uint64_t idle_ns, uint64_t session_ns,
                  char **ret_error)
{
    return ps_vault_open(auth->dir, idle_ns, session_ns, &auth->vault,
                         ret_error);
}

void ps_auth_free(struct ps_auth **auth)
{
    if (!*auth)
        return;
    ps_vault_free(&(*auth)->vault);
    ps_token_file_close(&(*auth)->file);
    free((*auth)->dir);
    free(*auth);
    *auth = NULL;
}

void ps_auth_tick(struct ps_auth *auth, char **ret_error)
{
    (void)ps_token_file_poll(&auth->file, ret_error);
    (void)ps_vault_tick(auth->vault);
}

struct ps_vault *ps_auth_vault(struct ps_auth *auth)
{
    return auth->vault;
}

bool ps_auth_file_token(const struct ps_auth *auth,
                        struct ps_vault_token *ret_token)
{
    struct ps_vault_token token = {
        .id = PS_AUTH_ADMIN,
        .name = PS_AUTH_ADMIN,
        .role = PS_ROLE_ADMIN,
        .payload = true,
        .created_ns = auth->file.made_ns,
    };

    memcpy(token.hash, auth->file.hash, sizeof(token.hash));
    *ret_token = token;
    return auth->file.valid;
}

/* ---- what a request says ------------------------------------------------ */

static void take_secret(const char *text, size_t len,
                        struct ps_credential *credential)
{
    char secret[PS_SECRET_MAX + 1];

    credential->malformed |= credential->given || len > PS_SECRET_MAX;
    credential->given = true;
    if (len > PS_SECRET_MAX)
        return;
    memcpy(secret, text, len);
    secret[len] = '\0';
    if (ps_secret_plain(secret))
        ps_secret_hash(secret, credential->hash);
    else
        credential->malformed = true;
    ps_secret_wipe(secret, sizeof(secret));
}

static void take_bearer(const char *value, struct ps_credential *credential)
{
    static const char scheme[] = "Bearer ";

    if (strncasecmp(value, scheme, sizeof(scheme) - 1) != 0) {
        credential->given = credential->malformed = true;
        return;
    }
    value += sizeof(scheme) - 1;
    value += strspn(value, " ");
    take_secret(value, strlen(value), credential);
}

/* Ours of "a=1; packetscope_session=…; b=2" (RFC 6265, 4.2). */
static void take_cookies(const char *value, struct ps_credential *credential)
{
    static const char name[] = PS_AUTH_COOKIE "=";

    while (*value) {
        size_t len;

        value += strspn(value, "; ");
        len = strcspn(value, ";");
        if (strncmp(value, name, sizeof(name) - 1) == 0)
            take_secret(value + sizeof(name) - 1, len - (sizeof(name) - 1),
                        credential);
        value += len;
    }
}

static void read_fields(const struct ps_head *head, const char *name,
                        void (*take)(const char *value,
                                     struct ps_credential *credential),
                        struct ps_credential *credential)
{
    for (size_t i = 0; i < head->n; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            take(head->fields[i].value, credential);
}

void ps_auth_read(const struct ps_head *head,
                  struct ps_credential *ret_credential)
{
    *ret_credential = (struct ps_credential){.by = PS_ACCESS_BEARER};
    read_fields(head, "authorization", take_bearer, ret_credential);
    if (ret_credential->given)
        return;
    ret_credential->by = PS_ACCESS_COOKIE;
    read_fields(head, "cookie", take_cookies, ret_credential);
}

/* ---- who it is ---------------------------------------------------------- */

static bool find_token(const struct ps_auth *auth, const uint8_t *hash,
                       uint64_t now_ns, struct ps_identity *ret_identity)
{
    struct ps_vault_token file;
    const struct ps_vault_token *token =
        ps_vault_token_find(auth->vault, hash, now_ns);

    if (ps_auth_file_token(auth, &file) && ps_secret_equal(file.hash, hash))
        token = &file;
    if (!token)
        return false;
    *ret_identity = (struct ps_identity){
        .role = token->role,
        .payload = token->payload,
        .expires_ns = token->expires_ns,
        .by = PS_ACCESS_BEARER,
    };
    memcpy(ret_identity->name, token->name, sizeof(ret_identity->name));
    memcpy(ret_identity->token_id, token->id, sizeof(ret_identity->token_id));
    memcpy(ret_identity->hash, token->hash, sizeof(ret_identity->hash));
    memcpy(ret_identity->token, token->hash, sizeof(ret_identity->token));
    return true;
}

static bool find_session(const struct ps_auth *auth, const uint8_t *hash,
                         uint64_t now_ns, struct ps_identity *ret_identity)
{
    const struct ps_vault_session *session =
        ps_vault_session_find(auth->vault, hash, now_ns);
    struct ps_identity who;

    if (!session || !find_token(auth, session->token, now_ns, &who))
        return false;
    if (who.expires_ns == 0 || session->expires_ns < who.expires_ns)
        who.expires_ns = session->expires_ns;
    who.by = PS_ACCESS_COOKIE;
    memcpy(who.hash, hash, sizeof(who.hash));
    *ret_identity = who;
    return true;
}

enum ps_auth_result ps_auth_find(const struct ps_auth *auth,
                                 const struct ps_credential *credential,
                                 uint64_t now_ns,
                                 struct ps_identity *ret_identity)
{
    bool cookie = credential->by == PS_ACCESS_COOKIE;

    if (!credential->given)
        return PS_AUTH_NOBODY;
    if (!credential->malformed &&
        (cookie ? find_session : find_token)(auth, credential->hash, now_ns,
                                             ret_identity))
        return PS_AUTH_KNOWN;
    return cookie ? PS_AUTH_WRONG_COOKIE : PS_AUTH_WRONG_TOKEN;
}

bool ps_auth_holds(const struct ps_auth *auth,
                   const struct ps_identity *identity, uint64_t now_ns)
{
    struct ps_credential same = {.by = identity->by, .given = true};
    struct ps_identity now;

    memcpy(same.hash, identity->hash, sizeof(same.hash));
    return ps_auth_find(auth, &same, now_ns, &now) == PS_AUTH_KNOWN;
}

void ps_auth_used(struct ps_auth *auth, const struct ps_identity *identity,
                  uint64_t now_ns)
{
    ps_vault_token_used(auth->vault, identity->token, now_ns);
    if (identity->by == PS_ACCESS_COOKIE)
        ps_vault_session_used(auth->vault, identity->hash, now_ns);
}

/* ---- logins ------------------------------------------------------------- */

enum ps_auth_result ps_auth_token(const struct ps_auth *auth, const char *token,
                                  uint64_t now_ns,
                                  struct ps_identity *ret_identity)
{
    struct ps_credential credential = {.by = PS_ACCESS_BEARER};

    take_secret(token, strlen(token), &credential);
    return ps_auth_find(auth, &credential, now_ns, ret_identity);
}

int ps_auth_login(struct ps_auth *auth, struct ps_identity *who,
                  uint64_t now_ns, char *cookie)
{
    uint8_t hash[PS_SECRET_HASH];
    int r = ps_secret_make(cookie);

    if (r < 0)
        return r;
    ps_secret_hash(cookie, hash);
    r = ps_vault_session_add(auth->vault, hash, who->token, who->expires_ns,
                             now_ns);
    if (r == 0 && !find_session(auth, hash, now_ns, who))
        r = -EIO;
    return r;
}

int ps_auth_logout(struct ps_auth *auth, const struct ps_head *head)
{
    struct ps_credential credential = {.by = PS_ACCESS_COOKIE};

    read_fields(head, "cookie", take_cookies, &credential);
    if (!credential.given || credential.malformed)
        return 0;
    return ps_vault_session_remove(auth->vault, credential.hash);
}
