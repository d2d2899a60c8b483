# Liuhen: plain GNU make, out of tree in build/. `make help` lists the targets.
#
#   make                       liuhend, liuhen, liuhen-media, liuhen-stills in build/release
#   make check                 unit and system tests on a build with injected stops (build/test)
#   make fuzz FUZZ_SECONDS=30  every fuzzer in tests/fuzz, clang with address and undefined sanitizers
#   make bench                 the benchmark, side by side with other tools
#   make install DESTDIR= PREFIX=/usr/local
#   make deb                   a binary package for Debian in build/
#   make openapi               writes openapi.yaml from the table of routes
#   make forms                 writes the table of forms in the READMEs from what the programs make of each
#   make format-check          .clang-format holds everywhere (make format: make it so)
#   make clean                 removes build/
#
# Variables: BUILD= folder of this build · WERROR=1 · V=1 shows commands · CC=clang · SAN=address,undefined
#            MEDIA_LINK=static|shared how liuhen-media gets libav (static where Debian's archives of FFmpeg 5.1 are)
#            INJECT=1 stops and failures for tests (daemon/base/inject.h) · OPT= CFLAGS= LDFLAGS=
#
# Every path here is relative, so a checkout whose path has spaces builds too. A build folder remembers its flags
# (BUILD/flags): other flags build everything anew instead of mixing objects.

VERSION   := 0.1.0
BUILD     ?= build/release
PREFIX    ?= /usr/local
DESTDIR   ?=
ifeq ($(origin CC),default)
CC        := gcc
endif
AR        ?= ar
ifneq ($(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS)))),)
say        = @
else ifneq ($(V),1)
say        = @printf '  %-5s %s\n' '$(1)' '$(2)';
endif
PYTHON    ?= /usr/bin/python3

PKGS      := libsystemd yaml-0.1 sqlite3 libpq libcrypto libpcre2-8 jansson libmicrohttpd gnutls libcurl glib-2.0 libcap zlib
MEDIAPKGS := libavformat libavcodec libswscale libswresample libavutil libjpeg libpng lcms2 zbar libseccomp libexif
STILLSPKGS := libheif poppler-glib gio-2.0 cairo pangocairo fontconfig libjpeg lcms2 libseccomp libexif

# liuhen-media starts once for every file. Linked with the archives it does so in a tenth of the time, and has only the parts of libav
# that worker-registry.c lists; their inner names are those of one major version. It is linked anew with each security update.
MEDIA_LIST := avformat avcodec swscale swresample avutil x264 jpeg png zbar exif seccomp jansson z bz2 lzma
MEDIA_HAVE := $(and $(wildcard /usr/lib/*/libavcodec.so.59),$(filter $(words $(MEDIA_LIST)),\
             $(words $(wildcard $(MEDIA_LIST:%=/usr/lib/*/lib%.a)))))
MEDIA_LINK ?= $(if $(MEDIA_HAVE),static,shared)
$(if $(filter static shared,$(MEDIA_LINK)),,$(error MEDIA_LINK is static or shared, not $(MEDIA_LINK)))

CSTD      := -std=gnu11 -D_GNU_SOURCE -DLIUHEN_VERSION='"$(VERSION)"'
WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
             -Wformat=2 -Wformat-security -Wvla -Wundef -Wno-unused-parameter
# gcc judges these; clang does not see that a cleanup attribute uses its variable, and takes SUFFIX + 1 for a slip.
ifneq ($(findstring clang,$(CC)),)
WARN      += -Wno-unused-variable -Wno-format-nonliteral -Wno-string-plus-int -Wno-string-concatenation \
             -Wno-missing-field-initializers
endif
HARDEN    := -fstack-protector-strong -fPIE
LDHARDEN  := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
OPT       ?= -O2 -g
ifeq ($(SAN),)
HARDEN    += -D_FORTIFY_SOURCE=2
else
OPT       := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDHARDEN  += -fsanitize=$(SAN)
# instrumented code makes gcc guess wrong; the plain build judges this one
ifeq ($(findstring clang,$(CC)),)
WARN      += -Wno-maybe-uninitialized
endif
endif
ifeq ($(WERROR),1)
WARN      += -Werror
endif
ifeq ($(INJECT),1)
CSTD      += -DLIUHEN_INJECT
endif

# pkg-config is asked at the first compile command, once, and never by targets that compile nothing.
once       = $(eval $(1) := $(2))$($(1))
pkg        = $(or $(shell pkg-config $(1) && echo ' '),$(error pkg-config does not know all of "$(2)"; ./scripts/bootstrap installs what is needed))
PKGFLAGS   = $(call once,PKGFLAGS,$(call pkg,--cflags $(PKGS),$(PKGS)))
PKGLIBS    = $(call once,PKGLIBS,$(call pkg,--libs $(PKGS),$(PKGS)) -lpthread -lm)
MEDIAFLAGS = $(call once,MEDIAFLAGS,$(call pkg,--cflags $(MEDIAPKGS),$(MEDIAPKGS)))
STILLSFLAGS = $(call once,STILLSFLAGS,$(call pkg,--cflags $(STILLSPKGS),$(STILLSPKGS)))
STILLSLIBS = $(call once,STILLSLIBS,$(call pkg,--libs $(STILLSPKGS),$(STILLSPKGS)) -lpthread)
MEDIALIBS  = $(call once,MEDIALIBS,$(call pkg,--libs $(MEDIAPKGS),$(MEDIAPKGS)) -lpthread)
CFLAGS_ALL = $(CSTD) $(OPT) $(WARN) $(HARDEN) -Idaemon -I$(BUILD)/gen $(PKGFLAGS) $(CFLAGS) -MMD -MP

# Process borders show in file names: media/worker-*.c is the only code linked into liuhen-media; liuhen-stills is media/stills-*.c with
# what both share: the frame, the lock, messages, input and facts, and the readers of boxes and of EXIF.
DIRS      := base http policy ledger store catalogue media cases intake derive disposal doors api fsck
WORKER    := $(wildcard daemon/media/worker-*.c)
STILLS    := $(wildcard daemon/media/stills-*.c)
SHARED    := $(patsubst %,daemon/media/worker-%.c,frame lock filter say input facts time escape deaths box exif xmp shrink picture icc)
LIBSRC    := $(filter-out $(WORKER) $(STILLS),$(foreach d,$(DIRS),$(wildcard daemon/$(d)/*.c)))
LIBOBJ    := $(LIBSRC:daemon/%.c=$(BUILD)/obj/%.o)
LIB       := $(BUILD)/libliuhen.a
# The worker without its main, for the tests and fuzzers that call its parsers.
WORKERLIB := $(BUILD)/libworker.a
USEWORKER := $(shell grep -l '"media/worker-' $(wildcard tests/*/*.c) /dev/null)
# The same of the other program. What includes media/stills-*.h is linked with it, and does not name media/worker-*.h.
STILLSLIB := $(BUILD)/libstills.a
USESTILLS := $(shell grep -l '"media/stills' $(wildcard tests/*/*.c) /dev/null)
CLIOBJ    := $(patsubst daemon/%.c,$(BUILD)/obj/%.o,$(wildcard daemon/cli/*.c))
# The command line without its main, for the tests that call its parts.
CLILIB    := $(BUILD)/libcli.a
USECLI    := $(shell grep -l '"cli/' $(wildcard tests/*/*.c) /dev/null)
WORKEROBJ := $(patsubst daemon/%.c,$(BUILD)/obj/%.o,$(filter-out %/worker-registry.c,$(WORKER)))
REGISTRY  := $(BUILD)/obj/media/worker-registry.o
STILLSOBJ := $(STILLS:daemon/%.c=$(BUILD)/obj/%.o)
SHAREDOBJ := $(SHARED:daemon/%.c=$(BUILD)/obj/%.o)
PROGRAMS  := $(BUILD)/liuhend $(BUILD)/liuhen $(BUILD)/liuhen-media $(BUILD)/liuhen-stills
TESTS     := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test-*.c))
BENCHES   := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/bench-*.c))

.PHONY: all help lib programs tests benches clean FORCE
all: programs
help:
	@sed -n '3,14{s/^# \{0,1\}//;p;}' Makefile
lib: $(LIB)
tests: $(TESTS)
benches: $(BENCHES)
programs: $(PROGRAMS)

# Changes only when compiler or flags do.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(CSTD) $(OPT) $(WARN) $(HARDEN) $(LDHARDEN) $(CFLAGS) $(LDFLAGS) $(MEDIA_LINK)' | cmp -s - $@ || \
	 printf '%s\n' '$(CC) $(CSTD) $(OPT) $(WARN) $(HARDEN) $(LDHARDEN) $(CFLAGS) $(LDFLAGS) $(MEDIA_LINK)' > $@

$(BUILD)/obj/%.o: daemon/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CFLAGS_ALL) -c -o $@ $<
$(WORKEROBJ) $(REGISTRY): CFLAGS_ALL += $(MEDIAFLAGS)
$(STILLSOBJ): CFLAGS_ALL += $(STILLSFLAGS)
$(BUILD)/obj/media/worker-main.o: CFLAGS_ALL += -DMEDIA_LINK='"$(MEDIA_LINK)"'
# Sources that embed files (EMBED(name, "path"), .incbin) are compiled anew when any such file changes.
EMBEDS    := $(patsubst daemon/%.c,$(BUILD)/obj/%.o,$(shell grep -lw '^EMBED' $(LIBSRC) $(wildcard daemon/*.c) /dev/null))
$(EMBEDS): $(wildcard daemon/*/*.sql daemon/*/*/*.sql daemon/api/*.yaml daemon/api/page/* policies/*.yaml retention.yaml.sample)

$(LIB): $(LIBOBJ)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(WORKERLIB): $(filter-out %/worker-main.o,$(WORKEROBJ))
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(STILLSLIB): $(filter-out %/stills-main.o,$(STILLSOBJ)) $(SHAREDOBJ)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(CLILIB): $(filter-out %/liuhen.o,$(CLIOBJ))
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

link       = $(CC) $(OPT) -o $@ $(filter %.o %.a,$^) $(LDHARDEN) $(LDFLAGS)
$(BUILD)/liuhend: $(BUILD)/obj/liuhend.o $(LIB)
	$(call say,LD,$@)$(link) $(PKGLIBS)
$(BUILD)/liuhen: $(CLIOBJ) $(LIB)
	$(call say,LD,$@)$(link) $(PKGLIBS)
ifeq ($(MEDIA_LINK),static)
$(BUILD)/obj/media/worker-hardware.o: CFLAGS_ALL += -DLIUHEN_MEDIA_STATIC
# The archives are not position-independent. The registry comes before them; what has no archive (dav1d) is loaded.
$(BUILD)/liuhen-media: private LDHARDEN := $(filter-out -pie,$(LDHARDEN)) -no-pie -Wl,--gc-sections
$(BUILD)/liuhen-media: private MEDIALIBS := -Wl,-Bstatic $(MEDIA_LIST:%=-l%) -Wl,-Bdynamic -ldav1d -llcms2 -lm -lpthread
# libcrypto as an archive too, where there is one: placing the tables of the shared one takes a millisecond of every start.
MEDIABASE := $(if $(wildcard /usr/lib/*/libcrypto.a),-l:libcrypto.a -lpthread -lm)
$(BUILD)/liuhen-media: $(REGISTRY)
endif
$(BUILD)/liuhen-media: $(WORKEROBJ) $(LIB)
	$(call say,LD,$@)$(link) $(MEDIALIBS) $(or $(MEDIABASE),$(PKGLIBS))
$(BUILD)/liuhen-stills: $(STILLSOBJ) $(SHAREDOBJ) $(LIB)
	$(call say,LD,$@)$(link) $(STILLSLIBS) $(PKGLIBS)

# A unit test is one file tests/unit/test-x.c, linked with the whole library and cmocka.
one        = $(CC) $(CFLAGS_ALL) $(1) -MF $@.d -o $@ $< $(filter $(WORKERLIB) $(STILLSLIB) $(CLILIB),$^) $(LIB) $(LDHARDEN) $(LDFLAGS) $(2) $(PKGLIBS)
$(BUILD)/tests/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(call one,-Itests/unit,-lcmocka $(WORKERNEEDS))
$(BUILD)/bench/%: tests/bench/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,BENCH,$@)$(call one,,$(WORKERNEEDS))
USERS     := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(filter tests/unit/%,$(USEWORKER))) \
             $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(filter tests/fuzz/%,$(USEWORKER))) \
             $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(filter tests/bench/%,$(USEWORKER)))
$(USERS): $(WORKERLIB)
$(USERS): WORKERNEEDS = $(MEDIALIBS)
$(USERS): CFLAGS_ALL += $(MEDIAFLAGS)
STILLUSERS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(filter tests/unit/%,$(USESTILLS))) \
             $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(filter tests/fuzz/%,$(USESTILLS)))
$(STILLUSERS): $(STILLSLIB)
$(STILLUSERS): WORKERNEEDS = $(STILLSLIBS)
$(STILLUSERS): CFLAGS_ALL += $(STILLSFLAGS)
CLIUSERS  := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(filter tests/unit/%,$(USECLI))) \
             $(patsubst tests/fuzz/%.c,$(BUILD)/fuzzers/%,$(filter tests/fuzz/%,$(USECLI)))
$(CLIUSERS): $(CLILIB)

clean:
	rm -rf build

include make/check.mk make/media.mk make/install.mk make/deb.mk
-include $(LIBOBJ:.o=.d) $(CLIOBJ:.o=.d) $(WORKEROBJ:.o=.d) $(STILLSOBJ:.o=.d) $(REGISTRY:.o=.d) $(BUILD)/obj/liuhend.d $(TESTS:=.d) $(BENCHES:=.d)
