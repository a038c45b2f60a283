# Static, as what it stands beside: the peers of `make bench` are started by it, and its own start must cost nothing.
$(call program, bench-tool, hack/bench/tool, lib/base, , $(STATIC))
