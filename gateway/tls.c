/* SPDX-License-Identifier: MIT */
#include "gateway/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <sys/stat.h>

#define MAX_PEM (1 << 20)

/* TLS 1.2's; all of 1.3's are as good. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

struct ps_tls {
    const char *cert_path, *key_path;
    SSL_CTX *ctx;
    int64_t expires;
};

static _printf_(2, 3) void say(char **ret_error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(ret_error, fmt, ap) < 0)
        *ret_error = NULL;
    va_end(ap);
}

/* OpenSSL's own words for its last error. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    return text ? text : "no reason given";
}

/* ---- files -------------------------------------------------------------- */

/* A file in memory; secret: nobody else may read it. */
static int read_pem(const char *path, bool secret, BIO **ret_bio,
                    char **ret_error)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char part[4096];
    struct stat st;
    BIO *bio;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;

        say(ret_error, "%s cannot be read: %s", path, strerror(-r));
        return r;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_PEM) {
        say(ret_error, "%s is not a PEM file", path);
        return -EINVAL;
    }
    if (secret && (st.st_mode & 07)) {
        say(ret_error,
            "%s can be read by everybody; make it its owner's and its "
            "group's alone: chmod o= it",
            path);
        return -EPERM;
    }
    bio = BIO_new(secret ? BIO_s_secmem() : BIO_s_mem());
    while (bio && (n = read(fd, part, sizeof(part))) > 0)
        if (BIO_write(bio, part, (int)n) != (int)n)
            break;
    OPENSSL_cleanse(part, sizeof(part));
    *ret_bio = bio;
    return bio ? 0 : -ENOMEM;
}

/* OpenSSL would ask at the terminal. */
static int no_passphrase(char *buf _unused_, int size _unused_,
                         int write _unused_, void *arg _unused_)
{
    return 0;
}

/* The first certificate is ours, those that follow lead to its issuer. */
static int use_chain(SSL_CTX *ctx, BIO *bio, int64_t *ret_expires)
{
    X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
    struct tm tm;
    bool ok = cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1 &&
              SSL_CTX_use_certificate(ctx, cert) == 1;

    X509_free(cert);
    if (!ok)
        return -EINVAL;
    *ret_expires = timegm(&tm);
    while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
        if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
            X509_free(cert);
            return -EINVAL;
        }
    /* It has ended for want of another one, not at a broken one. */
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
               ? 0
               : -EINVAL;
}

static int use_files(const char *cert_path, const char *key_path, SSL_CTX *ctx,
                     int64_t *ret_expires, char **ret_error)
{
    BIO *cert = NULL, *key = NULL;
    EVP_PKEY *pkey = NULL;
    int r = read_pem(cert_path, false, &cert, ret_error);

    if (r == 0)
        r = read_pem(key_path, true, &key, ret_error);
    if (r < 0)
        goto out;
    ERR_clear_error();
    r = use_chain(ctx, cert, ret_expires);
    if (r < 0) {
        say(ret_error, "%s holds no certificate (PEM) that can be used: %s",
            cert_path, reason());
        goto out;
    }
    ERR_clear_error();
    pkey = PEM_read_bio_PrivateKey(key, NULL, no_passphrase, NULL);
    r = pkey ? 0 : -EINVAL;
    if (r < 0) {
        say(ret_error, "%s holds no private key (PEM, without passphrase): %s",
            key_path, reason());
        goto out;
    }
    if (SSL_CTX_use_PrivateKey(ctx, pkey) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        r = -EINVAL;
        say(ret_error, "the key of %s is not that of the certificate of %s",
            key_path, cert_path);
    }
out:
    EVP_PKEY_free(pkey);
    BIO_free(cert);
    BIO_free(key);
    ERR_clear_error();
    return r;
}

/* ---- the context -------------------------------------------------------- */

static int choose_protocol(SSL *ssl _unused_, const unsigned char **out,
                           unsigned char *out_len, const unsigned char *in,
                           unsigned int in_len, void *arg _unused_)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;

    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *new_context(void)
{
    static const unsigned char id[] = "packetscope";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, ciphers) != 1 ||
        SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    /* Sessions are in the clients' tickets: nothing here grows by them. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    return ctx;
}

static int load(const struct ps_tls *tls, SSL_CTX **ret_ctx,
                int64_t *ret_expires, char **ret_error)
{
    SSL_CTX *ctx = new_context();
    int r = -ENOMEM;

    if (ctx)
        r = use_files(tls->cert_path, tls->key_path, ctx, ret_expires,
                      ret_error);
    if (r < 0) {
        SSL_CTX_free(ctx);
        return r;
    }
    *ret_ctx = ctx;
    return 0;
}

int ps_tls_new(const char *cert_path, const char *key_path,
               struct ps_tls **ret_tls, char **ret_error)
{
    _cleanup_(ps_tls_free) struct ps_tls *tls = calloc(1, sizeof(*tls));
    int r;

    if (!tls)
        return -ENOMEM;
    tls->cert_path = cert_path;
    tls->key_path = key_path;
    r = load(tls, &tls->ctx, &tls->expires, ret_error);
    if (r < 0)
        return r;
    *ret_tls = TAKE_PTR(tls);
    return 0;
}

void ps_tls_free(struct ps_tls **tls)
{
    if (!*tls)
        return;
    SSL_CTX_free((*tls)->ctx);
    free(*tls);
    *tls = NULL;
}

int ps_tls_reload(struct ps_tls *tls, char **ret_error)
{
    SSL_CTX *ctx = NULL;
    int64_t expires = 0;
    int r = load(tls, &ctx, &expires, ret_error);

    if (r < 0)
        return r;
    if (expires <= (int64_t)(ps_now_ns() / PS_NS_PER_S)) {
        say(ret_error, "the certificate of %s has expired", tls->cert_path);
        SSL_CTX_free(ctx);
        return -EKEYEXPIRED;
    }
    /* Connections hold the one that they were made with. */
    SSL_CTX_free(tls->ctx);
    tls->ctx = ctx;
    tls->expires = expires;
    return 0;
}

int ps_tls_readable(const struct ps_tls *tls, char **ret_error)
{
    BIO *bio = NULL;
    int r = read_pem(tls->cert_path, false, &bio, ret_error);

    BIO_free(bio);
    bio = NULL;
    if (r == 0)
        r = read_pem(tls->key_path, true, &bio, ret_error);
    BIO_free(bio);
    return r;
}

int64_t ps_tls_expires(const struct ps_tls *tls)
{
    return tls->expires;
}

SSL *ps_tls_accept(struct ps_tls *tls)
{
    return SSL_new(tls->ctx);
}
