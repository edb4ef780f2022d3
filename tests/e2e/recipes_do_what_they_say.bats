#!/usr/bin/env bats
# docs/recipes.md: each block of it is typed, and what it says one sees is seen.
# shellcheck disable=SC2016,SC2031,SC2030 # code for other shells

load ../lib/common
load ../lib/flow
load ../lib/recipes

bats_require_minimum_version 1.5.0

setup() {
  prepare
  # As the service has it; a plain user may not.
  if [ "$EUID" -eq 0 ]; then start -o allow_other; else start; fi
  start_stage
  start_standin
}

teardown() {
  leave_stage
  finish
}

# slack_hook: what the second half of the recipes needs.
slack_hook() {
  typed slack
  settled
}

# refused_by WHO WORD: with a wrong address, the test of the recipe fails, and says what it promises.
refused_by() {
  addressed "$1" | sed -E 's/X{20,}/X/; s/sig=X+//' >"$HERE/wrong"
  run ! stage bash -eu "$HERE/wrong"
  [[ $output == *'Remote I/O error'* ]]
  grep -q "$2" "$MNT/hooks/$1/test"
}

@test 'Slack takes it and shows it' {
  typed slack
  shows slack
  [[ $(cat "$MNT/hooks/slack/url") == */\*\*\*\*\*\*\*\* ]]
  rm -r "$MNT/hooks/slack"
  refused_by slack no_service
}

@test 'Discord takes it and shows it' {
  typed discord
  shows discord
  rm -r "$MNT/hooks/discord"
  refused_by discord 'Invalid Webhook Token'
}

@test 'Teams takes it and shows it' {
  typed teams
  shows teams
  rm -r "$MNT/hooks/teams"
  refused_by teams 'http_status 401'
}

@test 'ntfy takes it and shows it' {
  typed ntfy
  shows ntfy
  block ntfy | grep -q XXXX-our-runs
  rm -r "$MNT/hooks/ntfy"
  addressed ntfy | sed 's/XXXX-our-runs/no topic/' >"$HERE/wrong"
  run ! stage bash -eu "$HERE/wrong"
  grep -q 'topic invalid' "$MNT/hooks/ntfy/test"
}

# judged STATUS PATH BODY [CURL OPTION…]
judged() {
  local status type=application/json
  [[ $* != *text/plain* ]] || type=''
  status=$(curl -s -o "$HERE/answer" -w '%{http_code}' ${type:+-H "Content-Type: $type"} --data-binary "$3" "${@:4}" "$RECEIVER$2")
  [ "$status" = "$1" ] || fail "$2 $3: $status $(cat "$HERE/answer")"
}

@test 'what stands in for the services refuses what they refuse' {
  slack=/services/T0/B0/XXXXXXXXXXXXXXXXXXXXXXXX
  discord=/api/webhooks/00000000000000000/$(printf '%068d' 0)
  teams="/workflows/$(printf '%032d' 0)/triggers/manual/paths/invoke?sig=x"
  long=$(printf '%4001s' x)
  judged 200 $slack '{"text":"a &amp; b"}'
  judged 405 $slack '{"text":"a"}' -X PUT
  judged 400 $slack '{"text":"a"'
  judged 400 $slack '{"text":""}'
  judged 400 $slack '{"text":"<!here>"}'
  judged 400 $slack '{"text":"a","mrkdwn":0}'
  judged 400 $slack '{"text":"a","event":1}'
  judged 400 $slack "{\"text\":\"$long\"}"
  judged 400 $slack '{"text":"a"}' -H 'Content-Type: text/plain'
  judged 404 ${slack}x '{"text":"a"}'
  judged 204 "$discord" '{"content":"a","allowed_mentions":{"parse":[]}}'
  judged 400 "$discord" '{"content":"a"}'
  judged 400 "$discord" '{"content":"","allowed_mentions":{"parse":[]}}'
  judged 400 "$discord" "{\"content\":\"$long\",\"allowed_mentions\":{\"parse\":[]}}"
  judged 401 /api/webhooks/1/x '{"content":"a"}'
  card='{"contentType":"application/vnd.microsoft.card.adaptive","content":{"type":"AdaptiveCard","version":"1.4","body":[{"type":"TextBlock","text":"a"}]}}'
  judged 202 "$teams" "{\"type\":\"message\",\"attachments\":[$card]}"
  judged 400 "$teams" '{"text":"a"}'
  judged 400 "$teams" '{"type":"message","attachments":[]}'
  judged 400 "$teams" "{\"type\":\"message\",\"attachments\":[${card/1.4/2.0}]}"
  judged 400 "$teams" "{\"type\":\"message\",\"attachments\":[${card/\"body\"/\"bdy\"}]}"
  judged 413 "$teams" "$(printf '%28700s' '{}')"
  judged 401 "${teams%sig=x}" '{}'
  judged 200 / '{"topic":"a","message":"b"}'
  judged 400 / '{"topic":"a b"}'
  judged 400 / '{"topic":"a","priority":6}'
  judged 400 / '{"topic":"a","message":{}}'
  judged 400 / "{\"topic\":\"a\",\"message\":\"$long$long\"}"
  judged 404 /topic '{"topic":"a"}'
}

@test 'a receiver of a few lines prints what it is sent, and what waited for it' {
  choose_port
  saved receiver.py
  in_background stage python3 receiver.py >"$HERE/printed" 2>"$HERE/said"
  eventually 20 answers "$PORT"
  typed receiver
  settled
  block 'receiver shows' | diff - "$HERE/printed"
  end_background
  echo 'deployment/fraud/v3 failed' >"$MNT/events"
  eventually 10 has_last_error mine
  grep -qE '^last_error .*(refused|connection was lost)' "$MNT/hooks/mine/status" || fail "$(cat "$MNT/hooks/mine/status")"
  [ "$(pending mine)" -eq 1 ]
}

# checked_in LANGUAGE: the recipe with the receiver in that one.
checked_in() {
  choose_port
  DESK=$TREE
  addressed "verify in $1" | sed "s|secret\b|$HERE/desk/secret|" >"$HERE/receiver"
  DESK=$HERE/desk typed secret
  in_background sh -c 'cd "$1" && exec sh "$2"' sh "$TREE" "$HERE/receiver" >"$HERE/printed" 2>&1
  eventually 100 answers "$PORT"
  DESK=$HERE/desk typed signed
  eventually 10 grep -q '"event":"deployment_request_failed"' "$HERE/printed"
  grep -qx 'http_status 204' "$MNT/hooks/signed/test"
}

@test 'signatures are checked in Python' {
  checked_in python
}

@test 'signatures are checked in sh' {
  checked_in sh
}

@test 'signatures are checked in Node' {
  block 'verify in node' >/dev/null
  command -v node >/dev/null || skip 'no node'
  checked_in node
}

@test 'signatures are checked in Go' {
  block 'verify in go' >/dev/null
  command -v go >/dev/null || skip 'no go'
  checked_in go
}

# script TEXT PATH: a program of the stage.
script() {
  printf '#!/bin/sh\n%s\n' "$1" >"$HERE/script"
  chmod 755 "$HERE/script"
  stage cp -p "$HERE/script" "$2"
}

@test 'cron: the line runs in its environment, and tells' {
  slack_hook
  script 'echo "$*"; echo locked >&2; exit 3' /usr/local/bin/restic
  saved /etc/cron.d/backup
  mapfile -t variables < <(stage grep -E '^[A-Z]+=' /etc/cron.d/backup)
  command=$(stage sed -nE 's/^([0-9*]+ +){5}root +//p' /etc/cron.d/backup)
  [ -n "$command" ]
  [[ $command != *%* ]]
  run -3 stage env -i HOME=/root LOGNAME=root SHELL=/bin/sh "${variables[@]}" /bin/sh -c "$command"
  [ "$output" = $'backup --quiet /home\nlocked' ]
  shows cron
  echo 1 >"$MNT/hooks/slack/include_result"
  run -3 stage env -i HOME=/root LOGNAME=root SHELL=/bin/sh "${variables[@]}" /bin/sh -c "$command"
  settled
  jq -rs 'last.shown' "$HERE/standin/requests.jsonl" | grep -qF 'backup --quiet /home\nlocked'
  stage umount -l /srv/webhooks
  run -3 stage env -i HOME=/root LOGNAME=root SHELL=/bin/sh "${variables[@]}" /bin/sh -c "$command"
  [[ $output == *'not reported that it has begun'* ]]
}

@test 'systemd: units are well-formed, and the failure of a service is told' {
  slack_hook
  saved /etc/systemd/system/tell-failed@.service
  saved /usr/local/sbin/tell-failed
  saved /etc/systemd/system/backup.service.d/tell.conf
  printf '[Service]\nExecStart=/bin/false\n' >"$HERE/backup.service"
  stage cp "$HERE/backup.service" /etc/systemd/system/
  if command -v systemd-analyze >/dev/null; then
    run stage systemd-analyze verify --man=no backup.service tell-failed@backup.service
    [ "$status" -eq 0 ] && [ -z "$output" ] || fail "$output"
  fi
  grep -qx 'OnFailure=tell-failed@%N.service' <(stage cat /etc/systemd/system/backup.service.d/tell.conf)
  command=$(stage sed -n 's/^ExecStart=//p' /etc/systemd/system/tell-failed@.service)
  read -r -a words <<<"${command//%i/backup}"
  stage env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin MONITOR_SERVICE_RESULT=exit-code MONITOR_EXIT_CODE=exited \
    MONITOR_EXIT_STATUS=3 MONITOR_INVOCATION_ID=7d3ab0e25fc44dd9b9ed8f8b7d8a2c11 MONITOR_UNIT=backup.service "${words[@]}"
  shows systemd
  run ! stage env -i PATH=/usr/bin:/bin "${words[@]}"
  has_error request_id
}

# slurm [VARIABLE=VALUE…]: what slurmctld gives its scripts, which is no PATH; the epilog's have an exit code.
slurm() {
  stage timeout 60 env -i SLURM_JOB_ID=4711 SLURM_JOB_NAME=bert-base SLURM_JOB_USER=ada \
    SLURM_JOB_UID=1000 SLURM_JOB_PARTITION=gpu SLURM_CLUSTER_NAME=c "$@" /etc/slurm/tell
}

@test 'Slurm: begin and end of a job are told, and no job is ever held up' {
  slack_hook
  start_sink
  make_hook all "$SINK_URL/" 'started completed failed' 'experiment/*'
  saved /etc/slurm/tell
  slurm
  slurm SLURM_JOB_EXIT_CODE=0 SLURM_JOB_EXIT_CODE2=0:0
  slurm SLURM_JOB_EXIT_CODE=256 SLURM_JOB_EXIT_CODE2=1:0
  settled
  shows slurm
  [ "$(bodies '[.status, .request_id, .metadata.user, .metadata.partition] | join(" ")')" = \
    $'completed 4711 ada gpu\nfailed 4711 ada gpu\nprocessing 4711 ada gpu' ]
  slurm SLURM_JOB_NAME=$'a b"\'/\n$(x)'
  settled
  jq -rs 'last.body' "$SINK_DIR/requests.jsonl" | jq -e '.deployment_version_name == "a-b------x-"'
  kill -STOP "$DAEMON"
  run -0 slurm
  kill -CONT "$DAEMON"
  stage umount -l /srv/webhooks
  stage rmdir /srv/webhooks
  stage mount --bind /bin/false /usr/bin/logger
  run -0 slurm
}

@test 'git: a push is told, and counts whatever becomes of that' {
  slack_hook
  export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com \
    GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com GIT_AUTHOR_DATE='2026-11-23T10:00:00Z' GIT_COMMITTER_DATE='2026-11-23T10:00:00Z'
  stage git init -q --bare shop.git
  saved post-receive shop.git/hooks/post-receive
  stage git init -q -b main work
  DESK=$HERE/desk/work
  stage git commit -q --allow-empty -m first
  stage git push -q ../shop.git main
  [ "$(stage git rev-parse main)" = "$(block 'git shows' | sed -E 's/.*request ([0-9a-f]{40}) .*/\1/')" ] ||
    fail "$(stage git rev-parse main)"
  shows git
  # Odd names, several at once, and the removal of one.
  stage git push -q ../shop.git main:refs/heads/a/\"b\' main:refs/tags/v1 :main
  settled
  [ "$(jq -r .shown "$HERE/standin/requests.jsonl" | sed -n 's/.*for deployment shop \(.*\) in .*/\1/p' | sort | xargs)" = 'a--b- main v1' ]
  stage umount -l /srv/webhooks
  stage rmdir /srv/webhooks
  run stage git push ../shop.git main:two
  [ "$status" -eq 0 ]
  [[ $output == *'remote: webhooks were not told'* ]]
}

@test 'make: a target tells how it went' {
  slack_hook
  mkdir "$HERE/desk/shop"
  DESK=$HERE/desk/shop
  saved Makefile
  printf 'test:\n\t@echo testing; exit $(WRONG)\n' >>"$DESK/Makefile"
  unset MAKEFLAGS MAKELEVEL # those of the make that runs this test are not its
  run stage make tell-test WRONG=0
  [ "$status" -eq 0 ]
  [ "$output" = testing ]
  run stage make tell-test WRONG=7
  [ "$status" -eq 2 ]
  shows make
  stage umount -l /srv/webhooks
  run -0 stage make tell-test WRONG=0
  [[ $output == *'webhookfs-run: not reported'* ]]
}

@test 'udev: the rule is found, and what it runs tells' {
  slack_hook
  saved /etc/udev/rules.d/90-tell.rules
  saved /usr/local/sbin/tell-disk
  program=$(stage sed -n 's/.*RUN+="\([^"]*\)".*/\1/p' /etc/udev/rules.d/90-tell.rules)
  [ -n "$program" ]
  if stage udevadm verify --help >/dev/null 2>&1; then
    stage udevadm verify --resolve-names=never /etc/udev/rules.d/90-tell.rules
  fi
  if command -v udevadm >/dev/null && [ -e /sys/block/loop0 ]; then
    stage udevadm test --action=remove /sys/block/loop0 >"$HERE/udev" 2>&1
    grep -q "^run: '$program'" "$HERE/udev" || fail "$(cat "$HERE/udev")"
    stage udevadm test --action=add /sys/block/loop0 >"$HERE/udev" 2>&1
    run ! grep -q "^run: '$program'" "$HERE/udev"
  fi
  stage env -i ACTION=remove SUBSYSTEM=block DEVTYPE=disk DEVNAME=/dev/loop0 "$program"
  shows udev
  stage env -i ACTION=remove SUBSYSTEM=block DEVTYPE=disk DEVNAME=/dev/sda ID_SERIAL='My Disk/"1"' "$program"
  settled
  jq -rs 'last.shown' "$HERE/standin/requests.jsonl" | grep -q 'deployment disk My-Disk--1- in'
}

# container PATH: one that has that of the stage on /mnt, as a HostToContainer has; its process is CONTAINER.
container() {
  rm -f "$HERE/desk/ready"
  in_background stage unshare --mount --propagation slave sh -ec '
    mount --rbind "$1" /mnt
    echo $$ >ready.new
    mv ready.new ready
    exec sleep infinity' sh "$1" >/dev/null 2>&1
  eventually 10 test -e "$HERE/desk/ready"
  CONTAINER=$(cat "$HERE/desk/ready")
}

# contained COMMAND: as the manifest's users and groups.
contained() {
  local as=()
  [ "$EUID" -ne 0 ] || as=(setpriv --reuid "$(spec .securityContext.runAsUser)" --regid "$(spec .securityContext.runAsGroup)" \
    --groups "$(spec '.securityContext.supplementalGroups | join(",")')")
  DESK=/ on_stage_of "$CONTAINER" "${as[@]}" "$@"
}

# spec FILTER: of the pod.
spec() {
  jq -r ".spec.template.spec | $1" "$HERE/job.json"
}

# serve: a daemon inside the stage, where what it mounts goes on to containers; its process is SERVER.
serve() {
  local options=()
  [ "$EUID" -ne 0 ] || options=(-o allow_other)
  in_background stage sh -c 'echo $$ >daemon; exec "$@"' sh \
    "$WEBHOOKFS" -f "${options[@]}" /var/lib/webhookfs /srv/webhooks >>"$LOG" 2>&1
  eventually 20 stage test -e /srv/webhooks/README || return
  SERVER=$(cat "$HERE/desk/daemon")
}

# pods_told N: so many have come through.
pods_told() {
  [ "$(jq -r .shown "$HERE/standin/requests.jsonl" | grep -c 'request 7 finished')" -eq "$1" ]
}

@test 'Kubernetes: the manifest is one, and its container writes through a restart of the daemon' {
  slack_hook
  saved job.yaml
  python3 -c 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))' <"$HERE/desk/job.yaml" >"$HERE/job.json"
  if command -v kubectl >/dev/null; then
    kubectl set image --local -f "$HERE/desk/job.yaml" train=other -o json >"$HERE/kubectl"
  fi
  [ "$(jq -r '[.apiVersion, .kind] | join(" ")' "$HERE/job.json")" = 'batch/v1 Job' ]
  [ "$(spec .restartPolicy)" = Never ]
  [ "$(spec '.containers[0].volumeMounts[0] | [.name, .mountPath, .mountPropagation] | join(" ")')" = 'host /mnt HostToContainer' ]
  [ "$(spec '.volumes[0] | [.name, .hostPath.path, .hostPath.type] | join(" ")')" = 'host /srv Directory' ]
  mapfile -t command < <(spec '.containers[0].command[]')
  stage umount /srv/webhooks
  stop
  serve
  [ "$EUID" -ne 0 ] || stage sh -ec 'chgrp 2000 /srv/webhooks/events; chmod 620 /srv/webhooks/events'
  container /srv
  contained "${command[@]}"
  shows kubernetes
  above=$CONTAINER
  container /srv/webhooks
  contained "${command[@]/\/mnt\/webhooks/\/mnt}"
  eventually 10 pods_told 2
  # As the service does it: what is dead goes, and another mount comes to its place.
  kill -KILL "$SERVER"
  eventually 10 gone "$SERVER"
  stage umount -l /srv/webhooks
  serve
  run ! contained "${command[@]/\/mnt\/webhooks/\/mnt}"
  [[ $output == *'ransport endpoint is not connected'* ]]
  CONTAINER=$above
  contained "${command[@]}"
  eventually 10 pods_told 3
  kill "$SERVER"
  eventually 20 gone "$SERVER"
}

# authorization: of the last request.
authorization() {
  jq -rs 'last.headers.authorization' "$SINK_DIR/requests.jsonl"
}

@test 'hooks in git: the repository says what there is, and the secret stays out of it' {
  start_sink
  RECEIVER=$SINK_URL
  export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com \
    GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
  stage git init -q -b main repository
  saved fraud.json repository/fraud.json
  commit='cd repository && git add . && git commit -q -m next'
  stage sh -ec "$commit"
  stage git clone -q "$HERE/desk/repository" /etc/webhooks
  saved /usr/local/sbin/webhooks-apply
  typed 'hooks in git'
  [ "$(value "$MNT/hooks/fraud/status" state)" = active ]
  echo 'deployment/fraud-eu failed' >"$MNT/events"
  requests 1
  [ "$(authorization)" = 'Token 123' ]
  run ! grep -q 'Token 123' "$MNT/hooks/fraud/config.json"
  # What the mount shows, copied back, and a change: the secret is still the hook's.
  jq '.timeout = 7' "$MNT/hooks/fraud/config.json" >"$HERE/desk/repository/fraud.json"
  stage sh -ec "$commit"
  mkdir "$MNT/hooks/other"
  [[ $(stage webhooks-apply) == '/srv/webhooks/hooks/other is not in the repository'* ]]
  [ "$(cat "$MNT/hooks/fraud/timeout")" = 7s ]
  echo 'deployment/fraud-eu failed' >"$MNT/events"
  requests 2
  [ "$(authorization)" = 'Token 123' ]
  # One that is wrong changes nothing, and keeps no other from its place.
  echo '{"timeout": "long"}' >"$HERE/desk/repository/fraud.json"
  echo '{"timeout": 3}' >"$HERE/desk/repository/gamma.json"
  stage sh -ec "$commit"
  run ! stage webhooks-apply
  [ "$(cat "$MNT/hooks/fraud/timeout")" = 7s ]
  [ "$(cat "$MNT/hooks/gamma/timeout")" = 3s ]
  has_error timeout
}

@test 'hooks by Ansible: they are in effect, and a second run changes nothing' {
  for name in webhooks.yml group_vars/all.yml ansible; do block "$name" >/dev/null; done
  [ -x /usr/bin/ansible-playbook ] || skip 'no ansible'
  start_sink
  RECEIVER=$SINK_URL
  export LC_ALL=C.UTF-8 HOME=$HERE ANSIBLE_NOCOLOR=1 ANSIBLE_DIFF_ALWAYS=1
  stage sh -ec 'echo "webhookfs:x:$1:$1::/:/bin/false" >>/etc/passwd' sh 0
  saved webhooks.yml
  saved group_vars/all.yml
  echo 'localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3' >"$HERE/desk/hosts"
  echo password >"$HERE/desk/vault-password"
  stage ansible-vault encrypt group_vars/all.yml --vault-password-file vault-password 3>&-
  run ! grep -q Token "$HERE/desk/group_vars/all.yml"
  typed ansible >"$HERE/said"
  grep -q 'changed=1 .*failed=0' "$HERE/said"
  run ! grep -q 'Token 123' "$HERE/said"
  [ "$(value "$MNT/hooks/fraud/status" state)" = active ]
  echo 'deployment/fraud-eu failed' >"$MNT/events"
  requests 1
  [ "$(authorization)" = 'Token 123' ]
  [ "$(cat "$MNT/hooks/fraud/headers/Authorization")" = '********' ]
  typed ansible >"$HERE/said"
  grep -q 'changed=0 .*failed=0' "$HERE/said"
}

@test 'when nothing comes, it says why, and all of it can be sent once more' {
  slack_hook
  echo bogus >"$MNT/events" || :
  url=$(addressed slack | sed -n 's/^echo \(http.*\) > url/\1/p')
  echo "${url%X}" >"$MNT/hooks/slack/url"
  echo 0 >"$MNT/hooks/slack/retry"
  echo 'deployment/fraud failed request_id=8' >"$MNT/events"
  settled
  typed 'when nothing comes' >"$HERE/said"
  for words in '"bogus" is no' 'hooks/slack/status:failed 1' 'hooks/slack/status:last_error' '"http_status":404' $'msg_.*\t.*404'; do
    grep -q "$words" "$HERE/said" || fail "it does not say $words" "$(cat "$HERE/said")"
  done
  echo "$url" >"$MNT/hooks/slack/url"
  typed 'once more'
  settled
  jq -rs 'last.shown' "$HERE/standin/requests.jsonl" | grep -q '^Deployment request 8 failed'
  [ -z "$(ls "$MNT/hooks/slack/failed")" ]
}

@test 'every block has a name of its own, and a test above' {
  run ! grep -nE '^```[a-z]+$' "$RECIPES"
  [ "$(grep -c '^```[a-z]' "$RECIPES")" -eq "$(grep -c '^```$' "$RECIPES")" ]
  [ -z "$(block_names | sort | uniq -d)" ]
  diff <(block_names | sort) <(sort -u "$BATS_FILE_TMPDIR/used")
}

@test 'what is shell among them, and in contrib/verify, is sound' {
  count=0
  while IFS= read -r name; do
    block "$name" >"$HERE/shell"
    typed=()
    # Who types sees what cd says, and means the file test.
    grep -q '^#!' "$HERE/shell" || typed=(-s bash -e 'SC2164,SC2238')
    shellcheck "${typed[@]}" "$HERE/shell"
    count=$((count + 1))
  done < <(sed -n 's/^```sh \(.*\)/\1/p' "$RECIPES")
  [ "$count" -gt 10 ]
  shellcheck "$TREE/contrib/verify/verify.sh"
}
