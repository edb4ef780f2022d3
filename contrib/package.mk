# Packages: Debian's is built of a copy of the source, with contrib/debian beside it. Included by the Makefile.

DEPS_DEB := debhelper dpkg-dev lintian systemd libcmocka-dev libmicrohttpd-dev
DEB := build/deb
DEB_SOURCE := $(DEB)/webhookfs-$(VERSION)

.PHONY: deb
deb:  ## builds a Debian package in build/deb
	@contrib/deps.sh $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_DEB)
	@rm -rf $(DEB) && mkdir -p $(DEB_SOURCE)
	@cp -R Makefile README.md LICENSE src tests docs contrib $(DEB_SOURCE)
	@cp -R contrib/debian $(DEB_SOURCE)/debian
	@sed -i 's/@VERSION@/$(VERSION)/; s/@DATE@/$(shell LC_ALL=C date -R)/' $(DEB_SOURCE)/debian/changelog
	cd $(DEB_SOURCE) && dpkg-buildpackage -us -uc -b
	lintian --fail-on error,warning $(DEB)/*.changes
	@ls $(DEB)/*.deb

.PHONY: check-deb
check-deb:  ## installs, uses and purges that package in a chroot
	@contrib/deps.sh debootstrap
	tests/package/deb
