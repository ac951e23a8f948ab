#!/usr/bin/env bash
# Writes the chart's default CA package into its values: the image of Mozilla's list,
# with the version that go.mod pins. It is the one that make images builds everywhere,
# and whose version the tree alone decides.
set -euo pipefail
cd -P "$(dirname "$0")/.."

module=golang.org/x/crypto/x509roots/fallback
version=$(go list -m -f '{{.Version}}' "$module")
# The date of the commit in the version of an untagged one; trust-package names its
# package by it.
[[ "$version" =~ [.-]([0-9]{8})[0-9]{6}-[0-9a-f]{12}$ ]] || {
  echo "chartpackage: version $version of $module has no date in it" >&2
  exit 1
}
hack/chartvalues.sh deploy/charts/trust-manager/values.yaml trust-pkg-mozilla "${BASH_REMATCH[1]}"
