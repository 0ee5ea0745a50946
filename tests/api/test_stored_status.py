"""A status on the real API server: nothing is dropped, nothing old stays, and kubectl shows it."""

import json
from dataclasses import replace
from typing import Any

from device_cert_operator.api.convert_authority import authority_status, authority_status_document
from device_cert_operator.api.convert_status import (
    certificate_status,
    certificate_status_document,
    device_status,
    device_status_document,
)
from device_cert_operator.core.authority_model import AuthorityStatus
from device_cert_operator.core.status import CertificateStatus, DeviceStatus, MemberStatus
from local_control_plane.plane import ControlPlane
from tests.api.manifests import (
    Manifest,
    authority,
    certificate,
    changed,
    device,
    full_authority,
    full_certificate,
    full_device,
)
from tests.api.statuses import (
    AUTHORITY_CONDITIONS,
    CERTIFICATE_CONDITIONS,
    DEVICE_CONDITIONS,
    FULL_AUTHORITY,
    FULL_CERTIFICATE,
    FULL_DEVICE,
    NOON,
    SERVED,
    conditions,
)
from tests.support.control_plane import kubectl, read


def create(plane: ControlPlane, namespace: str, manifest: Manifest) -> None:
    kubectl(plane, "-n", namespace, "create", "-f", "-", given=json.dumps(manifest))


def write_status(plane: ControlPlane, namespace: str, kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """A merge patch of the status, as the operator sends it; the object as stored."""
    patch = ["patch", kind, "gate", "--subresource=status", "--type=merge", "--patch-file=/dev/stdin"]
    kubectl(plane, "-n", namespace, *patch, given=json.dumps({"status": document}))
    return read(plane, namespace, kind, "gate")


def test_a_device_s_status_with_everything_at_its_bound_comes_back(control_plane: ControlPlane, namespace: str) -> None:
    create(control_plane, namespace, full_device())
    document = device_status_document(FULL_DEVICE)
    stored = write_status(control_plane, namespace, "device", document)
    assert stored["status"] == document
    assert device_status(stored) == FULL_DEVICE


def test_a_certificate_s_status_with_everything_at_its_bound_comes_back(
    control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, full_certificate())
    document = certificate_status_document(FULL_CERTIFICATE)
    stored = write_status(control_plane, namespace, "devicecertificate", document)
    assert stored["status"] == document
    assert certificate_status(stored) == FULL_CERTIFICATE


def test_an_authority_s_status_with_everything_at_its_bound_comes_back(
    control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, full_authority())
    document = authority_status_document(FULL_AUTHORITY)
    stored = write_status(control_plane, namespace, "certificateauthority", document)
    assert stored["status"] == document
    assert authority_status(stored) == FULL_AUTHORITY
    stored = write_status(
        control_plane, namespace, "certificateauthority", authority_status_document(AuthorityStatus())
    )
    assert authority_status(stored) == AuthorityStatus()


def test_an_empty_status_takes_everything_away(control_plane: ControlPlane, namespace: str) -> None:
    create(control_plane, namespace, device())
    write_status(control_plane, namespace, "device", device_status_document(FULL_DEVICE))
    stored = write_status(control_plane, namespace, "device", device_status_document(DeviceStatus()))
    assert device_status(stored) == DeviceStatus()
    create(control_plane, namespace, certificate())
    write_status(control_plane, namespace, "devicecertificate", certificate_status_document(FULL_CERTIFICATE))
    empty = certificate_status_document(CertificateStatus())
    assert certificate_status(write_status(control_plane, namespace, "devicecertificate", empty)) == CertificateStatus()


def test_a_status_says_nothing_of_the_spec_s_generation(control_plane: ControlPlane, namespace: str) -> None:
    """The status is a subresource: writing it wakes nobody, and whoever applies the spec cannot touch it."""
    create(control_plane, namespace, changed(device(), "status", {"observedGeneration": 7}))
    assert read(control_plane, namespace, "device", "gate")["status"] == {"observedGeneration": -1}
    stored = write_status(control_plane, namespace, "device", device_status_document(FULL_DEVICE))
    assert stored["metadata"]["generation"] == 1


def table(plane: ControlPlane, namespace: str, *arguments: str) -> list[dict[str, str]]:
    """What `kubectl get` prints: cells by the head of their column."""
    head, *rows = kubectl(plane, "-n", namespace, "get", *arguments).splitlines()
    starts = [at for at, letter in enumerate(head) if letter != " " and (at == 0 or head[at - 1] == " ")]
    spans = list(zip(starts, [*starts[1:], None], strict=True))
    return [{head[a:b].strip(): row[a:b].strip() for a, b in spans} for row in rows]


def test_kubectl_tells_how_a_device_is(control_plane: ControlPlane, namespace: str) -> None:
    create(control_plane, namespace, device())
    status = replace(FULL_DEVICE, conditions=conditions(DEVICE_CONDITIONS, "All is well."))
    write_status(control_plane, namespace, "device", device_status_document(status))
    [row] = table(control_plane, namespace, "dev")
    assert row.pop("AGE")
    assert row == {
        "NAME": "gate",
        "ADDRESS": "2001:db8::7",
        "DRIVER": "onvif",
        "SECURE": "True",
        "EXPIRES": "2026-06-01T12:00:00Z",
        "READY": "True",
    }
    [wide] = table(control_plane, namespace, "devices", "-o", "wide")
    assert wide["STATUS"] == "All is well."


def test_kubectl_tells_how_a_certificate_is(control_plane: ControlPlane, namespace: str) -> None:
    create(control_plane, namespace, certificate())
    members = tuple(MemberStatus(name) for name in ("door", "gate", "lift", "roof", "yard"))
    told = conditions(CERTIFICATE_CONDITIONS, "All is well.")
    status = replace(FULL_CERTIFICATE, members=members, conditions=told)
    write_status(control_plane, namespace, "devicecertificate", certificate_status_document(status))
    [row] = table(control_plane, namespace, "dcert", "-o", "wide")
    assert row.pop("AGE")
    assert row == {
        "NAME": "gate",
        "DEVICES": "door, gate, lift and 2 more",
        "ISSUER": "root-ca",
        "SECURE": "True",
        "EXPIRES": "2026-06-01T12:00:00Z",
        "RENEWAL": "2026-06-01T12:00:00Z",
        "READY": "True",
        "STATUS": "All is well.",
    }
    [narrow] = table(control_plane, namespace, "dcert")
    assert not {"RENEWAL", "STATUS"} & narrow.keys()


def test_kubectl_tells_how_an_authority_is(control_plane: ControlPlane, namespace: str) -> None:
    create(control_plane, namespace, authority())
    status = replace(FULL_AUTHORITY, bundle="gate-trust", conditions=conditions(AUTHORITY_CONDITIONS, "All is well."))
    status = replace(status, certificate=replace(SERVED, subject="CN=site-ca"))
    write_status(control_plane, namespace, "certificateauthority", authority_status_document(status))
    [row] = table(control_plane, namespace, "dca", "-o", "wide")
    assert row.pop("AGE")
    assert row == {
        "NAME": "gate",
        "SUBJECT": "CN=site-ca",
        "BUNDLE": "gate-trust",
        "EXPIRES": "2026-06-01T12:00:00Z",
        "ROTATION": "Distributing",
        "UP-TO-DATE": "True",
        "READY": "True",
        "STATUS": "All is well.",
    }


def test_the_issuer_s_column_names_whichever_it_is(control_plane: ControlPlane, namespace: str) -> None:
    create(control_plane, namespace, certificate())
    status = replace(FULL_CERTIFICATE, issuer_name="site-ca")
    write_status(control_plane, namespace, "dcert", certificate_status_document(status))
    [row] = table(control_plane, namespace, "dcert")
    assert row["ISSUER"] == "site-ca"


def test_kubectl_waits_for_conditions_and_finds_both_kinds_by_category(
    control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, device())
    create(control_plane, namespace, certificate())
    write_status(control_plane, namespace, "device", device_status_document(FULL_DEVICE))
    kubectl(control_plane, "-n", namespace, "wait", "dev/gate", "--for=condition=Secure", "--timeout=5s")
    found = kubectl(control_plane, "-n", namespace, "get", "devicecert", "-o", "name").split()
    assert found == ["devicecertificate.devicecert.io/gate", "device.devicecert.io/gate"]


def test_kubectl_explains_a_field(control_plane: ControlPlane) -> None:
    explained = " ".join(kubectl(control_plane, "explain", "dev.spec.address.host").split())
    assert "IPv4 or IPv6 address (no zone, no brackets) or DNS name." in explained
    explained = " ".join(kubectl(control_plane, "explain", "dcert.spec.issuer").split())
    assert "Who signs: exactly one of these." in explained
    assert "labelled devicecert.io/use: ca" in explained


def test_the_times_of_a_status_are_checked_by_the_server(control_plane: ControlPlane, namespace: str) -> None:
    """What makes a year that is cut by strftime fatal: it is refused with the whole status."""
    create(control_plane, namespace, device())
    status = replace(DeviceStatus(), unreachable_since=NOON.replace(year=33))
    stored = write_status(control_plane, namespace, "device", device_status_document(status))
    assert stored["status"]["unreachableSince"] == "0033-06-01T12:00:00Z"
