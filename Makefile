# webhookfs: GNU make. `make` builds build/webhookfs; `make help` lists the rest.
#
#   SAN=address,undefined   build and test with sanitizers, in a directory of their own
#   CC=clang                any other compiler
#   WERROR=1                warnings are errors (CI)

VERSION := 0.1.0

CC ?= cc
PKG_CONFIG ?= pkg-config
SAN ?=
comma := ,
# V=1 shows the commands.
Q = $(if $(V),,@echo '  $@';)

LIBS := fuse3 libcurl jansson sqlite3 libcrypto
# webhookfs-top is a program of its own, so that the daemon has no ncurses in it.
TOP_LIBS := ncursesw jansson
B := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	-Wpointer-arith -Wwrite-strings -Wundef $(if $(WERROR),-Werror)
CFLAGS ?= -O2 -g
# What of these the compiler knows; tests/hardening reads what came of it. _FORTIFY_SOURCE is left to flags
# that name it themselves, and needs optimisation; a sanitizer has functions of its own.
can = $(shell $(CC) -O2 -Werror $1 -include stdio.h -x c -c -o /dev/null /dev/null 2>/dev/null && echo '$1')
FORTIFY := $(if $(SAN)$(findstring _FORTIFY_SOURCE,$(CFLAGS) $(CPPFLAGS)),,$(if $(filter-out -O0,$(filter -O%,$(CFLAGS))),\
	$(or $(call can,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)))
HARDEN := -fstack-protector-strong -fPIE $(FORTIFY) $(foreach f,-fstack-clash-protection -fcf-protection=full \
	-mbranch-protection=standard,$(call can,$f))
ALL_CFLAGS = -std=gnu11 $(WARN) $(HARDEN) $(CFLAGS) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
ALL_CPPFLAGS = -Isrc -D_GNU_SOURCE -DFUSE_USE_VERSION=314 -DWEBHOOKFS_VERSION='"$(VERSION)"' \
	$(shell $(PKG_CONFIG) --cflags $(LIBS)) $(CPPFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
LDLIBS = $(shell $(PKG_CONFIG) --libs $(LIBS))
# For a library that looks for it in whom it is loaded by; see http/client.c.
EXPORTED = -Wl,--export-dynamic-symbol=_gnutls_global_init_skip

SRC := $(wildcard src/*.c src/*/*.c)
OBJ := $(SRC:src/%.c=$B/%.o)
# Everything but both mains goes into an archive: a unit test links only what it calls.
LIB := $B/libwebhookfs.a
MAINS := $B/main.o $B/top/main.o
C_FILES := $(wildcard src/*.[ch] src/*/*.[ch] tests/*/*.[ch])
FUZZER := $(findstring fuzzer,$(SAN))
FUZZ := $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))
UNIT := $(patsubst tests/unit/%.c,$B/tests/%,$(wildcard tests/unit/test_*.c))

.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: all
all: $B/webhookfs $B/webhookfs-top  ## the program (also without a word)

$B/webhookfs: $B/main.o $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) $(EXPORTED) -o $@ $^ $(LDLIBS)

$B/webhookfs-top: $B/top/main.o $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $$($(PKG_CONFIG) --libs $(TOP_LIBS))

$B/top/screen.o: ALL_CPPFLAGS += $(shell $(PKG_CONFIG) --cflags ncursesw)

$(LIB): $(filter-out $(MAINS),$(OBJ))
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$B/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$B/tests/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIB) $(LDLIBS) -lcmocka \
		$$($(PKG_CONFIG) --libs libmicrohttpd)

# The scripted receiver of the tests and the demo.
$B/sink: tests/lib/sink.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $$($(PKG_CONFIG) --libs libmicrohttpd)

# Preloaded by daemons under test: one sets the clock, one knows names without DNS, one has calls fail, one
# ends the daemon instead of an answer, one has no open_tree.
PRELOADED := $B/clockstep.so $B/resolver.so $B/faults.so $B/mute.so $B/notree.so
vpath %.c tests/lib tests/fault tests/show

$(PRELOADED): $B/%.so: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -shared -fPIC -o $@ $<

# One prints the tables of the manual from those of the source, one the queue's week of docs/deliveries.md.
PRINTERS := $B/doc-tables $B/week

$(PRINTERS): $B/%: %.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIB) $(LDLIBS)

# A fuzz target: with libFuzzer where the compiler was told so (make fuzz), else a program that replays
# the inputs of tests/fuzz/corpus.
$B/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) $(if $(FUZZER),-fsanitize=fuzzer) \
		-o $@ $< $(if $(FUZZER),,tests/fuzz/replay.c) $(LIB) $(LDLIBS)

# Yardsticks and loads of `make bench`.
BENCH := $(patsubst tests/bench/%.c,$B/bench/%,$(wildcard tests/bench/*.c))

$(BENCH): $B/bench/%: tests/bench/%.c tests/bench/yardstick.h
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -pthread -o $@ $< $(shell $(PKG_CONFIG) --cflags --libs fuse3 libcurl)

-include $(OBJ:.o=.d) $(UNIT:=.d) $B/sink.d $(PRINTERS:=.d) $(FUZZ:=.d)

# ---- tests: every runner speaks TAP, tests/check adds them up

E2E_PROGRAMS := $B/webhookfs $B/webhookfs-top $B/sink $(PRELOADED) $(BENCH)
TEST_PROGRAMS := $(E2E_PROGRAMS) $(PRINTERS) $(UNIT) $(FUZZ)

.PHONY: check
check: $(TEST_PROGRAMS)  ## all tests: lint, unit tests, documentation, end to end
	@CC='$(CC)' CFLAGS='$(CFLAGS)' SAN='$(SAN)' BUILD='$(abspath $B)' FUZZ='$(FUZZ)' tests/check $(UNIT)

.PHONY: unit
unit: $(UNIT)  ## the unit tests
	@tests/run unit $(UNIT)

.PHONY: e2e
e2e: $(E2E_PROGRAMS)  ## the tests on a mount
	@BUILD='$(abspath $B)' tests/run e2e $(wildcard tests/e2e/*.bats)

.PHONY: lint
lint:  ## rules of the source, and its layout
	@CC='$(CC)' tests/run lint tests/lint tests/format

include tests/long.mk docs/docs.mk

.PHONY: format
format:  ## lays out the source by .clang-format
	clang-format -i $(C_FILES)

.PHONY: demo
demo: $B/webhookfs  ## shows webhookfs at work with a real receiver
	@contrib/demo/demo.sh $B/webhookfs

# ---- installing: `mount -t fuse.webhookfs` and fstab look for the program in PATH; mount(8) brings the helper

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
LIBEXECDIR ?= $(PREFIX)/libexec
DATADIR ?= $(PREFIX)/share
DOCDIR ?= $(DATADIR)/doc/webhookfs

# FILE:DIRECTORY:MODE. One row installs a file, and removes it. Documentation lies in DOCDIR as it does here, so
# that its pages find each other.
INSTALLED := \
	$B/webhookfs:$(BINDIR):755 \
	$B/webhookfs-top:$(dir $(BINDIR))libexec/webhookfs:755 \
	contrib/inotify/webhookfs-inotify:$(BINDIR):755 \
	contrib/webhookfs-run/webhookfs-run:$(BINDIR):755 \
	$(patsubst %,%:$(MANDIR)/man5:644,$(wildcard docs/*.5)) \
	$(patsubst %,%:$(MANDIR)/man8:644,$(wildcard docs/*.8)) \
	$(patsubst %,%:$(MANDIR)/man1:644,$(wildcard docs/*.1)) \
	$B/completion/webhookfs:$(BASHDIR):644 \
	$B/completion/webhookfs-run:$(BASHDIR):644 \
	contrib/completion/_webhookfs:$(ZSHDIR):644 \
	contrib/completion/webhookfs.fish:$(FISHDIR):644 \
	$(patsubst contrib/systemd/%,$B/systemd/%:$(UNITDIR):644,$(wildcard contrib/systemd/*.service contrib/systemd/*.socket contrib/systemd/*.timer)) \
	$(patsubst contrib/systemd/%,$B/systemd/%:$(USERUNITDIR):644,$(wildcard contrib/systemd/user/*.service)) \
	contrib/systemd/sysusers.d/webhookfs.conf:$(SYSUSERSDIR):644 \
	contrib/systemd/tmpfiles.d/webhookfs.conf:$(TMPFILESDIR):644 \
	contrib/prometheus/webhookfs-metrics:$(LIBEXECDIR)/webhookfs:755 \
	$(patsubst %,%:$(DATADIR)/webhookfs/prometheus:644,$(wildcard contrib/prometheus/*.yml)) \
	contrib/grafana/webhookfs.json:$(DATADIR)/webhookfs/grafana:644 \
	README.md:$(DOCDIR):644 \
	$(patsubst %,%:$(DOCDIR)/docs:644,$(wildcard docs/*.md docs/*.svg)) \
	$(patsubst %,%:$(DOCDIR)/docs/benchmarks:644,$(wildcard docs/benchmarks/*.*)) \
	contrib/demo/train.sh:$(DOCDIR)/contrib/demo:644 \
	contrib/webhookfs-run/README.md:$(DOCDIR)/contrib/webhookfs-run:644 \
	$(patsubst %,%:$(DOCDIR)/contrib/verify:644,$(wildcard contrib/verify/*))

# bash looks for a completion under the command's name.
$B/completion/%: contrib/completion/webhookfs.bash
	@mkdir -p $(@D)
	$(Q)cp $< $@

# Units name the program by its path.
$B/systemd/%: contrib/systemd/% Makefile
	@mkdir -p $(@D)
	$(Q)sed 's|/usr/bin/|$(BINDIR)/|g; s|/usr/libexec/|$(LIBEXECDIR)/|g' $< >$@

row_words = $(subst :, ,$1)
row_file = $(word 1,$(call row_words,$1))
row_target = $(DESTDIR)$(word 2,$(call row_words,$1))/$(notdir $(call row_file,$1))
row_mode = $(word 3,$(call row_words,$1))

.PHONY: install
install: $(foreach row,$(INSTALLED),$(call row_file,$(row)))  ## puts it under PREFIX (/usr/local), and under DESTDIR
	$(foreach row,$(INSTALLED),install -D -m $(call row_mode,$(row)) $(call row_file,$(row)) $(call row_target,$(row)) &&) :

.PHONY: uninstall
uninstall:  ## takes away what install has put there
	rm -f $(foreach row,$(INSTALLED),$(call row_target,$(row)))

include contrib/package.mk

# ---- what all this needs, from Debian's packages

DEPS_BUILD := gcc libc6-dev make pkg-config libfuse3-dev libcurl4-openssl-dev libjansson-dev \
	libsqlite3-dev libssl-dev libncurses-dev uthash-dev
DEPS_RUN := fuse3 ca-certificates
DEPS_TEST := binutils clang clang-format clang-tidy cppcheck valgrind libclang-rt-dev libcmocka-dev libmicrohttpd-dev bats procps openssl curl jq \
	nginx-light mandoc shellcheck sqlite3 python3 python3-yaml perl rsync inotify-tools acl ansible-core \
	busybox dash e2fsprogs ed fish git mksh moreutils nano patch rpm rpmlint socat stress-ng systemd tmux udev vim xxd zsh

# better-sqlite3 may have to be compiled. A node from elsewhere has its own npm, and Debian's would be in its way.
DEPS_BENCH = nginx-light curl g++ python3 python3-requests redis-server gnuplot-nox strace \
	$(if $(shell command -v npm),,nodejs npm libnode-dev)

.PHONY: deps
deps:  ## installs the Debian packages that building and testing need
	@contrib/deps.sh $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST)

.PHONY: deps-bench
deps-bench: deps  ## installs what `make bench` needs besides
	@contrib/deps.sh $(DEPS_BENCH)

# `make deps check` in one go, and with -j: nothing is built before its packages are there.
ifneq (,$(filter deps,$(MAKECMDGOALS)))
$(OBJ) $(UNIT) $B/sink $(PRELOADED) $(PRINTERS): | deps
endif

.PHONY: clean
clean:  ## removes build/
	rm -rf build

# The words behind each target's ##.
.PHONY: help
help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z0-9-]+:.*  ## / { printf "make %-16s %s\n", $$1, $$2 }' $(filter %.mk Makefile,$(MAKEFILE_LIST))
	@echo 'SAN=address,undefined  CC=clang  WERROR=1  CFLAGS=...  V=1  JOBS=N'
