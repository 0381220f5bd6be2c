/* SPDX-License-Identifier: MIT */
/*
 * The console's files, below one directory that cannot be left: neither by
 * ".." nor by a link. What was asked for lately is held in memory, with its
 * gzip form, up to a bound; a file that has changed is read again.
 */
#ifndef PS_GATEWAY_FILES_H
#define PS_GATEWAY_FILES_H

#include "gateway/http.h"
#include "gateway/url.h"

#define PS_FILES_MAX_BYTES (8u << 20)

struct ps_files;

/* Opens the directory; -ENOENT too when it holds no index.html. */
int ps_files_open(const char *dir, struct ps_files **ret_files);
void ps_files_free(struct ps_files **files);

/*
 * Answers GET or HEAD. A path whose last segment has no extension is the
 * console's own and gets index.html. files NULL: says what is missing.
 */
void ps_files_serve(struct ps_files *files, struct ps_http_request *req,
                    const struct ps_path *path);

#endif
