/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Included first by every BPF program: types of the kernel and of libbpf. */
#ifndef PS_BPF_COMPAT_H
#define PS_BPF_COMPAT_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* A parameter that only others need. */
#define PS_UNUSED __attribute__((unused))

#define ETH_P_IP     0x0800
#define ETH_P_ARP    0x0806
#define ETH_P_8021Q  0x8100
#define ETH_P_8021AD 0x88A8
#define ETH_P_IPV6   0x86DD
#define ETH_HLEN     14

#ifndef AF_INET
#define AF_INET  2
#define AF_INET6 10
#endif

#endif
