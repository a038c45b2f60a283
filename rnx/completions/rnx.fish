# SPDX-License-Identifier: Apache-2.0
# fish completion for rnx(1): the words come from rnx itself.
function __rnx_words
	set -l typed (commandline -opc) (commandline -ct)
	rnx complete -- $typed[2..-1] 2>/dev/null
end
complete -c rnx -a '(__rnx_words)'
