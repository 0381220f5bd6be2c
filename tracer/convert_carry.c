/* SPDX-License-Identifier: MIT */
/* What events carried along: stacks and bytes. */
#include "common/json.h"
#include "tracer/convert.h"

/* What stands in a stack because a program looks at it, up to the tracepoint
 * itself: kernel/trace/bpf_trace.c, include/trace/bpf_probe.h, and programs. */
static bool is_ours(const char *function)
{
    static const char *const begins[] = {
        "bpf_prog_",     "bpf_trace_run", "__bpf_trace_",
        "bpf_get_stack", "__traceiter_",  "bpf_trampoline_",
    };

    for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
        if (!strncmp(function, begins[i], strlen(begins[i])))
            return true;
    return false;
}

static int add_frame(Ps__Step *step, const char *function, uint32_t offset)
{
    Ps__Frame *frame = (Ps__Frame *)ps_message_new(&ps__frame__descriptor);

    if (!frame)
        return -ENOMEM;
    step->stack[step->n_stack++] = frame;
    frame->function = strdup(function);
    frame->has_offset = 1;
    frame->offset = offset;
    return frame->function ? 0 : -ENOMEM;
}

int ps_convert_stack(Ps__Step *step, const struct ps_step *s,
                     const struct ps_names *names)
{
    const uint64_t *frames;
    uint32_t n, offset;
    int r = 0;

    frames = ps_carry_stack(names->carry, s->stack, &n);
    if (!frames || !names->ksyms)
        return 0;
    step->stack = calloc(n, sizeof(*step->stack));
    if (!step->stack)
        return -ENOMEM;
    for (uint32_t i = 0; i < n && r == 0; i++) {
        const char *function = ps_ksyms_find(names->ksyms, frames[i], &offset);

        if (!function || (step->n_stack == 0 && is_ours(function)))
            continue;
        r = add_frame(step, function, offset);
    }
    return r;
}

int ps_convert_bytes(Ps__PacketWay *msg, const struct ps_way *way,
                     const struct ps_names *names)
{
    const uint8_t *bytes;
    uint32_t n;

    bytes = ps_carry_bytes(names->carry, way->first.bytes, &n);
    if (!bytes)
        return 0;
    msg->bytes.data = malloc(n);
    if (!msg->bytes.data)
        return -ENOMEM;
    memcpy(msg->bytes.data, bytes, n);
    msg->bytes.len = n;
    msg->has_bytes = 1;
    return 0;
}
