#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the certificates of the gateway tests in a directory: grpc_certs.sh DIR. Good ones first, then the zoo: each is wrong in one way.
set -eu
cd "$1"

q() { openssl "$@" 2>/dev/null; }
key() {
	[ "$1" = rsa1024 ] && { q genrsa -out "$1.key" 1024 && return; }
	q ecparam -name prime256v1 -genkey -noout -out "$1.key"
}
# issue NAME SUBJECT EXTENSIONS [more options of x509]
issue() {
	local name=$1 subject=$2 ext=$3
	shift 3
	key "$name"
	q req -new -key "$name.key" -subj "$subject" -utf8 -out "$name.csr" "${req_options[@]}"
	q x509 -req -in "$name.csr" -CA "${ca:-ca}.pem" -CAkey "${ca:-ca}.key" -CAcreateserial -days 30 \
		-extfile <(printf '%b' "$ext") -out "$name.pem" "$@"
}
req_options=()
client="extendedKeyUsage=clientAuth"

key ca
q req -new -x509 -key ca.key -subj "/CN=Joblet CA" -days 30 -out ca.pem
key other-ca
q req -new -x509 -key other-ca.key -subj "/CN=Joblet CA" -days 30 -out other-ca.pem
issue server /CN=joblet "subjectAltName=DNS:localhost,DNS:joblet,IP:127.0.0.1"
issue admin /CN=alice/OU=admin "$client"
issue viewer /CN=victor/OU=viewer "$client"
issue no-eku /CN=plain/OU=admin ""
[ "${2:-}" = short ] && exit 0

issue server-eku /CN=srv/OU=admin "extendedKeyUsage=serverAuth"
issue wrong-name /CN=elsewhere "subjectAltName=DNS:elsewhere"
issue upper /CN=upper/OU=Admin "$client"
issue no-ou /CN=nobody "$client"
issue no-cn /OU=admin "$client"
issue two-ou /CN=double/OU=admin/OU=viewer "$client"
issue two-cn /CN=one/CN=two/OU=admin "$client"
req_options=(-multivalue-rdn)
issue multi "/CN=one+OU=admin" "$client"
req_options=()
ca=other-ca issue foreign /CN=mallory/OU=admin "$client"
key self
q req -new -x509 -key self.key -subj /CN=self/OU=admin -days 30 -out self.pem
issue rsa1024 /CN=weak/OU=admin "$client"

# dated NAME NOT_BEFORE NOT_AFTER: openssl x509 of this version cannot set dates; its small CA can
dated() {
	key "$1"
	q req -new -key "$1.key" -subj "/CN=$1/OU=admin" -out "$1.csr"
	: >index.txt
	openssl rand -hex 8 >serial.txt
	q ca -batch -config <(printf '%s\n' '[ca]' 'default_ca=d' '[d]' "dir=." 'database=index.txt' 'serial=serial.txt' \
		'new_certs_dir=.' 'default_md=sha256' 'policy=p' 'unique_subject=no' 'x509_extensions=e' '[p]' \
		'commonName=supplied' 'organizationalUnitName=supplied' '[e]' "$client") \
		-cert ca.pem -keyfile ca.key -in "$1.csr" -startdate "$2" -enddate "$3" -notext -out "$1.pem"
}
dated expired 20200101000000Z 20200201000000Z
dated future 20990101000000Z 20990201000000Z
