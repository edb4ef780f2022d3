#!/usr/bin/env bats
# The bench runs, and its page says what its runs said. No figure is judged here.

load ../lib/common

TREE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

setup() {
  prepare
}

# small ROW: runs it as make does; $HERE/results.json is what is kept.
small() {
  BUILD=$BUILD python3 "$TREE/tests/bench/bench.py" --small --runs 1 --results "$HERE/results.json" "$@"
}

# a_row NAME: one that ran before.
a_row() {
  python3 - "$TREE/tests/bench" "$HERE/results.json" "$1" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import results
run = {"events": 10, "seconds": 1.0}
results.save(sys.argv[2], [{"name": sys.argv[3], "of": sys.argv[3], "sides": {"webhookfs": [run]}}])
END
}

@test 'a row prints each side and its goal, and is kept with its command beside what was kept before' {
  command -v nginx || skip 'no nginx'
  cp "$TREE/docs/benchmarks/results.json" "$HERE/before"
  a_row delivery-https
  run small delivery-http
  [ "$status" -eq 0 ] || fail "$output"
  for side in webhookfs 'bare libcurl' wire; do
    grep -Eq "^$side  +[0-9.,]+  +[0-9.,]+ – [0-9.,]+  " <<<"$output" || fail "no line of $side in: $output"
  done
  grep -Eq '^goal ≥ 0.90 × bare libcurl: [0-9.]+ ×, (reached|missed)$' <<<"$output" || fail "no goal in: $output"
  python3 - "$HERE/results.json" <<'END'
import json, sys
rows = {row["name"]: row for row in json.load(open(sys.argv[1], encoding="utf8"))["rows"]}
assert set(rows) == {"delivery-http", "cpu-http", "delivery-https"}, set(rows)
for row in rows["delivery-http"], rows["cpu-http"]:
    assert row["command"] == "make bench ROWS=delivery-http RUNS=1 SMALL=1", row["command"]
    assert row["machine"].keys() == {"cores", "kernel", "memory_mib"} and row["date"] and row["version"]
    assert set(row["configuration"]) == set(row["sides"]) == {"webhookfs", "bare libcurl", "wire"}
    for side, runs in row["sides"].items():
        assert len(runs) == 1 and runs[0]["events"] >= 500 and runs[0]["seconds"] > 0 and runs[0]["rss_kib"] > 0, side
END
  cmp "$TREE/docs/benchmarks/results.json" "$HERE/before"
}

@test 'a row that cannot run is named, and what was kept of it stays' {
  command -v nginx || skip 'no nginx'
  a_row delivery-http
  cp "$HERE/results.json" "$HERE/before"
  WEBHOOKFS=/bin/false run small delivery-http
  [ "$status" -eq 1 ]
  grep -q '^# delivery-http did not run: not ok - the daemon ended' <<<"$output" || fail "$output"
  cmp "$HERE/results.json" "$HERE/before"
}

@test 'a row that is not there is refused, with those that are' {
  run small delivery-htp
  [ "$status" -eq 2 ]
  grep -q 'no such row: delivery-htp; there are delivery-http, ' <<<"$output" || fail "$output"
}

@test 'a goal is judged by medians, at least or at most, of the figure and the side that it names' {
  python3 - "$TREE/tests/bench" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import results

def runs(*rates, **more):
    return [{"events": rate, "seconds": 1.0, "cpu_s": 0.001, **more} for rate in rates]

def verdict(goal, sides, **more):
    return results.verdict({"name": "row", "unit": "µs", "goal": goal, "sides": sides} | more)

two = {"webhookfs": runs(90, 10, 1000), "bare libcurl": runs(100), "bare libcurl, 2 threads": runs(200)}
assert verdict("≥ 0.90 × bare libcurl", two) == ("0.9 ×", "yes")
assert verdict("≥ 0.91 × bare libcurl", two) == ("0.9 ×", "no")
assert verdict("≥ 0.45 × bare libcurl, 2 threads", two) == ("0.45 ×", "yes")
assert verdict("≤ 0.90 × bare libcurl", two)[1] == "yes" and verdict("≤ 0.89 × bare libcurl", two)[1] == "no"
assert verdict("time ≤ 1.2 × bare libcurl", two) == ("time 1.11 ×", "yes")
assert verdict("time ≤ 1.1 × bare libcurl", two) == ("time 1.11 ×", "no")
assert verdict("≥ 90/s", two) == ("90", "yes") and verdict("≥ 1,090/s", two) == ("90", "no")
assert verdict("≤ 0.12 × bare libcurl", {"webhookfs": runs(1000), "bare libcurl": runs(100)},
               figures=["cpu_us"]) == ("0.1 ×", "yes")
late = {"webhookfs": runs(1, p50_us=900, p99_us=5100)}
assert verdict("p50 ≤ 1,000 µs, p99 ≤ 5,000 µs", late, figures=["p50_us", "p99_us"]) == ("p50 900; p99 5,100", "no")
assert verdict("p50 ≤ 1,000 µs, p99 ≤ 6,000 µs", late, figures=["p50_us", "p99_us"])[1] == "yes"
curve = {"10 hooks": runs(100), "1,000 hooks": runs(50), "100,000 hooks": runs(80)}
assert verdict("≥ 0.8 × 10 hooks", curve) == ("0.8 ×", "yes")
assert verdict("CPU an event ≤ 1.1 × that with 10", curve) == ("cpu 1.25 ×", "no")
assert verdict("time ≤ 1.1 × that alone", {"beside": runs(95), "alone": runs(100)}) == ("time 1.05 ×", "yes")
assert verdict("0", {"webhookfs": runs(0)}) == ("0", "yes") and verdict("0", {"webhookfs": runs(1)})[1] == "no"
assert verdict("≤ 12 MiB", {"webhookfs": runs(12288)}, unit="KiB") == ("12,288", "yes")
assert verdict("≤ 12 MiB", {"webhookfs": runs(12289)}, unit="KiB")[1] == "no"
assert verdict("", two) == ("", "")
for goal in "≥ 2 × nobody", "p99 ≤ 1", "as fast as can be":
    try:
        results.goals({"name": "row", "goal": goal, "sides": two})
        raise AssertionError(f"{goal} was judged")
    except results.Unreadable:
        pass
    assert verdict(goal, two) == ("", "not judged")
END
}

@test 'a page, a picture or a command that is not that of the results is found' {
  mkdir -p "$HERE/tree/tests/lib" "$HERE/tree/docs"
  cp -r "$TREE/tests/bench" "$HERE/tree/tests"
  cp "$TREE/tests/lib/rig.py" "$HERE/tree/tests/lib"
  cp -r "$TREE/tests/show" "$HERE/tree/tests"
  cp -r "$TREE/docs/benchmarks" "$TREE/docs/scaling.md" "$HERE/tree/docs"
  # not N: that check fails, and it alone.
  not() {
    run "$HERE/tree/tests/bench/report.py"
    [ "$(grep -c '^ok' <<<"$output")" -eq 4 ] && grep -q "^not ok $1 " <<<"$output" || fail "$output"
  }
  local docs=$HERE/tree/docs/benchmarks
  "$HERE/tree/tests/bench/report.py"
  sed -i '0,/| ≥ 0.90 × bare libcurl | /s//&9/' "$docs/README.md"
  not 1
  cp "$TREE/docs/benchmarks/README.md" "$docs"
  sed -i 's/^| sending by HTTP, one thread | /&1/' "$HERE/tree/docs/scaling.md"
  not 1
  cp "$TREE/docs/scaling.md" "$HERE/tree/docs"
  sed -i 's/drawn from ./&0/' "$docs/delivery.svg"
  not 2
  cp "$TREE/docs/benchmarks/delivery.svg" "$docs"
  sed -i 's/make bench ROWS=delivery-http/make bench ROWS=delivery-odd/' "$docs/results.json" "$docs/README.md"
  not 3
  cp "$TREE/docs/benchmarks/"* "$docs"
  # Of three sides none is meant by that name.
  sed -i '0,/"goal": "≤ 1.5 × bare libcurl"/s//"goal": "≤ 1.5 × bare curl"/' "$docs/results.json"
  sed -i 's/^\(| \[cpu-http\].*\)| ≤ 1.5 × bare libcurl |.*/\1| ≤ 1.5 × bare curl |  | not judged |/' "$docs/README.md"
  not 4
  cp "$TREE/docs/benchmarks/"* "$docs"
  # A row that nobody has run.
  sed -i 's/^ROWS = \[/&("delivery-never", http), /' "$HERE/tree/tests/bench/delivery.py"
  not 5
}
