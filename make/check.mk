# Tests, fuzzers, benchmark, formatting.

.PHONY: check check-unit check-system fuzz fuzzers bench bench-doors bench-media format format-check openapi forms

# The tests stop and fail the programs at chosen steps, so they use a build of their own (INJECT=1) unless BUILD is given.
ifeq ($(origin BUILD),command line)
CHECKBUILD := $(BUILD)
else
CHECKBUILD := build/test
endif

check: check-unit check-system
check-unit:
	$(MAKE) BUILD=$(CHECKBUILD) INJECT=1 tests
	scripts/unit-tests $(CHECKBUILD)/tests
check-system:
	$(MAKE) BUILD=$(CHECKBUILD) INJECT=1 programs
	LIUHEN_BUILD=$(CHECKBUILD) $(PYTHON) -m pytest -q tests/system

# Fuzzers: tests/fuzz/fuzz-x.c (LLVMFuzzerTestOneInput) and its seeds in tests/fuzz/corpus/x/, which are only read:
# what a run finds goes to build/fuzz. A crash leaves its input there and fails the target.
FUZZ_SECONDS ?= 30
FUZZBUILD    := build/fuzz
FUZZSAN      := address,undefined
FUZZERS      := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz-*.c))

$(BUILD)/fuzzers/%: tests/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)$(call one,-fsanitize=fuzzer,$(WORKERNEEDS))
fuzzers: $(FUZZERS:%=$(BUILD)/fuzzers/%)
-include $(FUZZERS:%=$(BUILD)/fuzzers/%.d)

fuzz:
	$(MAKE) BUILD=$(FUZZBUILD) CC=clang SAN=$(FUZZSAN),fuzzer-no-link fuzzers
	scripts/run-fuzzers $(FUZZBUILD) $(FUZZ_SECONDS)

# All of it, or parts: make bench BENCH="intake latency" (tests/bench/run names them). Not in check: no timed tests.
bench: programs benches
	LIUHEN_BUILD=$(BUILD) $(PYTHON) tests/bench/run $(BENCH)

# Uploads over the network, beside nginx and @tus/server.
bench-doors: programs
	LIUHEN_BUILD=$(BUILD) $(PYTHON) tests/bench/run $(or $(BENCH),doors door-memory door-photos docks)

# Deriving and probing, beside ffmpeg and ffprobe.
bench-media: programs
	LIUHEN_BUILD=$(BUILD) $(PYTHON) tests/bench/run media

# The table of forms in both READMEs, from what the programs make of each; tests/system/test_forms_table.py fails while they differ.
forms: programs
	LIUHEN_BUILD=$(BUILD) /usr/bin/python3 tests/system/forms.py

# openapi.yaml in the tree, from the table of routes; tests/unit/test-openapi.c fails while they differ.
openapi: $(BUILD)/liuhend
	$(BUILD)/liuhend --dump-openapi > $(BUILD)/openapi.yaml && mv $(BUILD)/openapi.yaml openapi.yaml

# Names without spaces: everything below daemon/ and tests/.
CSOURCES = $(shell find daemon tests -name '*.[ch]' | sort)
format:
	clang-format -i $(CSOURCES)
format-check:
	clang-format --dry-run --Werror $(CSOURCES)
