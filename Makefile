# Liuhen: plain GNU make, out of tree. `make help` lists the targets.
#   make [BUILD=build/release]    everything              make check      unit and system tests
#   make INJECT=1 SAN=address,undefined CC=clang BUILD=build/asan …   variants (tests use INJECT=1)

VERSION   := 0.1.0
BUILD     ?= build/release
PREFIX    ?= /usr/local
DESTDIR   ?=
ifeq ($(origin CC),default)
CC        := gcc
endif
AR        ?= ar
ifneq ($(V),1)
say        = @printf '  %-5s %s\n' '$(1)' '$(2)';
endif
PYTHON    ?= /usr/bin/python3

PKGS      := libsystemd yaml-0.1 sqlite3 libpq libcrypto libpcre2-8 jansson libmicrohttpd libcurl glib-2.0 libcap
MEDIAPKGS := libavformat libavcodec libavutil libseccomp libexif libheif

CSTD      := -std=gnu11 -D_GNU_SOURCE -DLIUHEN_VERSION='"$(VERSION)"'
WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
             -Wformat=2 -Wformat-security -Wvla -Wundef -Wno-unused-parameter
HARDEN    := -fstack-protector-strong -fPIE
LDHARDEN  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
OPT       ?= -O2 -g
ifeq ($(SAN),)
HARDEN    += -D_FORTIFY_SOURCE=2
else
OPT       := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDHARDEN  += -fsanitize=$(SAN)
endif
ifeq ($(WERROR),1)
WARN      += -Werror
endif
ifeq ($(INJECT),1)
CSTD      += -DLIUHEN_INJECT
endif

PKGFLAGS  := $(shell pkg-config --cflags $(PKGS))
PKGLIBS   := $(shell pkg-config --libs $(PKGS)) -lpthread
MEDIAFLAGS:= $(shell pkg-config --cflags $(MEDIAPKGS))
MEDIALIBS := $(shell pkg-config --libs $(MEDIAPKGS)) -lpthread
CFLAGS_ALL = $(CSTD) $(OPT) $(WARN) $(HARDEN) -Idaemon -I$(BUILD)/gen $(PKGFLAGS) $(CFLAGS) -MMD -MP

# Process borders show in file names: media/worker-*.c is the only code linked into liuhen-media.
DIRS      := base policy ledger store catalogue media cases intake api fsck
WORKER    := $(wildcard daemon/media/worker-*.c)
LIBSRC    := $(filter-out $(WORKER),$(foreach d,$(DIRS),$(wildcard daemon/$(d)/*.c)))
LIBOBJ    := $(LIBSRC:daemon/%.c=$(BUILD)/obj/%.o)
LIB       := $(BUILD)/libliuhen.a
CLISRC    := $(wildcard daemon/cli/*.c)
TESTS     := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test-*.c))
BENCHES   := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/bench-*.c))

include $(wildcard make/*.mk)

.PHONY: all help lib programs tests clean
all: programs
help:
	@sed -n '1,3s/^# //p' $(firstword $(MAKEFILE_LIST))
lib: $(LIB)
tests: $(TESTS)
programs: $(BUILD)/liuhend $(BUILD)/liuhen $(BUILD)/liuhen-media

$(BUILD)/obj/%.o: daemon/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CFLAGS_ALL) -c -o $@ $<
$(WORKER:daemon/%.c=$(BUILD)/obj/%.o): CFLAGS_ALL += $(MEDIAFLAGS)

$(LIB): $(LIBOBJ)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(BUILD)/liuhend: $(BUILD)/obj/liuhend.o $(LIB)
	$(call say,LD,$@)$(CC) -o $@ $^ $(LDHARDEN) $(LDFLAGS) $(PKGLIBS)
$(BUILD)/liuhen: $(CLISRC:daemon/%.c=$(BUILD)/obj/%.o) $(LIB)
	$(call say,LD,$@)$(CC) -o $@ $^ $(LDHARDEN) $(LDFLAGS) $(PKGLIBS)
$(BUILD)/liuhen-media: $(WORKER:daemon/%.c=$(BUILD)/obj/%.o) $(LIB)
	$(call say,LD,$@)$(CC) -o $@ $^ $(LDHARDEN) $(LDFLAGS) $(MEDIALIBS) $(PKGLIBS)

# A unit test is one file tests/unit/test-x.c, linked with the whole library and cmocka.
$(BUILD)/tests/%: tests/unit/%.c $(LIB) Makefile
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(CFLAGS_ALL) -Itests/unit -MF $@.d -o $@ $< $(LIB) $(LDHARDEN) $(LDFLAGS) -lcmocka $(PKGLIBS)
$(BUILD)/bench/%: tests/bench/%.c $(LIB) Makefile
	@mkdir -p $(@D)
	$(call say,BENCH,$@)$(CC) $(CFLAGS_ALL) -MF $@.d -o $@ $< $(LIB) $(LDHARDEN) $(LDFLAGS) $(PKGLIBS)

clean:
	rm -rf build

-include $(LIBOBJ:.o=.d) $(CLISRC:daemon/%.c=$(BUILD)/obj/%.d) $(WORKER:daemon/%.c=$(BUILD)/obj/%.d) $(BUILD)/obj/liuhend.d $(wildcard $(BUILD)/tests/*.d)
