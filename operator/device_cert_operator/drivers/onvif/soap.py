"""SOAP 1.2 envelopes as bytes and back, without IO (ONVIF Core Specification 26.06, chapters 5.6 and 5.9).

A device's answer is hostile input: no entities, no DTD, bounded size and depth, names matched without their
namespace (firmware confuses them), and nothing but `OperatorError` comes out.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from lxml import etree

from device_cert_operator.core.exchange import UsernameToken
from device_cert_operator.errors import DeviceRefused, OperatorError, ProtocolViolation, Retry, Unsupported
from device_cert_operator.net.words import without_secrets
from device_cert_operator.reasons import Reason

Element = etree._Element

ENV = "http://www.w3.org/2003/05/soap-envelope"
TDS = "http://www.onvif.org/ver10/device/wsdl"
TAS = "http://www.onvif.org/ver10/advancedsecurity/wsdl"
TT = "http://www.onvif.org/ver10/schema"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = _OASIS + "wssecurity-secext-1.0.xsd"
WSU = _OASIS + "wssecurity-utility-1.0.xsd"
_DIGEST_TYPE = _OASIS + "username-token-profile-1.0#PasswordDigest"
_BASE64_TYPE = _OASIS + "soap-message-security-1.0#Base64Binary"
_PREFIXES = {"s": ENV, "tds": TDS, "tas": TAS, "tt": TT}

MOST_BYTES = 1024 * 1024
_LONGEST_TEXT = 64 * 1024  # a base64 certificate fits many times
_EXCERPT = 160

_STORE_FULL = re.compile(r"MaximumNumberOf\w+Reached|MaxCertificates")
_KEY_REFUSED = frozenset(
    {
        "KeyLength",
        "UnsupportedPublicKeyAlgorithm",
        "UnsupportedEllipticCurve",
        "UnsupportedSignatureAlgorithm",
        "InvalidKeyType",
        "EllipticCurve",
    }
)
_GONE = frozenset({"KeyID", "CertificateID", "CertificationPathID", "PassphraseID"})


class OnvifFault(DeviceRefused):
    """A well-formed fault. codes: local names of code and subcodes, outermost first, e.g. `Sender`, `InvalidArgVal`."""

    def __init__(
        self, message: str, codes: tuple[str, ...], *, reason: Reason | None = None, retry: Retry | None = None
    ):
        super().__init__(message, reason=reason, retry=retry)
        self.codes = codes

    @property
    def in_use(self) -> bool:
        """Something else refers to the object (ONVIF Security Service 26.06, ter:ReferenceExists)."""
        return "ReferenceExists" in self.codes

    @property
    def gone(self) -> bool:
        """There is no object of this id."""
        return any(code.removeprefix("Invalid") in _GONE for code in self.codes)


# ------------------------------------------------------------------------------------------------ build


def node(namespace: str, name: str, *children: Element | None, text: str | None = None) -> Element:
    """An element with these children (None is left out) or this text; children are always qualified."""
    made = etree.Element(f"{{{namespace}}}{name}", nsmap=_PREFIXES)
    made.text = text
    for child in children:
        if child is not None:
            made.append(child)
    return made


def truth(value: bool) -> str:
    """An xs:boolean."""
    return "true" if value else "false"


def build_envelope(body: Element, token: UsernameToken | None = None) -> bytes:
    """The whole message. token: goes into a WS-Security header (ONVIF Core Specification 26.06, 5.9.4)."""
    header = node(ENV, "Header", _security_header(token)) if token is not None else None
    whole = node(ENV, "Envelope", header, node(ENV, "Body", body))
    etree.cleanup_namespaces(whole, keep_ns_prefixes=list(_PREFIXES))
    return etree.tostring(whole, xml_declaration=True, encoding="utf-8")


def _security_header(token: UsernameToken) -> Element:
    password = node(WSSE, "Password", text=token.password_digest)
    password.set("Type", _DIGEST_TYPE)
    nonce = node(WSSE, "Nonce", text=token.nonce)
    nonce.set("EncodingType", _BASE64_TYPE)
    created = node(WSU, "Created", text=token.created)
    username = node(WSSE, "UsernameToken", node(WSSE, "Username", text=token.username), password, nonce, created)
    security = node(WSSE, "Security", username)
    security.set(f"{{{ENV}}}mustUnderstand", "true")
    return security


def content_type_for(body: Element) -> str:
    """The media type with the action: namespace, slash, operation (SOAP 1.2 part 2, 6.5.3)."""
    name = etree.QName(body)
    return f'application/soap+xml; charset=utf-8; action="{name.namespace}/{name.localname}"'


# ------------------------------------------------------------------------------------------------ parse


def parse_body(data: bytes, operation: str) -> Element:
    """The answer to `operation`, out of its envelope.

    Raises ProtocolViolation for what is no such answer, and the error of a fault (`error_of`).
    """
    if len(data) > MOST_BYTES:
        raise ProtocolViolation(f"{operation}: the answer has more than {MOST_BYTES} bytes")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise ProtocolViolation(f"{operation}: the answer is no XML: {excerpt(data)}") from None
    if getattr(root.getroottree().docinfo, "doctype", ""):
        raise ProtocolViolation(f"{operation}: the answer has a document type, which SOAP forbids")
    body = child(root, "Body")
    answer = next(elements(body), None) if body is not None and local_name(root) == "Envelope" else None
    if answer is None:
        raise ProtocolViolation(f"{operation}: the answer is no SOAP message: {excerpt(data)}")
    if local_name(answer) == "Fault":
        raise error_of(answer, operation)
    if local_name(answer) != f"{operation}Response":
        raise ProtocolViolation(f"{operation}: answered by {safe(local_name(answer))}")
    return answer


def error_of(fault: Element, operation: str) -> OperatorError:
    """A fault as the error that says who can help (ONVIF Core Specification 26.06, 5.6.2)."""
    codes = _codes_of(fault)
    words = safe(without_secrets(text(fault, "Reason", "Text") or ""))
    message = f"{operation}: the device says {'/'.join(codes) or 'Fault'}" + (f" ({words})" if words else "")
    if "ActionNotSupported" in codes:
        return Unsupported(f"{message}: it cannot do this")
    if any(_STORE_FULL.fullmatch(code) for code in codes):
        return OnvifFault(f"{message}: delete what nobody uses on the device", codes, reason=Reason.STORE_FULL)
    if _KEY_REFUSED & set(codes):
        return OnvifFault(message, codes, reason=Reason.KEY_TYPE_REFUSED)
    if codes[:1] == ("Receiver",) and len(codes) <= 2:
        return OnvifFault(message, codes, retry=Retry.BACKOFF)  # an inner trouble without a name may pass
    return OnvifFault(message, codes)


def _codes_of(fault: Element) -> tuple[str, ...]:
    """The local names of Code/Value and every Subcode/Value, outermost first; at most six."""
    codes: list[str] = []
    level = child(fault, "Code")
    while level is not None and len(codes) < 6:
        value = text(level, "Value")
        if value:
            codes.append(safe(value.rpartition(":")[2])[:64])
        level = child(level, "Subcode")
    return tuple(codes)


def says_not_authorized(error: OperatorError) -> bool:
    """Whether this is the fault for a request that came without a log-in, or with too small a role."""
    return isinstance(error, OnvifFault) and bool({"NotAuthorized", "FailedAuthentication"} & set(error.codes))


def local_name(element: Element) -> str:
    """The name without its namespace."""
    return etree.QName(element).localname


def elements(element: Element) -> Iterator[Element]:
    """The child elements: unresolved entities are no elements."""
    return (one for one in element if isinstance(one.tag, str))


def child(element: Element, *path: str) -> Element | None:
    """The first element at this path of local names."""
    for name in path:
        found = next((one for one in elements(element) if local_name(one) == name), None)
        if found is None:
            return None
        element = found
    return element


def children(element: Element, name: str) -> list[Element]:
    """The child elements of this local name."""
    return [one for one in elements(element) if local_name(one) == name]


def text(element: Element, *path: str) -> str | None:
    """The stripped text at this path, None when absent or empty, bounded."""
    found = child(element, *path) if path else element
    value = (found.text or "").strip() if found is not None else ""
    return value[:_LONGEST_TEXT] or None


def required(element: Element, *path: str) -> str:
    """The text at this path. Raises ProtocolViolation without one."""
    value = text(element, *path)
    if value is None:
        raise ProtocolViolation(f"{safe(local_name(element))} lacks {'/'.join(path)}")
    return value


def boolean(value: str | None) -> bool | None:
    """An xs:boolean; None for anything else."""
    return {"true": True, "1": True, "false": False, "0": False}.get((value or "").strip().lower())


def whole(value: str | None) -> int | None:
    """A whole number of at most nine digits; None for anything else."""
    return int(value) if value is not None and re.fullmatch(r"\s*[0-9]{1,9}\s*", value, re.ASCII) else None


def decoded(value: str, what: str) -> bytes:
    """DER from base64 of DER; some firmware puts PEM in there, or PEM itself (ONVIF Core, GetPkcs10Request).

    what: for the message of the ProtocolViolation.
    """
    try:
        data = value.encode("ascii") if value.startswith("-----BEGIN") else _from_base64(value)
        if data.startswith(b"-----BEGIN"):
            inner = b"".join(line for line in data.splitlines() if line.strip() and not line.startswith(b"-"))
            data = _from_base64(inner.decode("ascii"))
    except (binascii.Error, ValueError):
        raise ProtocolViolation(f"the device gives {what} that is no base64") from None
    return data


def _from_base64(value: str) -> bytes:
    return base64.b64decode("".join(value.split()), validate=True)


def safe(words: str) -> str:
    """Printable, one line, cut: for messages that people read."""
    clean = "".join(char if char.isprintable() else " " for char in words[: _EXCERPT * 4])
    return " ".join(clean.split())[:_EXCERPT]


def excerpt(data: bytes) -> str:
    """The beginning of what is no answer, safe to show."""
    return repr(safe(without_secrets(data[: 4 * _EXCERPT].decode("utf-8", "replace")))[:80])
