/* SPDX-License-Identifier: MIT */
/* The calling thread in another network namespace, for a moment. */
#ifndef PS_TRACER_NETNS_ENTER_H
#define PS_TRACER_NETNS_ENTER_H

#include "common/net.h"
#include "common/util.h"

#define PS_NETNS_MAX 1024u

struct ps_netns_visit {
    int home_fd; /* the way back; -1: not open */
    uint32_t home;
    bool away;
};

/* Opens the way back. */
int ps_netns_visit_open(struct ps_netns_visit *ret_visit);
void ps_netns_visit_close(struct ps_netns_visit *visit);

/*
 * Goes to ns, or stays where it is home already. -errno where it is gone or
 * refused; then the thread is where it was. Every enter needs a leave.
 */
int ps_netns_enter(struct ps_netns_visit *visit, const struct ps_netns *ns);
/* Goes home, where it is not. A thread that cannot return must not go on: it
 * aborts. */
void ps_netns_leave(struct ps_netns_visit *visit);

/* All namespaces, at most PS_NETNS_MAX; ret_missed: how many more there are. */
int ps_netns_all(struct ps_netns **ret_list, size_t *ret_n, size_t *ret_missed);

#endif
