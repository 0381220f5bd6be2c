/* SPDX-License-Identifier: MIT */
#include "t.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "gateway/tls.h"

struct fixture {
    char dir[64], cert[96], key[96];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "/tmp/ps-test-tls-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof(f->key), "%s/key.pem", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    unlink(f->cert);
    unlink(f->key);
    rmdir(f->dir);
    free(f);
    return 0;
}

static EVP_PKEY *new_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    assert_non_null(key);
    return key;
}

static void write_key(const struct fixture *f, EVP_PKEY *key, mode_t mode)
{
    FILE *file = fopen(f->key, "w");

    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL),
                     1);
    fclose(file);
    assert_int_equal(chmod(f->key, mode), 0);
}

/* Signed by itself, for so many seconds from now on. */
static void write_cert(const struct fixture *f, EVP_PKEY *key, long seconds)
{
    X509 *cert = X509_new();
    FILE *file = fopen(f->cert, "w");
    X509_NAME *name;

    assert_non_null(cert);
    assert_non_null(file);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
    X509_set_pubkey(cert, key);
    name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    X509_free(cert);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
}

/* That it cannot be used, and that the sentence names the file. */
static void check_refused(const struct fixture *f, const char *named, int want)
{
    struct ps_tls *tls = NULL;
    char *error = NULL;

    assert_int_equal(ps_tls_new(f->cert, f->key, &tls, &error), want);
    assert_null(tls);
    assert_non_null(error);
    assert_non_null(strstr(error, named));
    free(error);
}

static struct ps_tls *make(const struct fixture *f, long seconds)
{
    EVP_PKEY *key = new_key();
    struct ps_tls *tls = NULL;
    char *error = NULL;

    write_key(f, key, 0600);
    write_cert(f, key, seconds);
    assert_int_equal(ps_tls_new(f->cert, f->key, &tls, &error), 0);
    assert_null(error);
    EVP_PKEY_free(key);
    return tls;
}

static void test_good(void **state)
{
    struct ps_tls *tls = make(*state, 3600);
    int64_t left = ps_tls_expires(tls) - (int64_t)(ps_now_ns() / PS_NS_PER_S);
    SSL *ssl = ps_tls_accept(tls);
    char *error = NULL;

    assert_true(left > 3500 && left <= 3600);
    assert_non_null(ssl);
    assert_int_equal(SSL_get_min_proto_version(ssl), TLS1_2_VERSION);
    assert_true(SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION);
    assert_int_equal(ps_tls_readable(tls, &error), 0);
    /* A connection outlives the certificate that it began with. */
    ps_tls_free(&tls);
    assert_non_null(SSL_get_certificate(ssl));
    SSL_free(ssl);
}

static void test_refused(void **state)
{
    const struct fixture *f = *state;
    EVP_PKEY *key = new_key(), *other = new_key();

    check_refused(f, f->cert, -ENOENT);
    write_cert(f, key, 3600);
    check_refused(f, f->key, -ENOENT);
    write_key(f, key, 0604);
    check_refused(f, f->key, -EPERM);
    write_key(f, other, 0600);
    check_refused(f, f->key, -EINVAL);
    write_text(f->key, "no key\n");
    check_refused(f, f->key, -EINVAL);
    write_key(f, key, 0640);
    write_text(f->cert, "");
    check_refused(f, f->cert, -EINVAL);
    write_text(f->cert, "-----BEGIN CERTIFICATE-----\nx\n"
                        "-----END CERTIFICATE-----\n");
    check_refused(f, f->cert, -EINVAL);
    unlink(f->cert);
    assert_int_equal(mkfifo(f->cert, 0600), 0);
    check_refused(f, f->cert, -EINVAL);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

/* A second certificate that is cut off is not taken for the end of the file. */
static void test_broken_chain(void **state)
{
    const struct fixture *f = *state;
    struct ps_tls *tls = make(f, 3600);
    FILE *file = fopen(f->cert, "a");

    assert_non_null(file);
    fputs("-----BEGIN CERTIFICATE-----\nMIIB\n", file);
    fclose(file);
    check_refused(f, f->cert, -EINVAL);
    ps_tls_free(&tls);
}

static void test_reload(void **state)
{
    const struct fixture *f = *state;
    struct ps_tls *tls = make(f, 3600);
    int64_t first = ps_tls_expires(tls);
    EVP_PKEY *key = new_key();
    char *error = NULL;
    SSL *ssl;

    /* Half of it is there: as when a new one is being put in place. */
    write_key(f, key, 0600);
    assert_int_equal(ps_tls_reload(tls, &error), -EINVAL);
    assert_non_null(error);
    free(TAKE_PTR(error));
    write_cert(f, key, -10);
    assert_int_equal(ps_tls_reload(tls, &error), -EKEYEXPIRED);
    assert_non_null(error);
    free(TAKE_PTR(error));
    assert_true(ps_tls_expires(tls) == first);
    ssl = ps_tls_accept(tls);
    assert_int_equal(EVP_PKEY_eq(SSL_get_privatekey(ssl), key), 0);
    SSL_free(ssl);
    write_cert(f, key, 7200);
    assert_int_equal(ps_tls_reload(tls, &error), 0);
    assert_null(error);
    assert_true(ps_tls_expires(tls) > first);
    ssl = ps_tls_accept(tls);
    assert_int_equal(EVP_PKEY_eq(SSL_get_privatekey(ssl), key), 1);
    SSL_free(ssl);
    EVP_PKEY_free(key);
    ps_tls_free(&tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
