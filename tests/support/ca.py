"""CAs and certificates for tests: plain functions, made by real `openssl` where its forms matter, else in memory."""

import ipaddress
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SUBJECT = "/C=JP/O=Example/CN=Example root"
STRICT_ROOT = (
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier=hash",
)
Extensions = Iterable[tuple[x509.ExtensionType, bool]]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key as PEM."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.cert_pem)

    @property
    def key(self) -> Key:
        key = serialization.load_pem_private_key(self.key_pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        return key


# ------------------------------------------------------------------------------------------ by openssl


def openssl(folder: Path, *arguments: str, given: bytes | None = None) -> bytes:
    """Run `openssl` in a folder, without the machine's configuration; AssertionError with what it said."""
    done = try_openssl(folder, *arguments, given=given)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def try_openssl(folder: Path, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """The same; a refusal is an answer."""
    empty = folder / "empty.cnf"
    empty.write_text("[req]\ndistinguished_name = dn\n[dn]\n")
    return subprocess.run(
        ["openssl", *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        check=False,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "OPENSSL_CONF": str(empty)},
    )


def openssl_root(
    folder: Path, *, extensions: Iterable[str] = STRICT_ROOT, key: str = "rsa:2048", subject: str = SUBJECT
) -> Pair:
    """`openssl req -x509` with exactly these extensions. key: as after `-newkey`, or `EC:<curve>`."""
    _request(folder, "root", key, subject)
    _sign(folder, "root", ("-signkey", "root.key"), extensions)
    return _pair(folder, "root")


def openssl_v1_root(folder: Path, *, key: str = "rsa:2048") -> Pair:
    """`openssl req -new`, then `openssl x509 -req -signkey` without an extensions file: X.509 v1 up to OpenSSL 3.1.

    Later ones make a v3 root of it; what earlier ones would have made is made of that.
    """
    _request(folder, "v1", key, SUBJECT)
    _sign(folder, "v1", ("-signkey", "v1.key"), ())
    pair = as_v1(_pair(folder, "v1"))
    (folder / "v1.pem").write_bytes(pair.cert_pem)
    return pair


def as_v1(pair: Pair) -> Pair:
    """A self-signed certificate without what v1 does not have (RFC 5280, section 4.1): version and extensions."""
    if pair.certificate.version is x509.Version.v1:
        return pair
    whole = asn1_x509.Certificate.load(pair.der)
    tbs = whole["tbs_certificate"].copy()
    tbs["version"], tbs["extensions"] = "v1", None
    key, signed = pair.key, hashes.SHA256()
    signature = (
        key.sign(tbs.dump(), padding.PKCS1v15(), signed)
        if isinstance(key, rsa.RSAPrivateKey)
        else key.sign(tbs.dump(), ec.ECDSA(signed))
    )
    algorithm = whole["signature_algorithm"]
    made = asn1_x509.Certificate(
        {"tbs_certificate": tbs, "signature_algorithm": algorithm, "signature_value": signature}
    )
    pem = x509.load_der_x509_certificate(made.dump()).public_bytes(serialization.Encoding.PEM)
    return Pair(pem, pair.key_pem)


def openssl_below(
    folder: Path,
    issuer: Pair,
    *,
    extensions: Iterable[str] = STRICT_ROOT,
    subject: str = "/O=Example/CN=Example below",
    key: str = "EC:P-256",
    arguments: tuple[str, ...] = ("-CAcreateserial",),
) -> Pair:
    """A certificate below the issuer, by default a CA. key: as above. arguments: more of `openssl x509 -req`."""
    (folder / "issuer.pem").write_bytes(issuer.cert_pem)
    (folder / "issuer.key").write_bytes(issuer.key_pem)
    _request(folder, "below", key, subject)
    _sign(folder, "below", ("-CA", "issuer.pem", "-CAkey", "issuer.key", *arguments), extensions)
    return _pair(folder, "below")


def _request(folder: Path, name: str, key: str, subject: str) -> None:
    kind, _, curve = key.partition("EC:")
    made = (kind,) if kind else ("ec", "-pkeyopt", f"ec_paramgen_curve:{curve}")
    files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
    openssl(folder, "req", "-new", "-utf8", "-newkey", *made, "-nodes", *files, "-subj", subject)


def _sign(folder: Path, name: str, signer: tuple[str, ...], extensions: Iterable[str]) -> None:
    lines = tuple(extensions)
    (folder / "extensions").write_text("\n".join(lines) + "\n")
    form = ("-extfile", "extensions") if lines else ()
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-sha256", *signer, "-days", "3650", *form, "-out", f"{name}.pem"
    )


def _pair(folder: Path, name: str) -> Pair:
    return Pair((folder / f"{name}.pem").read_bytes(), (folder / f"{name}.key").read_bytes())


def openssl_verify(folder: Path, *, anchors: bytes, sent: bytes, host: str, at: datetime, strict: bool = True) -> str:
    """What `openssl verify` for TLS servers says of the first certificate sent: `OK`, or its complaint. PEM.

    At security level 1, OpenSSL's own for TLS clients: SHA-1 signatures and keys below 80 bits' worth are refused.
    """
    (folder / "anchors.pem").write_bytes(anchors)
    (folder / "sent.pem").write_bytes(sent)
    try:
        ipaddress.ip_address(host)
        named = ("-verify_ip", host)
    except ValueError:
        named = ("-verify_hostname", host)
    done = try_openssl(
        folder,
        *(
            "verify",
            "-purpose",
            "sslserver",
            "-auth_level",
            "1",
            "-attime",
            str(int(at.timestamp())),
            *(("-x509_strict",) if strict else ()),
        ),
        *("-CAfile", "anchors.pem", "-untrusted", "sent.pem", *named, "sent.pem"),
    )
    return "OK" if done.returncode == 0 else done.stderr.decode()


# ------------------------------------------------------------------------------------------- in memory


@cache
def ec_key(mark: str = "") -> ec.EllipticCurvePrivateKey:
    """A P-256 key, the same for the same mark."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key, the same for the same size."""
    return rsa.generate_private_key(65537, bits)


def name_of(text: str) -> x509.Name:
    """`O=text`; an empty text gives an empty name."""
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)] if text else [])


def certificate(
    subject: str | x509.Name = "device",
    *,
    issuer: Pair | None = None,
    key: Key | None = None,
    extensions: Extensions = (),
    since: datetime = NOW - timedelta(days=1),
    until: datetime = NOW + timedelta(days=90),
    serial: int = 5,
) -> Pair:
    """A certificate with exactly these extensions, self-signed unless an issuer is given."""
    key = key or ec_key()
    named = name_of(subject) if isinstance(subject, str) else subject
    builder = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else named, named, key.public_key(), serial, since, until
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    made = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return Pair(made.public_bytes(serialization.Encoding.PEM), key_pem(key))


def root(
    subject: str = "Example root",
    *,
    key: Key | None = None,
    constraints: x509.NameConstraints | None = None,
    until: datetime = NOW + timedelta(days=3650),
    issuer: Pair | None = None,
    path_length: int | None = None,
) -> Pair:
    """A conforming CA."""
    key = key or ec_key(subject)
    extensions = ca_extensions(key, path_length)
    if issuer is not None:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        extensions.append((authority, False))
    if constraints is not None:
        extensions.append((constraints, True))
    return certificate(
        subject, key=key, issuer=issuer, extensions=extensions, since=NOW - timedelta(days=30), until=until
    )


def ca_extensions(key: Key, path_length: int | None = None) -> list[tuple[x509.ExtensionType, bool]]:
    """basicConstraints, keyUsage and SKI of a CA."""
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (key_usage("key_cert_sign", "crl_sign"), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]


def san(*hosts: str) -> x509.SubjectAlternativeName:
    """Addresses as iPAddress, all else as dNSName."""
    return x509.SubjectAlternativeName([_general_name(host) for host in hosts])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def key_usage(*words: str) -> x509.KeyUsage:
    """words: as the parameters of `x509.KeyUsage`."""
    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{word: word in words for word in every})


def server_auth() -> x509.ExtendedKeyUsage:
    """extendedKeyUsage serverAuth."""
    return x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def permit(*networks: str, dns: Iterable[str] | None = None) -> x509.NameConstraints:
    """Name constraints: these networks, and these domains; without domains every DNS name is excluded."""
    permitted: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_network(one)) for one in networks]
    permitted += [x509.DNSName(domain) for domain in dns or ()]
    return x509.NameConstraints(permitted or None, [x509.DNSName("")] if dns is None else None)


def key_pem(key: Key) -> bytes:
    """PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_der(key: Key) -> bytes:
    """PKCS#8 DER."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
