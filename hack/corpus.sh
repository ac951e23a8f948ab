#!/usr/bin/env bash
# Copies inputs that fuzzing has found from Go's cache into the corpus beside the tests,
# if they cover statements that the seeds do not. The smallest inputs are tried first.
#
#   hack/corpus.sh [PATTERN]
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."

pattern=${1:-.}
cache=$(go env GOCACHE)/fuzz/trust-manager.io
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# run TEST FOLDER prints the statement blocks that a test covers.
run() {
  (cd "$2" && "$work/test" -test.run "$1" -test.coverprofile "$work/profile" >/dev/null 2>&1)
  awk 'NR > 1 && $NF > 0 { print $1 }' "$work/profile" | sort -u
}

hack/fuzz.sh list "$pattern" | while read -r folder target; do
  go test -c -cover -coverpkg ./cmd/...,./internal/... -o "$work/test" "./$folder" 2>/dev/null
  run "^$target\$" "$folder" >"$work/covered"
  corpus=$folder/testdata/fuzz/$target
  kept=0
  while read -r input; do
    [ -n "$input" ] && [ ! -e "$corpus/$input" ] || continue
    mkdir -p "$corpus"
    cp "$cache/$folder/$target/$input" "$corpus/"
    run "^$target\$/^$input\$" "$folder" >"$work/this"
    if [ -n "$(comm -13 "$work/covered" "$work/this")" ]; then
      sort -u -o "$work/covered" "$work/covered" "$work/this"
      kept=$((kept + 1))
    else
      rm "$corpus/$input"
      rmdir --ignore-fail-on-non-empty -p "$corpus"
    fi
  done < <(ls -Sr "$cache/$folder/$target" 2>/dev/null)
  echo "$folder $target: $kept new inputs"
done
