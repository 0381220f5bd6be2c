/* SPDX-License-Identifier: MIT */
#include "tracer/filter.h"

#include <net/if.h>
#include <stdarg.h>

#include "common/net.h"

static _printf_(2, 3) int refuse(struct ps_filter_error *error,
                                 const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error->detail, sizeof(error->detail), format, args);
    va_end(args);
    return -EINVAL;
}

/* ---- the tuple ---------------------------------------------------------- */

static int read_addr(const Ps__Ip *ip, uint8_t *value, uint8_t *mask,
                     struct ps_tracer_filter *f, struct ps_filter_error *error)
{
    struct ps_addr addr;

    if (!ip)
        return 0;
    if (ps_addr_from_pb(ip, &addr) < 0)
        return refuse(error, "Give an IPv4 or IPv6 address.");
    if (f->mask.family && f->value.family != addr.family)
        return refuse(error, "Give both addresses of the same family.");
    memcpy(value, addr.bytes, 16);
    memset(mask, 0xff, 16);
    f->value.family = addr.family;
    f->mask.family = 0xff;
    return 0;
}

static int read_port(bool has, uint32_t port, unsigned short *value,
                     unsigned short *mask, struct ps_filter_error *error)
{
    if (!has)
        return 0;
    if (port > UINT16_MAX)
        return refuse(error, "Give a port from 0 to 65535.");
    *value = (unsigned short)port;
    *mask = UINT16_MAX;
    return 0;
}

static int read_saddr(const Ps__TraceFilter *msg, struct ps_filter *f,
                      struct ps_filter_error *error)
{
    return read_addr(msg->saddr, f->kernel.value.saddr, f->kernel.mask.saddr,
                     &f->kernel, error);
}

static int read_daddr(const Ps__TraceFilter *msg, struct ps_filter *f,
                      struct ps_filter_error *error)
{
    return read_addr(msg->daddr, f->kernel.value.daddr, f->kernel.mask.daddr,
                     &f->kernel, error);
}

static int read_sport(const Ps__TraceFilter *msg, struct ps_filter *f,
                      struct ps_filter_error *error)
{
    return read_port(msg->has_sport, msg->sport, &f->kernel.value.sport,
                     &f->kernel.mask.sport, error);
}

static int read_dport(const Ps__TraceFilter *msg, struct ps_filter *f,
                      struct ps_filter_error *error)
{
    return read_port(msg->has_dport, msg->dport, &f->kernel.value.dport,
                     &f->kernel.mask.dport, error);
}

static int read_proto(const Ps__TraceFilter *msg, struct ps_filter *f,
                      struct ps_filter_error *error)
{
    if (!msg->proto)
        return 0;
    if (msg->proto->number > UINT8_MAX)
        return refuse(error, "Give a protocol's name or a number to 255.");
    f->kernel.value.proto = (uint8_t)msg->proto->number;
    f->kernel.mask.proto = 0xff;
    return 0;
}

/* ---- the rest ----------------------------------------------------------- */

static int read_netns(const Ps__TraceFilter *msg, struct ps_filter *f,
                      struct ps_filter_error *error)
{
    if (msg->has_netns && !msg->netns)
        return refuse(error, "Give the inode number of a network namespace, "
                             "as sockets show it.");
    f->kernel.netns = msg->has_netns ? msg->netns : 0;
    return 0;
}

static int read_expr(const Ps__TraceFilter *msg, struct ps_filter *f,
                     struct ps_filter_error *error)
{
    if (!msg->expr)
        return 0;
    return ps_expr_compile(msg->expr, &f->expr, error->detail,
                           sizeof(error->detail));
}

static int read_inner(const Ps__TraceFilter *msg, struct ps_filter *f,
                      struct ps_filter_error *error _unused_)
{
    f->inner = msg->has_inner && msg->inner;
    return 0;
}

static int read_ifname(const Ps__TraceFilter *msg, struct ps_filter *f,
                       struct ps_filter_error *error)
{
    size_t len;

    if (!msg->ifname)
        return 0;
    len = strlen(msg->ifname);
    if (!len || len >= IF_NAMESIZE || strpbrk(msg->ifname, "/ \t\r\n"))
        return refuse(error, "Give an interface's name, of 1 to %d characters.",
                      IF_NAMESIZE - 1);
    memcpy(f->kernel.ifname, msg->ifname, len);
    f->kernel.flags |= PS_FF_IFNAME;
    return 0;
}

static int read_mark(const Ps__TraceFilter *msg, struct ps_filter *f,
                     struct ps_filter_error *error)
{
    uint32_t mask = msg->has_mark_mask ? msg->mark_mask : UINT32_MAX;

    if (!msg->has_mark)
        return 0;
    if (msg->mark & ~mask)
        return refuse(error, "No mark fits: give one whose bits are all in "
                             "mark_mask.");
    f->kernel.mark = msg->mark;
    f->kernel.mark_mask = mask;
    f->kernel.flags |= PS_FF_MARK;
    return 0;
}

static int read_mark_mask(const Ps__TraceFilter *msg,
                          struct ps_filter *f _unused_,
                          struct ps_filter_error *error)
{
    if (msg->has_mark_mask && !msg->has_mark)
        return refuse(error, "Give mark too.");
    return 0;
}

static int read_pid(const Ps__TraceFilter *msg, struct ps_filter *f,
                    struct ps_filter_error *error)
{
    if (!msg->has_pid)
        return 0;
    if (!msg->pid || msg->pid > INT32_MAX)
        return refuse(error, "Give the number of a process, 1 or more.");
    f->process.pid = msg->pid;
    return 0;
}

static int read_cgroup(const Ps__TraceFilter *msg, struct ps_filter *f,
                       struct ps_filter_error *error)
{
    size_t len;

    if (!msg->cgroup)
        return 0;
    len = strlen(msg->cgroup);
    while (len && msg->cgroup[len - 1] == '/')
        len--;
    if (msg->cgroup[0] != '/' || !len)
        return refuse(error, "Give a cgroup's path below the root of the "
                             "cgroups, as sockets show it, such as "
                             "\"/system.slice/ssh.service\".");
    if (strstr(msg->cgroup, "/."))
        return refuse(error, "Give a path without \".\" and \"..\".");
    if (len >= sizeof(f->process.cgroup))
        return refuse(error, "Give a path of at most %zu characters.",
                      sizeof(f->process.cgroup) - 1);
    memcpy(f->process.cgroup, msg->cgroup, len);
    return 0;
}

static int read_container(const Ps__TraceFilter *msg, struct ps_filter *f,
                          struct ps_filter_error *error)
{
    size_t len;

    if (!msg->container)
        return 0;
    len = strlen(msg->container);
    if (len < PS_CONTAINER_SHORT || len > PS_CONTAINER_HEX ||
        strspn(msg->container, "0123456789abcdef") != len)
        return refuse(error,
                      "Give a container's id, %d to %d of the digits "
                      "0 to 9 and a to f.",
                      PS_CONTAINER_SHORT, PS_CONTAINER_HEX);
    memcpy(f->process.container, msg->container, len);
    return 0;
}

static int read_latency(const Ps__TraceFilter *msg, struct ps_filter *f,
                        struct ps_filter_error *error)
{
    f->min_latency_ns = msg->has_min_latency_ns ? msg->min_latency_ns : 0;
    if (f->min_latency_ns > PS_FILTER_MAX_LATENCY_NS)
        return refuse(error,
                      "Give at most %llu ns: a packet is not followed "
                      "for longer.",
                      (unsigned long long)PS_FILTER_MAX_LATENCY_NS);
    return 0;
}

static int read_drops(const Ps__TraceFilter *msg, struct ps_filter *f,
                      struct ps_filter_error *error _unused_)
{
    f->drops_only = msg->has_drops_only && msg->drops_only;
    return 0;
}

static int read_sample(const Ps__TraceFilter *msg, struct ps_filter *f,
                       struct ps_filter_error *error)
{
    if (!msg->has_sample)
        return 0;
    if (!msg->sample)
        return refuse(error, "Give how many packets one is taken of, 1 or "
                             "more.");
    f->kernel.sample = msg->sample > 1 ? msg->sample : 0;
    return 0;
}

static const struct field {
    const char *name;
    int (*read)(const Ps__TraceFilter *msg, struct ps_filter *f,
                struct ps_filter_error *error);
} fields[] = {
    {"filter.saddr", read_saddr},
    {"filter.daddr", read_daddr},
    {"filter.sport", read_sport},
    {"filter.dport", read_dport},
    {"filter.proto", read_proto},
    {"filter.netns", read_netns},
    {"filter.expr", read_expr},
    {"filter.inner", read_inner},
    {"filter.ifname", read_ifname},
    {"filter.mark", read_mark},
    {"filter.mark_mask", read_mark_mask},
    {"filter.pid", read_pid},
    {"filter.cgroup", read_cgroup},
    {"filter.container", read_container},
    {"filter.min_latency_ns", read_latency},
    {"filter.drops_only", read_drops},
    {"filter.sample", read_sample},
};

/* Without any of these it is the traffic of the whole host. */
static bool asks(const Ps__TraceFilter *msg)
{
    return msg &&
           (msg->saddr || msg->daddr || msg->has_sport || msg->has_dport ||
            msg->proto || msg->has_netns || msg->expr || msg->ifname ||
            msg->has_mark || msg->has_pid || msg->cgroup || msg->container);
}

int ps_filter_read(const Ps__TraceFilter *msg, bool exprs,
                   struct ps_filter *ret_filter,
                   struct ps_filter_error *ret_error)
{
    _cleanup_free_ struct ps_filter *f = calloc(1, sizeof(*f));
    int r;

    if (!f)
        return -ENOMEM;
    ret_error->field = "filter";
    if (!asks(msg))
        return refuse(ret_error,
                      "Give at least one of saddr, daddr, sport, dport, proto, "
                      "netns, expr, ifname, mark, pid, cgroup and "
                      "container.");
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        ret_error->field = fields[i].name;
        r = fields[i].read(msg, f, ret_error);
        if (r < 0)
            return r;
    }
    if (f->expr.n && !exprs) {
        ret_error->field = "filter.expr";
        return refuse(ret_error,
                      "This kernel has no bpf_loop() (from 5.17 on), which "
                      "expressions need; ask with the other fields.");
    }
    *ret_filter = *f;
    return 0;
}

Ps__TraceFilter *ps_filter_copy(const Ps__TraceFilter *msg)
{
    size_t len = protobuf_c_message_get_packed_size(&msg->base);
    _cleanup_free_ uint8_t *data = malloc(len ? len : 1);

    if (!data)
        return NULL;
    protobuf_c_message_pack(&msg->base, data);
    return ps__trace_filter__unpack(NULL, len, data);
}

/* ---- what the programs read --------------------------------------------- */

static unsigned long long bit(unsigned int slot, enum ps_tracer_word what,
                              bool on)
{
    return on ? 1ull << (slot + (unsigned int)what) : 0;
}

bool ps_filter_asks_process(const struct ps_filter *f)
{
    return ps_process_asked(&f->process);
}

bool ps_filter_selects(const struct ps_filter *f)
{
    return f->drops_only || f->min_latency_ns;
}

bool ps_filter_is_tuple(const struct ps_filter *f)
{
    return !f->expr.n && !f->kernel.flags && !f->kernel.netns &&
           !ps_filter_asks_process(f);
}

/* Also of a packet whose tuple fits, or was learned. */
static bool asks_of_packet(const struct ps_filter *f)
{
    return f->expr.n || f->kernel.flags || f->kernel.netns || f->kernel.sample;
}

bool ps_filter_asks_more(const struct ps_filter *f)
{
    return asks_of_packet(f) || ps_filter_asks_process(f) ||
           ps_filter_selects(f);
}

/* Of addresses and ports it asks nothing: all sockets' calls would fit. */
static bool asks_only_place(const struct ps_filter *f)
{
    static const struct ps_tracer_tuple none;

    return f->kernel.netns &&
           !memcmp(&f->kernel.mask, &none, sizeof(f->kernel.mask));
}

void ps_filter_install(struct ps_tracer_filters *tracing, unsigned int slot,
                       const struct ps_filter *f)
{
    unsigned long long word = tracing->word;
    bool bank = !(word & bit(slot, PS_FW_BANK, true));
    size_t at = (size_t)slot * PS_TRACER_BANKS + bank;

    tracing->filters[at] = f->kernel;
    memcpy(&tracing->insns[at * PS_TRACER_EXPR_INSNS], f->expr.insns,
           f->expr.n * sizeof(f->expr.insns[0]));
    word &= ~(0x0101010101010101ull << slot);
    word |= bit(slot, PS_FW_ON, true) | bit(slot, PS_FW_BANK, bank) |
            bit(slot, PS_FW_MORE, asks_of_packet(f)) |
            bit(slot, PS_FW_EXPR, f->expr.n > 0) |
            bit(slot, PS_FW_INNER, f->inner) |
            bit(slot, PS_FW_SAMPLE, f->kernel.sample != 0) |
            bit(slot, PS_FW_LEARNED, ps_filter_asks_process(f)) |
            bit(slot, PS_FW_HERE, asks_only_place(f));
    __atomic_store_n(&tracing->word, word, __ATOMIC_SEQ_CST);
}

void ps_filter_remove(struct ps_tracer_filters *tracing, unsigned int slot)
{
    __atomic_store_n(&tracing->word, tracing->word & ~bit(slot, PS_FW_ON, true),
                     __ATOMIC_SEQ_CST);
}
