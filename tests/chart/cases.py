"""Values that people give, by name: each is rendered, compared with its snapshot, and applied."""

from typing import Any

EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "facility"},
    "replicaCount": 3,
    "image": {"repository": "registry.example/dco", "digest": "sha256:" + "a" * 64, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "config": {
        "workers": 32,
        "sessions": 1_000_000 // 250,
        "locateRate": 12.5,
        "relistEvery": 600,
        "logLevel": "debug",
        "logFormat": "json",
        "dryRun": True,
        "clusterIssuers": ["site", "lab"],
    },
    "serviceAccount": {"name": "certificates", "annotations": {"example.com/a": "b"}},
    "deploymentAnnotations": {"example.com/c": "d"},
    "podAnnotations": {"example.com/e": "f"},
    "podLabels": {"zone": "inside"},
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "edge", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "lan", "operator": "In", "values": ["cameras"]}]}]
            }
        }
    },
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["192.0.2.53"]},
    "extraEnv": [{"name": "TZ", "value": "Asia/Tokyo"}],
    "extraEnvFrom": [{"configMapRef": {"name": "more", "optional": True}}],
    "extraVolumes": [{"name": "trust", "configMap": {"name": "trust", "optional": True}}],
    "extraVolumeMounts": [{"name": "trust", "mountPath": "/trust", "readOnly": True}],
    "podDisruptionBudget": {"enabled": True, "minAvailable": "50%"},
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"of": "{{ .Release.Name }}"}},
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: text}\ndata: {image: "{{ include "dco.image" . }}"}\n',
    ],
}
MONITORING: dict[str, Any] = {
    "metrics": {
        "port": 9100,
        "service": {"annotations": {"example.com/a": "b"}},
        "serviceMonitor": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "interval": "15s",
            "relabelings": [{"targetLabel": "cluster", "replacement": "lab"}],
            "metricRelabelings": [{"action": "labeldrop", "regex": "pod"}],
        },
        "dashboard": {"enabled": True},
        "prometheusRule": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "additionalGroups": [
                {"name": "mine", "rules": [{"alert": "Mine", "expr": "devicecert_device_secure == 0", "for": "1h"}]}
            ],
        },
    }
}
NETWORK_POLICY: dict[str, Any] = {
    "networkPolicy": {
        "enabled": True,
        "devices": [{"cidr": "192.168.1.0/24", "ports": [80, 443]}, {"cidr": "fd00:1::/64"}],
        "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]},
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "extraEgress": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 8443, "protocol": "TCP"}]}],
    }
}
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": EVERYTHING,
    "monitoring": MONITORING,
    "network-policy": NETWORK_POLICY,
    "some-namespaces": {"watchNamespaces": ["NAMESPACE"], "rbac": {"certManager": False}},
    "alone": {
        "leaderElection": {"enabled": False},
        "metrics": {"service": {"enabled": False}},
        "nameOverride": "certs",
    },
    "bring-your-own-rights": {
        "rbac": {"create": False},
        "serviceAccount": {"create": False},
        "fullnameOverride": "mine",
        "resources": {},
        "networkPolicy": {"enabled": True, "devices": [{"cidr": "0.0.0.0/0"}]},
    },
}


def in_namespace(values: Any, namespace: str) -> Any:
    """The same values, `NAMESPACE` replaced."""
    if isinstance(values, dict):
        return {key: in_namespace(value, namespace) for key, value in values.items()}
    if isinstance(values, list):
        return [in_namespace(value, namespace) for value in values]
    return namespace if values == "NAMESPACE" else values
