"""A device on paper: ONVIF's keystore rules in memory, without sockets, for what is asked after every single request.

It follows ONVIF Security Service 26.06 to the letter; the devices of `device_simulator` do not, on purpose.
"""

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from lxml import etree

from device_cert_operator.core.exchange import Method, Reply, UsernameToken
from device_cert_operator.drivers.base import DeviceConnection
from device_cert_operator.drivers.onvif.soap import TAS, TDS, TT, Element, node
from tests.drivers.bundles import fingerprint
from tests.net.certificates import Identity, PrivateKey, make

_DER = serialization.Encoding.DER
CAPABILITIES = {
    "MaximumNumberOfKeys": "6",
    "MaximumNumberOfCertificates": "6",
    "MaximumNumberOfCertificationPaths": "9",
    "MaximumNumberOfPassphrases": "2",
    "KeyPairGeneration": "RSA ECC",
    "RSAKeyLengths": "2048 3072",
    "EllipticCurves": "secp256r1",
    "SelfSignedCertificateCreation": "true",
    "PKCS10": "true",
    "PKCS12": "true",
    "PasswordBasedEncryptionAlgorithms": "PBES2-AES256-CBC",
}


class Fault(Exception):
    """A fault with these codes."""


@dataclass
class Key:
    public: bytes
    alias: str
    private: bool
    polls_left: int = -1  # until it is made
    made: PrivateKey | None = field(default=None, repr=False)  # by the device
    corrupt: bool = False


@dataclass
class Certificate:
    der: bytes
    key_id: str
    alias: str = ""


@dataclass
class Path:
    certificate_ids: tuple[str, ...]
    alias: str


@dataclass
class PaperDevice:
    """The device's state, and the Bench of the driver contract."""

    capabilities: dict[str, str] = field(default_factory=lambda: dict(CAPABILITIES))
    has_security: bool = True
    token_only: bool = False
    takes_san: bool = True
    csr_as_pem: bool = False
    checks_keys: bool = True
    corrupt_keys: int = 0
    keys: dict[str, Key] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    passphrases: dict[str, tuple[str, str]] = field(default_factory=dict)
    assigned: str | None = None
    protocols: dict[str, tuple[bool, int]] = field(default_factory=lambda: {"HTTP": (True, 80), "HTTPS": (True, 443)})
    interfaces: dict[str, tuple[bool, *tuple[tuple[str, int], ...]]] = field(
        default_factory=lambda: {"lo": (False, ("127.0.0.1", 8)), "eth0": (True, ("192.168.1.120", 24))}
    )
    gateways: tuple[str, ...] = ("192.168.1.1", "fe80::1")
    reboot_needed: str = "false"
    ntp: tuple[str, ...] = ()
    source: str = "Manual"
    zone: str = "CET-1CEST"
    offset: timedelta = timedelta()
    log: list[str] = field(default_factory=list)
    private: dict[bytes, Identity] = field(default_factory=dict, repr=False)  # by the leaf's DER
    counter: int = 0

    # ------------------------------------------------------------------------------------------ the bench

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[DeviceConnection]:
        yield PaperConnection(self)

    async def served(self) -> str | None:
        if self.assigned is None or not self.protocols.get("HTTPS", (False, 0))[0]:
            return None
        return fingerprint(self.certificates[self.paths[self.assigned].certificate_ids[0]].der)

    @property
    def shown(self) -> Identity:
        """What the TLS server shows."""
        assert self.assigned is not None
        return self.private[self.certificates[self.paths[self.assigned].certificate_ids[0]].der]

    def with_factory_certificate(self) -> "PaperDevice":
        """Serving a certificate of the maker's, as most do."""
        identity = make("factory")
        key_id = self._add_key(identity.certificate.public_key(), "factory", private=True)
        certificate_id = self._add_certificate(identity.leaf_der, key_id)
        self.private[identity.leaf_der] = identity
        self.assigned = self._new("path")
        self.paths[self.assigned] = Path((certificate_id,), "factory")
        return self

    # ------------------------------------------------------------------------------------------ operations

    def answer(self, request: Element) -> list[Element]:
        """Do one operation. Raises Fault."""
        operation = etree.QName(request).localname
        self.log.append(operation)
        method: Callable[[Element], list[Element] | None] | None = getattr(self, f"do_{operation}", None)
        if method is None or (etree.QName(request).namespace == TAS and not self.has_security):
            raise Fault("Receiver", "ActionNotSupported")
        return method(request) or []

    def do_GetServices(self, _: Element) -> list[Element]:
        offered = [(TDS, "http://10.1.1.1/onvif/device_service")]
        offered += [(TAS, "http://10.1.1.1/onvif/security")] if self.has_security else []
        return [
            node(TDS, "Service", node(TDS, "Namespace", text=namespace), node(TDS, "XAddr", text=address))
            for namespace, address in offered
        ]

    def do_GetSystemDateAndTime(self, _: Element) -> list[Element]:
        at = datetime.now(UTC) + self.offset  # noqa: TID251
        time = [node(TT, name, text=str(getattr(at, name.lower()))) for name in ("Hour", "Minute", "Second")]
        date = [node(TT, name, text=str(getattr(at, name.lower()))) for name in ("Year", "Month", "Day")]
        return [
            node(
                TDS,
                "SystemDateAndTime",
                node(TT, "DateTimeType", text=self.source),
                node(TT, "DaylightSavings", text="true"),
                node(TT, "TimeZone", node(TT, "TZ", text=self.zone)),
                node(TT, "UTCDateTime", node(TT, "Time", *time), node(TT, "Date", *date)),
            )
        ]

    def do_SetSystemDateAndTime(self, request: Element) -> None:
        found = {etree.QName(one).localname: one.text or "" for one in request.iter()}
        if len(found.get("TZ", "")) > 20:
            raise Fault("Sender", "InvalidArgVal", "InvalidTimeZone")
        self.source, self.zone = found["DateTimeType"], found.get("TZ", "UTC0")
        if self.source == "Manual":
            names = ("Year", "Month", "Day", "Hour", "Minute", "Second")
            year, month, day, hour, minute, second = (int(found[name]) for name in names)
            at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
            self.offset = at - datetime.now(UTC)  # noqa: TID251

    def do_GetDeviceInformation(self, _: Element) -> list[Element]:
        names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber", "HardwareId")
        return [node(TDS, name, text=f"Paper {name}") for name in names]

    def do_GetNetworkProtocols(self, _: Element) -> list[Element]:
        return [
            node(
                TDS,
                "NetworkProtocols",
                node(TT, "Name", text=name),
                node(TT, "Enabled", text=str(enabled).lower()),
                node(TT, "Port", text=str(port)),
            )
            for name, (enabled, port) in self.protocols.items()
        ]

    def do_SetNetworkProtocols(self, request: Element) -> None:
        wanted = {}
        for one in request:
            name, enabled, port = (part.text or "" for part in one)
            wanted[name] = (enabled == "true", int(port))
        if wanted.get("HTTPS", (False, 0))[0] and self.assigned is None:
            raise Fault("Receiver", "Action", "EnablingTlsFailed")
        self.protocols = wanted  # a partial set resets what is left out

    def do_GetNetworkInterfaces(self, _: Element) -> list[Element]:
        found = []
        for token, (dhcp, *addresses) in self.interfaces.items():
            kind = "FromDHCP" if dhcp else "Manual"
            parts = [
                node(TT, kind, node(TT, "Address", text=address), node(TT, "PrefixLength", text=str(length)))
                for address, length in addresses
            ]
            config = node(TT, "Config", *parts, node(TT, "DHCP", text=str(dhcp).lower()))
            ipv4 = node(TT, "IPv4", node(TT, "Enabled", text="true"), config)
            interface = node(TDS, "NetworkInterfaces", node(TT, "Enabled", text="true"), ipv4)
            interface.set("token", token)
            found.append(interface)
        return found

    def do_SetNetworkInterfaces(self, request: Element) -> list[Element]:
        token = self._known(request, "InterfaceToken", self.interfaces)
        ipv4 = next(one for one in request[1] if etree.QName(one).localname == "IPv4")
        pairs = [(one[0].text or "", int(one[1].text or "")) for one in ipv4 if len(one) == 2]
        self.interfaces[token] = (ipv4[-1].text == "true", *pairs)
        return [node(TDS, "RebootNeeded", text=self.reboot_needed)] if self.reboot_needed else []

    def do_GetNetworkDefaultGateway(self, _: Element) -> list[Element]:
        names = ("IPv6Address" if ":" in one else "IPv4Address" for one in self.gateways)
        parts = (node(TT, name, text=one) for name, one in zip(names, self.gateways, strict=True))
        return [node(TDS, "NetworkGateway", *parts)]

    def do_SetNetworkDefaultGateway(self, request: Element) -> None:
        self.gateways = tuple(one.text or "" for one in request)

    def do_GetNTP(self, _: Element) -> list[Element]:
        hosts = [node(TT, "NTPManual", node(TT, "DNSname", text=one)) for one in self.ntp]
        return [node(TDS, "NTPInformation", node(TT, "FromDHCP", text="false"), *hosts)]

    def do_SetNTP(self, request: Element) -> None:
        self.ntp = tuple(one[1].text or "" for one in request if len(one) == 2)

    def do_SystemReboot(self, _: Element) -> list[Element]:
        return [node(TDS, "Message", text="bye")]

    def do_GetServiceCapabilities(self, _: Element) -> list[Element]:
        store, tls = node(TAS, "KeystoreCapabilities"), node(TAS, "TLSServerCapabilities")
        for name, value in self.capabilities.items():
            store.set(name, value)
        tls.set("TLSServerSupported", "1.2 1.3")
        return [node(TAS, "Capabilities", store, tls)]

    def do_GetAllKeys(self, _: Element) -> list[Element]:
        return [
            node(
                TAS,
                "KeyAttribute",
                node(TAS, "KeyID", text=key_id),
                node(TAS, "Alias", text=key.alias),
                node(TAS, "hasPrivateKey", text=str(key.private and key.polls_left < 0).lower()),
                node(TAS, "KeyStatus", text=self.status_of(key)),
                node(TAS, "externallyGenerated", text=str(key.made is None).lower()),
            )
            for key_id, key in self.keys.items()
        ]

    def do_GetAllCertificates(self, _: Element) -> list[Element]:
        return [
            node(
                TAS,
                "Certificate",
                node(TAS, "CertificateID", text=certificate_id),
                node(TAS, "KeyID", text=one.key_id),
                node(TAS, "Alias", text=one.alias),
                node(TAS, "CertificateContent", text=base64.b64encode(one.der).decode()),
            )
            for certificate_id, one in self.certificates.items()
        ]

    def do_GetAllCertificationPaths(self, _: Element) -> list[Element]:
        return [node(TAS, "CertificationPathID", text=one) for one in self.paths]

    def do_GetCertificationPath(self, request: Element) -> list[Element]:
        path = self.paths[self._known(request, "CertificationPathID", self.paths)]
        ids = [node(TAS, "CertificateID", text=one) for one in path.certificate_ids]
        return [node(TAS, "CertificationPath", *ids, node(TAS, "Alias", text=path.alias))]

    def do_GetAssignedServerCertificates(self, _: Element) -> list[Element]:
        return [node(TAS, "CertificationPathID", text=self.assigned)] if self.assigned else []

    def do_GetAllPassphrases(self, _: Element) -> list[Element]:
        return [
            node(TAS, "PassphraseAttribute", node(TAS, "PassphraseID", text=one), node(TAS, "Alias", text=alias))
            for one, (_, alias) in self.passphrases.items()
        ]

    def do_UploadPassphrase(self, request: Element) -> list[Element]:
        if len(self.passphrases) >= int(self.capabilities["MaximumNumberOfPassphrases"]):
            raise Fault("Receiver", "Action", "MaximumNumberOfPassphrasesReached")
        passphrase_id = self._new("passphrase")
        self.passphrases[passphrase_id] = (request[0].text or "", request[1].text or "")
        return [node(TAS, "PassphraseID", text=passphrase_id)]

    def do_DeletePassphrase(self, request: Element) -> None:
        del self.passphrases[self._known(request, "PassphraseID", self.passphrases)]

    def do_UploadCertificateWithPrivateKeyInPKCS12(self, request: Element) -> list[Element]:
        found = {etree.QName(one).localname: one.text or "" for one in request}
        passphrase = found.get("Passphrase") or self.passphrases[found["EncryptionPassphraseID"]][0]
        try:
            read = pkcs12.load_pkcs12(base64.b64decode(found["CertWithPrivateKey"]), passphrase.encode())
        except ValueError:
            raise Fault("Sender", "InvalidArgVal", "DecryptionFailed") from None
        assert read.cert is not None and len(passphrase) <= 40
        chain = [read.cert.certificate, *(one.certificate for one in read.additional_certs)]
        self._room(len(chain))
        assert isinstance(read.key, PrivateKey)
        leaf_der = chain[0].public_bytes(_DER)
        self.private[leaf_der] = Identity(read.key, chain[0], tuple(chain[1:]))
        ids = []
        for place, one in enumerate(chain):
            alias = found.get("KeyAlias", "") if place == 0 else ""
            key_id = self._add_key(one.public_key(), alias, private=place == 0)
            ids.append(self._add_certificate(one.public_bytes(_DER), key_id))
        path_id = self._add_path(tuple(ids), found.get("CertificationPathAlias", ""))
        return [
            node(TAS, "CertificationPathID", text=path_id),
            node(TAS, "KeyID", text=self.certificates[ids[0]].key_id),
        ]

    def do_UploadCertificate(self, request: Element) -> list[Element]:
        der = base64.b64decode(request[0].text or "")
        if any(one.der == der for one in self.certificates.values()):
            raise Fault("Sender", "InvalidArgVal", "Duplicate")
        self._room(1)
        found = {etree.QName(one).localname: one.text or "" for one in request}
        read = x509.load_der_x509_certificate(der)
        public = spki(read.public_key())
        made = next((key.made for key in self.keys.values() if key.public == public), None)
        fits = any(key.public == public and key.private for key in self.keys.values())
        if found["PrivateKeyRequired"] == "true" and self.checks_keys and not fits:
            raise Fault("Receiver", "Action", "NoMatchingPrivateKey")
        key_id = self._add_key(read.public_key(), found.get("KeyAlias", ""), private=False)
        certificate_id = self._add_certificate(der, key_id, found.get("Alias", ""))
        if made is not None:
            self.private[der] = Identity(made, read)
        return [node(TAS, "CertificateID", text=certificate_id), node(TAS, "KeyID", text=key_id)]

    def do_CreateCertificationPath(self, request: Element) -> list[Element]:
        ids = tuple(one.text or "" for one in request[0])
        if not set(ids) <= set(self.certificates):
            raise Fault("Sender", "InvalidArgVal", "CertificateID")
        return [node(TAS, "CertificationPathID", text=self._add_path(ids, request[1].text or ""))]

    def do_AddServerCertificateAssignment(self, request: Element) -> None:
        if self.assigned is not None:
            raise Fault("Receiver", "Action", "MaximumNumberOfTLSCertificationPathsReached")
        self.assigned = self._known(request, "CertificationPathID", self.paths)

    def do_ReplaceServerCertificateAssignment(self, request: Element) -> None:
        if request[0].text != self.assigned:
            raise Fault("Sender", "InvalidArgVal", "OldCertificationPathID")
        if request[1].text not in self.paths:
            raise Fault("Sender", "InvalidArgVal", "NewCertificationPathID")
        self.assigned = request[1].text

    def do_DeleteCertificationPath(self, request: Element) -> None:
        path_id = self._known(request, "CertificationPathID", self.paths)
        self._unused(path_id == self.assigned)
        del self.paths[path_id]

    def do_DeleteCertificate(self, request: Element) -> None:
        certificate_id = self._known(request, "CertificateID", self.certificates)
        self._unused(any(certificate_id in path.certificate_ids for path in self.paths.values()))
        del self.certificates[certificate_id]

    def do_DeleteKey(self, request: Element) -> None:
        key_id = self._known(request, "KeyID", self.keys)
        self._unused(any(one.key_id == key_id for one in self.certificates.values()))
        del self.keys[key_id]

    def do_CreateECCKeyPair(self, request: Element) -> list[Element]:
        return self._make_key(ec.generate_private_key(ec.SECP256R1()), request[1].text or "")

    def do_CreateRSAKeyPair(self, request: Element) -> list[Element]:
        return self._make_key(rsa.generate_private_key(65537, int(request[0].text or "")), request[1].text or "")

    def _make_key(self, made: PrivateKey, alias: str) -> list[Element]:
        if len(self.keys) >= int(self.capabilities["MaximumNumberOfKeys"]):
            raise Fault("Receiver", "Action", "MaximumNumberOfKeysReached")
        key_id = self._new("key")
        self.keys[key_id] = Key(spki(made.public_key()), alias, private=True, polls_left=2, made=made)
        return [node(TAS, "KeyID", text=key_id), node(TAS, "EstimatedCreationTime", text="PT1S")]

    def do_GetKeyStatus(self, request: Element) -> list[Element]:
        key = self.keys[self._known(request, "KeyID", self.keys)]
        key.polls_left -= 1
        return [node(TAS, "KeyStatus", text=self.status_of(key))]

    def status_of(self, key: Key) -> str:
        """Of the next keys, `corrupt_keys` come out corrupt."""
        if key.polls_left >= 0 and key.made is not None:
            return "generating"
        if key.made is not None and self.corrupt_keys:
            self.corrupt_keys -= 1
            key.corrupt = True
        return "corrupt" if key.corrupt else "ok"

    def do_CreatePKCS10CSR(self, request: Element) -> list[Element]:
        key = self.keys[self._known(request, "KeyID", self.keys)]
        if key.made is None or self.status_of(key) != "ok":
            raise Fault("Sender", "InvalidArgVal", "InvalidKeyStatus")
        common = [one.text or "" for one in request[0] if etree.QName(one).localname == "CommonName"]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in common])
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        for extension in request.iter(f"{{{TAS}}}X509v3Extension"):
            if not self.takes_san:
                raise Fault("Sender", "InvalidArgVal", "InvalidAttribute")
            oid, critical, value = (one.text or "" for one in extension)
            made = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), base64.b64decode(value))
            builder = builder.add_extension(made, critical=critical == "true")
        csr = builder.sign(key.made, hashes.SHA256())
        data = csr.public_bytes(serialization.Encoding.PEM if self.csr_as_pem else _DER)
        return [node(TAS, "PKCS10CSR", text=base64.b64encode(data).decode())]

    def do_CreateSelfSignedCertificate(self, request: Element) -> list[Element]:
        found = {etree.QName(one).localname: one.text or "" for one in request}
        if self.status_of(self.keys[found["KeyID"]]) != "ok":
            raise Fault("Sender", "InvalidArgVal", "InvalidKeyStatus")
        certificate_id = self._add_certificate(make("self-signed").leaf_der, found["KeyID"], found["Alias"])
        return [node(TAS, "CertificateID", text=certificate_id)]

    # --------------------------------------------------------------------------------------------- the store

    def _new(self, kind: str) -> str:
        self.counter += 1
        return f"{kind}-{self.counter}"

    def _room(self, certificates: int) -> None:
        if len(self.certificates) + certificates > int(self.capabilities["MaximumNumberOfCertificates"]):
            raise Fault("Receiver", "Action", "MaximumNumberOfCertificatesReached")

    def _add_key(self, public: object, alias: str, *, private: bool) -> str:
        own = spki(public)
        for key_id, key in self.keys.items():
            if key.public == own:
                key.private = key.private or private
                return key_id
        key_id = self._new("key")
        self.keys[key_id] = Key(own, alias, private)
        return key_id

    def _add_certificate(self, der: bytes, key_id: str, alias: str = "") -> str:
        certificate_id = self._new("certificate")
        self.certificates[certificate_id] = Certificate(der, key_id, alias)
        return certificate_id

    def _add_path(self, ids: tuple[str, ...], alias: str) -> str:
        path_id = self._new("path")
        self.paths[path_id] = Path(ids, alias)
        return path_id

    @staticmethod
    def _known(request: Element, name: str, store: Mapping[str, object]) -> str:
        value = next(one.text or "" for one in request if etree.QName(one).localname == name)
        if value not in store:
            raise Fault("Sender", "InvalidArgVal", name)
        return value

    @staticmethod
    def _unused(used: bool) -> None:
        if used:
            raise Fault("Sender", "InvalidArgVal", "ReferenceExists")


def spki(public: object) -> bytes:
    """DER of the SubjectPublicKeyInfo."""
    return public.public_bytes(_DER, serialization.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]


class PaperConnection:
    """One conversation with the device on paper, behind the protocol of `net/`."""

    encrypted = True

    def __init__(self, device: PaperDevice) -> None:
        self._device = device

    def username_token(self, created_at: datetime) -> UsernameToken:
        return UsernameToken("admin", "digest", "nonce", created_at.isoformat())

    async def request(
        self,
        method: Method,
        path: str,
        body: bytes = b"",
        *,
        content_type: str | None = None,
        log_in: bool = True,
        timeout: timedelta | None = None,
    ) -> Reply:
        assert method == "POST"
        return await self.post(path, body, content_type=content_type or "", log_in=log_in, timeout=timeout)

    async def post(
        self, path: str, body: bytes, *, content_type: str, log_in: bool = True, timeout: timedelta | None = None
    ) -> Reply:
        envelope = etree.fromstring(body)
        request = envelope[-1][0]
        operation = etree.QName(request).localname
        expected = "/onvif/security" if etree.QName(request).namespace == TAS else "/onvif/device_service"
        assert path == expected
        assert operation in content_type
        open_to_all = operation in {"GetServices", "GetSystemDateAndTime"}
        if self._device.token_only and not open_to_all and b"PasswordDigest" not in body:
            return Reply(400, {}, _fault("Sender", "NotAuthorized"))
        assert log_in or open_to_all or self._device.token_only
        try:
            parts = self._device.answer(request)
        except Fault as fault:
            return Reply(500, {}, _fault(*fault.args))
        answer = node(etree.QName(request).namespace or "", f"{operation}Response", *parts)
        return Reply(200, {}, _envelope(etree.tostring(answer)))


def _envelope(inner: bytes) -> bytes:
    opening = b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
    return opening + inner + b"</s:Body></s:Envelope>"


def _fault(*codes: str) -> bytes:
    inner = ""
    for code in reversed(codes[1:]):
        inner = f"<s:Subcode><s:Value>ter:{code}</s:Value>{inner}</s:Subcode>"
    return _envelope(f"<s:Fault><s:Code><s:Value>s:{codes[0]}</s:Value>{inner}</s:Code></s:Fault>".encode())
