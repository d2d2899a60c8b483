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

# A driver for libva without a device, for the tests of hardware (tests/system/test_hardware.py); libva finds it by its links' names.
$(BUILD)/va/driver.so: tests/hardware/va-driver.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) -O2 -g $(filter-out -fPIE,$(WARN)) $(if $(filter 1,$(WERROR)),-Werror) -fPIC -shared -o $@ $< -lpthread
	@for name in good wrong fails thread; do ln -sf driver.so $(@D)/$${name}_drv_video.so; done
