#!/usr/bin/env bash
# Builds the release in bin/release a second time, from a clone of the commit in another folder
# without a Go build cache, called with another umask, locale, time zone and GOAMD64, and checks that
# all files are the same. It takes the same variables as hack/release.sh.
#
#   [SNAPSHOT=1] [ARCHITECTURES=…] [PLATFORMS=…] [SUITES=…] hack/releaseverify.sh VERSION
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."

fail() { echo "releaseverify: $*" >&2; exit 1; }

first=$PWD/bin/release
[ -f "$first/SHA256SUMS" ] || fail "bin/release does not exist; run make release first"
(cd "$first" && sha256sum --quiet --check SHA256SUMS) || fail "bin/release has been changed since make release"
[ -z "$(git status --porcelain --untracked-files=all)" ] || fail "there are uncommitted changes; the clone would not contain them"

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
umask 077
git clone -q --no-hardlinks . "$work/clone"
GOCACHE=$work/cache LC_ALL=C.UTF-8 TZ=XXX-14 GOAMD64=v3 "$work/clone/hack/release.sh" "${1:-}"
echo "== comparison"
diff -r "$first" "$work/clone/bin/release" || fail "the two builds differ"
echo "both builds have the same $(wc -l <"$first/SHA256SUMS") files"
