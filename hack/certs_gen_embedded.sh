#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the certificates of a joblet server and its clients and embeds them in the configuration files:
#
#	HOME/config/ca/ca-cert.pem, ca-key.pem   the certificate authority; its key leaves this directory never
#	HOME/config/joblet-config.yml            the server's certificate; made whole when it is not there, else only the three
#	                                         certificate blocks of `security` change and every other line stays
#	HOME/config/rnx-config.yml               one node a role: default (admin), maintainer, developer, viewer; replaced whole
#
# Run again it rotates: the server and every role get new keys and certificates, signed by the same authority. Certificates handed
# out before stay valid until they expire; --new-ca replaces the authority too, and then none of them is.
#
#	certs_gen_embedded.sh [--new-ca] [--days N]
#
# Environment: JOBLET_SERVER_ADDRESS     what clients call the server, name or address (default: as before, else localhost)
#              JOBLET_ADDITIONAL_NAMES   further names and addresses in its certificate, separated by commas (default: as before)
#              JOBLET_SERVER_PORT        default: server.port of the configuration, else 50051
#              JOBLET_HOME               default /opt/joblet
set -euo pipefail
umask 077
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
roles='admin maintainer developer viewer'

die() {
	echo "certs_gen_embedded: $*" >&2
	exit 1
}

new_ca=
days=365
while [ $# -gt 0 ]; do
	case $1 in
	--new-ca) new_ca=yes && shift ;;
	--days) days=${2:?"--days needs a number"} && shift 2 ;;
	-h | --help) sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
	*) die "unknown argument $1 (see --help)" ;;
	esac
done
[[ $days =~ ^[1-9][0-9]{0,3}$ ]] || die "--days must be a number from 1 to 9999, is $days"
command -v openssl >/dev/null || die "openssl is not installed (apt-get install openssl)"

home=${JOBLET_HOME:-/opt/joblet}
config=$home/config
server_config=$config/joblet-config.yml
[ ! -L "$server_config" ] || server_config=$(readlink -f "$server_config")

# A rotation that names nothing keeps the names that are in use.
known_address() {
	[ -f "$config/rnx-config.yml" ] || return 0
	awk '$1 == "default:" { inside = 1 } inside && $1 == "address:" { gsub(/"/, "", $2); sub(/:[0-9]+$/, "", $2); print $2; exit }' \
		"$config/rnx-config.yml"
}
known_names() {
	[ -f "$server_config" ] || return 0
	awk '/^ +serverCert:/ { inside = 1; next } inside { sub(/^ +/, ""); print } /END CERTIFICATE/ { exit }' "$server_config" |
		openssl x509 -noout -ext subjectAltName 2>/dev/null | sed '1d; s/DNS://g; s/IP Address://g; s/ //g' || true
}
address=${JOBLET_SERVER_ADDRESS:-$(known_address)}
address=${address:-localhost}
names=${JOBLET_ADDITIONAL_NAMES-$(known_names)}

is_ipv4() {
	local byte
	[[ $1 =~ ^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$ ]] || return 1
	for byte in "${BASH_REMATCH[@]:1}"; do [ "$byte" -le 255 ] || return 1; done
}

# DNS:name or IP:address. Names become part of a configuration of openssl's, so nothing else gets through.
alt_name() {
	if is_ipv4 "$1"; then
		echo "IP:$1"
	elif [[ $1 =~ ^[0-9a-fA-F:]*:[0-9a-fA-F:.]*$ ]]; then
		echo "IP:$1"
	elif [[ $1 =~ ^(\*\.)?[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?)*\.?$ &&
		! $1 =~ ^[0-9.]+$ ]]; then
		echo "DNS:$1"
	else
		die "not a name or an address: '$1'"
	fi
}

address=${address#[}
address=${address%]}
alt_name "$address" >/dev/null
[[ $names != *[[:cntrl:]]* ]] || die "not a list of names: it holds a control character"
alt_names=DNS:localhost,DNS:joblet,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1
IFS=, read -ra more <<<"$address,$names"
for name in "${more[@]}"; do
	name=${name//[[:space:]]/}
	[ -n "$name" ] || continue
	alt=$(alt_name "$name")
	[[ ,$alt_names, == *,$alt,* ]] || alt_names+=,$alt
done

port=${JOBLET_SERVER_PORT:-}
if [ -z "$port" ] && [ -f "$server_config" ]; then
	port=$(awk '/^[^ \t#]/ { inside = $1 == "server:" } inside && $1 == "port:" { print $2; exit }' "$server_config")
fi
port=${port:-50051}
[[ $port =~ ^[0-9]{1,5}$ && $port -le 65535 ]] || die "not a port: '$port'"

[ -d "$home" ] || (umask 022 && mkdir -p "$home")
install -d -m 0700 "$config" "$config/ca"
exec 9>"$config/ca/.lock"
flock 9
work=$(mktemp -d "$config/ca/.new-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

new_key() {
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>"$work/log" || die "openssl: $(cat "$work/log")"
}

# NAME SUBJECT EXTENSIONS: NAME-key.pem and NAME-cert.pem, signed by the authority
new_certificate() {
	new_key "$work/$1-key.pem"
	printf '%s\n' 'basicConstraints = critical, CA:FALSE' 'keyUsage = critical, digitalSignature' \
		'subjectKeyIdentifier = hash' 'authorityKeyIdentifier = keyid' "$3" >"$work/extensions"
	{
		openssl req -new -config "$work/req.cnf" -key "$work/$1-key.pem" -subj "$2" -out "$work/$1.csr" &&
			openssl x509 -req -in "$work/$1.csr" -CA "$work/ca-cert.pem" -CAkey "$work/ca-key.pem" -sha256 \
				-set_serial "0x1$(openssl rand -hex 15)" -days "$days" -extfile "$work/extensions" \
				-out "$work/$1-cert.pem"
	} 2>"$work/log" || die "openssl: $(cat "$work/log")"
}

printf '[req]\ndistinguished_name = dn\nprompt = no\nutf8 = yes\n[dn]\n' >"$work/req.cnf"
if [ -z "$new_ca" ] && [ -f "$config/ca/ca-key.pem" ]; then
	cp "$config/ca/ca-key.pem" "$config/ca/ca-cert.pem" "$work"
	openssl x509 -in "$work/ca-cert.pem" -noout -checkend $((days * 86400)) >/dev/null 2>&1 ||
		die "$config/ca/ca-cert.pem cannot be read, or expires before what it would sign: run again with --new-ca"
	[ "$(openssl x509 -in "$work/ca-cert.pem" -noout -pubkey)" = "$(openssl pkey -in "$work/ca-key.pem" -pubout)" ] ||
		die "$config/ca: key and certificate do not belong together: run again with --new-ca"
else
	new_key "$work/ca-key.pem"
	cat >"$work/ca.cnf" <<-END
		[req]
		distinguished_name = dn
		x509_extensions = ca
		prompt = no
		[dn]
		CN = Joblet CA
		[ca]
		basicConstraints = critical, CA:TRUE, pathlen:0
		keyUsage = critical, keyCertSign, cRLSign
		subjectKeyIdentifier = hash
	END
	openssl req -x509 -new -config "$work/ca.cnf" -key "$work/ca-key.pem" -sha256 -days $((days > 3650 ? days : 3650)) \
		-set_serial "0x1$(openssl rand -hex 15)" -out "$work/ca-cert.pem" 2>"$work/log" ||
		die "openssl: $(cat "$work/log")"
	new_ca=yes
fi
new_certificate server /CN=joblet "$(printf 'extendedKeyUsage = serverAuth\nsubjectAltName = %s' "$alt_names")"
for role in $roles; do
	new_certificate "$role" "/CN=$role-client/OU=$role" 'extendedKeyUsage = clientAuth'
done

# KEY FILE INDENT: a PEM as a YAML block
pem_block() {
	printf '%*s%s: |\n' "$3" '' "$1"
	sed "s/^/$(printf '%*s' $(($3 + 2)) '')/" "$2"
}

security_blocks() {
	pem_block serverCert "$work/server-cert.pem" "$1"
	pem_block serverKey "$work/server-key.pem" "$1"
	pem_block caCert "$work/ca-cert.pem" "$1"
}

# Beside the first installation another one needs a name and user ids of its own.
own_instance() {
	local number
	[ "$home" != /opt/joblet ] || return 0
	number=$(($(cksum <<<"$(readlink -f "$home")" | cut -d' ' -f1) % 1000 + 1))
	printf '  instance: joblet-%d\nprocess:\n  uidBase: %d\n' "$number" $((524288 + number * 20000))
}

default_config() {
	cat <<-END
		# The configuration of jobletd. Every key, its meaning and its default: specs/config.md of the sources.
		# This file holds a private key: jobletd refuses it when group or others can read it.
		version: "3.0"
		server:
		  address: 0.0.0.0
		  port: $port
		  nodeId: "$(hostname 2>/dev/null | tr -cd 'a-zA-Z0-9._-')"
	END
	own_instance
	cat <<-END
		joblet:
		  maxConcurrentJobs: 100
		  jobTimeout: 0
		  stopGracePeriod: 10s
		  defaultCpuLimit: 0
		  defaultMemoryLimit: 0
		  defaultIoLimit: 0
		logging:
		  level: info
		  format: text
		security:
	END
	security_blocks 2
}

# Every line as it was but the three blocks below `security`, which are replaced where the first child of that key stands.
edited_config() {
	local indent
	if ! grep -q '^security:' "$server_config"; then
		cat "$server_config"
		[ -z "$(tail -c1 "$server_config")" ] || echo
		echo 'security:'
		security_blocks 2
		return
	fi
	! grep -qE '^security:[[:space:]]*[^[:space:]#]' "$server_config" ||
		die "$server_config: security is not a block of lines: edit it by hand"
	indent=$(awk '/^security:/ { inside = 1; next }
		inside && /^[^ \t#]/ { exit }
		inside && /^ +[^ #]/ { match($0, /^ +/); print RLENGTH; exit }' "$server_config")
	indent=${indent:-2}
	security_blocks "$indent" >"$work/blocks"
	awk -v indent="$indent" -v blocks="$work/blocks" '
		function depth(s) { match(s, /^ */); return RLENGTH }
		/^[^ \t#]/ { inside = 0; skipping = 0 }
		/^security:/ {
			print
			while ((getline line < blocks) > 0) print line
			inside = 1
			next
		}
		inside && skipping && (/^[ \t]*$/ || depth($0) > indent) { next }
		{ skipping = 0 }
		inside && depth($0) == indent && $1 ~ /^"?(serverCert|serverKey|caCert)"?:$/ { skipping = 1; next }
		{ print }' "$server_config"
}

node() {
	local host=$address
	[[ $host != *:* ]] || host="[$host]"
	printf '  %s:\n    address: "%s:%s"\n' "$1" "$host" "$port"
	[ "$1" != default ] || printf '    isDefault: true\n'
	pem_block cert "$work/$2-cert.pem" 4
	pem_block key "$work/$2-key.pem" 4
	pem_block ca "$work/ca-cert.pem" 4
}

client_config() {
	cat <<-END
		# Where rnx finds servers. Keep one node for each person: whoever has a key has its role.
		# Written by certs_gen_embedded.sh; its next run replaces this file.
		version: "3.0"
		nodes:
	END
	node default admin
	for role in $roles; do
		[ "$role" = admin ] || node "$role" "$role"
	done
}

if [ -f "$server_config" ]; then
	edited_config >"$work/joblet-config.yml"
else
	default_config >"$work/joblet-config.yml"
fi
client_config >"$work/rnx-config.yml"

# All is made; now into place, each file whole or not at all.
chmod 0600 "$work"/*
sync -f "$work"
mv -f "$work/ca-key.pem" "$work/ca-cert.pem" "$config/ca/"
mv -f "$work/joblet-config.yml" "$server_config"
mv -f "$work/rnx-config.yml" "$config/rnx-config.yml"
sync -f "$config"
[ -n "$new_ca" ] && made='a new certificate authority' || made='the same certificate authority'
echo "certs_gen_embedded: $config: $made, certificates for $address and the roles $roles, valid $days days"
