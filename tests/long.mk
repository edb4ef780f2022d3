# What is too long for `make check`, which has a short form of most. Included by the Makefile.

# Whoever analyses, and what he says of the source is an error. What is left out for a reason is named in
# .clang-tidy, beside its line, or here: gcc takes memory that a list or a table holds for lost; cppcheck a
# descriptor for memory, a struct that a callee fills for empty, and cannot parse one conditional.
CPPCHECK_PASSES := --suppress=memleak:src/confine_files.c --suppress=uninitvar:src/fs/fuse_files.c \
	--suppress=internalAstError:src/model/payload.c

.PHONY: analyze
analyze: $(patsubst src/%.c,$B/%.tidy,$(SRC))  ## clang-tidy, gcc -fanalyzer and cppcheck over the source
	@$(MAKE) --no-print-directory CC=gcc B=build/analyze WERROR=1 \
		CFLAGS='-O1 -fanalyzer -Wno-analyzer-malloc-leak' build/analyze/libwebhookfs.a
	@mkdir -p build/analyze/cppcheck
	cppcheck -q --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 \
		--library=posix --library=gnu --suppress=readdirCalled $(CPPCHECK_PASSES) --cppcheck-build-dir=build/analyze/cppcheck \
		--include=/usr/include/uthash.h --include=/usr/include/utlist.h \
		-Isrc $(filter-out -I%,$(ALL_CPPFLAGS)) src

$B/%.tidy: src/%.c .clang-tidy
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- -std=gnu11 $(ALL_CPPFLAGS) 2>$@ || { cat $@; exit 1; }

# memcheck: of all unit tests, and of the daemon in some of the files under tests/e2e.
VALGRIND_E2E := events fifo delivery config_json_takes_the_whole_hook scratch_files_are_no_configuration \
	deliveries_are_files the_log_rotates

.PHONY: valgrind
valgrind: $(TEST_PROGRAMS)  ## unit tests and the daemon under memcheck
	@UNDER=tests/lib/memcheck tests/run valgrind $(UNIT)
	@PATIENCE=20 BUILD='$(abspath $B)' WEBHOOKFS='$(abspath tests/lib/memcheck)' \
		MEMCHECK_OF='$(abspath $B/webhookfs)' tests/run valgrind $(VALGRIND_E2E:%=tests/e2e/%.bats)

# Every call that can fail, one after another, under a whole scenario: hours, or half of one with JOBS=10 on two cores,
# since a step mostly waits. `make check` has a few of them.
.PHONY: faults
faults: $B/webhookfs $B/sink $B/faults.so  ## fails every call that can fail, one after another: hours; JOBS=1
	@BUILD='$(abspath $B)' tests/fault/walk.py --jobs $(JOBS)

# Every fuzz target for T seconds, JOBS at a time (tests/fuzz/run has more to say); then fuzz-merge puts
# the few inputs that count into tests/fuzz/corpus, which `make check` replays.
JOBS ?= 1
SEED ?=
FUZZ_BUILD = +@$(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined B=build/fuzzer fuzzers

.PHONY: fuzzers
fuzzers: $(FUZZ)

.PHONY: fuzz
fuzz:  ## looks for inputs that break a parser, T=60 seconds each, JOBS=1
	$(FUZZ_BUILD)
	tests/fuzz/run build/fuzzer/fuzz $(or $(T),60) $(JOBS)

.PHONY: fuzz-merge
fuzz-merge:  ## puts the inputs that reach something new into tests/fuzz/corpus
	$(FUZZ_BUILD)
	tests/fuzz/run --merge build/fuzzer/fuzz

# Random operations on a real mount beside a model of it, for T seconds; SEED=N to begin with that one.
.PHONY: statefuzz
statefuzz: $B/webhookfs $B/sink  ## random operations beside a model of the mount: T=60, SEED=
	@BUILD='$(abspath $B)' tests/fuzz/state.py --seconds $(or $(T),60) $(if $(SEED),--seed $(SEED))

KILLS ?= 1000
OPTIONS ?=
LONG = BUILD='$(abspath $B)' nice -n 10 python3 -u

.PHONY: torture
torture: $B/webhookfs $B/sink $B/clockstep.so  ## kills it KILLS=1000 times under load: SEED=, OPTIONS=
	@$(LONG) tests/fault/kill9.py $(KILLS) '$(SEED)' $(OPTIONS)

.PHONY: abuse
abuse: $B/webhookfs $B/sink  ## does to the mount what nobody should: T=600, SEED=, OPTIONS=
	@$(LONG) tests/fault/abuse.py $(or $(T),600) '$(SEED)' $(OPTIONS)

# All rows take half an hour. ROWS='delivery-http idle' runs some, RUNS=3 each side so often, SMALL=1 a fortieth
# of the events: only to see that it runs, so its figures stay in build/.
.PHONY: bench
bench: $B/webhookfs $B/sink $(BENCH)  ## measures beside yardsticks: ROWS=, RUNS=5, SMALL=
	@BUILD='$(abspath $B)' python3 -u tests/bench/bench.py --runs $(or $(RUNS),5) $(if $(SMALL),--small) $(ROWS)

.PHONY: bench-profile
bench-profile: $B/webhookfs $(BENCH)  ## counts the instructions of a delivery, for docs/benchmarks
	@BUILD='$(abspath $B)' tests/bench/instructions.py --write

# T=3600 is the hour that docs/faults.md shows.
.PHONY: longrun
longrun: $B/webhookfs $B/sink  ## steady events while receivers fail, with a plot: T=3600
	@$(LONG) tests/show/longrun.py $(or $(T),3600) 500 $B/longrun.csv
	@python3 tests/show/longrun.py --plot $B/longrun.csv $B/longrun.svg
