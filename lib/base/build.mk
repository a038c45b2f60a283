$(call library, lib/base, yajl)
