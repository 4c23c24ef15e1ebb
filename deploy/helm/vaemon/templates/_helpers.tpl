{{- define "vaemon.fullname" -}}
{{- if contains "vaemon" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-vaemon" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of a component: (dict "root" $ "component" "scorer"); without a component, all pods. */}}
{{- define "vaemon.selector" -}}
app.kubernetes.io/name: vaemon
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "vaemon.labels" -}}
{{ include "vaemon.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "vaemon.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vaemon.claim" -}}
{{- .Values.store.existingClaim | default (printf "%s-store" (include "vaemon.fullname" .)) -}}
{{- end -}}

{{/* Files of the configuration as a map of the names of keys of a ConfigMap. */}}
{{- define "vaemon.files" -}}
{{- $own := dict "store" (dict "path" "/var/lib/vaemon") "http" (dict "host" "0.0.0.0" "port" 9464) "log" (dict "format" "json") -}}
daemon.yaml: |
{{ mergeOverwrite (deepCopy .Values.daemon) $own | toYaml | indent 2 }}
{{- range $name, $detector := .Values.detectors }}
detector-{{ $name }}.yaml: |
{{ merge (deepCopy $detector) (dict "detector" $name) | toYaml | indent 2 }}
{{- end }}
{{- end -}}

{{/* Brokers of a detector as host:port,host:port. */}}
{{- define "vaemon.brokers" -}}
{{- $brokers := dig "source" "kafka" "brokers" "" . -}}
{{- if kindIs "slice" $brokers }}{{ join "," $brokers }}{{ else }}{{ $brokers | replace " " "" }}{{ end -}}
{{- end -}}

{{/* The pod of a component: (dict "root" $ "component" "scorer" "role" "score" "resources" …). */}}
{{- define "vaemon.pod" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "vaemon.labels" . | nindent 4 }}
  annotations:
    # A changed configuration restarts the pods.
    checksum/config: {{ include "vaemon.files" .root | sha256sum }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: vaemon
      image: {{ include "vaemon.image" .root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [run, /config, --set, role={{ .role }}]
      {{- with $values.environmentSecrets }}
      envFrom:
        {{- range . }}
        - secretRef: { name: {{ . }} }
        {{- end }}
      {{- end }}
      ports:
        - { name: http, containerPort: 9464 }
      # Of the process alone: what a restart can repair. A first training delays neither of the two.
      startupProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 15
        timeoutSeconds: 5
        failureThreshold: 4
      # Source and model. No traffic depends on it: it is for rollouts and for people.
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts:
        - { name: config, mountPath: /config, readOnly: true }
        - { name: store, mountPath: /var/lib/vaemon }
        - { name: tmp, mountPath: /tmp }
        {{- range $values.secrets }}
        - { name: secret-{{ . | replace "." "-" }}, mountPath: /secrets/{{ . }}, readOnly: true }
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "vaemon.fullname" .root }}
        items:
          - { key: daemon.yaml, path: daemon.yaml }
          {{- range $name, $_ := $values.detectors }}
          - { key: detector-{{ $name }}.yaml, path: detectors/{{ $name }}.yaml }
          {{- end }}
    - name: store
      persistentVolumeClaim: { claimName: {{ include "vaemon.claim" .root }} }
    - name: tmp
      emptyDir: {}
    {{- range $values.secrets }}
    - name: secret-{{ . | replace "." "-" }}
      secret: { secretName: {{ . }} }
    {{- end }}
{{- end -}}
