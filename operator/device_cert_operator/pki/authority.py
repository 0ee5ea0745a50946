"""A CA from a Secret: its certificate and key, and every reason why it cannot sign."""

from dataclasses import dataclass, field
from datetime import datetime

from device_cert_operator.core.certificate import AuthorityState
from device_cert_operator.core.model import CertificateFacts
from device_cert_operator.errors import MissingReference, OperatorError, ProtocolViolation, Retry
from device_cert_operator.pki.facts import pem_to_ders, read_facts
from device_cert_operator.pki.keys import PrivateKey, read_key
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Authority:
    """A usable CA. chain_der: its own certificate first, then those above it as the Secret holds them."""

    facts: CertificateFacts
    certificate_der: bytes = field(repr=False)
    chain_der: tuple[bytes, ...] = field(repr=False)
    key: PrivateKey
    warnings: tuple[tuple[Reason, str], ...] = ()

    @property
    def state(self) -> AuthorityState:
        """What decisions need of it."""
        return AuthorityState(self.facts.fingerprint, self.facts.not_after, None, self.warnings)


def read_authority(name: str, cert_pem: bytes | None, key_pem: bytes | None, now: datetime) -> Authority:
    """Check a CA Secret's data. name: `namespace/name` of the Secret, for the sentences.

    Raises MissingReference with one of the CA… reasons.
    """
    if not cert_pem:
        raise _no(Reason.CA_UNREADABLE, f"CA Secret {name} has no tls.crt: put the CA certificate there as PEM.")
    try:
        chain = pem_to_ders(cert_pem)
        facts = read_facts(chain[0])
    except ProtocolViolation:
        raise _no(
            Reason.CA_UNREADABLE, f"tls.crt of CA Secret {name} is no PEM certificate: put the CA certificate there."
        ) from None
    if (why := _why_not_a_ca(facts)) is not None:
        raise _no(Reason.CA_NOT_A_CA, f"The certificate in CA Secret {name} cannot sign others: {why}.")
    if now >= facts.not_after:
        raise _no(
            Reason.CA_EXPIRED,
            f"The CA certificate in Secret {name} expired on {facts.not_after:%Y-%m-%d}: put a new CA there.",
        )
    if now < facts.not_before:
        raise _no(
            Reason.CA_NOT_YET_VALID,
            f"The CA certificate in Secret {name} is valid from {facts.not_before:%Y-%m-%d %H:%M} UTC.",
        )
    if not key_pem:
        raise _no(Reason.CA_KEY_MISSING, f"CA Secret {name} has no tls.key: put the CA's private key there as PEM.")
    try:
        key = read_key(key_pem)
    except ProtocolViolation as error:
        raise _no(Reason.CA_UNREADABLE, f"CA Secret {name}: {error.message}") from None
    if key.public_key_sha256 != facts.public_key_sha256:
        raise _no(
            Reason.CA_KEY_MISMATCH,
            f"tls.key of CA Secret {name} does not belong to the certificate in tls.crt: put the pair there.",
        )
    return Authority(facts, chain[0], chain, key, tuple(_warnings(facts)))


def _why_not_a_ca(facts: CertificateFacts) -> str | None:
    """A v1 certificate carries no such word: it is taken for a CA, as browsers do."""
    if facts.is_ca is False:
        return "its basicConstraints say CA:FALSE"
    if facts.key_usage is not None and "keyCertSign" not in facts.key_usage:
        return "its keyUsage lacks keyCertSign"
    if facts.version == 3 and facts.is_ca is None:
        return "it is X.509 v3 without basicConstraints; make a root with basicConstraints CA:TRUE"
    if facts.key_type == "RSA" and facts.key_bits < 2048:
        return f"its RSA key has {facts.key_bits} bits, verifiers want 2048"
    if facts.extended_key_usage is not None and not {"1.3.6.1.5.5.7.3.1", "2.5.29.37.0"} & set(
        facts.extended_key_usage
    ):
        return "its extendedKeyUsage leaves out TLS servers"
    return None


def _warnings(facts: CertificateFacts) -> list[tuple[Reason, str]]:
    if facts.version < 3:
        return [
            (
                Reason.AUTHORITY_LEGACY_FORM,
                "The CA certificate is X.509 v1 (made without an extensions file): browsers accept it, strict "
                "verifiers do not.",
            )
        ]
    return []


def problem_state(error: OperatorError) -> AuthorityState:
    """A CA that cannot be used, as decisions see it."""
    return AuthorityState(problem=error)


def _no(reason: Reason, message: str) -> MissingReference:
    return MissingReference(message, reason=reason, retry=Retry.ON_CHANGE)
