# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a run of tests leaves on a machine, found by its name: every process of a run has JOBLET_TEST_NAME in its environment, and every
# home, instance and cgroup of its tests begins with it. Sourced by integration.sh and by the last of its tests, never run.

# NAME: the processes of a run that are not in the process group of the caller.
test_processes() {
	local pid mine
	mine=$(ps -o pgid= -p $BASHPID)
	{
		grep -lzxF "JOBLET_TEST_NAME=$1" /proc/[0-9]*/environ
		grep -lzE "(^|[/=])$1-" /proc/[0-9]*/cmdline
	} 2>/dev/null | sort -u | while IFS=/ read -r _ _ pid _; do
		[ "$(ps -o pgid= -p "$pid" || echo "$mine")" = "$mine" ] || echo "$pid"
	done
}

# NAME: cgroups of a run, leaves first.
test_cgroups() {
	find /sys/fs/cgroup -depth -type d -path "*/$1-*" 2>/dev/null
}

# NAME: everything of a run that is still there, a line each.
test_traces() {
	local pid
	for pid in $(test_processes "$1"); do
		echo "process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done 2>/dev/null
	test_cgroups "$1" | sed 's/^/cgroup /'
	awk -v name="/$1" 'index($0, name) { print "mount " $5 }' /proc/self/mountinfo
	find /tmp /run /var/log -maxdepth 2 -name "$1-*" 2>/dev/null | sed 's/^/file /'
	{ ip -o link && ip netns; } 2>/dev/null | grep -F "$1-" | sed 's/^/network /'
	nft list tables 2>/dev/null | grep -F "$1-" | sed 's/^/nft /'
}

# What joblet has on a machine outside of any run of tests.
standing_traces() {
	find /run /opt /var/log /var/lib /root -maxdepth 1 -name '*joblet*' 2>/dev/null
	find /tmp -maxdepth 1 -name '*joblet*' ! -name 'joblet-test*' ! -name 'bats-run-*'
	find /run/joblet* /var/log/joblet* /opt/joblet /root/.rnx -maxdepth 2 2>/dev/null
	find /sys/fs/cgroup -maxdepth 3 -type d \( -name joblet -o -name joblet-runtime -o -name 'joblet.*' \) 2>/dev/null
	awk '/joblet/ && !/joblet-test/ { print "mount " $5 }' /proc/self/mountinfo
	{ ip -o link && ip netns; } 2>/dev/null | grep joblet | grep -v joblet-test | cut -d'<' -f1 | sed 's/^[0-9]*/network/'
	nft list tables 2>/dev/null | grep joblet | grep -v joblet-test | sed 's/^/nft /'
	getent passwd | grep joblet
}

# NAME: ends and removes what an interrupted run left.
remove_traces() {
	local pid dir
	for pid in $(test_processes "$1"); do kill -KILL "$pid" 2>/dev/null; done
	for dir in $(test_cgroups "$1"); do
		while read -r pid; do [ "$pid" = 0 ] || kill -KILL "$pid"; done <"$dir/cgroup.procs"
		echo THAWED >"$dir/freezer.state"
		echo 0 >"$dir/cgroup.freeze"
	done 2>/dev/null
	awk -v name="/tmp/$1" 'index($5, name) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r dir; do umount -l "$dir"; done
	rm -rf --one-file-system "/tmp/$1" "/tmp/$1"-*
	ip netns 2>/dev/null | awk -v name="$1-" 'index($1, name) == 1 { print $1 }' | xargs -r -n 1 ip netns del
	# Killed processes leave their cgroups a little later.
	for _ in {1..100}; do
		for dir in $(test_cgroups "$1"); do rmdir "$dir" 2>/dev/null; done
		[ -n "$(test_cgroups "$1")" ] || break
		sleep 0.1
	done
}
