/* SPDX-License-Identifier: MIT */
/* ps-guarder: rules on packets, enforced in XDP. */
#include <linux/capability.h>

#include "guarder/guarder.h"

/*
 * For all of bpf() before Linux 5.19 where the unprivileged may not use it;
 * measured on 5.10, 6.1 and 6.18. Attaching to interfaces that come later
 * takes a link of a program that is loaded already, which asks for no
 * CAP_NET_ADMIN; new maps are never made after the start.
 */
static const int keep_caps[] = {CAP_BPF, -1};
static const char *const syscalls[] = {"bpf", NULL};

static const struct ps_service service = {
    .name = "guarder",
    .summary = "Enforces rules on packets in XDP, also while it does not run.",
    .options = ps_guarder_options,
    .config_size = sizeof(struct ps_guarder_config),
    .methods = ps_guarder_methods,
    .keep_caps = keep_caps,
    .syscalls = syscalls,
    .single = true,
    .open = ps_guarder_open,
    .start = ps_guarder_start,
    .sample = ps_guarder_sample,
    .stop = ps_guarder_stop,
    .close = ps_guarder_close,
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (ps_streq(argv[i], "--flush"))
            return ps_guarder_flush(argc, argv);
    }
    return ps_service_main(&service, argc, argv);
}
