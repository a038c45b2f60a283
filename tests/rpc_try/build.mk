$(call program, rpc-try, tests/rpc_try, lib/rpc lib/base gen, openssl libnghttp2 libprotobuf-c yajl)
