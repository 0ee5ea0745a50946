"""What the operator published for clients to trust: a CertificateAuthority's roots, or the CA in devices' firmware."""

from dataclasses import dataclass

from device_cert_operator.core.model import DeviceCAIssuer, ObjectKey
from device_cert_operator.errors import InvalidSpec, MissingReference
from device_cert_operator.kube.relist import Lister
from device_cert_operator.kube.revisions import decode
from device_cert_operator.kube.views import Object, authority_view, certificate_view, device_view
from device_cert_operator.pki.bundle import PEM_KEY, RAW_KEY, WARNING_KEY
from device_cert_operator.pki.facts import pem_to_ders, read_facts
from device_cert_operator.reasons import Reason

SHORT = {"dca": "CertificateAuthority", "dev": "Device", "dcert": "DeviceCertificate"}


@dataclass(frozen=True, slots=True)
class Published:
    """DER. intermediates: what clients need besides the roots. warning: what importing the roots means, if much."""

    roots: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    warning: str = ""


def key_of(named: str, namespace: str) -> ObjectKey:
    """`site-ca` and `dca/site-ca` are a CertificateAuthority, `dev/…` a Device. Raises InvalidSpec."""
    kind, slash, name = named.rpartition("/")
    if slash and kind not in SHORT:
        raise InvalidSpec(f"{kind} is none of {', '.join(SHORT)}: dev/NAME exports the CA in a device's firmware.")
    return ObjectKey(SHORT[kind or "dca"], namespace, name)


async def read_published(lister: Lister, key: ObjectKey, *, raw: bool = False) -> Published:
    """raw: the CA in a firmware as it is, not below a root of ours.

    Raises MissingReference with what to do, InvalidSpec, ClusterError.
    """
    if raw and key.kind == SHORT["dca"]:
        raise InvalidSpec("--raw is for the CA in a device's firmware: dev/NAME or dcert/NAME.")
    if (found := await lister.fetch(key.kind, key.namespace, key.name)) is None:
        hint = " The CA in a device's firmware is exported with dev/NAME." if key.kind == SHORT["dca"] else ""
        raise MissingReference(f"There is no {key}.{hint}")
    match key.kind:
        case "Device":
            return await _of_device(lister, key, found, raw)
        case "DeviceCertificate":
            return await _of_certificate(lister, key, found, raw)
        case _:
            return await _of_authority(lister, key, found)


async def _of_authority(lister: Lister, key: ObjectKey, found: Object) -> Published:
    status = authority_view(found).status
    if status.bundle is None or status.certificate is None:
        raise MissingReference(
            f"{key} has published nothing yet: kubectl -n {key.namespace} describe dca {key.name}",
            reason=Reason.AUTHORITY_NOT_READY,
        )
    return Published(_certificates(await _config_map(lister, key.namespace, status.bundle), PEM_KEY))


async def _of_device(lister: Lister, key: ObjectKey, found: Object, raw: bool) -> Published:
    """In its constrained form the CA is an intermediate one, below a root of ours; as it is, only if asked for."""
    ca = device_view(found).status.firmware_ca
    if ca is None or not ca.config_map:
        raise MissingReference(
            f"{key} has published no CA of its firmware: that takes a DeviceCertificate with issuer deviceCA and its "
            f"sha256 (devicecert trust pin {key.name}). kubectl -n {key.namespace} describe dev {key.name} says more.",
            reason=Reason.PIN_NEEDED,
        )
    published = await _config_map(lister, key.namespace, ca.config_map)
    if raw:
        return Published(_certificates(published, RAW_KEY), warning=str(published["data"].get(WARNING_KEY, "")))
    if not {PEM_KEY, RAW_KEY} <= set(published["data"]):  # ca.crt alone: the form of an earlier version, as it is
        raise MissingReference(
            f"The CA in the firmware of {key} is published as it is: whoever takes the firmware apart can sign for any "
            "address and name, and all who import it accept that. Limit it with deviceCA.constrainedBy "
            "(docs/how-to/firmware-ca.md), or export it nevertheless with --raw.",
            reason=Reason.AUTHORITY_UNCONSTRAINED,
        )
    ders = _certificates(published, PEM_KEY)
    roots = tuple(der for der in ders if read_facts(der).self_issued)
    return Published(roots, tuple(der for der in ders if der not in roots))


async def _of_certificate(lister: Lister, key: ObjectKey, found: Object, raw: bool) -> Published:
    """The CA is the same in all of its devices: that of the first one that has published it."""
    desired = certificate_view(found).desired
    if desired is None or not isinstance(desired.issuer, DeviceCAIssuer):
        raise MissingReference(
            f"{key} has no issuer deviceCA: what its clients have to trust is its issuer's. devicecert trust export "
            "NAME exports the roots of a CertificateAuthority.",
            reason=Reason.UNSUPPORTED,
        )
    last: MissingReference | None = None
    for name in desired.devices:
        try:
            return await read_published(lister, ObjectKey("Device", key.namespace, name), raw=raw)
        except MissingReference as error:
            last = error
    raise last or MissingReference(f"{key} lists no device.", reason=Reason.DEVICE_MISSING)


async def _config_map(lister: Lister, namespace: str, name: str) -> Object:
    published = await lister.fetch("ConfigMap", namespace, name)
    if published is None or not published.get("data"):
        raise MissingReference(
            f"ConfigMap {namespace}/{name} is gone or empty; the operator makes it anew, if it runs.",
            reason=Reason.CONFIG_MAP_MISSING,
        )
    return published


def _certificates(published: Object, key: str) -> tuple[bytes, ...]:
    pem = decode(published, key)
    if not pem:
        name = f"{published['metadata']['namespace']}/{published['metadata']['name']}"
        raise MissingReference(
            f"ConfigMap {name} has no {key}; the operator makes it anew, if it runs.", reason=Reason.CONFIG_MAP_MISSING
        )
    return pem_to_ders(pem)
