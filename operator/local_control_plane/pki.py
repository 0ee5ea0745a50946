"""The control plane's own small CA: one for serving and one for client certificates would teach nothing here."""

import datetime
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEAR = datetime.timedelta(days=365)


class PlaneCA:
    """Signs the API server's certificate and its clients'."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local-control-plane")])
        self._certificate = (
            _builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        (folder / "ca.crt").write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server(self) -> None:
        """`apiserver` and `etcd`, each `.crt` and `.key`, for loopback. etcd's gateway is also its own client."""
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.DNSName("kubernetes"),
            x509.DNSName("kubernetes.default.svc"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        self._issue("apiserver", "kube-apiserver", None, [ExtendedKeyUsageOID.SERVER_AUTH], names)
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        self._issue("etcd", "etcd", None, both, names)

    def client(self, file: str, user: str, group: str | None = None) -> None:
        """`<file>.crt` and `.key` of a user, as Kubernetes reads them: CN the user, O the group."""
        self._issue(file, user, group, [ExtendedKeyUsageOID.CLIENT_AUTH], [])

    def signing_key(self) -> None:
        """`service-account.key` and `.pub`, unless they are there: tokens outlive a restart on the same data."""
        if (self._folder / "service-account.pub").exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        self._write_key("service-account.key", key)
        (self._folder / "service-account.pub").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def _issue(
        self,
        file: str,
        common_name: str,
        group: str | None,
        purposes: list[x509.ObjectIdentifier],
        names: list[x509.GeneralName],
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if group:
            subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        builder = _builder(x509.Name(subject), self._certificate.subject, key.public_key()).add_extension(
            x509.ExtendedKeyUsage(purposes), critical=False
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        (self._folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self._write_key(f"{file}.key", key)

    def _write_key(self, file: str, key: ec.EllipticCurvePrivateKey) -> None:
        path = self._folder / file
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251  # a test tool's own certificates, on the machine's clock
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _YEAR)
    )
