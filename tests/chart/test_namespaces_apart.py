"""Whoever may edit one namespace cannot make the operator read, send or overwrite what stands in another.

One test for each field by which an object names another. `mallory` may edit one namespace, with the cluster's own role
`edit`; what she names exists in the namespace `victim` only, labelled by its owner for exactly this use.
"""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import hashes

from device_cert_operator.api import generate
from device_simulator import Kind
from device_simulator.camera_web.device import FirmwareCADevice
from local_control_plane.plane import ControlPlane
from tests.support.account import Account, AccountWorld, install, requests_of
from tests.support.authorities import LOOPBACK
from tests.support.control_plane import kubectl, try_kubectl
from tests.support.helm import Helm, Object
from tests.support.outside_ca import OutsideCA
from tests.support.world import World, make_root

VICTIM = "victim"
# what the victim's own CertificateAuthority and Device need
FOR_THE_VICTIM = {
    *("secrets/root", "certificateauthorities/site-ca", "configmaps/site-ca-trust"),
    *("secrets/own-login", "devices/gate"),
}
MALLORY = ("--as=mallory", "--as-group=system:authenticated")


@pytest.fixture(scope="module")
def account(helm: Helm, audited: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The operator that may read every namespace: nothing but its own rules keeps them apart."""
    return install(helm, audited, tmp_path_factory.mktemp("account"), "dco")


@pytest.fixture(scope="module")
def treasure(audited: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Object]:
    """What the victim has, by kind and name."""
    folder = tmp_path_factory.mktemp("treasure")
    make_root(folder)
    crt, key = (folder / "root.pem").read_text(), (folder / "root.key").read_text()
    outside = OutsideCA(folder / "outside")
    chain = outside.sign(outside.new_csr("127.0.0.1")) + outside.issuing_pem + outside.root_pem
    objects = [
        _secret("login", "credentials", username="admin", password="secret"),
        _secret("root", "ca", **{"tls.crt": crt, "tls.key": key}),
        _secret("pair", "certificate", **{"tls.crt": chain, "tls.key": (folder / "outside" / "other.key").read_text()}),
        _secret("bundle", "ca", **{"ca.crt": crt}),
        _secret("signed", "certificate", **{"tls.crt": chain}),
        _config_map("bundle", "ca", **{"ca.crt": crt}),
        _config_map("signed", "certificate", **{"tls.crt": chain}),
        {
            "apiVersion": "devicecert.io/v1alpha1",
            "kind": "CertificateAuthority",
            "metadata": {"name": "site-ca"},
            "spec": {"secretName": "root", "nameConstraints": LOOPBACK},
        },
        {
            "apiVersion": "devicecert.io/v1alpha1",
            "kind": "Device",
            "metadata": {"name": "gate"},
            "spec": {
                "driver": "onvif",
                "address": {"host": "127.255.255.1", "httpsPort": 8443},
                "credentialsSecretRef": {"name": "own-login"},
            },
        },
    ]
    kubectl(audited, "create", "namespace", VICTIM)
    kubectl(audited, "-n", VICTIM, "apply", "-f", "-", given=yaml.safe_dump_all(objects))
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in objects}


def _secret(name: str, use: str, **data: str) -> Object:
    labels = {"devicecert.io/use": use}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "stringData": data}


def _config_map(name: str, use: str, **data: str) -> Object:
    labels = {"devicecert.io/use": use}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": data}


@pytest.fixture
async def world(
    audited: ControlPlane, account: Account, treasure: dict[str, Object], request: pytest.FixtureRequest
) -> AsyncIterator[AccountWorld]:
    """mallory's namespace, and the operator of the whole cluster."""
    namespace = f"m-{abs(hash(request.node.name)) % 10**8}"
    kubectl(audited, "create", "namespace", namespace)
    kubectl(audited, "-n", namespace, "create", "rolebinding", "mallory", "--clusterrole=edit", "--user=mallory")
    async with account.world(audited, namespace) as made:
        yield made
    kubectl(audited, "delete", "namespace", namespace, "--wait=false")


@dataclass(frozen=True)
class Attempt:
    """manifest: with the reference at `path` naming what the victim has. told: kind, condition and reason that say so.

    own: what mallory has herself, as without it the operator would not come as far as this reference. asked: what the
    operator asks the API server for in her namespace; None where it looks into its cache. firmware: whether the camera
    has a CA in its firmware.
    """

    path: tuple[str, ...]
    manifest: Callable[[World], Object]
    told: tuple[str, str, str]
    own: tuple[str, ...] = ()
    asked: str | None = None
    firmware: bool = False


def _device(**spec: Any) -> Callable[[World], Object]:
    return lambda world: world.device("gate", **spec)


def _certificate(**spec: Any) -> Callable[[World], Object]:
    return lambda world: world.certificate("gate", **spec)


def _verified(kind: str) -> Callable[[World], Object]:
    reference = {"kind": kind, "name": "bundle", "key": "ca.crt"}
    return _device(connection__security="Verified", connection__caRef=reference)


PIN = "ab" * 32


def _firmware(**device_ca: Any) -> Callable[[World], Object]:
    return _certificate(issuer={"deviceCA": {"sha256": PIN, **device_ca}})


def _external(kind: str) -> Callable[[World], Object]:
    return _certificate(issuer={"external": {"certificateRef": {"kind": kind, "name": "signed"}}})


ATTEMPTS: dict[str, Attempt] = {
    "Device.credentialsSecretRef": Attempt(
        ("credentialsSecretRef",), _device(), ("dev", "Authenticated", "SecretMissing"), asked="secrets/login"
    ),
    "Device.connection.caRef of a ConfigMap": Attempt(
        ("connection", "caRef"),
        _verified("ConfigMap"),
        ("dev", "Identified", "ConfigMapMissing"),
        ("login",),
        asked="configmaps/bundle",
    ),
    "Device.connection.caRef of a Secret": Attempt(
        ("connection", "caRef"),
        _verified("Secret"),
        ("dev", "Identified", "ConfigMapMissing"),
        ("login",),
        asked="secrets/bundle",
    ),
    "DeviceCertificate.issuer.caSecretRef": Attempt(
        ("issuer", "caSecretRef"),
        _certificate(),
        ("dcert", "Issued", "CAMissing"),
        ("login", "device"),
        asked="secrets/root",
    ),
    "DeviceCertificate.issuer.authorityRef": Attempt(
        ("issuer", "authorityRef"),
        _certificate(issuer={"authorityRef": {"name": "site-ca"}}),
        ("dcert", "Issued", "AuthorityMissing"),
        ("login", "device"),
    ),
    "DeviceCertificate.issuer.external.certificateRef of a ConfigMap": Attempt(
        ("issuer", "external", "certificateRef"),
        _external("ConfigMap"),
        ("dcert", "Issued", "WaitingForSignature"),
        ("login", "device"),
        asked="configmaps/signed",
    ),
    "DeviceCertificate.issuer.external.certificateRef of a Secret": Attempt(
        ("issuer", "external", "certificateRef"),
        _external("Secret"),
        ("dcert", "Issued", "WaitingForSignature"),
        ("login", "device"),
        asked="secrets/signed",
    ),
    "DeviceCertificate.issuer.provided.secretRef": Attempt(
        ("issuer", "provided", "secretRef"),
        _certificate(issuer={"provided": {"secretRef": {"name": "pair"}}}),
        ("dcert", "Issued", "SecretMissing"),
        ("login", "device"),
        asked="secrets/pair",
    ),
    "DeviceCertificate.devices": Attempt(
        ("devices", "0"),
        _certificate(issuer={"caSecretRef": {"name": "mine"}}),
        ("dcert", "Secure", "DeviceMissing"),
    ),
    "DeviceCertificate.issuer.deviceCA.caRef of a ConfigMap": Attempt(
        ("issuer", "deviceCA", "caRef"),
        _firmware(caRef={"kind": "ConfigMap", "name": "signed", "key": "tls.crt"}),
        ("dcert", "Secure", "ConfigMapMissing"),
        ("login", "device"),
        asked="configmaps/signed",
    ),
    "DeviceCertificate.issuer.deviceCA.caRef of a Secret": Attempt(
        ("issuer", "deviceCA", "caRef"),
        _firmware(caRef={"kind": "Secret", "name": "signed", "key": "tls.crt"}),
        ("dcert", "Secure", "ConfigMapMissing"),
        ("login", "device"),
        asked="secrets/signed",
    ),
    "DeviceCertificate.issuer.deviceCA.constrainedBy.authorityRef": Attempt(
        ("issuer", "deviceCA", "constrainedBy", "authorityRef"),
        _firmware(constrainedBy={"authorityRef": {"name": "site-ca"}, "permittedIPRanges": ["127.0.0.0/8"]}),
        ("dcert", "Secure", "AuthorityMissing"),
        ("login", "device"),
        firmware=True,
    ),
    "DeviceCertificate.issuer.certManagerRef": Attempt(
        ("issuer", "certManagerRef"),
        _certificate(issuer={"certManagerRef": {"name": "site", "kind": "ClusterIssuer"}}),
        ("dcert", "Issued", "ClusterIssuerNotAllowed"),
        ("login", "device"),
    ),
}


# Names of what is written; see the test further down.
WRITTEN = {
    "DeviceCertificate.secretName",
    "CertificateAuthority.secretName",
    "CertificateAuthority.trustBundle.configMapName",
}
NO_REFERENCES = {"DeviceCertificate.subject.commonName", "CertificateAuthority.subject.commonName"}


def test_every_field_that_names_an_object_is_tried() -> None:
    found = {
        path
        for model, *_ in generate.KINDS
        for path in _names(generate.build_schema(model)["properties"]["spec"], model.__name__)
    }
    assert found - NO_REFERENCES == {field.split(" of a ")[0] for field in ATTEMPTS} | WRITTEN


def _names(schema: Object, path: str) -> Iterator[str]:
    """Fields that name an object: by their own name, or as a list of objects with a `name`."""
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        if name.endswith(("Ref", "Name")) or "name" in child.get("items", {}).get("properties", {}):
            yield here
        yield from _names(child.get("items", child), here)


@pytest.mark.parametrize("field", ATTEMPTS)
async def test_a_reference_leads_into_no_other_namespace(
    world: AccountWorld, audited: ControlPlane, account: Account, field: str
) -> None:
    attempt = ATTEMPTS[field]
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA if attempt.firmware else Kind.ONVIF)
    manifest = attempt.manifest(world)
    if isinstance(camera, FirmwareCADevice):
        pin = camera.firmware_ca.certificate.fingerprint(hashes.SHA256()).hex()
        manifest["spec"]["issuer"]["deviceCA"]["sha256"] = pin
    reference = manifest["spec"]
    for part in attempt.path:
        reference = reference[int(part)] if part.isdigit() else reference[part]
    await world.start_operator()
    if "login" in attempt.own:
        await world.credentials()
    if "device" in attempt.own:
        await world.apply(world.device("gate", driver="camera-web" if attempt.firmware else "onvif"))

    reference["namespace"] = VICTIM
    assert "unknown field" in _as_mallory(world, manifest, "--validate=strict").stderr
    traversing = reference | {"name": f"../../{VICTIM}/secrets/{reference['name']}"}
    for refused in (_with(manifest, attempt.path, traversing), _with(manifest, attempt.path, {"name": f"{VICTIM}/x"})):
        assert "should match" in _as_mallory(world, refused, "--validate=ignore").stderr
    taken = _as_mallory(world, manifest, "--validate=ignore")
    assert taken.returncode == 0, f"the API server drops the field, and no more: {taken.stderr}"

    kind, condition, reason = attempt.told
    await world.until(kind, "gate", condition, "False", reason)
    if kind == "dev":
        assert camera.guard.accepted == 0
    if attempt.asked:
        assert attempt.asked in _read(audited, account, world.namespace)
    assert _read(audited, account, VICTIM) <= FOR_THE_VICTIM


def _with(manifest: Object, path: tuple[str, ...], reference: Object) -> Object:
    """The manifest with another reference."""
    copy: Object = json.loads(json.dumps(manifest))
    place: Any = copy["spec"]
    for part in path[:-1]:
        place = place[part]
    place[int(path[-1]) if path[-1].isdigit() else path[-1]] = (
        {**place[path[-1]], **reference} if isinstance(place, dict) else reference
    )
    return copy


def _as_mallory(world: World, manifest: Object, *more: str) -> Any:
    return try_kubectl(
        world.plane, *MALLORY, "-n", world.namespace, "apply", *more, "-f", "-", given=yaml.safe_dump(manifest)
    )


def _read(plane: ControlPlane, account: Account, namespace: str) -> set[str]:
    """What the operator read by name in this namespace."""
    asked = [one["objectRef"] for one in requests_of(plane, account.user) if one["verb"] == "get"]
    return {f"{one['resource']}/{one['name']}" for one in asked if one.get("namespace") == namespace}


async def test_names_to_be_written_are_written_beside_their_object_only(
    world: AccountWorld, audited: ControlPlane, treasure: dict[str, Object]
) -> None:
    """`secretName` and `configMapName` take no namespace; what bears the name elsewhere stays as it is."""
    before = _everything_of(audited)
    await world.camera("gate")
    await world.credentials()
    authority = {
        "apiVersion": "devicecert.io/v1alpha1",
        "kind": "CertificateAuthority",
        "metadata": {"name": "site-ca"},
        "spec": {"secretName": "root", "nameConstraints": LOOPBACK, "trustBundle": {"configMapName": "bundle"}},
    }
    wanted = world.certificate("gate", issuer={"authorityRef": {"name": "site-ca"}}, secretName="pair")
    for manifest, path in ((authority, ("secretName",)), (wanted, ("secretName",))):
        refused = {**manifest, "spec": {**manifest["spec"], path[0]: f"{VICTIM}/pair"}}
        assert "should match" in _as_mallory(world, refused, "--validate=ignore").stderr
    await world.start_operator()
    for manifest in (authority, world.device("gate"), wanted):
        assert _as_mallory(world, manifest).returncode == 0
    await world.ready("gate")
    await world.until("dca", "site-ca", "Ready", "True")
    ours = json.loads(await world.kubectl("get", "secret", "root", "-o", "json"))
    theirs = treasure["Secret/root"]["stringData"]["tls.key"]
    assert base64.b64decode(ours["data"]["tls.key"]).decode() != theirs
    assert _everything_of(audited) == before


def _everything_of(plane: ControlPlane) -> dict[str, Any]:
    """The data of the victim's Secrets and ConfigMaps."""
    listed = json.loads(kubectl(plane, "-n", VICTIM, "get", "secrets,configmaps", "-o", "json"))["items"]
    return {f"{one['kind']}/{one['metadata']['name']}": one.get("data") for one in listed if "-trust" not in str(one)}


def test_editors_of_a_namespace_change_devices_there_and_no_status(audited: ControlPlane, account: Account) -> None:
    namespace = "editors"
    kubectl(audited, "create", "namespace", namespace)
    kubectl(audited, "-n", namespace, "create", "rolebinding", "mallory", "--clusterrole=edit", "--user=mallory")
    kubectl(audited, "-n", namespace, "create", "rolebinding", "vera", "--clusterrole=view", "--user=vera")

    def may(user: str, verb: str, what: str, place: str = namespace, *more: str) -> bool:
        said = try_kubectl(audited, "-n", place, "auth", "can-i", verb, what, f"--as={user}", *more)
        return said.stdout.strip() == "yes"

    for kind in ("devices", "devicecertificates", "certificateauthorities"):
        name = f"{kind}.devicecert.io"
        assert may("mallory", "create", name)
        assert may("mallory", "delete", name)
        assert not may("mallory", "create", name, VICTIM)
        assert not may("mallory", "patch", name, namespace, "--subresource=status"), "a status holds what was proven"
        assert may("vera", "list", name)
        assert not may("vera", "create", name)
