/* SPDX-License-Identifier: MIT */
/*
 * Secrets: tokens and session cookies, 256 random bits each.
 *
 * Only their SHA-256 is kept. A slow, salted hash protects what people choose,
 * which can be guessed from a list; there is no list of 2^256 random secrets,
 * and each request would pay for it. So no secret that a user chose is taken,
 * but for the file admin.token, which must be as long.
 */
#ifndef PS_GATEWAY_SECRET_H
#define PS_GATEWAY_SECRET_H

#include "common/util.h"

#define PS_SECRET_TEXT 44 /* 43 letters of base64url and a NUL */
#define PS_SECRET_HASH 32
#define PS_SECRET_MIN  32
#define PS_SECRET_MAX  128

/* A new one, PS_SECRET_TEXT bytes. -EIO: the kernel gave no random bytes. */
int ps_secret_make(char *text);
/* n random bytes as 2 * n hexadecimal digits and a NUL. */
int ps_secret_make_id(size_t n, char *text);
/* Whether text has the length and the letters of a secret. */
bool ps_secret_plain(const char *text);
void ps_secret_hash(const char *text, uint8_t *ret_hash);
/* Of two hashes; takes the same time whatever they hold. */
bool ps_secret_equal(const uint8_t *a, const uint8_t *b);
/* Overwrites, also where the compiler sees no use in it. */
void ps_secret_wipe(void *data, size_t len);

#endif
