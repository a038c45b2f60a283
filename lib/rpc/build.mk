$(call library, lib/rpc, openssl libnghttp2 libprotobuf-c,,$(B)/lib/base.a $(B)/gen.a,yajl)
