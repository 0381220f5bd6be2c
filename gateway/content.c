/* SPDX-License-Identifier: MIT */
#include "gateway/content.h"

#include <openssl/sha.h>
#include <zlib.h>

/* Half the time of zlib's own choice for some percent more bytes. */
#define GZIP_LEVEL  4
#define GZIP_WINDOW (15 + 16) /* 16: with gzip's own head and sum */
#define TAG_BYTES   16        /* of the SHA-256 */

struct ps_content {
    size_t refs;
    struct ps_content_form plain, gzip;
    const char *type, *cache_control;
    bool can_gzip; /* and was not tried in vain */
};

static void form_clear(struct ps_content_form *form)
{
    free(form->data);
    free(form->head);
    *form = (struct ps_content_form){0};
}

static int make_head(const struct ps_content *content,
                     struct ps_content_form *form)
{
    char *shared = NULL;
    int n = asprintf(&shared, "ETag: %s\r\nCache-Control: %s\r\n%s", form->etag,
                     content->cache_control,
                     content->can_gzip ? "Vary: Accept-Encoding\r\n" : "");

    if (n < 0)
        return -ENOMEM;
    form->shared_len = (size_t)n;
    n = asprintf(&form->head, "%sContent-Type: %s\r\n%sContent-Length: %zu\r\n",
                 shared, content->type,
                 form == &content->gzip ? "Content-Encoding: gzip\r\n" : "",
                 form->len);
    free(shared);
    if (n < 0) {
        form->head = NULL;
        return -ENOMEM;
    }
    form->head_len = (size_t)n;
    return 0;
}

static void make_tag(struct ps_content_form *form)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    size_t at = 1;

    SHA256((const unsigned char *)form->data, form->len, hash);
    form->etag[0] = '"';
    for (size_t i = 0; i < TAG_BYTES; i++, at += 2)
        snprintf(form->etag + at, sizeof(form->etag) - at, "%02x", hash[i]);
    memcpy(form->etag + at, "\"", 2);
}

int ps_content_new(char *data, size_t len, const char *type,
                   const char *cache_control, bool gzip,
                   struct ps_content **ret_content)
{
    struct ps_content *content = calloc(1, sizeof(*content));

    if (!content) {
        free(data);
        return -ENOMEM;
    }
    content->refs = 1;
    content->plain.data = data;
    content->plain.len = len;
    content->type = type;
    content->cache_control = cache_control;
    content->can_gzip = gzip && len >= PS_CONTENT_GZIP_MIN && len <= UINT32_MAX;
    make_tag(&content->plain);
    if (make_head(content, &content->plain) < 0) {
        ps_content_unref(content);
        return -ENOMEM;
    }
    *ret_content = content;
    return 0;
}

struct ps_content *ps_content_ref(struct ps_content *content)
{
    content->refs++;
    return content;
}

void ps_content_unref(struct ps_content *content)
{
    if (!content || --content->refs > 0)
        return;
    form_clear(&content->plain);
    form_clear(&content->gzip);
    free(content);
}

void ps_content_unrefp(struct ps_content **content)
{
    ps_content_unref(*content);
}

/* -EFBIG: it would not be smaller. */
static int compress_form(const struct ps_content_form *plain,
                         struct ps_content_form *gzip)
{
    z_stream stream = {0};
    uLong bound;
    int r;

    if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    bound = deflateBound(&stream, (uLong)plain->len);
    gzip->data = malloc(bound);
    stream.next_in = (Bytef *)plain->data;
    stream.avail_in = (uInt)plain->len;
    stream.next_out = (Bytef *)gzip->data;
    stream.avail_out = (uInt)bound;
    r = gzip->data && deflate(&stream, Z_FINISH) == Z_STREAM_END ? 0 : -ENOMEM;
    gzip->len = stream.total_out;
    deflateEnd(&stream);
    return r == 0 && gzip->len >= plain->len ? -EFBIG : r;
}

static int make_gzip(struct ps_content *content)
{
    struct ps_content_form *gzip = &content->gzip;
    const char *tag = content->plain.etag;
    int r = compress_form(&content->plain, gzip);
    char *fit;

    if (r < 0)
        return r;
    fit = realloc(gzip->data, gzip->len);
    if (fit)
        gzip->data = fit;
    /* Another tag: it is another sequence of bytes. */
    snprintf(gzip->etag, sizeof(gzip->etag), "%.*s-gz\"", (int)strlen(tag) - 1,
             tag);
    return make_head(content, gzip);
}

const struct ps_content_form *ps_content_form(struct ps_content *content,
                                              bool gzip)
{
    if (!gzip || !content->can_gzip)
        return &content->plain;
    if (!content->gzip.head && make_gzip(content) < 0) {
        /* The plain head keeps its Vary: it was sent with it before. */
        form_clear(&content->gzip);
        content->can_gzip = false;
        return &content->plain;
    }
    return &content->gzip;
}

size_t ps_content_bytes(const struct ps_content *content)
{
    return sizeof(*content) + content->plain.len + content->plain.head_len +
           content->gzip.len + content->gzip.head_len;
}
