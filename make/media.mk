# The media worker's tests drive the real program beside them. Tests and fuzzers that call the worker's parsers get them from
# $(WORKERLIB) (see USEWORKER in the Makefile).

$(BUILD)/tests/test-probe $(BUILD)/tests/test-run: | $(BUILD)/liuhen-media $(BUILD)/liuhen-stills
$(BUILD)/tests/test-mutate: | $(BUILD)/liuhen-media $(BUILD)/liuhen-stills

# The mutation campaign at length: make mutate N=10000 [MUTATE_SEED=1] [MUTATE_FOLDER=folder of good files] [MUTATE_DERIVE=10: every tenth
# is derived]. A few hundred run with the unit tests.
.PHONY: mutate
N ?= 10000
mutate: $(BUILD)/tests/test-mutate
	MUTATE_N=$(N) $(BUILD)/tests/test-mutate
