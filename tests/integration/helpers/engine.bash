#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# The engines of Debian's packages, with our programs or with their peers in the places of runtime and monitor. For 6x-engines-*.bats:
#
#	engine_setup_file          a home for the engine, in mount and network namespaces of its own
#	engine_teardown_file       ends all, and says whether something was left
#	engine_use MONITOR RUNTIME conmon or joblet-shim; joblet-runtime, crun or runc: what pod uses from now on
#	pod …                      podman with its own storage, configuration and state
#	pod_run …                  podman run in the test's own cgroup, without a network unless it says which
#
# Images are made of busybox, on the spot. Whatever an engine mounts stays in the private mount namespace, and what it calls the host's
# network is an empty namespace with a loopback. Cgroups are below $ENGINE_CGROUP.

ENGINE_SOURCE=${JOBLET_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
ENGINE_BIN=${JOBLET_BIN:-$ENGINE_SOURCE/build/release/bin}

# Where the programs are that may stand in a place.
engine_program() {
	case $1 in
	joblet-*) echo "$ENGINE_BIN/$1" ;;
	*) PATH=$PATH:/usr/sbin command -v "$1" ;;
	esac
}

engine_setup_file() {
	ENGINE=$(mktemp -d /tmp/joblet-test-engine-XXXXXX)
	ENGINE_CGROUP=joblet-test-engine-${ENGINE##*-}
	export ENGINE ENGINE_CGROUP
	engine_home
	engine_namespaces
	engine_image
}

# Storage, state and configuration; of the machine's own only the policy for images is read.
engine_home() {
	mkdir -p "$ENGINE"/{storage,run,tmp,net,data,image/{bin,etc,tmp,proc,sys,dev,data}}
	cat >"$ENGINE/containers.conf" <<-EOF
		[containers]
		cgroupns = "private"
		default_ulimits = ["nofile=1024:2048", "nproc=4096:4096"]
		netns = "none"
		seccomp_profile = "/usr/share/containers/seccomp.json"
		[network]
		network_config_dir = "$ENGINE/net"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		lock_type = "file"
		tmp_dir = "$ENGINE/tmp"
		[engine.runtimes]
		joblet-runtime = ["$(engine_program joblet-runtime)"]
		crun = ["$(engine_program crun)"]
		runc = ["$(engine_program runc)"]
	EOF
	printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$ENGINE/storage" "$ENGINE/run" >"$ENGINE/storage.conf"
	echo 'unqualified-search-registries = []' >"$ENGINE/registries.conf"
}

# A process that holds the namespaces; in them /etc/subuid has a range for --userns=auto.
engine_namespaces() {
	echo 'containers:2000000:1000000' >"$ENGINE/subuid"
	cat >"$ENGINE/keeper.sh" <<-'EOF'
		ENGINE=$1
		ip link set lo up || exit 1
		# Podman names no place where the runtime remembers containers. All of /run, since whoever removes a folder
		# that is a mount point elsewhere takes that mount away.
		mount -t tmpfs -o mode=755 joblet-test /run || exit 1
		mount --bind "$ENGINE/subuid" /etc/subuid && mount --bind "$ENGINE/subuid" /etc/subgid || exit 1
		echo ready >"$ENGINE/ready"
		exec sleep infinity
	EOF
	setsid unshare --mount --net --propagation private sh "$ENGINE/keeper.sh" "$ENGINE" </dev/null >"$ENGINE/keeper.log" 2>&1 3>&- 4>&- &
	ENGINE_KEEPER=$!
	export ENGINE_KEEPER
	wait_until test -e "$ENGINE/ready" || { cat "$ENGINE/keeper.log"; return 1; }
}

# wait_until COMMAND…: for half a minute; how long it takes is nobody's business.
wait_until() {
	local i
	for i in $(seq 300); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "never true: $*"
	return 1
}

# A command in the engine's namespaces, without what bats has open; $ENGINE_FDS: the caller has descriptors of its own to hand over.
engine_in() {
	if [ -n "${ENGINE_FDS:-}" ]; then
		nsenter -t "$ENGINE_KEEPER" -m -n "$@"
	else
		nsenter -t "$ENGINE_KEEPER" -m -n "$@" 3>&- 4>&-
	fi
}

# crun refuses a hybrid machine whose unified tree has a controller, so the engine does not see that tree.
engine_crun_layout() {
	engine_in mountpoint -q /sys/fs/cgroup/unified || return 0
	engine_in umount -l /sys/fs/cgroup/unified
}

engine_use() {
	MONITOR=$(engine_program "$1") RUNTIME=$2
	export MONITOR RUNTIME
	engine_program "$2" >/dev/null
}

pod() {
	engine_in env ${POD_NOTIFY:+NOTIFY_SOCKET="$POD_NOTIFY"} CONTAINERS_CONF="$ENGINE/containers.conf" CONTAINERS_STORAGE_CONF="$ENGINE/storage.conf" \
		CONTAINERS_REGISTRIES_CONF="$ENGINE/registries.conf" HOME="$ENGINE" TMPDIR="$ENGINE/tmp" \
		timeout --foreground -k 5 60 podman --root "$ENGINE/storage" --runroot "$ENGINE/run" --tmpdir "$ENGINE/tmp" \
		--runtime "$RUNTIME" --conmon "$MONITOR" "$@"
}

pod_run() {
	pod run --cgroup-parent="/$ENGINE_CGROUP" "$@"
}

engine_image() {
	local applet image=$ENGINE/image
	cp /bin/busybox "$image/bin/busybox"
	for applet in $(/bin/busybox --list); do
		[ -e "$image/bin/$applet" ] || ln -s busybox "$image/bin/$applet"
	done
	printf 'root:x:0:0:root:/:/bin/sh\nuser:x:1000:1001:user:/tmp:/bin/sh\n' >"$image/etc/passwd"
	printf 'root:x:0:\nuser:x:1001:\nextra:x:1002:user\n' >"$image/etc/group"
	echo 'not a program' >"$image/bin/not-executable"
	chmod 1777 "$image/tmp"
	engine_use conmon joblet-runtime
	tar -C "$image" -c . | pod import -q -c 'ENV PATH=/bin' -c 'CMD ["/bin/sh"]' - box >/dev/null
}

engine_cgroups() {
	find /sys/fs/cgroup -depth -type d -path "*/$ENGINE_CGROUP*" 2>/dev/null
}

# The processes whose namespaces are the engine's: the keeper, conmon, podman's exit commands.
engine_processes() {
	local mnt p
	mnt=$(readlink "/proc/$ENGINE_KEEPER/ns/mnt") || return 0
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/ns/mnt" 2>/dev/null)" != "$mnt" ] || [ "${p#/proc/}" = "$ENGINE_KEEPER" ] || echo "${p#/proc/}"
	done
}

no_processes() {
	[ -z "$(engine_processes)" ]
}

engine_teardown_file() {
	local bad=0 dir p
	engine_use conmon runc
	pod pod rm -f -a -t 0 >/dev/null 2>&1 || true
	pod rm -f -a -t 0 >/dev/null || bad=1
	wait_until no_processes || {
		for p in $(engine_processes); do
			echo "left: process $p $(tr '\0' ' ' <"/proc/$p/cmdline")"
			kill -9 "$p"
		done
		bad=1
	}
	for dir in $(engine_cgroups); do rmdir "$dir" || bad=1; done
	kill "$ENGINE_KEEPER"
	wait_until test ! -e "/proc/$ENGINE_KEEPER" || true
	rm -rf --one-file-system "$ENGINE" || bad=1
	[ -z "$(engine_cgroups)" ] && ! grep -q "$ENGINE" /proc/self/mountinfo && [ "$bad" = 0 ]
}
