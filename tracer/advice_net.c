/* SPDX-License-Identifier: MIT */
/* Reasons of IP, neighbours, devices and subsystems; see advice.h. */
#include "tracer/advice.h"

const struct ps_advice ps_advice_net[] = {
    {NULL, "IP_INHDR", "ip_forward", "ttl_expired",
     "The packet's time to live ended in this router: look for a routing loop "
     "with traceroute, or let the sender start with a larger TTL.",
     "RFC 1812 5.3.1; net/ipv4/ip_forward.c"},
    {NULL, "IP_INHDR", "ip6_forward", "hop_limit_expired",
     "The packet's hop limit ended in this router: look for a routing loop "
     "with traceroute -6, or let the sender start with a larger hop limit.",
     "RFC 8200 section 3; net/ipv6/ip6_output.c"},
    {NULL, "ICMP_CSUM", NULL, "icmp_csum",
     "The ICMP checksum is wrong: suspect corruption on the way or a sender "
     "that makes its ICMP messages itself.",
     "RFC 792; net/ipv4/icmp.c"},
    {NULL, "IP_CSUM", NULL, "ip_csum",
     "The IPv4 header checksum is wrong: suspect corruption on the way or a "
     "device that changed the header without updating its checksum.",
     "RFC 1122 3.2.1.2; net/ipv4/ip_input.c"},
    {NULL, "SKB_CSUM", NULL, "skb_csum",
     "The checksum could not be computed or was wrong when the packet was to "
     "be sent: suspect a tunnel or driver with inconsistent checksum offloads.",
     "net/core/dev.c (validate_xmit_skb)"},
    {NULL, "NETFILTER_DROP", NULL, "netfilter_drop",
     "A rule of nftables or iptables dropped the packet: the step before tells "
     "the hook; list that hook's chains with nft list ruleset and watch their "
     "counters.",
     "net/netfilter/core.c; nft(8)"},
    {NULL, "OTHERHOST", NULL, "otherhost",
     "The frame's destination MAC address is another host's: the interface is "
     "promiscuous or a switch floods, which is harmless unless this host "
     "should have been the target (then look at the sender's neighbour table).",
     "net/ipv4/ip_input.c; packet(7)"},
    {NULL, "IP_INHDR", NULL, "ip_inhdr",
     "The IP header is malformed (version, length or options): suspect a "
     "broken sender or tunnel, and look at its bytes in the export.",
     "RFC 1122 3.2.1; net/ipv4/ip_input.c"},
    {NULL, "IP_RPFILTER", NULL, "ip_rpfilter",
     "Reverse path filtering refused the source address, because the route "
     "back to it leaves by another interface: fix the route or set "
     "net.ipv4.conf.DEV.rp_filter to 2 (loose) where asymmetric routing is "
     "wanted.",
     "RFC 3704; Documentation/networking/ip-sysctl.rst (rp_filter)"},
    {NULL, "UNICAST_IN_L2_MULTICAST", NULL, "unicast_in_l2_multicast",
     "A packet for a unicast address came in a broadcast or multicast frame: "
     "suspect a sender with a wrong neighbour entry, or an attack.",
     "RFC 1122 3.3.6; net/ipv4/ip_input.c"},
    {NULL, "XFRM_POLICY", NULL, "xfrm_policy",
     "An IPsec policy wants this packet protected and it is not, or the "
     "reverse: compare ip xfrm policy and ip xfrm state on both ends.",
     "RFC 4301 5.2; net/xfrm/xfrm_policy.c"},
    {NULL, "IP_NOPROTO", NULL, "ip_noproto",
     "Nothing on this host speaks the packet's IP protocol: load the "
     "protocol's module, or find out who sends it.",
     "RFC 1122 3.2.2.1; net/ipv4/ip_input.c"},
    {NULL, "IP_OUTNOROUTES", NULL, "ip_out_no_routes",
     "There is no route to the destination: look at ip route get ADDRESS in "
     "this network namespace.",
     "net/ipv4/ip_output.c; ip-route(8)"},
    {NULL, "IP_INNOROUTES", NULL, "ip_in_no_routes",
     "There is no route for the received packet: look at ip route get ADDRESS "
     "in this namespace, and whether forwarding is on.",
     "net/ipv4/route.c; Documentation/networking/ip-sysctl.rst (ip_forward)"},
    {NULL, "IP_INADDRERRORS", NULL, "ip_in_addr_errors",
     "The packet is for another host and this one does not forward there: set "
     "net.ipv4.ip_forward (or ipv6 forwarding) if it should, otherwise fix the "
     "sender's route.",
     "RFC 1812 5.2.4; net/ipv4/route.c"},
    {NULL, "IP_LOCAL_SOURCE", NULL, "ip_local_source",
     "The source address is this host's own: a forged packet, a loop in the "
     "network, or set accept_local where it is wanted.",
     "net/ipv4/fib_frontend.c; Documentation/networking/ip-sysctl.rst "
     "(accept_local)"},
    {NULL, "IP_INVALID_SOURCE", NULL, "ip_invalid_source",
     "The source address may not be a source (multicast, broadcast or zero): a "
     "broken or forging sender.",
     "RFC 1122 3.2.1.3; net/ipv4/route.c"},
    {NULL, "IP_LOCALNET", NULL, "ip_localnet",
     "A loopback address came from outside: a forged packet, or set "
     "route_localnet where it is wanted.",
     "RFC 1122 3.2.1.3; Documentation/networking/ip-sysctl.rst "
     "(route_localnet)"},
    {NULL, "IP_INVALID_DEST", NULL, "ip_invalid_dest",
     "The destination address may not be used (such as zero): a broken or "
     "forging sender.",
     "RFC 1122 3.2.1.3; net/ipv4/route.c"},
    {NULL, "PKT_TOO_BIG", NULL, "pkt_too_big",
     "The packet is larger than the next link's MTU and may not be fragmented: "
     "let ICMP 'too big' messages pass so that path MTU discovery works, or "
     "lower the sender's MTU or MSS.",
     "RFC 1191; RFC 8201; net/ipv4/ip_forward.c"},
    {NULL, "BPF_CGROUP_EGRESS", NULL, "bpf_cgroup_egress",
     "A BPF program of the sending process's cgroup refused the packet: look "
     "at bpftool cgroup tree (systemd's IPAddressDeny= works this way).",
     "net/ipv4/ip_output.c; systemd.resource-control(5)"},
    {NULL, "IPV6DISABLED", NULL, "ipv6_disabled",
     "IPv6 is off on this interface: set net.ipv6.conf.DEV.disable_ipv6 to 0 "
     "if it should be on.",
     "Documentation/networking/ip-sysctl.rst (disable_ipv6)"},
    {NULL, "NEIGH_CREATEFAIL", NULL, "neigh_create_fail",
     "No neighbour entry could be made: the neighbour table is full; compare "
     "ip neigh with net.ipv4.neigh.default.gc_thresh3.",
     "net/core/neighbour.c; Documentation/networking/ip-sysctl.rst "
     "(gc_thresh3)"},
    {NULL, "NEIGH_FAILED", NULL, "neigh_failed",
     "The next hop does not answer ARP or neighbour discovery: check that it "
     "is up and in this subnet, the VLAN, and ip neigh.",
     "RFC 826; RFC 4861 7.2.2; net/core/neighbour.c"},
    {NULL, "NEIGH_QUEUEFULL", NULL, "neigh_queue_full",
     "More packets wait for the next hop's link address than may: it does not "
     "answer ARP or neighbour discovery, or raise "
     "net.ipv4.neigh.DEV.unres_qlen_bytes.",
     "net/core/neighbour.c; arp(7)"},
    {NULL, "NEIGH_DEAD", NULL, "neigh_dead",
     "The next hop's neighbour entry was being removed: an interface went down "
     "or the entry was deleted just then.",
     "net/core/neighbour.c"},
    {NULL, "TC_EGRESS", NULL, "tc_egress",
     "A tc program or filter on the interface's egress dropped the packet: "
     "look at tc filter show dev DEV egress and bpftool net.",
     "net/core/dev.c (sch_handle_egress); tc-bpf(8)"},
    {NULL, "TC_INGRESS", NULL, "tc_ingress",
     "A tc program or filter on the interface's ingress dropped the packet: "
     "look at tc filter show dev DEV ingress and bpftool net.",
     "net/core/dev.c (sch_handle_ingress); tc-bpf(8)"},
    {NULL, "SECURITY_HOOK", NULL, "security_hook",
     "A security module (SELinux, Smack, BPF LSM) refused the packet: look at "
     "the audit log.",
     "net/core/filter.c; security/security.c"},
    {NULL, "QDISC_DROP", NULL, "qdisc_drop",
     "The interface's queueing discipline dropped the packet, usually because "
     "its queue is full: look at tc -s qdisc show dev DEV, its limit, rate and "
     "backlog.",
     "net/core/dev.c (__dev_xmit_skb); tc(8)"},
    {NULL, "QDISC_OVERLIMIT", NULL, "qdisc_overlimit",
     "The queue of the interface's queueing discipline is at its limit: more "
     "is sent than the link or the shaper lets through; look at tc -s qdisc "
     "show dev DEV.",
     "net/sched/sch_generic.c; tc(8)"},
    {NULL, "QDISC_CONGESTED", NULL, "qdisc_congested",
     "Active queue management dropped the packet to tell the sender to slow "
     "down (CoDel, PIE, RED): normal under load; enable ECN to avoid such "
     "losses.",
     "RFC 8289; RFC 7567; net/sched/sch_fq_codel.c"},
    {NULL, "FQ_FLOW_LIMIT", NULL, "fq_flow_limit",
     "One flow has more packets in the fq queue than may be (flow_limit): a "
     "sender without flow control, such as UDP, is faster than the link.",
     "tc-fq(8); net/sched/sch_fq.c"},
    {NULL, "FQ_BAND_LIMIT", NULL, "fq_band_limit",
     "The fq queue's band is at its limit: more is sent than the link lets "
     "through; look at tc -s qdisc show dev DEV.",
     "tc-fq(8); net/sched/sch_fq.c"},
    {NULL, "FQ_HORIZON_LIMIT", NULL, "fq_horizon_limit",
     "The packet asks to be sent too far in the future: look at SO_TXTIME or "
     "pacing rates of the program.",
     "tc-fq(8); net/sched/sch_fq.c"},
    {NULL, "CPU_BACKLOG", NULL, "cpu_backlog",
     "The CPU's input queue is full: raise net.core.netdev_max_backlog, or "
     "spread the load over more CPUs (RPS); see /proc/net/softnet_stat.",
     "Documentation/networking/scaling.rst; net/core/dev.c "
     "(enqueue_to_backlog)"},
    {NULL, "XDP", NULL, "xdp",
     "An XDP program dropped the packet before the stack saw it: bpftool net "
     "tells which; the guarder's rules and their hits tell where it is the "
     "guarder's.",
     "net/core/dev.c (do_xdp_generic); Documentation/networking/af_xdp.rst"},
    {NULL, "UNHANDLED_PROTO", NULL, "unhandled_proto",
     "Nothing on this host handles the frame's EtherType, or the interface "
     "belongs to nothing: usually discovery protocols of switches (LLDP, STP); "
     "harmless.",
     "net/core/dev.c (__netif_receive_skb_core)"},
    {NULL, "SKB_GSO_SEG", NULL, "skb_gso_seg",
     "A large packet could not be cut into segments: suspect a driver or "
     "tunnel; try ethtool -K DEV gso off.",
     "net/core/gso.c; Documentation/networking/segmentation-offloads.rst"},
    {NULL, "SKB_UCOPY_FAULT", NULL, "skb_ucopy_fault",
     "Data could not be copied from or to the program's memory: the program "
     "gave a wrong address.",
     "include/net/dropreason-core.h"},
    {NULL, "DEV_HDR", NULL, "dev_hdr",
     "The device's own header is wrong, which TUN/TAP programs write: look at "
     "the program behind the device.",
     "drivers/net/tun.c"},
    {NULL, "DEV_READY", NULL, "dev_ready",
     "The device is not ready: it is down, or its other end is; look at ip "
     "link.",
     "include/net/dropreason-core.h; ip-link(8)"},
    {NULL, "FULL_RING", NULL, "full_ring",
     "The ring between the kernel and the device's program (TUN, virtio) is "
     "full, because it reads too slowly: look at the program's CPU time, and "
     "raise the device's txqueuelen.",
     "drivers/net/tun.c; include/net/dropreason-core.h"},
    {NULL, "NOMEM", NULL, "nomem",
     "The kernel had no memory for the packet: look at free memory, "
     "vm.min_free_kbytes and the limits of the cgroup.",
     "include/net/dropreason-core.h; Documentation/admin-guide/sysctl/vm.rst"},
    {NULL, "HDR_TRUNC", NULL, "hdr_trunc",
     "The packet ends within its headers: suspect a truncating tunnel, or a "
     "program that writes to a TUN device.",
     "drivers/net/tun.c"},
    {NULL, "INVALID_PROTO", NULL, "invalid_proto",
     "The packet's protocol is not one that the device or the socket takes: "
     "look at what is configured on the tunnel.",
     "include/net/dropreason-core.h"},
    {NULL, "DUP_FRAG", NULL, "dup_frag",
     "The fragment came twice or overlaps another: duplicated packets on the "
     "path, or an attack.",
     "RFC 5722; net/ipv4/ip_fragment.c"},
    {NULL, "FRAG_REASM_TIMEOUT", NULL, "frag_reasm_timeout",
     "Not all fragments of the packet came in time: fragments are lost on the "
     "path; avoid fragmentation with a lower MTU, or raise "
     "net.ipv4.ipfrag_time.",
     "RFC 1122 3.3.2; RFC 8900; net/ipv4/ip_fragment.c"},
    {NULL, "FRAG_TOO_FAR", NULL, "frag_too_far",
     "Fragments of one sender are too much out of order: reordering on the "
     "path; see net.ipv4.ipfrag_max_dist.",
     "Documentation/networking/ip-sysctl.rst (ipfrag_max_dist)"},
    {NULL, "IPV6_BAD_EXTHDR", NULL, "ipv6_bad_exthdr",
     "An IPv6 extension header is malformed: a broken or forging sender.",
     "RFC 8200 section 4; net/ipv6/exthdrs.c"},
    {NULL, "IPV6_NDISC_HOP_LIMIT", NULL, "ndisc_hop_limit",
     "A neighbour discovery message came from beyond a router (its hop limit "
     "is not 255): a forged message, or a broken forwarder.",
     "RFC 4861 7.1; net/ipv6/ndisc.c"},
    {NULL, "IPV6_NDISC_BAD_OPTIONS", NULL, "ndisc_bad_options",
     "A neighbour discovery message has malformed options: a broken or forging "
     "neighbour.",
     "RFC 4861 7.1; net/ipv6/ndisc.c"},
    {NULL, "IPV6_NDISC_NS_OTHERHOST", NULL, "ndisc_ns_otherhost",
     "A neighbour solicitation asks for an address that is not here: the "
     "switch floods multicast; harmless.",
     "RFC 4861 7.2.3; net/ipv6/ndisc.c"},
    {NULL, "QUEUE_PURGE", NULL, "queue_purge",
     "The queue was emptied as its owner went away (a device went down, a "
     "socket or queueing discipline was removed): look at what was changed "
     "just then.",
     "include/net/dropreason-core.h"},
    {NULL, "PACKET_SOCK_ERROR", NULL, "packet_sock_error",
     "A packet socket (a capture program) could not take its copy: the packet "
     "itself went on.",
     "net/packet/af_packet.c"},
    {NULL, "VXLAN_INVALID_HDR", NULL, "vxlan_invalid_hdr",
     "The VXLAN header is malformed or has flags that this tunnel does not "
     "take: compare the tunnel's options (GBP, GPE, VNI) on both ends.",
     "RFC 7348 section 5; drivers/net/vxlan/vxlan_core.c"},
    {NULL, "VXLAN_VNI_NOT_FOUND", NULL, "vxlan_vni_not_found",
     "No VXLAN device here has this VNI: compare the VNIs of both ends with ip "
     "-d link.",
     "RFC 7348 section 4; drivers/net/vxlan/vxlan_core.c"},
    {NULL, "MAC_INVALID_SOURCE", NULL, "mac_invalid_source",
     "The frame's source MAC address is multicast or zero, or this device's "
     "own: a loop in the network, or a broken sender.",
     "drivers/net/vxlan/vxlan_core.c; include/net/dropreason-core.h"},
    {NULL, "NO_TX_TARGET", NULL, "no_tx_target",
     "The tunnel knows no place to send the frame to: look at bridge fdb show "
     "dev DEV and the tunnel's remote address.",
     "drivers/net/vxlan/vxlan_core.c"},
    {NULL, "IP_TUNNEL_ECN", NULL, "ip_tunnel_ecn",
     "The congestion marks of a tunnel's outer and inner headers contradict "
     "each other: a router on the way marks packets wrongly.",
     "RFC 6040 section 4; include/net/inet_ecn.h"},
    {NULL, "LOCAL_MAC", NULL, "local_mac",
     "The frame's source MAC address is a local one of the bridge: a loop in "
     "the network.",
     "include/net/dropreason-core.h"},
    {NULL, "BRIDGE_INGRESS_STP_STATE", NULL, "bridge_stp_state",
     "The bridge's port does not forward yet, or is blocked by spanning tree: "
     "look at bridge link.",
     "IEEE 802.1D; net/bridge/br_input.c"},
    {NULL, "RECURSION_LIMIT", NULL, "recursion_limit",
     "The packet went through too many stacked devices: tunnels or devices "
     "that lead into each other.",
     "net/core/dev.c (dev_xmit_recursion)"},
    {NULL, "NOT_SPECIFIED", NULL, "not_specified",
     "The kernel gives no reason at this place: the function that dropped "
     "tells more.",
     "include/net/dropreason-core.h"},
    /* Any reason of a subsystem. */
    {"openvswitch", NULL, NULL, "openvswitch",
     "Open vSwitch dropped the packet by one of its actions or flows: ask "
     "ovs-appctl dpctl/dump-flows and ofproto/trace why.",
     "net/openvswitch/drop.h; ovs-vswitchd(8)"},
    {"mac80211_unusable", NULL, NULL, "mac80211",
     "The wireless stack could not use the frame (wrong keys, a duplicate, or "
     "no association): look at the access point's and wpa_supplicant's logs.",
     "net/mac80211/drop.h"},
};
const size_t ps_advice_net_n = ARRAY_SIZE(ps_advice_net);
