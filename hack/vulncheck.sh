#!/usr/bin/env bash
# Looks for known vulnerabilities in what the programs call. The database is the one
# that GOVULNDB names, or else the newest version of the module golang.org/x/vulndb,
# which comes from the module proxy as all modules do: vuln.go.dev, which is made of it,
# cannot be reached from everywhere. The standard library that is looked at is that of
# the toolchain in go.mod, with which releases are built.
#
#   hack/vulncheck.sh GOVULNCHECK
set -euo pipefail
cd "$(dirname "$0")/.."

govulncheck=$1
toolchain=$(awk '$1 == "toolchain" { print $2 }' go.mod)
check() { GOTOOLCHAIN=$toolchain "$govulncheck" "$@" ./cmd/... ./internal/...; }
if [ -n "${GOVULNDB:-}" ]; then
  check
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
go mod init vulncheck 2>/dev/null
folder=$(go mod download -json golang.org/x/vulndb@latest | tee module.json | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
echo "the database is golang.org/x/vulndb $(sed -n 's/^\t"Version": "\(.*\)",$/\1/p' module.json)"
go run golang.org/x/vulndb/cmd/indexdb@latest -out "$work/db" -vulns "$folder/data/osv"
cd "$OLDPWD"
check -db "file://$work/db"
