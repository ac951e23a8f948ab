#!/usr/bin/env bash
# Packages the chart as bin/charts/trust-manager-<version>.tgz, with the default CA
# package that make images has built: Debian's newest suite, where it could be had.
# Without VERSION it is that of the tree; it must be the version of the operator's
# image, and one of Semantic Versioning.
#
#   hack/chart.sh [VERSION]
set -euo pipefail
cd -P "$(dirname "$0")/.."

fail() { echo "chart: $*" >&2; exit 1; }

chart=deploy/charts/trust-manager
version=${1:-$(sed -n 's/^appVersion: *//p' "$chart/Chart.yaml")}
digests=bin/images/digests
[ -f "$digests" ] || fail "there is no $digests, so it is unknown which images there are; run make images"

# tag IMAGE: that of the image which was built, or nothing.
tag() { sed -n "s,^$1.tar [^ ]*:\([^ :]*\) .*,\1,p" "$digests"; }

[ "$(tag trust-manager)" = "$version" ] || fail "the operator's image is of version $(tag trust-manager), not $version; run make images VERSION=$version"
for name in trust-pkg-debian-trixie trust-pkg-debian-bookworm trust-pkg-mozilla; do
  tag=$(tag "$name")
  [ -z "$tag" ] || break
done
[ -n "$tag" ] || fail "no image of a default CA package was built"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$chart" "$work/"
hack/chartvalues.sh "$work/trust-manager/values.yaml" "$name" "$tag"
hack/chartreadme.sh "$work/trust-manager"
mkdir -p bin/charts
rm -f bin/charts/trust-manager-*.tgz
bin/helm package "$work/trust-manager" --version "$version" --app-version "$version" --destination bin/charts
echo "its default CA package is $name:$tag"
