{{/* The prefix of all names. Objects of the cluster are also named after the namespace, so that releases do not collide. */}}
{{- define "datajob.prefix" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "datajob.name" -}}
{{ include "datajob.prefix" . }}-controller
{{- end }}

{{- define "datajob.clusterPrefix" -}}
{{ .Release.Namespace }}:{{ include "datajob.prefix" . }}
{{- end }}

{{- define "datajob.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "datajob.name" .) }}
{{- else }}
{{- required "serviceAccount.name is required if serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "datajob.selector" -}}
app.kubernetes.io/name: datajob-controller
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "datajob.podLabels" -}}
{{ include "datajob.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: controller
app.kubernetes.io/part-of: datajob-operator
{{- end }}

{{- define "datajob.labels" -}}
{{ include "datajob.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "datajob.image" -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* A setting as the value of an environment variable: text unchanged, everything else as JSON. */}}
{{- define "datajob.setting" -}}
{{- if kindIs "string" . }}
{{- . }}
{{- else if and (kindIs "float64" .) (eq (float64 (int64 .)) .) }}
{{- int64 . }}
{{- else }}
{{- toJson . }}
{{- end }}
{{- end }}

{{- define "datajob.env" -}}
- {name: DATAJOB_POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: DATAJOB_POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
- {name: DATAJOB_POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: DATAJOB_LEASE_NAME, value: {{ include "datajob.name" . }}}
- {name: DATAJOB_NAMESPACES, value: {{ join "," .Values.namespaces | quote }}}
- {name: DATAJOB_NAMESPACE_SELECTOR, value: {{ .Values.namespaceSelector | quote }}}
- {name: DATAJOB_IMAGE_CPU, value: {{ .Values.workload.cpu | quote }}}
- {name: DATAJOB_IMAGE_GPU, value: {{ .Values.workload.gpu | quote }}}
- {name: DATAJOB_IMAGE_NPU, value: {{ .Values.workload.npu | quote }}}
- {name: DATAJOB_IMAGE_PULL_POLICY, value: {{ .Values.workload.pullPolicy }}}
{{- range $name, $value := .Values.settings }}
{{- if not (kindIs "invalid" $value) }}
- {name: DATAJOB_{{ upper $name }}, value: {{ include "datajob.setting" $value | quote }}}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What all pods of the release have in common. */}}
{{- define "datajob.pod" -}}
serviceAccountName: {{ include "datajob.serviceAccount" . }}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
