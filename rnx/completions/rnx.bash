# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# bash completion for rnx(1): the words come from rnx itself.
_rnx() {
	mapfile -t COMPREPLY < <(rnx complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _rnx rnx
