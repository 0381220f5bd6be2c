# SPDX-License-Identifier: MIT
"""An initramfs: busybox, programs with their libraries, modules, an init."""

import os
import shutil
import subprocess
from pathlib import Path

MODULES = [
    'veth', 'dummy', 'bridge', 'br_netfilter', 'vxlan', 'tun', 'ipip',
    'sit', 'ip6_tunnel', 'ip_gre', '8021q', 'macvlan', 'ifb', 'geneve',
    'sch_netem', 'sch_tbf', 'sch_htb', 'sch_fq', 'sch_fq_codel',
    'sch_ingress', 'cls_bpf', 'cls_matchall', 'cls_u32', 'act_mirred',
    'act_bpf', 'nf_conntrack', 'nf_tables', 'nf_nat', 'nft_ct',
    'nft_counter', 'nft_limit', 'nft_log', 'nft_nat', 'nft_masq',
    'nft_reject_inet', 'nft_chain_nat', 'tcp_bbr', 'inet_diag', 'tcp_diag',
    'udp_diag', 'raw_diag', 'unix_diag', 'af_packet', 'nf_synproxy_core',
    'nft_reject_ipv4', 'nft_reject_ipv6', 'nft_numgen', 'nft_objref',
]
LOADER = '/lib64/ld-linux-x86-64.so.2'

INIT = '''#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /run /tmp /var/lib /var/log
mount -t devpts devpts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null
echo 3 >/proc/sys/kernel/printk
while read -r m; do
    insmod "$m" 2>/dev/null || echo "PSNOTE module $m did not load"
done </modules.list
ip link set lo up
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
echo "PSTEST-BEGIN $(uname -r)"
cd /root
bash /test.sh </dev/null 2>&1
echo "PSTEST-END $?"
sync
poweroff -f
'''

# What a script may use; sourced by it as ". /lib.sh".
LIB = '''
ok() { echo "PSTEST ok $1"; }
fail() { echo "PSTEST fail $*"; }
skip() { echo "PSTEST skip $*"; }
# t NAME COMMAND...: ok if it exits 0; else its last line is the detail
t() {
    name=$1; shift
    if "$@" >/tmp/t.out 2>&1; then ok "$name"
    else rc=$?; echo >>/tmp/t.out; fail "$name" "exit $rc: $(grep . /tmp/t.out |
            tail -n 1 | cut -c 1-160)"
        tail -n 60 /tmp/t.out | cut -c 1-2000 | sed 's/^/  | /'
    fi
}
# until_ok SECONDS COMMAND...
until_ok() {
    end=$(($(cut -d. -f1 /proc/uptime) + $1)); shift
    until "$@" >/dev/null 2>&1; do
        [ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ] || return 1
        sleep 0.1
    done
}
# pair NS: veth v0 (host, 10.9.0.1, fd09::1) - v1 (NS, 10.9.0.2, fd09::2)
pair() {
    ip netns add "$1"
    ip link add v0 type veth peer name v1
    ip link set v1 netns "$1"
    ip addr add 10.9.0.1/24 dev v0
    ip -6 addr add fd09::1/64 dev v0 nodad
    ip link set v0 up
    ip netns exec "$1" ip addr add 10.9.0.2/24 dev v1
    ip netns exec "$1" ip -6 addr add fd09::2/64 dev v1 nodad
    ip netns exec "$1" ip link set v1 up
    ip netns exec "$1" ip link set lo up
}
'''


def libraries(program, search=None):
    """Files that `ldd` names for a program; none for a static one.

    search: a folder with libraries that are not installed.
    """
    env = os.environ | ({'LD_LIBRARY_PATH': str(search)} if search else {})
    res = subprocess.run(['ldd', program], capture_output=True, text=True,
                         check=False, env=env)
    out = []
    for line in res.stdout.splitlines():
        if 'not found' in line:
            raise RuntimeError(f'{program}: {line.strip()}')
        path = line.split('=>')[-1].split('(')[0].strip()
        if path.startswith('/'):
            out.append(path)
    return out


class Image:
    """A tree that becomes a cpio archive."""

    def __init__(self, folder):
        self.root = Path(folder)
        for sub in ('bin', 'sbin', 'usr/bin', 'usr/sbin', 'lib64', 'proc',
                    'sys', 'dev', 'root', 'etc', 'tmp', 'run', 'modules'):
            (self.root / sub).mkdir(parents=True, exist_ok=True)
        busybox = shutil.which('busybox') or '/bin/busybox'
        shutil.copy2(busybox, self.root / 'bin/busybox')
        names = subprocess.run([busybox, '--list'], check=True, text=True,
                               capture_output=True).stdout.split()
        for name in names:
            link = self.root / 'bin' / name
            if not link.exists():
                link.symlink_to('busybox')
        self.text('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n'
                  'nobody:x:65534:65534:nobody:/:/bin/false\n'
                  'packetscope:x:990:990::/:/bin/false\n')
        self.text('/etc/group', 'root:x:0:\nnogroup:x:65534:\n'
                  'packetscope:x:990:\n')
        self.text('/etc/hosts', '127.0.0.1 localhost\n::1 localhost\n')
        self.text('/etc/nsswitch.conf', 'passwd: files\nhosts: files\n')
        self.text('/lib.sh', LIB)
        self.text('/init', INIT, 0o755)

    def text(self, path, content, mode=0o644):
        """Writes a file."""
        dest = self.root / path.lstrip('/')
        dest.parent.mkdir(parents=True, exist_ok=True)
        dest.write_text(content, encoding='utf-8')
        dest.chmod(mode)

    def add(self, source, dest=None):
        """Copies a file; a program goes to /usr/bin with its libraries."""
        source = Path(source).resolve()
        runs = os.access(source, os.X_OK)
        dest = dest or f'/{"usr/bin" if runs else "root"}/{source.name}'
        target = self.root / dest.lstrip('/')
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(source, target)
        if runs:
            self.add_libraries(source)

    def add_libraries(self, program, search=None):
        """Copies what a program or a library of its own needs."""
        for lib in libraries(program, search):
            self._library(lib)

    def add_tree(self, source, ignore=None):
        """Copies a folder, or a file, as it is to the same place."""
        source = Path(source)
        target = self.root / str(source).lstrip('/')
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=False, ignore=ignore,
                            ignore_dangling_symlinks=True,
                            dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    def link(self, target, path):
        """A symbolic link, unless it would point at itself."""
        link = self.root / str(path).lstrip('/')
        if str(target) != str(path):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def _library(self, path):
        where = 'lib64' if path == LOADER else path.rsplit('/', 1)[0]
        target = self.root / where.lstrip('/') / Path(path).name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(path), target)

    def add_modules(self, kernel, names):
        """Copies modules, to be loaded by the init in this order."""
        lines = []
        for path in kernel.module_files(names):
            shutil.copy2(path, self.root / 'modules' / path.name)
            lines.append(f'/modules/{path.name}')
        self.text('/modules.list', ''.join(f'{x}\n' for x in lines))

    def pack(self, dest):
        """Writes the archive. Not compressed: it would cost more than it
        saves under emulation."""
        with open(dest, 'wb') as out:
            find = subprocess.run(['find', '.', '-print0'], cwd=self.root,
                                  check=True, capture_output=True).stdout
            subprocess.run(['cpio', '--null', '-o', '-H', 'newc', '--quiet',
                            '-R', '0:0'],
                           cwd=self.root, input=find, stdout=out, check=True)
