{{- define "modelyard.policy" -}}
runtime:
  image: {{ include "modelyard.image" (list .Values.runtime.image .) | quote }}
  imagePullPolicy: {{ .Values.runtime.image.pullPolicy }}
gpu:
  resourceName: {{ .Values.policy.gpu.resourceName | quote }}
defaults:
  cpu: {{ .Values.policy.defaults.cpu | quote }}
  memory: {{ .Values.policy.defaults.memory | quote }}
limits:
  maxReplicas: {{ .Values.policy.limits.maxReplicas }}
  maxGpus: {{ .Values.policy.limits.maxGpus }}
allowedSources:
  {{- toYaml .Values.policy.allowedSources | nindent 2 }}
{{- end -}}
