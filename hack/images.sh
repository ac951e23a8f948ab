#!/usr/bin/env bash
# Builds all images as OCI archives in bin/images: the operator, and default CA
# packages made of Mozilla's list and, where apt-get can fetch it, of Debian's package
# ca-certificates. Without VERSION it is the appVersion of the chart, so that what the
# chart asks for is what was built.
#
#   [ARCHITECTURES="amd64 arm64"] hack/images.sh [VERSION]
set -euo pipefail
cd -P "$(dirname "$0")/.."

version=${1:-$(sed -n 's/^appVersion: *//p' deploy/charts/trust-manager/Chart.yaml)}
architectures=${ARCHITECTURES:-amd64 arm64}
out=$PWD/bin/images
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/packages"

for architecture in $architectures; do
  echo "== programs for linux/$architecture"
  CGO_ENABLED=0 GOOS=linux GOARCH=$architecture go build -trimpath -buildvcs=false -ldflags "-s -w -X trust-manager.io/internal/app.version=$version" \
    -o "$work/binaries/$architecture/" ./cmd/trust-manager ./cmd/trust-package-copy
done

echo "== default CA packages"
go build -trimpath -o "$work/trust-package" ./cmd/trust-package
"$work/trust-package" mozilla --out "$work/packages/trust-pkg-mozilla.json"
if command -v apt-get dpkg-deb >/dev/null && (cd "$work" && apt-get download -q ca-certificates >/dev/null 2>&1); then
  deb=$(echo "$work"/ca-certificates_*.deb)
  debian=$(dpkg-deb --field "$deb" Version)
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mkdir "$work/roots"
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/roots" ./usr/share/ca-certificates
  find "$work/roots" -name '*.crt' | LC_ALL=C sort | xargs awk 1 >"$work/roots.pem"
  "$work/trust-package" pem --name "cert-manager-debian-$codename" --version "$debian" --out "$work/packages/trust-pkg-debian-$codename.json" "$work/roots.pem"
else
  echo "images: Debian's package ca-certificates cannot be had here: no image of it" >&2
fi

echo "== images"
go -C hack/images run . --binaries "$work/binaries" --packages "$work/packages" --out "$out" --version "$version" | tee "$out/digests"
