/* SPDX-License-Identifier: MIT */
/*
 * Records of the function tier's ring, byte for byte as user space finds them,
 * with few different packets so that they meet, and calls of sockets in and
 * around them: each call is a step or a named loss, a packet's calls are in
 * order of time, and what is made of them can be printed.
 */
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/grow.h"
#include "tracer/callers.h"
#include "tracer/calls.h"
#include "tracer/convert.h"
#include "tracer/sockcalls.h"

#define WAYS    8u
#define PACKETS 16u

static void check_way(const struct ps_calls *c, uint32_t way)
{
    uint64_t before = 0;
    uint32_t n = 0;

    for (const struct ps_call *call = ps_calls_first(c, way); call;
         call = ps_calls_next(c, call)) {
        const struct ps_call_place *place = ps_calls_place(c, call);

        REQUIRE(call->time >= before);
        REQUIRE(!place == call->by_socket);
        REQUIRE(!place || memchr(place->ifname, '\0', sizeof(place->ifname)));
        before = call->time;
        n++;
    }
    REQUIRE(n == ps_calls_of(c, way) && n <= PS_CALLS_PER_WAY);
}

/* Stacks of few different functions, so that they meet each other and calls. */
static void check_callers(const struct ps_calls *c, uint32_t way)
{
    struct ps_callers *callers = NULL;
    uint64_t stack[PS_CARRY_FRAMES];

    REQUIRE(ps_callers_new(&callers) == 0);
    for (const struct ps_call *call = ps_calls_first(c, way); call;
         call = ps_calls_next(c, call)) {
        size_t n = call->stack ? call->sp % (PS_CARRY_FRAMES + 1) : 0;
        struct ps_callers_shown shown;

        for (size_t i = 0; i < n; i++)
            stack[i] = (call->sp >> (i % 32)) % 7;
        ps_callers_add(callers, call, call->ip % 7, stack, n, call->sp & 1,
                       &shown);
        REQUIRE(shown.first <= n);
        REQUIRE(shown.call_depth == shown.depth + (n - shown.first));
    }
    ps_callers_free(&callers);
}

static void show(const struct ps_join *join, const struct ps_names *names)
{
    const struct ps_way *way;

    for (uint32_t i = 0; (way = ps_join_way(join, i)); i++) {
        Ps__PacketWay *msg = ps_convert_way(join, way, i, names);
        json_t *json;

        REQUIRE(msg);
        json = ps_json_from_message(&msg->base);
        REQUIRE(json && protobuf_c_message_check(&msg->base));
        json_decref(json);
        ps__packet_way__free_unpacked(msg, NULL);
    }
}

static void read_call(struct grow *g, struct ps_join *join, struct ps_calls *c,
                      struct ps_sockcalls *socks)
{
    struct ps_fn_call call;
    struct ps_tracer_event first;

    grow_fill(g, &call, sizeof(call));
    call.packet = 1 + call.packet % PACKETS;
    if (grow_u8(g) & 1) {
        ps_calls_event(&call, &first);
        ps_calls_name(c, call.packet, PS_CALLS_NONE,
                      ps_join_add(join, &first, true));
        ps_calls_name(c, call.packet, (uint32_t)call.len % (WAYS + 1),
                      PS_JOIN_STEP);
    }
    call.pid %= 4;
    call.returns &= 1;
    ps_sockcalls_packet(socks, &call);
    ps_calls_add(c, &call, call.frames % 4);
}

/* Of any kind; whether it is a socket's call. */
static bool read_return(struct grow *g, struct ps_calls *c,
                        struct ps_sockcalls *socks)
{
    struct ps_fn_return ret;

    grow_fill(g, &ret, sizeof(ret));
    ret.packet = 1 + ret.packet % PACKETS;
    ret.pid %= 4;
    ret.kind = (unsigned char)(PS_FN_RETURN + ret.kind % 3);
    if (ret.kind == PS_FN_RETURN)
        ps_calls_return(c, &ret);
    if (ret.kind == PS_FN_SOCKET)
        ps_sockcalls_add(socks, &ret);
    else
        ps_sockcalls_return(socks, &ret);
    return ret.kind == PS_FN_SOCKET;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grow g = {data, size};
    struct ps_join *join = NULL;
    struct ps_calls *c = NULL;
    struct ps_sockcalls *socks = NULL;
    struct ps_names names = {.tier = "tp_btf", .functions_tier = "kprobe"};
    uint64_t calls = 0, sum = 0, sockets = 0;

    REQUIRE(ps_join_new(WAYS, &join) == 0);
    REQUIRE(ps_calls_new(WAYS, &c) == 0);
    REQUIRE(ps_sockcalls_new(c, &socks) == 0);
    while (g.left > 0) {
        if (grow_u8(&g) % 3) {
            read_call(&g, join, c, socks);
            calls++;
        } else {
            sockets += read_return(&g, c, socks);
        }
    }
    for (int i = 0; i < PS_JOIN_RESULTS; i++)
        sum += ps_calls_count(c, (enum ps_join_result)i);
    REQUIRE(sum == calls);
    ps_sockcalls_forget(socks);
    for (int i = 0; i < PS_JOIN_RESULTS; i++)
        sockets -= ps_sockcalls_count(socks, (enum ps_join_result)i);
    REQUIRE(sockets == 0);
    for (uint32_t i = 0; i < WAYS; i++) {
        check_way(c, i);
        check_callers(c, i);
    }
    names.calls = c;
    show(join, &names);
    ps_sockcalls_free(&socks);
    ps_calls_free(&c);
    ps_join_free(&join);
    return 0;
}
