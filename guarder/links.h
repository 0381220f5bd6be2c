/* SPDX-License-Identifier: MIT */
/* The interfaces of this network namespace, as rtnetlink tells them. */
#ifndef PS_GUARDER_LINKS_H
#define PS_GUARDER_LINKS_H

#include "common/options.h"
#include "common/util.h"

#define PS_LINKS_MAX 1024

struct ps_netif {
    uint32_t ifindex;
    char name[16];
    uint16_t type; /* ARPHRD_* */
    bool up;
    bool enslaved; /* port of a bridge, of a bond, ... */
};

struct ps_links {
    struct ps_netif *list; /* PS_LINKS_MAX of room */
    size_t n;
    uint64_t left_out; /* more interfaces than room */
};

int ps_links_new(struct ps_links **ret_links);
void ps_links_free(struct ps_links **links);

/*
 * Adds the interfaces of one buffer of netlink messages; hostile until
 * checked. ret_done: the dump's end was in it. -EBADMSG: malformed; -EINTR:
 * the list changed while it was read; otherwise the kernel's error.
 */
int ps_links_parse(struct ps_links *links, const void *data, size_t len,
                   bool *ret_done);

/* Replaces the list by what is there now. */
int ps_links_read(struct ps_links *links);

const struct ps_netif *ps_links_by_name(const struct ps_links *links,
                                        const char *name);
const struct ps_netif *ps_links_by_index(const struct ps_links *links,
                                         uint32_t ifindex);

/*
 * Whether the option `interfaces` wants it: named, or "auto" stands in the
 * list and it is an Ethernet interface that is up and nobody's port.
 */
bool ps_links_wanted(const struct ps_netif *netif,
                     const struct ps_strlist *interfaces);
/* NULL, or why the programs cannot read its packets. */
const char *ps_links_unfit(const struct ps_netif *netif);

/* A socket that becomes readable when an interface changes. */
int ps_links_watch(int *ret_fd);
/* Reads all that is there; a lost message counts as a change too. */
void ps_links_drain(int fd);

#endif
