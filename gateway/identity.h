/* SPDX-License-Identifier: MIT */
/* Who asks, and what it may. Plain data. */
#ifndef PS_GATEWAY_IDENTITY_H
#define PS_GATEWAY_IDENTITY_H

#include "common/util.h"

#define PS_TOKEN_ID_TEXT 32

/* Ordered: each may what those before it may. */
enum ps_role {
    PS_ROLE_NONE, /* no token is asked for */
    PS_ROLE_VIEWER,
    PS_ROLE_OPERATOR,
    PS_ROLE_ADMIN,
};

/* How a request says who it is from. */
enum ps_access {
    PS_ACCESS_BEARER, /* a program, by a header of its own */
    PS_ACCESS_COOKIE, /* a browser, which sends it without being asked */
};

struct ps_identity {
    char name[64]; /* the token's: the actor in the daemons' records */
    char token_id[PS_TOKEN_ID_TEXT];
    enum ps_role role;
    bool payload;        /* may see what packets carry */
    uint64_t expires_ns; /* Unix time; 0: never */
    enum ps_access by;
    /* SHA-256 of what was sent, and of the token that it stands for. */
    uint8_t hash[32], token[32];
};

/* "viewer"; a constant. */
const char *ps_role_name(enum ps_role role);

#endif
