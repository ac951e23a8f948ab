#!/usr/bin/env bash
# Runs the demo in stages: first the quick start's Bundle on a real API server, with the
# operator as a process; then the rest, with the chart installed by Helm, its images and a
# webhook certificate from cert-manager. Each stage builds only what it needs. The pods run as
# processes on this machine (bin/localnode).
#
#   hack/demo.sh up            start everything that is not running, show the result
#   hack/demo.sh package TAG   add a default CA package with one root less to the node,
#                              as image tag TAG, to try an upgrade
#   hack/demo.sh down          stop everything and delete its state
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."

unset HELM_KUBEAPISERVER HELM_KUBETOKEN HELM_KUBECONTEXT HELM_DRIVER
bin=$PWD/bin
cluster=$bin/cluster.d
kubeconfig=$bin/kubeconfig.yaml
# The state of the running demo: its processes, the images of its node, and the values
# of the release.
demo=$bin/demo.d
release=(-n cert-manager trust-manager)

say() { printf '\n== %s\n' "$*"; }

now() { date +%s%N; }

# stage TEXT begins a stage. The duration of each is a line of the file stages: seconds, a tab,
# and the text up to the first parenthesis.
stage() {
  finish
  stage_text=$1
  stage_start=$(now)
  say "$1"
}

# finish ends the stage that has begun last.
finish() {
  if [ -n "${stage_text-}" ]; then
    printf '%d\t%s\n' $((($(now) - stage_start) / 1000000000)) "${stage_text%% (*}" >>"$demo/stages"
  fi
  stage_text=
}

# since START prints the seconds since START, with two decimals.
since() { printf '%d.%02d s' $((($(now) - $1) / 1000000000)) $((($(now) - $1) / 10000000 % 100)); }

k() { "$bin/kubectl" --kubeconfig "$kubeconfig" "$@"; }

h() { "$bin/helm" --kubeconfig "$kubeconfig" "$@"; }

# digest PATH... prints one digest of all files and of all files in folders.
digest() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1; }

# fail MESSAGE prints the last lines of all logs and exits.
fail() {
  echo "demo: $*; last lines of all logs in $demo:" >&2
  find "$demo" -name '*.log' -exec tail -n 10 {} + >&2 || true
  exit 1
}

# await SECONDS COMMAND... retries a command until it succeeds.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "timed out waiting for: $*"
    sleep 0.1
  done
}

# runs NAME reports whether the background process of that name is running. It checks
# the program as well, since process ids are reused.
runs() {
  local pid
  pid=$(cat "$demo/$1.pid" 2>/dev/null) &&
    [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/ (deleted)$//')" = "$bin/$1" ]
}

# background NAME ARGUMENT... starts bin/NAME, unless the same program is already running
# with the same arguments on the same cluster.
background() {
  local name=$1 stamp
  stamp="$* $(sha256sum "$bin/$name" "$kubeconfig")"
  if runs "$name" && [ "$(cat "$demo/$name.stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
  end "$name"
  setsid "$bin/$@" --kubeconfig "$kubeconfig" >"$demo/$name.log" 2>&1 </dev/null &
  echo $! >"$demo/$name.pid"
  printf '%s' "$stamp" >"$demo/$name.stamp"
}

# end NAME stops the background process of that name.
end() {
  if runs "$1"; then
    kill "$(cat "$demo/$1.pid")" || true # it may have ended meanwhile
    for _ in $(seq 100); do
      runs "$1" || break
      sleep 0.1
    done
    if runs "$1"; then kill -9 "$(cat "$demo/$1.pid")"; fi
  fi
  rm -f "$demo/$1.pid" "$demo/$1.stamp"
}

down() {
  end trust-manager
  end localnode
  end certmanager
  "$bin/cluster" down --dir "$cluster"
  rm -rf "$demo"
  rm -f "$kubeconfig" "$bin/kubectl"
  echo "The demo is down."
}

# build_images builds images and chart if any of their inputs has changed. Packages of
# Debian's roots, which need a mirror, are built only for the requested SUITES.
build_images() {
  local stamp built=$bin/demo.stamp
  stamp="$(digest api cmd internal deploy/charts hack/tools go.mod go.sum hack/images.sh hack/chart.sh) ${SUITES-}"
  if [ "$(cat "$built" 2>/dev/null)" = "$stamp $(cat "$bin/images/digests" 2>/dev/null)" ] && chart >/dev/null; then
    echo "Up to date."
    return
  fi
  ARCHITECTURES=$(go env GOARCH) SUITES=${SUITES-} hack/images.sh
  hack/chart.sh
  echo "$stamp $(cat "$bin/images/digests")" >"$built"
}

# chart prints the path of the packaged chart.
chart() { ls "$bin"/charts/trust-manager-*.tgz; }

# hand_over copies the built images to the node. Other tags on the node are kept.
hand_over() {
  local archive
  mkdir -p "$demo/images"
  for archive in "$bin"/images/*.tar; do
    cmp -s "$archive" "$demo/images/${archive##*/}" && continue
    cp "$archive" "$demo/images/.new"
    mv "$demo/images/.new" "$demo/images/${archive##*/}"
  done
}

# values prints the release's values: ports that are free on this machine, because the
# operator listens on them directly.
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

# install installs the chart, or upgrades it if chart or operator have changed.
# Otherwise it leaves the release alone, even if a user has changed it.
install() {
  local stamp installed
  stamp="$(digest "$(chart)") $(digest "$demo/images/trust-manager.tar")"
  [ -f "$demo/values.yaml" ] || values >"$demo/values.yaml"
  installed=$(cat "$demo/installed" 2>/dev/null || true)
  if h status "${release[@]}" >/dev/null 2>&1 && [ "$installed" = "$stamp" ]; then
    echo "The release trust-manager is installed."
    return
  fi
  # What an interrupted command has left would block the next one.
  k -n cert-manager delete secret -l 'owner=helm,name=trust-manager,status in (pending-install,pending-upgrade,pending-rollback)' >/dev/null 2>&1 || true
  h upgrade -i "${release[@]}" "$(chart)" --create-namespace -f "$demo/values.yaml" >"$demo/helm.log"
  # Another build of the same version has the same manifests.
  if [ -n "$installed" ]; then k -n cert-manager rollout restart deployment/trust-manager; fi
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

# settled reports whether cert-manager is ready or has exited.
settled() { grep -qx ready "$demo/certmanager.log" || ! kill -0 "$(cat "$demo/certmanager.pid")"; }

# accepted reports whether the API server accepts a Bundle, which requires that the
# webhook answers with a trusted certificate.
accepted() { bundle | k apply --dry-run=server -f -; }

# synced reports whether the current generation of the Bundle is synced.
synced() {
  [ "$(k get bundle example-bundle -o jsonpath='{.status.conditions[?(@.type=="Synced")].status} {.status.conditions[?(@.type=="Synced")].observedGeneration}')" = \
    "True $(k get bundle example-bundle -o jsonpath='{.metadata.generation}')" ]
}

# control_plane [--without-controller-manager] starts the control plane, or completes it. One that
# has a controller manager keeps it.
control_plane() {
  if grep -qs kube-controller-manager "$cluster/state.json"; then set --; fi
  # The API server calls webhooks at the addresses of their pods: there is no kube-proxy.
  "$bin/cluster" up --dir "$cluster" --kubeconfig "$kubeconfig" --apiserver-arg=--enable-aggregator-routing=true "$@"
}

# preview runs the operator as a process with the rights of an administrator and without its
# webhook, until the chart is installed.
preview() {
  local start
  # Helm takes over objects that carry its marks.
  k apply --server-side --field-manager=helm -f deploy/crds
  k label --overwrite --field-manager=helm -f deploy/crds app.kubernetes.io/managed-by=Helm >/dev/null
  k annotate --overwrite --field-manager=helm -f deploy/crds meta.helm.sh/release-name=trust-manager meta.helm.sh/release-namespace=cert-manager >/dev/null
  k wait --for=condition=Established -f deploy/crds >/dev/null
  k get namespace cert-manager >/dev/null 2>&1 || k create namespace cert-manager
  "$bin/trust-package" mozilla --out "$demo/mozilla.json" 2>"$demo/trust-package.log"
  background trust-manager --default-package-location "$demo/mozilla.json" --leader-elect=false \
    --webhook-port 0 --metrics-port 0 --readiness-probe-port 0
  await 30 grep -q 'Starting workers.*controller=target' "$demo/trust-manager.log"
  if ! k get bundle example-bundle >/dev/null 2>&1; then
    start=$(now)
    bundle | k apply -f -
    await 60 synced
    echo "from apply to synced: $(since "$start")" >"$demo/first"
  fi
  await 60 synced
  show
}

up() {
  trap 'echo "demo: interrupted. What runs keeps running: make demo continues, make demo-down stops it." >&2; exit 130' INT
  own_binaries
  mkdir -p "$demo"
  : >"$demo/stages"
  local assets before began # declared separately, so that a failed build exits
  began=$(now)
  if [ ! -f "$demo/installed" ]; then
    stage "The operator (the first build takes about 2 minutes on 2 cores)"
    make build-operator
    stage "API server, etcd and kubectl (built from source on the first run: about 6 minutes on 2 cores)"
    assets=$("$bin/cluster" build --without-controller-manager)
    ln -sf "$assets/kubectl" "$bin/kubectl"
    stage "The quick start's first Bundle"
    control_plane --without-controller-manager
    preview
    cat <<NEXT

  after $((($(now) - began) / 1000000000)) s. This is the operator as a process, without its webhook. You can use it now, in
  another terminal:

    export PATH="$bin:\$PATH"
    kubectl --kubeconfig ./bin/kubeconfig.yaml get bundle example-bundle

  Next come the controller manager, Helm, cert-manager, images and the chart: on the first run, about
  7 minutes on 2 cores. The Bundle and its targets stay.
NEXT
  fi

  stage "Controller manager (built on the first run: about 2 minutes on 2 cores)"
  assets=$("$bin/cluster" build)
  ln -sf "$assets/kubectl" "$bin/kubectl"
  control_plane

  stage "Helm, cert-manager and the other programs (built on the first run: about 5 minutes on 2 cores)"
  make build "$bin/localnode" "$bin/helm" "$bin/certmanager"

  stage "Images and chart (about 15 seconds when something has changed)"
  build_images
  hand_over

  stage "cert-manager"
  background certmanager cert-manager
  await 60 settled
  runs certmanager || fail "cert-manager has exited"

  stage "The chart (release trust-manager in the namespace cert-manager, its pods as processes of this machine)"
  # shellcheck disable=SC2016 # localnode expands it
  background localnode --images "$demo/images" --dir "$demo/node" --arg '--kubeconfig=$(KUBECONFIG)'
  before=
  if runs trust-manager; then # the preview
    before=$(versions)
    end trust-manager
  fi
  install
  k -n cert-manager rollout status deployment/trust-manager --timeout=120s || fail "the operator is not ready"
  await 60 accepted
  k get bundle example-bundle >/dev/null 2>&1 || bundle | k apply -f -
  await 60 synced
  finish

  say "The result"
  if [ -n "$before" ] && [ "$before" = "$(versions)" ]; then
    show "targets rewritten:  none, by the operator of the chart"
  else
    show
  fi
  hints
  [ $((($(now) - began) / 1000000000)) -lt 60 ] || durations
}

# own_binaries ignores KUBEBUILDER_ASSETS if a program is missing there, so that all are built:
# envtest's downloads have no controller manager.
own_binaries() {
  local name
  [ -n "${KUBEBUILDER_ASSETS-}" ] || return 0
  for name in etcd kube-apiserver kube-controller-manager kubectl; do
    if [ ! -x "$KUBEBUILDER_ASSETS/$name" ]; then
      echo "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no $name, so the demo builds the control plane's programs."
      unset KUBEBUILDER_ASSETS
      return 0
    fi
  done
}

# versions prints the resource versions of all targets.
versions() {
  k get configmap -A -l trust.cert-manager.io/bundle=example-bundle -o jsonpath='{.items[*].metadata.resourceVersion}' 2>/dev/null || true
}

# durations prints how long each stage has taken.
durations() {
  echo
  awk -F '\t' '{ seconds[NR] = $1; name[NR] = $2; sum += $1 }
    END { for (i = 1; i <= NR; i++) printf "  %4d s  %3d %%  %s\n", seconds[i], 100 * seconds[i] / sum, name[i]; printf "  %4d s         in total\n", sum }' "$demo/stages"
}

# show [LINE] prints what the first Bundle has reached, and one more line.
show() {
  k get bundle example-bundle
  echo
  echo "  namespaces reached: $(k get configmap -A -l trust.cert-manager.io/bundle=example-bundle --no-headers | wc -l) of $(k get namespace --no-headers | wc -l)"
  echo "  certificates:       $(k get configmap example-bundle -o jsonpath="{.data['trust-bundle\.pem']}" | grep -c 'BEGIN CERTIFICATE')"
  echo "  CA package:         $(k get bundle example-bundle -o jsonpath='{.status.defaultCAVersion}')"
  if [ -f "$demo/first" ]; then echo "  $(cat "$demo/first")"; fi
  if [ $# -gt 0 ]; then echo "  $1"; fi
}

# hints prints what to do next.
hints() {
  cat <<HINTS

The cluster keeps running. To use the matching kubectl and helm in this shell
(docs/guide/maintaining.md also needs jq, which most systems have as a package):

  export PATH="$bin:\$PATH"

To continue with docs/guide/quickstart.md:

  kubectl --kubeconfig ./bin/kubeconfig.yaml get bundle example-bundle
  kubectl --kubeconfig ./bin/kubeconfig.yaml get configmap example-bundle -o "jsonpath={.data['trust-bundle\.pem']}" | less
  kubectl --kubeconfig ./bin/kubeconfig.yaml create namespace team-a      # gets the bundle at once
  less ./bin/demo.d/node/logs/*                                           # log of the operator

To ask questions about it (docs/guide/cli.md):

  kubectl trust explain "ISRG Root X1" --kubeconfig ./bin/kubeconfig.yaml # which Bundles trust this CA, and why?
  kubectl trust verify example.com --bundle example-bundle --kubeconfig ./bin/kubeconfig.yaml
  kubectl trust report --kubeconfig ./bin/kubeconfig.yaml >report.html    # what is trusted where?

  make demo-down                                                          # stop everything
HINTS
}

# package TAG builds the default CA package without its last root, as image tag TAG, to
# demonstrate an upgrade. It needs jq.
package() {
  local tag=$1 work archive=$demo/images
  [ -d "$archive" ] || { echo "demo: the demo is not running; run make demo" >&2; exit 1; }
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # expand $work now
  trap "rm -rf '$work'" EXIT
  mkdir -p "$work/binaries/$(go env GOARCH)" "$work/packages"
  cp "$bin/trust-manager" "$bin/trust-package-copy" "$work/binaries/$(go env GOARCH)/"
  "$bin/trust-package" mozilla --out "$work/mozilla.json" 2>/dev/null
  jq -r .bundle "$work/mozilla.json" | tac | sed '1,/BEGIN CERTIFICATE/d' | tac >"$work/roots.pem"
  "$bin/trust-package" pem --name mozilla --version "$tag" --out "$work/packages/trust-pkg-mozilla.json" "$work/roots.pem"
  echo "mozilla $tag pkg:generic/mozilla@$tag sha256:$(sha256sum "$work/roots.pem" | cut -d' ' -f1)" >"$work/packages/trust-pkg-mozilla.source"
  GOWORK=off go -C hack/tools run ./images build --binaries "$work/binaries" --packages "$work/packages" --out "$work" --version "$tag" --revision unknown >/dev/null
  mv "$work/trust-pkg-mozilla.tar" "$archive/trust-pkg-mozilla-$tag.tar"
  echo "The demo's node has the image trust-manager.io/images/trust-pkg-mozilla:$tag."
}

case "${1:-}" in
up) up ;;
down) down ;;
package) package "${2:?missing TAG}" ;;
*)
  echo "usage: hack/demo.sh up|package TAG|down" >&2
  exit 2
  ;;
esac
