/* SPDX-License-Identifier: MIT */
/*
 * The programs on the interfaces. Attached by the ladder, by trying:
 * multi-buffer native, native, generic. Another's XDP program is never
 * touched.
 */
#ifndef PS_GUARDER_ATTACH_H
#define PS_GUARDER_ATTACH_H

#include "guarder/kernel.h"
#include "guarder/links.h"
#include "guarder/pins.h"
#include "guarder/ruleset.h"

struct ps_attached {
    uint32_t ifindex;
    char name[16];
    const char *mode; /* constant; NULL: not attached */
    char reason[160]; /* why not, or what is less good; "" */
    bool foreign;     /* another's program is there */
    bool stale;       /* taken over, and not yet made to run our program */
    int link_fd;      /* -1: none */
};

enum ps_attach_change {
    PS_ATTACH_ON,
    PS_ATTACH_OFF,
    PS_ATTACH_FOREIGN,
    PS_ATTACH_FAILED,
};

typedef void (*ps_attach_fn)(void *arg, enum ps_attach_change change,
                             const struct ps_attached *iface);

struct ps_attachments {
    struct ps_attached *list; /* PS_GD_MAX_IFACES of room */
    size_t n;
    uint64_t left_out;          /* interfaces without room */
    struct ps_kernel *kernel;   /* borrowed */
    const struct ps_pins *pins; /* borrowed */
    ps_attach_fn notify;
    void *arg;
};

int ps_attachments_new(struct ps_kernel *kernel, const struct ps_pins *pins,
                       ps_attach_fn notify, void *arg,
                       struct ps_attachments **ret_attachments);
/* What is attached and pinned stays so; what is not pinned ends. */
void ps_attachments_free(struct ps_attachments **attachments);

/* Takes over the pinned links; those of vanished interfaces are removed. */
void ps_attach_take_over(struct ps_attachments *a,
                         const struct ps_links *links);

/*
 * Makes the attachments what they should be: on each of these interfaces that
 * an enabled rule is for. New ones come before old ones go.
 */
void ps_attach_reconcile(struct ps_attachments *a, const struct ps_links *links,
                         const struct ps_strlist *interfaces,
                         const struct ps_ruleset *set);

/* How many interfaces it is attached to now. */
size_t ps_attach_count(const struct ps_attachments *a);

#endif
