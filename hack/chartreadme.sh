#!/usr/bin/env bash
# Regenerates the table of values in the chart's README from values.yaml. The text
# before the table is kept.
#
#   hack/chartreadme.sh [CHART]
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."

chart=${1:-deploy/charts/trust-manager}
table=$(go run ./hack/chartdocs <"$chart/values.yaml")
text=$(sed '/^| value | default/,$d' "$chart/README.md")
printf '%s\n\n%s\n' "$text" "$table" >"$chart/README.md.new"
mv "$chart/README.md.new" "$chart/README.md"
