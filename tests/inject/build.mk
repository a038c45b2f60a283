$(call program, joblet-inject, tests/inject, lib/base, libseccomp)
