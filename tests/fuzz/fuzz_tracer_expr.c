/* SPDX-License-Identifier: MIT */
/*
 * An expression and a frame: refused with a sentence, or it gives what
 * libpcap's own interpreter gives. Input: the expression, a zero, the frame.
 * And instructions that libpcap did not make: refused, or they end.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/types.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <pcap/pcap.h>

#include "tests/fuzz/fuzz.h"
#include "tracer/expr.h"

/* What the kernel's side is written against. */
#define bpf_ntohl ntohl

/* Four bytes are read at the last one: the frame has room behind it. */
#define PS_PCAP_READ(dst, size, src) (memcpy(dst, src, size), 0)
#include "bpf/tracer/pcap.h"

#define MOST_FRAME 4096

/* ---- the resolver: nobody may ask it ------------------------------------ */

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **ret)
{
    typedef int (*fn)(const char *, const char *, const struct addrinfo *,
                      struct addrinfo **);
    struct in6_addr addr;

    REQUIRE(!node || inet_pton(AF_INET, node, &addr) == 1 ||
            inet_pton(AF_INET6, node, &addr) == 1);
    return ((fn)dlsym(RTLD_NEXT, "getaddrinfo"))(node, service, hints, ret);
}

int getnetbyname_r(const char *name _unused_, struct netent *net _unused_,
                   char *buf _unused_, size_t len _unused_,
                   struct netent **ret _unused_, int *err _unused_)
{
    abort(); /* a network's name */
}

int ether_hostton(const char *name _unused_, struct ether_addr *addr _unused_)
{
    abort(); /* a station's name */
}

/* ---- both --------------------------------------------------------------- */

static bool run(const struct ps_expr *expr, const uint8_t *frame, size_t size)
{
    static struct ps_tracer_insn insns[PS_TRACER_INSNS];
    struct ps_pcap_vm vm = {.frame = {.base = (uintptr_t)frame,
                                      .cap = (uint32_t)size,
                                      .len = (uint32_t)size}};
    uint32_t steps = 1;

    memcpy(insns, expr->insns, sizeof(expr->insns));
    vm.todo = 1;
    ps_pcap_begin(&vm, 0);
    while (!ps_pcap_step(&vm, insns))
        REQUIRE(++steps <= expr->steps);
    return vm.matched;
}

static void compare(const char *text, const uint8_t *data, size_t size)
{
    static uint8_t frame[MOST_FRAME + 8];
    struct pcap_pkthdr header = {.caplen = (uint32_t)size,
                                 .len = (uint32_t)size};
    struct bpf_program program;
    struct ps_expr expr;
    char error[384] = "";
    pcap_t *pcap;

    if (ps_expr_compile(text, &expr, error, sizeof(error)) < 0) {
        REQUIRE(error[0]);
        return;
    }
    memcpy(frame, data, size);
    pcap = pcap_open_dead(DLT_EN10MB, 262144);
    REQUIRE(pcap);
    REQUIRE(!pcap_compile(pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN));
    REQUIRE((pcap_offline_filter(&program, &header, frame) != 0) ==
            run(&expr, frame, size));
    pcap_freecode(&program);
    pcap_close(pcap);
}

static void any_program(const uint8_t *data, size_t size)
{
    struct bpf_insn insns[64];
    static uint8_t frame[64 + 8];
    size_t n = size / sizeof(insns[0]);
    struct ps_expr expr;
    char error[384] = "";

    if (n > ARRAY_SIZE(insns))
        n = ARRAY_SIZE(insns);
    memcpy(insns, data, n * sizeof(insns[0]));
    if (ps_expr_translate(insns, n, &expr, error, sizeof(error)) < 0)
        REQUIRE(error[0]);
    else
        run(&expr, frame, 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[PS_EXPR_TEXT + 2];
    size_t len = strnlen((const char *)data, size);

    any_program(data, size);
    if (len >= sizeof(text))
        len = sizeof(text) - 1;
    memcpy(text, data, len);
    text[len] = '\0';
    data += len;
    size -= len;
    if (size) {
        data++;
        size--;
    }
    compare(text, data, size < MOST_FRAME ? size : MOST_FRAME);
    return 0;
}
