{{- /*
What the operator may do with objects of users. tests/chart/test_least_privilege.py runs it under exactly these rules and
compares them with the API server's audit log: nothing is refused, and nothing is here that no story used.

RBAC knows no labels: the operator asks for Secrets and ConfigMaps that bear the label devicecert.io/use only, and reads
by name only what an object of the same namespace refers to.
*/}}
{{- define "dco.rules" -}}
# the three kinds: watched, never written
- apiGroups: [devicecert.io]
  resources: [devices, devicecertificates, certificateauthorities]
  verbs: [get, list, watch]
- apiGroups: [devicecert.io]
  resources: [devices/status, devicecertificates/status, certificateauthorities/status]
  verbs: [patch]
# log-ins, CAs and provided pairs are read; revisions, roots and copies are made, changed and cleared away
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
# CSRs and trust bundles
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.rbac.certManager }}
- apiGroups: [cert-manager.io]
  resources: [certificaterequests]
  verbs: [get, list, create, delete]
{{- end }}
{{- end }}
