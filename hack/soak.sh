#!/usr/bin/env bash
# Runs random walks with many steps, one for each seed, in parallel, each on its own
# control plane: two thirds of the steps without faults, and the rest while one in five
# of the operator's writes is answered with a conflict. Fails if any walk fails.
#
#   hack/soak.sh STEPS QUIET "SEED ..."
set -euo pipefail
CDPATH= cd "$(dirname "$0")/.."
steps=$1 quiet=$2 seeds=$3
logs=bin/soak
mkdir -p "$logs"

# Each walk is a process group, so that none of its processes outlives this script.
set -m
declare -A walks
stop() { for walk in "${walks[@]}"; do kill -- "-$walk" 2>/dev/null || true; done; }
trap stop EXIT

for seed in $seeds; do
  go test -v -count=1 -timeout 2h ./test/integration/walk -seed "$seed" \
    -steps "$((steps - steps / 3))" -conflict-steps "$((steps / 3))" -quiet "$quiet" \
    >"$logs/seed-$seed.log" 2>&1 &
  walks[$seed]=$!
done

failed=0
for seed in $seeds; do
  wait "${walks[$seed]}" || failed=1
  echo "== seed $seed: $logs/seed-$seed.log"
  # The verdict, how to reproduce a failure, and the summary of go test.
  grep -E "seed $seed[:,]|to repeat it|^(--- |ok|FAIL|panic)" "$logs/seed-$seed.log" || tail -n 20 "$logs/seed-$seed.log"
done
exit "$failed"
