#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh Debian 12 machine to the first job: installs what is missing, builds, installs, makes the base tree and certificates,
# starts jobletd and runs a job. Run again it does no harm: what is there stays, what has changed is replaced, jobs go on.
#
#	sudo hack/quickstart.sh               all of that
#	sudo hack/quickstart.sh --stop        stops jobletd; jobs that run go on
#	sudo hack/quickstart.sh --uninstall   stops jobs and jobletd and removes all of it but volumes that hold data (--yes: do not ask)
#
# Environment: JOBLET_SERVER_ADDRESS, JOBLET_ADDITIONAL_NAMES, JOBLET_SERVER_PORT as for certs_gen_embedded.sh;
#              JOBLET_HOME (/opt/joblet) and PREFIX (/usr/local) for a second installation beside the first.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

say() { echo "quickstart: $*"; }
die() {
	echo "quickstart: $*" >&2
	exit 1
}

source=$(cd "$(dirname "$0")/.." && pwd)
cd "$source"
# shellcheck source=hack/packages.sh
. hack/packages.sh

home=${JOBLET_HOME:-/opt/joblet}
prefix=${PREFIX:-/usr/local}
export JOBLET_HOME=$home
if [ "$home" = /opt/joblet ]; then
	run=/run/joblet log=/var/log/joblet
else
	run=$home/run log=$home/log
fi
config=$home/config/joblet-config.yml
pid_file=$run/jobletd.pid
unit=$prefix/lib/systemd/system/joblet.service
rnx() { RNX_CONFIG=$home/config/rnx-config.yml RNX_NODE='' "$prefix/bin/rnx" "$@"; }

action=start
yes=
for argument; do
	case $argument in
	--stop) action=stop ;;
	--uninstall) action=uninstall ;;
	--yes) yes=yes ;;
	*) die "usage: quickstart.sh [--stop | --uninstall [--yes]]" ;;
	esac
done
[ "$(id -u)" -eq 0 ] || die "must run as root: sudo hack/quickstart.sh"

# The service is for the first installation; one beside it is a plain process.
uses_systemd() {
	[ "$home" = /opt/joblet ] && [ -d /run/systemd/system ] && [ "$(systemctl is-system-running 2>/dev/null)" != offline ]
}

# The daemon's pid, if it runs: a number from the file alone could be anybody's by now.
running_pid() {
	local pid exe
	pid=$(cat "$pid_file" 2>/dev/null) || return 1
	[[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
	exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
	[ "${exe% (deleted)}" = "$(readlink -f "$prefix/bin")/jobletd" ] || return 1
	tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$config" || return 1
	echo "$pid"
}

stop_daemon() {
	local pid unit
	# The socket first: it would start the service again.
	for unit in joblet.socket joblet.service; do
		if uses_systemd && systemctl cat "$unit" >/dev/null 2>&1; then
			systemctl disable --now --quiet "$unit"
		fi
	done
	pid=$(running_pid) || return 0
	say "stopping jobletd ($pid)"
	# The wait is on a pidfd: it ends when the process does.
	/usr/bin/python3 -I - "$pid" <<'END'
import os, select, signal, sys
try:
    fd = os.pidfd_open(int(sys.argv[1]))
    for number in signal.SIGTERM, signal.SIGKILL:
        signal.pidfd_send_signal(fd, number)
        if select.select([fd], [], [], 20)[0]:
            break
except ProcessLookupError:
    pass
END
	rm -f "$pid_file" "$run/started"
}

# Starts jobletd in a session of its own and waits for its own word that it is ready (sd_notify(3)), or its end.
start_process() {
	install -d -m 0711 "$run"
	install -d -m 0750 "$log"
	/usr/bin/python3 -I - "$pid_file" "$log/joblet.log" "$prefix/bin/jobletd" --config "$config" <<'END'
import os, select, socket, subprocess, sys, tempfile
pid_file, log, *command = sys.argv[1:]
with tempfile.TemporaryDirectory() as directory:
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready.bind(directory + "/notify")
    begin = os.path.getsize(log) if os.path.exists(log) else 0
    with open(log, "ab") as out:
        os.fchmod(out.fileno(), 0o640)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/",
                                 env={**os.environ, "NOTIFY_SOCKET": directory + "/notify"})
    pidfd = os.pidfd_open(child.pid)
    while True:
        able = select.select([ready, pidfd], [], [], 30)[0]
        if ready in able and b"READY=1" in ready.recv(4096).split(b"\n"):
            break
        if not able or pidfd in able:
            if not able:
                child.kill()
            with open(log, "rb") as out:
                out.seek(begin)
                sys.stderr.write(out.read().decode(errors="replace"))
            sys.exit("jobletd said nothing for 30 seconds" if not able else f"jobletd ended with status {child.wait()}")
    with open(pid_file + ".new", "w") as out:
        out.write(f"{child.pid}\n")
    os.rename(pid_file + ".new", pid_file)
END
}

# What the running daemon was started with is kept beside its pid file, so that an edited configuration counts too.
fingerprint() {
	{ cat "$prefix"/bin/{jobletd,joblet-shim,joblet-runtime} "$config" 2>/dev/null || true; } | sha256sum
}

has_changed() {
	[ "$(cat "$run/started" 2>/dev/null)" != "$(fingerprint)" ]
}

start() {
	install_packages "${packages_build[@]}" "${packages_run[@]}" || die "packages could not be installed"
	make_user
	say "building"
	trust_tree "$source"
	make -j"$(nproc)" MODE=release all </dev/null || die "the build failed"
	make install PREFIX="$prefix" </dev/null
	if [ "$(stat -c %u .)" -ne 0 ]; then chown -R --reference=. build; fi # built by root for somebody else

	say "base tree"
	hack/base_tree.sh --home "$home"
	if [ ! -f "$config" ] || [ ! -f "$home/config/rnx-config.yml" ] || [ -n "${JOBLET_SERVER_ADDRESS:-}" ]; then
		say "certificates"
		"$prefix/bin/certs_gen_embedded.sh"
	fi

	if uses_systemd; then
		systemctl daemon-reload
		systemctl enable --quiet "$unit"
		if ! systemctl is-active --quiet joblet.service || has_changed; then
			systemctl restart joblet.service || {
				journalctl -u joblet.service -n 20 --no-pager >&2
				die "jobletd did not start"
			}
		fi
	else
		if running_pid >/dev/null && has_changed; then stop_daemon; fi
		if ! running_pid >/dev/null; then
			say "starting jobletd"
			start_process || die "jobletd did not start, see $log/joblet.log"
		fi
	fi
	fingerprint >"$run/started"

	say 'rnx job run echo "Hello, Joblet"'
	rnx job run echo "Hello, Joblet" </dev/null || die "the first job failed"
	say "all is well. The client's configuration is $home/config/rnx-config.yml (copy it to ~/.rnx/ of a user)."
}

uninstall() {
	local answer ids cgroup
	if [ -t 0 ] && [ -z "$yes" ]; then
		read -rp "Stop all jobs and remove $home with its certificates, logs and history? [y/N] " answer
		[[ $answer == [yY]* ]] || die "nothing was removed"
	fi
	if [ -x "$prefix/bin/rnx" ] && rnx --json job list >/dev/null 2>&1; then
		mapfile -t ids < <(rnx --json job list | /usr/bin/python3 -I -c '
import json, sys
for job in json.load(sys.stdin):
    if job["status"] in ("INITIALIZING", "PENDING", "SCHEDULED", "RUNNING", "STOPPING"):
        print(job["id"])')
		for id in "${ids[@]}"; do
			rnx job stop "$id" >/dev/null 2>&1 || rnx job cancel "$id" >/dev/null 2>&1 || say "job $id could not be stopped"
		done
	fi
	stop_daemon
	cgroup=$("$prefix/bin/jobletd" --config "$home/config/joblet-config.yml" --print-config 2>/dev/null | sed -n 's/^  baseDir: "\(.*\)"$/\1/p') || true
	if grep -qF " $home/" /proc/self/mounts; then
		grep -F " $home/" /proc/self/mounts >&2
		die "something is mounted below $home: unmount it and run this again"
	fi
	make -s uninstall PREFIX="$prefix" MODE=release </dev/null
	! uses_systemd || systemctl daemon-reload
	if [ -d "$home/volumes" ] && [ -n "$(ls -A "$home/volumes")" ]; then
		say "$home/volumes holds data and stays"
		find "$home" -mindepth 1 -maxdepth 1 ! -name volumes -exec rm -rf --one-file-system {} +
	else
		rm -rf --one-file-system "$home"
	fi
	rm -rf --one-file-system "$run" "$log"
	# The jobs' group in each hierarchy, when no job is in it any more.
	[ -z "$cgroup" ] || rmdir "/sys/fs/cgroup/$cgroup" /sys/fs/cgroup/*/"$cgroup" 2>/dev/null || true
	if [ "$home" = /opt/joblet ] && getent passwd joblet >/dev/null; then
		userdel joblet 2>/dev/null || say "the user joblet is in use and stays"
	fi
	say "removed; Debian's packages stay"
}

case $action in
start) start ;;
stop) stop_daemon && say "stopped" ;;
uninstall) uninstall ;;
esac
