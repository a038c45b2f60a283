# SPDX-License-Identifier: Apache-2.0
# One graph, no recursion. A folder that holds a library or a program says so in one line of its build.mk. MODE chooses the build
# directory: release (default), debug, asan, fuzz, coverage. The words: all check integration asan lint analyze fuzz fuzz-coverage install uninstall clean.

MODE ?= release
B := build/$(MODE)
V ?= 0
Q := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' $(1) $(2))

VERSION := $(shell cat VERSION)
GIT_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
CC ?= gcc
PKG_CONFIG ?= pkg-config
BUILD_PATH := $(CURDIR)

# Hardening: OpenSSF compiler guide. What only newer compilers know is asked for and left out where refused.
try = $(shell echo 'int x;' | $(CC) -Werror $(1) -x c -c -o /dev/null - 2>/dev/null && echo '$(1)')
WARN := -Wall -Wextra -Wformat=2 -Wconversion -Wno-sign-conversion -Wimplicit-fallthrough -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wundef -Wpointer-arith -Wwrite-strings -Werror=format-security -Werror=implicit \
	-Werror=incompatible-pointer-types -Werror=int-conversion $(call try,-Wtrampolines) $(call try,-Wbidi-chars=any)
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -fno-delete-null-pointer-checks \
	-fno-strict-overflow -fno-strict-aliasing $(call try,-ftrivial-auto-var-init=zero) $(call try,-fstrict-flex-arrays=3) \
	$(call try,-fzero-init-padding-bits=all)
LDHARDEN := -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed

CPPFLAGS += -D_GNU_SOURCE -I. -I$(B)/gen -DJOBLET_VERSION='"$(VERSION)"' -DJOBLET_COMMIT='"$(GIT_COMMIT)"'
CFLAGS += -std=gnu11 -g $(WARN) $(WERROR) $(HARDEN) -fPIE -ffile-prefix-map=$(BUILD_PATH)=. -MMD -MP
LDFLAGS += $(LDHARDEN)

ifeq ($(MODE),release)
CFLAGS += -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
else ifeq ($(MODE),debug)
CFLAGS += -Og
else ifeq ($(MODE),asan)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS += -O1 -fno-omit-frame-pointer $(SANITIZE)
LDFLAGS += $(SANITIZE)
else ifeq ($(MODE),coverage)
CFLAGS += -O0 --coverage -fprofile-update=atomic
LDFLAGS += --coverage
else ifeq ($(MODE),fuzz)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS += -O1 -fno-omit-frame-pointer $(SANITIZE) -fsanitize=fuzzer-no-link
LDFLAGS += $(SANITIZE)
else ifeq ($(MODE),edges)
CFLAGS += -O1 -fno-inline -fsanitize=fuzzer-no-link
else
$(error MODE is release, debug, asan, fuzz, edges or coverage)
endif
# The sanitizers do not link statically.
STATIC := $(if $(filter asan fuzz,$(MODE)),-pie,-static-pie)

.PHONY: all check integration vm bench asan valgrind coverage lint analyze fuzz fuzz-coverage install uninstall clean
all:

programs :=
tests :=
fuzzers :=
objects = $(patsubst %.c,$(B)/%.o,$(filter-out %_test.c %_fuzz.c,$(wildcard $(1)/*.c)))

# $(call library,DIR,pkg-config names): build/MODE/DIR.a
define library_rules
$(B)/$(1).a: $(call objects,$(1)) $(3)
	$$(call say,AR,$$@)
	$(Q)rm -f $$@ && ar rcsD $$@ $$^
PKGS_$(1) := $(2)
$$(eval $$(call test_rules,$(1),$(B)/$(1).a $(4),$(2) $(5),-pie))
endef

# $(call program,NAME,folders,libraries of ours,pkg-config names,link mode,more libraries): build/MODE/bin/NAME; the first folder has main.c
define program_rules
programs += $(B)/bin/$(1)
$(foreach d,$(2),$(call objects,$(d))): CFLAGS_DIR = $(if $(4),$$(shell $(PKG_CONFIG) --cflags $(4)))
$(B)/bin/$(1): $(foreach d,$(2),$(call objects,$(d))) $(patsubst %,$(B)/%.a,$(3))
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $(5) -o $$@ $$^ $(6) $(if $(4),$$(shell $(PKG_CONFIG) --libs $(if $(findstring static,$(5)),--static) $(4)))
$(foreach d,$(2),$$(eval $$(call test_rules,$(d),$(foreach d,$(2),$(filter-out %/main.o,$(call objects,$(d)))) $(patsubst %,$(B)/%.a,$(3)),$(4),-pie,$(6))))
endef

# A x_test.c beside the code becomes build/MODE/tests/DIR/x_test, linked with everything of its folder but main; so does a x_fuzz.c,
# with libFuzzer, which brings a main of its own.
define test_rules
fuzzers += $(patsubst %.c,$(B)/tests/%,$(wildcard $(1)/*_fuzz.c))
$(patsubst %.c,$(B)/tests/%,$(wildcard $(1)/*_fuzz.c)): $(B)/tests/%: $(B)/%.o $(2)
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -fsanitize=fuzzer $(4) -o $$@ $$^ $(5) $(if $(strip $(3)),$$(shell $(PKG_CONFIG) --libs $(3)))
tests += $(patsubst %.c,$(B)/tests/%,$(wildcard $(1)/*_test.c))
$(patsubst %.c,$(B)/tests/%,$(wildcard $(1)/*_test.c)): $(B)/tests/%: $(B)/%.o $(2)
	$$(call say,LD,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $(4) -o $$@ $$^ $(5) $(if $(strip $(3)),$$(shell $(PKG_CONFIG) --libs $(3)))
endef

library = $(eval $(call library_rules,$(strip $(1)),$(strip $(2)),$(3),$(4),$(5)))
program = $(eval $(call program_rules,$(strip $(1)),$(strip $(2)),$(strip $(3)),$(strip $(4)),$(strip $(5)),$(strip $(6))))

# specs/*.proto to C
PROTOS := $(wildcard specs/*.proto)
GEN_C := $(patsubst specs/%.proto,$(B)/gen/%.pb-c.c,$(PROTOS))
GEN_O := $(GEN_C:.c=.o)
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: specs/%.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(@D)
	$(Q)protoc-c --proto_path=specs --c_out=$(B)/gen $<
# The descriptors of every service, for server reflection.
$(B)/gen/descriptors.pb: $(PROTOS)
	$(Q)mkdir -p $(@D)
	$(Q)protoc --proto_path=specs --include_imports --descriptor_set_out=$@ $(PROTOS)
$(B)/gen/descriptors.inc: $(B)/gen/descriptors.pb
	$(Q)od -An -v -tu1 $< | sed 's/[0-9]\{1,\}/&,/g' >$@.tmp && mv $@.tmp $@
$(B)/gen/%.o: $(B)/gen/%.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-conversion -Wno-shadow -c -o $@ $<
GEN_H := $(GEN_C:.c=.h) $(B)/gen/descriptors.inc
# A program that speaks these messages names `gen` among its libraries.
$(B)/gen.a: $(GEN_O)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^

include $(wildcard lib/*/build.mk) $(wildcard joblet-runtime/build.mk joblet-shim/build.mk jobletd/build.mk rnx/build.mk hack/*/*/build.mk tests/*/build.mk)

ifeq ($(MODE),coverage)
# Its child shares our memory: gcc's own execve would write the record there and note that it is written, and we would write none at our end.
$(B)/lib/base/proc.o: CFLAGS_DIR = -fno-builtin-execve
endif
$(B)/%.o: %.c | $(GEN_H)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_DIR) -c -o $@ $<

all: $(programs)
ifeq ($(MODE),release)
all: build/bin
build/bin: $(programs)
	$(Q)ln -sfn release/bin build/bin
endif

# Shortcuts: `make rnx` builds one program.
$(notdir $(programs)): %: $(B)/bin/%
.PHONY: $(notdir $(programs))

check: $(tests)
	$(Q)hack/check.sh $(tests)

# TESTS: the files to run, all when empty.
integration: all
	$(Q)MODE=$(MODE) hack/integration.sh $(TESTS)

# T seconds for each x_fuzz.c, two at a time.
T ?= 10
ifeq ($(MODE),fuzz)
fuzz: $(fuzzers)
	$(Q)hack/fuzz.sh $(T) $(fuzzers)
else
fuzz:
	$(Q)$(MAKE) MODE=fuzz CC=clang fuzz
endif

# What the inputs of `make fuzz` reach of our own code.
ifeq ($(MODE),edges)
fuzz-coverage: $(fuzzers)
	$(Q)hack/fuzz_coverage.sh $(fuzzers)
else
fuzz-coverage:
	$(Q)$(MAKE) MODE=edges CC=clang fuzz-coverage
endif

# The same in a virtual machine with cgroup v2 only; CGROUP=v1 or hybrid for the other kinds, INIT=systemd, TAG: the files that have it.
vm: all
	$(Q)CGROUP=$(or $(CGROUP),v2) INIT=$(or $(INIT),none) VM_TIMEOUT=$(or $(VM_TIMEOUT),14400) MODE=$(MODE) \
		hack/vm.sh hack/integration.sh $(if $(TAG),--tag $(TAG)) $(TESTS)

# Everything beside its peers. ROW: only these rows, printed and not written down; REPS: rounds in which all take their turn.
bench: all
	$(Q)hack/bench/run.sh --reps $(or $(REPS),10) $(or $(ROW),--out docs/benchmarks.md)

asan:
	$(Q)$(MAKE) MODE=release joblet-probe
	$(Q)$(MAKE) MODE=asan check integration

# The unit tests under memcheck, which also sees values that nobody has set.
ifeq ($(MODE),debug)
valgrind: $(tests)
	$(Q)hack/valgrind.sh $(tests)
else
valgrind:
	$(Q)$(MAKE) MODE=debug valgrind
endif

# Lines and branches that the tests reach, by folder. What cannot write here leaves no record: the gateway, and a container's first process in
# its new root. Their lines count as not reached.
coverage:
	$(Q)find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	$(Q)$(MAKE) MODE=coverage check integration; hack/coverage.py build/coverage

lint:
	$(Q)hack/lint.sh

# gcc's, clang's and cppcheck's reading of every source; a finding that is not explained beside the code is an error.
sources := $(filter-out %_test.c %_fuzz.c,$(wildcard lib/*/*.c joblet-runtime/*.c joblet-shim/*.c jobletd/*.c jobletd/*/*.c rnx/*.c hack/*/*/*.c))
analyze: export CPPFLAGS += $(shell $(PKG_CONFIG) --cflags openssl libnghttp2 libprotobuf-c libsystemd libcap libseccomp yajl)
analyze: | $(GEN_H)
	$(Q)hack/analyze.sh $(sources)

# Programs and scripts; what belongs to a machine (base tree, certificates, user, service) is made by hack/quickstart.sh.
PREFIX ?= /usr/local
bindir := $(DESTDIR)$(PREFIX)/bin
sharedir := $(DESTDIR)$(PREFIX)/share/joblet
unitdir := $(DESTDIR)$(PREFIX)/lib/systemd/system
INSTALLED := $(addprefix $(B)/bin/,rnx jobletd joblet-shim joblet-runtime)
SCRIPTS := hack/certs_gen_embedded.sh
mandir := $(DESTDIR)$(PREFIX)/share/man
MANUALS := $(wildcard rnx/*.[1-8] jobletd/*.[1-8] joblet-shim/*.[1-8] joblet-runtime/*.[1-8])

install: $(INSTALLED)
	$(Q)install -d $(bindir) $(sharedir) $(unitdir) $(foreach m,$(MANUALS),$(mandir)/man$(subst .,,$(suffix $(m))))
	$(Q)$(foreach m,$(MANUALS),install -m 0644 $(m) $(mandir)/man$(subst .,,$(suffix $(m)))/ &&) true
	$(Q)install -m 0755 $(INSTALLED) $(SCRIPTS) $(bindir)
	$(Q)install -m 0755 hack/base_tree.sh $(sharedir)/base_tree.sh
	$(Q)install -m 0644 runtimes/base/runtime.yaml $(sharedir)/base.yaml
	$(Q)sed 's|/usr/local/bin|$(PREFIX)/bin|' hack/joblet.service >$(unitdir)/joblet.service
	$(Q)chmod 0644 $(unitdir)/joblet.service
	$(Q)install -m 0644 hack/joblet.socket $(unitdir)/joblet.socket

uninstall:
	$(Q)rm -f $(addprefix $(bindir)/,$(notdir $(INSTALLED) $(SCRIPTS))) $(addprefix $(unitdir)/,joblet.service joblet.socket)
	$(Q)rm -f $(foreach m,$(MANUALS),$(mandir)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
	$(Q)rm -rf $(sharedir)

clean:
	rm -rf build

-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d $(B)/gen/*.d)
.SECONDARY:
