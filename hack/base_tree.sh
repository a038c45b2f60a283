#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the tree that plain jobs see, HOME/runtimes/base/VERSION/isolated, from the host's own files, as a recipe lists them.
# Built beside its place and renamed, so a tree is whole or absent. Run again it does nothing, unless the host's files have changed.
#
#	base_tree.sh [--home DIR] [--recipe FILE] [--force]
#
# Needs root, because the files of the tree belong to root.
set -euo pipefail
umask 022
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
unset LD_PRELOAD LD_LIBRARY_PATH CDPATH GLOBIGNORE

die() {
	echo "base_tree: $*" >&2
	exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
home=${JOBLET_HOME:-/opt/joblet}
recipe=
force=
while [ $# -gt 0 ]; do
	case $1 in
	--home) home=${2:?"--home needs a directory"} && shift 2 ;;
	--recipe) recipe=${2:?"--recipe needs a file"} && shift 2 ;;
	--force) force=yes && shift ;;
	*) die "usage: base_tree.sh [--home DIR] [--recipe FILE] [--force]" ;;
	esac
done
if [ -z "$recipe" ]; then # in the source tree, or beside this script where it is installed
	for recipe in "$here/../runtimes/base/runtime.yaml" "$here/base.yaml"; do [ ! -f "$recipe" ] || break; done
fi
[ -f "$recipe" ] || die "$recipe: no such recipe"
[ "$(id -u)" -eq 0 ] || die "must run as root"
[ -L /bin ] || die "this host has no merged /usr: Debian 12 or newer is needed"

# The items under a key, or the value beside it.
items() {
	awk -v key="$1:" '
		/^[ \t]*(#|$)/ { next }
		/^[^ \t]/ { inside = $1 == key; if (inside) sub(/^[^ \t]+[ \t]*/, ""); else next; if ($0 == "") next }
		inside { sub(/^[ \t]*- /, ""); gsub(/"/, ""); print }' "$recipe"
}

name=$(items name)
version=$(items version)
[[ $name =~ ^[a-z0-9.-]+$ && $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "$recipe: bad name or version"
libc=$(ldd /usr/bin/bash | awk '/libc\.so/ { print $3 }')
LIB=$(dirname "$(readlink -f "$libc")")

# Plain paths: /lib/x and /bin/x are /usr/lib/x and /usr/bin/x.
plain() {
	sed -E 's#^/(bin|sbin|lib[^/]*)/#/usr/\1/#'
}

find_command() {
	local dir
	for dir in /usr/bin /usr/sbin; do
		[ ! -x "$dir/$1" ] || { echo "$dir/$1" && return; }
	done
	return 1
}

# ---- what is to be copied: $work/files (one path a line) and $work/links (name and target)
work=$(mktemp -d)
new=
trap 'rm -rf "$work" ${new:+"$new"}' EXIT
trap 'exit 1' INT TERM HUP

collect_commands() {
	local command path target missing=()
	for command in $(items commands) $(items optional | sed 's/[^ ]*/?&/g'); do
		if ! path=$(find_command "${command#\?}"); then
			[[ $command == \?* ]] || missing+=("$command")
			continue
		fi
		target=$(readlink -f "$path" | plain)
		echo "$target" >>"$work/programs"
		[ "$target" = "$path" ] || echo "$path $target" >>"$work/links"
	done
	[ ${#missing[@]} -eq 0 ] || die "the host has no ${missing[*]}"
}

collect_data() {
	local item stdlib excludes=()
	stdlib=/usr/lib/$(basename "$(readlink -f "$(items stdlib_of)")")
	[ -f "$stdlib/os.py" ] || die "no standard library in $stdlib"
	while read -r item; do excludes+=(-not -path "*/$item" -not -path "*/$item/*"); done < <(items exclude)
	for item in $(items data) "$stdlib"; do
		[ -e "$item" ] || die "the host has no $item"
		find "$(readlink -f "$item")" "${excludes[@]}" \( -type f -o -type l \) -print
	done >"$work/data"
	for item in $(items libraries); do
		item=${item/\$LIB/$LIB}
		[ -e "$item" ] || die "the host has no $item"
		echo "$item"
	done >"$work/programs.lib"
	items links >>"$work/links"
}

# The shared libraries of all programs and modules, as the loader itself finds them.
collect_libraries() {
	local modules
	modules=$(grep -E '\.so$' "$work/data" || true)
	# Scripts and static programs make ldd complain; a library that is missing does not.
	# shellcheck disable=SC2086
	sort -u "$work/programs" "$work/programs.lib" | xargs ldd $modules >"$work/ldd" 2>/dev/null || true
	! grep -F 'not found' "$work/ldd" >&2 || die "the host lacks a library"
	awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' "$work/ldd" | plain | sort -u
}

: >"$work/links"
collect_commands
collect_data
collect_libraries >"$work/libraries"
sort -u "$work/programs" "$work/programs.lib" "$work/data" "$work/libraries" >"$work/files"

# ---- is it there already?
base=$home/runtimes/$name
install -d -m 0755 "$home" "$home/runtimes" "$base"
exec 9>"$base/.lock"
flock 9
fingerprint=$({
	cat "$recipe" "$0" "$work/links"
	xargs -d '\n' stat -L -c '%n %s %Y' <"$work/files" 2>/dev/null || true
} | sha256sum | cut -d' ' -f1)

# What an earlier run had to leave because jobs were using it.
for old in "$base"/.old-*; do
	[ -d "$old" ] || continue
	cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -qF "/${old##*/}/" || rm -rf "$old"
done
rm -rf "$base"/.new-*
if [ -z "$force" ] && [ "$(cat "$base/$version/fingerprint" 2>/dev/null)" = "$fingerprint" ]; then
	echo "base_tree: $base/$version is up to date"
	exit 0
fi

# ---- the copy
new=$base/.new-$$
tree=$new/isolated
mkdir -p "$tree/usr/bin" "$tree/usr/sbin" "$tree/usr/lib" "$tree/etc"
for dir in bin sbin lib; do ln -s "usr/$dir" "$tree/$dir"; done
if grep -q '^/usr/lib64/' "$work/files"; then
	mkdir "$tree/usr/lib64"
	ln -s usr/lib64 "$tree/lib64"
fi
items directories | while read -r mode dirs; do
	for dir in $dirs; do install -d -m "$mode" "$tree$dir"; done
done
# Libraries are opened by the name that others know them by, so links to them become files; links in data stay links.
sort -u "$work/programs" "$work/programs.lib" "$work/libraries" >"$work/follow"
tar -C / -chf - --no-xattrs --no-acls --hard-dereference -T <(sed 's#^/##' "$work/follow") | tar -C "$tree" -xpf - --no-same-owner
comm -23 <(sort -u "$work/data") "$work/follow" | sed 's#^/##' >"$work/plain"
tar -C / -cf - --no-xattrs --no-acls -T "$work/plain" | tar -C "$tree" -xpf - --no-same-owner
while read -r link target; do
	[ -e "$tree$link" ] || [ -L "$tree$link" ] || {
		mkdir -p "$(dirname "$tree$link")"
		ln -s "$target" "$tree$link"
	}
done <"$work/links"

# ---- the few files that are the tree's own
etc=$tree/etc
cat >"$etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/false
nobody:x:65534:65534:nobody:/work:/bin/bash
END
cat >"$etc/group" <<'END'
root:x:0:
nogroup:x:65534:
END
cat >"$etc/nsswitch.conf" <<'END'
passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
END
echo 'multi on' >"$etc/host.conf"
echo 'Etc/UTC' >"$etc/timezone"
: >"$etc/hosts" && : >"$etc/hostname" && : >"$etc/resolv.conf" # jobletd mounts the job's own over these
# There is no password to keep. A closed directory makes even `ls /etc/shadow` answer "Permission denied".
install -d -m 0700 "$etc/shadow" "$etc/gshadow"
for file in /etc/protocols /etc/services; do
	[ ! -f "$file" ] || install -m 0644 "$file" "$tree$file"
done
printf 'NAME="joblet base"\nID=joblet\nID_LIKE=debian\nVERSION_ID="%s"\nPRETTY_NAME="joblet base %s"\n' "$version" "$version" \
	>"$tree/usr/lib/os-release"
ln -s ../usr/lib/os-release "$etc/os-release"
sed -n 's#^\(/usr/lib[^/]*/.*\)/[^/]*\.so\..*#\1#p' "$work/libraries" | sort -u >"$etc/ld.so.conf"
ldconfig -X -r "$tree"
rm -rf "$tree/var/cache/ldconfig"

# ---- nothing in it may lend anybody rights
chown -R 0:0 "$new"
find "$tree" ! -type l ! -path "$tree/tmp" ! -path "$tree/var/tmp" -perm /7022 -exec chmod u-s,g-s,o-t,g-w,o-w {} +
[ -z "$(find "$tree" -perm /6000 -print -quit)" ] || die "a setuid or setgid file is in the tree"
[ -z "$(find "$tree" \( -type b -o -type c -o -type p -o -type s \) -print -quit)" ] || die "a device, FIFO or socket is in the tree"
for command in apt apt-get dpkg sudo su passwd; do
	! find "$tree/usr/bin" "$tree/usr/sbin" -name "$command" | grep -q . || die "$command is in the tree"
done
chroot "$tree" /bin/bash -c 'true && /usr/bin/python3 -B -c ""' || die "the programs of the tree do not run"

cp "$recipe" "$new/runtime.yml.original"
cat >"$new/runtime.yml" <<END
name: $name
version: $version
description: $(items description)
END
echo "$fingerprint" >"$new/fingerprint"
chmod 0644 "$new"/runtime.yml* "$new/fingerprint"
sync -f "$new"
old=$base/.old-$$
[ ! -e "$base/$version" ] || mv -T "$base/$version" "$old"
mv -T "$new" "$base/$version"
new=
if [ -e "$old" ] && ! cat /proc/[0-9]*/mountinfo 2>/dev/null | grep -qF "/${old##*/}/"; then
	rm -rf "$old"
fi
echo "base_tree: $base/$version: $(find "$base/$version/isolated" -type f | wc -l) files, $(du -sh "$base/$version" | cut -f1)"
