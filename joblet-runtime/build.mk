$(call program, joblet-runtime, joblet-runtime, lib/base, libseccomp libcap, $(STATIC), -lyajl_s)
