#!/usr/bin/env bash
# Generates the apply configurations of both API groups, in api/applyconfiguration. What the
# generator writes for clients of a whole API, which does not exist, is left out.
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/../api"

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
../bin/applyconfiguration-gen --go-header-file /dev/null \
  --output-dir "$fresh" --output-pkg trust-manager.io/api/applyconfiguration \
  ./trust/v1alpha1 ./trustmanager/v1alpha2 >"$fresh/log" 2>&1 || { cat "$fresh/log" >&2; exit 1; }
rm -rf applyconfiguration
mkdir applyconfiguration
cp -r "$fresh/trust" "$fresh/trustmanager" applyconfiguration/

# document FOLDER GROUP_VERSION writes the package comment.
document() {
  printf '// Package %s contains the apply configurations of %s, for\n// typed server-side apply. They are generated from the types.\npackage %s\n' \
    "$(basename "$1")" "$2" "$(basename "$1")" >"applyconfiguration/$1/doc.go"
}
document trust/v1alpha1 "trust.cert-manager.io/v1alpha1"
document trustmanager/v1alpha2 "trust-manager.io/v1alpha2"
