/* SPDX-License-Identifier: MIT */
#include "guarder/attach.h"

#include <linux/if_link.h>

#include "common/bpf.h"

int ps_attachments_new(struct ps_kernel *kernel, const struct ps_pins *pins,
                       ps_attach_fn notify, void *arg,
                       struct ps_attachments **ret_attachments)
{
    struct ps_attachments *a = calloc(1, sizeof(*a));

    if (!a)
        return -ENOMEM;
    a->list = calloc(PS_GD_MAX_IFACES, sizeof(*a->list));
    if (!a->list) {
        free(a);
        return -ENOMEM;
    }
    a->kernel = kernel;
    a->pins = pins;
    a->notify = notify;
    a->arg = arg;
    *ret_attachments = a;
    return 0;
}

void ps_attachments_free(struct ps_attachments **attachments)
{
    struct ps_attachments *a = *attachments;

    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++) {
        if (a->list[i].link_fd >= 0)
            close(a->list[i].link_fd);
    }
    free(a->list);
    free(a);
    *attachments = NULL;
}

size_t ps_attach_count(const struct ps_attachments *a)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++)
        n += a->list[i].mode != NULL;
    return n;
}

static void link_name(uint32_t ifindex, char *ret_name, size_t size)
{
    snprintf(ret_name, size, "link_%u", ifindex);
}

static struct ps_attached *find(struct ps_attachments *a, uint32_t ifindex)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->list[i].ifindex == ifindex)
            return &a->list[i];
    }
    return NULL;
}

static struct ps_attached *find_or_add(struct ps_attachments *a,
                                       const struct ps_netif *netif)
{
    struct ps_attached *iface = find(a, netif->ifindex);

    if (iface)
        return iface;
    if (a->n == PS_GD_MAX_IFACES) {
        a->left_out++;
        return NULL;
    }
    iface = &a->list[a->n++];
    *iface = (struct ps_attached){.ifindex = netif->ifindex, .link_fd = -1};
    snprintf(iface->name, sizeof(iface->name), "%s", netif->name);
    return iface;
}

/* ---- off ---------------------------------------------------------------- */

/* At once, not when the last reference happens to go. */
static void detach(struct ps_attachments *a, struct ps_attached *iface)
{
    bool was_on = iface->mode != NULL;
    char name[32];

    if (iface->link_fd >= 0) {
        bpf_link_detach(iface->link_fd);
        close(iface->link_fd);
        iface->link_fd = -1;
    }
    link_name(iface->ifindex, name, sizeof(name));
    ps_pins_remove(a->pins, name);
    iface->mode = NULL;
    iface->stale = false;
    if (was_on)
        a->notify(a->arg, PS_ATTACH_OFF, iface);
}

static void forget(struct ps_attachments *a, struct ps_attached *iface)
{
    detach(a, iface);
    ps_kernel_iface_remove(a->kernel, iface->ifindex);
    *iface = a->list[--a->n];
}

/* ---- on ----------------------------------------------------------------- */

struct rung {
    const char *mode;
    __u32 flags;
    bool frags;
    const char *reason;
};

static const struct rung ladder[] = {
    {"xdp.frags", XDP_FLAGS_DRV_MODE, true, NULL},
    {"xdp", XDP_FLAGS_DRV_MODE, false, NULL},
    {"xdp-generic", XDP_FLAGS_SKB_MODE, true,
     "the driver has no native XDP: slower, and what GRO or GSO made one "
     "packet of counts as one"},
    {"xdp-generic", XDP_FLAGS_SKB_MODE, false,
     "the driver has no native XDP: slower, and what GRO or GSO made one "
     "packet of counts as one"},
};

static int rung_prog(const struct ps_attachments *a, const struct rung *rung)
{
    return rung->frags ? ps_kernel_frags_fd(a->kernel)
                       : ps_kernel_linear_fd(a->kernel);
}

static int climb(struct ps_attachments *a, struct ps_attached *iface,
                 const struct rung **ret_rung)
{
    int fd, r = -EOPNOTSUPP;

    for (size_t i = 0; i < ARRAY_SIZE(ladder); i++) {
        LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = ladder[i].flags);

        if (rung_prog(a, &ladder[i]) < 0)
            continue;
        fd = bpf_link_create(rung_prog(a, &ladder[i]), (int)iface->ifindex,
                             BPF_XDP, &opts);
        if (fd >= 0) {
            *ret_rung = &ladder[i];
            return fd;
        }
        r = fd;
        if (r == -EBUSY || r == -EEXIST || r == -ENODEV)
            break;
    }
    return r;
}

static bool has_program(uint32_t ifindex)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);

    return bpf_xdp_query((int)ifindex, 0, &query) == 0 &&
           query.attach_mode != XDP_ATTACHED_NONE;
}

static void note_foreign(struct ps_attachments *a, struct ps_attached *iface)
{
    bool was = iface->foreign;

    iface->foreign = true;
    snprintf(iface->reason, sizeof(iface->reason),
             "another XDP program is attached and is left in place");
    if (!was)
        a->notify(a->arg, PS_ATTACH_FOREIGN, iface);
}

static void note_failed(struct ps_attachments *a, struct ps_attached *iface,
                        const char *why)
{
    bool again = ps_streq(iface->reason, why);

    iface->foreign = false;
    snprintf(iface->reason, sizeof(iface->reason), "%s", why);
    if (!again)
        a->notify(a->arg, PS_ATTACH_FAILED, iface);
}

/* Pinned before it counts as attached: what cannot outlive us is said. */
static void pin_link(struct ps_attachments *a, struct ps_attached *iface)
{
    char name[32];
    int r;

    link_name(iface->ifindex, name, sizeof(name));
    r = ps_pins_put(a->pins, name, iface->link_fd);
    if (r < 0)
        snprintf(iface->reason, sizeof(iface->reason),
                 "cannot be pinned (%s): it ends with the daemon",
                 strerror(-r));
}

static void attach(struct ps_attachments *a, struct ps_attached *iface)
{
    const struct rung *rung = NULL;
    int fd, r;

    if (has_program(iface->ifindex)) {
        note_foreign(a, iface);
        return;
    }
    r = ps_kernel_iface_add(a->kernel, iface->ifindex);
    if (r < 0) {
        note_failed(a, iface, strerror(-r));
        return;
    }
    fd = climb(a, iface, &rung);
    if (fd == -EBUSY || fd == -EEXIST) {
        note_foreign(a, iface);
        return;
    }
    if (fd < 0) {
        note_failed(a, iface, ps_bpf_reason(fd));
        return;
    }
    iface->link_fd = fd;
    iface->mode = rung->mode;
    iface->foreign = false;
    snprintf(iface->reason, sizeof(iface->reason), "%s",
             rung->reason ? rung->reason : "");
    pin_link(a, iface);
    a->notify(a->arg, PS_ATTACH_ON, iface);
}

/* ---- taking over -------------------------------------------------------- */

/* The interface that a link is on, 0: none any more. */
static uint32_t link_ifindex(int fd, __u32 *ret_prog_id)
{
    struct bpf_link_info info = {0};
    __u32 len = sizeof(info);

    if (bpf_link_get_info_by_fd(fd, &info, &len) < 0 ||
        info.type != BPF_LINK_TYPE_XDP)
        return 0;
    *ret_prog_id = info.prog_id;
    return info.xdp.ifindex;
}

/* In this namespace, and there really the link's program. */
static const char *mode_of(uint32_t ifindex, __u32 prog_id)
{
    LIBBPF_OPTS(bpf_xdp_query_opts, query);

    if (bpf_xdp_query((int)ifindex, 0, &query) < 0)
        return NULL;
    if (query.attach_mode == XDP_ATTACHED_DRV && query.drv_prog_id == prog_id)
        return "xdp";
    if (query.attach_mode == XDP_ATTACHED_SKB && query.skb_prog_id == prog_id)
        return "xdp-generic";
    return NULL;
}

void ps_attach_take_over(struct ps_attachments *a, const struct ps_links *links)
{
    static const size_t max = PS_GD_MAX_IFACES;
    _cleanup_free_ uint32_t *found = calloc(max, sizeof(*found));
    size_t n = found ? ps_pins_links(a->pins, found, max) : 0;

    for (size_t i = 0; i < n; i++) {
        const struct ps_netif *netif = ps_links_by_index(links, found[i]);
        struct ps_attached *iface = NULL;
        const char *mode = NULL;
        __u32 prog_id = 0;
        char name[32];
        int fd;

        link_name(found[i], name, sizeof(name));
        fd = ps_pins_get(a->pins, name);
        if (fd >= 0 && netif && link_ifindex(fd, &prog_id) == found[i])
            mode = mode_of(found[i], prog_id);
        if (mode)
            iface = find_or_add(a, netif);
        if (!iface) {
            /* Of a vanished interface, or of another namespace. */
            if (fd >= 0) {
                bpf_link_detach(fd);
                close(fd);
            }
            ps_pins_remove(a->pins, name);
            ps_kernel_iface_remove(a->kernel, found[i]);
            continue;
        }
        iface->link_fd = fd;
        iface->mode = mode;
        iface->stale = true;
    }
}

/* Runs our program in place of the earlier daemon's: one pointer changes, no
 * packet passes in between. */
static void renew(struct ps_attachments *a, struct ps_attached *iface)
{
    const bool generic = ps_streq(iface->mode, "xdp-generic");
    int r = -EOPNOTSUPP;

    ps_kernel_iface_add(a->kernel, iface->ifindex);
    for (size_t i = 0; i < ARRAY_SIZE(ladder) && r < 0; i++) {
        if (rung_prog(a, &ladder[i]) < 0 ||
            generic != (ladder[i].flags == XDP_FLAGS_SKB_MODE))
            continue;
        r = bpf_link_update(iface->link_fd, rung_prog(a, &ladder[i]), NULL);
        if (r < 0)
            continue;
        iface->mode = ladder[i].mode;
        snprintf(iface->reason, sizeof(iface->reason), "%s",
                 ladder[i].reason ? ladder[i].reason : "");
    }
    iface->stale = false;
    if (r == 0)
        return;
    detach(a, iface);
    attach(a, iface);
}

/* ---- reconciling -------------------------------------------------------- */

static void drop_vanished(struct ps_attachments *a,
                          const struct ps_links *links)
{
    for (size_t i = a->n; i-- > 0;) {
        struct ps_attached *iface = &a->list[i];
        const struct ps_netif *netif = ps_links_by_index(links, iface->ifindex);
        __u32 prog_id;

        if (!netif) {
            forget(a, iface);
            continue;
        }
        snprintf(iface->name, sizeof(iface->name), "%s", netif->name);
        /* Detached by somebody else: to be attached again. */
        if (iface->mode &&
            link_ifindex(iface->link_fd, &prog_id) != iface->ifindex)
            detach(a, iface);
    }
}

static void attach_one(struct ps_attachments *a, const struct ps_netif *netif)
{
    const char *unfit = ps_links_unfit(netif);
    struct ps_attached *iface = find_or_add(a, netif);

    if (!iface)
        return;
    if (unfit)
        note_failed(a, iface, unfit);
    else if (!iface->mode)
        attach(a, iface);
    else if (iface->stale)
        renew(a, iface);
}

static bool is_needed(const struct ps_netif *netif,
                      const struct ps_strlist *interfaces,
                      const struct ps_ruleset *set)
{
    return ps_ruleset_concerns(set, netif->name) &&
           ps_links_wanted(netif, interfaces);
}

void ps_attach_reconcile(struct ps_attachments *a, const struct ps_links *links,
                         const struct ps_strlist *interfaces,
                         const struct ps_ruleset *set)
{
    a->left_out = 0;
    drop_vanished(a, links);
    for (size_t i = 0; i < links->n; i++) {
        if (is_needed(&links->list[i], interfaces, set))
            attach_one(a, &links->list[i]);
    }
    for (size_t i = 0; i < a->n; i++) {
        struct ps_attached *iface = &a->list[i];
        const struct ps_netif *netif = ps_links_by_index(links, iface->ifindex);

        if (netif && is_needed(netif, interfaces, set))
            continue;
        if (iface->mode)
            detach(a, iface);
        iface->foreign = false;
        iface->reason[0] = 0;
    }
}
