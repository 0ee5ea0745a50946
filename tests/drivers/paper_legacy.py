"""A legacy device on paper: certificates by the operations of the device service, without the security service.

After ONVIF Core Specification 16.06, chapter 8.4: an id that is taken is refused, a deletion is all or nothing and
takes the key pair along, a certificate is loaded only for a key that is there.
"""

import base64
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from device_cert_operator.drivers.onvif.soap import TDS, TT, Element, node
from tests.drivers.bundles import fingerprint
from tests.drivers.paper_device import Fault, PaperDevice, spki
from tests.net.certificates import FROM, UNTIL, Identity, PrivateKey, make

_DER = serialization.Encoding.DER


@dataclass
class LegacyPaperDevice(PaperDevice):
    """stored: certificates by id. name_alone: it takes whatever is given as subject for a common name."""

    has_security: bool = False
    makes_keys: bool = True
    name_alone: bool = False
    drops_loads: bool = False
    stored: dict[str, Identity] = field(default_factory=dict, repr=False)
    enabled: set[str] = field(default_factory=set)
    pairs: dict[bytes, PrivateKey] = field(default_factory=dict, repr=False)  # by SPKI

    async def served(self) -> str | None:
        if not self.enabled or not self.protocols.get("HTTPS", (False, 0))[0]:
            return None
        return fingerprint(self.shown.leaf_der)

    @property
    def shown(self) -> Identity:
        """What the TLS server shows: the first that is enabled."""
        return self.stored[min(self.enabled)]

    def with_factory_certificate(self) -> "LegacyPaperDevice":
        self.stored["factory"] = make("factory", kind="RSA")
        self.enabled = {"factory"}
        return self

    def do_GetServiceCapabilities(self, _: Element) -> list[Element]:
        security = node(TDS, "Security")
        security.set("TLS1.1", "true")
        security.set("TLS1.2", "1")
        security.set("OnboardKeyGeneration", str(self.makes_keys).lower())
        return [node(TDS, "Capabilities", node(TDS, "Network"), security, node(TDS, "System"))]

    def do_GetCertificates(self, _: Element) -> list[Element]:
        return [_nvt(certificate_id, one.leaf_der) for certificate_id, one in self.stored.items()]

    def do_GetCertificatesStatus(self, _: Element) -> list[Element]:
        return [
            node(
                TDS,
                "CertificateStatus",
                node(TT, "CertificateID", text=one),
                node(TT, "Status", text=str(one in self.enabled).lower()),
            )
            for one in self.stored
        ]

    def do_SetCertificatesStatus(self, request: Element) -> None:
        wanted = {one[0].text or "": one[1].text == "true" for one in request}
        self._all_known(*wanted)
        self.enabled = (self.enabled | {one for one, on in wanted.items() if on}) - {
            one for one, on in wanted.items() if not on
        }

    def do_SetNetworkProtocols(self, request: Element) -> None:
        wanted = {one[0].text or "": (one[1].text == "true", int(one[2].text or "")) for one in request}
        if wanted["HTTPS"][0] and not self.enabled:
            raise Fault("Receiver", "Action", "EnablingTlsFailed")
        self.protocols = wanted

    def do_CreateCertificate(self, request: Element) -> list[Element]:
        certificate_id = request[0].text or ""
        self._free(certificate_id)
        key = rsa.generate_private_key(65537, 2048)
        subject = self._subject(request[1].text or "")
        serial = x509.random_serial_number()
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), serial, FROM, UNTIL)
        self.pairs[spki(key.public_key())] = key
        self.stored[certificate_id] = Identity(key, builder.sign(key, hashes.SHA256()))
        return [_nvt(certificate_id, self.stored[certificate_id].leaf_der)]

    def do_GetPkcs10Request(self, request: Element) -> list[Element]:
        found = {etree.QName(one).localname: one.text or "" for one in request}
        self._all_known(found["CertificateID"])
        subject = self._subject(found.get("Subject", ""))
        key = self.stored[found["CertificateID"]].key
        csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        data = csr.public_bytes(serialization.Encoding.PEM if self.csr_as_pem else _DER)
        return [node(TDS, "Pkcs10Request", node(TT, "Data", text=base64.b64encode(data).decode()))]

    def do_LoadCertificates(self, request: Element) -> None:
        certificate_id, der = request[0][0].text or "", base64.b64decode(request[0][1][0].text or "")
        self._free(certificate_id)
        certificate = x509.load_der_x509_certificate(der)
        key = self.pairs.get(spki(certificate.public_key()))
        if key is None:
            raise Fault("Sender", "InvalidArgVal", "InvalidCertificate")
        self._store(certificate_id, Identity(key, certificate))

    def do_LoadCertificateWithPrivateKey(self, request: Element) -> None:
        certificate_id, certificate, key = request[0]
        self._free(certificate_id.text or "")
        private = serialization.load_der_private_key(base64.b64decode(key[0].text or ""), None)
        assert isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
        read = x509.load_der_x509_certificate(base64.b64decode(certificate[0].text or ""))
        self._store(certificate_id.text or "", Identity(private, read))

    def do_DeleteCertificates(self, request: Element) -> None:
        ids = [one.text or "" for one in request]
        self._all_known(*ids)
        if set(ids) & self.enabled:
            raise Fault("Receiver", "Action", "CertificateInUse")
        for certificate_id in ids:
            gone = self.stored.pop(certificate_id)
            self.pairs.pop(spki(gone.certificate.public_key()), None)  # as it may, whoever else has the key

    def _store(self, certificate_id: str, identity: Identity) -> None:
        if not self.drops_loads:
            self.stored[certificate_id] = identity

    def _subject(self, text: str) -> x509.Name:
        if self.name_alone:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
        return x509.Name.from_rfc4514_string(text)

    def _free(self, certificate_id: str) -> None:
        if certificate_id in self.stored:
            raise Fault("Sender", "InvalidArgVal", "CertificateID")

    def _all_known(self, *ids: str) -> None:
        if not set(ids) <= self.stored.keys():
            raise Fault("Sender", "InvalidArgVal", "CertificateID")


def _nvt(certificate_id: str, der: bytes) -> Element:
    data = node(TT, "Certificate", node(TT, "Data", text=base64.b64encode(der).decode()))
    return node(TDS, "NvtCertificate", node(TT, "CertificateID", text=certificate_id), data)
