#!/usr/bin/env bash
# Fuzzes each target of the root module whose name matches a pattern, one after the
# other, for a time. It finds the targets in the tests, so that none is missed.
#
#   hack/fuzz.sh TIME [PATTERN]
#   hack/fuzz.sh list [PATTERN]    print the folder and name of each target
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."

time=$1
pattern=${2:-.}

targets=$(grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9]*' cmd internal | sed 's|/[^/]*_test.go:func | |' | sort | grep -E "$pattern") ||
  { echo "fuzz: no target matches $pattern" >&2; exit 1; }
if [ "$time" = list ]; then
  echo "$targets"
  exit
fi
echo "$(wc -l <<<"$targets") targets, $time each"
while read -r folder target; do
  echo "== $folder $target"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" ${PARALLEL:+-parallel "$PARALLEL"} "./$folder"
done <<<"$targets"
