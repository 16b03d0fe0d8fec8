# skald: one binary, its tests, its benchmarks.
#
#   make                        build/skald (release)
#   make SAN=address,undefined  build/san-address-undefined/skald; SAN=thread likewise
#   make CC=clang CXX=clang++   build/release-clang/skald
#   make help                   every target

CC = gcc
CXX = g++
SAN =
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
	-pthread $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -DSKALD_DEBUG)
CFLAGS = -std=c11 $(COMMON) $(WARNINGS)
CXXFLAGS = -std=c++17 $(COMMON) $(CXX_WARNINGS)
LDFLAGS = -pie -pthread -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN))
LIBS = -levent_core -llmdb -lsnappy -lzstd -llz4 -lz -lxxhash -lre2 -lprotobuf-c -lyaml -lcurl \
	-ljansson -lm

LAYERS = base config proto index chunks query server/store server/http cli
SOURCES = $(wildcard $(LAYERS:%=%/*.c))
GENERATED = $(GEN)/proto/push.pb-c.c $(GEN)/query/grammar.c
LIB_OBJECTS = $(SOURCES:%.c=$(OUT)/%.o) $(OUT)/base/regex.o $(GENERATED:$(GEN)/%.c=$(OUT)/%.o)
TEST_SOURCES = $(wildcard tests/unit/*/*.c tests/support/*.c)
BENCH_SOURCES = $(wildcard bench/*.c)
C_FILES = $(SOURCES) $(wildcard server/*.c tests/*/*.c tests/unit/*/*.c bench/*.c)
H_FILES = $(wildcard $(LAYERS:%=%/*.h) tests/*/*.h bench/*.h)

.PHONY: all help check lint format format-check unit test fault bench fuzz docs clean
.DELETE_ON_ERROR:
.SECONDARY:

all: build/skald

help:
	@sed -n 's/^## //p' Makefile

## all           build/skald
build/skald: $(OUT)/skald
	@ln -f $< $@ 2>/dev/null || cp $< $@

$(OUT)/skald: $(OUT)/server/main.o $(OUT)/libskald.a
	$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/libskald.a: $(LIB_OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(OUT)/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/%.o: $(GEN)/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(COMMON) -w -MMD -MP -c -o $@ $<

$(GEN)/%.pb-c.c: %.proto
	@mkdir -p $(GEN)
	protoc-c --c_out=$(GEN) $<

$(GEN)/query/grammar.c: query/grammar.y
	@mkdir -p $(@D)
	bison --header=$(@:.c=.h) -o $@ $<

## unit          the unit tests (Criterion)
unit: $(OUT)/unit-tests
	$< --jobs 2

$(OUT)/unit-tests: $(TEST_SOURCES:%.c=$(OUT)/%.o) $(OUT)/libskald.a
	$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS) -lcriterion

## check         format, lint and unit tests: what every commit passes
check: format-check lint unit

## format        rewrite the sources in the project's layout
format:
	clang-format -i $(C_FILES) $(H_FILES) base/regex.cc

format-check:
	clang-format --dry-run -Werror $(C_FILES) $(H_FILES) base/regex.cc

## lint          layers, function length, banned names, headers alone
lint: | $(GENERATED)
	scripts/check-includes
	scripts/check-functions
	scripts/check-headers "$(CC)" "$(CFLAGS)"

## test          everything ./scripts/test runs
test:
	./scripts/test

## bench         every benchmark, one table
bench: build/skald $(BENCH_SOURCES:bench/%.c=$(OUT)/bench/%)
	bench/run $(OUT)

$(OUT)/bench/%: $(OUT)/bench/%.o $(OUT)/libskald.a
	$(CXX) $(LDFLAGS) -o $@ $^ $(LIBS)

## docs          regenerate docs/config.md
docs: build/skald
	scripts/gen-config-doc

compile_commands.json: Makefile
	bear -- $(MAKE) -B

## clean         remove build/
clean:
	rm -rf build

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
