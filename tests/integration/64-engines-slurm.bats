#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Slurm runs jobs in containers of joblet-runtime (oci.conf, RunTimeRun), as root and as an ordinary user: a cluster of one node, in
# namespaces of its own.
bats_require_minimum_version 1.5.0
load helpers/engine

USER_ID=24242

setup_file() {
	engine_setup_file
	export SLURM=$ENGINE/slurm
	mkdir -p "$SLURM"/{state,spool,root/rootfs,user/rootfs,run.root,run.joblet-user}
	chown $USER_ID "$SLURM/run.joblet-user"
	chmod a+x "$ENGINE"
	slurm_bundles
	slurm_configure
	slurm_user
	# An address that is not 127.0.0.1: without one the C library finds no address to listen on (AI_ADDRCONFIG).
	engine_in ip addr add 192.0.2.1/32 dev lo
	slurm_start slurmctld
	slurm_start slurmd -N n1
	wait_until node_is idle || { tail -n 20 "$SLURM"/*.log; return 1; }
}

teardown_file() {
	kill "$(cat "$SLURM/slurmd.pid")" "$(cat "$SLURM/slurmctld.pid")"
	engine_teardown_file
}

# One for root and one for the user: its own id is root of a user namespace, and it has no cgroup to give.
slurm_bundles() {
	cp -a "$ENGINE/image/." "$SLURM/root/rootfs"
	cp -a "$ENGINE/image/." "$SLURM/user/rootfs"
	"$ENGINE_BIN/joblet-runtime" spec -b "$SLURM/root"
	"$ENGINE_BIN/joblet-runtime" spec --rootless -b "$SLURM/user"
	edit root '.process.terminal = false | .linux.cgroupsPath = "/" + $cgroup | .linux.resources.memory.limit = 67108864'
	edit user '.process.terminal = false | .linux.uidMappings[0].hostID = $id | .linux.gidMappings[0].hostID = $id'
	chown -R $USER_ID:$USER_ID "$SLURM/user"
}

edit() { # bundle, what jq makes of its config.json
	jq --argjson id $USER_ID --arg cgroup "$ENGINE_CGROUP/job" "$2" "$SLURM/$1/config.json" >"$SLURM/config.new"
	mv "$SLURM/config.new" "$SLURM/$1/config.json"
}

slurm_configure() {
	local runtime="$ENGINE_BIN/joblet-runtime --root=$SLURM/run.%u"
	cat >"$SLURM/slurm.conf" <<-EOF
		ClusterName=joblet
		SlurmctldHost=n1(127.0.0.1)
		NodeName=n1 NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
		PartitionName=all Nodes=n1 Default=YES
		AuthType=auth/none
		CredType=cred/none
		SlurmUser=root
		SlurmctldPort=26817
		SlurmdPort=26818
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		SelectType=select/linear
		MpiDefault=none
		ReturnToService=2
		KillWait=1
		StateSaveLocation=$SLURM/state
		SlurmdSpoolDir=$SLURM/spool
		SlurmctldLogFile=$SLURM/slurmctld.log
		SlurmdLogFile=$SLURM/slurmd.log
		SlurmctldPidFile=$SLURM/slurmctld.pid
		SlurmdPidFile=$SLURM/slurmd.pid
	EOF
	cat >"$SLURM/oci.conf" <<-EOF
		RunTimeRun="$runtime run -b %b %n.%u.%j.%s.%t"
		RunTimeQuery="$runtime state %n.%u.%j.%s.%t"
		RunTimeKill="$runtime kill -a %n.%u.%j.%s.%t"
		RunTimeDelete="$runtime delete --force %n.%u.%j.%s.%t"
	EOF
}

slurm_user() { # who exists in these namespaces only
	local f
	{ cat /etc/passwd; echo "joblet-user:x:$USER_ID:$USER_ID::/:/bin/sh"; } >"$SLURM/passwd"
	{ cat /etc/group; echo "joblet-user:x:$USER_ID:"; } >"$SLURM/group"
	for f in passwd group; do engine_in mount --bind "$SLURM/$f" "/etc/$f"; done
}

slurm_start() { # program …: with the node's name for a host name
	nsenter -t "$ENGINE_KEEPER" -m -n unshare -u sh -c 'hostname n1 && exec env SLURM_CONF="$0/slurm.conf" "$@"' "$SLURM" "$@" -D \
		</dev/null >"$SLURM/$1.out" 2>&1 3>&- 4>&- &
}

slurm() { # program …, as root
	engine_in env SLURM_CONF="$SLURM/slurm.conf" timeout --foreground -k 5 60 "$@"
}

as_user() {
	engine_in setpriv --reuid $USER_ID --regid $USER_ID --clear-groups env SLURM_CONF="$SLURM/slurm.conf" timeout --foreground -k 5 60 "$@"
}

node_is() { [ "$(engine_in env SLURM_CONF="$SLURM/slurm.conf" timeout 3 sinfo -h -o %t)" = "$1" ]; }
no_jobs() { [ -z "$(slurm squeue -h)" ]; }
no_containers() { [ -z "$(ls "$SLURM"/run.* | grep ^n1)" ]; }

@test "srun: output, stdin, exit status, the job's limits; nothing is left" {
	run -0 slurm srun --container="$SLURM/root" sh -c 'echo $(id -u) $(ls / | head -n 1); cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true'
	echo "$output"
	[ "$output" = $'0 bin\n67108864' ]
	run -3 slurm srun --container="$SLURM/root" sh -c 'read x; echo "got $x"; exit 3' <<<given
	[[ $output == *'got given'* ]]
	[ "$(slurm srun --container="$SLURM/root" seq 100000 | sha256sum)" = "$(seq 100000 | sha256sum)" ]
	run -1 slurm srun --container="$SLURM/root" /bin/nosuch
	[[ ${output,,} == *'/bin/nosuch'* ]]
	wait_until no_jobs
	wait_until no_containers
}

@test "srun by an ordinary user: root of a user namespace, without a cgroup of its own" {
	run -0 as_user srun --container="$SLURM/user" sh -c 'echo $(id -u) $(cat /proc/self/uid_map)'
	echo "$output"
	[ "${lines[0]}" = "0 0 $USER_ID 1" ]
	run -7 as_user srun --container="$SLURM/user" sh -c 'exit 7'
	wait_until no_containers
}

# A batch script is run by /bin/sh -c inside, and its output is in a file.
batch() { # who bundle file script
	"$1" sbatch --parsable --container="$SLURM/$2" -o "$3" <<<"#!/bin/sh
$4"
}

@test "sbatch, and scancel: the container ends with its job" {
	local job
	job=$(batch slurm root "$SLURM/out" 'echo batch $(id -u); wc -l </etc/passwd')
	wait_until no_jobs
	cat "$SLURM/out"
	[ "$(cat "$SLURM/out")" = $'batch 0\n2' ]
	job=$(batch slurm root "$SLURM/out2" 'echo up; sleep 1000')
	wait_until grep -q up "$SLURM/out2"
	[ -n "$(cat /sys/fs/cgroup/{,unified,pids}/"$ENGINE_CGROUP"/job/cgroup.procs 2>/dev/null)" ]
	slurm scancel "$job"
	wait_until no_jobs
	wait_until no_containers
	[ -z "$(cat /sys/fs/cgroup/{,unified,pids}/"$ENGINE_CGROUP"/job/cgroup.procs 2>/dev/null)" ]
}
