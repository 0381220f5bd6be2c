/* SPDX-License-Identifier: MIT */
/* Reasons of sockets and their protocols; see advice.h. */
#include "tracer/advice.h"

const struct ps_advice ps_advice_sock[] = {
    {NULL, "NO_SOCKET", NULL, "no_socket",
     "No socket is bound to this address and port: check in the list of "
     "sockets that the program runs and listens on this address, not only on "
     "another one such as loopback.",
     "net/ipv4/udp.c, net/ipv4/tcp_ipv4.c; RFC 1122 4.1.3.1"},
    {NULL, "SOCKET_CLOSE", NULL, "socket_close",
     "The program closed its socket while packets for it were still queued: "
     "see whether it ended early or reads too little before it closes.",
     "include/net/dropreason-core.h"},
    {NULL, "SOCKET_FILTER", NULL, "socket_filter",
     "A filter that the program attached to its socket (SO_ATTACH_FILTER or "
     "SO_ATTACH_BPF), or a cgroup's ingress program, refused the packet: look "
     "at bpftool cgroup tree and at the program's own filter.",
     "net/core/filter.c (sk_filter_trim_cap)"},
    {NULL, "SOCKET_RCVBUFF", NULL, "socket_rcvbuff",
     "The socket's receive buffer is full because the program reads too "
     "slowly: look at its Recv-Q and CPU time, then raise SO_RCVBUF and "
     "net.core.rmem_max if bursts are expected.",
     "socket(7), udp(7); net/ipv4/udp.c"},
    {NULL, "PKT_TOO_SMALL", NULL, "pkt_too_small",
     "The packet is shorter than its headers say: suspect a broken sender, a "
     "truncating tunnel or driver, and look at its bytes in the export.",
     "include/net/dropreason-core.h; RFC 791"},
    {NULL, "TCP_CSUM", NULL, "tcp_csum",
     "The TCP checksum is wrong: suspect memory or cabling on the way, or a "
     "NIC or virtual switch whose checksum offload is broken (try ethtool -K "
     "DEV rx off tx off).",
     "RFC 9293 3.1; net/ipv4/tcp_ipv4.c"},
    {NULL, "UDP_CSUM", NULL, "udp_csum",
     "The UDP checksum is wrong: suspect memory or cabling on the way, or a "
     "NIC, tunnel or virtual switch whose checksum offload is broken (try "
     "ethtool -K DEV rx off tx off).",
     "RFC 768; RFC 8200 8.1; net/ipv4/udp.c"},
    {NULL, "PROTO_MEM", NULL, "proto_mem",
     "The protocol's memory limit for the whole host is reached: compare "
     "/proc/net/sockstat with net.ipv4.udp_mem and tcp_mem, and find the "
     "sockets with long queues.",
     "Documentation/networking/ip-sysctl.rst (udp_mem, tcp_mem)"},
    {NULL, "TCP_MD5NOTFOUND", NULL, "tcp_md5_not_found",
     "The connection requires a TCP MD5 signature and the segment has none: "
     "configure the same key on both ends (often a BGP peer).",
     "RFC 2385; net/ipv4/tcp.c"},
    {NULL, "TCP_MD5UNEXPECTED", NULL, "tcp_md5_unexpected",
     "The segment has a TCP MD5 signature that this socket does not expect: "
     "configure the key here too or remove it at the peer.",
     "RFC 2385; net/ipv4/tcp.c"},
    {NULL, "TCP_MD5FAILURE", NULL, "tcp_md5_failure",
     "The TCP MD5 signature is wrong: the keys of the two ends differ, or "
     "something on the way (such as NAT) changed the segment.",
     "RFC 2385; net/ipv4/tcp.c"},
    {NULL, "SOCKET_BACKLOG", NULL, "socket_backlog",
     "The socket's backlog is full, because the program holds the socket while "
     "packets keep coming: look at its CPU time, and raise its receive buffer.",
     "net/ipv4/tcp_ipv4.c (tcp_add_backlog)"},
    {NULL, "TCP_FLAGS", NULL, "tcp_flags",
     "The TCP flags make no sense in the connection's state (such as SYN with "
     "FIN, or no ACK where one is due): usually a scan or a broken middlebox.",
     "RFC 9293 3.10.7; net/ipv4/tcp_input.c"},
    {NULL, "TCP_ABORT_ON_DATA", NULL, "tcp_abort_on_data",
     "Data came for a connection that the program had already closed, which "
     "resets it: let the program read to the end, or shut down only its "
     "sending side.",
     "RFC 2525 2.17; net/ipv4/tcp_input.c"},
    {NULL, "TCP_ZEROWINDOW", NULL, "tcp_zero_window",
     "The receive window is zero, because the program does not read, and the "
     "sender sent data all the same: look at the socket's Recv-Q and at the "
     "program.",
     "RFC 9293 3.8.6.1; net/ipv4/tcp_input.c"},
    {NULL, "TCP_OLD_DATA", NULL, "tcp_old_data",
     "The data was received before (a retransmission that was not needed): "
     "usually lost or late acknowledgements; look at the path back and at the "
     "retransmits and RTT of the socket.",
     "RFC 9293 3.10.7.4; net/ipv4/tcp_input.c (tcp_data_queue)"},
    {NULL, "TCP_OVERWINDOW", NULL, "tcp_overwindow",
     "The data lies behind the receive window: the sender ignores the window, "
     "or the connection's two ends (or a middlebox) disagree about the "
     "window's scale.",
     "RFC 7323 section 2; net/ipv4/tcp_input.c"},
    {NULL, "TCP_OFOMERGE", NULL, "tcp_ofo_merge",
     "The data is already in the queue of segments out of order: duplicates "
     "after losses or reordering on the path; harmless in small numbers.",
     "net/ipv4/tcp_input.c (tcp_data_queue_ofo)"},
    {NULL, "TCP_OFO_DROP", NULL, "tcp_ofo_drop",
     "There was no memory for a segment out of order: look for losses on the "
     "path, and at tcp_rmem and tcp_mem.",
     "net/ipv4/tcp_input.c (tcp_data_queue_ofo)"},
    {NULL, "TCP_OFO_QUEUE_PRUNE", NULL, "tcp_ofo_queue_prune",
     "Segments out of order were thrown away to free memory: look for losses "
     "on the path, for a slow reader, and at tcp_rmem.",
     "net/ipv4/tcp_input.c (tcp_prune_ofo_queue)"},
    {NULL, "TCP_RFC7323_PAWS", NULL, "tcp_paws",
     "The segment's timestamp is older than one already seen: a very late "
     "duplicate, or several hosts behind one NAT address whose clocks differ.",
     "RFC 7323 section 5"},
    {NULL, "TCP_RFC7323_PAWS_ACK", NULL, "tcp_paws_ack",
     "An acknowledgement's timestamp is older than one already seen: usually "
     "reordering on the path; harmless.",
     "RFC 7323 section 5"},
    {NULL, "TCP_RFC7323_TW_PAWS", NULL, "tcp_tw_paws",
     "A new connection met an old one in TIME-WAIT and its timestamp is not "
     "newer: several clients behind one NAT address, or a client that reuses "
     "ports very fast.",
     "RFC 7323 section 5; net/ipv4/tcp_minisocks.c"},
    {NULL, "TCP_RFC7323_TSECR", NULL, "tcp_tsecr",
     "The echoed timestamp was never sent by this host: a broken middlebox or "
     "a forged segment.",
     "RFC 7323 section 3; net/ipv4/tcp_minisocks.c"},
    {NULL, "TCP_LISTEN_OVERFLOW", NULL, "tcp_listen_overflow",
     "The listener's accept queue is full, because the program accepts too "
     "slowly: look at the Recv-Q of the LISTEN socket, and raise the backlog "
     "of listen() and net.core.somaxconn.",
     "listen(2); net/ipv4/tcp_ipv4.c; Documentation/networking/ip-sysctl.rst "
     "(somaxconn)"},
    {NULL, "TCP_OLD_SEQUENCE", NULL, "tcp_old_sequence",
     "The segment lies wholly before what is expected next: a late or repeated "
     "segment, such as a probe of an idle connection; harmless in small "
     "numbers.",
     "RFC 9293 3.10.7.4; net/ipv4/tcp_input.c"},
    {NULL, "TCP_INVALID_SEQUENCE", NULL, "tcp_invalid_sequence",
     "The sequence number lies outside the receive window: an old connection "
     "of the same ports, a middlebox that rewrites numbers, or a forged "
     "segment.",
     "RFC 9293 3.10.7.4; RFC 5961"},
    {NULL, "TCP_INVALID_END_SEQUENCE", NULL, "tcp_invalid_end_sequence",
     "The segment's end lies outside the receive window: the sender ignores "
     "the window, or the segment is forged.",
     "RFC 9293 3.10.7.4; net/ipv4/tcp_input.c"},
    {NULL, "TCP_INVALID_ACK_SEQUENCE", NULL, "tcp_invalid_ack_sequence",
     "The acknowledgement is for data that does not fit the connection: an old "
     "connection of the same ports, or a forged segment.",
     "RFC 9293 3.10.7; RFC 5961 section 5"},
    {NULL, "TCP_RESET", NULL, "tcp_reset",
     "The segment is a valid reset from the peer: the connection was refused "
     "or aborted there; ask why at the peer.",
     "RFC 9293 3.5.2; net/ipv4/tcp_input.c"},
    {NULL, "TCP_INVALID_SYN", NULL, "tcp_invalid_syn",
     "A SYN came in the middle of a connection: the peer restarted with the "
     "same ports, or the segment is forged.",
     "RFC 5961 section 4; net/ipv4/tcp_input.c"},
    {NULL, "TCP_CLOSE", NULL, "tcp_close",
     "The socket was closed already: the peer still sends; usually harmless at "
     "a connection's end.",
     "RFC 9293 3.6; net/ipv4/tcp_input.c"},
    {NULL, "TCP_OLD_ACK", NULL, "tcp_old_ack",
     "The acknowledgement was outdated, for a newer one had come before: "
     "reordering on the path; harmless.",
     "RFC 5961 section 5; net/ipv4/tcp_input.c"},
    {NULL, "TCP_TOO_OLD_ACK", NULL, "tcp_too_old_ack",
     "The acknowledgement is older than the largest window: an old duplicate, "
     "or a forged segment (a blind attack).",
     "RFC 5961 section 5"},
    {NULL, "TCP_ACK_UNSENT_DATA", NULL, "tcp_ack_unsent_data",
     "The peer acknowledged data that was never sent: a forged segment, or a "
     "middlebox that confuses connections.",
     "RFC 9293 3.10.7.4; RFC 5961 section 5"},
    {NULL, "TCP_FASTOPEN", NULL, "tcp_fastopen",
     "A repeated SYN or data met a connection that was opened with TCP Fast "
     "Open: usually a retransmission; harmless in small numbers.",
     "RFC 7413; net/ipv4/tcp_input.c"},
    {NULL, "TCP_MINTTL", NULL, "tcp_minttl",
     "The packet's TTL is below what the socket asks for (IP_MINTTL): the peer "
     "is farther away than allowed, or the segment is forged.",
     "RFC 5082; ip(7)"},
};
const size_t ps_advice_sock_n = ARRAY_SIZE(ps_advice_sock);
