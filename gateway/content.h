/* SPDX-License-Identifier: MIT */
/*
 * A body that is answered many times: held once, with its head lines, its
 * entity tag and, once somebody takes it, its gzip form. Immutable but for
 * that; counted references; one thread.
 */
/*
 * Compression and secrets (BREACH): the size of a compressed body tells what
 * repeats in it, so a secret must never stand in one beside text that an
 * attacker chooses and a browser sends by itself. Here only answers of GET
 * and files are compressed. They hold no token, cookie or key; they do not
 * repeat the request; and no other site's page can make a browser send one
 * with the user's rights, since tokens come in a header or a SameSite=Strict
 * cookie. What shows a new token once answers a POST, and is never compressed;
 * nor are errors, which do repeat the request.
 */
#ifndef PS_GATEWAY_CONTENT_H
#define PS_GATEWAY_CONTENT_H

#include "common/util.h"

/* Smaller ones fit a packet or two as they are. */
#define PS_CONTENT_GZIP_MIN 1024

struct ps_content;

/* One form of it; lives as long as the content. */
struct ps_content_form {
    char *data;
    size_t len;
    char etag[48]; /* with its quotes */
    /* Lines with CRLF: what stands in a 304 too, then what does not. */
    char *head;
    size_t shared_len, head_len;
};

/*
 * Takes data (malloc'd; also on error). type and cache_control are
 * constants. gzip: whether it may be compressed. One reference.
 */
int ps_content_new(char *data, size_t len, const char *type,
                   const char *cache_control, bool gzip,
                   struct ps_content **ret_content);
struct ps_content *ps_content_ref(struct ps_content *content);
void ps_content_unref(struct ps_content *content);
void ps_content_unrefp(struct ps_content **content);

/* The gzip form where it is wanted, possible and smaller; else the plain. */
const struct ps_content_form *ps_content_form(struct ps_content *content,
                                              bool gzip);
/* What it holds now, with the forms made so far. */
size_t ps_content_bytes(const struct ps_content *content);

#endif
