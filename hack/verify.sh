#!/usr/bin/env bash
# Checks that formatting, module requirements and generated files are up to date.
# Regenerates stale files.
#
#   hack/verify.sh "MODULE ..."
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
export GOWORK=off # each module by its own go.mod

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
  go -C "$module" vet ./...
done

echo "== the workspace"
# Programs are built without the workspace, plain go commands use it, and both must select
# the same versions. A module that only one of them lists provides no package.
versions() { go list -m -f '{{if not .Main}}{{.Path}} {{.Version}}{{end}}' all | grep -v '^trust-manager.io/api '; }
sums=$(sha256sum go.work.sum)
differing=$(join <(versions | sort) <(GOWORK=$PWD/go.work versions | sort) | awk '$2 != $3')
[ -z "$differing" ] || fail "go.work selects other versions than go.mod:"$'\n'"$differing"
[ "$sums" = "$(sha256sum go.work.sum)" ] || fail "go.work.sum was stale; it has been updated: commit it"

echo "== generated files"
generated() { find deploy/crds deploy/charts docs/reference api/applyconfiguration -type f; git ls-files '*zz_generated*' docs/performance.md; }
before=$(generated | sort | xargs sha256sum)
make generate
[ "$before" = "$(generated | sort | xargs sha256sum)" ] ||
  fail "generated files were stale; they have been regenerated: commit them"

echo "== the root module's direct dependencies"
direct=$(go list -m -f '{{if not (or .Indirect .Main)}}{{.Path}}{{end}}' all | wc -l)
[ "$direct" -lt 20 ] || fail "$direct direct dependencies; the limit is 19"
echo "$direct; the limit is 19"
