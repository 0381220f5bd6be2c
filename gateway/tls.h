/* SPDX-License-Identifier: MIT */
/*
 * The server's side of TLS: a certificate in force, which can be replaced
 * while connections stand. TLS 1.2 and 1.3, forward secrecy and AEAD only,
 * HTTP/1.1 by ALPN, no renegotiation, no compression, no early data.
 */
#ifndef PS_GATEWAY_TLS_H
#define PS_GATEWAY_TLS_H

#include <openssl/ssl.h>

#include "common/util.h"

struct ps_tls;

/*
 * Reads a certificate with its chain and its key, both PEM; the paths are
 * borrowed. On error a sentence in ret_error, owned by the caller: -EINVAL (no
 * such certificate, or not that key's), -EPERM (others may read the key),
 * or what open() says.
 */
int ps_tls_new(const char *cert_path, const char *key_path,
               struct ps_tls **ret_tls, char **ret_error);
void ps_tls_free(struct ps_tls **tls);

/*
 * Reads both again. On error, also when the new certificate has expired
 * (-EKEYEXPIRED), what was in force stays. Connections keep the one they
 * began with.
 */
int ps_tls_reload(struct ps_tls *tls, char **ret_error);
/* Whether a reload could read both files now: 0 or -errno, with a sentence. */
int ps_tls_readable(const struct ps_tls *tls, char **ret_error);

/* When the certificate in force expires: Unix time in seconds. */
int64_t ps_tls_expires(const struct ps_tls *tls);
/* A new connection's state; NULL without memory. */
SSL *ps_tls_accept(struct ps_tls *tls);

#endif
