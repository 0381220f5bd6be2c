/* SPDX-License-Identifier: MIT */
/* Addresses, protocols, interfaces and network namespaces as text. */
#ifndef PS_COMMON_NET_H
#define PS_COMMON_NET_H

#include <netinet/in.h>

#include "common/types.h"
#include "common/util.h"

/*
 * An address of either family. IPv4 stands in the first four bytes, the rest
 * is zero, so that two are equal when memcmp says so.
 */
struct ps_addr {
    uint8_t family; /* 4, 6, or 0: none */
    uint8_t bytes[16];
};

#define PS_ADDR_TEXT 46

int ps_addr_parse(const char *text, struct ps_addr *ret_addr);
/* text has PS_ADDR_TEXT bytes; "" for none. Returns text. */
const char *ps_addr_format(const struct ps_addr *addr, char *text);
bool ps_addr_equal(const struct ps_addr *a, const struct ps_addr *b);
bool ps_addr_in_prefix(const struct ps_addr *addr, const struct ps_addr *net,
                       unsigned int len);

/* Length of 4 or 16; -EINVAL otherwise. */
int ps_addr_from_pb(const Ps__Ip *ip, struct ps_addr *ret_addr);
/* A new message, freed with its parent; NULL without memory or for none. */
Ps__Ip *ps_addr_to_pb(const struct ps_addr *addr);
Ps__Time *ps_time_to_pb(uint64_t unix_ns);
Ps__IpProto *ps_ipproto_to_pb(uint32_t number);

/* "tcp" for 6 ...; NULL where this table has none. */
const char *ps_ipproto_name(uint32_t number);
/* By name or decimal number; -EINVAL. */
int ps_ipproto_parse(const char *text, uint32_t *ret_number);

/*
 * Network namespaces of this host, by inode number: those of /run/netns, of
 * every process, and our own.
 */
struct ps_netns {
    uint32_t inum;
    char name[64];  /* of /run/netns, "" where it has none there */
    char path[128]; /* that setns() can open: /run/netns/x or /proc/N/ns/net */
};

/*
 * Fills at most max; ret_n may be larger than max when there were more. Named
 * ones come first. Our own may have a path below our /proc entry, which means
 * another namespace after a setns() of this thread: open it before.
 */
int ps_netns_list(struct ps_netns *list, size_t max, size_t *ret_n);
/* Inode number of the calling thread's namespace. */
int ps_netns_self(uint32_t *ret_inum);

#endif
