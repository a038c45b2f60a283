#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command in a virtual machine: Debian's kernel under plain emulation, the host's own root read-only below an overlay in memory, in the
# folder where it was called. Output comes out on stdout, the exit status is the command's.
#
#	hack/vm.sh COMMAND [ARGUMENT…]      cgroup v2 only
#	CGROUP=v1 hack/vm.sh …              pure v1; CGROUP=hybrid: v1 controllers and an empty unified tree
#	INIT=systemd hack/vm.sh …           systemd is process 1, with the journal and the bus; the command is a unit of its
#	VM_MEMORY=2048 VM_CPUS=2 VM_TIMEOUT=900 (seconds)   VM_ENV='NAME …': variables that are handed in
#	VM_CONSOLE=1                        the kernel's messages on stderr at the end
#
# 124: out of time. 125: the machine did not come up or died. Nothing of the host is written but below build/vm, where the kernel package is
# kept unpacked (what a killed run left there is removed by the next), and $JOBLET_RESULTS, which gets what the command appended to its own.
# What runs inside is in hack/vm.
set -euo pipefail
shopt -s nullglob

here=$(cd "$(dirname "$0")/.." && pwd)
cache=$here/build/vm
cgroup=${CGROUP:-v2}
init=${INIT:-none}
memory=${VM_MEMORY:-2048}
cpus=${VM_CPUS:-2}
limit=${VM_TIMEOUT:-900}
export PATH=$PATH:/usr/sbin:/sbin

die() {
	echo "vm.sh: $*" >&2
	exit 125
}

[ $# -gt 0 ] || die "usage: hack/vm.sh COMMAND [ARGUMENT…]"
case $cgroup in v1 | hybrid | v2) ;; *) die "CGROUP is v1, hybrid or v2" ;; esac
case $init in none | systemd) ;; *) die "INIT is systemd or nothing" ;; esac
[ $init = none ] || [ -x /lib/systemd/systemd ] || die "systemd is missing (apt-get install systemd dbus)"
for tool in setpriv qemu-system-x86_64 busybox dpkg-deb apt-get flock; do
	command -v $tool >/dev/null || die "$tool is missing (apt-get install qemu-system-x86 busybox-static)"
done
busybox=$(command -v busybox)

# The newest kernel of the package lists, as a .deb in $1.
download_kernel() {
	local name
	name=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends:/ { print $2; exit }')
	[ -n "$name" ] && (cd "$1" && apt-get -qq -o APT::Sandbox::User=root download "$name" >&2)
}

# The kernel, its modules and the first root, made once.
prepare_kernel() {
	local work=$cache/new.$$ version
	mkdir -p "$work/deb"
	# No lists, or lists of yesterday: fetched, and asked again.
	download_kernel "$work/deb" || { apt-get -qq update >&2 && download_kernel "$work/deb"; } || die "no kernel to download (linux-image-amd64)"
	dpkg-deb -x "$work"/deb/*.deb "$work/x"
	version=$(basename "$work"/x/lib/modules/*)
	rm -rf "$work/x/lib/modules/$version"/kernel/{sound,drivers/{gpu,media,infiniband,scsi,usb,staging,iio,input,hwmon,net/wireless,net/ethernet}}
	busybox depmod -b "$work/x" "$version"
	mkdir "$work/kernel"
	mv "$work/x/boot/vmlinuz-$version" "$work/kernel/vmlinuz"
	mv "$work/x/lib/modules" "$work/kernel/modules"
	echo "$version" >"$work/kernel/version"
	rm -rf "$cache/kernel"
	mv "$work/kernel" "$cache/kernel"
	rm -rf "$work"
}

# Busybox, the modules that reach the host's root, and the first script.
prepare_initramfs() {
	local version root=$cache/initramfs.$$ m file list
	version=$(cat "$cache/kernel/version")
	mkdir -p "$root"/{bin,dev,proc,sys,ro,rw,new,lib/modules/"$version"}
	cp "$busybox" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	list=$cache/kernel/modules/$version
	for m in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		awk -v want="/$m.ko:" 'index($1, want) { gsub(":", " "); print; exit }' "$list/modules.dep" | tr ' ' '\n' | grep . ||
			die "the kernel has no module $m"
	done | sort -u | while read -r file; do
		mkdir -p "$root/lib/modules/$version/$(dirname "$file")"
		cp "$list/$file" "$root/lib/modules/$version/$file"
	done
	busybox depmod -b "$root" "$version"
	cp "$here/hack/vm/initramfs.sh" "$root/init"
	chmod 755 "$root/init"
	(cd "$root" && busybox find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$cache/initramfs.new"
	mv "$cache/initramfs.new" "$cache/initramfs"
	rm -rf "$root"
}

# What killed runs left: a living one holds its lock.
remove_stale() {
	local old lock
	for old in "$cache"/run.*; do
		exec {lock}<"$old" || continue
		flock -n "$lock" && rm -rf "$old"
		exec {lock}<&-
	done
	rm -rf "$cache"/initramfs.[0-9]* "$cache"/new.*
}

mkdir -p "$cache"
exec 8>"$cache/lock"
flock 8
remove_stale
[ -e "$cache/kernel/version" ] || prepare_kernel
for source in "$0" "$here/hack/vm/initramfs.sh" "$cache/kernel/version"; do
	if [ ! "$cache/initramfs" -nt "$source" ]; then
		prepare_initramfs
		break
	fi
done
run=$(mktemp -d "$cache/run.XXXXXX")
exec 9<"$run"
flock 9
flock -u 8
exec 8>&-

qemu=
clock=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	trap '' INT TERM HUP # a second Ctrl-C must not stop it half-way
	[ -z "$clock" ] || kill "$clock" 2>/dev/null || true
	[ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null || true
	rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cp "$here"/hack/vm/{init,systemd,command}.sh "$run"
{
	echo "vm_cgroup=$cgroup vm_init=$init vm_busybox=$busybox vm_kernel=$(cat "$cache/kernel/version")"
	printf 'vm_modules=%q vm_source=%q vm_dir=%q\n' "$cache/kernel/modules" "$here" "$PWD"
} >"$run/settings"
{
	for name in PATH HOME LANG TERM MODE CGROUP INIT JOBLET_PART ${VM_ENV:-}; do
		[ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
	done
	[ -z "${JOBLET_RESULTS:-}" ] || echo 'export JOBLET_RESULTS=/run/vm/results'
	echo 'export JOBLET_VM=1'
	printf 'cd %q || exit 125\nexec' "$PWD"
	printf ' %q' "$@"
	echo
} >"$run/command"

append="console=ttyS0 quiet panic=-1 rdinit=/init swapaccount=1 random.trust_cpu=on mitigations=off tsc=reliable"
append+=" systemd.unified_cgroup_hierarchy=$([ "$cgroup" = v2 ] && echo 1 || echo 0)"
append+=" systemd.legacy_systemd_cgroup_controller=$([ "$cgroup" = v1 ] && echo 1 || echo 0)"
append+=" systemd.show_status=0 systemd.log_target=kmsg systemd.crash_reboot=1"

# The port to the outside closes when qemu's stdin ends, and qemu makes its stdout non-blocking: so it gets pipes of its own.
mkfifo "$run/in" "$run/out"
exec 7<>"$run/in"
cat "$run/out" 7>&- 9>&- &
reader=$!
# It dies with this script, however that ends.
setpriv --pdeathsig KILL qemu-system-x86_64 -machine pc,accel=tcg,usb=off -cpu max -smp "$cpus" -m "$memory" -nodefaults -no-user-config -no-reboot -display none \
	-kernel "$cache/kernel/vmlinuz" -initrd "$cache/initramfs" \
	-append "$append" \
	-serial "file:$run/console" -chardev stdio,id=out,signal=off -device virtio-serial-pci -device virtserialport,chardev=out,name=vm.out \
	-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
	-virtfs local,path=/,mount_tag=hostroot,security_model=passthrough,readonly=on,multidevs=remap \
	-virtfs "local,path=$run,mount_tag=vmrun,security_model=none" <&7 >"$run/out" 7>&- 9>&- &
qemu=$!
setpriv --pdeathsig KILL sleep "$limit" >/dev/null 2>&1 7>&- 9>&- &
clock=$!
wait -n "$qemu" "$clock" || true
if kill -0 "$qemu" 2>/dev/null; then
	echo "vm.sh: no end after $limit seconds" >&2
	status=124
else
	qemu=
	wait "$reader" || true
	status=$(cat "$run/status" 2>/dev/null || echo 125)
	[ -z "${JOBLET_RESULTS:-}" ] || cat "$run/results" >>"$JOBLET_RESULTS" 2>/dev/null || true
fi
if [ "$status" = 125 ] || [ -n "${VM_CONSOLE:-}" ]; then
	tail -n 50 "$run/console" >&2 || true
fi
exit "$status"
