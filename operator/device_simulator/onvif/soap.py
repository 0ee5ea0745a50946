"""SOAP 1.2 on the server's side: parse a request, find its token, write an answer or a fault."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

SOAP = "http://www.w3.org/2003/05/soap-envelope"
TDS = "http://www.onvif.org/ver10/device/wsdl"
TAS = "http://www.onvif.org/ver10/advancedsecurity/wsdl"
TT = "http://www.onvif.org/ver10/schema"
TER = "http://www.onvif.org/ver10/error"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
NAMESPACES = {"s": SOAP, "tds": TDS, "tas": TAS, "tt": TT, "ter": TER}
Element = etree._Element  # lxml has no public name for it
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)


class SoapFault(Exception):
    """codes: `Sender` or `Receiver`, then ter: subcodes."""

    def __init__(self, *codes: str, text: str = "") -> None:
        super().__init__(text or " ".join(codes))
        self.codes = codes


@dataclass(frozen=True)
class Token:
    """A UsernameToken as it came."""

    username: str
    digest: str
    nonce: str
    created: str


@dataclass(frozen=True)
class Request:
    """One operation with its body, and the log-in in its header."""

    namespace: str
    operation: str
    body: Element
    token: Token | None


def parse(data: bytes) -> Request:
    """Raises SoapFault for what is no SOAP 1.2 request of ours."""
    try:
        envelope = etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError:
        raise SoapFault("Sender", "WellFormed") from None
    body = envelope.find(f"{{{SOAP}}}Body")
    if envelope.tag != f"{{{SOAP}}}Envelope" or body is None or len(body) != 1:
        raise SoapFault("Sender", "WellFormed")
    name = etree.QName(body[0])
    if name.namespace is None:
        raise SoapFault("Sender", "TagMismatch")
    for element in body[0].iter():
        if isinstance(element.tag, str) and etree.QName(element).namespace is None:
            raise SoapFault("Sender", "TagMismatch")
    return Request(name.namespace, name.localname, body[0], _token(envelope))


def _token(envelope: Element) -> Token | None:
    found = envelope.find(f"{{{SOAP}}}Header/{{{WSSE}}}Security/{{{WSSE}}}UsernameToken")
    if found is None:
        return None
    return Token(
        found.findtext(f"{{{WSSE}}}Username") or "",
        found.findtext(f"{{{WSSE}}}Password") or "",
        found.findtext(f"{{{WSSE}}}Nonce") or "",
        found.findtext(f"{{{WSU}}}Created") or "",
    )


def make(namespace: str, name: str, *children: Element | None, text: object = None, **attributes: object) -> Element:
    """An element; booleans become `true` and `false`."""
    element = etree.Element(f"{{{namespace}}}{name}", nsmap=NAMESPACES)
    if text is not None:
        element.text = _word(text)
    for key, value in attributes.items():
        element.set(key, _word(value))
    element.extend([child for child in children if child is not None])
    return element


def _word(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def maker(namespace: str) -> Callable[..., Element]:
    """`make` for one namespace."""

    def made(name: str, *children: Element | None, text: object = None, **attributes: object) -> Element:
        return make(namespace, name, *children, text=text, **attributes)

    return made


def value(body: Element, *path: str) -> str | None:
    """The text at a path of local names, in any namespace."""
    found: Element | None = body
    for name in path:
        found = next((one for one in (found if found is not None else ()) if etree.QName(one).localname == name), None)
    return None if found is None else (found.text or "").strip()


def values(body: Element, name: str) -> list[str]:
    """The texts of all descendants of this local name."""
    return [
        (one.text or "").strip()
        for one in body.iter()
        if isinstance(one.tag, str) and etree.QName(one).localname == name
    ]


def argument(request: Request, name: str) -> str:
    """A parameter that must be there. Raises SoapFault."""
    found = value(request.body, name)
    if not found:
        raise SoapFault("Sender", "InvalidArgs", name)
    return found


def binary(text: str) -> bytes:
    """Base64, line breaks allowed. Raises SoapFault."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise SoapFault("Sender", "InvalidArgVal") from None


def envelope(answer: Element) -> bytes:
    """An answer."""
    return bytes(
        etree.tostring(make(SOAP, "Envelope", make(SOAP, "Body", answer)), xml_declaration=True, encoding="UTF-8")
    )


def fault(error: SoapFault) -> bytes:
    """A SOAP 1.2 fault with nested subcodes (SOAP 1.2 part 1, section 5.4; ONVIF Core, 5.8.2)."""
    code: Element | None = None
    for name in reversed(error.codes[1:]):
        code = make(SOAP, "Subcode", make(SOAP, "Value", text=f"ter:{name}"), code)
    outer = make(SOAP, "Code", make(SOAP, "Value", text=f"s:{error.codes[0]}"), code)
    reason = make(SOAP, "Text", text=str(error))
    reason.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    return envelope(make(SOAP, "Fault", outer, make(SOAP, "Reason", reason)))
