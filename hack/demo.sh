#!/usr/bin/env bash
# The demo: a real control plane, the operator under its own service account,
# and the quick start's first Bundle.
#
#   hack/demo.sh up     start what does not run yet, show the result
#   hack/demo.sh down   stop everything and forget it
set -euo pipefail
cd -P "$(dirname "$0")/.."

bin=$PWD/bin
cluster=$bin/cluster.d
kubeconfig=$bin/kubeconfig.yaml
operator=$bin/operator.d

say() { printf '\n== %s\n' "$*"; }

now() { date +%s%N; }

# since START: the seconds since then, with two digits.
since() { printf '%d.%02d s' $((($(now) - $1) / 1000000000)) $((($(now) - $1) / 10000000 % 100)); }

# is_operator PID: whether the process is an operator of this demo, and not
# another that got its number.
is_operator() {
  [ -n "$1" ] && [ "$(readlink "/proc/$1/exe" 2>/dev/null | sed 's/ (deleted)$//')" = "$bin/trust-manager" ]
}

stop_operator() {
  local pid
  pid=$(cat "$operator/pid" 2>/dev/null || true)
  if is_operator "$pid"; then
    kill "$pid"
    for _ in $(seq 100); do
      is_operator "$pid" || break
      sleep 0.1
    done
    if is_operator "$pid"; then kill -9 "$pid"; fi
  fi
  rm -rf "$operator"
}

down() {
  stop_operator
  "$bin/cluster" down --dir "$cluster"
  rm -f "$kubeconfig"
  echo "The demo is down."
}

# start_operator runs the operator as its service account, with no more rights
# than that has.
start_operator() {
  mkdir -p "$operator"
  (umask 077 && k -n cert-manager create token trust-manager --duration 720h >"$operator/token")
  cp "$kubeconfig" "$operator/kubeconfig.yaml"
  local context=(--kubeconfig "$operator/kubeconfig.yaml")
  "$assets/kubectl" "${context[@]}" config set users.trust-manager.tokenFile "$operator/token" >/dev/null
  "$assets/kubectl" "${context[@]}" config set-context --current --user trust-manager >/dev/null
  setsid "$bin/trust-manager" --kubeconfig "$operator/kubeconfig.yaml" \
    --default-package-location "$operator/package/mozilla.json" \
    --readiness-probe-port 0 --metrics-port 0 --webhook-port 0 \
    >"$operator/log" 2>&1 </dev/null &
  echo $! >"$operator/pid"
}

# await SECONDS COMMAND...: tries a command until it succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      echo "demo: gave up waiting for: $*" >&2
      echo "demo: the operator's log is $operator/log; its last lines:" >&2
      tail -n 20 "$operator/log" >&2 || true
      exit 1
    fi
    sleep 0.1
  done
}

# synced: whether the operator that runs now leads and has said of the Bundle, as
# it stands now, that it is synced.
synced() {
  is_operator "$(cat "$operator/pid")" && leads &&
    [ "$(k get bundle example-bundle -o jsonpath='{.status.conditions[?(@.type=="Synced")].status} {.status.conditions[?(@.type=="Synced")].observedGeneration}')" = \
      "True $(k get bundle example-bundle -o jsonpath='{.metadata.generation}')" ]
}

leads() { grep -q "Successfully acquired lease" "$operator/log"; }

k() { "$assets/kubectl" --kubeconfig "$kubeconfig" "$@"; }

up() {
  say "Kubernetes (built from source on the first run: about 8 minutes on 2 cores)"
  assets=$("$bin/cluster" build)
  "$bin/cluster" up --dir "$cluster" --kubeconfig "$kubeconfig"

  say "Custom resource definition, RBAC and the operator as service account cert-manager/trust-manager"
  k apply -f deploy/crds -f deploy/rbac >/dev/null
  await 30 k wait --for=condition=Established crd/bundles.trust.cert-manager.io --timeout=1s
  stop_operator
  mkdir -p "$operator/package"
  "$bin/trust-package" mozilla --out "$operator/package/mozilla.json"
  start_operator
  await 30 leads

  say "The quick start's first Bundle"
  local start
  start=$(now)
  k apply -f - <<'BUNDLE'
apiVersion: trust.cert-manager.io/v1alpha1
kind: Bundle
metadata:
  name: example-bundle # the bundle's targets have this name too
spec:
  sources:
  - useDefaultCAs: true
  target:
    configMap:
      key: "trust-bundle.pem"
BUNDLE
  await 60 synced
  show "$(since "$start")"
}

# show tells what was reached, in the time given.
show() {
  k get bundle example-bundle
  echo
  echo "  namespaces reached: $(k get configmap -A -l trust.cert-manager.io/bundle=example-bundle --no-headers | wc -l) of $(k get namespace --no-headers | wc -l)"
  echo "  certificates:       $(k get configmap example-bundle -o jsonpath="{.data['trust-bundle\.pem']}" | grep -c 'BEGIN CERTIFICATE')"
  echo "  CA package:         $(k get bundle example-bundle -o jsonpath='{.status.defaultCAVersion}')"
  echo "  from apply to synced: $1"
  cat <<HINTS

The cluster keeps running. To go on (kubectl of the same version: export PATH="$assets:\$PATH"):

  kubectl --kubeconfig ./bin/kubeconfig.yaml get bundle example-bundle
  kubectl --kubeconfig ./bin/kubeconfig.yaml get configmap example-bundle -o "jsonpath={.data['trust-bundle\.pem']}" | less
  kubectl --kubeconfig ./bin/kubeconfig.yaml create namespace team-a      # gets the bundle at once
  less ./bin/operator.d/log                                               # what the operator says
  make demo-down                                                          # stop everything
HINTS
}

case "${1:-}" in
up) up ;;
down) down ;;
*)
  echo "usage: hack/demo.sh up|down" >&2
  exit 2
  ;;
esac
