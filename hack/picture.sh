#!/usr/bin/env bash
# Draws docs/picture.svg from what commands print on the running demo.
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."

export PATH=$PWD/bin:$PATH KUBECONFIG=$PWD/bin/kubeconfig.yaml
kubectl get bundle example-bundle >/dev/null || { echo "picture: the demo is not running; run make demo" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/picture" ./hack/picture
kubectl get bundle example-bundle -o json |
  jq '.spec.exclude = [{subject: "CN=ISRG Root X1,O=Internet Security Research Group,C=US", comment: "example"}] |
    {apiVersion, kind, metadata: {name: .metadata.name}, spec}' >"$work/excluded.json"
cd "$work"
./picture \
  'kubectl get bundle example-bundle -o wide' \
  'kubectl trust diff -f excluded.json' \
  'kubectl trust check' >picture.svg
mv picture.svg "$OLDPWD/docs/picture.svg"
