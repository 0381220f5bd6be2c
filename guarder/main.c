/* SPDX-License-Identifier: MIT */
/* ps-guarder: rules on packets, enforced in XDP. */
#include <linux/capability.h>

#include "guarder/guarder.h"

/*
 * BPF: programs, links and, where unprivileged bpf() is off, even updates of
 * maps. NET_ADMIN: attaching to interfaces that come later.
 */
static const int keep_caps[] = {CAP_BPF, CAP_NET_ADMIN, -1};

static const struct ps_service service = {
    .name = "guarder",
    .summary = "Enforces rules on packets in XDP, also while it does not run.",
    .options = ps_guarder_options,
    .config_size = sizeof(struct ps_guarder_config),
    .methods = ps_guarder_methods,
    .keep_caps = keep_caps,
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
