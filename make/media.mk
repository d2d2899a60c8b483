# The media worker's tests drive the real program beside them. Tests and fuzzers that call the worker's parsers get them from
# $(WORKERLIB) (see USEWORKER in the Makefile).

$(BUILD)/tests/test-probe $(BUILD)/tests/test-run: | $(BUILD)/liuhen-media $(BUILD)/liuhen-stills
