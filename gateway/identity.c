/* SPDX-License-Identifier: MIT */
#include "gateway/identity.h"

const char *ps_role_name(enum ps_role role)
{
    static const char *const names[] = {
        [PS_ROLE_NONE] = "none",
        [PS_ROLE_VIEWER] = "viewer",
        [PS_ROLE_OPERATOR] = "operator",
        [PS_ROLE_ADMIN] = "admin",
    };

    return names[role];
}
