/* SPDX-License-Identifier: MIT */
/* What other processes can name: cgroups; and texts of /proc/net. */
#include "tracer/cgroup.h"
#include "tracer/sockstat.h"
#include "tracer/socktable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[PS_CGROUP_TEXT];
    struct ps_tracer_sock rec;
    struct ps_cgroup cgroup;
    struct ps_sockstat stat = {0};
    uint8_t state;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    ps_cgroup_parse(text, &cgroup);
    if (strlen(cgroup.container) != 0 &&
        strlen(cgroup.container) != PS_CONTAINER_HEX)
        abort();
    ps_sock_parse_proc(text, 4, &rec);
    ps_sock_parse_proc(text, 6, &rec);
    ps_sock_parse_state(text, &state);
    ps_sockstat_parse(text, &stat);
    return 0;
}
