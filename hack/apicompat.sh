#!/usr/bin/env bash
# Reports changes of the API that break its users, between the last release and this checkout
# with its uncommitted changes: the Go module in api/ and the CustomResourceDefinitions. BASE is
# the commit to compare with; it defaults to the newest release tag before this commit.
# Intended changes are listed in hack/apicompat.accepted.
#
#   hack/apicompat.sh [BASE]
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."
export GOWORK=off

fail() { echo "apicompat: $*" >&2; exit 1; }

base=${1:-}
if [ -z "$base" ]; then
  [ "$(git rev-parse --is-shallow-repository)" = false ] || fail "the clone has no history, so the last release is unknown; run git fetch --unshallow --tags"
  base=$(git tag --list 'v[0-9]*' --merged HEAD --no-contains HEAD --sort=-version:refname | grep -vm 1 -e - || true) # no candidates
fi
if [ -z "$base" ]; then
  echo "There is no release tag yet, so nothing is compared. BASE=COMMIT compares with a commit."
  exit
fi
commit=$(git rev-parse --verify --quiet "$base^{commit}") || fail "$base is not a commit"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git archive "$commit" api deploy/crds | tar -x -C "$work"
echo "== changes of the API since $base (${commit:0:12})"
go -C hack/tools run ./apicompat --accepted "$PWD/hack/apicompat.accepted" "$work" "$PWD"
