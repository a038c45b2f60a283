#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make bench`: installs the peers, then measures (bench.py). Arguments go there.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=hack/packages.sh
. hack/packages.sh
[ "$(id -u)" -eq 0 ] || {
	echo "bench: must run as root: sudo make bench" >&2
	exit 1
}
install_packages "${packages_build[@]}" "${packages_run[@]}" "${packages_bench[@]}"
exec python3 hack/bench/bench.py "$@"
