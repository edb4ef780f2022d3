#!/usr/bin/env bats
# config.json, written: UbiOps's webhook object and our own fields, all at once or not at all.

load ../lib/common
load ../lib/flow
load ../lib/users

bats_require_minimum_version 1.5.0

ubiops_object() {
  cat <<'JSON'
{
  "id": "c0ffee00-0000-4000-8000-000000000001",
  "name": "webhook-1",
  "description": "tells the team",
  "url": "https://example.com/hook",
  "object_type": "deployment",
  "object_name": "fraud",
  "version": null,
  "event": "deployment_request_failed",
  "headers": [{"key": "Authorization", "value": "Token 123", "protected": true},
              {"key": "X-Team", "value": "ml", "protected": false}],
  "timeout": 15,
  "retry": true,
  "include_result": true,
  "enabled": true,
  "labels": {"team": "ml"},
  "creation_date": "2026-01-01T00:00:00Z"
}
JSON
}

hook_of_one() {
  mkdir "$MNT/hooks/h"
  ubiops_object >"$HERE/webhook.json"
  cp "$HERE/webhook.json" "$MNT/hooks/h/config.json"
}

setting() {
  cat "$MNT/hooks/h/$1"
}

@test "UbiOps's object sets a hook up in one go" {
  hook_of_one
  [ "$(setting url)" = https://example.com/hook ]
  [ "$(setting object)" = deployment/fraud ]
  [ "$(setting event)" = deployment_request_failed ]
  [ "$(setting timeout)" = 15s ]
  [ "$(setting labels)" = team:ml ]
  [ "$(setting headers/X-Team)" = ml ]
  [ "$(setting headers/Authorization)" = '********' ]
  [ "$(value "$MNT/hooks/h/status" state)" = active ]
  run ! grep -r 'Token 123' "$MNT/hooks" "$MNT/errors"
}

@test 'what it shows can be written back, and protected values stay' {
  hook_of_one
  cat "$MNT/hooks/h/config.json" >"$HERE/shown"
  before=$(cat "$STATE/hooks/h.json")
  cat "$HERE/shown" >"$MNT/hooks/h/config.json"
  [ "$(cat "$STATE/hooks/h.json")" = "$before" ]
  jq 'del(.headers[0].value)' "$HERE/shown" >"$MNT/hooks/h/config.json"
  [ "$(jq -r '.headers[0].value' "$STATE/hooks/h.json")" = 'Token 123' ]
}

@test 'a copy to another hook takes all but what is protected' {
  hook_of_one
  mkdir "$MNT/hooks/other"
  jq 'del(.headers[0])' "$MNT/hooks/h/config.json" >"$HERE/config.json"
  cp "$HERE/config.json" "$MNT/hooks/other/config.json"
  [ "$(cat "$MNT/hooks/other/object")" = deployment/fraud ]
  [ "$(jq -r .name "$MNT/hooks/other/config.json")" = other ]
}

@test 'a bad one fails whole, by name, line and column, and changes nothing' {
  hook_of_one
  before=$(cat "$MNT/hooks/h/config.json")
  jq '.colour = 1' "$HERE/webhook.json" >"$HERE/bad.json"
  denied 'Invalid argument' cp "$HERE/bad.json" "$MNT/hooks/h/config.json"
  has_error colour
  printf '{\n  "url": "https://example.com/",\n  "timeout" 5\n}\n' >"$HERE/bad.json"
  denied 'Invalid argument' cp "$HERE/bad.json" "$MNT/hooks/h/config.json"
  has_error 'line 3'
  jq '.timeout = 99' "$HERE/webhook.json" >"$HERE/bad.json"
  denied 'out of range' cp "$HERE/bad.json" "$MNT/hooks/h/config.json"
  denied 'Invalid argument' put nonsense "$MNT/hooks/h/config.json"
  denied 'Invalid argument' put '' "$MNT/hooks/h/config.json"
  head -c 100 "$HERE/webhook.json" >"$HERE/bad.json"
  denied 'Invalid argument' cp "$HERE/bad.json" "$MNT/hooks/h/config.json"
  [ "$(cat "$MNT/hooks/h/config.json")" = "$before" ]
}

@test 'it may come in pieces, with a newline at its end or without' {
  mkdir "$MNT/hooks/h"
  ubiops_object | dd bs=37 of="$MNT/hooks/h/config.json" status=none
  [ "$(setting object)" = deployment/fraud ]
  ubiops_object | jq -cj '.object_name = "other"' >"$HERE/webhook.json"
  cp "$HERE/webhook.json" "$MNT/hooks/h/config.json"
  [ "$(setting object)" = deployment/other ]
  ubiops_object | jq . >"$MNT/hooks/h/config.json"
  [ "$(setting object)" = deployment/fraud ]
}

@test 'a failing producer changes nothing' {
  hook_of_one
  before=$(cat "$MNT/hooks/h/config.json")
  run ! sh -c "jq .x.y.z /nonexistent > '$MNT/hooks/h/config.json'"
  [ "$(cat "$MNT/hooks/h/config.json")" = "$before" ]
}
