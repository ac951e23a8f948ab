#!/usr/bin/env bash
# Checks that what can be derived is current: generated files, formatting,
# module requirements. Changes nothing that is already right.
#
#   hack/verify.sh "MODULE ..."
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "verify: $*" >&2
  exit 1
}

echo "== formatting"
unformatted=$(git ls-files '*.go' | xargs gofmt -l)
[ -z "$unformatted" ] || fail "run gofmt -w on:"$'\n'"$unformatted"

for module in $1; do
  echo "== go mod tidy and go vet in $module"
  go -C "$module" mod tidy -diff || fail "run: go -C $module mod tidy"
  # These modules have no package of their own.
  case "$module" in hack/tools | test/oldest) continue ;; esac
  go -C "$module" vet ./...
done

echo "== generated files"
generated() { find deploy/crds deploy/charts docs/reference -type f; git ls-files '*zz_generated*'; }
before=$(generated | sort | xargs sha256sum)
make generate
[ "$before" = "$(generated | sort | xargs sha256sum)" ] ||
  fail "generated files were stale; make generate has just written them anew: commit them"

echo "== the root module's direct dependencies"
direct=$(go list -m -f '{{if not (or .Indirect .Main)}}{{.Path}}{{end}}' all | wc -l)
[ "$direct" -lt 20 ] || fail "$direct direct dependencies; the limit is under 20"
echo "$direct, of at most 19"
