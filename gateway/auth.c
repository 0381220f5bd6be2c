/* SPDX-License-Identifier: MIT */
#include "gateway/auth.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>

#define TOKEN_FILE  "admin.token"
#define TOKEN_BYTES 32
#define WINDOW_NS   (60 * PS_NS_PER_S)
#define N_CLIENTS   256

struct client {
    char text[46];
    uint32_t wrong;
    uint64_t since_ns;
};

struct token {
    unsigned char hash[PS_AUTH_HASH];
    struct ps_identity identity;
};

struct ps_auth {
    struct token tokens[PS_AUTH_MAX_TOKENS];
    size_t n;
    struct client clients[N_CLIENTS];
};

/* base64url, without padding. */
static void encode(const unsigned char *bytes, size_t n, char *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned int have = 0;

    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 6; have -= 6)
            *text++ = alphabet[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *text++ = alphabet[bits << (6 - have) & 63];
    *text = '\0';
}

static bool is_token(const char *text)
{
    size_t len = strlen(text);

    return len >= PS_AUTH_MIN_TOKEN && len <= PS_AUTH_MAX_TOKEN &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789-_.~+/=") == len;
}

static void say(char **ret_error, const char *dir, const char *what)
{
    if (asprintf(ret_error, "%s/" TOKEN_FILE " %s", dir, what) < 0)
        *ret_error = NULL;
}

static int read_token(int dir_fd, const char *dir, char *token,
                      char **ret_error)
{
    _cleanup_close_ int fd =
        openat(dir_fd, TOKEN_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) ||
        (st.st_uid != geteuid() && st.st_uid != 0)) {
        say(ret_error, dir,
            "must be a file that only its owner can read: chmod 600 it, or "
            "delete it to have a new one made");
        return -EPERM;
    }
    n = read(fd, token, PS_AUTH_MAX_TOKEN + 1);
    if (n < 0)
        return -errno;
    token[n] = '\0';
    token[strcspn(token, "\r\n")] = '\0';
    if (!is_token(token)) {
        say(ret_error, dir,
            "holds no token of 32 to 128 letters and digits; delete it to "
            "have a new one made");
        return -EBADMSG;
    }
    return 0;
}

static int write_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0)
            return -errno;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* Under another name first: a token that is half written never counts, and of
 * two gateways that start at once one makes it. */
static int make_token(int dir_fd)
{
    unsigned char bytes[TOKEN_BYTES];
    char text[PS_AUTH_MAX_TOKEN], name[64];
    _cleanup_close_ int fd = -1;
    int r;

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -EIO;
    encode(bytes, sizeof(bytes), text);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    snprintf(name, sizeof(name), TOKEN_FILE ".%d.new", (int)getpid());
    unlinkat(dir_fd, name, 0);
    fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    strcat(text, "\n");
    r = write_all(fd, text);
    OPENSSL_cleanse(text, sizeof(text));
    if (r == 0 && linkat(dir_fd, name, dir_fd, TOKEN_FILE, 0) < 0 &&
        errno != EEXIST)
        r = -errno;
    unlinkat(dir_fd, name, 0);
    if (r == 0 && fsync(dir_fd) < 0)
        r = -errno;
    return r;
}

int ps_auth_open(const char *dir, struct ps_auth **ret_auth, char **ret_error)
{
    _cleanup_(ps_auth_free) struct ps_auth *auth = calloc(1, sizeof(*auth));
    char token[PS_AUTH_MAX_TOKEN + 2];
    _cleanup_close_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (!auth)
        return -ENOMEM;
    r = dir_fd < 0 ? -errno : read_token(dir_fd, dir, token, ret_error);
    if (r == -ENOENT && dir_fd >= 0) {
        r = make_token(dir_fd);
        if (r == 0)
            r = read_token(dir_fd, dir, token, ret_error);
    }
    if (r == 0)
        r = ps_auth_add(auth, "admin", PS_ROLE_ADMIN, token);
    OPENSSL_cleanse(token, sizeof(token));
    if (r < 0) {
        if (!*ret_error)
            say(ret_error, dir, "cannot be read or made");
        return r;
    }
    *ret_auth = TAKE_PTR(auth);
    return 0;
}

void ps_auth_free(struct ps_auth **auth)
{
    if (*auth)
        OPENSSL_cleanse(*auth, sizeof(**auth));
    free(*auth);
    *auth = NULL;
}

int ps_auth_add(struct ps_auth *auth, const char *name, enum ps_role role,
                const char *token)
{
    struct token *t = &auth->tokens[auth->n];

    if (auth->n == PS_AUTH_MAX_TOKENS)
        return -ENOSPC;
    if (!is_token(token))
        return -EINVAL;
    SHA256((const unsigned char *)token, strlen(token), t->hash);
    snprintf(t->identity.name, sizeof(t->identity.name), "%s", name);
    t->identity.role = role;
    auth->n++;
    return 0;
}

const struct ps_identity *ps_auth_find(const struct ps_auth *auth,
                                       const char *header)
{
    static const char scheme[] = "Bearer ";
    unsigned char hash[PS_AUTH_HASH];
    const struct token *found = NULL;

    if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    header += sizeof(scheme) - 1;
    header += strspn(header, " ");
    if (strlen(header) > PS_AUTH_MAX_TOKEN)
        return NULL;
    SHA256((const unsigned char *)header, strlen(header), hash);
    for (size_t i = 0; i < auth->n; i++)
        if (CRYPTO_memcmp(hash, auth->tokens[i].hash, sizeof(hash)) == 0)
            found = &auth->tokens[i];
    return found ? &found->identity : NULL;
}

static size_t client_slot(const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash % N_CLIENTS;
}

bool ps_auth_wrong(struct ps_auth *auth, const char *client, uint64_t now_ns)
{
    struct client *c = &auth->clients[client_slot(client)];

    if (!ps_streq(c->text, client) || now_ns - c->since_ns > WINDOW_NS) {
        snprintf(c->text, sizeof(c->text), "%s", client);
        c->wrong = 0;
        c->since_ns = now_ns;
    }
    if (c->wrong < UINT32_MAX)
        c->wrong++;
    return c->wrong > PS_AUTH_MAX_WRONG;
}

/* Length of the host part of "host:port" or "[::1]:port"; -1: malformed. */
static ssize_t host_length(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon;

    if (*host == '[' && !end)
        return -1;
    colon = strchr(end ? end : host, ':');
    if (!colon)
        return (ssize_t)strlen(host);
    if (colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return -1;
    return colon - host;
}

static bool same_host(const char *host, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(host, name, len) == 0;
}

bool ps_auth_host_ok(const char *host, const char *bound, bool loopback,
                     char *const *allowed, size_t n_allowed)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    ssize_t len = host ? host_length(host) : -1;
    ssize_t bound_len = host_length(bound);

    /* HTTP/1.0 may come without: no browser does. */
    if (!host)
        return true;
    if (len <= 0)
        return false;
    if (!loopback && n_allowed == 0)
        return true;
    for (size_t i = 0; loopback && i < ARRAY_SIZE(own); i++)
        if (same_host(host, (size_t)len, own[i]))
            return true;
    for (size_t i = 0; i < n_allowed; i++)
        if (same_host(host, (size_t)len, allowed[i]))
            return true;
    return len == bound_len && strncasecmp(host, bound, (size_t)len) == 0;
}
