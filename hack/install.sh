#!/usr/bin/env bash
# Prints install.yaml: the namespace, the CustomResourceDefinitions and the operator, in the
# order in which they can be applied, with the values in deploy/install/values.yaml. CHART is
# the folder or the package of the chart. The manifest is rendered for the oldest supported
# Kubernetes, so that all supported versions accept it.
#
#   hack/install.sh CHART
set -euo pipefail
chart=$(realpath "${1:?missing CHART}")
CDPATH= cd -P "$(dirname "$0")/.."

oldest=$(sed -n 's/^kubeVersion: ">= \([0-9.]*\)-0"$/\1/p' deploy/charts/trust-manager/Chart.yaml)
[ -n "$oldest" ] || { echo "install: Chart.yaml states no oldest version of Kubernetes" >&2; exit 1; }
version=$(bin/helm show chart "$chart" | sed -n 's/^appVersion: *//p')
cat <<HEADER
# trust-manager $version: CustomResourceDefinitions and operator.
#
#   kubectl apply -f install.yaml
#
# Rendered from the chart with the values in deploy/install/values.yaml.
HEADER
bin/helm template trust-manager "$chart" --namespace trust-manager --values deploy/install/values.yaml --kube-version "$oldest"
