#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Process 1 of the virtual machine until the host's root is there: busybox and a few modules are all that it has.
b=/bin/busybox

fail() {
	$b echo "vm.sh: $*" >/dev/kmsg
	$b poweroff -f
}

$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
	$b modprobe $module || fail "module $module"
done
share=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o $share,cache=loose,ro hostroot /ro || fail "the host's root"
$b mount -t tmpfs -o mode=755 tmpfs /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /new || fail "the overlay"
for dir in proc sys dev; do $b mount --move /$dir /new/$dir; done
$b mount -t tmpfs -o mode=755 tmpfs /new/run
$b mkdir /new/run/vm
$b mount -t 9p -o $share vmrun /new/run/vm || fail "the run's folder"
exec $b switch_root /new /bin/sh /run/vm/init.sh
