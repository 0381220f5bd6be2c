/* SPDX-License-Identifier: MIT */
/* Probes on the functions that take a packet's socket and no packet. */
#include "tracer/functions_internal.h"

#define MULTI_RETURN 1u

bool ps_functions_has_sockets(const struct ps_functions *f)
{
    return f->progs.socket >= 0 && f->list.sockets > 0;
}

size_t ps_functions_sockets(const struct ps_functions *f)
{
    return f->links[PS_FN_LINK_SOCKET] < 0 ? 0 : f->list.sockets;
}

int ps_functions_attach_sockets(struct ps_functions *f)
{
    _cleanup_(ps_fn_multi_free) struct ps_fn_multi m = {0};
    int r;

    if (!ps_functions_has_sockets(f))
        return -EOPNOTSUPP;
    if (ps_functions_sockets(f))
        return 0;
    r = ps_fn_multi_make(f, f->list.n, f->list.sockets, &m);
    /* Returns first: a call that is seen has its return. */
    if (r == 0 && f->progs.socket_ret >= 0)
        r = ps_fn_multi_put(f, PS_FN_LINK_SOCKET_RET, f->progs.socket_ret,
                            MULTI_RETURN, &m);
    if (r == 0)
        r = ps_fn_multi_put(f, PS_FN_LINK_SOCKET, f->progs.socket, 0, &m);
    if (r < 0)
        ps_functions_detach_sockets(f);
    return r;
}

void ps_functions_detach_sockets(struct ps_functions *f)
{
    if (!ps_functions_sockets(f) && f->links[PS_FN_LINK_SOCKET_RET] < 0)
        return;
    ps_expedite_begin(f->expedite);
    ps_fn_close_link(f, PS_FN_LINK_SOCKET);
    ps_fn_close_link(f, PS_FN_LINK_SOCKET_RET);
    ps_expedite_end(f->expedite);
}
