/* SPDX-License-Identifier: MIT */
#include "gateway/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "gateway/problem.h"

#define MAX_PATH 1024

struct ps_files {
    int dir_fd;
};

static const struct {
    const char *extension, *type;
} types[] = {
    {"html", "text/html; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"ico", "image/x-icon"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"wasm", "application/wasm"},
    {"txt", "text/plain; charset=utf-8"},
};

static int open_below(int dir_fd, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

    return fd < 0 ? -errno : (int)fd;
}

int ps_files_open(const char *dir, struct ps_files **ret_files)
{
    _cleanup_(ps_files_free) struct ps_files *files = calloc(1, sizeof(*files));
    int fd;

    if (!files)
        return -ENOMEM;
    files->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (files->dir_fd < 0)
        return -errno;
    fd = open_below(files->dir_fd, "index.html");
    if (fd < 0)
        return fd;
    close(fd);
    *ret_files = TAKE_PTR(files);
    return 0;
}

void ps_files_free(struct ps_files **files)
{
    if (*files && (*files)->dir_fd >= 0)
        close((*files)->dir_fd);
    free(*files);
    *files = NULL;
}

/* Of a file that this table knows; NULL: a page, even when its last segment
 * has a dot, as in /hosts/192.0.2.1. */
static const char *type_of(const struct ps_path *path)
{
    const char *last = path->n ? path->segments[path->n - 1] : "";
    const char *dot = strrchr(last, '.');

    for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i].extension, dot + 1) == 0)
            return types[i].type;
    return NULL;
}

/* "assets/x.js"; -EINVAL for a '/' that was hidden in a segment. */
static int join(const struct ps_path *path, char *text, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < path->n; i++) {
        int n = snprintf(text + len, size - len, "%s%s", i ? "/" : "",
                         path->segments[i]);

        if (strchr(path->segments[i], '/') || n < 0 || (size_t)n >= size - len)
            return -EINVAL;
        len += (size_t)n;
    }
    return 0;
}

static void reply_missing(struct ps_http_request *req)
{
    static const struct ps_http_field fields[] = {
        {"Content-Type", "text/plain; charset=utf-8"}, {NULL, NULL}};
    struct evbuffer *body = evbuffer_new();

    if (body)
        evbuffer_add_printf(
            body, "PacketScope's gateway.\n\nThe web console is not "
                  "installed: build it (npm run build in web/) and start "
                  "the gateway with\n--console web/dist, or use deploy/up, "
                  "which does both.\n\nThe API is under /api/v1; it is "
                  "described at /api/v1/openapi.json.\n");
    ps_http_reply(req, 200, fields, body);
}

static void reply_file(struct ps_http_request *req, int fd,
                       const struct stat *st, const char *type, bool immutable)
{
    char etag[64];
    struct ps_http_field fields[] = {
        {"Content-Type", type},
        {"ETag", etag},
        {"Cache-Control",
         immutable ? "public, max-age=31536000, immutable" : "no-cache"},
        {NULL, NULL}};
    const char *known = ps_head_find(&req->head, "if-none-match");
    struct evbuffer *body;

    snprintf(etag, sizeof(etag), "\"%llx-%llx\"",
             (unsigned long long)st->st_mtim.tv_sec * PS_NS_PER_S +
                 (unsigned long long)st->st_mtim.tv_nsec,
             (unsigned long long)st->st_size);
    if (ps_streq(known, etag)) {
        close(fd);
        ps_http_reply(req, 304, fields, NULL);
        return;
    }
    body = evbuffer_new();
    /* sendfile(): a mapping would fault where the file is cut meanwhile. */
    if (body)
        evbuffer_set_flags(body, EVBUFFER_FLAG_DRAINS_TO_FD);
    if (!body ||
        (st->st_size > 0 && evbuffer_add_file(body, fd, 0, st->st_size) < 0)) {
        if (body)
            evbuffer_free(body);
        close(fd);
        ps_problem_fail(req, 500, "gateway.file", NULL,
                        "The file cannot be read.");
        return;
    }
    if (st->st_size == 0)
        close(fd);
    ps_http_reply(req, 200, fields, body);
}

void ps_files_serve(struct ps_files *files, struct ps_http_request *req,
                    const struct ps_path *path)
{
    const char *type = type_of(path);
    char name[MAX_PATH] = "index.html";
    bool assets = path->n > 1 && ps_streq(path->segments[0], "assets");
    struct stat st;
    int fd = -ENOENT;

    if (!files && path->n == 0) {
        reply_missing(req);
        return;
    }
    if (!type && !assets)
        type = "text/html; charset=utf-8";
    else if (join(path, name, sizeof(name)) < 0)
        name[0] = '\0';
    if (files && name[0])
        fd = open_below(files->dir_fd, name);
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
                    st.st_size > PS_FILES_MAX_BYTES)) {
        close(fd);
        fd = -ENOENT;
    }
    if (fd < 0)
        ps_problem_fail(req, 404, "file.not_found", NULL,
                        "There is no such page or file.");
    else
        reply_file(req, fd, &st, type ? type : "application/octet-stream",
                   assets);
}
