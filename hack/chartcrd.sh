#!/usr/bin/env bash
# Generates the chart's template of the CustomResourceDefinition from deploy/crds.
set -euo pipefail
cd -P "$(dirname "$0")/.."

crd=deploy/crds/trust.cert-manager.io_bundles.yaml
out=deploy/charts/trust-manager/templates/crd.yaml
if grep -q '{{' "$crd"; then
  echo "chartcrd: $crd contains {{, which Helm would interpret" >&2
  exit 1
fi
{
  echo '{{- /* Generated from deploy/crds by `make generate`. Do not edit. */ -}}'
  echo '{{- if and .Values.enabled .Values.crds.enabled }}'
  awk '
    /^metadata:$/ {
      print
      print "  name: bundles.trust.cert-manager.io"
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
