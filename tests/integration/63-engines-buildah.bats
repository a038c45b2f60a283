#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# buildah: RUN in a container of joblet-runtime; each row with runc too, so that a row which asks for the impossible is seen.
bats_require_minimum_version 1.5.0
load helpers/engine

setup_file() { engine_setup_file; }

teardown_file() {
	buildah rm -a >/dev/null
	engine_teardown_file
}

buildah() {
	engine_in env CONTAINERS_CONF="$ENGINE/containers.conf" CONTAINERS_STORAGE_CONF="$ENGINE/storage.conf" \
		CONTAINERS_REGISTRIES_CONF="$ENGINE/registries.conf" HOME="$ENGINE" TMPDIR="$ENGINE/tmp" BUILDAH_ISOLATION=oci \
		timeout --foreground -k 5 60 buildah --root "$ENGINE/storage" --runroot "$ENGINE/run" --storage-driver overlay "$@"
}

# The row with each runtime, in a working container of the image.
both() {
	for RUNTIME in joblet-runtime runc; do
		echo "with $RUNTIME:"
		BOX=box-$RUNTIME-$BATS_TEST_NUMBER
		buildah from -q --pull-never --cgroup-parent "/$ENGINE_CGROUP" --memory 64m --name "$BOX" localhost/box >/dev/null
		"$@"
		buildah rm "$BOX" >/dev/null
	done
}

in_box() { # [option …] -- command …
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	buildah run --runtime "$(engine_program "$RUNTIME")" "${options[@]}" "$BOX" "$@"
}

ends() { # status command …
	local want=$1 got=0
	shift
	"$@" || got=$?
	same "status of $*" "$want" "$got"
}

same() { # what wanted got
	[ "$2" = "$3" ] || { echo "$1: is \"$3\", not \"$2\""; return 1; }
}

runs() {
	same 'both streams' $'out\nerr' "$({ in_box -- sh -c 'echo out; echo err >&2' 2>"$ENGINE/data/err"; cat "$ENGINE/data/err"; })"
	ends 3 in_box -- sh -c 'exit 3'
	same stdin 'got given' "$(in_box -- sh -c 'read x; echo got $x' <<<given)"
	same 'what a run leaves' kept "$(in_box -- sh -c 'echo kept >/etc/new' && in_box -- cat /etc/new)"
	same 'a big output' "$(seq 100000 | sha256sum)" "$(in_box -- seq 100000 | sha256sum)"
	ends 1 in_box -- /bin/nosuch 2>"$ENGINE/data/err"
	grep -qi 'no such file or directory' "$ENGINE/data/err"
}

@test "buildah run: streams, stdin, exit status, what it leaves, a program that is missing" { both runs; }

is_as_asked() {
	same 'folder, environment, user, host name' '/tmp b 1000 name' \
		"$(in_box --workingdir /tmp -e A=b --user 1000 --hostname name -- sh -c 'echo $PWD $A $(id -u) $(hostname)')"
	same capabilities 00000000a80425fa "$(in_box --cap-drop CAP_CHOWN -- sed -n 's/^CapEff:\t//p' /proc/self/status)"
	same 'no capability of an ordinary user' 0000000000000000 "$(in_box --user 1000 -- sed -n 's/^CapEff:\t//p' /proc/self/status)"
	same 'a volume' read-only "$(in_box -v "$ENGINE/data:/data:ro" -- sh -c 'touch /data/x 2>/dev/null || echo read-only')"
	same 'a mount' tmpfs "$(in_box --mount type=tmpfs,destination=/mnt -- awk '$2 == "/mnt" { print $3 }' /proc/mounts)"
	same 'a limit' 67108864 "$(in_box -- sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null')"
}

@test "buildah run: folder, environment, user, capabilities, volumes, memory limit" { both is_as_asked; }

builds() {
	printf 'FROM localhost/box\nRUN echo built >/etc/built && id -u >>/etc/built\nUSER 1000\nRUN id -u >/tmp/user\n' >"$ENGINE/data/Containerfile"
	buildah build -q --pull-never --runtime "$(engine_program "$RUNTIME")" --cgroup-parent "/$ENGINE_CGROUP/build" -t "built-$RUNTIME" "$ENGINE/data" >/dev/null
	engine_use conmon "$RUNTIME"
	same 'what the image has' 'built 0 1000' "$(echo $(pod_run --rm "built-$RUNTIME" cat /etc/built /tmp/user))"
	printf 'FROM localhost/box\nRUN exit 4\n' >"$ENGINE/data/Containerfile"
	ends 4 buildah build --pull-never --runtime "$(engine_program "$RUNTIME")" --cgroup-parent "/$ENGINE_CGROUP/build" -t bad "$ENGINE/data" >"$ENGINE/tmp/err" 2>&1
	grep -q "exit status 4" "$ENGINE/tmp/err" || { cat "$ENGINE/tmp/err"; false; }
}

@test "buildah build: steps as root and as another user, one that fails" { both builds; }
