#!/usr/bin/env bash
# Generates the chart's templates of the CustomResourceDefinitions from deploy/crds.
set -euo pipefail
CDPATH= cd -P "$(dirname "$0")/.."

# template NAME FILE TEMPLATE CONDITION writes one template.
template() {
  local crd=deploy/crds/$2 out=deploy/charts/trust-manager/templates/$3
  if grep -q '{{' "$crd"; then
    echo "chartcrd: $crd contains {{, which Helm would interpret" >&2
    exit 1
  fi
  {
    echo '{{- /* Generated from deploy/crds by `make generate`. Do not edit. */ -}}'
    echo "{{- if and .Values.enabled .Values.crds.enabled$4 }}"
    awk -v name="$1" '
      /^metadata:$/ {
        print
        print "  name: " name
        print "  labels:"
        print "    {{- include \"trust-manager.labels\" . | nindent 4 }}"
        print "  annotations:"
        skip = 1
        next
      }
      skip && /^  annotations:$/ { next }
      skip && /^  name:/ { next }
      skip && /^spec:$/ {
        skip = 0
        print "    {{- if .Values.crds.keep }}"
        print "    helm.sh/resource-policy: keep"
        print "    {{- end }}"
        print "    {{- with .Values.commonAnnotations }}"
        print "    {{- toYaml . | nindent 4 }}"
        print "    {{- end }}"
      }
      /^---$/ { next }
      { print }
    ' "$crd"
    echo '{{- end }}'
  } >"$out"
}

template bundles.trust.cert-manager.io trust.cert-manager.io_bundles.yaml crd.yaml ''
template clusterbundles.trust-manager.io trust-manager.io_clusterbundles.yaml crd-clusterbundle.yaml ' (dig "clusterBundle" "enabled" true .Values.crds)'
