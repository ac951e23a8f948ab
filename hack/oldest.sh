#!/usr/bin/env bash
# Runs the admission tests on the oldest Kubernetes version that the documentation
# lists. Builds its kube-apiserver into the cache first, once. etcd is the version
# of the other tests.
#
#   hack/oldest.sh
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."
export GOWORK=off # tools/kubernetes is not in the workspace

version=$(go -C tools/kubernetes list -modfile=oldest.mod -m -f '{{.Version}}' k8s.io/kubernetes)
sum=$(sha256sum tools/kubernetes/oldest.mod | cut -c1-8)
cache=${TRUST_MANAGER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trust-manager}
assets=$cache/kubernetes/oldest-$version-$sum

if [ ! -x "$assets/kube-apiserver" ]; then
  echo "building kube-apiserver $version, once (about 5 minutes on 2 cores)"
  mkdir -p "$assets"
  info=k8s.io/component-base/version
  minor=${version#v1.}
  go -C tools/kubernetes build -modfile=oldest.mod -o "$assets/kube-apiserver.new" -ldflags \
    "-s -w -X $info.gitVersion=$version -X $info.gitMajor=1 -X $info.gitMinor=${minor%%.*}" \
    k8s.io/kubernetes/cmd/kube-apiserver
  mv "$assets/kube-apiserver.new" "$assets/kube-apiserver"
fi
current=$(env -u KUBEBUILDER_ASSETS bin/cluster build)
ln -sf "$current/etcd" "$current/kubectl" "$assets/"

echo "== admission tests on Kubernetes $("$assets/kube-apiserver" --version)"
KUBEBUILDER_ASSETS=$assets go test -count=1 ./test/admission
