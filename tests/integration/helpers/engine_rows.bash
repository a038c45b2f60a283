#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016,SC2034
# What podman's run can be asked for, a row each: name | status | options | script | output. The script is run by sh in the container, where a
# pipe is written ¦; the output is a regular expression for all that is printed, with its white space squeezed. `rows_run GROUP` runs them.

# In the container, cg V1-FILE V2-FILE: what the file of its own cgroup says.
CG='cg() { cat /sys/fs/cgroup/$1 2>/dev/null ¦¦ cat /sys/fs/cgroup/$2; }; '
# st FIELD: of the process's status.
ST='st() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }; '

rows_process='
the program ends with its status | 7 | | exit 7 |
both outputs | 0 | | echo out; echo err >&2 | out err
a signal that ends it is 128 + n | 143 | --pid=host | kill -TERM $$; sleep 5 |
a missing program | 127 | --entrypoint /bin/nosuch | | .*(no such file or directory|No such file or directory|not found).*
a program without execute permission | 126 | --entrypoint /bin/not-executable | | .*[Pp]ermission denied.*
a directory as the program | 126 | --entrypoint /tmp | | .*([Pp]ermission denied|is a directory).*
environment | 0 | --env A=b --env EMPTY= | echo "$A-$EMPTY-$PATH" | b--/bin
working directory | 0 | --workdir /tmp | pwd | /tmp
a working directory that is not there | 126 | --workdir /nosuch | pwd | .*nosuch.*
user by name, his groups and one more | 0 | --user user --group-add 44 | echo $(id -u) $(id -g) $(id -G) | 1000 1001 1001 44 1002
user and group by number | 0 | --user 1234:4321 | echo $(id -u) $(id -g) | 1234 4321
umask | 0 | --umask 077 | umask | 0077
limits of the process | 0 | --ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=300:400 | ulimit -Sn; ulimit -Hn; ulimit -Hc | 100 200 0
oom score | 0 | --oom-score-adj 333 | cat /proc/self/oom_score_adj | 333
time zone | 0 | --tz=Asia/Tokyo | ls -L /etc/localtime | /etc/localtime
init in front of the program | 0 | --init | cat /proc/1/comm | podman-init
the program is process 1 | 0 | | echo $$ | 1
descriptors handed through | 0 | --preserve-fds 2 | cat <&3 | handed
no descriptor but the three | 0 | | ls /proc/self/fd | 0 1 2 3
stdin | 0 | -i | cat | given
'

rows_isolation='
capabilities dropped and added | 0 | --cap-drop=all --cap-add=net_raw,chown | '$ST'st CapEff; st CapBnd | 0000000000002001 0000000000002001
the usual capabilities | 0 | | '$ST'st CapEff; st CapBnd | 00000000a80425fb 00000000a80425fb
no capability for a user | 0 | --user 1000 | '$ST'st CapEff; st CapPrm | 0000000000000000 0000000000000000
a capability for a user | 0 | --user 1000 --cap-add=net_raw | '$ST'st CapEff; st CapAmb | 0000000000002000 0000000000002000
privileged | 0 | --privileged | '$ST'st Seccomp; ls /dev/full; mount -t tmpfs none /tmp && echo mounted | 0 /dev/full mounted
no new privileges | 0 | --security-opt no-new-privileges | '$ST'st NoNewPrivs | 1
the usual seccomp filter | 1 | | '$ST'st Seccomp; mount -t tmpfs none /tmp 2>&1 | 2 mount: .*([Pp]ermission denied|not permitted).*
a seccomp profile of our own | 0 | --security-opt seccomp=$ENGINE/nomkdir.json | mkdir /tmp/x 2>&1; echo made nothing; uname | .*[Cc]an.t create.*(Function not implemented|not permitted).* made nothing Linux
no seccomp filter | 0 | --security-opt seccomp=unconfined | '$ST'st Seccomp | 0
own host name | 0 | --hostname there | hostname; cat /etc/hostname | there there
namespaces of the container alone | 0 | --cgroupns=private | for n in pid net mnt uts ipc cgroup; do readlink /proc/self/ns/$n; done ¦ grep -vFf /data/hostns ¦ wc -l | 6
namespaces of the host | 0 | --pid=host --network=host --ipc=host --uts=host --cgroupns=host | for n in pid net uts ipc cgroup; do readlink /proc/self/ns/$n; done ¦ grep -Ff /data/hostns ¦ wc -l | 5
a namespace by path | 0 | --network=ns:/proc/$ENGINE_KEEPER/ns/net | readlink /proc/self/ns/net ¦ grep -cFf /data/hostns | 1
cgroup namespace: the own cgroup is the root | 0 | --cgroupns=private | cut -d: -f3 /proc/self/cgroup ¦ sort -u | /
user namespace with a mapping | 0 | --uidmap 0:100000:5000 --gidmap 0:200000:5000 | cat /proc/self/uid_map /proc/self/gid_map; touch /tmp/mine && echo ok | 0 100000 5000 0 200000 5000 ok
user namespace chosen by podman | 0 | --userns=auto:size=3000 | cat /proc/self/uid_map | 0 2[0-9]{6} 3000
masked paths | 0 | | cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null ¦ wc -c; ls -A /proc/acpi /sys/firmware | 0 .*
a mask more and none | 0 | --security-opt mask=/etc/group --security-opt unmask=/proc/timer_list | wc -c </etc/group; head -c 1 /proc/timer_list ¦ wc -c | 0 1
read-only paths | 0 | | grep -c " /proc/\(sys\¦bus\¦irq\) proc ro" /proc/mounts | 3
sysctl | 0 | --sysctl kernel.msgmax=12345 --sysctl net.ipv4.ip_default_ttl=33 | cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_default_ttl | 12345 33
loopback is up | 0 | | ip link show lo ¦ grep -c ,UP | 1
personality | 0 | --personality=LINUX32 | uname -m | i686
'

rows_files='
read-only root | 1 | --read-only | touch /x | .*Read-only file system
what stays writable then | 0 | --read-only | touch /tmp/x /run/x /dev/shm/x && echo ok | ok
what does not when told so | 1 | --read-only --read-only-tmpfs=false | touch /tmp/x | .*Read-only file system
tmpfs with options | 0 | --tmpfs /x:size=1m,mode=700,noexec | stat -c %a /x; df -k /x ¦ awk "END{print \$2}"; grep " /x " /proc/mounts ¦ grep -c noexec | 700 1024 1
tmpfs that takes what the image has there | 0 | --mount type=tmpfs,destination=/etc,tmpcopyup | grep -c root /etc/passwd; grep " /etc " /proc/mounts ¦ cut -d" " -f3 | 1 tmpfs
a folder of the host | 0 | -v $ENGINE/data:/x | cat /x/file | of the host
a folder of the host, read-only | 1 | -v $ENGINE/data:/x:ro | cat /x/file; touch /x/new | of the host .*Read-only file system
a file of the host | 0 | -v $ENGINE/data/file:/etc/thefile | cat /etc/thefile | of the host
a folder and the mounts below it | 0 | -v $ENGINE/data:/x | grep -c " /x/below tmpfs " /proc/mounts | 1
mount flags | 0 | -v $ENGINE/data:/x:noexec,nosuid,nodev | grep " /x " /proc/mounts ¦ cut -d" " -f4 ¦ tr , "\n" ¦ grep -c "noexec\\¦nosuid\\¦nodev" | 3
a volume with what the image has there | 0 | -v /etc | grep -c root /etc/passwd; touch /etc/new && echo ok | 1 ok
a device | 0 | --device /dev/null:/dev/mine:rw | ls -l /dev/mine ¦ cut -c1; echo x >/dev/mine && echo ok | c ok
a device only to read | 1 | --device /dev/kmsg:/dev/mine:r --cap-add=syslog | : </dev/mine && echo open; : >/dev/mine | open .*(not permitted|denied).*
a device that is not on the list | 1 | --cap-add=syslog | mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg | .*not permitted.*
a rule for devices | 0 | --device-cgroup-rule "c 1:11 rwm" --cap-add=syslog | mknod /tmp/kmsg c 1 11 && : </tmp/kmsg && echo ok | ok
the usual devices | 0 | | cd /dev; ls -d fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ¦ wc -l | 14
size of /dev/shm | 0 | --shm-size=3m | df -k /dev/shm ¦ awk "END{print \$2}" | 3072
hosts and resolver | 0 | --add-host there:192.0.2.1 --dns=192.0.2.53 --network=host | grep -c 192.0.2.1 /etc/hosts; grep 192 /etc/resolv.conf | 1 nameserver 192.0.2.53
a folder as the root | 0 | --rootfs $ENGINE/image | cat /bin/not-executable | not a program
a secret | 0 | --secret word | cat /run/secrets/word | open sesame
'

rows_limits='
memory | 0 | --memory=64m --memory-reservation=32m | '$CG'cg memory/memory.limit_in_bytes memory.max; cg memory/memory.soft_limit_in_bytes memory.low | 67108864 33554432
memory and swap | 0 | --memory=64m --memory-swap=96m | '$CG'cg memory/memory.memsw.limit_in_bytes memory.swap.max | (100663296|33554432)
swappiness | 0 | --memory-swappiness=7 | cat /sys/fs/cgroup/memory/memory.swappiness | 7
processors | 0 | --cpus=0.5 | '$CG'cg cpu/cpu.cfs_quota_us cpu.max | 50000( 100000)?
share of processors | 0 | --cpu-shares=512 | '$CG'cg cpu/cpu.shares cpu.weight | (512|20)
period and quota | 0 | --cpu-period=50000 --cpu-quota=20000 | '$CG'cg cpu/cpu.cfs_quota_us cpu.max | 20000( 50000)?
processors by number | 0 | --cpuset-cpus=0 --cpuset-mems=0 | grep Cpus_allowed_list /proc/self/status ¦ cut -f2 | 0
processes | 0 | --pids-limit=21 | '$CG'cg pids/pids.max pids.max | 21
more processes than the limit | 0 | --pids-limit=5 | sh -c "for i in 1 2 3 4 5 6 7 8; do sleep 9 & done" 2>/tmp/log; read -r said </tmp/log; echo "$said" | .*can.t fork.*
bytes a second of a disk | 0 | --device-read-bps $DISK:1mb --device-write-iops $DISK:100 | '$CG'cg blkio/blkio.throttle.read_bps_device io.max | .* (rbps=)?1048576.*
hierarchies are read-only | 1 | --cgroupns=private | mkdir /sys/fs/cgroup/pids/x /sys/fs/cgroup/x | .*Read-only.*
annotations do no harm | 0 | --annotation a.b=c --label d=e | echo ok | ok
'

# What the rows refer to.
rows_prepare() {
	local d ns
	mkdir -p "$ENGINE/data/below"
	echo 'of the host' >"$ENGINE/data/file"
	for ns in pid net mnt uts ipc cgroup; do engine_in readlink "/proc/self/ns/$ns"; done >"$ENGINE/data/hostns"
	engine_in mount -t tmpfs tmpfs "$ENGINE/data/below"
	echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}' \
		>"$ENGINE/nomkdir.json"
	echo 'open sesame' | pod secret create word - >/dev/null
	for d in /sys/block/*; do
		[ ! -b "/dev/${d##*/}" ] || break
	done
	export DISK=/dev/${d##*/}
}

trim() {
	local text=$1
	text=${text#"${text%%[![:space:]]*}"}
	echo "${text%"${text##*[![:space:]]}"}"
}

# row_run FILE NAME STATUS OPTIONS SCRIPT OUTPUT: FILE.done when it has run, FILE.bad when it is not as it should be.
row_run() {
	local file=$1 name=$2 want=$3 script=${5//¦/|} output status=0 image=(box)
	local -a options
	eval "options=($4)"
	case $4 in *--rootfs*) image=() ;; esac
	[ -z "$script" ] || image+=(sh -c "$script")
	output=$(echo given | ENGINE_FDS=1 pod_run --rm -v "$ENGINE/data:/data" "${options[@]}" "${image[@]}" 3<<<handed 4</dev/null 2>&1) || status=$?
	# shellcheck disable=SC2086
	output=$(set -f && echo $output)
	if [ "$status" != "$want" ] || ! [[ $output =~ ^($6)$ ]]; then
		printf '%s: status %s, not %s; printed: %s\n' "$name" "$status" "$want" "$output" >"$file.bad"
	fi
	echo "$name" >"$file.done"
}

# rows_run GROUP: every row of $rows_GROUP, three at a time; prints those that are not as they should be, and fails when there is one.
rows_run() {
	local table=rows_$1 name status options script expected n=0 dir=$BATS_TEST_TMPDIR pids=()
	while IFS='|' read -r name status options script expected; do
		[ -n "$name" ] || continue
		n=$((n + 1))
		row_run "$dir/$n" "$(trim "$name")" "$(trim "$status")" "$options" "$(trim "$script")" "$(trim "$expected")" &
		pids+=($!)
		[ $n -le 2 ] || wait "${pids[n - 3]}"
	done <<<"${!table}"
	wait "${pids[@]}"
	[ "$(cat "$dir"/*.done | wc -l)" = "$n" ] || echo "not all of $n rows ran" >"$dir/0.bad"
	! cat "$dir"/*.bad 2>/dev/null
}
