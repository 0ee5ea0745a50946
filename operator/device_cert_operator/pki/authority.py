"""A CA from a Secret: its certificate and key, and every reason why it cannot sign."""

from dataclasses import dataclass, field
from datetime import datetime

from device_cert_operator.core.certificate_model import AuthorityState
from device_cert_operator.core.model import CertificateFacts
from device_cert_operator.core.profile import AuthorityFacts
from device_cert_operator.errors import MissingReference, ProtocolViolation, Retry
from device_cert_operator.pki.facts import fingerprint, load, pem_to_ders, read_facts
from device_cert_operator.pki.keys import PrivateKey, read_key
from device_cert_operator.pki.verify import signed_by
from device_cert_operator.reasons import Reason

CA_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_FOR_SERVERS = frozenset({"1.3.6.1.5.5.7.3.1", "2.5.29.37.0"})


@dataclass(frozen=True, slots=True)
class Authority:
    """A usable CA. path: its own facts first, then of those above it that the Secret holds; chain_der likewise.

    cross_der: sent beside a leaf for those who trust one of other_anchors_der only (a rotation).
    """

    path: tuple[CertificateFacts, ...]
    chain_der: tuple[bytes, ...] = field(repr=False)
    key: PrivateKey
    warnings: tuple[tuple[Reason, str], ...] = ()
    cross_der: tuple[bytes, ...] = field(default=(), repr=False)
    other_anchors_der: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def facts(self) -> CertificateFacts:
        """The signing CA's."""
        return self.path[0]

    @property
    def certificate_der(self) -> bytes:
        return self.chain_der[0]

    @property
    def sent_der(self) -> tuple[bytes, ...]:
        """The CAs between leaf and root: what a device sends after the leaf, cross-certificates aside."""
        return tuple(der for der in self.chain_der if not read_facts(der).self_issued)

    @property
    def anchors_der(self) -> tuple[bytes, ...]:
        """What a client may trust to accept the leaves; the CA's own top first."""
        return (self.chain_der[-1], *self.other_anchors_der)

    @property
    def limits(self) -> AuthorityFacts:
        """What a profile has to keep to."""
        return AuthorityFacts(self.path, tuple(read_facts(der) for der in self.other_anchors_der))

    @property
    def state(self) -> AuthorityState:
        """What decisions need of it."""
        cross = fingerprint(self.cross_der[0]) if self.cross_der else None
        return AuthorityState(self.facts.fingerprint, self.limits.not_after, None, self.warnings, cross)


def read_authority(name: str, cert_pem: bytes | None, key_pem: bytes | None, now: datetime) -> Authority:
    """Check a CA Secret's data. name: `namespace/name` of the Secret, for the sentences.

    cert_pem: the signing CA, then those above it; what does not belong to that chain is left aside.
    Raises MissingReference with one of the CA… reasons.
    """
    if not cert_pem:
        raise _no(Reason.CA_UNREADABLE, f"CA Secret {name} has no tls.crt: put the CA certificate there as PEM.")
    try:
        sent = pem_to_ders(cert_pem)
        chain = _chain(sent)
        path = tuple(read_facts(der) for der in chain)
    except ProtocolViolation:
        raise _no(
            Reason.CA_UNREADABLE, f"tls.crt of CA Secret {name} is no PEM certificate: put the CA certificate there."
        ) from None
    _check_path(name, path, now)
    return Authority(path, chain, _key(name, key_pem, sent, path[0]), tuple(_warnings(name, path)))


def lasts_until(sent: tuple[bytes, ...]) -> datetime:
    """Until when the CA of a Secret can sign: the first certificate and those above it. Raises ProtocolViolation."""
    return AuthorityFacts(tuple(read_facts(der) for der in _chain(sent))).not_after


def _chain(sent: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """From the first certificate upwards, by signature; a rotation may have left others in the file."""
    chain = [sent[0]]
    while not read_facts(chain[-1]).self_issued:
        child = load(chain[-1])
        above = next((der for der in sent if der not in chain and signed_by(child, load(der))), None)
        if above is None:
            break
        chain.append(above)
    return tuple(chain)


def _check_path(name: str, path: tuple[CertificateFacts, ...], now: datetime) -> None:
    for place, facts in enumerate(path):
        if (why := _why_not_a_ca(facts, below=place)) is not None:
            raise _no(
                Reason.CA_NOT_A_CA,
                f"The certificate {facts.subject or '(no subject)'} in CA Secret {name} cannot sign others: {why}.",
            )
        if now >= facts.not_after:
            raise _no(
                Reason.CA_EXPIRED,
                f"The CA certificate {facts.subject} in Secret {name} expired on {facts.not_after:%Y-%m-%d}: "
                "put a new CA there, and have the clients trust it.",
            )
        if now < facts.not_before:
            raise _no(
                Reason.CA_NOT_YET_VALID,
                f"The CA certificate {facts.subject} in Secret {name} is valid from {facts.not_before:%Y-%m-%d %H:%M} "
                "UTC: wait, or check the clock of the machine that made it.",
                Retry.BACKOFF,
            )


def _key(name: str, key_pem: bytes | None, sent: tuple[bytes, ...], facts: CertificateFacts) -> PrivateKey:
    if not key_pem:
        raise _no(Reason.CA_KEY_MISSING, f"CA Secret {name} has no tls.key: put the CA's private key there as PEM.")
    try:
        key = read_key(key_pem)
    except ProtocolViolation as error:
        raise _no(
            Reason.CA_UNREADABLE, f"CA Secret {name}: {error.message} Put the CA's RSA or ECDSA key there as plain PEM."
        ) from None
    if key.public_key_sha256 == facts.public_key_sha256:
        return key
    if any(read_facts(der).public_key_sha256 == key.public_key_sha256 for der in sent):
        raise _no(
            Reason.CA_KEY_MISMATCH,
            f"tls.key of CA Secret {name} does not belong to the first certificate in tls.crt, but to a later one: "
            "put the certificate of the CA that signs first.",
        )
    raise _no(
        Reason.CA_KEY_MISMATCH,
        f"tls.key of CA Secret {name} does not belong to the certificate in tls.crt: put the pair there.",
    )


def _why_not_a_ca(facts: CertificateFacts, below: int) -> str | None:
    """below: how many CAs of the path are below it. A v1 root carries no such word: a CA, as browsers take it."""
    if facts.is_ca is False:
        return "its basicConstraints say CA:FALSE"
    if facts.key_usage is not None and "keyCertSign" not in facts.key_usage:
        return "its keyUsage lacks keyCertSign"
    if facts.extensions_problem is not None:
        return facts.extensions_problem
    if facts.version == 3 and facts.is_ca is None:
        # as `openssl x509 -req` of 3.2 and newer makes it without an extensions file; OpenSSL and Go refuse it
        return "it is X.509 v3 without basicConstraints; make a root with CA:TRUE, as `openssl req -x509` does"
    if facts.version < 3 and not facts.self_issued:
        return "it is X.509 v1 below another CA; have it made anew with basicConstraints CA:TRUE"
    if facts.path_length is not None and facts.path_length < below:
        return f"its pathlen {facts.path_length} leaves no room for the CAs below it"
    if facts.subject_is_empty:
        return "its subject is empty"
    if facts.extended_key_usage is not None and not _FOR_SERVERS & set(facts.extended_key_usage):
        return "its extendedKeyUsage leaves out TLS servers"
    return _why_weak(facts)


def _why_weak(facts: CertificateFacts) -> str | None:
    if facts.key_type == "RSA":
        return f"its RSA key has {facts.key_bits} bits, verifiers want 2048" if facts.key_bits < 2048 else None
    if facts.key_type == "EC" and facts.curve in CA_CURVES:
        return None
    return f"browsers take no {facts.curve or facts.key_type} keys; use RSA, P-256 or P-384"


def _warnings(name: str, path: tuple[CertificateFacts, ...]) -> list[tuple[Reason, str]]:
    warnings: list[tuple[Reason, str]] = []
    if path[-1].version < 3:
        warnings.append(
            (
                Reason.AUTHORITY_LEGACY_FORM,
                "The CA certificate is X.509 v1 (made without an extensions file): browsers accept it, strict "
                "verifiers do not.",
            )
        )
    if not path[-1].self_issued:
        warnings.append(
            (
                Reason.CHAIN_INCOMPLETE,
                f"CA Secret {name} does not hold {path[-1].issuer}, which issued {path[-1].subject}: clients have to "
                "trust the latter itself, or add the root below it in tls.crt.",
            )
        )
    return warnings


def _no(reason: Reason, message: str, retry: Retry = Retry.ON_CHANGE) -> MissingReference:
    return MissingReference(message, reason=reason, retry=retry)
