# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # read by init.sh
# Makes Debian's systemd process 1: of what the host's root would start only the journal and the bus are left, and the command is a unit.
# Every .wants folder is emptied (in the overlay), so units that others require still work.

units=/etc/systemd/system
$b rm -rf /lib/systemd/system-generators /etc/systemd/system-generators /lib/systemd/system/*.wants $units/*.wants
$b mkdir -p $units
$b rm -rf /var/log/journal # the journal stays in memory
$b rm -f /.dockerenv       # of a host that is a container: this is none
$b hostname >/etc/hostname
# Without an id of its own the first boot would enable everything by preset.
$b head -c 16 /dev/urandom | $b od -An -tx1 | $b tr -d ' \n' >/etc/machine-id

cat >$units/vm.target <<-'END'
	[Unit]
	Requires=basic.target
	After=basic.target
	Wants=systemd-journald.service systemd-journald-dev-log.socket dbus.socket vm-command.service
	AllowIsolate=yes
END
# Started whatever became of the rest: it says how that went.
cat >$units/vm-command.service <<-END
	[Unit]
	DefaultDependencies=no
	After=basic.target systemd-journald.service dbus.socket
	[Service]
	Type=exec
	ExecStart=/bin/sh /run/vm/command.sh
	OOMPolicy=continue
	TasksMax=infinity
	Delegate=yes
END
exec /lib/systemd/systemd --unit=vm.target
