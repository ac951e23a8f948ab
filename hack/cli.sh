#!/usr/bin/env bash
# Builds kubectl-trust for all platforms as archives in bin/cli, with the files checksums.txt
# (SHA-256) and trust.yaml, a manifest for krew. The archives of a version are the same in every
# checkout. VERSION defaults to the chart's appVersion, and RELEASES, where the archives are
# published, to the releases of the project.
#
#   [PLATFORMS="linux/amd64 ..."] [RELEASES=URL] hack/cli.sh [VERSION]
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."
# A program records the modules that it is built from: those of go.mod, in every checkout.
export GOWORK=off CGO_ENABLED=0
umask 022 # the archives contain the modes of their files

version=${1:-$(sed -n 's/^appVersion: *//p' deploy/charts/trust-manager/Chart.yaml)}
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
releases=${RELEASES:-https://trust-manager.io/releases/v$version}
out=$PWD/bin/cli
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/out"

# program PLATFORM prints the name of the program.
program() { case $1 in windows/*) echo kubectl-trust.exe ;; *) echo kubectl-trust ;; esac; }

for platform in $platforms; do
  echo "== kubectl-trust for $platform"
  folder=$work/${platform/\//-}
  mkdir -p "$folder"
  GOOS=${platform%/*} GOARCH=${platform#*/} go build -trimpath -buildvcs=false -ldflags "-s -w -X trust-manager.io/internal/cli.version=$version" \
    -o "$folder/$(program "$platform")" ./cmd/kubectl-trust
  cp LICENSE "$folder/"
  # kubectl runs it to complete the arguments of the plugin.
  if [ "${platform%/*}" = windows ]; then
    printf '@kubectl-trust.exe __complete %%*\r\n' >"$folder/kubectl_complete-trust.cmd"
  else
    install -m 755 cmd/kubectl-trust/kubectl_complete-trust "$folder/"
  fi
  tar -C "$folder" --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w -cf - . |
    gzip -n -9 >"$work/out/kubectl-trust-$version-${platform/\//-}.tar.gz"
done

(cd "$work/out" && sha256sum -- *.tar.gz >checksums.txt)
{
  cat <<MANIFEST
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: trust
spec:
  version: v$version
  homepage: https://trust-manager.io
  shortDescription: Answers questions about trust bundles of CA certificates
  description: |
    Shows what a Bundle of trust-manager would contain and what an apply would change, shows whether
    a namespace trusts a server and which CA is missing, explains why a CA is trusted, finds pods
    that still use a previous bundle, plans the rotation of a CA, and reports on a whole cluster.
  platforms:
MANIFEST
  for platform in $platforms; do
    archive=kubectl-trust-$version-${platform/\//-}.tar.gz
    cat <<MANIFEST
  - selector:
      matchLabels: {os: ${platform%/*}, arch: ${platform#*/}}
    uri: $releases/$archive
    sha256: $(sha256sum "$work/out/$archive" | cut -d' ' -f1)
    bin: $(program "$platform")
MANIFEST
  done
} >"$work/out/trust.yaml"
rm -rf "$out"
mkdir -p "$(dirname "$out")"
cp -r "$work/out" "$out"
cat "$out/checksums.txt"
