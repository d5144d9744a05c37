{{- define "datajob.labels" -}}
app.kubernetes.io/name: datajob-controller
{{ include "datajob.chartLabels" . }}
{{- end }}
{{- define "datajob.chartLabels" -}}
app.kubernetes.io/part-of: datajob-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
