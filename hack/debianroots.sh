#!/usr/bin/env bash
# Downloads the newest package ca-certificates of a Debian suite, writes its roots to one
# PEM file, and prints the package's version and digest. Every suite of this machine's
# Debian mirror is available: the script uses the configured sources and replaces the
# name of the machine's own suite. The machine's apt configuration is not changed, and
# apt verifies the signatures.
#
#   hack/debianroots.sh SUITE FILE.pem
set -euo pipefail

suite=$1
out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt downloads as a separate user
mkdir -p "$work/apt/sources.list.d" "$work/lists/partial" "$work/cache/archives/partial" "$work/roots"

fail() { echo "cannot download ca-certificates of Debian $suite: $*" >&2; exit 1; }

command -v apt-get dpkg-deb >/dev/null || fail "apt-get or dpkg-deb is not installed"
own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$own" ] || fail "/etc/os-release does not name this machine's suite"

# Use only stanzas and lines that name the machine's suite.
for file in /etc/apt/sources.list.d/*.sources; do
  [ -f "$file" ] || continue
  awk -v RS= -v ORS='\n\n' -v own="$own" '$0 ~ "(^|\n)Suites:[^\n]*" own' "$file" | sed "/^Suites:/s/\<$own\>/$suite/g" >"$work/apt/sources.list.d/$(basename "$file")"
done
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -f "$file" ] || continue
  sed -n "/^deb .*[[:space:]]$own/s/\([[:space:]]\)$own\>/\1$suite/p" "$file" >"$work/apt/sources.list.d/$(basename "${file%.list}").list"
done
grep -qrs "\<$suite\>" "$work/apt" || fail "no configured apt source names this machine's suite, $own"

# Ignore pins and a default release, which could prevent the newest version.
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
