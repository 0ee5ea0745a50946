"""The examples are taken by the real API server, read by the operator, and their commands work."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from device_cert_operator.api.convert_authority import desired_authority
from device_cert_operator.api.convert_spec import desired_certificate, desired_device
from device_cert_operator.core.allowed import why_not_allowed
from device_cert_operator.core.model import AuthorityIssuer, CASecretIssuer, DeviceCAIssuer, OwnCAIssuer, names_of
from device_cert_operator.core.naming import not_permitted
from device_cert_operator.pki.authority import read_authority
from local_control_plane.plane import ControlPlane
from tests.support.control_plane import kubectl

FOLDER = Path(__file__).parents[2] / "deploy" / "examples"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))
SERVER_SIDE = {"uid": "u", "namespace": "n", "creationTimestamp": "2026-06-01T12:00:00Z"}


def objects(path: Path) -> list[dict[str, Any]]:
    """What one example holds."""
    return list(yaml.safe_load_all(path.read_text()))


def test_there_is_an_example_for_each_way_of_use() -> None:
    assert [path.stem for path in EXAMPLES] == [
        "cert-manager",
        "clock-from-ntp",
        "device-that-moves",
        "device-that-stays",
        "external",
        "firmware-ca",
        "first-camera",
        "observe-only",
        "own-ca",
        "plaintext-first",
        "provided",
        "several-devices",
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_applies_twice_without_change(control_plane: ControlPlane, namespace: str, path: Path) -> None:
    kubectl(control_plane, "-n", namespace, "apply", "--server-side", "-f", str(path))
    again = kubectl(control_plane, "-n", namespace, "diff", "--server-side", "-f", str(path))
    assert again == ""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_together(path: Path) -> None:
    """Every Secret is labelled and used; every DeviceCertificate names Devices that are there."""
    found = objects(path)
    kinds = ("Secret", "Device", "DeviceCertificate", "CertificateAuthority")
    of = {kind: [one for one in found if one["kind"] == kind] for kind in kinds}
    devices = [desired_device(one | {"metadata": one["metadata"] | SERVER_SIDE}) for one in of["Device"]]
    certificates = [
        desired_certificate(one | {"metadata": one["metadata"] | SERVER_SIDE}) for one in of["DeviceCertificate"]
    ]
    assert devices
    assert {one.credentials_secret for one in devices} == {one["metadata"]["name"] for one in of["Secret"]}
    assert {one["metadata"]["labels"]["devicecert.io/use"] for one in of["Secret"]} == {"credentials"}
    assert {name for one in certificates for name in one.devices} <= {one.key.name for one in devices}
    authorities = {one["metadata"]["name"] for one in of["CertificateAuthority"]}
    known = {CASecretIssuer("root-ca"), *(AuthorityIssuer(name) for name in authorities)}
    assert {one.issuer for one in certificates if isinstance(one.issuer, OwnCAIssuer)} <= known
    constrained = [one.issuer.constrained_by for one in certificates if isinstance(one.issuer, DeviceCAIssuer)]
    assert {one.authority for one in constrained if one is not None} <= authorities


def test_the_example_s_authority_may_sign_for_what_hangs_on_it() -> None:
    found = {one["kind"]: one | {"metadata": one["metadata"] | SERVER_SIDE} for one in objects(FOLDER / "own-ca.yaml")}
    authority = desired_authority(found["CertificateAuthority"])
    wanted = desired_certificate(found["DeviceCertificate"])
    names = names_of(desired_device(found["Device"]).host, *wanted.dns_names)
    assert why_not_allowed(authority.allowed, names) is None
    assert not_permitted(authority.shape.constraints, names.dns_names, names.ip_addresses) == ()


def test_the_commands_of_the_first_example_make_a_ca_that_can_be_used(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    lines = [line[4:] for line in (FOLDER / "first-camera.yaml").read_text().splitlines() if line.startswith("#   ")]
    script = "\n".join(line for line in lines if "apply" not in line and "get" not in line)
    environment = os.environ | {
        "KUBECONFIG": str(control_plane.kubeconfig),
        "PATH": f"{control_plane.kubectl.parent}{os.pathsep}{os.environ['PATH']}",
    }
    script = script.replace("kubectl ", f"kubectl -n {namespace} ")
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
    label = kubectl(control_plane, "-n", namespace, "get", "secret", "-l", "devicecert.io/use=ca", "-o", "name")
    assert label.strip() == "secret/root-ca"
    root, key = (tmp_path / "root.crt").read_bytes(), (tmp_path / "root.key").read_bytes()
    authority = read_authority("root-ca", root, key, datetime.fromtimestamp(root_made_at(tmp_path), UTC))
    assert (authority.facts.is_ca, authority.warnings) == (True, ())


def root_made_at(folder: Path) -> float:
    """A moment at which the certificate is valid: its file was written just after it began."""
    return (folder / "root.crt").stat().st_mtime
