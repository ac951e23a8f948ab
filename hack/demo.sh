#!/usr/bin/env bash
# The demo: a real control plane, the chart installed by Helm with its images and a
# webhook certificate of cert-manager, and the quick start's first Bundle. The pods
# run as processes of this machine (bin/localnode).
#
#   hack/demo.sh up            start what does not run yet, show the result
#   hack/demo.sh package TAG   give the node the default CA package under one more tag,
#                              with one root less: something to upgrade to
#   hack/demo.sh down          stop everything and forget it
set -euo pipefail
cd -P "$(dirname "$0")/.."

bin=$PWD/bin
cluster=$bin/cluster.d
kubeconfig=$bin/kubeconfig.yaml
# What the demo keeps while it is up: its processes, the images of its node, and the
# values of the release.
demo=$bin/demo.d
release=(-n cert-manager trust-manager)

say() { printf '\n== %s\n' "$*"; }

now() { date +%s%N; }

# since START: the seconds since then, with two digits.
since() { printf '%d.%02d s' $((($(now) - $1) / 1000000000)) $((($(now) - $1) / 10000000 % 100)); }

k() { "$bin/kubectl" --kubeconfig "$kubeconfig" "$@"; }

h() { "$bin/helm" --kubeconfig "$kubeconfig" "$@"; }

# digest FILE...: one digest of all files, for folders of all in them.
digest() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1; }

# fail WHAT: ends with the last lines of all logs.
fail() {
  echo "demo: $*; the last lines of all logs, which lie in $demo:" >&2
  find "$demo" -name '*.log' -exec tail -n 10 {} + >&2 || true
  exit 1
}

# await SECONDS COMMAND...: tries a command until it succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "gave up waiting for: $*"
    sleep 0.1
  done
}

# runs NAME: whether the background process of that name runs, and not another that
# got its number.
runs() {
  local pid
  pid=$(cat "$demo/$1.pid" 2>/dev/null) &&
    [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')" = "$bin/$1" ]
}

# background NAME ARGUMENT...: runs bin/NAME, unless the same program runs with the
# same arguments on the same cluster already.
background() {
  local name=$1 stamp
  stamp="$* $(sha256sum "$bin/$name" "$kubeconfig")"
  if runs "$name" && [ "$(cat "$demo/$name.stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
  end "$name"
  setsid "$bin/$@" --kubeconfig "$kubeconfig" >"$demo/$name.log" 2>&1 </dev/null &
  echo $! >"$demo/$name.pid"
  printf '%s' "$stamp" >"$demo/$name.stamp"
}

# end NAME: ends that process.
end() {
  if runs "$1"; then
    kill "$(cat "$demo/$1.pid")"
    for _ in $(seq 100); do
      runs "$1" || break
      sleep 0.1
    done
    if runs "$1"; then kill -9 "$(cat "$demo/$1.pid")"; fi
  fi
  rm -f "$demo/$1.pid" "$demo/$1.stamp"
}

down() {
  end localnode
  end neighbours
  "$bin/cluster" down --dir "$cluster"
  rm -rf "$demo"
  rm -f "$kubeconfig" "$bin/kubectl"
  echo "The demo is down."
}

# build_images builds images and chart if anything that they are made of has changed.
# Debian's roots, which need its mirror, are built for the SUITES that were asked for.
build_images() {
  local stamp built=$bin/demo.stamp
  stamp="$(digest api cmd internal deploy/charts hack/images go.mod go.sum hack/images.sh hack/chart.sh) ${SUITES-}"
  if [ "$(cat "$built" 2>/dev/null)" = "$stamp $(cat "$bin/images/digests" 2>/dev/null)" ] && chart >/dev/null; then
    echo "Nothing has changed since they were built."
    return
  fi
  ARCHITECTURES=$(go env GOARCH) SUITES=${SUITES-} hack/images.sh
  hack/chart.sh
  echo "$stamp $(cat "$bin/images/digests")" >"$built"
}

# chart gives the packaged chart.
chart() { ls "$bin"/charts/trust-manager-*.tgz; }

# hand_over gives the node the images that were built. Other tags that it has stay.
hand_over() {
  local archive
  mkdir -p "$demo/images"
  for archive in "$bin"/images/*.tar; do
    cmp -s "$archive" "$demo/images/${archive##*/}" && continue
    cp "$archive" "$demo/images/.new"
    mv "$demo/images/.new" "$demo/images/${archive##*/}"
  done
}

# values writes the release's values: ports that are free on this machine, since it is
# on these that the operator listens.
values() {
  local ports=()
  while [ ${#ports[@]} -lt 3 ]; do
    port=$((20000 + RANDOM % 12000))
    if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && [[ " ${ports[*]} " != *" $port "* ]]; then ports+=("$port"); fi
  done
  cat <<VALUES
app:
  webhook:
    port: ${ports[0]}
  metrics:
    port: ${ports[1]}
  readinessProbe:
    port: ${ports[2]}
VALUES
}

# install installs the chart, or upgrades it if chart or operator have changed. A
# release that somebody else has changed meanwhile stays as it is otherwise.
install() {
  local stamp had
  stamp="$(digest "$(chart)") $(digest "$demo/images/trust-manager.tar")"
  [ -f "$demo/values.yaml" ] || values >"$demo/values.yaml"
  had=$(cat "$demo/installed" 2>/dev/null || true)
  if h status "${release[@]}" >/dev/null 2>&1 && [ "$had" = "$stamp" ]; then
    echo "The release trust-manager is installed."
    return
  fi
  h upgrade -i "${release[@]}" "$(chart)" --create-namespace -f "$demo/values.yaml" >"$demo/helm.log"
  # The same version of another build has the same manifests.
  if [ -n "$had" ]; then k -n cert-manager rollout restart deployment/trust-manager; fi
  echo "$stamp" >"$demo/installed"
  grep -E '^(STATUS|REVISION)' "$demo/helm.log"
}

bundle() {
  cat <<'BUNDLE'
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
}

# settled: whether cert-manager works, or never will.
settled() { grep -qx ready "$demo/neighbours.log" || ! runs neighbours; }

# accepted: whether the API server takes a Bundle, which it does when the webhook
# answers with a certificate that it trusts.
accepted() { bundle | k apply --dry-run=server -f -; }

# synced: whether the operator has said of the Bundle, as it stands now, that it is
# synced.
synced() {
  [ "$(k get bundle example-bundle -o jsonpath='{.status.conditions[?(@.type=="Synced")].status} {.status.conditions[?(@.type=="Synced")].observedGeneration}')" = \
    "True $(k get bundle example-bundle -o jsonpath='{.metadata.generation}')" ]
}

up() {
  mkdir -p "$demo"
  say "Kubernetes (built from source on the first run: about 8 minutes on 2 cores)"
  local assets # of its own, so that a build that fails ends this
  assets=$("$bin/cluster" build)
  ln -sf "$assets/kubectl" "$bin/kubectl"
  # Webhooks are called at the addresses of their pods, since no node has a proxy.
  "$bin/cluster" up --dir "$cluster" --kubeconfig "$kubeconfig" --apiserver-arg=--enable-aggregator-routing=true

  say "cert-manager"
  background neighbours cert-manager
  await 60 settled
  runs neighbours || fail "cert-manager has ended"

  say "Images and chart (about 15 seconds when something has changed)"
  build_images
  hand_over

  say "The release trust-manager in the namespace cert-manager; its pods as processes of this machine"
  # shellcheck disable=SC2016 # localnode expands it
  background localnode --images "$demo/images" --dir "$demo/node" --arg '--kubeconfig=$(KUBECONFIG)'
  install
  k -n cert-manager rollout status deployment/trust-manager --timeout=120s || fail "the operator is not up"
  await 60 accepted

  say "The quick start's first Bundle"
  if k get bundle example-bundle >/dev/null 2>&1; then
    echo "It is there already, and stays as it is."
    await 60 synced
    show
    return
  fi
  local start
  start=$(now)
  bundle | k apply -f -
  await 60 synced
  show "from apply to synced: $(since "$start")"
}

# show tells what was reached, and one more figure.
show() {
  k get bundle example-bundle
  echo
  echo "  namespaces reached: $(k get configmap -A -l trust.cert-manager.io/bundle=example-bundle --no-headers | wc -l) of $(k get namespace --no-headers | wc -l)"
  echo "  certificates:       $(k get configmap example-bundle -o jsonpath="{.data['trust-bundle\.pem']}" | grep -c 'BEGIN CERTIFICATE')"
  echo "  CA package:         $(k get bundle example-bundle -o jsonpath='{.status.defaultCAVersion}')"
  if [ $# -gt 0 ]; then echo "  $1"; fi
  cat <<HINTS

The cluster keeps running. kubectl and helm, of the same versions, for this shell
(docs/guide/maintaining.md needs jq too, which is a package of most systems):

  export PATH="$bin:\$PATH"

To go on, with docs/guide/quickstart.md:

  kubectl --kubeconfig ./bin/kubeconfig.yaml get bundle example-bundle
  kubectl --kubeconfig ./bin/kubeconfig.yaml get configmap example-bundle -o "jsonpath={.data['trust-bundle\.pem']}" | less
  kubectl --kubeconfig ./bin/kubeconfig.yaml create namespace team-a      # gets the bundle at once
  less ./bin/demo.d/node/logs/*                                           # what the operator says
  make demo-down                                                          # stop everything
HINTS
}

# package builds the default CA package once more, under another tag and without its
# last root, so that an upgrade can be seen. It needs jq.
package() {
  local tag=$1 work archive=$demo/images
  [ -d "$archive" ] || { echo "demo: it is not up; run make demo" >&2; exit 1; }
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # its value now
  trap "rm -rf '$work'" EXIT
  mkdir -p "$work/binaries/$(go env GOARCH)" "$work/packages"
  cp "$bin/trust-manager" "$bin/trust-package-copy" "$work/binaries/$(go env GOARCH)/"
  "$bin/trust-package" mozilla --out "$work/mozilla.json" 2>/dev/null
  jq -r .bundle "$work/mozilla.json" | tac | sed '1,/BEGIN CERTIFICATE/d' | tac >"$work/roots.pem"
  "$bin/trust-package" pem --name mozilla --version "$tag" --out "$work/packages/trust-pkg-mozilla.json" "$work/roots.pem"
  echo "mozilla $tag pkg:generic/mozilla@$tag sha256:$(sha256sum "$work/roots.pem" | cut -d' ' -f1)" >"$work/packages/trust-pkg-mozilla.source"
  go -C hack/images run . build --binaries "$work/binaries" --packages "$work/packages" --out "$work" --version "$tag" --revision unknown >/dev/null
  mv "$work/trust-pkg-mozilla.tar" "$archive/trust-pkg-mozilla-$tag.tar"
  echo "The demo's node has the image trust-manager.io/images/trust-pkg-mozilla:$tag."
}

case "${1:-}" in
up) up ;;
down) down ;;
package) package "${2:?the tag of the package is missing}" ;;
*)
  echo "usage: hack/demo.sh up|package TAG|down" >&2
  exit 2
  ;;
esac
