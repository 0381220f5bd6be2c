/* SPDX-License-Identifier: MIT */
#include "tracer/nft.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tracer/netns_enter.h"

#define READ_BYTES (64u << 10)
/* Namespaces whose rules are known at a time. */
#define MAX_NETNS 16u
/* To read all rules of one; while it is read nothing else is done. */
#define READ_NS (100 * PS_NS_PER_MS)
/* A namespace that could not be read is left alone for so long. */
#define RETRY_NS PS_NS_PER_S
/* Rules that are looked at between two ticks. */
#define BUDGET 100000u

struct place {
    uint32_t netns; /* 0: free */
    int fd;         /* a socket in it; -1: it cannot be read */
    bool asked;     /* since the last tick */
    bool good;
    uint64_t retry;
    struct ps_nft_rules rules;
};

struct ps_nft {
    struct place places[MAX_NETNS];
    size_t next; /* the one that leaves */
    uint32_t budget;
    uint8_t buffer[READ_BYTES];
};

int ps_nft_new(struct ps_nft **ret_nft)
{
    struct ps_nft *n = calloc(1, sizeof(*n));

    if (!n)
        return -ENOMEM;
    for (size_t i = 0; i < MAX_NETNS; i++)
        n->places[i].fd = -1;
    n->budget = BUDGET;
    *ret_nft = n;
    return 0;
}

static void place_clear(struct place *p)
{
    ps_closep(&p->fd);
    ps_nft_rules_clear(&p->rules);
    *p = (struct place){.fd = -1};
}

void ps_nft_rest(struct ps_nft *n)
{
    for (size_t i = 0; i < MAX_NETNS; i++)
        place_clear(&n->places[i]);
}

void ps_nft_free(struct ps_nft **nft)
{
    if (!*nft)
        return;
    ps_nft_rest(*nft);
    free(*nft);
    *nft = NULL;
}

void ps_nft_tick(struct ps_nft *n)
{
    n->budget = BUDGET;
    for (size_t i = 0; i < MAX_NETNS; i++)
        n->places[i].asked = false;
}

/* ---- the kernel --------------------------------------------------------- */

static int open_here(int *ret_fd)
{
    const struct timeval patience = {0, READ_NS / 1000};
    _cleanup_close_ int fd = -1;

    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
                             sizeof(patience)) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int open_in(uint32_t netns, int *ret_fd)
{
    _cleanup_(ps_netns_visit_close) struct ps_netns_visit visit = {
        .home_fd = -1};
    _cleanup_free_ struct ps_netns *list = NULL;
    size_t n = 0, missed = 0;
    int r = ps_netns_visit_open(&visit);

    if (r == 0 && netns == visit.home)
        return open_here(ret_fd);
    if (r == 0)
        r = ps_netns_all(&list, &n, &missed);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (list[i].inum != netns)
            continue;
        r = ps_netns_enter(&visit, &list[i]);
        if (r < 0)
            return r;
        r = open_here(ret_fd);
        ps_netns_leave(&visit);
        return r;
    }
    return r < 0 ? r : -ENOENT;
}

/* One question, and all of its answer. */
static int ask(struct ps_nft *n, int fd, uint8_t type, uint16_t flags,
               struct ps_nft_rules *rules)
{
    const struct {
        struct nlmsghdr head;
        struct nfgenmsg gen;
    } request = {
        .head = {.nlmsg_len = sizeof(request),
                 .nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type),
                 .nlmsg_flags = NLM_F_REQUEST | flags},
        .gen = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
    };
    uint64_t until = ps_mono_ns() + READ_NS;
    bool done = false;
    int r = 0;

    if (send(fd, &request, sizeof(request), 0) < 0)
        return -errno;
    while (r == 0 && !done) {
        ssize_t got = recv(fd, n->buffer, sizeof(n->buffer), 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        r = ps_nft_rules_parse(rules, n->buffer, (size_t)got, &done);
        if (r == 0 && !done && ps_mono_ns() > until)
            r = -ETIME;
    }
    return r;
}

/* The same generation before and behind: all of one moment. */
static int read_all(struct ps_nft *n, int fd, struct ps_nft_rules *ret_rules)
{
    static const uint8_t dumps[] = {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN,
                                    NFT_MSG_GETRULE};
    _cleanup_(ps_nft_rules_clear) struct ps_nft_rules rules = {0};
    uint32_t before;
    int r = ask(n, fd, NFT_MSG_GETGEN, 0, &rules);

    before = rules.generation;
    for (size_t i = 0; i < ARRAY_SIZE(dumps) && r == 0; i++)
        r = ask(n, fd, dumps[i], NLM_F_DUMP, &rules);
    if (r == 0)
        r = ask(n, fd, NFT_MSG_GETGEN, 0, &rules);
    if (r == 0 && rules.generation != before)
        r = -EAGAIN;
    if (r < 0)
        return r;
    *ret_rules = rules;
    rules = (struct ps_nft_rules){0};
    return 0;
}

/* ---- namespaces --------------------------------------------------------- */

/* A socket on which an answer may still be coming is of no use. */
static void fail(struct place *p)
{
    uint32_t netns = p->netns;

    place_clear(p);
    p->netns = netns;
    p->asked = true;
    p->retry = ps_mono_ns() + RETRY_NS;
}

static void renew(struct ps_nft *n, struct place *p)
{
    struct ps_nft_rules now = {0}, fresh = {0};
    int r = 0;

    p->asked = true;
    if (p->fd < 0) {
        if (ps_mono_ns() < p->retry)
            return;
        r = open_in(p->netns, &p->fd);
    }
    if (r == 0)
        r = ask(n, p->fd, NFT_MSG_GETGEN, 0, &now);
    if (r == 0 && p->good && now.generation == p->rules.generation)
        return;
    if (r == 0)
        r = read_all(n, p->fd, &fresh);
    if (r < 0) {
        fail(p);
        return;
    }
    ps_nft_rules_clear(&p->rules);
    p->rules = fresh;
    p->good = true;
}

static struct place *place_of(struct ps_nft *n, uint32_t netns)
{
    struct place *p = NULL;

    for (size_t i = 0; i < MAX_NETNS; i++)
        if (n->places[i].netns == netns)
            return &n->places[i];
    p = &n->places[n->next++ % MAX_NETNS];
    place_clear(p);
    p->netns = netns;
    return p;
}

uint16_t ps_nft_find(struct ps_nft *n, uint32_t netns,
                     const struct ps_nft_packet *packet, struct ps_rules *rules)
{
    char id[PS_NFT_ID], comment[PS_NFT_COMMENT] = "";
    struct place *p = netns ? place_of(n, netns) : NULL;
    enum ps_nft_found what;
    uint32_t which = 0;

    if (!p)
        return 0;
    if (!p->asked)
        renew(n, p);
    if (!p->good)
        return 0;
    what = ps_nft_rules_find(&p->rules, packet, &n->budget, &which);
    if (what == PS_NFT_NONE)
        return 0;
    ps_nft_rules_id(&p->rules, what, which, id);
    if (what == PS_NFT_RULE)
        ps_nft_rules_comment(&p->rules, which, comment);
    return ps_rules_put(rules, "nftables", id, comment, true);
}
