/* SPDX-License-Identifier: MIT */
#include "tracer/sockscan.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/array.h"
#include "common/bpf.h"
#include "tracer/sockstat.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include "tracer_sockets.skel.h"
#pragma GCC diagnostic pop

#define READ_BYTES (256u << 10)
/* The kernel gives up a pass that is long and finds nothing. */
#define MAX_RETRIES 64
/* Lines of a /proc/net file that are read. */
#define MAX_LINES 65536

struct ps_sockscan {
    struct tracer_sockets_bpf *skel;
    uint8_t buffer[READ_BYTES];
};

static int load(struct ps_sockscan *scan, bool gives_cookies)
{
    int r;

    scan->skel = tracer_sockets_bpf__open();
    if (!scan->skel)
        return -errno;
    scan->skel->rodata->gives_cookies = gives_cookies;
    r = tracer_sockets_bpf__load(scan->skel);
    if (r < 0) {
        tracer_sockets_bpf__destroy(scan->skel);
        scan->skel = NULL;
    }
    return r;
}

int ps_sockscan_open(struct ps_sockscan **ret_scan, char *reason,
                     size_t reason_size)
{
    _cleanup_(ps_sockscan_free) struct ps_sockscan *scan = NULL;
    int r;

    scan = calloc(1, sizeof(*scan));
    if (!scan)
        return -ENOMEM;
    r = load(scan, true);
    if (r < 0)
        r = load(scan, false);
    if (r == 0)
        r = tracer_sockets_bpf__attach(scan->skel);
    if (r < 0) {
        snprintf(reason, reason_size, "%s", ps_bpf_reason(r));
        return r;
    }
    *ret_scan = TAKE_PTR(scan);
    return 0;
}

void ps_sockscan_free(struct ps_sockscan **scan)
{
    if (!*scan)
        return;
    tracer_sockets_bpf__destroy((*scan)->skel);
    free(*scan);
    *scan = NULL;
}

uint64_t ps_sockscan_memory(const struct ps_sockscan *scan)
{
    return ps_bpf_object_memory(scan->skel->obj);
}

/* ---- iterators ---------------------------------------------------------- */

typedef int (*record_fn)(void *arg, const struct ps_tracer_sock *rec);

/* Reads may end within a record: the rest stays at the buffer's start. */
static int read_records(struct ps_sockscan *scan, int fd, record_fn fn,
                        void *arg)
{
    size_t used = 0, done;
    int retries = 0, r;
    ssize_t n;

    for (;;) {
        n = read(fd, scan->buffer + used, sizeof(scan->buffer) - used);
        if (n < 0 && (errno == EAGAIN || errno == EINTR) &&
            retries++ < MAX_RETRIES)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        used += (size_t)n;
        for (done = 0; used - done >= sizeof(struct ps_tracer_sock);
             done += sizeof(struct ps_tracer_sock)) {
            struct ps_tracer_sock rec;

            memcpy(&rec, scan->buffer + done, sizeof(rec));
            r = fn(arg, &rec);
            if (r < 0)
                return r;
        }
        used -= done;
        memmove(scan->buffer, scan->buffer + done, used);
    }
}

static int run_iterator(struct ps_sockscan *scan, const struct bpf_link *link,
                        record_fn fn, void *arg)
{
    _cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));

    return fd < 0 ? -errno : read_records(scan, fd, fn, arg);
}

static int add_to_table(void *arg, const struct ps_tracer_sock *rec)
{
    return ps_socktable_add(arg, rec);
}

/* ---- /proc/net ---------------------------------------------------------- */

/* Kinds that have no iterator everywhere: only what no process holds is new
 * here. */
static const struct proc_file {
    const char *path;
    unsigned int family;
    uint16_t proto; /* 0: the port's field says it */
    uint8_t type;
} proc_files[] = {
    {"/proc/thread-self/net/raw", 4, 0, SOCK_RAW},
    {"/proc/thread-self/net/raw6", 6, 0, SOCK_RAW},
    {"/proc/thread-self/net/icmp", 4, IPPROTO_ICMP, SOCK_DGRAM},
    {"/proc/thread-self/net/icmp6", 6, IPPROTO_ICMPV6, SOCK_DGRAM},
};

static int read_proc(const struct proc_file *file, uint32_t netns,
                     struct ps_socktable *table)
{
    _cleanup_fclose_ FILE *f = fopen(file->path, "re");
    struct ps_tracer_sock rec;
    char line[512];
    int r;

    if (!f) /* a kernel without this kind */
        return 0;
    for (size_t i = 0; i < MAX_LINES && fgets(line, sizeof(line), f); i++) {
        if (ps_sock_parse_proc(line, file->family, &rec) < 0)
            continue;
        rec.netns = netns;
        rec.type = file->type;
        rec.proto = file->proto ? file->proto : rec.lport;
        r = ps_socktable_add(table, &rec);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- all of it ---------------------------------------------------------- */

/* What of a namespace's sockets the open files have shown. */
struct shown {
    uint64_t tcp, udp, requests;
};

static void count_shown(const struct ps_sockscan_result *result,
                        struct shown *shown)
{
    size_t at = 0;

    for (size_t i = 0; i < ps_socktable_len(result->table); i++) {
        const struct ps_tracer_sock *rec =
            &ps_socktable_get(result->table, i)->rec;

        /* Those of a process come one after the other. */
        if (!result->n_netns)
            return;
        if (result->netns[at].inum != rec->netns)
            for (at = 0; at + 1 < result->n_netns &&
                         result->netns[at].inum != rec->netns;)
                at++;
        if (result->netns[at].inum != rec->netns)
            continue;
        shown[at].tcp += rec->type == SOCK_STREAM;
        shown[at].udp +=
            rec->type == SOCK_DGRAM &&
            (rec->proto == IPPROTO_UDP || rec->proto == IPPROTO_UDPLITE);
        shown[at].requests += rec->requests;
    }
}

/*
 * The tables of a namespace are walked only for what no process holds: that
 * goes through the sockets of all namespaces, for each of them again.
 */
static int scan_here(struct ps_sockscan *scan, uint32_t netns,
                     const struct shown *shown, struct ps_socktable *table)
{
    struct ps_sockstat stat = {0};
    bool known = ps_sockstat_read(&stat) == 0;
    int r = 0;

    if (!known || stat.tcp != shown->tcp || stat.time_wait || shown->requests)
        r = run_iterator(scan, scan->skel->links.tcp, add_to_table, table);
    if (r == 0 && (!known || stat.udp != shown->udp))
        r = run_iterator(scan, scan->skel->links.udp, add_to_table, table);
    for (size_t i = 0; i < ARRAY_SIZE(proc_files) && r == 0; i++)
        r = read_proc(&proc_files[i], netns, table);
    return r;
}

static int scan_namespaces(struct ps_sockscan *scan,
                           struct ps_sockscan_result *result)
{
    _cleanup_(ps_netns_visit_close) struct ps_netns_visit visit = {
        .home_fd = -1};
    _cleanup_free_ struct shown *shown = NULL;
    int r;

    r = ps_netns_visit_open(&visit);
    if (r < 0)
        return r;
    shown = calloc(result->n_netns ? result->n_netns : 1, sizeof(*shown));
    if (!shown)
        return -ENOMEM;
    count_shown(result, shown);
    for (size_t i = 0; i < result->n_netns; i++) {
        const struct ps_netns *ns = &result->netns[i];

        /* One that went meanwhile is not missed. */
        r = ps_netns_enter(&visit, ns);
        if (r < 0) {
            result->missed_netns += r != -ENOENT && r != -ESRCH;
            continue;
        }
        r = scan_here(scan, ns->inum, &shown[i], result->table);
        ps_netns_leave(&visit);
        if (r < 0)
            return r;
    }
    return 0;
}

void ps_sockscan_result_free(struct ps_sockscan_result *result)
{
    ps_socktable_free(&result->table);
    free(result->netns);
    *result = (struct ps_sockscan_result){0};
}

int ps_sockscan_run(struct ps_sockscan *scan,
                    struct ps_sockscan_result *ret_result)
{
    _cleanup_(ps_sockscan_result_free) struct ps_sockscan_result result = {0};
    size_t missed = 0;
    int r;

    r = ps_socktable_new(&result.table);
    if (r < 0)
        return r;
    r = ps_netns_all(&result.netns, &result.n_netns, &missed);
    if (r < 0)
        return r;
    result.missed_netns = missed;
    r = run_iterator(scan, scan->skel->links.owned, add_to_table, result.table);
    if (r == 0)
        r = scan_namespaces(scan, &result);
    if (r < 0)
        return r;
    *ret_result = result;
    result = (struct ps_sockscan_result){0};
    return 0;
}

/* ---- who holds ---------------------------------------------------------- */

struct held {
    const struct ps_sock_holder *holder;
    struct ps_sock_cgroup cache;
    struct ps_tracer_sock *socks;
    uint32_t n, cap;
};

static bool has_text(const char *text)
{
    return text && *text;
}

/* The cgroup named, or one below it. */
static bool is_below(const char *path, const char *above)
{
    size_t len = strlen(above);

    while (len && above[len - 1] == '/')
        len--;
    return !strncmp(path, above, len) && (!path[len] || path[len] == '/');
}

static bool is_held(struct held *h, uint32_t pid)
{
    const struct ps_sock_holder *who = h->holder;

    if (who->pid && pid != who->pid)
        return false;
    if (!has_text(who->cgroup) && !has_text(who->container))
        return true;
    if (h->cache.pid != pid) {
        ps_cgroup_of(pid, &h->cache.cgroup);
        h->cache.pid = pid;
    }
    if (has_text(who->cgroup) && !is_below(h->cache.cgroup.path, who->cgroup))
        return false;
    return !has_text(who->container) ||
           !strncmp(h->cache.cgroup.container, who->container,
                    strlen(who->container));
}

static int add_held(void *arg, const struct ps_tracer_sock *rec)
{
    struct held *h = arg;

    int r;

    if (!is_held(h, rec->pid))
        return 0;
    r = ps_array_reserve(&h->socks, &h->cap, h->n + 1, PS_SOCKTABLE_MAX,
                         sizeof(*h->socks));
    if (r < 0)
        return r;
    h->socks[h->n++] = *rec;
    return 0;
}

int ps_sockscan_held(struct ps_sockscan *scan,
                     const struct ps_sock_holder *holder,
                     struct ps_tracer_sock **ret_socks, size_t *ret_n)
{
    struct held h = {.holder = holder};
    int r = run_iterator(scan, scan->skel->links.owned, add_held, &h);

    if (r < 0) {
        free(h.socks);
        return r;
    }
    *ret_socks = h.socks;
    *ret_n = h.n;
    return 0;
}
