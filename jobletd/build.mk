# The gateway is a library of its own, so that its tests link nothing of the core.
$(call library, jobletd/gateway, openssl libnghttp2 libprotobuf-c libsystemd libseccomp libcap,,$(B)/lib/rpc.a $(B)/lib/base.a,yajl)
$(call program, jobletd, jobletd, jobletd/gateway lib/rpc lib/conf lib/base gen, openssl libnghttp2 libprotobuf-c libsystemd sqlite3 yaml-0.1 libseccomp libcap yajl)
