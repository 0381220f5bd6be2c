/* SPDX-License-Identifier: MIT */
/* Addresses that are no place in the world: IANA's registries of special
 * purpose addresses (RFC 6890 and what was added since). */
#ifndef PS_LOCATOR_SPECIAL_H
#define PS_LOCATOR_SPECIAL_H

#include "common/net.h"

/* A constant ("private", "loopback", ...); NULL for a global unicast one. */
const char *ps_special_name(const struct ps_addr *addr);

#endif
