# The media worker's own rules: its tests drive the real program, and its fuzzer links the probing code without the process around it.

WORKERPARTS = $(filter-out %/worker-main.o %/worker-lock.o %/worker-escape.o,$(WORKER:daemon/%.c=$(BUILD)/obj/%.o))

$(BUILD)/tests/test-probe: | $(BUILD)/liuhen-media

$(BUILD)/fuzzers/fuzz-probe: tests/fuzz/fuzz-probe.c $(WORKERPARTS) $(LIB)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)$(CC) $(CFLAGS_ALL) $(MEDIAFLAGS) -fsanitize=fuzzer -MF $@.d -o $@ $^ $(LDHARDEN) $(LDFLAGS) $(MEDIALIBS) $(PKGLIBS)
