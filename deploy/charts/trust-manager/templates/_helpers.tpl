{{- define "trust-manager.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* The name of the metrics Service, which must not be longer than a label. */ -}}
{{- define "trust-manager.metricsService" -}}
{{ include "trust-manager.name" . | trunc 55 | trimSuffix "-" }}-metrics
{{- end -}}

{{- define "trust-manager.namespace" -}}
{{- .Values.namespace | default .Release.Namespace -}}
{{- end -}}

{{- define "trust-manager.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "trust-manager.name" .) -}}
{{- end -}}

{{- /* Labels of all objects. commonLabels may override the chart's own. */ -}}
{{- define "trust-manager.labels" -}}
{{- $labels := dict
  "app.kubernetes.io/name" (include "trust-manager.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (mergeOverwrite $labels (.Values.commonLabels | default dict)) -}}
{{- end -}}

{{- /* The metadata of an object: (dict "root" $ "name" … "namespace" … "labels" … "annotations" …); the last three are optional. */ -}}
{{- define "trust-manager.metadata" -}}
name: {{ .name | quote }}
{{- with .namespace }}
namespace: {{ . | quote }}
{{- end }}
labels:
  {{- mergeOverwrite (include "trust-manager.labels" .root | fromYaml) (.labels | default dict) | toYaml | nindent 2 }}
{{- with mergeOverwrite dict (.root.Values.commonAnnotations | default dict) (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The reference of an image: (dict "root" $ "image" … "tag" …). */ -}}
{{- define "trust-manager.image" -}}
{{- $image := .image -}}
{{- $values := .root.Values -}}
{{- with $image.registry }}{{ . }}/{{ end }}
{{- if $image.repository -}}
{{ $image.repository }}
{{- else -}}
{{- with $values.imageRegistry }}{{ . }}/{{ end }}{{ with $values.imageNamespace }}{{ . }}/{{ end }}{{ $image.name }}
{{- end -}}
{{- /* Helm parses a tag of digits as a number and would render it as 2.0261e+07. */ -}}
{{- with $image.tag | default .tag }}:{{ if kindIs "string" . }}{{ . }}{{ else }}{{ int64 . }}{{ end }}{{ end }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- /* The subject of the bindings. */ -}}
{{- define "trust-manager.subjects" -}}
- kind: ServiceAccount
  name: {{ include "trust-manager.serviceAccount" . | quote }}
  namespace: {{ include "trust-manager.namespace" . | quote }}
{{- end -}}

{{- /* The issuer of the webhook's certificate. */ -}}
{{- define "trust-manager.tlsMode" -}}
{{- $tls := .Values.app.webhook.tls -}}
{{- $mode := $tls.mode | default "auto" -}}
{{- $usesCertManager := or $tls.approverPolicy.enabled $tls.certificate.duration $tls.certificate.secretTemplate -}}
{{- if and $tls.helmCert.enabled $tls.approverPolicy.enabled -}}
{{- fail "app.webhook.tls: helmCert.enabled and approverPolicy.enabled are mutually exclusive: approver-policy approves certificates of cert-manager" -}}
{{- end -}}
{{- if ne $mode "auto" -}}
{{- if and $tls.helmCert.enabled (ne $mode "helm") -}}
{{- fail (printf "app.webhook.tls: helmCert.enabled contradicts mode %s" $mode) -}}
{{- end -}}
{{- if and $tls.approverPolicy.enabled (ne $mode "certManager") -}}
{{- fail (printf "app.webhook.tls: approverPolicy.enabled contradicts mode %s" $mode) -}}
{{- end -}}
{{- $mode -}}
{{- else if $tls.helmCert.enabled -}}
helm
{{- else if or $usesCertManager (.Capabilities.APIVersions.Has "cert-manager.io/v1") -}}
certManager
{{- else -}}
selfManaged
{{- end -}}
{{- end -}}

{{- /* The Secret of the webhook's certificate. */ -}}
{{- define "trust-manager.tlsSecret" -}}
{{ include "trust-manager.name" . }}-tls
{{- end -}}

{{- /* Rules for target objects. */ -}}
{{- define "trust-manager.configMapRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update, patch, delete]
{{- end -}}

{{- /* Rules for ClusterTrustBundles. Writes are limited to names: who may write any of them may write all that have no signer. */ -}}
{{- define "trust-manager.clusterTrustBundleRules" -}}
{{- $trust := .Values.clusterTrustBundles -}}
{{- if or $trust.enabled $trust.sources }}
- apiGroups: [certificates.k8s.io]
  resources: [clustertrustbundles]
  verbs: [list, watch]
{{- end }}
{{- if and $trust.enabled $trust.names }}
- apiGroups: [certificates.k8s.io]
  resources: [clustertrustbundles]
  resourceNames:
    {{- toYaml $trust.names | nindent 4 }}
  verbs: [get, create, update, patch, delete]
{{- end }}
{{- if and $trust.enabled $trust.signers }}
- apiGroups: [certificates.k8s.io]
  resources: [signers]
  resourceNames:
    {{- toYaml $trust.signers | nindent 4 }}
  verbs: [attest]
{{- end }}
{{- end -}}

{{- define "trust-manager.secretRules" -}}
{{- $secrets := .Values.secretTargets -}}
{{- if $secrets.enabled }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
{{- if $secrets.authorizedSecretsAll }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, update, patch, delete]
{{- else if $secrets.authorizedSecrets }}
- apiGroups: [""]
  resources: [secrets]
  resourceNames:
    {{- toYaml $secrets.authorizedSecrets | nindent 4 }}
  verbs: [get, create, update, patch, delete]
{{- end }}
{{- end }}
{{- end -}}
