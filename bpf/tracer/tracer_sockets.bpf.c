// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Every socket of the host, as binary records.
 *
 * `owned` walks the open files of all processes and thus sees the sockets of
 * all network namespaces with who holds them. `tcp` and `udp` walk the hash
 * tables of the namespace in which the iterator was opened, and add those
 * that nobody holds: TIME-WAIT, SYN-RECV, orphans, the kernel's own.
 */
#include "bpf/lib/compat.h"
#include "bpf/tracer/tracer_abi.h"

#define SOCKFS_MAGIC     0x534F434B
#define TCP_TIME_WAIT    6
#define TCP_CLOSE        7
#define TCP_LISTEN       10
#define TCP_NEW_SYN_RECV 12

#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Identity, addresses and ports: all kinds of sock have these. */
static __always_inline void fill_common(const struct sock_common *skc,
                                        struct ps_tracer_sock *rec)
{
    rec->addr = (__u64)skc;
    rec->cookie = (__u64)BPF_CORE_READ(skc, skc_cookie.counter);
    rec->netns = BPF_CORE_READ(skc, skc_net.net, ns.inum);
    rec->ifindex = (__u32)BPF_CORE_READ(skc, skc_bound_dev_if);
    rec->state = BPF_CORE_READ(skc, skc_state);
    rec->lport = BPF_CORE_READ(skc, skc_num);
    rec->rport = bpf_ntohs(BPF_CORE_READ(skc, skc_dport));
    if (BPF_CORE_READ(skc, skc_family) == AF_INET6) {
        rec->family = 6;
        BPF_CORE_READ_INTO(&rec->laddr, skc, skc_v6_rcv_saddr);
        BPF_CORE_READ_INTO(&rec->raddr, skc, skc_v6_daddr);
    } else {
        rec->family = 4;
        BPF_CORE_READ_INTO(&rec->laddr, skc, skc_rcv_saddr);
        BPF_CORE_READ_INTO(&rec->raddr, skc, skc_daddr);
    }
}

static __always_inline void fill_tcp(const struct tcp_sock *tp,
                                     const struct sock *sk,
                                     struct ps_tracer_sock *rec)
{
    rec->srtt_us = BPF_CORE_READ(tp, srtt_us);
    rec->retransmits = BPF_CORE_READ(tp, total_retrans);
    rec->has |= PS_SOCK_TCP_INFO;
    if (rec->state == TCP_LISTEN) {
        rec->recv_queue = BPF_CORE_READ(sk, sk_ack_backlog);
        rec->send_queue = BPF_CORE_READ(sk, sk_max_ack_backlog);
        return;
    }
    __s32 unread =
        (__s32)(BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq));

    rec->recv_queue = unread > 0 ? (__u32)unread : 0;
    rec->send_queue = BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_una);
}

static __always_inline void fill_datagram(const struct sock *sk,
                                          struct ps_tracer_sock *rec)
{
    __u32 wmem = (__u32)BPF_CORE_READ(sk, sk_wmem_alloc.refs.counter);
    __u32 rmem = (__u32)BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);

    if (rec->proto == IPPROTO_UDP && rec->type == SOCK_DGRAM)
        rmem -=
            (__u32)BPF_CORE_READ((const struct udp_sock *)sk, forward_deficit);
    rec->recv_queue = rmem;
    /* One reference is the socket's own. */
    rec->send_queue = wmem ? wmem - 1 : 0;
}

/* What a full sock has beyond sock_common. */
static __always_inline void fill_sock(const struct sock *sk,
                                      struct ps_tracer_sock *rec)
{
    struct socket *sock = BPF_CORE_READ(sk, sk_socket);

    rec->type = (__u8)BPF_CORE_READ(sk, sk_type);
    if (bpf_core_field_size(sk->sk_protocol) == 2)
        rec->proto = BPF_CORE_READ(sk, sk_protocol);
    else
        rec->proto = (__u16)BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
    rec->uid = BPF_CORE_READ(sk, sk_uid.val);
    rec->has |= PS_SOCK_UID | PS_SOCK_QUEUES;
    if (sock) {
        struct socket_alloc *sa =
            container_of(sock, struct socket_alloc, socket);

        rec->inode = BPF_CORE_READ(sa, vfs_inode.i_ino);
    }
    if (rec->proto == IPPROTO_TCP && rec->type == SOCK_STREAM)
        fill_tcp((const struct tcp_sock *)sk, sk, rec);
    else
        fill_datagram(sk, rec);
}

static __always_inline bool is_wanted(const struct sock *sk)
{
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    __u16 type = BPF_CORE_READ(sk, sk_type);
    __u16 proto = BPF_CORE_READ(sk, sk_protocol);

    if (family != AF_INET && family != AF_INET6)
        return false;
    if (type == SOCK_STREAM)
        return proto == IPPROTO_TCP;
    if (type == SOCK_DGRAM)
        return proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
               proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
    return type == SOCK_RAW;
}

SEC("iter/task_file")
int owned(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct ps_tracer_sock rec;
    struct socket *sock;
    struct sock *sk;

    if (!task || !file)
        return 0;
    if (BPF_CORE_READ(file, f_inode, i_sb, s_magic) != SOCKFS_MAGIC)
        return 0;
    /* NULL for O_PATH. */
    sock = BPF_CORE_READ(file, private_data);
    if (!sock)
        return 0;
    sk = BPF_CORE_READ(sock, sk);
    if (!sk || !is_wanted(sk))
        return 0;
    __builtin_memset(&rec, 0, sizeof(rec));
    fill_common(&sk->__sk_common, &rec);
    fill_sock(sk, &rec);
    rec.pid = (__u32)BPF_CORE_READ(task, tgid);
    rec.fd = ctx->fd;
    BPF_CORE_READ_STR_INTO(&rec.comm, task, group_leader, comm);
    bpf_seq_write(ctx->meta->seq, &rec, sizeof(rec));
    return 0;
}

SEC("iter/tcp")
int tcp(struct bpf_iter__tcp *ctx)
{
    struct sock_common *skc = ctx->sk_common;
    struct ps_tracer_sock rec;

    if (!skc)
        return 0;
    __builtin_memset(&rec, 0, sizeof(rec));
    fill_common(skc, &rec);
    rec.proto = IPPROTO_TCP;
    rec.type = SOCK_STREAM;
    if (rec.state == TCP_TIME_WAIT) {
        struct inet_timewait_sock *tw = (void *)skc;

        /* FIN_WAIT2 is kept in this small form too. */
        rec.state = BPF_CORE_READ(tw, tw_substate);
    } else if (rec.state != TCP_NEW_SYN_RECV) {
        fill_sock((struct sock *)skc, &rec);
    }
    bpf_seq_write(ctx->meta->seq, &rec, sizeof(rec));
    return 0;
}

SEC("iter/udp")
int udp(struct bpf_iter__udp *ctx)
{
    struct sock *sk = (struct sock *)ctx->udp_sk;
    struct ps_tracer_sock rec;

    if (!sk)
        return 0;
    __builtin_memset(&rec, 0, sizeof(rec));
    fill_common(&sk->__sk_common, &rec);
    fill_sock(sk, &rec);
    bpf_seq_write(ctx->meta->seq, &rec, sizeof(rec));
    return 0;
}
