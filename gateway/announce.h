/* SPDX-License-Identifier: MIT */
/*
 * gateway.announce: an instance says where it answers. Who may connect to the
 * gateway's request socket may announce: the file's owner and group (mode
 * 0660), or who has a certificate. What is said is checked all the same.
 */
#ifndef PS_GATEWAY_ANNOUNCE_H
#define PS_GATEWAY_ANNOUNCE_H

#include "gateway/peers.h"

struct ps_announce_problem {
    const char *id; /* a constant */
    uint32_t status;
    const char *field; /* NULL: none */
    char text[400];
};

/*
 * Whether the texts of an announcement may be what they should be; looks at
 * nothing else. -EINVAL with what is wrong.
 */
int ps_announce_check(const Ps__Announcement *msg,
                      struct ps_announce_problem *ret_problem);

extern const struct ps_method ps_gateway_methods[]; /* arg: the gateway */

#endif
