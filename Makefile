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

LIBS := fuse3 libcurl jansson sqlite3 libcrypto uuid
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

SRC := $(wildcard src/*.c src/*/*.c)
OBJ := $(SRC:src/%.c=$B/%.o)
# Everything but both mains goes into an archive: a unit test links only what it calls.
LIB := $B/libwebhookfs.a
MAINS := $B/main.o $B/top/main.o
C_FILES := $(wildcard src/*.[ch] src/*/*.[ch] tests/*/*.[ch])
FUZZER := $(findstring fuzzer,$(SAN))
FUZZ := $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))
UNIT := $(patsubst tests/unit/%.c,$B/tests/%,$(wildcard tests/unit/test_*.c))

.PHONY: all check unit e2e faults lint torture abuse longrun analyze valgrind fuzz fuzzers fuzz-merge statefuzz format docs-tables docs-tools docs-faults deps demo install uninstall deb check-deb \
	clean help
.DELETE_ON_ERROR:
.SUFFIXES:

all: $B/webhookfs $B/webhookfs-top

$B/webhookfs: $B/main.o $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS)

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

# Sets the clock of a daemon under test.
$B/clockstep.so: tests/lib/clockstep.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -shared -fPIC -o $@ $<

# Makes calls of a daemon under test fail.
$B/faults.so: tests/fault/faults.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -shared -fPIC -o $@ $<

# Names for a daemon under test, without DNS.
$B/resolver.so: tests/lib/resolver.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -shared -fPIC -o $@ $<

# Prints the tables of the manual from the source's tables.
$B/doc-tables: tests/lib/doc-tables.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIB) $(LDLIBS)

# The queue's week, which docs/deliveries.md shows.
$B/week: tests/show/week.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIB) $(LDLIBS)

# A fuzz target: with libFuzzer where the compiler was told so (make fuzz), else a program that replays
# the inputs of tests/fuzz/corpus.
$B/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) $(if $(FUZZER),-fsanitize=fuzzer) \
		-o $@ $< $(if $(FUZZER),,tests/fuzz/replay.c) $(LIB) $(LDLIBS)

-include $(OBJ:.o=.d) $(UNIT:=.d) $B/sink.d $B/doc-tables.d $B/week.d $(FUZZ:=.d)

# ---- tests: every runner speaks TAP, tests/check adds them up

TEST_PROGRAMS := $B/webhookfs $B/webhookfs-top $B/sink $B/clockstep.so $B/resolver.so $B/faults.so $B/doc-tables $B/week $(UNIT) $(FUZZ)

check: $(TEST_PROGRAMS)
	@CC='$(CC)' CFLAGS='$(CFLAGS)' SAN='$(SAN)' BUILD='$(abspath $B)' FUZZ='$(FUZZ)' tests/check $(UNIT)

unit: $(UNIT)
	@tests/run unit $(UNIT)

e2e: $B/webhookfs $B/webhookfs-top $B/sink $B/clockstep.so $B/resolver.so $B/faults.so
	@BUILD='$(abspath $B)' tests/run e2e $(wildcard tests/e2e/*.bats)

# Whoever analyses, and what he says of the source is an error. What is left out for a reason is named in
# .clang-tidy, beside its line, or here: gcc takes memory that a list or a table holds for lost.
analyze: $(patsubst src/%.c,$B/%.tidy,$(SRC))
	@$(MAKE) --no-print-directory CC=gcc B=build/analyze WERROR=1 \
		CFLAGS='-O1 -fanalyzer -Wno-analyzer-malloc-leak' build/analyze/libwebhookfs.a
	@mkdir -p build/analyze/cppcheck
	cppcheck -q --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 \
		--library=posix --library=gnu --suppress=readdirCalled --cppcheck-build-dir=build/analyze/cppcheck \
		--include=/usr/include/uthash.h --include=/usr/include/utlist.h \
		-Isrc $(filter-out -I%,$(ALL_CPPFLAGS)) src

$B/%.tidy: src/%.c .clang-tidy
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- -std=gnu11 $(ALL_CPPFLAGS) 2>$@ || { cat $@; exit 1; }

# memcheck: of all unit tests, and of the daemon in some of the files under tests/e2e.
VALGRIND_E2E := events delivery config_json_takes_the_whole_hook scratch_files_are_no_configuration \
	deliveries_are_files fifo the_log_rotates

valgrind: $(TEST_PROGRAMS)
	@UNDER=tests/lib/memcheck tests/run valgrind $(UNIT)
	@PATIENCE=20 BUILD='$(abspath $B)' WEBHOOKFS='$(abspath tests/lib/memcheck)' \
		MEMCHECK_OF='$(abspath $B/webhookfs)' tests/run valgrind $(VALGRIND_E2E:%=tests/e2e/%.bats)

# Every call that can fail, one after another, under a whole scenario: an hour. `make check` has
# a few of them.
faults: $B/webhookfs $B/sink $B/faults.so
	@BUILD='$(abspath $B)' tests/fault/walk.py

lint:
	@CC='$(CC)' tests/run lint tests/lint tests/format

# Every fuzz target for T seconds, JOBS at a time (tests/fuzz/run has more to say); then fuzz-merge puts
# the few inputs that count into tests/fuzz/corpus, which `make check` replays.
JOBS ?= 1
SEED ?=
FUZZ_BUILD = +@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined B=build/fuzzer fuzzers

fuzzers: $(FUZZ)

fuzz:
	$(FUZZ_BUILD)
	tests/fuzz/run build/fuzzer/fuzz $(or $(T),60) $(JOBS)

fuzz-merge:
	$(FUZZ_BUILD)
	tests/fuzz/run --merge build/fuzzer/fuzz

# Random operations on a real mount beside a model of it, for T seconds; SEED=N to begin with that one.
statefuzz: $B/webhookfs $B/sink
	@BUILD='$(abspath $B)' tests/fuzz/state.py --seconds $(or $(T),60) $(if $(SEED),--seed $(SEED))

# What is too long for `make check`, which has a short form of each.
KILLS ?= 1000
OPTIONS ?=
LONG = BUILD='$(abspath $B)' nice -n 10 python3 -u

torture: $B/webhookfs $B/sink $B/clockstep.so
	@$(LONG) tests/fault/kill9.py $(KILLS) '$(SEED)' $(OPTIONS)

abuse: $B/webhookfs $B/sink
	@$(LONG) tests/fault/abuse.py $(or $(T),600) '$(SEED)' $(OPTIONS)

# T=3600 is the hour that docs/faults.md shows.
longrun: $B/webhookfs $B/sink
	@$(LONG) tests/show/longrun.py $(or $(T),3600) 500 $B/longrun.csv
	@python3 tests/show/longrun.py --plot $B/longrun.csv $B/longrun.svg

docs-tables: $B/doc-tables $B/week
	@BUILD='$(abspath $B)' tests/lib/doc-tables.sh --write

docs-tools: $B/webhookfs $B/sink
	@BUILD='$(abspath $B)' DOCS_TOOLS=write tests/run tools tests/e2e/every_tool_leaves_the_same_value.bats

docs-faults: $B/webhookfs $B/sink $B/resolver.so
	@BUILD='$(abspath $B)' python3 tests/fault/receivers.py --write

# A quarter of an hour, with Debian's prometheus, prometheus-node-exporter and gnuplot-nox.
docs-monitoring: $B/webhookfs $B/sink
	@BUILD='$(abspath $B)' python3 tests/show/prometheus.py $(or $(T),900) $B/monitoring.json
	@python3 tests/show/prometheus.py --draw $B/monitoring.json docs/monitoring.svg

docs-recording: $B/webhookfs $B/sink
	@BUILD='$(abspath $B)' tests/show/record.py docs/quickstart.cast
	@tests/show/record.py --svg docs/quickstart.cast docs/quickstart.svg

format:
	clang-format -i $(C_FILES)

demo: $B/webhookfs
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

# FILE:DIRECTORY:MODE. One row installs a file, and removes it.
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
	contrib/grafana/webhookfs.json:$(DATADIR)/webhookfs/grafana:644

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

install: $(foreach row,$(INSTALLED),$(call row_file,$(row)))
	$(foreach row,$(INSTALLED),install -D -m $(call row_mode,$(row)) $(call row_file,$(row)) $(call row_target,$(row)) &&) :

uninstall:
	rm -f $(foreach row,$(INSTALLED),$(call row_target,$(row)))

# ---- packages: Debian's is built of a copy of the source, with contrib/debian beside it

DEB := build/deb
DEB_SOURCE := $(DEB)/webhookfs-$(VERSION)

deb:
	@contrib/deps.sh $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_DEB)
	@rm -rf $(DEB) && mkdir -p $(DEB_SOURCE)
	@cp -R Makefile README.md LICENSE src tests docs contrib $(DEB_SOURCE)
	@cp -R contrib/debian $(DEB_SOURCE)/debian
	@sed -i 's/@VERSION@/$(VERSION)/; s/@DATE@/$(shell LC_ALL=C date -R)/' $(DEB_SOURCE)/debian/changelog
	cd $(DEB_SOURCE) && dpkg-buildpackage -us -uc -b
	lintian --fail-on error,warning $(DEB)/*.changes
	@ls $(DEB)/*.deb

check-deb:
	@contrib/deps.sh debootstrap
	tests/package/deb

# ---- what all this needs, from Debian's packages

DEPS_BUILD := gcc libc6-dev make pkg-config libfuse3-dev libcurl4-openssl-dev libjansson-dev \
	libsqlite3-dev libssl-dev libncurses-dev uuid-dev uthash-dev
DEPS_RUN := fuse3 ca-certificates
DEPS_TEST := binutils clang clang-format clang-tidy cppcheck valgrind libclang-rt-dev libcmocka-dev libmicrohttpd-dev bats procps openssl curl jq \
	nginx-light mandoc shellcheck sqlite3 python3 python3-yaml perl rsync inotify-tools acl ansible-core \
	busybox dash e2fsprogs ed fish git mksh moreutils nano patch rpm rpmlint socat stress-ng systemd tmux udev vim zsh

DEPS_DEB := debhelper dpkg-dev lintian systemd libcmocka-dev libmicrohttpd-dev

deps:
	@contrib/deps.sh $(DEPS_BUILD) $(DEPS_RUN) $(DEPS_TEST)

# `make deps check` in one go, and with -j: nothing is built before its packages are there.
ifneq (,$(filter deps,$(MAKECMDGOALS)))
$(OBJ) $(UNIT) $B/sink $B/clockstep.so $B/resolver.so $B/faults.so $B/doc-tables $B/week: | deps
endif

clean:
	rm -rf build

help:
	@echo 'make            builds $B/webhookfs'
	@echo 'make deps       installs the Debian packages that building and testing need'
	@echo 'make demo       shows webhookfs at work with a real receiver'
	@echo 'make install    puts it under PREFIX ($(PREFIX)), and make uninstall removes it'
	@echo 'make docs-tables  writes the tables of the source into the manual'
	@echo 'make docs-tools   writes what each tool does into docs/tools.md, as the test finds it'
	@echo 'make docs-faults  writes what becomes of bad receivers into docs/faults.md, as the test finds it'
	@echo 'make docs-recording  types the quick start of README.md, and makes the picture of it'
	@echo 'make docs-monitoring draws docs/monitoring.svg of what a real Prometheus sees in T=900 seconds'
	@echo 'make deb        builds a Debian package in $(DEB), and make check-deb installs it in a chroot'
	@echo 'make check      all tests (unit, e2e and lint run a part)'
	@echo 'make fuzz       looks for inputs that break a parser, T=60 seconds for each; statefuzz for operations'
	@echo 'make analyze    clang-tidy, gcc -fanalyzer and cppcheck over the source'
	@echo 'make valgrind   unit tests and the daemon under memcheck'
	@echo 'make faults     fails every call that can fail, one after another: an hour'
	@echo 'make torture    kills it KILLS=1000 times under load; SEED=, OPTIONS= of the daemon'
	@echo 'make abuse      random operations on the mount for T=600 seconds; SEED=, OPTIONS='
	@echo 'make longrun    steady events for T= seconds while receivers fail, with a plot'
	@echo 'make format     lays out the source by .clang-format'
	@echo 'make clean      removes build/'
	@echo 'SAN=address,undefined  CC=clang  WERROR=1  CFLAGS=...'
