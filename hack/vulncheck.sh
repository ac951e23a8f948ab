#!/usr/bin/env bash
# Checks the code that the programs call for known vulnerabilities. The database is
# GOVULNDB if set, and otherwise the newest version of the module golang.org/x/vulndb.
# That module comes from the module proxy like all others; vuln.go.dev, which is built
# from it, is not reachable from everywhere. The standard library checked is that of the
# toolchain in go.mod, which releases are built with.
#
#   hack/vulncheck.sh GOVULNCHECK
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
export GOWORK=off # as releases are built

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
echo "database: golang.org/x/vulndb $(sed -n 's/^\t"Version": "\(.*\)",$/\1/p' module.json)"
go run golang.org/x/vulndb/cmd/indexdb@latest -out "$work/db" -vulns "$folder/data/osv"
cd "$OLDPWD"
check -db "file://$work/db"
