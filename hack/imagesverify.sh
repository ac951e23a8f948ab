#!/usr/bin/env bash
# Builds all images twice, from two copies of the commit in other folders and the
# second time with nothing of Go's build cache, and checks that digests and bills of
# materials are the same; that the images hold what they have to and nothing else; and
# that their programs run. About 15 minutes on 2 cores.
#
#   [ARCHITECTURES="amd64 arm64"] [SUITES=…] hack/imagesverify.sh [VERSION]
set -euo pipefail
cd -P "$(dirname "$0")/.."

fail() { echo "imagesverify: $*" >&2; exit 1; }

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
export ARCHITECTURES=${ARCHITECTURES:-amd64 arm64}

[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed: two copies would be of something else"
git clone -q --no-hardlinks . "$work/one"
git clone -q --no-hardlinks . "$work/another/folder"
echo "== the first build"
"$work/one/hack/images.sh" "${1:-}"
echo "== the second build, without a cache"
GOCACHE=$work/cache "$work/another/folder/hack/images.sh" "${1:-}"

echo "== comparison"
diff -r "$work/one/bin/images" "$work/another/folder/bin/images" || fail "two builds, two outcomes"
images=$work/one/bin/images
go -C hack/images run . check --architectures "$ARCHITECTURES" "$images"

case $(uname -m) in x86_64) own=amd64 ;; aarch64) own=arm64 ;; *) own=none ;; esac
[[ " $ARCHITECTURES " == *" $own "* ]] || fail "no image is for this machine, so none can be tried"
echo "== what the programs say"
version=$(sed -n 's,^trust-manager.tar .*:\([^ ]*\) .*,\1,p' "$images/digests")
for archive in "$images"/*.tar; do
  name=$(basename "$archive" .tar)
  root=$work/root/$name
  go -C hack/images run . unpack --architecture "$own" "$archive" "$root"
  if [ "$name" = trust-manager ]; then
    said=$("$root/trust-manager" --version)
    echo "$said"
    [ "$said" = "trust-manager version $version" ] || fail "the image is of version $version"
    continue
  fi
  # As the chart runs it, but for the folders' place (D4).
  mkdir "$root/packages"
  "$root/copyandmaybepause" /copyandmaybepause "$root/debian-package" "$root/packages"
  cmp "$root/debian-package/cert-manager-package-debian.json" "$root/packages/cert-manager-package-debian.json"
done
