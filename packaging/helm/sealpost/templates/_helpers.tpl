{{/* Names and labels, and gateway.yaml. */}}
{{- define "sealpost.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sealpost.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sealpost.labels" -}}
{{ include "sealpost.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sealpost.secret" -}}
{{- if .Values.existingSecret -}}
{{- .Values.existingSecret -}}
{{- else -}}
{{- include "sealpost.fullname" . -}}
{{- end -}}
{{- end -}}

{{- define "sealpost.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* What the chart decides comes first; `config` must not say it again. */}}
{{- define "sealpost.config" -}}
{{- if or (hasKey .Values.config "listen") (hasKey .Values.config "admin") -}}
{{- fail "config.listen and config.admin are written by the chart; use listen.port and admin.port" -}}
{{- end -}}
listen:
  - address: 0.0.0.0:{{ .Values.listen.port }}
    h2c: {{ .Values.listen.h2c }}
admin:
  address: 0.0.0.0:{{ .Values.admin.port }}
  token: file:/run/secrets/sealpost/admin-token
{{ toYaml .Values.config }}
{{- end -}}
