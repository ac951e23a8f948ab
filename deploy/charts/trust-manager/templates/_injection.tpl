{{- /* A setting as a CEL expression: (dict "key" … "default" …). The pod's annotation has precedence over the namespace's label. */ -}}
{{- define "trust-manager.injectionSetting" -}}
object.metadata.?annotations[?"trust.cert-manager.io/{{ .key }}"].or(namespaceObject.metadata.?labels[?"trust.cert-manager.io/{{ .key }}"]).orValue({{ .default | toJson }})
{{- end -}}

{{- /* Whether one of the paths of a list is in the way. A path with ".." counts as one. */ -}}
{{- define "trust-manager.injectionInTheWay" -}}
exists(path,
    [path.split("/").filter(s, s != "" && s != ".")].exists(parts, ".." in parts ||
      [parts.map(s, s + "/").join("")].exists(p,
        variables.directories.exists(d, p.startsWith(d) || d.startsWith(p)) || variables.links.exists(l, p.startsWith(l)))))
{{- end -}}

{{- /* The indexes of the containers of a field that have no mount in the way. */ -}}
{{- define "trust-manager.injectionContainers" -}}
object.spec.?{{ . }}.orValue([]).transformList(i, c,
  !(c.?volumeMounts.orValue([]).map(m, m.mountPath) + c.?volumeDevices.orValue([]).map(d, d.devicePath)).{{ include "trust-manager.injectionInTheWay" . }},
  i)
{{- end -}}

{{- /* The indexes of the containers of a field to which a webhook has added a mount in the way of that of the bundle. */ -}}
{{- define "trust-manager.injectionConflicts" -}}
!variables.isInjected ? [] : object.spec.?{{ . }}.orValue([]).transformList(i, c,
  c.?volumeMounts.orValue([]).exists(m, m.name == "trust-manager-bundle") &&
  c.volumeMounts.filter(m, m.name != "trust-manager-bundle").map(m, m.mountPath).{{ include "trust-manager.injectionInTheWay" . }},
  i)
{{- end -}}

{{- /* The patches that remove from these containers what the policies have added. Each removal moves the elements behind it. */ -}}
{{- define "trust-manager.injectionRemovals" -}}
variables.{{ . }}Conflicts.map(i,
  object.spec.{{ . }}[i].volumeMounts.transformList(j, m, m.name == "trust-manager-bundle", j).transformList(k, j,
    JSONPatch{op: "remove", path: "/spec/{{ . }}/" + string(i) + "/volumeMounts/" + string(j - k)}) +
  object.spec.{{ . }}[i].?env.orValue([]).transformList(j, e,
    e.name in variables.names && e.?value.orValue("") in [variables.directory, variables.directory + "/ca-certificates.crt"], j).transformList(k, j,
    JSONPatch{op: "remove", path: "/spec/{{ . }}/" + string(i) + "/env/" + string(j - k)})
).flatten()
{{- end -}}

{{- /* The names of the variables that each container of a field lacks. */ -}}
{{- define "trust-manager.injectionEnvironment" -}}
object.spec.?{{ . }}.orValue([]).map(c,
  c.?envFrom.orValue([]).size() > 0 ? [] :
    [c.?env.orValue([]).map(e, e.name)].map(names, variables.names.filter(n, !(n in names)))[0])
{{- end -}}

{{- /* The patches of the containers of a field. */ -}}
{{- define "trust-manager.injectionPatches" -}}
variables.{{ . }}.map(i,
  (object.spec.{{ . }}[i].?volumeMounts.orValue([]).size() > 0 ? [] :
    [JSONPatch{op: "add", path: "/spec/{{ . }}/" + string(i) + "/volumeMounts", value: []}]) +
  [JSONPatch{op: "add", path: "/spec/{{ . }}/" + string(i) + "/volumeMounts/-",
    value: Object.spec.{{ . }}.volumeMounts{name: "trust-manager-bundle", mountPath: variables.directory, readOnly: true}}] +
  (object.spec.{{ . }}[i].?env.orValue([]).size() > 0 ? [] :
    [JSONPatch{op: "add", path: "/spec/{{ . }}/" + string(i) + "/env", value: []}]) +
  variables.{{ . }}Environment[i].map(n,
    JSONPatch{op: "add", path: "/spec/{{ . }}/" + string(i) + "/env/-",
      value: Object.spec.{{ . }}.env{name: n, value: variables.directory + (n in variables.files ? "/ca-certificates.crt" : "")}})
).flatten()
{{- end -}}

{{- /* A policy and its binding: (dict "root" $ "name" … "optedIn" … "bundle" …, both CEL expressions, "selector" …, optional). */ -}}
{{- define "trust-manager.injectionPolicy" -}}
{{- $injection := .root.Values.injection -}}
{{- $optional := not $injection.waitForBundle -}}
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata:
  {{- include "trust-manager.metadata" (dict "root" .root "name" .name) | nindent 2 }}
spec:
  # A policy that fails leaves the pod as it is.
  failurePolicy: Ignore
  # Containers that webhooks add get the bundle too, and mounts that they add have precedence.
  reinvocationPolicy: IfNeeded
  matchConstraints:
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE]
        resources: [pods]
    namespaceSelector:
      matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: NotIn
          values:
            {{- concat (list "kube-system" (include "trust-manager.namespace" .root) .root.Release.Namespace) ($injection.excludedNamespaces | default list) | uniq | toYaml | nindent 12 }}
        {{- with .selector }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  # namespaceObject is not available in these conditions.
  matchConditions:
    - name: opted-in
      expression: {{ .optedIn | quote }}
    - name: not-a-mirror-pod
      expression: '!object.metadata.?annotations[?"kubernetes.io/config.mirror"].hasValue()'
    - name: not-windows
      expression: |-
        object.spec.?os.?name.orValue("") != "windows" &&
        object.spec.?nodeSelector[?"kubernetes.io/os"].orValue("") != "windows" &&
        !object.spec.?affinity.?nodeAffinity.?requiredDuringSchedulingIgnoredDuringExecution.?nodeSelectorTerms.orValue([]).exists(t,
          t.?matchExpressions.orValue([]).exists(e,
            e.key == "kubernetes.io/os" && e.operator == "In" && "windows" in e.?values.orValue([])))
  variables:
    - name: bundle
      expression: {{ .bundle | quote }}
    - name: mode
      expression: {{ include "trust-manager.injectionSetting" (dict "key" "inject-mode" "default" "replace") | quote }}
    - name: source
      expression: {{ include "trust-manager.injectionSetting" (dict "key" "inject-from" "default" "ConfigMap") | quote }}
    - name: key
      expression: {{ include "trust-manager.injectionSetting" (dict "key" "inject-key" "default" $injection.key) | quote }}
    - name: javaKey
      expression: {{ include "trust-manager.injectionSetting" (dict "key" "inject-java-key" "default" "") | quote }}
    # Whether the pod has the volume from an earlier evaluation of this policy.
    - name: isInjected
      expression: |-
        object.metadata.?annotations[?"trust.cert-manager.io/injected"].orValue("") == variables.bundle &&
        object.spec.?volumes.orValue([]).exists(v, v.name == "trust-manager-bundle" && (
          v.?configMap.?name.orValue("") == variables.bundle ||
          v.?projected.?sources.orValue([]).exists(s, s.?clusterTrustBundle.?name.orValue("") == variables.bundle)))
    # The API server would refuse a pod with an invalid name or key, with two volumes of one name,
    # or with more than 256 KiB of annotations.
    - name: isValid
      expression: |-
        variables.mode in ["replace", "add"] &&
        (variables.source == "ConfigMap" ?
          !format.dns1123Subdomain().validate(variables.bundle).hasValue() &&
          [variables.key].filter(k, k != "").size() == 1 &&
          [variables.key, variables.javaKey].all(k,
            k.matches("^[-._a-zA-Z0-9]*$") && k.size() <= 253 && k != "." && !k.startsWith("..")) :
          variables.source == "ClusterTrustBundle" &&
          [variables.bundle.split(":")].all(parts,
            parts.all(p, !format.dns1123Subdomain().validate(p).hasValue()) &&
            (parts.size() == 1 || parts.size() == 3 &&
              parts[0].contains(".") && parts[0].split(".").all(l, l.size() <= 63)))) &&
        (variables.isInjected || !object.spec.?volumes.orValue([]).exists(v, v.name == "trust-manager-bundle")) &&
        [object.metadata.?annotations.orValue({})].all(a,
          a.map(k, bytes(k).size() + bytes(a[k]).size()).sum() < 260000)
    - name: directory
      expression: 'variables.mode == "add" ? "/etc/trust-manager" : "/etc/ssl/certs"'
    # In some images, /etc/ssl/certs is a link to one of these directories. A mount at, above or below one
    # is in the way.
    - name: directories
      expression: |-
        variables.mode == "add" ? ["etc/trust-manager/"] :
          ["etc/ssl/certs/", "etc/pki/tls/certs/", "etc/pki/ca-trust/", "var/lib/ca-certificates/"]
    # Paths that are links to these directories in some images, or that programs build their contents
    # from. A mount at or below one is in the way, and a mount above it is not.
    - name: links
      expression: |-
        variables.mode == "add" ? [] :
          ["etc/ssl/cert.pem/", "etc/ssl/ca-bundle.pem/", "etc/pki/tls/cert.pem/", "usr/lib/ssl/",
           "usr/local/share/ca-certificates/", "etc/pki/trust/anchors/"]
    # The variables that contain the path of the file, and all variables.
    - name: files
      expression: {{ $injection.variables.file | toJson | quote }}
    - name: names
      expression: {{ printf "variables.files + (variables.mode == \"add\" ? [] : %s)" (toJson $injection.variables.directory) | quote }}
    {{- range list "initContainers" "containers" }}
    - name: {{ . }}
      expression: |-
        {{- include "trust-manager.injectionContainers" . | nindent 8 }}
    - name: {{ . }}Conflicts
      expression: |-
        {{- include "trust-manager.injectionConflicts" . | nindent 8 }}
    - name: {{ . }}Environment
      expression: |-
        {{- include "trust-manager.injectionEnvironment" . | nindent 8 }}
    {{- end }}
    # A mount in the way concerns the whole pod: an init container may write what another container
    # mounts. In an injected pod, only containers that were added later have no mount in the way.
    - name: hasMountInTheWay
      expression: |-
        !variables.isInjected && variables.containers.size() + variables.initContainers.size() <
          object.spec.?containers.orValue([]).size() + object.spec.?initContainers.orValue([]).size()
  mutations:
    # One mutation, so that a pod is changed completely or not at all. An apply configuration could
    # not set lists that are atomic.
    - patchType: JSONPatch
      jsonPatch:
        expression: |-
          !variables.isValid || variables.hasMountInTheWay ? [] :
          (variables.isInjected ? [] :
            (object.metadata.?annotations.orValue({}).size() > 0 ? [] :
              [JSONPatch{op: "add", path: "/metadata/annotations", value: {}}]) +
            [JSONPatch{op: "add", path: "/metadata/annotations/trust.cert-manager.io~1injected", value: variables.bundle}] +
            (object.spec.?volumes.orValue([]).size() > 0 ? [] :
              [JSONPatch{op: "add", path: "/spec/volumes", value: []}]) +
            [JSONPatch{op: "add", path: "/spec/volumes/-", value:
              variables.source == "ConfigMap" ?
              Object.spec.volumes{name: "trust-manager-bundle", configMap: Object.spec.volumes.configMap{
                name: variables.bundle,
                optional: {{ $optional }},
                items: [Object.spec.volumes.configMap.items{key: variables.key, path: "ca-certificates.crt"}] +
                  (variables.javaKey == "" ? [] :
                    [Object.spec.volumes.configMap.items{key: variables.javaKey, path: "java/cacerts"}])}} :
              Object.spec.volumes{name: "trust-manager-bundle", projected: Object.spec.volumes.projected{sources: [
                Object.spec.volumes.projected.sources{clusterTrustBundle: Object.spec.volumes.projected.sources.clusterTrustBundle{
                  name: variables.bundle,
                  optional: {{ $optional }},
                  path: "ca-certificates.crt"}}]}}}]) +
          {{- range list "initContainers" "containers" }}
          {{- include "trust-manager.injectionPatches" . | nindent 10 }} +
          {{- include "trust-manager.injectionRemovals" . | nindent 10 }} +
          {{- end }}
          []
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  {{- include "trust-manager.metadata" (dict "root" .root "name" .name) | nindent 2 }}
spec:
  policyName: {{ .name | quote }}
{{- end -}}
