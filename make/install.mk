# make install DESTDIR= PREFIX=: programs, manual pages, policies, unit files, completions. Nothing is started or enabled.
#
# liuhend finds liuhen-media in ../libexec/liuhen/ and the policies in ../share/liuhen/ from its own folder; the service file
# gets the real path of liuhend here.

BINDIR     := $(PREFIX)/bin
SBINDIR    := $(PREFIX)/sbin
LIBEXECDIR := $(PREFIX)/libexec/liuhen
DATADIR    := $(PREFIX)/share/liuhen
DOCDIR     := $(PREFIX)/share/doc/liuhen
MANDIR     := $(PREFIX)/share/man
UNITDIR    := $(PREFIX)/lib/systemd/system
SYSUSERS   := $(PREFIX)/lib/sysusers.d
TMPFILES   := $(PREFIX)/lib/tmpfiles.d
BASHCOMP   := $(PREFIX)/share/bash-completion/completions
ZSHCOMP    := $(PREFIX)/share/zsh/vendor-completions
INSTALL    ?= install

.PHONY: install man
# The programs carry the tables that two of the pages are made from.
MANPAGES   := contrib/man/liuhend.8 $(BUILD)/man/liuhen.1 $(BUILD)/man/liuhen-settings.5
man: $(MANPAGES)
$(BUILD)/man/liuhen.1: $(BUILD)/liuhen
	@mkdir -p $(@D)
	$(call say,MAN,$@)$(BUILD)/liuhen man-page > $@.$$$$ && mv $@.$$$$ $@
$(BUILD)/man/liuhen-settings.5: $(BUILD)/liuhend
	@mkdir -p $(@D)
	$(call say,MAN,$@)$(BUILD)/liuhend --dump-man > $@.$$$$ && mv $@.$$$$ $@

# $(call into,folder,mode,files)
into = $(if $(strip $(3)),$(INSTALL) -d "$(DESTDIR)$(1)" && $(INSTALL) -m $(2) $(3) "$(DESTDIR)$(1)/")

install: programs man
	$(call into,$(BINDIR),0755,$(BUILD)/liuhen)
	$(call into,$(SBINDIR),0755,$(BUILD)/liuhend)
	$(call into,$(LIBEXECDIR),0755,$(BUILD)/liuhen-media $(BUILD)/liuhen-stills)
	$(call into,$(DATADIR)/policies,0644,$(wildcard policies/*.yaml policies/README.md))
	$(call into,$(DOCDIR),0644,README.md README.zh-CN.md daemon/ARCHITECTURE.md retention.yaml.sample contrib/dock.yaml.sample openapi.yaml)
	$(call into,$(DOCDIR)/systemd,0644,contrib/systemd/liuhend.socket contrib/systemd/liuhend-tls.socket)
	for r in vsftpd sshd samba nginx; do \
	    $(INSTALL) -d "$(DESTDIR)$(DOCDIR)/$$r" && for f in contrib/$$r/*; do \
	        m=0644; [ ! -x "$$f" ] || m=0755; $(INSTALL) -m $$m "$$f" "$(DESTDIR)$(DOCDIR)/$$r/" || exit 1; done; done
	for p in $(MANPAGES); do \
	    $(INSTALL) -D -m 0644 "$$p" "$(DESTDIR)$(MANDIR)/man$${p##*.}/$${p##*/}" || exit 1; done
	ln -sf liuhen-settings.5 "$(DESTDIR)$(MANDIR)/man5/retention.yaml.5"
	$(INSTALL) -d "$(DESTDIR)$(UNITDIR)"
	sed 's,@SBINDIR@,$(SBINDIR),g' contrib/systemd/liuhend.service > "$(DESTDIR)$(UNITDIR)/liuhend.service"
	chmod 0644 "$(DESTDIR)$(UNITDIR)/liuhend.service"
	sed 's,@BINDIR@,$(BINDIR),g' contrib/systemd/liuhen-dock@.service > "$(DESTDIR)$(UNITDIR)/liuhen-dock@.service"
	chmod 0644 "$(DESTDIR)$(UNITDIR)/liuhen-dock@.service"
	$(call into,$(DATADIR)/udev,0644,contrib/udev/70-liuhen-dock.rules)
	$(INSTALL) -D -m 0644 contrib/systemd/liuhen.sysusers "$(DESTDIR)$(SYSUSERS)/liuhen.conf"
	$(INSTALL) -D -m 0644 contrib/systemd/liuhen.tmpfiles "$(DESTDIR)$(TMPFILES)/liuhen.conf"
	$(INSTALL) -D -m 0644 contrib/completions/liuhen.bash "$(DESTDIR)$(BASHCOMP)/liuhen"
	$(INSTALL) -D -m 0644 contrib/completions/_liuhen "$(DESTDIR)$(ZSHCOMP)/_liuhen"
