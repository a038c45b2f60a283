$(call program, joblet-shim, joblet-shim, lib/base, , $(STATIC))
