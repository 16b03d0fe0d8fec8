# skald: one binary, its tests, its benchmarks.
#
#   make                        build/skald (release)
#   make SAN=address,undefined  build/san-address-undefined/skald; SAN=thread likewise
#   make CC=clang CXX=clang++   build/release-clang/skald
#   make V=1                    show the commands
#   make help                   every target

CC = gcc
CXX = g++
SAN =
V = 0
quiet := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-8s%s\n' $(1) $(2))
comma := ,

compiler := $(if $(findstring clang,$(CC)),-clang)
MODE := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),release)$(compiler)
OUT := build/$(MODE)
GEN := build/gen

WARNINGS = -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings -Wcast-qual -Wundef \
	-Wformat=2
CXX_WARNINGS = -Wall -Wextra -Werror -Wshadow
HARDENING = -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
COMMON = -O2 -g -D_GNU_SOURCE -I. -I$(GEN) -fno-common -ffile-prefix-map=$(CURDIR)=. $(HARDENING) \
	-pthread $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -DSKALD_DEBUG) \
	$(if $(findstring fuzzer,$(SAN)),-fno-sanitize-recover=all)
CFLAGS = -std=c11 $(COMMON) $(WARNINGS)
CXXFLAGS = -std=c++17 $(COMMON) $(CXX_WARNINGS)
LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN))
LIBS = -levent_core -llmdb -lsnappy -lzstd -llz4 -lz -lxxhash -lsodium -lre2 -lprotobuf-c -lyaml -lcurl \
	-lm

LAYERS = base proto index config chunks query server/store server/http cli
SOURCES = $(wildcard $(LAYERS:%=%/*.c))
CXX_SOURCES = $(wildcard $(LAYERS:%=%/*.cc))
GENERATED = $(GEN)/proto/push.pb-c.c $(GEN)/query/grammar.c
LIB_OBJECTS = $(SOURCES:%.c=$(OUT)/%.o) $(CXX_SOURCES:%.cc=$(OUT)/%.o) $(GENERATED:$(GEN)/%.c=$(OUT)/%.o)
TEST_SOURCES = tests/unit/main.c $(wildcard tests/unit/*/*.c tests/support/*.c)
BENCH_OBJECTS = $(patsubst %.c,$(OUT)/%.o,$(wildcard bench/*.c) tests/support/loggen.c)
BENCH_BYTES = 1000000000
FUZZERS = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SAN = fuzzer,address,undefined
FUZZ_SECONDS = 30
TORTURE = $(patsubst tests/torture/%.c,%,$(wildcard tests/torture/*.c))
TORTURE_OBJECTS = $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/torture/support/*.c) tests/support/random.c)
TORTURE_CLOCKS = -Wl,--wrap=clock_gettime,--wrap=pthread_cond_timedwait
C_FILES = $(SOURCES) $(wildcard server/*.c tests/*/*.c tests/unit/*/*.c tests/torture/*/*.c bench/*.c)
H_FILES = $(wildcard $(LAYERS:%=%/*.h) tests/*/*.h tests/torture/*/*.h bench/*.h)

.PHONY: all help check lint tidy format format-check unit test bench docs clean \
	fuzz fuzz-regressions fuzzers torture torture-programs
.DELETE_ON_ERROR:
.SECONDARY: # keep objects that only a pattern rule names

all: $(OUT)/skald $(if $(filter release,$(MODE)),build/skald)

help:
	@sed -n 's/^## //p' Makefile

## all           build/skald
build/skald: build/release/skald
	@ln -f $< $@ 2>/dev/null || cp $< $@

$(OUT)/skald: $(OUT)/server/main.o $(OUT)/libskald.a
	$(call say,LINK,$@)
	$(quiet)$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/libskald.a: $(LIB_OBJECTS)
	@rm -f $@
	$(call say,AR,$@)
	$(quiet)ar rcs $@ $^

$(OUT)/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(quiet)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/%.o: %.cc
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(quiet)$(CXX) $(CXXFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(quiet)$(CC) -std=c11 $(COMMON) -w -MMD -MP -c -o $@ $<

$(GEN)/%.pb-c.c: %.proto
	@mkdir -p $(GEN)
	$(call say,PROTOC,$<)
	$(quiet)protoc-c --c_out=$(GEN) $<

$(GEN)/query/grammar.c: query/grammar.y
	@mkdir -p $(@D)
	$(call say,BISON,$<)
	$(quiet)bison --header=$(@:.c=.h) -o $@ $<

## unit          the unit tests (Criterion)
unit: $(OUT)/unit-tests
	$< --jobs 2

$(OUT)/unit-tests: $(TEST_SOURCES:%.c=$(OUT)/%.o) $(OUT)/libskald.a
	$(call say,LINK,$@)
	$(quiet)$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS) -lcriterion

## check         format, lint and unit tests: what every commit passes
check: format-check lint unit

## format        rewrite the sources in the project's layout
format:
	clang-format -i $(C_FILES) $(H_FILES) $(CXX_SOURCES)

format-check:
	clang-format --dry-run -Werror $(C_FILES) $(H_FILES) $(CXX_SOURCES)

## lint          layers, function length, banned names, headers alone, cppcheck
lint: | $(GENERATED)
	scripts/check-includes
	scripts/check-functions
	scripts/check-headers "$(CC)" "$(CFLAGS)"
	cppcheck --quiet --enable=warning,performance,portability --std=c11 --inline-suppr -I. -I$(GEN) \
		--suppressions-list=scripts/cppcheck-suppressions --error-exitcode=1 $(LAYERS)

## tidy          clang-tidy (a minute)
tidy: | $(GENERATED)
	printf '%s\n' $(SOURCES) server/main.c | xargs -P "$$(nproc)" -I{} \
		clang-tidy --quiet {} -- -std=c11 -D_GNU_SOURCE -I. -I$(GEN)

## test          everything ./scripts/test runs
test:
	./scripts/test

## bench         every benchmark, one table; BENCH_BYTES=100MB is a quick look
bench: build/skald $(OUT)/bench/bench_store
	$(OUT)/bench/bench_store --bytes=$(BENCH_BYTES)

$(OUT)/bench/bench_store: $(BENCH_OBJECTS) $(OUT)/libskald.a
	$(call say,LINK,$@)
	$(quiet)$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

## fuzz          every fuzz target for FUZZ_SECONDS (30), one after the other
## fuzz-regressions  every fuzz target over the inputs in the tree
fuzz fuzz-regressions:
	$(quiet)$(MAKE) --no-print-directory CC=clang CXX=clang++ SAN=$(FUZZ_SAN) fuzzers
	$(quiet)tests/fuzz/run build/san-$(subst $(comma),-,$(FUZZ_SAN))-clang/tests/fuzz \
		$(if $(filter fuzz,$@),$(FUZZ_SECONDS))

fuzzers: $(FUZZERS:%=$(OUT)/tests/fuzz/%)

$(OUT)/tests/fuzz/fuzz_%: $(OUT)/tests/fuzz/fuzz_%.o $(OUT)/libskald.a
	$(call say,LINK,$@)
	$(quiet)$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

## torture       the long form of every torture test, a table at the end; TORTURE_ARGS="--short" or parts
torture: all torture-programs
	$(quiet)$(MAKE) --no-print-directory CC=clang CXX=clang++ SAN=$(FUZZ_SAN) fuzzers
	$(quiet)tests/torture/run $(TORTURE_ARGS)

## torture-programs  the programs of tests/torture/
torture-programs: $(TORTURE:%=$(OUT)/tests/torture/%)

$(OUT)/tests/torture/%: $(OUT)/tests/torture/%.o $(TORTURE_OBJECTS) $(OUT)/libskald.a
	$(call say,LINK,$@)
	$(quiet)$(CXX) $(LDFLAGS) $(TORTURE_CLOCKS) -o $@ $^ $(LIBS) -ldl

## docs          regenerate docs/config.md
docs: build/skald
	scripts/gen-config-doc

compile_commands.json: Makefile
	bear -- $(MAKE) -B

## clean         remove build/
clean:
	rm -rf build

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
