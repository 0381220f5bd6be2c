/* SPDX-License-Identifier: MIT */
#include "gateway/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "gateway/content.h"
#include "gateway/problem.h"

#define MAX_PATH  1024
#define MAX_KEPT  (32u << 20) /* bytes of files in memory, with their gzip */
#define MAX_FILES 512

/* A file as it was read; another time or size is another file. */
struct kept {
    TAILQ_ENTRY(kept) link;
    char *name;
    struct timespec mtime;
    off_t size;
    ino_t inode;
    struct ps_content *content;
};
TAILQ_HEAD(kept_list, kept);

struct ps_files {
    int dir_fd;
    struct kept_list kept; /* the last used first */
    size_t n;
};

struct type {
    const char *extension, *type;
    bool gzip; /* is not compressed already */
};

static const struct type types[] = {
    {"html", "text/html; charset=utf-8", true},
    {"js", "text/javascript; charset=utf-8", true},
    {"mjs", "text/javascript; charset=utf-8", true},
    {"css", "text/css; charset=utf-8", true},
    {"json", "application/json", true},
    {"map", "application/json", true},
    {"webmanifest", "application/manifest+json", true},
    {"svg", "image/svg+xml", true},
    {"png", "image/png", false},
    {"ico", "image/x-icon", false},
    {"webp", "image/webp", false},
    {"woff", "font/woff", false},
    {"woff2", "font/woff2", false},
    {"wasm", "application/wasm", true},
    {"txt", "text/plain; charset=utf-8", true},
};

/* A page of the console, and a file of a name that says nothing. */
static const struct type page = {"", "text/html; charset=utf-8", true};
static const struct type unknown = {"", "application/octet-stream", false};

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
    TAILQ_INIT(&files->kept);
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

static void kept_free(struct ps_files *files, struct kept *kept)
{
    TAILQ_REMOVE(&files->kept, kept, link);
    files->n--;
    ps_content_unref(kept->content);
    free(kept->name);
    free(kept);
}

void ps_files_free(struct ps_files **files)
{
    struct kept *kept;

    if (!*files)
        return;
    while ((kept = TAILQ_FIRST(&(*files)->kept)))
        kept_free(*files, kept);
    if ((*files)->dir_fd >= 0)
        close((*files)->dir_fd);
    free(*files);
    *files = NULL;
}

/* ---- files in memory ---------------------------------------------------- */

static bool is_same(const struct kept *kept, const struct stat *st)
{
    return kept->inode == st->st_ino && kept->size == st->st_size &&
           kept->mtime.tv_sec == st->st_mtim.tv_sec &&
           kept->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

/* NULL: not there, or it has changed. */
static struct ps_content *find_kept(struct ps_files *files, const char *name,
                                    const struct stat *st)
{
    struct kept *kept;

    TAILQ_FOREACH(kept, &files->kept, link)
    {
        if (!ps_streq(kept->name, name))
            continue;
        if (!is_same(kept, st)) {
            kept_free(files, kept);
            return NULL;
        }
        TAILQ_REMOVE(&files->kept, kept, link);
        TAILQ_INSERT_HEAD(&files->kept, kept, link);
        return kept->content;
    }
    return NULL;
}

static void trim(struct ps_files *files)
{
    struct kept *kept;
    size_t bytes = 0;

    TAILQ_FOREACH(kept, &files->kept, link)
    bytes += ps_content_bytes(kept->content);
    while (bytes > MAX_KEPT || files->n > MAX_FILES) {
        kept = TAILQ_LAST(&files->kept, kept_list);
        bytes -= ps_content_bytes(kept->content);
        kept_free(files, kept);
    }
}

static void keep(struct ps_files *files, const char *name,
                 const struct stat *st, struct ps_content *content)
{
    struct kept *kept = calloc(1, sizeof(*kept));

    if (kept)
        kept->name = strdup(name);
    if (!kept || !kept->name) {
        free(kept);
        return;
    }
    kept->mtime = st->st_mtim;
    kept->size = st->st_size;
    kept->inode = st->st_ino;
    kept->content = ps_content_ref(content);
    TAILQ_INSERT_HEAD(&files->kept, kept, link);
    files->n++;
    trim(files);
}

/* All of it: a file that is being replaced may be shorter than it said. */
static int read_file(int fd, size_t size, char **ret_data)
{
    _cleanup_free_ char *data = malloc(size + 1);
    size_t have = 0;
    ssize_t n = 1;

    if (!data)
        return -ENOMEM;
    while (have < size && n > 0) {
        n = read(fd, data + have, size - have);
        have += n > 0 ? (size_t)n : 0;
    }
    if (have < size)
        return n < 0 ? -errno : -EIO;
    *ret_data = TAKE_PTR(data);
    return 0;
}

/* A reference of the caller's. */
static int load(struct ps_files *files, const char *name, int fd,
                const struct stat *st, const struct type *type, bool immutable,
                struct ps_content **ret_content)
{
    struct ps_content *content = find_kept(files, name, st);
    char *data = NULL;
    int r;

    if (content) {
        *ret_content = ps_content_ref(content);
        return 0;
    }
    r = read_file(fd, (size_t)st->st_size, &data);
    if (r == 0)
        r = ps_content_new(data, (size_t)st->st_size, type->type,
                           immutable ? "public, max-age=31536000, immutable"
                                     : "no-cache",
                           type->gzip, &content);
    if (r < 0)
        return r;
    keep(files, name, st, content);
    *ret_content = content;
    return 0;
}

/* ---- answers ------------------------------------------------------------ */

/* Of a file that this table knows; NULL: a page, even when its last segment
 * has a dot, as in /hosts/192.0.2.1. */
static const struct type *type_of(const struct ps_path *path)
{
    const char *last = path->n ? path->segments[path->n - 1] : "";
    const char *dot = strrchr(last, '.');

    for (size_t i = 0; dot && i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i].extension, dot + 1) == 0)
            return &types[i];
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

/* -ENOENT: no such file that may be served. */
static int open_file(struct ps_files *files, const char *name, int *ret_fd,
                     struct stat *ret_st)
{
    _cleanup_close_ int fd = files && *name ? open_below(files->dir_fd, name)
                                            : -1;

    if (fd < 0 || fstat(fd, ret_st) < 0 || !S_ISREG(ret_st->st_mode) ||
        ret_st->st_size > PS_FILES_MAX_BYTES)
        return -ENOENT;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

void ps_files_serve(struct ps_files *files, struct ps_http_request *req,
                    const struct ps_path *path)
{
    _cleanup_(ps_content_unrefp) struct ps_content *content = NULL;
    const struct type *type = type_of(path);
    char name[MAX_PATH] = "index.html";
    bool assets = path->n > 1 && ps_streq(path->segments[0], "assets");
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (!files && path->n == 0) {
        reply_missing(req);
        return;
    }
    if (!type && !assets)
        type = &page;
    else if (join(path, name, sizeof(name)) < 0)
        name[0] = '\0';
    if (open_file(files, name, &fd, &st) < 0)
        ps_problem_fail(req, 404, "file.not_found", NULL,
                        "There is no such page or file.");
    /* The names below assets/ hold a hash of what is in them. */
    else if (load(files, name, fd, &st, type ? type : &unknown, assets,
                  &content) < 0)
        ps_problem_fail(req, 500, "gateway.file", NULL,
                        "The file cannot be read.");
    else
        ps_http_reply_content(req, content, NULL);
}
