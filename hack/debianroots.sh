#!/usr/bin/env bash
# Fetches the newest package ca-certificates of a Debian suite, writes its roots as one
# PEM file, and prints the package's version and digest. Any suite that this machine's own
# Debian mirror has can be had: the mirror is that of the configured sources, with the
# suite's name in place of the machine's own. Nothing of the machine's apt is changed,
# and apt checks the signatures.
#
#   hack/debianroots.sh SUITE FILE.pem
set -euo pipefail

suite=$1
out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt fetches as a user of its own
mkdir -p "$work/apt/sources.list.d" "$work/lists/partial" "$work/cache/archives/partial" "$work/roots"

fail() { echo "ca-certificates of Debian $suite cannot be had: $*" >&2; exit 1; }

command -v apt-get dpkg-deb >/dev/null || fail "there is no apt-get or no dpkg-deb here"
own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$own" ] || fail "/etc/os-release does not name this machine's suite"

# Only what names the machine's suite is taken, by stanza and by line.
for file in /etc/apt/sources.list.d/*.sources; do
  [ -f "$file" ] || continue
  awk -v RS= -v ORS='\n\n' -v own="$own" '$0 ~ "(^|\n)Suites:[^\n]*" own' "$file" | sed "/^Suites:/s/\<$own\>/$suite/g" >"$work/apt/sources.list.d/$(basename "$file")"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -f "$file" ] || continue
  sed -n "/^deb .*[[:space:]]$own/s/\([[:space:]]\)$own\>/\1$suite/p" "$file" >"$work/apt/sources.list.d/$(basename "${file%.list}").list"
done
grep -qrs "\<$suite\>" "$work/apt" || fail "no configured source of apt is for this machine's suite, $own"

# Pins and a default release of the machine would keep the newest version away.
options=(
  -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$work/apt/sources.list.d"
  -o "Dir::Etc::preferences=/dev/null" -o "Dir::Etc::preferencesparts=/dev/null"
  -o "Dir::State::lists=$work/lists" -o "Dir::State::status=/dev/null" -o "Dir::Cache=$work/cache"
  -o "APT::Default-Release=" -o "APT::Update::Error-Mode=any" -o "Acquire::Languages=none"
  -o "APT::Get::AllowUnauthenticated=false" -o "Acquire::AllowInsecureRepositories=false"
)
apt-get "${options[@]}" -qq update >&2 || fail "apt-get update failed"
mkdir "$work/deb" && chmod 777 "$work/deb"
(cd "$work/deb" && apt-get "${options[@]}" -qq download ca-certificates >&2) || fail "apt-get download failed"

deb=$(echo "$work"/deb/ca-certificates_*.deb)
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/roots" ./usr/share/ca-certificates
find "$work/roots" -name '*.crt' | LC_ALL=C sort | xargs awk 1 >"$out"
echo "$(dpkg-deb --field "$deb" Version) sha256:$(sha256sum "$deb" | cut -d' ' -f1)"
