{{- define "trust-manager.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* The Service of the metrics: its name must not be longer than a label. */ -}}
{{- define "trust-manager.metricsService" -}}
{{ include "trust-manager.name" . | trunc 55 | trimSuffix "-" }}-metrics
{{- end -}}

{{- define "trust-manager.namespace" -}}
{{- .Values.namespace | default .Release.Namespace -}}
{{- end -}}

{{- define "trust-manager.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "trust-manager.name" .) -}}
{{- end -}}

{{- /* Labels of all objects. */ -}}
{{- define "trust-manager.labels" -}}
app.kubernetes.io/name: {{ include "trust-manager.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The metadata of an object: (dict "root" $ "name" … "namespace" … "labels" … "annotations" …), the last three if wanted. */ -}}
{{- define "trust-manager.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "trust-manager.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with mergeOverwrite dict (deepCopy .root.Values.commonAnnotations) (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The reference of an image: (dict "root" $ "image" … "tag" …). */ -}}
{{- define "trust-manager.image" -}}
{{- $image := .image -}}
{{- $values := .root.Values -}}
{{- if $image.repository -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- else -}}
{{- $image.registry | default $values.imageRegistry }}/{{ with $values.imageNamespace }}{{ . }}/{{ end }}{{ $image.name }}
{{- end -}}
{{- /* Helm takes a tag of digits for a number, and would write it as 2.0261e+07. */ -}}
{{- with $image.tag | default .tag }}:{{ if kindIs "string" . }}{{ . }}{{ else }}{{ int64 . }}{{ end }}{{ end }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- /* The subject of the bindings. */ -}}
{{- define "trust-manager.subjects" -}}
- kind: ServiceAccount
  name: {{ include "trust-manager.serviceAccount" . }}
  namespace: {{ include "trust-manager.namespace" . }}
{{- end -}}

{{- /* Who makes the webhook's certificate. */ -}}
{{- define "trust-manager.tlsMode" -}}
{{- $tls := .Values.app.webhook.tls -}}
{{- $usesCertManager := or $tls.approverPolicy.enabled $tls.certificate.duration $tls.certificate.secretTemplate -}}
{{- if and $tls.helmCert.enabled $tls.approverPolicy.enabled -}}
{{- fail "app.webhook.tls: helmCert.enabled and approverPolicy.enabled exclude each other: approver-policy approves certificates of cert-manager" -}}
{{- end -}}
{{- if ne $tls.mode "auto" -}}
{{- if and $tls.helmCert.enabled (ne $tls.mode "helm") -}}
{{- fail (printf "app.webhook.tls: helmCert.enabled contradicts mode %s" $tls.mode) -}}
{{- end -}}
{{- if and $tls.approverPolicy.enabled (ne $tls.mode "certManager") -}}
{{- fail (printf "app.webhook.tls: approverPolicy.enabled contradicts mode %s" $tls.mode) -}}
{{- end -}}
{{- $tls.mode -}}
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

{{- /* Rules for objects that are targets. */ -}}
{{- define "trust-manager.configMapRules" -}}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update, patch, delete]
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
