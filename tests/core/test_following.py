"""How certificates follow the root that signs: when, which, and which names they may not take along."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.authority_model import AllowedNames, RotationPolicy
from device_cert_operator.core.certificate import decide_certificate
from device_cert_operator.core.certificate_conditions import certificate_claims
from device_cert_operator.core.certificate_model import AuthorityState, CertificateSituation, Issue, Member
from device_cert_operator.core.model import Condition, RevisionRef
from device_cert_operator.core.status import AddressStatus, CertificateStatus, DeviceStatus, RevisionState
from device_cert_operator.core.steps import Rest
from device_cert_operator.core.wanted import follow_at, input_hash, wanted_names, why_issue, with_allowed_names
from device_cert_operator.reasons import Reason
from tests.support.situations import NOW, certificate, desired, revision

HOUR = timedelta(hours=1)
OLD = AuthorityState("old", NOW + timedelta(days=300))
TOLD = tuple(Condition(kind, "True", "Trusted", "", 1, NOW) for kind in ("Identified", "Secure"))


def look(authority: AuthorityState = OLD, *, chain: bool = True, uid: str = "uid-cert", **more: Any) -> Any:
    """One secure device under the root `old`. more: of its revision."""
    issued = replace(revision(), authority_fingerprint="old", **more)
    installed = RevisionState(installed=RevisionRef(issued.number, issued.secret, issued.facts.fingerprint))
    status = DeviceStatus(
        1,
        address=AddressStatus("10.0.0.1", "10.0.0.1"),
        capabilities=("ECDSA-P256", *(("Chain",) if chain else ())),
        revision=installed,
        conditions=TOLD,
    )
    gate = Member("gate", desired(uid="uid-gate"), status, holds=True)
    s = CertificateSituation(
        desired=certificate(uid=uid),
        status=CertificateStatus(1),
        now=NOW,
        members=(gate,),
        revisions=(issued,),
        authority=authority,
        live={"uid-gate": status},
    )
    return replace(s, revisions=(replace(issued, input_hash=input_hash(s, wanted_names(s))),))


def new(
    changed_at: Any = NOW - HOUR, spread: timedelta = HOUR, fingerprint: str = "new", **more: Any
) -> AuthorityState:
    return AuthorityState(fingerprint, NOW + timedelta(days=3000), changed_at=changed_at, spread=spread, **more)


FOLLOWS = [
    ("under the root that signs nothing follows", look(), False),
    ("another root is followed at once where no time is given", look(new(None)), True),
    ("another root is followed within the spread", look(new(NOW - HOUR)), True),
    ("and not at its very beginning", look(new(NOW)), False),
    ("the cross-certificate is fetched", look(new(fingerprint="old", cross="x")), True),
    ("once", look(new(fingerprint="old", cross="x"), sent=frozenset({"x"})), False),
    ("and by devices only that can send it", look(new(fingerprint="old", cross="x"), chain=False), False),
    ("a cross-certificate that is needed no more does no harm", look(OLD, sent=frozenset({"x"})), False),
    ("a root that cannot be read is no other root", look(AuthorityState()), False),
]


@pytest.mark.parametrize(("s", "follows"), [row[1:] for row in FOLLOWS], ids=[row[0] for row in FOLLOWS])
def test_a_certificate_follows(s: CertificateSituation, follows: bool) -> None:
    assert (why_issue(s) is not None) is follows
    plan = decide_certificate(s)
    assert isinstance(plan.next, Issue) is follows
    if isinstance(plan.next, Issue):
        assert plan.next.reason is Reason.AUTHORITY_CHANGED


def test_a_fleet_follows_spread_over_the_time_given_and_each_always_at_the_same_moment() -> None:
    at = [follow_at(look(new(NOW), uid=f"uid-{number}")) for number in range(1000)]
    assert at == [follow_at(look(new(NOW), uid=f"uid-{number}")) for number in range(1000)]
    minutes = sorted((one - NOW) / timedelta(minutes=1) for one in at)
    assert 0 <= minutes[0] < 1
    assert 59 < minutes[-1] < 60
    in_six = [sum(10 * part <= one < 10 * (part + 1) for one in minutes) for part in range(6)]
    assert all(120 < many < 220 for many in in_six), in_six


def test_the_spread_is_a_quarter_of_the_overlap_and_never_more_than_a_day() -> None:
    assert RotationPolicy(overlap=2 * HOUR).spread == timedelta(minutes=30)
    assert RotationPolicy(overlap=720 * HOUR).spread == 24 * HOUR


def test_a_renewal_that_is_due_does_not_wait_for_its_turn_in_the_spread() -> None:
    s = replace(look(new(NOW)), now=NOW + timedelta(days=80))
    s = replace(s, authority=new(NOW + timedelta(days=80)))
    assert why_issue(s) == (Reason.RENEWAL_DUE, "The certificate is due for renewal.")


def test_a_name_that_is_not_allowed_is_the_authority_s_problem() -> None:
    s = replace(look(), revisions=())
    outside = with_allowed_names(replace(s, authority=replace(OLD, allowed=AllowedNames(ip_ranges=("192.0.2.0/24",)))))
    plan = decide_certificate(outside)
    assert isinstance(plan.next, Rest)
    assert plan.next.reason is Reason.NAME_NOT_ALLOWED
    issued = certificate_claims(outside, plan, None)[0]
    assert (issued.status, issued.reason) == ("False", Reason.NAME_NOT_ALLOWED)
    inside = with_allowed_names(replace(s, authority=replace(OLD, allowed=AllowedNames(ip_ranges=("10.0.0.0/8",)))))
    assert isinstance(decide_certificate(inside).next, Issue)
    assert with_allowed_names(s) is s
