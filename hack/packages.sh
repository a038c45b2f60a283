# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What joblet takes from Debian 12, in one place, and what both quickstart.sh and test.sh do with it. Sourced, never run.
# shellcheck disable=SC2034

# to build it
packages_build=(gcc libc6-dev make pkg-config protobuf-c-compiler protobuf-compiler libcap-dev libyaml-dev libnghttp2-dev
	libprotobuf-c-dev libseccomp-dev libsqlite3-dev libssl-dev libsystemd-dev libyajl-dev)

# to run it: the programs that the base tree of jobs is made from (runtimes/base/runtime.yaml), and openssl for the certificates
packages_run=(bash bsdextrautils bsdutils bzip2 ca-certificates coreutils curl debianutils diffutils findutils grep gzip
	hostname iproute2 iputils-ping libc-bin mawk ncurses-bin openssl passwd procps python3 sed tar tzdata util-linux wget xz-utils)

# to test it; lint; the peers that the suite puts in our programs' place, and a gRPC client that is not ours
packages_test=(bats bubblewrap buildah busybox-static catatonit clang clang-format conmon containerd crun expect file git jq libclang-rt-14-dev man-db nghttp2-client perl
	podman psmisc python3-grpc-tools python3-grpcio python3-protobuf runc shellcheck slurm-client slurmctld slurmd sqlite3 strace uidmap)

# the virtual machine of hack/vm.sh
packages_vm=(busybox-static dbus qemu-system-x86 systemd)

# what make analyze reads with
packages_analyze=(clang-tidy cppcheck gcc)

# to measure it (make bench): what it is measured beside
packages_bench=(bubblewrap busybox-static conmon crun git openssh-client openssh-server openssl podman procps python3 runc strace)

# NAMES: those that are not installed
missing_packages() {
	comm -23 <(printf '%s\n' "$@" | sort -u) <(dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
		sed -n 's/^\([^: ]*\)\(:[a-z0-9]*\)\? installed$/\1/p' | sort -u)
}

# Installs what is missing; touches neither the network nor apt when nothing is.
install_packages() {
	local missing
	command -v dpkg-query >/dev/null || {
		echo "this needs Debian 12: there is no dpkg here" >&2
		return 1
	}
	mapfile -t missing < <(missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq </dev/null || true # what is in the lists may do
	apt-get install -qq -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

# The user that the gateway becomes: no home, no shell, owns nothing.
make_user() {
	getent passwd joblet >/dev/null && return 0
	useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin joblet
}

# git, run by root in a tree of somebody else's, would say nothing.
trust_tree() {
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$1
}
