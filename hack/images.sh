#!/usr/bin/env bash
# Builds all images as OCI archives in bin/images: the operator, and default CA
# packages from Mozilla's list and, if apt-get can download it, from the package
# ca-certificates of each Debian suite in SUITES. Each archive has a bill of materials
# beside it, and the file digests lists all images. VERSION defaults to the chart's
# appVersion, so that the chart refers to the images that were built. The time of creation
# in an image is SOURCE_DATE_EPOCH, which defaults to the time of the commit.
#
#   [ARCHITECTURES="amd64 arm arm64 ppc64le s390x"] [SUITES="bookworm trixie"] hack/images.sh [VERSION]
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."
# A program records the modules that it is built from. Without the workspace these are
# those of go.mod, in every checkout, and the digests depend on nothing else.
export GOWORK=off

version=${1:-$(sed -n 's/^appVersion: *//p' deploy/charts/trust-manager/Chart.yaml)}
architectures=${ARCHITECTURES:-amd64 arm arm64 ppc64le s390x}
suites=${SUITES-bookworm trixie}
out=$PWD/bin/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packages=$work/packages
mkdir -p "$packages" "$work/out"

revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] || revision=$revision-dirty
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --no-show-signature --format=%ct 2>/dev/null || echo 0)}

for architecture in $architectures; do
  echo "== programs for linux/$architecture"
  CGO_ENABLED=0 GOOS=linux GOARCH=$architecture GOARM=7 go build -trimpath -buildvcs=false -ldflags "-s -w -X trust-manager.io/internal/app.version=$version" \
    -o "$work/binaries/$architecture/" ./cmd/trust-manager ./cmd/trust-package-copy
done

echo "== default CA packages"
go build -trimpath -buildvcs=false -o "$work/trust-package" ./cmd/trust-package
"$work/trust-package" mozilla --out "$packages/trust-pkg-mozilla.json"
go version -m "$work/trust-package" | awk '$2 == "golang.org/x/crypto/x509roots/fallback" { print $2, $3, "pkg:golang/" $2 "@" $3, $4 }' >"$packages/trust-pkg-mozilla.source"
for suite in $suites; do
  name=trust-pkg-debian-$suite
  if ! debian=$(hack/debianroots.sh "$suite" "$work/$suite.pem"); then
    echo "images: skipping the image $name" >&2
    continue
  fi
  "$work/trust-package" pem --name "cert-manager-debian-$suite" --version "${debian% *}" --out "$packages/$name.json" "$work/$suite.pem"
  encoded=${debian% *}
  encoded=${encoded//+/%2B} # as package URLs require
  echo "ca-certificates ${debian% *} pkg:deb/debian/ca-certificates@$encoded?arch=all&distro=$suite ${debian#* }" >"$packages/$name.source"
done

# Earlier images are removed only now. All of them are removed, so that an image that
# can no longer be built is not mistaken for a current one.
echo "== images"
go -C hack/tools run ./images build --binaries "$work/binaries" --packages "$packages" --out "$work/out" --version "$version" --revision "$revision" \
  --licenses "$PWD/docs/reference/licenses.md" | tee "$work/out/digests"
rm -rf "$out"
mkdir -p "$(dirname "$out")"
cp -r "$work/out" "$out"
