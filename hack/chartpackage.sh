#!/usr/bin/env bash
# Sets the default CA package in the chart's values to the image of Mozilla's list, with
# the version that go.mod pins: the image that make images can build everywhere, and
# whose version depends only on this repository.
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."

module=golang.org/x/crypto/x509roots/fallback
version=$(go list -m -f '{{.Version}}' "$module")
# The date in the pseudo-version; trust-package uses it as the package's version.
[[ "$version" =~ [.-]([0-9]{8})[0-9]{6}-[0-9a-f]{12}$ ]] || {
  echo "chartpackage: version $version of $module contains no date" >&2
  exit 1
}
hack/chartvalues.sh deploy/charts/trust-manager/values.yaml trust-pkg-mozilla "${BASH_REMATCH[1]}"
