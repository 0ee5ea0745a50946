"""What we issue, decided before anything is signed: the strict profile of a leaf, as values. Pure.

One profile for every client: X.509 v3, serverAuth, digitalSignature (RSA: keyEncipherment as well), every name in the
SAN. What no certificate can carry, or the CA does not permit, is refused here, by name.
"""

import unicodedata
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from device_cert_operator.core.model import (
    AuthorityIssuer,
    CASecretIssuer,
    CertificateFacts,
    DesiredCertificate,
    KeyType,
    NameConstraints,
    Names,
    SubjectFields,
    canonical_host,
)
from device_cert_operator.core.naming import not_permitted, why_unusable
from device_cert_operator.core.schedule import effective_renew_before
from device_cert_operator.errors import InvalidSpec, IssuanceDenied
from device_cert_operator.reasons import Reason

BACKDATED = timedelta(hours=1)  # devices and clients whose clocks are a little behind
MOST_NAMES = 128  # of each kind: what `read_facts` reads back
APPLE_MOST = timedelta(days=825)
WITHOUT_NAME = "Device certificates"  # organization where no CN may stand: an empty subject is a rarer sight
_NO_TEXT = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})  # control, lone surrogate, unassigned, line and paragraph ends
_BOUNDS = {  # upper bounds in characters, RFC 5280, appendix A.1
    "state": 128,
    "locality": 128,
    "organization": 64,
    "organizational_unit": 64,
    "common_name": 64,
}

Remark = tuple[Reason, str]


@dataclass(frozen=True, slots=True)
class AuthorityFacts:
    """The signing CA and those above it, as far as a profile goes. path: the signing CA first.

    beside: other roots that a client may come by, over a cross-certificate.
    """

    path: tuple[CertificateFacts, ...]
    beside: tuple[CertificateFacts, ...] = ()

    @property
    def subject(self) -> str:
        return self.path[0].subject

    @property
    def not_before(self) -> datetime:
        """From when all of them are valid."""
        return max(facts.not_before for facts in self.path)

    @property
    def not_after(self) -> datetime:
        """Until when all of them are valid."""
        return min(facts.not_after for facts in self.path)

    @property
    def constraints(self) -> tuple[tuple[str, NameConstraints], ...]:
        """(subject, constraints) of each that has some."""
        return tuple(
            (facts.subject, facts.name_constraints) for facts in self.path if facts.name_constraints is not None
        )

    @property
    def constrained(self) -> bool:
        """Whether any client meets a name constraint on its way."""
        return any(facts.name_constraints is not None for facts in (*self.path, *self.beside))


@dataclass(frozen=True, slots=True)
class LeafProfile:
    """A leaf before it is signed. subject: (field of `SubjectFields`, value), in the order in which it is written."""

    names: Names
    subject: tuple[tuple[str, str], ...]
    not_before: datetime
    not_after: datetime
    key_encipherment: bool
    warnings: tuple[Remark, ...] = ()

    @property
    def san_critical(self) -> bool:
        """RFC 5280, section 4.2.1.6: where the subject is empty."""
        return not self.subject


def plan_leaf(
    desired: DesiredCertificate, names: Names, ca: AuthorityFacts, key_type: KeyType, now: datetime
) -> LeafProfile:
    """The profile of a leaf for these names under this CA. names: canonical (`names_of`).

    NotBefore is an hour back, NotAfter `duration` ahead, both within the CA's validity, in whole seconds.
    Raises InvalidSpec for names and subjects that no certificate can carry, IssuanceDenied (CANameNotPermitted) for a
    name outside the CA's constraints, IssuanceDenied (CAExpired).
    """
    _check_names(names)
    _check_permitted(names, ca)
    not_after = end_of_leaf(desired, ca.not_after, now)
    if not_after <= now:
        raise IssuanceDenied(f"CA {ca.subject} expired: put a new CA into its Secret.", reason=Reason.CA_EXPIRED)
    return LeafProfile(
        names=names,
        subject=_subject(desired.subject, names, constrained=ca.constrained),
        not_before=max(now - BACKDATED, ca.not_before).replace(microsecond=0),
        not_after=not_after,
        key_encipherment=key_type.startswith("RSA"),
        warnings=remarks_on_dates(desired, ca.not_after, now),
    )


def end_of_leaf(desired: DesiredCertificate, ca_ends: datetime, now: datetime) -> datetime:
    """Until when a certificate is valid that is issued now: never longer than its CA."""
    return min(now + desired.duration, ca_ends).replace(microsecond=0)


def csr_subject(asked: SubjectFields, names: Names) -> tuple[tuple[str, str], ...]:
    """The subject that a CSR asks for. Raises InvalidSpec."""
    return _subject(asked, names, constrained=False)


def remarks_on_dates(desired: DesiredCertificate, ca_ends: datetime, now: datetime) -> tuple[Remark, ...]:
    """What is unusual, and issued all the same: more than Apple takes; a CA that ends before two renewals would.

    A CertificateAuthority is followed by another one in time, and says so itself.
    """
    remarks: list[Remark] = []
    if desired.duration + BACKDATED > APPLE_MOST:
        remarks.append(
            (Reason.NOT_FOR_APPLE, "spec.duration is more than 825 days: Apple's platforms refuse the certificate.")
        )
    before = effective_renew_before(desired.duration, desired.renew_before, desired.renew_before_percentage)
    if isinstance(desired.issuer, CASecretIssuer) and ca_ends - now < 2 * before:
        remarks.append((Reason.AUTHORITY_EXPIRES_SOON, how_to_go_on(desired, ca_ends)))
    return tuple(remarks)


def how_to_go_on(desired: DesiredCertificate, ca_ends: datetime) -> str:
    """The sentence for AuthorityExpiresSoon."""
    following = "make a new CA, have the clients trust it, then put it into the Secret"
    if isinstance(desired.issuer, AuthorityIssuer):
        following = f"rotate CertificateAuthority {desired.issuer.name}"
    return f"The CA is valid until {ca_ends:%Y-%m-%d %H:%M} UTC and no certificate outlives it: {following}."


# ------------------------------------------------------------------------------------------------ names


def _check_names(names: Names) -> None:
    if not names.all:
        raise InvalidSpec("There is no name to issue for: list spec.dnsNames, or set includeDeviceAddresses.")
    for name in names.all:
        if (why := why_unusable(name)) is not None:
            raise InvalidSpec(f"No certificate can be issued for {name!r}: {why}.")
    if max(len(names.dns_names), len(names.ip_addresses)) > MOST_NAMES:
        raise InvalidSpec(f"A certificate holds at most {MOST_NAMES} DNS names and as many addresses: use several.")


def _check_permitted(names: Names, ca: AuthorityFacts) -> None:
    for subject, constraints in ca.constraints:
        if refused := not_permitted(constraints, names.dns_names, names.ip_addresses):
            raise IssuanceDenied(
                f"CA {subject} does not permit {', '.join(refused[:4])} (name constraints): use a CA that does, or "
                "take the name out.",
                reason=Reason.CA_NAME_NOT_PERMITTED,
            )


# ---------------------------------------------------------------------------------------------- subject


def _subject(asked: SubjectFields, names: Names, *, constrained: bool) -> tuple[tuple[str, str], ...]:
    """Under a constrained CA no CN: OpenSSL reads one as a DNS name, GnuTLS refuses any."""
    given = {field.name: getattr(asked, field.name) for field in fields(SubjectFields)}
    parts = [
        (name, subject_text(name, value))
        for name, value in given.items()
        if value is not None and name != "common_name"
    ]
    common = _common_name(asked.common_name, names)
    if constrained:
        return tuple(parts) or (("organization", WITHOUT_NAME),)
    return (*parts, ("common_name", common)) if common is not None else tuple(parts)


def _common_name(asked: str | None, names: Names) -> str | None:
    """The one asked for, which must be a SAN value; else the first SAN value that fits, if any."""
    if asked is None:
        return next((name for name in names.all if len(name) <= _BOUNDS["common_name"]), None)
    try:
        common = canonical_host(subject_text("common_name", asked))
    except UnicodeError:
        common = ""
    if common not in names.all:
        raise InvalidSpec(
            f"spec.subject.commonName {asked!r} is none of the certificate's names ({', '.join(names.all[:4])}): "
            "leave it out, or add it to spec.dnsNames."
        )
    return subject_text("common_name", common)


def subject_text(field: str, value: str) -> str:
    """One subject attribute as it is written. field: of `SubjectFields`. Raises InvalidSpec."""
    where = "spec.subject." + "".join(part.title() if place else part for place, part in enumerate(field.split("_")))
    if not value.strip() or any(unicodedata.category(char) in _NO_TEXT for char in value):
        raise InvalidSpec(f"{where} must be visible text on one line.")
    if field == "country" and not (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
        raise InvalidSpec(f"{where} must be two capital letters (ISO 3166), such as JP.")
    if field in _BOUNDS and len(value) > _BOUNDS[field]:
        raise InvalidSpec(f"{where} may have {_BOUNDS[field]} characters, not {len(value)}.")
    return value.strip()
