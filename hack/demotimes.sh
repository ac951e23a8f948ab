#!/usr/bin/env bash
# Measures the demo in a copy of the last commit with an empty home: no build cache, no module
# cache, no Kubernetes. Prints a table of its stages, and with UPDATE=1 writes it into README.md.
# Do not use the machine meanwhile.
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'make -s -C "$work/checkout" demo-down >&2 || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT
git clone -q . "$work/checkout"

# demo runs `make demo` with the empty home and prints the seconds that it took. The settings of Go
# that say where modules come from are kept.
demo() {
  local start=$SECONDS
  env -u GOFLAGS -u KUBEBUILDER_ASSETS HOME="$work/home" GOPATH="$work/home/go" GOCACHE="$work/home/cache" \
    GOMODCACHE="$work/home/modules" XDG_CACHE_HOME="$work/home/cache" TRUST_MANAGER_CACHE="$work/home/trust-manager" \
    GOPROXY="$(go env GOPROXY)" GOSUMDB="$(go env GOSUMDB)" GONOSUMDB="$(go env GONOSUMDB)" GOTOOLCHAIN="$(go env GOTOOLCHAIN)" \
    make -C "$work/checkout" demo >>"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
  echo $((SECONDS - start))
}

# duration SECONDS prints minutes and seconds.
duration() { if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi; }

mkdir -p "$work/home"
echo "a cold demo in $work/checkout (about 15 minutes)" >&2
whole=$(demo)
stages=$(cat "$work/checkout/bin/demo.d/stages")
again=$(demo)
make -s -C "$work/checkout" demo-down >/dev/null 2>&1
built=$(demo)
# The stages begin once the tool for clusters is built.
tool=$((whole - $(awk '{ sum += $1 } END { print sum }' <<<"$stages")))
stages=$(printf '%d\tThe tool that runs clusters\n%s' "$tool" "$stages")
first=$(awk -F '\t' '{ sum += $1 } $2 ~ /first Bundle$/ { print sum }' <<<"$stages")

table=$(
  cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  echo "| \`make demo\`, stage | nothing cached | share |"
  echo "|---|---|---|"
  while IFS=$'\t' read -r seconds text; do
    echo "| $text | $(duration "$seconds") | $((100 * seconds / whole)) % |"
  done <<<"$stages"
  echo "| **until the first Bundle is synced** | **$(duration "$first")** | $((100 * first / whole)) % |"
  echo "| **the whole demo** | **$(duration "$whole")** | |"
  echo "| again, while it runs | $(duration "$again") | |"
  echo "| after \`make demo-down\` | $(duration "$built") | |"
  echo
  echo "Measured by \`make demo-times\` on $(nproc) cores${cpu:+ ($cpu)}."
)
echo "$table"
if [ -n "${UPDATE-}" ]; then
  grep -q '<!-- end of demo times -->' README.md
  awk -v table="$table" '
    /<!-- end of demo times -->/ { skip = 0 }
    !skip { print }
    /<!-- demo times -->/ { print table; skip = 1; found = 1 }
    END { exit !found }
  ' README.md >README.md.new && mv README.md.new README.md
fi
