#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The scripts of hack/: the base tree, the certificates, and that lint and check can fail.

bats_require_minimum_version 1.5.0

setup_file() {
	export SOURCE=${JOBLET_SOURCE:-$BATS_TEST_DIRNAME/../..}
	export TREES=$BATS_FILE_TMPDIR/home
	PATH=$SOURCE/hack:$PATH
	base_tree.sh --home "$TREES" >"$BATS_FILE_TMPDIR/built"
	export TREE=$TREES/runtimes/base/1.0.0/isolated
}

setup() {
	export JOBLET_HOME=$BATS_TEST_TMPDIR/home
	unset JOBLET_SERVER_ADDRESS JOBLET_ADDITIONAL_NAMES JOBLET_SERVER_PORT
}

in_tree() {
	chroot --userspec=65534:65534 "$TREE" /usr/bin/env -i PATH=/usr/bin:/usr/sbin LANG=C.UTF-8 TERM=xterm "$@"
}

# KEY of a configuration, as the PEM that it holds
pem() {
	awk -v key="$2:" '$1 == key { inside = 1; next } inside && /-----/ { sub(/^ +/, ""); print; if (/END/) exit; next }
		inside { sub(/^ +/, ""); print }' "$1"
}

node_pem() {
	awk -v node="  $1:" '$0 == node { inside = 1; print; next } /^  [a-z]/ { inside = 0 } inside' "$JOBLET_HOME/config/rnx-config.yml" >"$BATS_TEST_TMPDIR/node"
	pem "$BATS_TEST_TMPDIR/node" "$2"
}

@test "base tree: everyday programs run as nobody" {
	in_tree bash -c 'ls / >/dev/null; ip -V; curl --version; wget --version; openssl version; tar --version; awk "BEGIN{exit 0}"; tput cols; ping -V; ps --version; hostname --version 2>&1; ss -V' >/dev/null
	[ "$(in_tree sh -c 'echo héé | wc -m')" = 4 ]
	[ "$(in_tree id -un):$(in_tree id -gn)" = nobody:nogroup ]
}

@test "base tree: python with its standard library and certificate authorities" {
	in_tree python3 -c 'import ssl, sqlite3, json, lzma, bz2, curses, readline, ctypes, uuid, decimal, zoneinfo
assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 50
assert zoneinfo.ZoneInfo("Europe/Berlin")'
	! in_tree python3 -c 'import apt' 2>/dev/null
}

@test "base tree: no way to other rights, nothing of the host" {
	[ -z "$(find "$TREE" -perm /6000)" ]
	[ -z "$(find "$TREE" ! -uid 0 -o ! -gid 0)" ]
	[ -z "$(find "$TREE" ! -type l -perm /022 ! -path "$TREE/tmp" ! -path "$TREE/var/tmp")" ]
	[ -z "$(find "$TREE" -type b -o -type c -o -type p -o -type s)" ]
	for name in apt apt-get dpkg sudo su passwd mount.nfs; do
		run ! in_tree sh -c "command -v $name"
	done
	for file in hosts hostname resolv.conf; do [ ! -s "$TREE/etc/$file" ]; done
	for path in etc/machine-id etc/ssh etc/sudoers root/.bashrc var/lib/dpkg usr/lib/python3/dist-packages; do [ ! -e "$TREE/$path" ]; done
	[ "$(wc -l <"$TREE/etc/passwd")" -eq 2 ]
}

@test "base tree: what a job may not read says Permission denied" {
	for path in /root /etc/shadow; do
		run in_tree ls $path
		[ "$status" -ne 0 ]
		[[ $output == *"Permission denied"* ]]
	done
	run ! in_tree touch /x /etc/x
}

@test "base tree: every link leads somewhere, every mount point is there" {
	mount -t proc none "$TREE/proc"
	dangling=$(chroot "$TREE" /usr/bin/find / -xdev -type l ! -exec test -e {} \; -print) || true
	umount "$TREE/proc"
	[ -z "$dangling" ]
	for dir in proc dev sys tmp work volumes run root home var/tmp; do [ -d "$TREE/$dir" ]; done
	for file in etc/hosts etc/hostname etc/resolv.conf; do [ -f "$TREE/$file" ] && [ ! -L "$TREE/$file" ]; done
}

@test "base tree: again is no change, and two at once are one" {
	before=$(stat -c %i "$TREE")
	base_tree.sh --home "$TREES" >"$BATS_TEST_TMPDIR/a" &
	base_tree.sh --home "$TREES" >"$BATS_TEST_TMPDIR/b"
	wait $!
	grep -q 'up to date' "$BATS_TEST_TMPDIR/a"
	grep -q 'up to date' "$BATS_TEST_TMPDIR/b"
	[ "$(stat -c %i "$TREE")" = "$before" ]
}

@test "base tree: a program that the host lacks is named, and nothing is left" {
	sed 's/^  - bash$/  - bash no-such-program/' "$SOURCE/runtimes/base/runtime.yaml" >"$BATS_TEST_TMPDIR/recipe"
	run base_tree.sh --home "$JOBLET_HOME" --recipe "$BATS_TEST_TMPDIR/recipe"
	[ "$status" -eq 1 ]
	[[ $output == *no-such-program* ]]
	[ ! -e "$JOBLET_HOME/runtimes/base/1.0.0" ]
}

@test "certificates: a chain, the names asked for, one role each" {
	JOBLET_SERVER_ADDRESS=192.0.2.7 JOBLET_ADDITIONAL_NAMES='a.example.org, 2001:db8::1' certs_gen_embedded.sh
	cd "$JOBLET_HOME/config"
	[ "$(stat -c %a joblet-config.yml rnx-config.yml ca/ca-key.pem ca | tr '\n' ' ')" = "600 600 600 700 " ]
	pem joblet-config.yml serverCert >server.pem
	openssl verify -purpose sslserver -CAfile ca/ca-cert.pem server.pem
	for name in joblet localhost a.example.org; do openssl x509 -in server.pem -noout -checkhost $name | grep -q 'does match'; done
	for ip in 127.0.0.1 192.0.2.7 2001:db8::1; do openssl x509 -in server.pem -noout -checkip $ip | grep -q 'does match'; done
	[ "$(pem joblet-config.yml serverKey | openssl pkey -pubout)" = "$(openssl x509 -in server.pem -noout -pubkey)" ]
	run ! openssl verify -purpose sslclient -CAfile ca/ca-cert.pem server.pem
	for role in admin maintainer developer viewer; do
		node=$role
		[ $role != admin ] || node=default
		node_pem $node cert >$role.pem
		openssl verify -purpose sslclient -CAfile ca/ca-cert.pem $role.pem
		[ "$(openssl x509 -in $role.pem -noout -subject -nameopt RFC2253)" = "subject=OU=$role,CN=$role-client" ]
		[ "$(node_pem $node key | openssl pkey -pubout)" = "$(openssl x509 -in $role.pem -noout -pubkey)" ]
		[ "$(node_pem $node ca)" = "$(cat ca/ca-cert.pem)" ]
	done
	grep -q 'address: "192.0.2.7:50051"' rnx-config.yml
	[ ! -e ca/.new-* ]
}

@test "certificates: rotation keeps the authority, the names and every other line" {
	JOBLET_SERVER_ADDRESS=192.0.2.7 JOBLET_SERVER_PORT=50999 certs_gen_embedded.sh
	cd "$JOBLET_HOME/config"
	cp ca/ca-cert.pem old-ca && pem joblet-config.yml serverCert >old-server
	sed -i 's/^joblet:/# mine\njoblet:\n  pidsLimit: 7/' joblet-config.yml
	printf 'other:\n  caCert: |\n    keep\n' >>joblet-config.yml
	strip() { grep -vE '^    [A-Za-z0-9+/=]{1,64}$' joblet-config.yml | sort; }
	before=$(strip)
	certs_gen_embedded.sh
	[ "$(strip)" = "$before" ]
	grep -q '^    keep$' joblet-config.yml
	cmp ca/ca-cert.pem old-ca
	pem joblet-config.yml serverCert >new-server
	run ! cmp -s old-server new-server
	openssl x509 -in new-server -noout -checkip 192.0.2.7 | grep -q 'does match'
	grep -q 'address: "192.0.2.7:50999"' rnx-config.yml
	openssl verify -CAfile ca/ca-cert.pem new-server old-server
}

@test "certificates: --new-ca makes the old ones worthless" {
	certs_gen_embedded.sh
	cd "$JOBLET_HOME/config"
	node_pem viewer cert >old-viewer
	certs_gen_embedded.sh --new-ca
	run ! openssl verify -CAfile ca/ca-cert.pem old-viewer
	node_pem viewer cert | openssl verify -CAfile ca/ca-cert.pem
}

@test "certificates: names that are none are refused and nothing is made" {
	for bad in 'a b;c' '$(id)' 'x"y' '999.1.1.1' '-a' 'a..b' '[::1]x' $'a\nCA:TRUE'; do
		JOBLET_SERVER_ADDRESS=$bad run certs_gen_embedded.sh
		[ "$status" -eq 1 ]
		[[ $output == *"not a name or an address"* ]]
		[ ! -e "$JOBLET_HOME" ]
	done
	JOBLET_SERVER_PORT=70000 run certs_gen_embedded.sh
	[ "$status" -eq 1 ]
	run certs_gen_embedded.sh --days 0
	[ "$status" -eq 1 ]
	[ ! -e "$JOBLET_HOME" ]
}

@test "certificates: an authority that cannot be read is an error, not a new one" {
	certs_gen_embedded.sh
	cd "$JOBLET_HOME/config"
	cp joblet-config.yml before
	echo garbage >ca/ca-cert.pem
	run certs_gen_embedded.sh
	[ "$status" -eq 1 ]
	cmp joblet-config.yml before
}

@test "check: a failed line, a crash and a short count are failures" {
	cd "$BATS_TEST_TMPDIR"
	fake() { printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod +x "$1"; }
	fake good 'echo ok 1 - a; echo "ok 2 # SKIP no reason"; echo 1..2'
	fake bad 'echo not ok 1 - a; echo 1..1; exit 1'
	fake crash 'echo ok 1 - a; kill -SEGV $$'
	fake short 'echo ok 1 - a; echo 1..2'
	fake liar 'echo ok 1 - a; echo 1..1; exit 3'
	run check.sh ./good
	[ "$status" -eq 0 ]
	[[ $output == *"check: 1 passed, 0 failed, 1 skipped"* ]]
	for program in bad crash short liar; do
		run check.sh ./good ./$program
		[ "$status" -ne 0 ]
		[[ $output == *"1 failed"* ]]
	done
	run check.sh
	[ "$status" -ne 0 ]
	# what a test runs is no part of the results that its runner writes
	fake nested 'check.sh ./bad >/dev/null; echo ok 1 - a; echo 1..1'
	JOBLET_RESULTS=$BATS_TEST_TMPDIR/results check.sh ./nested
	[ "$(cat results)" = 'check 1 0 0' ]
}

@test "lint: each rule finds its offender" {
	cd "$BATS_TEST_TMPDIR"
	mkdir -p tree/hack tree/lib/base tree/specs tree/rnx
	cd tree
	cp "$SOURCE/hack/lint.sh" hack/ && cp "$SOURCE/.clang-format" .
	head='// SPDX-License-Identifier: Apache-2.0\n// A file.\n'
	printf "$head" >lib/base/good.c
	GIT_DIR=/nonexistent hack/lint.sh
	offend() { # WORDS FILE TEXT
		printf "$3" >"$2"
		GIT_DIR=/nonexistent run hack/lint.sh
		rm "$2"
		[ "$status" -eq 1 ] && [[ $output == *"$1"* ]]
	}
	offend 'strcpy() is banned' lib/base/a.c "$head"'void f(void)\n{\n\tstrcpy(a, b);\n}\n'
	offend 'not close-on-exec' lib/base/a.c "$head"'int f(void)\n{\n\treturn open(a, O_RDONLY);\n}\n'
	offend 'clang-format' lib/base/a.c "$head"'int   f;\n'
	offend 'no SPDX' lib/base/a.c '// A file.\n// B.\n'
	offend 'no comment at the top' lib/base/a.c '// SPDX-License-Identifier: Apache-2.0\n\nint f;\n'
	offend 'lib/ includes a program' lib/base/a.c "$head"'#include "rnx/x.h"\n'
	offend 'rnx includes another' rnx/a.c "$head"'#include "jobletd/x.h"\n'
	offend 'goes up' rnx/a.c "$head"'#include "../jobletd/x.h"\n'
	offend 'lib/base includes lib/rpc' lib/base/a.c "$head"'#include "lib/rpc/x.h"\n'
	offend 'C in specs' specs/a.h "$head"
	offend 'a function of 101 lines' lib/base/a.c "${head}void f(void)\n{\n$(printf '\\tg();\\n%.0s' {1..101})}\n"
	offend '801 lines' lib/base/a.c "$head$(printf 'int f;\\n%.0s' {1..799})"
	offend SC2086 hack/a.sh '#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\nrm -r $1/\nx=$(ls *.c)\ncd $x\n' ||
		offend SC2164 hack/a.sh '#!/bin/bash\n# SPDX-License-Identifier: Apache-2.0\ncd "$1"\n'
	offend 'points at b.md' a.md 'See [b](b.md) and [c](https://example.com/x.md).\n'
	mkdir jobletd
	printf '| `a.b` |\n' >specs/config.md
	offend 'only one of them has the key a.c' jobletd/config_table.c "$head"'    NUMBER("a.c", x),\n'
	touch specs/method.def
	offend 'no row in specs/method.def' specs/joblet.proto '// SPDX-License-Identifier: Apache-2.0\nservice A {\n  rpc B(C) returns (D);\n}\n'
}
