#!/usr/bin/env bash
# Builds all images twice, from two copies of the commit in different folders and the
# second time with an empty Go build cache. Checks that digests and bills of materials
# are the same, that the images contain the expected files and nothing else, and that
# their programs run. Takes about 40 minutes on 2 cores.
#
#   [ARCHITECTURES="amd64 arm arm64 ppc64le s390x"] [SUITES=…] hack/imagesverify.sh [VERSION]
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."
export GOWORK=off # hack/tools is not in the workspace

fail() { echo "imagesverify: $*" >&2; exit 1; }

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
export ARCHITECTURES=${ARCHITECTURES:-amd64 arm arm64 ppc64le s390x}

[ -z "$(git status --porcelain)" ] || fail "there are uncommitted changes; the copies would not contain them"
git clone -q --no-hardlinks . "$work/one"
git clone -q --no-hardlinks . "$work/another/folder"
echo "== the first build"
"$work/one/hack/images.sh" "${1:-}"
echo "== the second build, without a cache"
GOCACHE=$work/cache "$work/another/folder/hack/images.sh" "${1:-}"

echo "== comparison"
diff -r "$work/one/bin/images" "$work/another/folder/bin/images" || fail "the two builds differ"
images=$work/one/bin/images
go -C hack/tools run ./images check --architectures "$ARCHITECTURES" "$images"

case $(uname -m) in x86_64) own=amd64 ;; aarch64) own=arm64 ;; *) own=none ;; esac
[[ " $ARCHITECTURES " == *" $own "* ]] || fail "no image is for this machine, so none can be run"
echo "== running the programs"
version=$(sed -n 's,^trust-manager.tar .*:\([^ ]*\) .*,\1,p' "$images/digests")
for archive in "$images"/*.tar; do
  name=$(basename "$archive" .tar)
  root=$work/root/$name
  go -C hack/tools run ./images unpack --architecture "$own" "$archive" "$root"
  if [ "$name" = trust-manager ]; then
    output=$("$root/trust-manager" --version)
    echo "$output"
    [ "$output" = "trust-manager version $version" ] || fail "the image has version $version"
    continue
  fi
  # As the chart runs it, except for the location of the folders (D4).
  mkdir "$root/packages"
  "$root/copyandmaybepause" /copyandmaybepause "$root/debian-package" "$root/packages"
  cmp "$root/debian-package/cert-manager-package-debian.json" "$root/packages/cert-manager-package-debian.json"
done
