"""Messages of the security service (tas), built and read without IO (ONVIF Security Service 26.06, chapter 5)."""

import base64
import re
from dataclasses import dataclass, field
from datetime import timedelta

from device_cert_operator.core.model import KeyType, Pkcs12Encryption
from device_cert_operator.drivers.onvif.soap import (
    TAS,
    Element,
    boolean,
    child,
    children,
    decoded,
    node,
    required,
    safe,
    text,
    truth,
    whole,
)
from device_cert_operator.errors import ProtocolViolation

_MOST_ENTRIES = 256
_LONGEST_ID = 64  # NCName of at most 64 characters (5.2)
_DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,5})(?:\.\d{1,9})?S)?)?", re.ASCII)
RSA_SHA256 = "1.2.840.113549.1.1.11"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
_CURVES = {  # IANA TLS Supported Groups, and the names firmware uses instead
    "secp256r1": KeyType.ECDSA_P256,
    "prime256v1": KeyType.ECDSA_P256,
    "p-256": KeyType.ECDSA_P256,
    "secp384r1": KeyType.ECDSA_P384,
    "p-384": KeyType.ECDSA_P384,
}
_SAN = "2.5.29.17"
_SUBJECT_PARTS = (  # in the order of tas:DistinguishedName
    ("country", "Country"),
    ("organization", "Organization"),
    ("organizational_unit", "OrganizationalUnit"),
    ("state", "StateOrProvinceName"),
    ("common_name", "CommonName"),
    ("locality", "Locality"),
)
_RSA_LENGTHS = {2048: KeyType.RSA_2048, 3072: KeyType.RSA_3072, 4096: KeyType.RSA_4096}


@dataclass(frozen=True, slots=True)
class KeystoreFeatures:
    """GetServiceCapabilitiesResponse. `most_…`: None = not told. curves: as the device names them."""

    pkcs12: bool = False
    pkcs12_rsa_only: bool = False
    makes_rsa: bool = False
    makes_ecc: bool = False
    self_signs: bool = False
    signs_requests: bool = False
    rsa_lengths: tuple[int, ...] = ()
    curves: tuple[str, ...] = ()
    encryptions: tuple[Pkcs12Encryption, ...] = ()
    most_keys: int | None = None
    most_certificates: int | None = None
    most_paths: int | None = None
    most_passphrases: int = 0
    serves_tls: bool = False
    setup_for: timedelta | None = None

    def curve_for(self, key_type: KeyType) -> str | None:
        """The device's own name of a curve, where it lists it."""
        return next((name for name in self.curves if _CURVES.get(name.lower()) is key_type), None)

    @property
    def makes_key_types(self) -> frozenset[KeyType]:
        """Key pairs that the device makes itself: of the sizes and curves it lists, RSA-2048 where it lists none."""
        types = {_RSA_LENGTHS[bits] for bits in self.rsa_lengths if bits in _RSA_LENGTHS} or {KeyType.RSA_2048}
        curves = {_CURVES[name.lower()] for name in self.curves if name.lower() in _CURVES}
        return frozenset((types if self.makes_rsa else set()) | (curves if self.makes_ecc else set()))

    @property
    def key_types(self) -> frozenset[KeyType]:
        """Key pairs that the device takes in a PKCS#12 file: those whose sizes it lists, else RSA-2048."""
        types = {_RSA_LENGTHS[bits] for bits in self.rsa_lengths if bits in _RSA_LENGTHS}
        if self.pkcs12 and not self.pkcs12_rsa_only:
            types |= {_CURVES[name.lower()] for name in self.curves if name.lower() in _CURVES}
        return frozenset(types or {KeyType.RSA_2048})


@dataclass(frozen=True, slots=True)
class StoreCertificate:
    """A certificate in the keystore."""

    certificate_id: str
    key_id: str | None
    alias: str
    der: bytes = field(repr=False)
    has_private_key: bool | None = None


@dataclass(frozen=True, slots=True)
class StoreKey:
    """A key in the keystore. status: `ok`, `generating`, `corrupt` or UNKNOWN. made_here: the device says so."""

    key_id: str
    alias: str
    has_private_key: bool | None
    status: str
    made_here: bool = False


@dataclass(frozen=True, slots=True)
class StorePath:
    """A certification path: certificate ids, leaf first."""

    path_id: str
    alias: str
    certificate_ids: tuple[str, ...]


# ------------------------------------------------------------------------------------------------ build


def build_get(operation: str) -> Element:
    """A request without parameters, e.g. GetAllKeys."""
    return node(TAS, operation)


def build_with(operation: str, **values: str) -> Element:
    """A request with one text parameter, or several in the order of the schema."""
    return node(TAS, operation, *(node(TAS, name, text=value) for name, value in values.items()))


def build_create_self_signed(key_id: str, common_name: str, algorithm: str, alias: str) -> Element:
    """CreateSelfSignedCertificate, dated by the device (5.2.6)."""
    return node(
        TAS,
        "CreateSelfSignedCertificate",
        node(TAS, "X509Version", text="3"),
        node(TAS, "Subject", node(TAS, "CommonName", text=common_name)),
        node(TAS, "KeyID", text=key_id),
        node(TAS, "Alias", text=alias),
        node(TAS, "SignatureAlgorithm", node(TAS, "algorithm", text=algorithm)),
    )


def build_upload_certificate(der: bytes, alias: str, *, key_required: bool = False) -> Element:
    """UploadCertificate: of an issuer, or (key_required) for a key that is on the device and keeps its alias."""
    names = {"Alias": alias} if key_required else {"Alias": alias, "KeyAlias": alias}
    return build_with("UploadCertificate", Certificate=_base64(der), **names, PrivateKeyRequired=truth(key_required))


def build_create_csr(
    key_id: str, subject: tuple[tuple[str, str], ...], san_der: bytes | None, algorithm: str
) -> Element:
    """CreatePKCS10CSR. subject: as in `CSRRequest`. san_der: GeneralNames; critical when the subject is empty."""
    given = dict(subject)
    parts = (node(TAS, name, text=given[field]) for field, name in _SUBJECT_PARTS if field in given)
    return node(
        TAS,
        "CreatePKCS10CSR",
        node(TAS, "Subject", *parts),
        node(TAS, "KeyID", text=key_id),
        _san_attribute(san_der, critical=not subject) if san_der is not None else None,
        node(TAS, "SignatureAlgorithm", node(TAS, "algorithm", text=algorithm)),
    )


def _san_attribute(der: bytes, *, critical: bool) -> Element:
    extension = node(
        TAS,
        "X509v3Extension",
        node(TAS, "extnOID", text=_SAN),
        node(TAS, "critical", text=truth(critical)),
        node(TAS, "extnValue", text=_base64(der)),
    )
    return node(TAS, "CSRAttribute", extension)


def build_create_path(certificate_ids: tuple[str, ...], alias: str) -> Element:
    """CreateCertificationPath, leaf first."""
    ids = node(TAS, "CertificateIDs", *(node(TAS, "CertificateID", text=one) for one in certificate_ids))
    return node(TAS, "CreateCertificationPath", ids, node(TAS, "Alias", text=alias))


def algorithm_for(kind: KeyType) -> str:
    """The OID of the signature algorithm of a key: with SHA-256."""
    return RSA_SHA256 if kind.startswith("RSA") else ECDSA_SHA256


def build_upload_pkcs12(pkcs12: bytes, alias: str, *, passphrase_id: str | None, passphrase: str | None) -> Element:
    """UploadCertificateWithPrivateKeyInPKCS12, with a passphrase that is on the device already or goes along."""
    return node(
        TAS,
        "UploadCertificateWithPrivateKeyInPKCS12",
        node(TAS, "CertWithPrivateKey", text=_base64(pkcs12)),
        node(TAS, "CertificationPathAlias", text=alias),
        node(TAS, "KeyAlias", text=alias),
        node(TAS, "IgnoreAdditionalCertificates", text=truth(False)),
        node(TAS, "IntegrityPassphraseID", text=passphrase_id) if passphrase_id else None,
        node(TAS, "EncryptionPassphraseID", text=passphrase_id) if passphrase_id else None,
        node(TAS, "Passphrase", text=passphrase) if passphrase and not passphrase_id else None,
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


# ------------------------------------------------------------------------------------------------- read


def read_id(answer: Element, name: str) -> str:
    """An id out of an answer. Raises ProtocolViolation for one that cannot be an id."""
    return _an_id(required(answer, name))


def read_ids(answer: Element, name: str) -> tuple[str, ...]:
    """Every id of this name in an answer."""
    return tuple(_an_id(value) for one in children(answer, name)[:_MOST_ENTRIES] if (value := text(one)))


def _an_id(value: str) -> str:
    if len(value) > 4 * _LONGEST_ID or not value.isprintable():
        raise ProtocolViolation(f"the device gives {safe(value)[:40]!r}… as an id")
    return value


def read_features(answer: Element) -> KeystoreFeatures:
    """GetServiceCapabilitiesResponse; what is absent or unreadable counts as not supported."""
    store, tls = (
        child(answer, "Capabilities", "KeystoreCapabilities"),
        child(answer, "Capabilities", "TLSServerCapabilities"),
    )
    if store is None:
        return KeystoreFeatures()
    generates = {word.upper() for word in _words(store, "KeyPairGeneration")}
    pkcs12, pkcs12_rsa = _flag(store, "PKCS12"), _flag(store, "PKCS12CertificateWithRSAPrivateKeyUpload")
    return KeystoreFeatures(
        pkcs12=pkcs12 or pkcs12_rsa,
        pkcs12_rsa_only=pkcs12_rsa and not pkcs12,
        makes_rsa="RSA" in generates or _flag(store, "RSAKeyPairGeneration"),
        makes_ecc="ECC" in generates or _flag(store, "ECCKeyPairGeneration"),
        self_signs=_flag(store, "SelfSignedCertificateCreation")
        or _flag(store, "SelfSignedCertificateCreationWithRSA"),
        signs_requests=_flag(store, "PKCS10") or _flag(store, "PKCS10ExternalCertificationWithRSA"),
        rsa_lengths=tuple(bits for word in _words(store, "RSAKeyLengths") if (bits := whole(word)) is not None),
        curves=tuple(_words(store, "EllipticCurves")),
        encryptions=read_encryptions(tuple(_words(store, "PasswordBasedEncryptionAlgorithms"))),
        most_keys=whole(store.get("MaximumNumberOfKeys")),
        most_certificates=whole(store.get("MaximumNumberOfCertificates")),
        most_paths=whole(store.get("MaximumNumberOfCertificationPaths")),
        most_passphrases=whole(store.get("MaximumNumberOfPassphrases")) or 0,
        serves_tls=tls is not None and bool(_words(tls, "TLSServerSupported")),
        setup_for=_duration(tls.get("SetupDuration")) if tls is not None else None,
    )


def read_encryptions(names: tuple[str, ...]) -> tuple[Pkcs12Encryption, ...]:
    """What the device lists, in its order; PBES2 alone, or nothing, means the baseline: AES-128."""
    found: list[Pkcs12Encryption] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9.]", "", name.lower())
        if "aes256" in plain or plain.endswith("2.16.840.1.101.3.4.1.42"):
            found.append(Pkcs12Encryption.PBES2_AES256_CBC)
        elif "pbes2" in plain or "aes128" in plain or plain in {"1.2.840.113549.1.5.13", "2.16.840.1.101.3.4.1.2"}:
            found.append(Pkcs12Encryption.PBES2_AES128_CBC)
        elif ("sha" in plain and ("3keytripledes" in plain or "3des" in plain)) or plain == "1.2.840.113549.1.12.1.3":
            found.append(Pkcs12Encryption.PBE_SHA1_3DES)
    if not names:
        found.append(Pkcs12Encryption.PBES2_AES128_CBC)
    return tuple(dict.fromkeys(found))


def _flag(element: Element, name: str) -> bool:
    return boolean(element.get(name)) or False


def _words(element: Element, name: str) -> list[str]:
    return [safe(word) for word in re.split(r"[\s,]+", element.get(name) or "")[:64] if word]


def _duration(value: str | None) -> timedelta | None:
    """An xs:duration without years and months, at most an hour; None for anything else."""
    match = _DURATION.fullmatch((value or "").strip())
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return min(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds), timedelta(hours=1))


def read_duration(answer: Element, name: str) -> timedelta | None:
    """An xs:duration of an answer, at most an hour."""
    return _duration(text(answer, name))


def read_certificates(answer: Element) -> tuple[StoreCertificate, ...]:
    """GetAllCertificatesResponse."""
    return tuple(_certificate(one) for one in children(answer, "Certificate")[:_MOST_ENTRIES])


def _certificate(element: Element) -> StoreCertificate:
    return StoreCertificate(
        certificate_id=read_id(element, "CertificateID"),
        key_id=text(element, "KeyID"),
        alias=safe(text(element, "Alias") or ""),
        der=decoded(required(element, "CertificateContent"), "a certificate"),
        has_private_key=boolean(text(element, "HasPrivateKey")),
    )


def read_csr(answer: Element) -> bytes:
    """CreatePKCS10CSRResponse: what should be DER, unverified."""
    return decoded(required(answer, "PKCS10CSR"), "a certificate request")


def read_keys(answer: Element) -> tuple[StoreKey, ...]:
    """GetAllKeysResponse."""
    return tuple(_key(one) for one in children(answer, "KeyAttribute")[:_MOST_ENTRIES])


def _key(element: Element) -> StoreKey:
    return StoreKey(
        key_id=read_id(element, "KeyID"),
        alias=safe(text(element, "Alias") or ""),
        has_private_key=boolean(text(element, "hasPrivateKey")),
        status=read_key_status(element),
        made_here=boolean(text(element, "externallyGenerated")) is False,
    )


def read_key_status(element: Element) -> str:
    """tas:KeyStatus; UNKNOWN for a word that the schema does not have."""
    status = (text(element, "KeyStatus") or "").lower()
    return status if status in {"ok", "generating", "corrupt"} else "UNKNOWN"


def read_path(answer: Element, path_id: str) -> StorePath:
    """GetCertificationPathResponse."""
    path = child(answer, "CertificationPath")
    if path is None:
        raise ProtocolViolation("GetCertificationPath: the answer holds no path")
    return StorePath(path_id, safe(text(path, "Alias") or ""), read_ids(path, "CertificateID"))


def read_passphrases(answer: Element) -> tuple[tuple[str, str], ...]:
    """GetAllPassphrasesResponse: id and alias."""
    found = children(answer, "PassphraseAttribute")[:_MOST_ENTRIES]
    return tuple((read_id(one, "PassphraseID"), safe(text(one, "Alias") or "")) for one in found)
