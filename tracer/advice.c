/* SPDX-License-Identifier: MIT */
#include "tracer/advice.h"

static bool same_function(const char *wanted, const char *function)
{
    size_t len = strcspn(function, ".");

    return strlen(wanted) == len && !strncmp(wanted, function, len);
}

static bool applies(const struct ps_advice *a, const char *subsystem,
                    const char *reason, const char *function)
{
    if ((a->subsystem || subsystem) && !ps_streq(a->subsystem, subsystem))
        return false;
    if (a->reason && !ps_streq(a->reason, reason))
        return false;
    return !a->function || (function && same_function(a->function, function));
}

static const struct ps_advice *search(const struct ps_advice *table, size_t n,
                                      const char *subsystem, const char *reason,
                                      const char *function)
{
    for (size_t i = 0; i < n; i++)
        if (applies(&table[i], subsystem, reason, function))
            return &table[i];
    return NULL;
}

const struct ps_advice *ps_advice_find(const char *subsystem,
                                       const char *reason, const char *function)
{
    const struct ps_advice *found;

    if (ps_streq(subsystem, "core"))
        subsystem = NULL;
    if (!reason && !subsystem)
        return NULL;
    found =
        search(ps_advice_sock, ps_advice_sock_n, subsystem, reason, function);
    return found ? found
                 : search(ps_advice_net, ps_advice_net_n, subsystem, reason,
                          function);
}
