# What of the documentation is made of the source and of tests. Included by the Makefile.

.PHONY: docs-tables
docs-tables: $B/doc-tables $B/week  ## writes the source's tables into the manual
	@BUILD='$(abspath $B)' tests/lib/doc-tables.sh --write

.PHONY: docs-tools
docs-tools: $B/webhookfs $B/sink  ## writes what each tool does into docs/tools.md, as the test finds it
	@BUILD='$(abspath $B)' DOCS_TOOLS=write tests/run tools tests/e2e/every_tool_leaves_the_same_value.bats

.PHONY: docs-faults
docs-faults: $B/webhookfs $B/sink $B/resolver.so  ## writes what becomes of bad receivers into docs/faults.md
	@BUILD='$(abspath $B)' python3 tests/fault/receivers.py --write

# A quarter of an hour, with Debian's prometheus, prometheus-node-exporter and gnuplot-nox.
.PHONY: docs-monitoring
docs-monitoring: $B/webhookfs $B/sink  ## draws what a real Prometheus sees: T=900
	@BUILD='$(abspath $B)' python3 tests/show/prometheus.py $(or $(T),900) $B/monitoring.json
	@python3 tests/show/prometheus.py --draw $B/monitoring.json docs/monitoring.svg

.PHONY: docs-benchmarks
docs-benchmarks:  ## makes tables and plots of docs/benchmarks of its results; `make bench` measures
	@python3 tests/bench/report.py --write

.PHONY: docs-recording
docs-recording: $B/webhookfs $B/sink  ## types the quick start of README.md, and draws it
	@BUILD='$(abspath $B)' tests/show/record.py docs/quickstart.cast
	@tests/show/record.py --svg docs/quickstart.cast docs/quickstart.svg

.PHONY: docs-firsthour
docs-firsthour:  ## types what docs/firsthour.md says into a fresh Debian, after `make deb`
	@contrib/deps.sh debootstrap
	tests/show/firsthour.sh
