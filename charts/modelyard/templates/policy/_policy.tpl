{{- define "modelyard.policy" -}}
runtime:
  image: {{ include "modelyard.image" (list .Values.runtime.image .) | quote }}
  imagePullPolicy: {{ .Values.runtime.image.pullPolicy }}
  allowedImages:
    {{- toYaml .Values.policy.runtime.allowedImages | nindent 4 }}
  {{- with .Values.policy.runtime.deniedEnv }}
  deniedEnv:
    {{- toYaml . | nindent 4 }}
  {{- end }}
gpu:
  {{- toYaml .Values.policy.gpu | nindent 2 }}
defaults:
  cpu: {{ .Values.policy.defaults.cpu | quote }}
  memory: {{ .Values.policy.defaults.memory | quote }}
limits:
  maxReplicas: {{ .Values.policy.limits.maxReplicas }}
  maxGpus: {{ .Values.policy.limits.maxGpus }}
allowedSources:
  {{- toYaml .Values.policy.allowedSources | nindent 2 }}
allowCode: {{ .Values.policy.allowCode }}
huggingFace:
  endpoint: {{ .Values.policy.huggingFace.endpoint | quote }}
s3:
  endpoint: {{ .Values.policy.s3.endpoint | quote }}
  region: {{ .Values.policy.s3.region | quote }}
  ownEndpoints: {{ .Values.policy.s3.ownEndpoints }}
pods:
  {{- toYaml .Values.policy.pods | nindent 2 }}
gateway:
  serviceAccount: {{ .Values.policy.gateway.serviceAccount | quote }}
prometheus:
  address: {{ .Values.policy.prometheus.address | quote }}
nodes:
  autoscaled: {{ .Values.policy.nodes.autoscaled }}
rollout:
  maxConcurrent: {{ .Values.policy.rollout.maxConcurrent }}
networkPolicy:
  enabled: {{ .Values.policy.networkPolicy.enabled }}
  clients:
    {{- toYaml .Values.policy.networkPolicy.clients | nindent 4 }}
  monitoring:
    {{- toYaml .Values.policy.networkPolicy.monitoring | nindent 4 }}
  operator:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Release.Namespace }}
      podSelector:
        matchLabels:
          {{- include "modelyard.selector" . | nindent 10 }}
{{- end -}}
