# make deb: a binary package from a staged install, by dpkg-deb. It is meant for the machine that built it and others like it
# (same Debian release and architecture); dpkg-shlibdeps names the libraries it needs.

DEBARCH  = $(shell dpkg --print-architecture)
DEBSTAGE := build/deb/stage
DEB      = build/liuhen_$(VERSION)_$(DEBARCH).deb

.PHONY: deb
deb: programs
	rm -rf build/deb
	$(MAKE) install DESTDIR=$(DEBSTAGE) PREFIX=/usr
	strip $(DEBSTAGE)/usr/bin/liuhen $(DEBSTAGE)/usr/sbin/liuhend $(DEBSTAGE)/usr/libexec/liuhen/liuhen-*
	rm $(DEBSTAGE)/usr/share/man/man5/retention.yaml.5
	gzip -9n $(DEBSTAGE)/usr/share/man/man*/*
	ln -s liuhen-settings.5.gz $(DEBSTAGE)/usr/share/man/man5/retention.yaml.5.gz
	$(INSTALL) -D -m 0644 COPYING $(DEBSTAGE)/usr/share/doc/liuhen/copyright
	$(INSTALL) -D -m 0644 retention.yaml.sample $(DEBSTAGE)/etc/liuhen/retention.yaml
	contrib/debian/control build/deb $(VERSION) $(DEBARCH)
	dpkg-deb --root-owner-group --build $(DEBSTAGE) $(DEB)
