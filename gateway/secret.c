/* SPDX-License-Identifier: MIT */
#include "gateway/secret.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#define SECRET_BYTES 32
#define MAX_ID_BYTES 32

/* base64url, without padding. */
static void encode(const uint8_t *bytes, size_t n, char *text)
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

int ps_secret_make(char *text)
{
    uint8_t bytes[SECRET_BYTES];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -EIO;
    encode(bytes, sizeof(bytes), text);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return 0;
}

int ps_secret_make_id(size_t n, char *text)
{
    uint8_t bytes[MAX_ID_BYTES];

    if (n > sizeof(bytes) || getrandom(bytes, n, 0) != (ssize_t)n)
        return -EIO;
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

bool ps_secret_plain(const char *text)
{
    size_t len = strnlen(text, PS_SECRET_MAX + 1);

    return len >= PS_SECRET_MIN && len <= PS_SECRET_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789-_.~+/=") == len;
}

void ps_secret_hash(const char *text, uint8_t *ret_hash)
{
    SHA256((const unsigned char *)text, strlen(text), ret_hash);
}

bool ps_secret_equal(const uint8_t *a, const uint8_t *b)
{
    return CRYPTO_memcmp(a, b, PS_SECRET_HASH) == 0;
}

void ps_secret_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}
