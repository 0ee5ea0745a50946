"""The conditions of a CertificateAuthority, and what is unusual about a root and for whom it matters."""

from datetime import datetime, timedelta

from device_cert_operator.core.authority import AuthoritySituation, is_edited
from device_cert_operator.core.authority_model import Origin, Phase
from device_cert_operator.core.conditions import Claim, no, summary, unknown, yes
from device_cert_operator.core.model import CertificateFacts
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.verdict import SERVER_AUTH
from device_cert_operator.errors import ClusterError, OperatorError
from device_cert_operator.reasons import Reason

SOON = timedelta(days=90)
Remark = tuple[Reason, str]


def remarks_on(facts: CertificateFacts, now: datetime) -> tuple[Remark, ...]:
    """What is unusual about a root, the most important first, each with the clients for which it matters."""
    remarks = _remarks_on_form(facts)
    if facts.path_length == 0:
        remarks.append(
            (
                Reason.AUTHORITY_CANNOT_CROSS_SIGN,
                "Its pathlen is 0, so it cannot vouch for the root that follows: at a rotation every client has to "
                "trust the new root before the first device serves it.",
            )
        )
    if facts.name_constraints is None:
        remarks.append(
            (
                Reason.AUTHORITY_UNCONSTRAINED,
                "It has no name constraints: whoever gets hold of its key can impersonate any site to every client "
                "that trusts it.",
            )
        )
    if facts.not_after - now < SOON:
        remarks.append(
            (
                Reason.AUTHORITY_EXPIRES_SOON,
                f"It is valid until {facts.not_after:%Y-%m-%d %H:%M} UTC, and no certificate outlives it: rotate it.",
            )
        )
    return tuple(remarks)


def _remarks_on_form(facts: CertificateFacts) -> list[Remark]:
    """What some clients refuse, and with it everything below."""
    remarks: list[Remark] = []
    purposes = facts.extended_key_usage
    if purposes is not None and SERVER_AUTH not in purposes:
        remarks.append(
            (
                Reason.AUTHORITY_FOR_ANY_PURPOSE,
                "Its extendedKeyUsage names any purpose, and TLS servers not expressly: browsers and Python's "
                "cryptography accept it; OpenSSL, and what is built on it (curl, Python's ssl), refuse everything "
                "below it.",
            )
        )
    if facts.version < 3:
        remarks.append(
            (
                Reason.AUTHORITY_LEGACY_FORM,
                "It is X.509 v1, made without an extensions file: browsers, plain OpenSSL and Go accept it; strict "
                "verifiers (openssl -x509_strict, Python's cryptography) refuse everything below it.",
            )
        )
    elif facts.key_usage is None:
        remarks.append(
            (
                Reason.AUTHORITY_WITHOUT_KEY_USAGE,
                "It has no keyUsage: browsers and Go accept it; openssl -x509_strict and Python's cryptography in its "
                "default policy refuse it.",
            )
        )
    if not facts.ca_critical:
        remarks.append(
            (
                Reason.AUTHORITY_BASIC_CONSTRAINTS_NOT_CRITICAL,
                "Its basicConstraints are not critical: browsers and plain OpenSSL accept it; openssl -x509_strict and "
                "Python's cryptography in its default policy refuse it.",
            )
        )
    return remarks


def authority_claims(s: AuthoritySituation, last: Rest | None, failure: OperatorError | None) -> tuple[Claim, ...]:
    """WellFormed, UpToDate, then Ready, Reconciling and Stalled.

    last: how the pass ended, None when its steps were used up or it failed; failure: what it ran into.
    """
    ready = _ready(s, last, failure)
    return (_well_formed(s), _up_to_date(s, last), *summary(ready, at_rest=last is not None))


def _well_formed(s: AuthoritySituation) -> Claim:
    facts = s.current.facts
    if facts is None:
        return unknown("WellFormed", Reason.NOT_CHECKED, "There is no root to look at.")
    remarks = (*remarks_on(facts, s.now), *(one for one in s.current.warnings if one[0] is Reason.CHAIN_INCOMPLETE))
    if remarks:
        return no("WellFormed", remarks[0][0], f"{facts.subject}: " + " ".join(message for _, message in remarks))
    return yes(
        "WellFormed", Reason.WELL_FORMED, "Strict verifiers accept it, and it can sign for what it permits only."
    )


def _up_to_date(s: AuthoritySituation, last: Rest | None) -> Claim:
    rotation = s.rotation
    if rotation is not None:
        reason = last.reason if last is not None and last.state is State.WAITING else Reason.ROTATING
        doing = last.message if last is not None else "The rotation is under way."
        return no("UpToDate", reason, f"{rotation.phase}: {doing} {_without_chain(s)}".strip())
    if s.status.certificate is None:
        return unknown("UpToDate", Reason.NOT_CHECKED, "There is no root yet.")
    if is_edited(s):
        return no(
            "UpToDate",
            Reason.ROTATION_PENDING,
            "subject, privateKey or nameConstraints were edited; the root stays as it is until a rotation: "
            f"{_how_to_rotate(s)}",
        )
    adopted = " as far as it was adopted" if s.status.origin is Origin.ADOPTED else ""
    return yes("UpToDate", Reason.UP_TO_DATE, f"The root is what the spec asks for{adopted}.")


def _how_to_rotate(s: AuthoritySituation) -> str:
    key = s.desired.key
    return f"kubectl -n {key.namespace} annotate dca {key.name} --overwrite devicecert.io/rotate=<a new value>"


def _without_chain(s: AuthoritySituation) -> str:
    """The exception: these devices cannot be made acceptable to both sides at once."""
    if s.rotation is None or not s.without_chain or s.rotation.phase is Phase.RETIRING:
        return ""
    told = ", ".join(s.without_chain[:4]) + ("…" if len(s.without_chain) > 4 else "")
    return (
        f"These devices send no chain ({told}): who trusts only the new root refuses them before they switch, who "
        "trusts only the old one afterwards."
    )


def _ready(s: AuthoritySituation, last: Rest | None, failure: OperatorError | None) -> Claim:
    known = s.status.certificate
    if s.desired.paused:
        return no("Ready", Reason.PAUSED, f"Paused by {s.desired.paused_by}.")
    if failure is not None and (known is None or not isinstance(failure, ClusterError)):
        return no("Ready", failure.reason, failure.message)
    if last is not None and last.state is State.HELD:
        return no("Ready", last.reason, last.message)
    if s.current.expired and known is not None and s.rotation is None:
        return no(
            "Ready",
            Reason.CA_EXPIRED,
            f"{known.subject} expired on {known.not_after:%Y-%m-%d}, so nobody accepts its devices: "
            f"{_how_to_rotate(s)}, then have the clients trust the new root.",
        )
    if known is None:
        return no("Ready", Reason.WORKING, "The root is being made.")
    switched = s.rotation is not None and s.rotation.phase in {Phase.SWITCHING, Phase.RETIRING}
    signs = s.following.facts if switched and s.following.facts is not None else known
    return yes(
        "Ready", Reason.READY, f"Certificates are signed by {signs.subject}, valid until {signs.not_after:%Y-%m-%d}."
    )
