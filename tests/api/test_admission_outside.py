"""What the real API server refuses of issuers that are not ours, and of keys that are made elsewhere."""

from typing import Any

import pytest

from local_control_plane.plane import ControlPlane
from tests.api.manifests import (
    Manifest,
    certificate,
    changed,
    full_cert_manager,
    full_external,
    full_provided,
)
from tests.api.test_admission import create

C = certificate()
E = changed(C, "spec.issuer", {"external": {"certificateRef": {"name": "gate-signed"}}})
P = changed(C, "spec.issuer", {"provided": {"secretRef": {"name": "gate-pair"}}})
OWN_KEY = "provided brings its own key, subject and dates: leave out privateKey, subject, duration and renewBefore"

# sentence, manifest, field, its value, what is told
INVALID: list[tuple[str, Manifest, str, Any, str]] = [
    ("two issuers", C, "spec.issuer.provided", {"secretRef": {"name": "a"}}, "name exactly one issuer"),
    ("an issuer of cert-manager without a name", C, "spec.issuer", {"certManagerRef": {}}, "Ref.name: Required value"),
    ("external without a place", C, "spec.issuer", {"external": {}}, "external.certificateRef: Required value"),
    (
        "external into a Pod",
        E,
        "spec.issuer.external.certificateRef",
        {"kind": "Pod", "name": "a"},
        'supported values: "ConfigMap", "Secret"',
    ),
    ("external into a key with a slash", E, "spec.issuer.external.certificateRef.key", "a/b", "certificateRef.key"),
    ("provided without a Secret", C, "spec.issuer", {"provided": {}}, "provided.secretRef: Required value"),
    ("an unknown source of the key", C, "spec.privateKey.source", "HSM", 'supported values: "Operator", "Device"'),
    (
        "a device's key for two devices",
        changed(C, "spec.devices", [{"name": "a"}, {"name": "b"}]),
        "spec.privateKey.source",
        "Device",
        "a key made on a device fits that device only: list one device, or use privateKey.source: Operator",
    ),
    (
        "a device's key under provided",
        P,
        "spec.privateKey.source",
        "Device",
        "provided brings its own key: leave out privateKey",
    ),
    (
        "a copy of a device's key",
        changed(C, "spec.secretName", "gate-tls"),
        "spec.privateKey.source",
        "Device",
        "a key made on the device cannot be copied: leave out secretName",
    ),
    ("a key for provided", P, "spec.privateKey.algorithm", "RSA", OWN_KEY),
    ("a subject for provided", P, "spec.subject.country", "JP", OWN_KEY),
    ("a lifetime for provided", P, "spec.duration", "24h", OWN_KEY),
    ("a renewal for provided", P, "spec.renewBefore", "24h", OWN_KEY),
    ("a renewal in percent for provided", P, "spec.renewBeforePercentage", 30, OWN_KEY),
]


@pytest.mark.parametrize(
    ("manifest", "path", "value", "told"),
    [row[1:] for row in INVALID],
    ids=[row[0].replace(" ", "-") for row in INVALID],
)
def test_it_is_refused(control_plane: ControlPlane, manifest: Manifest, path: str, value: Any, told: str) -> None:
    assert told in create(control_plane, "default", changed(manifest, path, value))


@pytest.mark.parametrize(
    "manifest",
    [E, P, full_external(), full_cert_manager(), full_provided()],
    ids=["external", "provided", "full external", "full cert-manager", "full provided"],
)
def test_short_and_full_manifests_are_taken(control_plane: ControlPlane, manifest: Manifest) -> None:
    """The full ones hold every list and string at its bound: rules must stay within the server's cost limits."""
    assert create(control_plane, "default", manifest) == ""


VALID: list[tuple[Manifest, str, Any]] = [
    (C, "spec.issuer", {"certManagerRef": {"name": "site"}}),
    (C, "spec.issuer", {"certManagerRef": {"name": "site", "kind": "StepIssuer", "group": "certmanager.step.sm"}}),
    (E, "spec.issuer.external.certificateRef", {"kind": "Secret", "name": "gate-signed", "key": "chain.pem"}),
    (E, "spec.privateKey", {"source": "Device", "algorithm": "RSA", "size": 2048}),
    (E, "spec.secretName", "gate-tls"),
    (P, "spec.devices", [{"name": f"d{number}"} for number in range(64)]),
    (P, "spec.secretName", "gate-tls"),
    (C, "spec.privateKey", {"source": "Device"}),
    (C, "spec.allowGap", True),
]


@pytest.mark.parametrize(
    ("manifest", "path", "value"), VALID, ids=[f"{path}={str(value)[:40]}" for _, path, value in VALID]
)
def test_it_is_taken(control_plane: ControlPlane, manifest: Manifest, path: str, value: Any) -> None:
    assert create(control_plane, "default", changed(manifest, path, value)) == ""
