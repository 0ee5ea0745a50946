{{- define "dco.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "dco.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "dco.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "dco.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "dco.selector" -}}
app.kubernetes.io/name: {{ include "dco.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dco.labels" -}}
{{ include "dco.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dco.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "dco.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "dco.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* a whole number from a values file is a float, and 1000000 would read 1e+06 */}}
{{- define "dco.setting" -}}
{{- if kindIs "slice" . }}{{ join "," . }}
{{- else if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}
{{- else }}{{ . }}
{{- end }}
{{- end }}

{{- /* config.fullCheckEvery → DEVICECERT_FULL_CHECK_EVERY; lists become comma-separated */}}
{{- define "dco.settings" -}}
{{- range $name, $value := .Values.config }}
{{- if not (kindIs "invalid" $value) }}
- name: DEVICECERT_{{ $name | snakecase | upper }}
  value: {{ include "dco.setting" $value | quote }}
{{- end }}
{{- end }}
{{- with .Values.watchNamespaces }}
- name: DEVICECERT_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{- define "dco.refuse" -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.leaderElection.enabled) }}
{{- fail "replicaCount above 1 needs leaderElection.enabled: two operators would act on the same devices" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.devices) }}
{{- fail "networkPolicy.enabled needs networkPolicy.devices: without the networks of the devices none could be reached" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor.enabled needs metrics.service.enabled: it scrapes what stands behind the Service" }}
{{- end }}
{{- with .Values.metrics }}
{{- if and .prometheusRule.enabled (not .serviceMonitor.enabled) (not .prometheusRule.selector) }}
{{- fail "metrics.prometheusRule.enabled needs metrics.prometheusRule.selector, or metrics.serviceMonitor.enabled: the alerts have to know which series are this release's" }}
{{- end }}
{{- end }}
{{- if and .Values.podDisruptionBudget.enabled (eq (int .Values.replicaCount) 1) }}
{{- fail "podDisruptionBudget.enabled needs replicaCount above 1: the node of a single replica could never be drained" }}
{{- end }}
{{- $grace := addf (.Values.config.shutdownWithin | default 7) 3 }}
{{- if lt (float64 .Values.terminationGracePeriodSeconds) (float64 $grace) }}
{{- fail (printf "terminationGracePeriodSeconds has to be config.shutdownWithin and 3 more, %v at least: the pod would be killed in the middle of a step" $grace) }}
{{- end }}
{{- end }}
