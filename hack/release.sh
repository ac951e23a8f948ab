#!/usr/bin/env bash
# Builds all files of a release in bin/release: the images as OCI archives, the chart, the
# archives of the command line, install.yaml, crds.yaml, bills of materials (SPDX), a provenance
# statement (in-toto, SLSA) and SHA256SUMS. The files of a commit are the same in every checkout.
# RELEASE.md describes the steps before and after.
#
# The commit must be clean and tagged, and chart and changelog must have the version. With
# SNAPSHOT=1 only the first is checked, and the installed Go builds instead of the version that
# go.mod pins.
#
#   [SNAPSHOT=1] [ARCHITECTURES=…] [PLATFORMS=…] [SUITES=…] hack/release.sh VERSION
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."
# Settings of the caller, including those of `go env -w`, must not change what is built or in which
# order files are listed. Only where modules come from, and where they and builds are cached, is kept.
for name in GOPROXY GONOPROXY GOSUMDB GONOSUMDB GOPRIVATE GOINSECURE GOAUTH GOMODCACHE GOCACHE; do
  value=$(go env "$name")
  export "$name=$value"
done
export GOENV=off GOWORK=off CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' LC_ALL=C
unset GOAMD64 GOARM GOARM64 GOPPC64 GOEXPERIMENT GOFIPS140 GOOS GOARCH GOROOT GODEBUG GOCACHEPROG TAR_OPTIONS GZIP RELEASES

fail() { echo "release: $*" >&2; exit 1; }

version=${1:-}
snapshot=${SNAPSHOT:-}
export ARCHITECTURES=${ARCHITECTURES:-amd64 arm arm64 ppc64le s390x}
export PLATFORMS=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
export SUITES=${SUITES-bookworm trixie}
tag=
chart=deploy/charts/trust-manager

# An earlier release must not be mistaken for this one if a step fails.
out=$PWD/bin/release
rm -rf "$out"

echo "== checks"
[ -n "$version" ] || fail "no version; run make release VERSION=1.2.3"
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "$version is not a semantic version such as 1.2.3 or 1.2.3-rc.1, without a leading v"
revision=$(git rev-parse --verify HEAD) || fail "this is not a git checkout; a release names its commit"
changes=$(git status --porcelain --untracked-files=all)
[ -z "$changes" ] || fail "there are changes that are not committed:"$'\n'"$changes"
ignored=$(git ls-files --others --ignored --exclude-standard -- api cmd deploy hack/tools internal)
[ -z "$ignored" ] || fail "files that git ignores could get into the release; remove them:"$'\n'"$ignored"
if [ -z "$snapshot" ]; then
  tag=v$version
  # The second tag is that of the Go module api.
  for name in "$tag" "api/$tag"; do
    [ -n "$(git tag --points-at HEAD --list "$name")" ] || fail "the commit ${revision:0:12} does not have the tag $name; create it, or try with SNAPSHOT=1"
  done
  for field in version appVersion; do
    grep -qx "$field: $version" "$chart/Chart.yaml" || fail "$chart/Chart.yaml has $(grep "^$field:" "$chart/Chart.yaml"), not $version"
  done
  lines=$(awk -v heading="## $version" '/^## / { within = $0 == heading || index($0, heading " ") == 1 } within && /^- /' CHANGELOG.md | wc -l)
  [ "$lines" -gt 0 ] || fail "CHANGELOG.md has no section \"## $version\" with a change in it"
  # Programs, archives and digests depend on the version of Go.
  GOTOOLCHAIN=$(awk '$1 == "toolchain" { print $2 }' go.mod)
  export GOTOOLCHAIN
fi
go=$(go env GOVERSION) || fail "Go cannot provide ${GOTOOLCHAIN:-a toolchain}, which go.mod pins"
SOURCE_DATE_EPOCH=$(git log -1 --no-show-signature --format=%ct)
export SOURCE_DATE_EPOCH
echo "version $version of commit $revision, built by $go"

# Helm compresses the chart, so it is built by the same Go.
go -C hack/tools build -o "$PWD/bin/" helm.sh/helm/v4/cmd/helm
hack/images.sh "$version"
for suite in $SUITES; do
  [ -f "bin/images/trust-pkg-debian-$suite.tar" ] || fail "the default CA package of Debian $suite could not be built; SUITES= leaves out those of Debian"
done
go -C hack/tools run ./images check --architectures "$ARCHITECTURES" "$PWD/bin/images"
echo "== chart"
hack/chart.sh "$version"
hack/cli.sh "$version"

echo "== files of the release"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Names with versions, because downloads of several releases end up in one folder.
while read -r archive reference digest; do
  name=${archive%.tar}
  versioned=$name-${reference##*:}
  cp "bin/images/$archive" "$work/$versioned.oci.tar"
  cp "bin/images/$name.spdx.json" "$work/$versioned.spdx.json"
  echo "$reference $digest $versioned.oci.tar" >>"$work/images.txt"
done <bin/images/digests
cp "bin/charts/trust-manager-$version.tgz" bin/cli/*.tar.gz bin/cli/trust.yaml "$work/"
hack/install.sh "$work/trust-manager-$version.tgz" >"$work/install.yaml"
cat deploy/crds/*.yaml >"$work/crds.yaml"
go -C hack/tools run ./release bills --version "$version" --revision "$revision" --licenses "$PWD/docs/reference/licenses.md" "$work"
go -C hack/tools run ./release provenance --version "$version" --revision "$revision" --tag "$tag" --go "$go" \
  --architectures "$ARCHITECTURES" --platforms "$PLATFORMS" --suites "$SUITES" "$work"
(cd "$work" && sha256sum -- * >"$work.sums" && mv "$work.sums" SHA256SUMS)
mkdir -p "$out"
install -m 644 "$work"/* "$out/"
cat "$out/SHA256SUMS"
