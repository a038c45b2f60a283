# A client without a terminal, configuration and words: what it takes itself is as little as can be.
$(call program, bench-load, hack/bench/load, lib/rpc lib/base gen, openssl libnghttp2 libprotobuf-c yajl)
