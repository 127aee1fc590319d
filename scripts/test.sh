#!/usr/bin/env bash
# Runs every test with the race detector, shows one line a package and the
# full output of what failed, and counts what was skipped, by name.
#
# The detector does not watch inside SQLite, C translated to Go: database/sql,
# which it does watch, gives each connection to one goroutine at a time, and
# what connections share lies behind SQLite's own locks. To watch it, too, takes
# twice the time of all tests that have a database.
set -u
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test -race -gcflags='modernc.org/...=-race=false' -timeout 15m -v "$@" ./... >"$log" 2>&1
status=$?
grep -E '^(ok|FAIL|panic:|---? FAIL|\?)[[:space:]]' "$log" | grep -v 'no test files'
if [ $status -ne 0 ]; then
  echo "== output of what failed"
  grep -vE '^(=== (RUN|PAUSE|CONT|NAME)|[[:space:]]*--- (PASS|SKIP)|PASS$|ok[[:space:]])' "$log" | tail -n 400
fi
skipped=$(grep -cE '^[[:space:]]*--- SKIP' "$log")
if [ "$skipped" -gt 0 ]; then
  echo "== SKIPPED: $skipped"
  grep -E '^[[:space:]]*--- SKIP|SKIPPED: ' "$log" | sed 's/^[[:space:]]*/  /'
fi
passed=$(grep -cE '^[[:space:]]*--- PASS' "$log")
failed=$(grep -cE '^[[:space:]]*--- FAIL' "$log")
echo "$passed passed, $failed failed, $skipped skipped"
exit $status
