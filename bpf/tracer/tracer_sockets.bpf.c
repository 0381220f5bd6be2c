// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Every socket of the host, as binary records.
 *
 * `owned` walks the open files of all processes and thus sees the sockets of
 * all network namespaces with who holds them. `tcp` and `udp` walk the hash
 * tables of the namespace in which the iterator was opened, and add those
 * that nobody holds: TIME-WAIT, SYN-RECV, orphans, the kernel's own.
 */
#include "bpf/lib/load.h"
#include "bpf/tracer/tracer_abi.h"

#define SOCKFS_MAGIC  0x534F434B
#define TCP_TIME_WAIT 6
#define TCP_LISTEN    10

#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* The helper takes tracing programs' sockets from 5.12 on. */
const volatile bool gives_cookies = true;

/*
 * Fields are loaded without helpers: at 50,000 sockets, each seen twice, what
 * a record costs decides. `direct` (bpf/lib/load.h) is false only for sockets
 * that this kernel gives no typed pointer of.
 */

/* Identity, addresses and ports: all kinds of sock have these. */
static __always_inline void fill_common(struct sock_common *skc, bool direct,
                                        struct ps_tracer_sock *rec)
{
    struct net *net = ps_load(direct, skc, skc_net.net);

    rec->addr = (__u64)skc;
    rec->cookie = (__u64)ps_load(direct, skc, skc_cookie.counter);
    rec->netns = ps_load(direct, net, ns.inum);
    rec->ifindex = (__u32)ps_load(direct, skc, skc_bound_dev_if);
    rec->state = ps_load(direct, skc, skc_state);
    rec->lport = ps_load(direct, skc, skc_num);
    rec->rport = bpf_ntohs(ps_load(direct, skc, skc_dport));
    if (ps_load(direct, skc, skc_family) == AF_INET6) {
        __be32 *laddr = (__be32 *)rec->laddr, *raddr = (__be32 *)rec->raddr;

        rec->family = 6;
        for (int i = 0; i < 4; i++) {
            laddr[i] =
                ps_load(direct, skc, skc_v6_rcv_saddr.in6_u.u6_addr32[i]);
            raddr[i] = ps_load(direct, skc, skc_v6_daddr.in6_u.u6_addr32[i]);
        }
    } else {
        rec->family = 4;
        *(__be32 *)rec->laddr = ps_load(direct, skc, skc_rcv_saddr);
        *(__be32 *)rec->raddr = ps_load(direct, skc, skc_daddr);
    }
}

static __always_inline void fill_tcp(struct tcp_sock *tp, struct sock *sk,
                                     bool direct, struct ps_tracer_sock *rec)
{
    __s32 unread;

    rec->srtt_us = ps_load(direct, tp, srtt_us);
    rec->retransmits = ps_load(direct, tp, total_retrans);
    rec->has |= PS_SOCK_TCP_INFO;
    if (rec->state == TCP_LISTEN) {
        rec->recv_queue = ps_load(direct, sk, sk_ack_backlog);
        rec->send_queue = ps_load(direct, sk, sk_max_ack_backlog);
        rec->requests = (__u32)ps_load(
            direct, tp, inet_conn.icsk_accept_queue.qlen.counter);
        return;
    }
    unread =
        (__s32)(ps_load(direct, tp, rcv_nxt) - ps_load(direct, tp, copied_seq));
    rec->recv_queue = unread > 0 ? (__u32)unread : 0;
    rec->send_queue = ps_load(direct, tp, write_seq) -
                      ps_load(direct, tp, snd_una);
}

static __always_inline void fill_datagram(struct sock *sk, bool direct,
                                          struct ps_tracer_sock *rec)
{
    __u32 wmem = (__u32)ps_load(direct, sk, sk_wmem_alloc.refs.counter);
    __u32 rmem = (__u32)ps_load(direct, sk, sk_backlog.rmem_alloc.counter);

    if (rec->proto == IPPROTO_UDP && rec->type == SOCK_DGRAM)
        rmem -=
            (__u32)BPF_CORE_READ((const struct udp_sock *)sk, forward_deficit);
    rec->recv_queue = rmem;
    /* One reference is the socket's own. */
    rec->send_queue = wmem ? wmem - 1 : 0;
}

/* What a full sock has beyond sock_common, but for its protocol's. */
static __always_inline void fill_sock(struct sock *sk, bool direct,
                                      struct ps_tracer_sock *rec)
{
    rec->type = (__u8)ps_load(direct, sk, sk_type);
    rec->proto = ps_load(direct, sk, sk_protocol);
    rec->uid = ps_load(direct, sk, sk_uid.val);
    rec->has |= PS_SOCK_UID | PS_SOCK_QUEUES;
}

static __always_inline __u64 inode_of(struct sock *sk, bool direct)
{
    struct socket *sock = ps_load(direct, sk, sk_socket);
    struct socket_alloc *sa;

    if (!sock)
        return 0;
    sa = container_of(sock, struct socket_alloc, socket);
    return BPF_CORE_READ(sa, vfs_inode.i_ino);
}

static __always_inline bool is_wanted(struct sock *sk, bool direct)
{
    __u16 family = ps_load(direct, sk, __sk_common.skc_family);
    __u16 type, proto;

    if (family != AF_INET && family != AF_INET6)
        return false;
    type = ps_load(direct, sk, sk_type);
    proto = ps_load(direct, sk, sk_protocol);
    if (type == SOCK_STREAM)
        return proto == IPPROTO_TCP;
    if (type == SOCK_DGRAM)
        return proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
               proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
    return type == SOCK_RAW;
}

/* What a task holds. */
static __always_inline void fill_owned(struct sock *sk, bool direct,
                                       struct ps_tracer_sock *rec)
{
    struct tcp_sock *tp;

    fill_common(&sk->__sk_common, direct, rec);
    fill_sock(sk, direct, rec);
    if (direct && gives_cookies)
        rec->cookie = bpf_get_socket_cookie(sk);
    if (rec->proto != IPPROTO_TCP || rec->type != SOCK_STREAM) {
        fill_datagram(sk, direct, rec);
        return;
    }
    tp = direct ? bpf_skc_to_tcp_sock(sk) : (struct tcp_sock *)sk;
    if (tp)
        fill_tcp(tp, sk, direct, rec);
}

SEC("iter/task_file")
int owned(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct ps_tracer_sock rec = {};
    struct socket *sock;
    struct sock *sk;

    if (!task || !file)
        return 0;
    if (file->f_inode->i_sb->s_magic != SOCKFS_MAGIC)
        return 0;
    /* From 5.11 on. NULL for O_PATH, as the file's own pointer is. */
    if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_sock_from_file)) {
        sock = bpf_sock_from_file(file);
        sk = sock ? sock->sk : NULL;
        if (!sk || !is_wanted(sk, true))
            return 0;
        fill_owned(sk, true, &rec);
    } else {
        sock = file->private_data;
        sk = BPF_CORE_READ(sock, sk);
        if (!sk || !is_wanted(sk, false))
            return 0;
        fill_owned(sk, false, &rec);
    }
    rec.inode = file->f_inode->i_ino;
    rec.pid = (__u32)task->tgid;
    rec.fd = ctx->fd;
    bpf_probe_read_kernel_str(&rec.comm, sizeof(rec.comm),
                              task->group_leader->comm);
    bpf_seq_write(ctx->meta->seq, &rec, sizeof(rec));
    return 0;
}

SEC("iter/tcp")
int tcp(struct bpf_iter__tcp *ctx)
{
    struct sock_common *skc = ctx->sk_common;
    struct ps_tracer_sock rec;
    struct tcp_sock *tp;

    if (!skc)
        return 0;
    __builtin_memset(&rec, 0, sizeof(rec));
    fill_common(skc, true, &rec);
    rec.proto = IPPROTO_TCP;
    rec.type = SOCK_STREAM;
    tp = bpf_skc_to_tcp_sock(skc);
    if (tp) {
        struct sock *sk = &tp->inet_conn.icsk_inet.sk;

        fill_sock(sk, true, &rec);
        fill_tcp(tp, sk, true, &rec);
        rec.inode = inode_of(sk, true);
    } else if (rec.state == TCP_TIME_WAIT) {
        struct inet_timewait_sock *tw = (void *)skc;

        /* FIN_WAIT2 is kept in this small form too. */
        rec.state = BPF_CORE_READ(tw, tw_substate);
    }
    bpf_seq_write(ctx->meta->seq, &rec, sizeof(rec));
    return 0;
}

SEC("iter/udp")
int udp(struct bpf_iter__udp *ctx)
{
    struct udp_sock *up = ctx->udp_sk;
    struct ps_tracer_sock rec;
    struct sock *sk;

    if (!up)
        return 0;
    sk = &up->inet.sk;
    __builtin_memset(&rec, 0, sizeof(rec));
    fill_common(&sk->__sk_common, true, &rec);
    fill_sock(sk, true, &rec);
    fill_datagram(sk, true, &rec);
    rec.inode = inode_of(sk, true);
    bpf_seq_write(ctx->meta->seq, &rec, sizeof(rec));
    return 0;
}
