$(call program, rnx, rnx, lib/rpc gen lib/conf lib/base, openssl libnghttp2 libprotobuf-c yaml-0.1 yajl)
# The scripts are part of the program.
$(B)/rnx/cmd_completion.o: rnx/completions/rnx.bash rnx/completions/_rnx rnx/completions/rnx.fish
# What `install` puts beside the program.
.PHONY: install-rnx uninstall-rnx
install: install-rnx
install-rnx:
	$(Q)install -D -m 0644 rnx/rnx.1 $(DESTDIR)$(PREFIX)/share/man/man1/rnx.1
	$(Q)install -D -m 0644 rnx/completions/rnx.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/rnx
	$(Q)install -D -m 0644 rnx/completions/_rnx $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_rnx
	$(Q)install -D -m 0644 rnx/completions/rnx.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/rnx.fish
uninstall: uninstall-rnx
uninstall-rnx:
	$(Q)rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/,man/man1/rnx.1 bash-completion/completions/rnx zsh/site-functions/_rnx fish/vendor_completions.d/rnx.fish)
