#!/bin/sh
# The tables in the manual are printed by the program itself (doc-tables.c), so they say what the
# source says; and the week in docs/deliveries.md by tests/show/week.c.
#
#   tests/lib/doc-tables.sh [--check]   TAP: each table is as it is printed, each page without warnings
#   tests/lib/doc-tables.sh --write     puts the tables as printed into their places
#
# A table's place is marked by `begin NAME` and `end NAME` in comments: .\" in the manual, <!-- --> in
# docs/deliveries.md. $BUILD is the directory of what was built.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0 broken=0

# FILE TABLE
tables='
docs/webhookfs.8 options
docs/webhookfs.5 root
docs/webhookfs.5 hook
docs/webhookfs.5 settings
docs/webhookfs.5 formats
docs/webhookfs.5 fields
docs/webhookfs.5 statuses
docs/webhookfs.5 verdicts
docs/webhookfs.5 schedule
docs/deliveries.md week
'

# print TABLE
print() {
  case $1 in
    week) echo '```' && "$build/week" && echo '```' ;;
    *) "$build/doc-tables" "$1" ;;
  esac
}

# fill FILE TABLE: the file with the table as it is now printed. Fails where the marks are missing.
fill() {
  case $1 in
    *.md) open='<!-- ' close=' -->' ;;
    *) open='.\" ' close='' ;;
  esac
  print "$2" >"$work/table" || return
  begin="${open}begin $2$close" end="${open}end $2$close" table=$work/table awk '
    BEGIN { begin = ENVIRON["begin"]; end = ENVIRON["end"]; table = ENVIRON["table"] }
    $0 == end { inside = 0; ends++ }
    !inside { print }
    $0 == begin {
      inside = 1
      begins++
      while ((getline line < table) > 0)
        print line
    }
    END { exit !(begins == 1 && ends == 1 && !inside) }' "$1"
}

# result NAME STATUS: what went wrong is in $work/said.
result() {
  count=$((count + 1))
  if [ "$2" -eq 0 ]; then
    echo "ok $count - $1"
  else
    echo "not ok $count - $1"
    sed 's/^/# /' "$work/said"
    broken=1
  fi
}

check_table() {
  fill "$1" "$2" >"$work/new" || {
    echo "no place for it, or no program prints it" >"$work/said"
    return 1
  }
  diff -u "$1" "$work/new" >"$work/said"
}

check_page() {
  mandoc -T lint -W warning "$1" >"$work/said" 2>&1
}

check() {
  while read -r file table; do
    status=0
    check_table "$file" "$table" || status=$?
    result "$file has the table $table" $status
  done <<END
$(echo "$tables" | grep .)
END
  for page in docs/*.[1-8]; do
    status=0
    check_page "$page" || status=$?
    result "$page has no warnings" $status
  done
  echo "1..$count"
  [ $broken -eq 0 ] || echo '# make docs-tables puts tables right' >&2
  return $broken
}

write() {
  echo "$tables" | grep . | while read -r file table; do
    fill "$file" "$table" >"$work/new" || {
      echo "$file: no place for the table $table" >&2
      exit 1
    }
    cmp -s "$file" "$work/new" || cat "$work/new" >"$file"
  done
}

case ${1---check} in
  --check) check ;;
  --write) write ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
