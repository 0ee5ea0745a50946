"""What the web interface is sent: JSON and multipart forms, read strictly."""

import json
from ipaddress import ip_address
from typing import Any, TypeVar

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from device_simulator.pfx import chain_is_broken
from device_simulator.tls import Key

T = TypeVar("T")
SUBJECT = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}


class Refused(Exception):
    """An answer with a status of 400 or more. word: one of README.md."""

    def __init__(self, status: int, word: str, message: str = "") -> None:
        super().__init__(message or word)
        self.status = status
        self.word = word


async def read_json(request: web.BaseRequest, *known: str) -> dict[str, Any]:
    """An object with no other members than those known. Raises Refused."""
    try:
        found = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Refused(400, "bad-request", "no JSON") from None
    if not isinstance(found, dict) or not found.keys() <= set(known):
        raise Refused(400, "bad-request", f"an object with {', '.join(known)} is wanted")
    return found


def member(body: dict[str, Any], name: str, kind: type[T], default: T) -> T:
    """A member of this type; what is there already where it is left out. Raises Refused."""
    found = body.get(name, default)
    if not isinstance(found, kind) or (kind is not bool and isinstance(found, bool)):
        raise Refused(400, "bad-request", f"{name} is of another type")
    return found


def words(body: dict[str, Any], name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A list of strings. Raises Refused."""
    found = member(body, name, list, list(default))
    if not all(isinstance(one, str) and one for one in found):
        raise Refused(400, "bad-request", f"{name} is a list of strings")
    return tuple(found)


async def read_form(request: web.BaseRequest, *known: str) -> dict[str, bytes]:
    """The fields of a multipart form, each given once. Raises Refused."""
    if request.content_type != "multipart/form-data":
        raise Refused(400, "bad-request", "multipart/form-data is wanted")
    try:
        form = await request.post()
    except (ValueError, AssertionError):
        raise Refused(400, "bad-request", "no multipart/form-data") from None
    fields: dict[str, bytes] = {}
    for name, found in form.items():
        if name not in known or name in fields:
            raise Refused(400, "bad-request", f"the field {name!r} is not wanted")
        if isinstance(found, web.FileField):
            with found.file:
                fields[name] = found.file.read()
        else:
            fields[name] = found.encode() if isinstance(found, str) else bytes(found)
    return fields


def name_in(fields: dict[str, bytes], default: str) -> str:
    """The `name` of an upload. Raises Refused."""
    try:
        name = fields.get("name", default.encode()).decode()
    except UnicodeDecodeError:
        raise Refused(400, "bad-request", "a name is UTF-8") from None
    return short(name)


def short(name: str) -> str:
    """A name that the camera can show. Raises Refused."""
    if len(name) > 64 or not name.isprintable():
        raise Refused(400, "bad-request", "a name has up to 64 characters")
    return name


def chain_in(fields: dict[str, bytes]) -> tuple[x509.Certificate, ...]:
    """The PEM of `certificate`, leaf first. Raises Refused."""
    try:
        chain = tuple(x509.load_pem_x509_certificates(fields.get("certificate", b"")))
    except ValueError:
        raise Refused(400, "bad-certificate", "`certificate` is no PEM file of certificates") from None
    if chain_is_broken(list(chain)):
        raise Refused(400, "bad-certificate", "a certificate is not signed by the one that follows")
    return chain


def key_in(fields: dict[str, bytes]) -> Key:
    """The PEM of `key`. Raises Refused."""
    try:
        key = load_pem_private_key(fields.get("key", b""), None)
    except (ValueError, TypeError):
        raise Refused(400, "bad-key", "`key` is no PEM file of a key without a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Refused(400, "key-type")
    return key


def subject_in(body: dict[str, Any]) -> x509.Name:
    """The `subject` of a request. Raises Refused."""
    given = member(body, "subject", dict, {})
    if not given.keys() <= SUBJECT.keys():
        raise Refused(400, "bad-request", f"a subject has {', '.join(SUBJECT)}")
    try:
        return x509.Name(x509.NameAttribute(oid, given[word]) for word, oid in SUBJECT.items() if word in given)
    except (ValueError, TypeError):
        raise Refused(400, "bad-request", "a subject that no certificate can have") from None


def names_in(body: dict[str, Any]) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    """A SAN with `dnsNames` and `ipAddresses`, if there are any. Raises Refused."""
    try:
        names: list[x509.GeneralName] = [x509.DNSName(one) for one in words(body, "dnsNames")]
        names += [x509.IPAddress(ip_address(one)) for one in words(body, "ipAddresses")]
    except ValueError:
        raise Refused(400, "bad-request", "a name that no certificate can have") from None
    return ((x509.SubjectAlternativeName(names), False),) if names else ()
