#!/usr/bin/env bash
# Packages the chart as bin/charts/trust-manager-<version>.tgz, with a default CA
# package that make images has built: that of Debian's newest suite if available.
# VERSION defaults to the chart's appVersion. It must be a semantic version and the
# version of the operator's image. The package of a commit is the same in every checkout: the
# time of its files is SOURCE_DATE_EPOCH, which defaults to the time of the commit.
#
#   hack/chart.sh [VERSION]
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."

fail() { echo "chart: $*" >&2; exit 1; }

chart=deploy/charts/trust-manager
version=${1:-$(sed -n 's/^appVersion: *//p' "$chart/Chart.yaml")}
digests=bin/images/digests
[ -f "$digests" ] || fail "$digests does not exist, so the built images are unknown; run make images"

# tag IMAGE prints the tag of the image, or nothing if it was not built.
tag() { sed -n "s,^$1.tar [^ ]*:\([^ :]*\) .*,\1,p" "$digests"; }

[ "$(tag trust-manager)" = "$version" ] || fail "the operator's image has version $(tag trust-manager), not $version; run make images VERSION=$version"
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
find "$work/trust-manager" -exec touch -d "@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}" {} +
mkdir -p bin/charts
rm -f bin/charts/trust-manager-*.tgz
bin/helm package "$work/trust-manager" --version "$version" --app-version "$version" --destination bin/charts
echo "default CA package: $name:$tag"
