#!/usr/bin/env bash
# Sets the image of the default CA package in a chart's values.
#
#   hack/chartvalues.sh values.yaml NAME TAG
set -euo pipefail

values=$1 name=$2 tag=$3
awk -v name="$name" -v tag="$tag" '
  /^[^ #]/ { inside = /^defaultPackageImage:/ }
  inside && /^  name:/ { $0 = "  name: " name; found++ }
  inside && /^  tag:/ { $0 = "  tag: \"" tag "\""; found++ }
  { print }
  END { exit found != 2 }
' "$values" >"$values.new" || {
  echo "chartvalues: $values has no defaultPackageImage with a name and a tag" >&2
  exit 1
}
mv "$values.new" "$values"
