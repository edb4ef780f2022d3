#!/usr/bin/env bats
# contrib/prometheus and contrib/grafana: rules and dashboard ask for what metrics.prom has, and it comes to them.

load ../lib/common
load ../lib/flow

PROMETHEUS=$BATS_TEST_DIRNAME/../lib/prometheus.py
PROMQL=$BATS_TEST_DIRNAME/../lib/promql.py
CONTRIB=$BATS_TEST_DIRNAME/../../contrib
RULES=$CONTRIB/prometheus/webhookfs-rules.yml
DASHBOARD=$CONTRIB/grafana/webhookfs.json
COPY=$CONTRIB/prometheus/webhookfs-metrics

setup() {
  prepare
}

teardown() {
  if [ -n "${exporter:-}" ]; then
    kill "$exporter"
    wait "$exporter" || :
  fi
  finish
}

need_promtool() {
  command -v promtool >"$HERE/found" || skip 'promtool comes with the package prometheus'
}

# A mount all of whose metrics have series: a destination that is left alone has one as long as work waits for it.
mount_with_everything() {
  start
  start_sink
  make_hook good "$SINK_URL/" completed deployment/good
  make_hook dead "$NOWHERE" completed deployment/dead
  printf 'deployment/%s/v1 completed\n' good dead >"$MNT/events"
  eventually 10 grep -q 'duration_seconds_count{hook="good"} 1' "$MNT/metrics.prom"
  eventually 10 grep -q '^webhookfs_destination_state' "$MNT/metrics.prom"
}

@test 'every metric and label that rules and dashboard name is in metrics.prom' {
  mount_with_everything
  "$PROMQL" --names "$MNT/metrics.prom" "$RULES" "$DASHBOARD"
  # It would say so if one were not.
  grep -v '^webhookfs_hook_pending{' "$MNT/metrics.prom" >"$HERE/less"
  run "$PROMQL" --names "$HERE/less" "$RULES" "$DASHBOARD"
  [ "$status" -eq 1 ]
  [[ $output == *'no metric webhookfs_hook_pending'* ]]
  sed 's/,state="/,condition="/' "$MNT/metrics.prom" >"$HERE/other"
  run "$PROMQL" --names "$HERE/other" "$RULES" "$DASHBOARD"
  [[ $output == *'webhookfs_hook_state has no label state'* ]]
}

@test 'every metric of metrics.prom is on the dashboard' {
  local metric
  mount_with_everything
  while read -r _ _ metric _; do
    grep -qE "\<$metric(_bucket)?\>" "$DASHBOARD" || fail "$metric is not" || return
  done < <(grep '^# TYPE' "$MNT/metrics.prom")
}

@test 'Prometheus takes the rules, and they say what their examples expect' {
  need_promtool
  promtool check rules "$RULES"
  (cd "$CONTRIB/prometheus" && promtool test rules webhookfs-rules.test.yml)
}

@test 'each alert has an example in which it fires and one in which it does not' {
  local alert tests=$CONTRIB/prometheus/webhookfs-rules.test.yml
  while read -r alert; do
    grep -q "alertname: $alert, exp_alerts: \[\]" "$tests" || fail "$alert always fires" || return
    grep -qx " *alertname: $alert" "$tests" || fail "$alert never fires" || return
  done < <(sed -n 's/^ *- alert: //p' "$RULES")
}

@test 'Prometheus takes each expression of the dashboard' {
  need_promtool
  "$PROMQL" --rules "$DASHBOARD" >"$HERE/dashboard.yml"
  promtool check rules "$HERE/dashboard.yml"
}

@test 'the dashboard is one for Grafana: what each panel needs, in its place, from the source that is chosen' {
  python3 - "$DASHBOARD" <<'END'
import json, sys
d = json.load(open(sys.argv[1], encoding="utf8"))
assert d["schemaVersion"] >= 39 and d["uid"] and d["title"], "head"
assert "__inputs" not in d and d.get("id") is None, "it was exported from some Grafana"
variables = {v["name"]: v for v in d["templating"]["list"]}
assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
source = {"type": "prometheus", "uid": "${datasource}"}
cells, ids = set(), set()
for p in d["panels"]:
    where = p["title"]
    assert p["id"] not in ids, f"{where}: its id is another's"
    ids.add(p["id"])
    assert p["datasource"] == source and all(t["datasource"] == source for t in p["targets"]), where
    assert len({t["refId"] for t in p["targets"]}) == len(p["targets"]), where
    assert p["title"] and p["type"] and p["fieldConfig"]["defaults"]["unit"], where
    g = p["gridPos"]
    own = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
    assert g["x"] + g["w"] <= 24 and not own & cells, f"{where}: lies on another"
    cells |= own
    for t in p["targets"]:
        used = [word for word in ("instance", "mount", "hook") if f'=~"${word}"' in t["expr"]]
        assert used[:2] == ["instance", "mount"], f"{where}: shows hosts that were not chosen"
        assert all(word in variables for word in used), where
END
}

@test 'webhookfs-metrics copies the metrics with the mount as a label, as a whole' {
  mount_with_everything
  mkdir "$HERE/text"
  "$COPY" "$MNT" "$HERE/text/a.prom"
  "$PROMETHEUS" "$HERE/text/a.prom"
  [ "$("$PROMETHEUS" "$HERE/text/a.prom" webhookfs_hooks mount="$MNT")" = 2 ]
  [ "$("$PROMETHEUS" "$HERE/text/a.prom" webhookfs_hook_delivered_total mount="$MNT" hook=good)" = 1 ]
  [ "$(stat -c %a "$HERE/text/a.prom")" = 644 ]
  [ "$(grep -c . "$HERE/text/a.prom")" -eq "$(grep -c . "$MNT/metrics.prom")" ]
  [ "$(ls "$HERE/text")" = a.prom ]
  "$PROMQL" --names "$HERE/text/a.prom" "$RULES" "$DASHBOARD"
}

@test 'webhookfs-metrics leaves no old numbers behind a mount that is gone' {
  mount_with_everything
  "$COPY" "$MNT" "$HERE/a.prom"
  stop
  run "$COPY" "$MNT" "$HERE/a.prom"
  [ "$status" -eq 1 ]
  [[ $output == *"$MNT/metrics.prom cannot be read"* ]]
  [ ! -e "$HERE/a.prom" ]
  run "$COPY" "$MNT" "$HERE/a.txt"
  [ "$status" -eq 2 ]
  run "$COPY" "$MNT"
  [ "$status" -eq 2 ]
}

@test 'webhookfs-metrics takes a mount point of any name' {
  local odd="$HERE/a \"b\\c&d"
  mkdir "$odd"
  printf '# HELP webhookfs_hooks Hooks.\n# TYPE webhookfs_hooks gauge\nwebhookfs_hooks 3\n' >"$odd/metrics.prom"
  "$COPY" "$odd" "$HERE/a.prom"
  "$PROMETHEUS" "$HERE/a.prom"
  grep -qF "webhookfs_hooks{mount=\"$HERE/a \\\"b\\\\c&d\"} 3" "$HERE/a.prom"
}

# scraped NAME: the line of that series, as the exporter tells it.
scraped() {
  curl -sf "http://127.0.0.1:$port/metrics" >"$HERE/scraped" && grep -qF "$1" "$HERE/scraped"
}

@test 'node_exporter takes a link to the file, and copies of two mounts' {
  local port
  command -v prometheus-node-exporter >"$HERE/found" || skip 'it is a package of its own, prometheus-node-exporter'
  mount_with_everything
  mkdir "$HERE/text"
  ln -s "$MNT/metrics.prom" "$HERE/text/webhookfs.prom"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  prometheus-node-exporter --collector.disable-defaults --collector.textfile --web.listen-address="127.0.0.1:$port" \
    --collector.textfile.directory="$HERE/text" 2>"$HERE/exporter" 3>&- &
  exporter=$!
  eventually 20 scraped 'webhookfs_hook_delivered_total{hook="good"} 1'
  scraped 'node_textfile_scrape_error 0'
  rm "$HERE/text/webhookfs.prom"
  "$COPY" "$MNT" "$HERE/text/one.prom"
  mkdir "$HERE/second"
  cp "$MNT/metrics.prom" "$HERE/second"
  "$COPY" "$HERE/second" "$HERE/text/two.prom"
  scraped "webhookfs_hooks{mount=\"$MNT\"} 2"
  scraped "webhookfs_hooks{mount=\"$HERE/second\"} 2"
  scraped 'node_textfile_scrape_error 0'
}

@test 'systemd finds no fault in the units that copy' {
  local said
  sed "s|/usr/libexec/webhookfs/webhookfs-metrics|$(realpath "$COPY")|" \
    "$CONTRIB/systemd/webhookfs-metrics@.service" >"$HERE/webhookfs-metrics@.service"
  cp "$CONTRIB/systemd/webhookfs-metrics@.timer" "$HERE"
  cd "$HERE"
  said=$(systemd-analyze verify --man=no ./webhookfs-metrics@srv-webhooks.timer \
    ./webhookfs-metrics@srv-webhooks.service 2>&1) || fail "$said"
  [ -z "$(grep -F webhookfs <<<"$said")" ] || fail "$said"
}
