#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Process 1 of the virtual machine in the host's root: what a system has mounted, then the command, or systemd that starts it.
# shellcheck disable=SC2154 # the settings are written by hack/vm.sh
. /run/vm/settings
b=$vm_busybox

$b mkdir -p /run/vmbin
for applet in modprobe ip poweroff; do $b ln -s "$b" /run/vmbin/$applet; done
echo /run/vmbin/modprobe >/proc/sys/kernel/modprobe
$b mkdir -p "/lib/modules/$vm_kernel"
$b mount --bind "$vm_modules/$vm_kernel" "/lib/modules/$vm_kernel"

$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
$b mount -t tmpfs tmpfs /dev/shm
[ -e /dev/fd ] || $b ln -s /proc/self/fd /dev/fd

# An empty /tmp, but for the folders that this is about.
$b mkdir /run/kept
case $vm_source in /tmp/*) $b mkdir /run/kept/source && $b mount --bind "$vm_source" /run/kept/source ;; esac
case $vm_dir in "$vm_source" | "$vm_source"/*) ;; /tmp/*) $b mkdir /run/kept/dir && $b mount --bind "$vm_dir" /run/kept/dir ;; esac
$b mount -t tmpfs -o mode=1777 tmpfs /tmp
[ ! -d /run/kept/source ] || { $b mkdir -p "$vm_source" && $b mount --move /run/kept/source "$vm_source"; }
[ ! -d /run/kept/dir ] || { $b mkdir -p "$vm_dir" && $b mount --move /run/kept/dir "$vm_dir"; }
$b rm -rf /run/kept

$b ip link set lo up
$b hostname joblet-vm
[ "$vm_init" != systemd ] || . /run/vm/systemd.sh

if [ "$vm_cgroup" = v2 ]; then
	$b mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
else
	$b mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	while read -r name _ _ enabled; do
		[ "$enabled" = 1 ] || continue
		$b mkdir "/sys/fs/cgroup/$name" && $b mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
	done </proc/cgroups
	$b mkdir /sys/fs/cgroup/systemd && $b mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
	if [ "$vm_cgroup" = hybrid ]; then
		$b mkdir /sys/fs/cgroup/unified && $b mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
	fi
fi
$b sh /run/vm/command.sh
