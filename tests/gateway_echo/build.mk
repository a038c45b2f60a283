$(call program, gateway-echo, tests/gateway_echo, jobletd/gateway lib/rpc lib/base gen, openssl libnghttp2 libprotobuf-c libsystemd libseccomp libcap yajl,,-pthread)
