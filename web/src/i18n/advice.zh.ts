// SPDX-License-Identifier: MIT
// What a drop's reason usually means, by the tracer's advice id.
export const zhAdvice: Readonly<Record<string, string>> = {
  ttl_expired:
    '数据包的 TTL 在本路由器耗尽：用 traceroute 查找路由环路，或让发送方使用更大的 TTL。',
  hop_limit_expired:
    '数据包的跳数限制在本路由器耗尽：用 traceroute -6 查找路由环路，或让发送方使用更大的跳数限制。',
  no_socket:
    '没有套接字绑定到此地址和端口：请在套接字列表中确认程序正在运行并监听此地址，而不是只监听回环等其他地址。',
  socket_close:
    '程序关闭套接字时仍有数据包在排队：查看它是否提前退出，或在关闭前读取得太少。',
  socket_filter:
    '程序附加在套接字上的过滤器（SO_ATTACH_FILTER 或 SO_ATTACH_BPF）或 cgroup 的入站程序拒绝了该数据包：查看 bpftool cgroup tree 以及程序自身的过滤器。',
  socket_rcvbuff:
    '程序读取过慢导致套接字接收缓冲区已满：查看其 Recv-Q 和 CPU 时间；若突发流量属正常，请调大 SO_RCVBUF 和 net.core.rmem_max。',
  pkt_too_small:
    '数据包比其头部声明的短：请怀疑发送方、会截断的隧道或驱动有问题，并在导出中查看其字节。',
  tcp_csum:
    'TCP 校验和错误：怀疑路径上的内存或线缆，或网卡、虚拟交换机的校验和卸载有缺陷（可试 ethtool -K DEV rx off tx off）。',
  udp_csum:
    'UDP 校验和错误：怀疑路径上的内存或线缆，或网卡、隧道、虚拟交换机的校验和卸载有缺陷（可试 ethtool -K DEV rx off tx off）。',
  icmp_csum:
    'ICMP 校验和错误：怀疑传输途中损坏，或发送方自行构造的 ICMP 报文有误。',
  ip_csum:
    'IPv4 头部校验和错误：怀疑传输途中损坏，或某设备修改了头部却未更新校验和。',
  skb_csum:
    '发送数据包时无法计算校验和或校验和错误：怀疑隧道或驱动的校验和卸载设置不一致。',
  netfilter_drop:
    'nftables 或 iptables 的规则丢弃了该数据包：前一步显示所在钩子；用 nft list ruleset 列出该钩子的链并观察计数器。',
  otherhost:
    '帧的目的 MAC 属于其他主机：接口处于混杂模式或交换机在泛洪；通常无害，除非目标本应是本机（此时检查发送方的邻居表）。',
  ip_inhdr:
    'IP 头部格式错误（版本、长度或选项）：怀疑发送方或隧道有问题，并在导出中查看其字节。',
  ip_rpfilter:
    '反向路径过滤拒绝了源地址，因为回程路由走另一接口：修正路由；若确需非对称路由，将 net.ipv4.conf.DEV.rp_filter 设为 2（宽松）。',
  unicast_in_l2_multicast:
    '单播地址的数据包出现在广播或组播帧中：怀疑发送方邻居表项错误，或存在攻击。',
  xfrm_policy:
    'IPsec 策略要求该数据包受保护而它没有，或相反：对比两端的 ip xfrm policy 与 ip xfrm state。',
  ip_noproto:
    '本机没有程序处理该 IP 协议：加载相应协议模块，或查明是谁在发送。',
  proto_mem:
    '已达到该协议在整台主机上的内存上限：将 /proc/net/sockstat 与 net.ipv4.udp_mem、tcp_mem 比较，并找出队列很长的套接字。',
  tcp_md5_not_found:
    '该连接要求 TCP MD5 签名而报文段没有：在两端配置相同的密钥（常见于 BGP 对等体）。',
  tcp_md5_unexpected:
    '报文段带有此套接字不期望的 TCP MD5 签名：在本端也配置密钥，或在对端移除。',
  tcp_md5_failure:
    'TCP MD5 签名错误：两端密钥不同，或途中（如 NAT）修改了报文段。',
  socket_backlog:
    '程序占用套接字期间数据包持续到达，导致其 backlog 已满：查看程序 CPU 时间，并增大其接收缓冲区。',
  tcp_flags:
    'TCP 标志与连接状态不符（如 SYN 与 FIN 同时出现，或应有 ACK 而没有）：通常是扫描或有缺陷的中间设备。',
  tcp_abort_on_data:
    '程序已关闭连接后仍有数据到达，连接被重置：让程序读到结尾，或只关闭其发送方向。',
  tcp_zero_window:
    '程序不读取导致接收窗口为零，而发送方仍在发送：查看套接字的 Recv-Q 和该程序。',
  tcp_old_data:
    '数据此前已收到（不必要的重传）：通常是确认丢失或延迟；检查回程路径以及套接字的重传和 RTT。',
  tcp_overwindow:
    '数据超出接收窗口：发送方无视窗口，或连接两端（或中间设备）对窗口缩放因子理解不一致。',
  tcp_ofo_merge: '数据已在乱序队列中：路径丢包或乱序后的重复数据；少量无害。',
  tcp_ofo_drop:
    '没有内存存放乱序报文段：检查路径丢包，以及 tcp_rmem 和 tcp_mem。',
  tcp_ofo_queue_prune:
    '为释放内存丢弃了乱序报文段：检查路径丢包、读取过慢的程序以及 tcp_rmem。',
  tcp_paws:
    '报文段时间戳早于已见过的：非常迟到的重复报文，或同一 NAT 地址后多台主机时钟不同。',
  tcp_paws_ack: '确认报文的时间戳早于已见过的：通常是路径乱序；无害。',
  tcp_tw_paws:
    '新连接遇到处于 TIME-WAIT 的旧连接且时间戳不更新：同一 NAT 地址后有多个客户端，或客户端过快复用端口。',
  tcp_tsecr: '回显的时间戳从未由本机发送：中间设备有缺陷或报文段系伪造。',
  tcp_listen_overflow:
    '程序 accept 过慢导致监听队列已满：查看 LISTEN 套接字的 Recv-Q，并增大 listen() 的 backlog 和 net.core.somaxconn。',
  tcp_old_sequence:
    '报文段完全位于期望序号之前：迟到或重复的报文段（如空闲连接的探测）；少量无害。',
  tcp_invalid_sequence:
    '序号超出接收窗口：相同端口的旧连接、改写序号的中间设备，或伪造的报文段。',
  tcp_invalid_end_sequence:
    '报文段末尾超出接收窗口：发送方无视窗口，或报文段系伪造。',
  tcp_invalid_ack_sequence:
    '确认号与连接不符：相同端口的旧连接，或伪造的报文段。',
  tcp_reset:
    '该报文段是对端发出的有效 RST：连接在对端被拒绝或中止；请到对端查明原因。',
  tcp_invalid_syn: '连接中途收到 SYN：对端以相同端口重启，或报文段系伪造。',
  tcp_close: '套接字已经关闭而对端仍在发送：在连接结束时通常无害。',
  tcp_old_ack: '该确认已过时，更新的确认先到达：路径乱序；无害。',
  tcp_too_old_ack:
    '确认号早于最大窗口：陈旧的重复报文，或伪造报文段（盲攻击）。',
  tcp_ack_unsent_data:
    '对端确认了从未发送的数据：报文段系伪造，或中间设备混淆了连接。',
  tcp_fastopen:
    '重复的 SYN 或数据遇到以 TCP Fast Open 建立的连接：通常是重传；少量无害。',
  tcp_minttl:
    '数据包的 TTL 低于套接字要求（IP_MINTTL）：对端比允许的更远，或报文段系伪造。',
  ip_out_no_routes:
    '没有到目的地址的路由：在该网络命名空间中执行 ip route get ADDRESS 查看。',
  ip_in_no_routes:
    '收到的数据包没有路由：在该命名空间中查看 ip route get ADDRESS，以及是否开启转发。',
  ip_in_addr_errors:
    '数据包的目的地是其他主机而本机不转发：若应转发请设置 net.ipv4.ip_forward（或 IPv6 forwarding），否则修正发送方路由。',
  ip_local_source:
    '源地址是本机自己的地址：伪造数据包、网络环路；若确需如此请设置 accept_local。',
  ip_invalid_source:
    '源地址不能作为源（组播、广播或零地址）：发送方有缺陷或在伪造。',
  ip_localnet:
    '回环地址来自外部：伪造数据包；若确需如此请设置 route_localnet。',
  ip_invalid_dest: '目的地址不可使用（如零地址）：发送方有缺陷或在伪造。',
  pkt_too_big:
    '数据包大于下一链路的 MTU 且不允许分片：放行 ICMP“过大”报文使路径 MTU 发现生效，或降低发送方的 MTU 或 MSS。',
  bpf_cgroup_egress:
    '发送进程所在 cgroup 的 BPF 程序拒绝了该数据包：查看 bpftool cgroup tree（systemd 的 IPAddressDeny= 即如此工作）。',
  ipv6_disabled:
    '该接口关闭了 IPv6：若应启用，请将 net.ipv6.conf.DEV.disable_ipv6 设为 0。',
  neigh_create_fail:
    '无法创建邻居表项：邻居表已满；将 ip neigh 与 net.ipv4.neigh.default.gc_thresh3 比较。',
  neigh_failed:
    '下一跳不响应 ARP 或邻居发现：检查其是否在线、是否在此子网、VLAN 是否正确，并查看 ip neigh。',
  neigh_queue_full:
    '等待下一跳链路地址的数据包过多：它不响应 ARP 或邻居发现，或可调大 net.ipv4.neigh.DEV.unres_qlen_bytes。',
  neigh_dead: '下一跳的邻居表项正被删除：当时接口关闭或表项被移除。',
  tc_egress:
    '接口出方向的 tc 程序或过滤器丢弃了该数据包：查看 tc filter show dev DEV egress 和 bpftool net。',
  tc_ingress:
    '接口入方向的 tc 程序或过滤器丢弃了该数据包：查看 tc filter show dev DEV ingress 和 bpftool net。',
  security_hook:
    '安全模块（SELinux、Smack、BPF LSM）拒绝了该数据包：查看审计日志。',
  qdisc_drop:
    '接口的排队规则丢弃了该数据包，通常因为队列已满：查看 tc -s qdisc show dev DEV 的限制、速率和积压。',
  qdisc_overlimit:
    '接口排队规则的队列已达上限：发送量超过链路或整形器的通过能力；查看 tc -s qdisc show dev DEV。',
  qdisc_congested:
    '主动队列管理丢弃该数据包以提示发送方减速（CoDel、PIE、RED）：负载下属正常；启用 ECN 可避免此类丢包。',
  fq_flow_limit:
    '单个流在 fq 队列中的数据包超过 flow_limit：没有流控的发送方（如 UDP）快于链路。',
  fq_band_limit:
    'fq 队列的频带已达上限：发送量超过链路通过能力；查看 tc -s qdisc show dev DEV。',
  fq_horizon_limit:
    '数据包要求的发送时间过于遥远：检查程序的 SO_TXTIME 或 pacing 速率。',
  cpu_backlog:
    'CPU 的输入队列已满：调大 net.core.netdev_max_backlog，或用 RPS 把负载分散到更多 CPU；见 /proc/net/softnet_stat。',
  xdp: 'XDP 程序在协议栈之前丢弃了该数据包：用 bpftool net 查看是哪个程序；若是 guarder，请查看其规则及命中数。',
  unhandled_proto:
    '本机没有协议处理该帧的 EtherType：通常是交换机的发现协议（LLDP、STP）；无害。',
  skb_gso_seg:
    '大数据包无法分段：怀疑驱动或隧道；可试 ethtool -K DEV gso off。',
  skb_ucopy_fault: '无法从程序内存复制或向其复制数据：程序给出了错误地址。',
  dev_hdr: '设备自身的头部有误（由 TUN/TAP 程序写入）：检查该设备背后的程序。',
  dev_ready: '设备未就绪：设备或其对端处于关闭状态；查看 ip link。',
  full_ring:
    '内核与设备程序（TUN、virtio）之间的环已满，因其读取过慢：查看程序 CPU 时间，并增大设备的 txqueuelen。',
  nomem:
    '内核没有内存用于该数据包：查看空闲内存、vm.min_free_kbytes 和 cgroup 限制。',
  hdr_trunc: '数据包在头部处即结束：怀疑会截断的隧道，或写入 TUN 设备的程序。',
  invalid_proto: '数据包的协议不被设备或套接字接受：检查隧道的配置。',
  dup_frag: '分片重复或与其他分片重叠：路径上的重复数据包，或攻击。',
  frag_reasm_timeout:
    '数据包的分片未能按时到齐：分片在路径上丢失；以更小的 MTU 避免分片，或调大 net.ipv4.ipfrag_time。',
  frag_too_far:
    '同一发送方的分片乱序过大：路径乱序；见 net.ipv4.ipfrag_max_dist。',
  ipv6_bad_exthdr: 'IPv6 扩展头格式错误：发送方有缺陷或在伪造。',
  ndisc_hop_limit:
    '邻居发现报文来自路由器之外（跳数限制不是 255）：报文系伪造，或转发设备有缺陷。',
  ndisc_bad_options: '邻居发现报文的选项格式错误：邻居有缺陷或在伪造。',
  ndisc_ns_otherhost: '邻居请求询问的地址不在本机：交换机在泛洪组播；无害。',
  queue_purge:
    '队列因其所有者离开而被清空（设备关闭、套接字或排队规则被移除）：查看当时的变更。',
  packet_sock_error:
    '数据包套接字（抓包程序）未能取得副本：数据包本身继续前进。',
  vxlan_invalid_hdr:
    'VXLAN 头部格式错误或带有本隧道不接受的标志：对比两端隧道选项（GBP、GPE、VNI）。',
  vxlan_vni_not_found:
    '本机没有 VXLAN 设备使用此 VNI：用 ip -d link 对比两端的 VNI。',
  mac_invalid_source:
    '帧的源 MAC 是组播、全零或本设备自己的地址：网络环路或发送方有缺陷。',
  no_tx_target:
    '隧道不知道应把帧发往何处：查看 bridge fdb show dev DEV 和隧道的远端地址。',
  ip_tunnel_ecn: '隧道内外层头部的拥塞标记互相矛盾：途中的路由器标记有误。',
  local_mac: '帧的源 MAC 是网桥的本地地址：网络存在环路。',
  bridge_stp_state: '网桥端口尚未转发，或被生成树阻塞：查看 bridge link。',
  recursion_limit: '数据包经过过多的堆叠设备：隧道或设备互相嵌套成环。',
  not_specified: '内核在此处未给出原因：丢弃该数据包的函数能说明更多。',
  openvswitch:
    'Open vSwitch 的动作或流表丢弃了该数据包：用 ovs-appctl dpctl/dump-flows 和 ofproto/trace 查明原因。',
  mac80211:
    '无线协议栈无法使用该帧（密钥错误、重复或未关联）：查看接入点和 wpa_supplicant 的日志。',
}
