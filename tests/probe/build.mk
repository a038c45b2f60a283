$(call program, joblet-probe, tests/probe, lib/base,, $(STATIC), -lyajl_s)
