"""Renewals under a CA that ends: each is to bring something."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from device_cert_operator.core.certificate import decide_certificate
from device_cert_operator.core.certificate_conditions import certificate_claims
from device_cert_operator.core.certificate_model import (
    AuthorityState,
    CertificateSituation,
    Issue,
)
from device_cert_operator.core.conditions import Claim
from device_cert_operator.core.model import AuthorityIssuer, CASecretIssuer, Revision
from device_cert_operator.core.profile import AuthorityFacts, plan_leaf
from device_cert_operator.core.status import RevisionState
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.wanted import why_issue
from device_cert_operator.errors import IssuanceDenied
from device_cert_operator.reasons import Reason
from tests.core.test_certificate import TURN, given_turn, hashed, issued, look, member
from tests.support.situations import NOW, certificate, facts, revision

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def under(ca_lasts: timedelta, **desired: Any) -> CertificateSituation:
    """Nothing is issued yet under a CA that lasts so long."""
    return look(desired=certificate(**desired), authority=AuthorityState("ca", NOW + ca_lasts))


def made(s: CertificateSituation, step: Issue) -> Revision:
    """What our CA issues, with the dates that it gives."""
    root = facts("r", not_before=NOW - 365 * DAY, not_after=s.authority.not_after)
    leaf = plan_leaf(s.desired, step.names, AuthorityFacts((root,)), step.key_type, s.now)
    number = s.wanted.number + 1 if s.wanted else 1
    dates = facts(f"{number:x}", not_before=leaf.not_before, not_after=leaf.not_after)
    return revision(number, facts=dates, input_hash=step.input_hash)


def lived_through(s: CertificateSituation) -> tuple[CertificateSituation, list[datetime]]:
    """Passes of twenty steps at most, some hundred of them until the CA ends; and when a revision was made."""
    begun, made_at = s.now, []
    assert s.authority.not_after is not None
    for part in range(200):
        s = replace(s, now=begun + (s.authority.not_after - begun) * part / 200)
        for _ in range(20):
            plan = decide_certificate(s)
            if not isinstance(plan.next, Issue):
                break
            s = replace(s, revisions=(*s.revisions, made(s, plan.next)))
            made_at.append(s.now)
    return s, made_at


@pytest.mark.parametrize(
    ("sentence", "s", "count"),
    [
        ("minutes are left", under(25 * MINUTE), 1),
        ("of a CertificateAuthority that nobody rotated", under(25 * MINUTE, issuer=AuthorityIssuer("site")), 1),
        ("hours are left", under(20 * HOUR), 1),
        ("it is to be renewed long before its end", under(20 * DAY, renew_before=30 * DAY), 1),
        ("so it is by percentage", under(20 * DAY, renew_before_percentage=90), 1),
        ("an hour is asked for", under(30 * MINUTE, duration=HOUR), 1),
        ("there is time for several", under(170 * DAY), 3),
    ],
)
def test_what_lasts_as_long_as_its_ca_is_the_last_one(sentence: str, s: CertificateSituation, count: int) -> None:
    last, made_at = lived_through(s)
    assert len(made_at) == count, (sentence, made_at)
    assert last.wanted is not None
    assert last.wanted.facts.not_after == s.authority.not_after


ENDS = NOW + 89 * DAY  # as the revision does that `issued` makes
LAST = replace(issued(look()), authority=AuthorityState("ca", ENDS), now=NOW + 75 * DAY)


def told(s: CertificateSituation) -> Claim:
    return next(claim for claim in certificate_claims(s, decide_certificate(s), None) if claim.type == "Issued")


@pytest.mark.parametrize(
    ("ca_lasts_longer", "is_due"),
    [(timedelta(0), False), (3 * DAY, False), (4 * DAY, True), (900 * DAY, True)],
)
def test_a_renewal_is_due_if_it_brings_a_quarter_more_than_what_is_left(
    ca_lasts_longer: timedelta, is_due: bool
) -> None:
    """Fourteen days are left."""
    s = replace(LAST, authority=AuthorityState("ca", ENDS + ca_lasts_longer))
    assert (why_issue(s) == (Reason.RENEWAL_DUE, "The certificate is due for renewal.")) is is_due


@pytest.mark.parametrize(
    ("sentence", "s", "reason"),
    [
        ("asked for", replace(LAST, status=replace(LAST.status, handled_renew="now")), Reason.SPEC_CHANGED),
        ("moved", replace(LAST, members=(member(current="10.0.0.9"),)), Reason.NAMES_CHANGED),
        ("edited", replace(LAST, desired=replace(LAST.desired, duration=5 * HOUR)), Reason.SPEC_CHANGED),
        ("another key", replace(LAST, members=(member(capabilities=("RSA-2048",)),)), Reason.KEY_DOES_NOT_FIT),
        ("a new CA", replace(LAST, authority=AuthorityState("new", ENDS + 900 * DAY)), Reason.AUTHORITY_CHANGED),
    ],
)
def test_what_somebody_wants_is_issued_to_the_last(sentence: str, s: CertificateSituation, reason: Reason) -> None:
    why = why_issue(s)
    assert why is not None and why[0] is reason, sentence


@pytest.mark.parametrize(
    ("issuer", "advice"),
    [
        (CASecretIssuer("root"), "make a new CA, have the clients trust it, then put it into the Secret."),
        (AuthorityIssuer("site"), "rotate CertificateAuthority site."),
    ],
)
def test_why_there_is_no_renewal_is_told(issuer: Any, advice: str) -> None:
    s = replace(LAST, desired=replace(LAST.desired, issuer=issuer))
    claim = told(s)
    assert (claim.status, claim.reason) == ("True", Reason.AUTHORITY_EXPIRES_SOON)
    assert claim.message.startswith("Revision 1 is issued. A renewal would not last longer. The CA is valid until 2")
    assert claim.message.endswith(advice)
    assert told(replace(s, now=NOW)).reason is Reason.ISSUED
    denied = replace(s.authority, problem=IssuanceDenied("Not in the list."))
    assert "No other could be issued now" in told(replace(s, authority=denied)).message


def test_a_device_whose_revision_lasts_as_long_as_the_ca_is_not_given_another() -> None:
    """A second device moved, so there is a newer revision, which ends with the CA as well."""
    old = LAST.revisions[0]
    new = revision(2, "b", input_hash=hashed(LAST), facts=facts("b", not_after=ENDS))
    gate = member(secure="True", state=RevisionState(installed=old.ref))
    s = given_turn(replace(LAST, members=(gate,), revisions=(old, new)), replace(TURN, turn=None))
    assert decide_certificate(s).next == Rest(State.SETTLED, Reason.SETTLED, "Nothing is left to do.")
