$(call library, lib/conf, yaml-0.1,,$(B)/lib/base.a,yajl)
