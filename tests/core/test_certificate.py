"""What is done for a DeviceCertificate: issuing, turns, tidying, and what is told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.certificate import decide_certificate
from device_cert_operator.core.certificate_conditions import certificate_claims
from device_cert_operator.core.certificate_model import (
    AuthorityState,
    CertificateSituation,
    CertificateStep,
    DeleteRevision,
    GiveTurn,
    Issue,
    Member,
    RecordRenew,
    WriteCopy,
)
from device_cert_operator.core.model import (
    AddressPolicy,
    CertManagerIssuer,
    Condition,
    KeyAlgorithm,
    KeyType,
    Names,
    Revision,
    RevisionRef,
    SubjectFields,
    names_of,
)
from device_cert_operator.core.profile import BACKDATED
from device_cert_operator.core.schedule import next_attempt
from device_cert_operator.core.status import (
    Activating,
    AddressStatus,
    Attempts,
    CertificateStatus,
    DeviceStatus,
    FailedRevision,
    MemberStatus,
    OwnerRef,
    RevisionState,
    ServedStatus,
)
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.wanted import choose_key_type, input_hash, wanted_names, why_issue
from device_cert_operator.errors import ClusterError, Conflict, InvalidSpec, IssuanceDenied, MissingReference
from device_cert_operator.reasons import Reason
from tests.support.situations import NOW, certificate, desired, facts, revision

CA = AuthorityState("ca", NOW + timedelta(days=3000))


def conditions(**states: str) -> tuple[Condition, ...]:
    reasons = {"True": "Trusted", "False": "IssuerMismatch", "Unknown": "NotChecked"}
    return tuple(Condition(kind, state, reasons[state], f"{kind}!", 1, NOW) for kind, state in states.items())


def member(name: str = "gate", host: str = "10.0.0.1", **more: Any) -> Member:
    state = more.pop("state", RevisionState())
    secure = more.pop("secure", "False")
    status = DeviceStatus(
        1,
        address=AddressStatus(host, more.pop("current", None)),
        capabilities=more.pop("capabilities", ("ECDSA-P256", "RSA-2048")),
        revision=state,
        conditions=more.pop("told", conditions(Identified="True", Secure=secure, Stalled="False")),
    )
    wish = desired(uid=f"uid-{name}", host=host, **more.pop("wish", {}))
    return Member(name, wish, status, holds=more.pop("holds", True), **more)


def hashed(s: CertificateSituation) -> str:
    return input_hash(s, wanted_names(s))


def look(*members: Member, **more: Any) -> CertificateSituation:
    given: dict[str, Any] = {
        "desired": certificate(devices=tuple(one.name for one in members) or ("gate",)),
        "status": CertificateStatus(1),
        "now": NOW,
        "members": members or (member(),),
        "revisions": (),
        "authority": CA,
    }
    return CertificateSituation(**{**given, **more})


def issued(s: CertificateSituation, **more: Any) -> CertificateSituation:
    """The same with revision 1 that fits."""
    one = revision(1, "a", input_hash=hashed(s), **more)
    return replace(s, revisions=(one,))


FIT = issued(look())
ONE = FIT.revisions[0]
HAS = replace(FIT, members=(member(secure="True", state=RevisionState(installed=ONE.ref)),))
TURN = MemberStatus("gate", 1, NOW - timedelta(minutes=1))


def stalled_by(reason: Reason, **more: Any) -> Member:
    """Somebody has to act, for this reason."""
    stalled = Condition("Stalled", "True", reason, "Act.", 1, NOW)
    return member(told=(*conditions(Identified="True", Secure="False"), stalled), **more)


OBSERVED = replace(FIT, members=(stalled_by(Reason.OBSERVE_ONLY),))
BADLY_SERVED = replace(FIT, members=(stalled_by(Reason.KEY_TYPE_NOT_IN_BROWSERS),))


def given_turn(s: CertificateSituation, *turns: MemberStatus) -> CertificateSituation:
    return replace(s, status=replace(s.status, members=turns))


def reason_of(s: CertificateSituation) -> Reason | None:
    why = why_issue(s)
    return why[0] if why else None


@pytest.mark.parametrize(
    ("s", "reason"),
    [
        (look(), Reason.FIRST_ISSUE),
        (FIT, None),
        (replace(FIT, members=(member(current="10.0.0.9"),)), Reason.NAMES_CHANGED),
        (replace(FIT, authority=replace(CA, fingerprint="other")), Reason.AUTHORITY_CHANGED),
        (replace(FIT, authority=AuthorityState(problem=MissingReference("x"))), None),
        (replace(FIT, desired=replace(FIT.desired, duration=timedelta(hours=5))), Reason.SPEC_CHANGED),
        (replace(FIT, desired=replace(FIT.desired, subject=SubjectFields(organization="O"))), Reason.SPEC_CHANGED),
        (replace(FIT, status=replace(FIT.status, handled_renew="now")), Reason.SPEC_CHANGED),
        (replace(FIT, members=(member(capabilities=("RSA-2048",)),)), Reason.KEY_DOES_NOT_FIT),
        (replace(FIT, members=(member(capabilities=()),)), None),
        (replace(FIT, now=NOW + timedelta(days=80)), Reason.RENEWAL_DUE),
    ],
)
def test_why_a_new_revision_is_needed(s: CertificateSituation, reason: Reason | None) -> None:
    assert reason_of(s) is reason


OLD = replace(ONE, number=1)
NEW = replace(ONE, number=2, secret="gate-r2", facts=replace(ONE.facts, fingerprint="n" * 64))
LATER = facts("a", not_before=NOW + timedelta(days=1))
AHEAD = replace(FIT, now=ONE.facts.not_before - timedelta(minutes=6))


@pytest.mark.parametrize(
    ("sentence", "s", "reason"),
    [
        ("made while the clock ran ahead", AHEAD, Reason.RENEWAL_DUE),
        ("by little", replace(FIT, now=ONE.facts.not_before - timedelta(minutes=4)), None),
        ("it is the clock of now that is off", replace(AHEAD, operator_clock_error=timedelta(hours=-2)), None),
        ("it is off by nothing to speak of", replace(AHEAD, operator_clock_error=timedelta(0)), Reason.RENEWAL_DUE),
        (
            "whoever else signs has a clock of their own",
            issued(look(desired=certificate(issuer=CertManagerIssuer("ca", "Issuer", "cert-manager.io"))), facts=LATER),
            None,
        ),
    ],
)
def test_a_certificate_from_the_future(sentence: str, s: CertificateSituation, reason: Reason | None) -> None:
    assert reason_of(s) is reason, sentence
    if reason is not None:
        why = why_issue(s)
        assert why is not None and "2026-11-23 12:00" in why[1]
        made = replace(NEW, facts=replace(NEW.facts, not_before=s.now - BACKDATED))
        assert reason_of(replace(s, revisions=(OLD, made))) is None, "and no more than once"


def test_a_device_that_has_one_from_the_future_gets_the_next() -> None:
    """Even if it was not looked at since the clock is right."""
    made = replace(NEW, facts=replace(NEW.facts, not_before=AHEAD.now - BACKDATED))
    gate = member(secure="True", state=RevisionState(installed=OLD.ref))
    step = decide_certificate(replace(AHEAD, revisions=(OLD, made), members=(gate,))).next
    assert isinstance(step, GiveTurn) and step.revision == made


def test_an_unfit_key_that_was_asked_for_is_not_replaced() -> None:
    s = look(desired=certificate(algorithm=KeyAlgorithm.ECDSA))
    s = issued(replace(s, members=(member(capabilities=("RSA-2048",)),)))
    assert reason_of(s) is None


@pytest.mark.parametrize(
    ("one", "names"),
    [
        (member(), ("10.0.0.1",)),
        (member(current="10.0.0.9"), ("10.0.0.9",)),
        (member(current="10.0.0.9", wish={"address_policy": AddressPolicy.REPORT}), ("10.0.0.1",)),
        (member(host="gate.example.test"), ("gate.example.test",)),
        (Member("gate"), ()),
    ],
)
def test_names_come_from_proven_addresses_and_the_spec(one: Member, names: tuple[str, ...]) -> None:
    assert wanted_names(look(one)).all == names


def test_names_of_the_spec_come_on_top_and_addresses_can_be_left_out() -> None:
    s = look(desired=certificate(dns_names=("b.test",), ip_addresses=("10.0.0.7",)))
    assert wanted_names(s) == names_of("b.test", "10.0.0.7", "10.0.0.1")
    left_out = replace(s, desired=replace(s.desired, include_device_addresses=False))
    assert wanted_names(left_out) == Names(("b.test",), ("10.0.0.7",))


@pytest.mark.parametrize(
    ("algorithm", "size", "capabilities", "kind"),
    [
        (KeyAlgorithm.AUTO, None, ("ECDSA-P256", "RSA-2048"), KeyType.ECDSA_P256),
        (KeyAlgorithm.AUTO, None, ("RSA-2048",), KeyType.RSA_2048),
        (KeyAlgorithm.AUTO, None, (), KeyType.RSA_2048),
        (KeyAlgorithm.ECDSA, None, (), KeyType.ECDSA_P256),
        (KeyAlgorithm.ECDSA, 384, (), KeyType.ECDSA_P384),
        (KeyAlgorithm.RSA, None, (), KeyType.RSA_2048),
        (KeyAlgorithm.RSA, 4096, (), KeyType.RSA_4096),
    ],
)
def test_the_key_type(algorithm: KeyAlgorithm, size: int | None, capabilities: tuple[str, ...], kind: KeyType) -> None:
    s = look(member(capabilities=capabilities), desired=certificate(algorithm=algorithm, key_size=size))
    assert choose_key_type(s) is kind


def refused(one: Revision, reason: Reason = Reason.KEY_TYPE_REFUSED) -> RevisionState:
    return RevisionState(failed=FailedRevision(one.ref, reason, 1, NOW + timedelta(minutes=5)))


RSA = facts("r", key_type="RSA", curve=None, key_bits=2048)


def test_a_device_that_lists_ecdsa_and_refuses_it_gets_rsa() -> None:
    s = replace(FIT, members=(member(state=refused(ONE)),))
    assert reason_of(s) is Reason.KEY_DOES_NOT_FIT
    assert choose_key_type(s) is KeyType.RSA_2048
    step = decide_certificate(s).next
    assert isinstance(step, Issue) and step.key_type is KeyType.RSA_2048
    both = (*s.revisions, replace(ONE, number=2, secret="gate-r2", facts=RSA))
    turn = decide_certificate(replace(s, revisions=both)).next
    assert isinstance(turn, GiveTurn) and turn.revision.number == 2
    other = replace(FIT, members=(member(state=refused(ONE, Reason.STORE_FULL)),))
    assert reason_of(other) is None and choose_key_type(other) is KeyType.ECDSA_P256


def test_a_device_that_refuses_rsa_too_makes_the_two_take_no_turns() -> None:
    rsa = replace(ONE, number=2, secret="gate-r2", facts=RSA)
    s = replace(FIT, revisions=(ONE, rsa), members=(member(state=refused(rsa)),))
    assert reason_of(s) is None
    only = replace(FIT, members=(member(capabilities=("ECDSA-P256",), state=refused(ONE)),))
    assert reason_of(only) is None, "it lists nothing else"
    other = replace(FIT, revisions=(rsa,), members=(member(capabilities=("ECDSA-P384",)),))
    assert reason_of(other) is None, "another one would be of the same kind"
    asked = replace(FIT, members=(member(state=refused(ONE)),), desired=certificate(algorithm=KeyAlgorithm.ECDSA))
    assert choose_key_type(asked) is KeyType.ECDSA_P256, "whoever names a kind gets it"


def test_it_is_issued_when_a_device_is_known_to_be_there() -> None:
    step = decide_certificate(look()).next
    assert isinstance(step, Issue)
    assert step.names.all == ("10.0.0.1",)
    assert step.input_hash == hashed(look())


UNREAD = Member("gate", problem=InvalidSpec("Device cams/gate cannot be read: spec.checkInterval."))
NOBODY = member(told=conditions(Identified="Unknown"))


@pytest.mark.parametrize(
    ("s", "state", "reason"),
    [
        (look(NOBODY), State.WAITING, Reason.WAITING_FOR_DEVICE),
        (look(Member("gate")), State.WAITING, Reason.DEVICE_MISSING),
        (look(UNREAD), State.HELD, Reason.INVALID_SPEC),
        (look(UNREAD, Member("yard")), State.HELD, Reason.INVALID_SPEC),
        (look(member(claimed_by="other", holds=False)), State.HELD, Reason.DEVICE_ALREADY_CLAIMED),
        (look(desired=certificate(paused=True)), State.HELD, Reason.PAUSED),
        (
            look(authority=AuthorityState(problem=MissingReference("gone", reason=Reason.CA_MISSING))),
            State.HELD,
            Reason.CA_MISSING,
        ),
        (
            look(status=CertificateStatus(1, attempts=Attempts(1, NOW + timedelta(minutes=1)))),
            State.WAITING,
            Reason.ISSUANCE_FAILED,
        ),
        (
            look(
                status=CertificateStatus(
                    1,
                    attempts=Attempts(1, NOW + timedelta(minutes=1)),
                    conditions=(Condition("Issued", "False", "IssuanceDenied", "no", 1, NOW),),
                )
            ),
            State.WAITING,
            Reason.ISSUANCE_DENIED,
        ),
    ],
)
def test_why_nothing_is_issued(s: CertificateSituation, state: State, reason: Reason) -> None:
    plan = decide_certificate(s).next
    assert isinstance(plan, Rest), plan
    assert (plan.state, plan.reason) == (state, reason)


def test_a_renewal_without_a_usable_ca_leaves_the_present_certificate_in_its_place() -> None:
    s = replace(HAS, now=NOW + timedelta(days=80), authority=AuthorityState(problem=MissingReference("gone")))
    s = given_turn(s, TURN)
    plan = decide_certificate(s)
    claims = {claim.type: claim for claim in certificate_claims(s, plan, None)}
    assert claims["Issued"].status == "False"
    assert claims["Ready"].status == "True"


def test_a_lost_device_stops_no_renewal_decision_but_issues_nothing() -> None:
    s = replace(FIT, members=(NOBODY,), now=NOW + timedelta(days=80))
    assert isinstance(decide_certificate(s).next, Rest)


def test_a_renew_request_is_remembered_first() -> None:
    s = replace(FIT, desired=replace(FIT.desired, renew_request="now"))
    assert decide_certificate(s).next == RecordRenew("now")
    paused_before = replace(s, revisions=(), status=CertificateStatus(observed_generation=1))
    assert decide_certificate(paused_before).next == RecordRenew("now"), "before the first is issued: never a second"


# ------------------------------------------------------------------------------------------------ turns


def test_the_turn_goes_to_a_device_that_is_known() -> None:
    assert decide_certificate(FIT).next == GiveTurn("gate", "uid-gate", ONE)


def test_a_turn_without_the_uid_on_the_revision_is_given_again() -> None:
    """At once: a Device that was made anew would wait for its predecessor's turn to end."""
    s = given_turn(replace(FIT, revisions=(replace(ONE, given_to=frozenset({"uid-before"})),)), TURN)
    assert isinstance(decide_certificate(s).next, GiveTurn)


TWO = look(member("a", "10.0.0.1"), member("b", "10.0.0.2"))
TWO = replace(
    TWO,
    revisions=(
        revision(
            1,
            "a",
            input_hash=hashed(TWO),
            facts=facts("a", ip_addresses=("10.0.0.1", "10.0.0.2")),
            given_to=frozenset({"uid-a"}),
        ),
    ),
)
BOTH = TWO.revisions[0]


def turn_of(s: CertificateSituation) -> str | None:
    step = decide_certificate(s).next
    return step.device if isinstance(step, GiveTurn) else None


A_TURN = MemberStatus("a", 1, NOW - timedelta(minutes=1))
FAILED = RevisionState(failed=FailedRevision(BOTH.ref, "RolledBack", 1, NOW + timedelta(minutes=5)))
DONE = RevisionState(installed=BOTH.ref)


def test_turns_are_given_one_after_another() -> None:
    assert turn_of(TWO) == "a"
    assert turn_of(given_turn(TWO, A_TURN)) is None, "a is being worked on"
    done = replace(TWO, members=(member("a", "10.0.0.1", state=DONE, secure="True"), TWO.members[1]))
    assert turn_of(given_turn(done, A_TURN)) == "b"


def test_a_turn_ends_late_when_stalled_or_when_the_device_is_gone() -> None:
    late = replace(A_TURN, turn_since=NOW - timedelta(minutes=16))
    assert turn_of(given_turn(TWO, late)) == "b"
    stalled = member("a", "10.0.0.1", told=conditions(Identified="True", Stalled="True"))
    assert turn_of(given_turn(replace(TWO, members=(stalled, TWO.members[1])), A_TURN)) == "b"
    gone = replace(TWO, members=(Member("a"), TWO.members[1]))
    assert turn_of(given_turn(gone, A_TURN)) == "b"


def test_a_roll_back_halts_the_roll_out() -> None:
    failed = replace(TWO, members=(member("a", "10.0.0.1", state=FAILED), TWO.members[1]))
    assert turn_of(given_turn(failed, A_TURN)) is None


@pytest.mark.parametrize(
    ("days", "reachable", "dead", "turn"),
    [(80, "False", "a", "c"), (60, "False", "a", None), (80, "True", "a", None), (80, "False", "ab", None)],
    ids=["the others end soon", "they have time", "it answers", "it is not the only one"],
)
def test_a_device_that_failed_and_is_gone_does_not_let_the_others_expire(
    days: int, reachable: str, dead: str, turn: str | None
) -> None:
    """With a revision that several did not survive, nobody else is tried."""
    hosts = {name: f"10.0.0.{number}" for number, name in enumerate("abc", 1)}
    first = replace(BOTH, facts=facts("a", ip_addresses=tuple(hosts.values())), given_to=frozenset())
    newer = replace(first, number=2, secret="gate-r2", facts=replace(first.facts, fingerprint="n" * 64))
    failed = RevisionState(
        installed=first.ref, failed=FailedRevision(newer.ref, "RolledBack", 1, NOW + timedelta(minutes=5))
    )
    gone = conditions(Identified="True", Authenticated="False", Reachable=reachable, Stalled="True")
    members = tuple(
        member(name, host, state=failed, told=gone)
        if name in dead
        else member(name, host, state=RevisionState(installed=first.ref), secure="True")
        for name, host in hosts.items()
        if name != "b" or name in dead
    )
    s = replace(look(*members), revisions=(first, newer), now=NOW + timedelta(days=days))
    new = replace(newer, input_hash=hashed(s), facts=replace(newer.facts, not_after=NOW + timedelta(days=179)))
    assert turn_of(replace(s, revisions=(first, new))) == turn


def test_a_device_that_an_older_revision_satisfies_is_left_alone() -> None:
    newer = replace(BOTH, number=2, secret="gate-r2", facts=replace(BOTH.facts, fingerprint="n" * 64))
    s = replace(
        TWO, revisions=(BOTH, newer), members=(member("a", "10.0.0.1", state=DONE, secure="True"), TWO.members[1])
    )
    assert turn_of(s) == "b"
    insecure = replace(s, members=(member("a", "10.0.0.1", state=DONE), TWO.members[1]))
    assert turn_of(insecure) == "a"


def test_a_turn_on_a_revision_that_is_gone_is_no_turn() -> None:
    s = given_turn(FIT, MemberStatus("gate", 7, NOW))
    assert decide_certificate(s).members[0].turn is None


# --------------------------------------------------------------------------------------------- tidying


def tidy(state: RevisionState, **more: Any) -> CertificateSituation:
    s = replace(
        FIT,
        revisions=(OLD, NEW),
        members=(member(secure="True", state=state),),
        live={"uid-gate": DeviceStatus()},
        **more,
    )
    return given_turn(s, MemberStatus("gate", 2, NOW - timedelta(minutes=1)))


def test_an_old_revision_goes_when_nobody_needs_it() -> None:
    assert decide_certificate(tidy(RevisionState(installed=NEW.ref))).next == DeleteRevision(OLD)


@pytest.mark.parametrize(
    "state",
    [
        RevisionState(installed=OLD.ref),
        RevisionState(installed=NEW.ref, previous=OLD.ref),
        RevisionState(installed=NEW.ref, activating=Activating(OLD.ref, NOW)),
        RevisionState(),
    ],
)
def test_it_stays_as_long_as_a_device_may_need_it(state: RevisionState) -> None:
    assert not isinstance(decide_certificate(tidy(state)).next, DeleteRevision)


def stray(
    shows: str | None, state: RevisionState | None = None, *, known: str = "True", held: bool = False
) -> DeviceStatus:
    """A Device that is listed no more."""
    return DeviceStatus(
        revision=state or RevisionState(),
        served=replace(SERVED, fingerprint=shows) if shows else None,
        certificate_ref=OwnerRef("yard", "uid-yard") if held else None,
        conditions=conditions(Identified=known),
    )


SERVED = ServedStatus("", "CN=x", "CN=y", "1", NOW, NOW + timedelta(days=90))
THIS, FOREIGN = OLD.facts.fingerprint, "f" * 64
YARD = RevisionRef(1, "yard-r1", "y" * 64)
STRAYS: list[tuple[str, DeviceStatus | None, bool]] = [
    ("it is gone", None, True),
    ("it serves it", stray(THIS, RevisionState(installed=OLD.ref)), False),
    ("it serves it, and its status was lost", stray(THIS), False),
    ("it serves it, though another is recorded", stray(THIS, RevisionState(installed=YARD)), False),
    ("it serves another, whoever put that there", stray(FOREIGN, RevisionState(installed=OLD.ref)), True),
    ("it never had it", stray(FOREIGN), True),
    ("another device may have its address", stray(FOREIGN, RevisionState(installed=OLD.ref), known="False"), False),
    ("it is away", stray(FOREIGN, known="Unknown"), False),
    ("nobody has seen it", stray(None), False),
    ("it was moved and serves what it was given there", stray(YARD.fingerprint, RevisionState(YARD), held=True), True),
    ("what it had before is not tidied away", stray(YARD.fingerprint, RevisionState(YARD, OLD.ref), held=True), False),
    ("nor will be by anybody", stray(YARD.fingerprint, RevisionState(YARD, OLD.ref)), True),
    ("it is getting it", stray(FOREIGN, RevisionState(activating=Activating(OLD.ref, NOW))), False),
    ("it may go back to it", stray(YARD.fingerprint, RevisionState(OLD.ref, None, Activating(YARD, NOW))), False),
]


@pytest.mark.parametrize(("sentence", "device", "goes"), STRAYS, ids=[row[0] for row in STRAYS])
def test_of_a_device_that_is_listed_no_more_it_is_the_key(
    sentence: str, device: DeviceStatus | None, goes: bool
) -> None:
    revisions = (replace(OLD, given_to=frozenset({"uid-gate", "uid-stray"})), NEW)
    live = {"uid-gate": DeviceStatus()} | ({"uid-stray": device} if device else {})
    s = replace(tidy(RevisionState(installed=NEW.ref)), revisions=revisions, live=live)
    step = decide_certificate(s).next
    assert (step == DeleteRevision(revisions[0])) is goes, sentence


def test_it_stays_as_long_as_a_listed_device_serves_it_whatever_is_recorded() -> None:
    s = tidy(RevisionState(installed=NEW.ref))
    gate = replace(s.members[0], status=replace(s.members[0].status, served=replace(SERVED, fingerprint=THIS)))
    assert not isinstance(decide_certificate(replace(s, members=(gate,))).next, DeleteRevision)


def test_the_copy_follows_what_is_proven() -> None:
    s = given_turn(replace(HAS, desired=replace(HAS.desired, secret_name="gate-tls")), TURN)
    assert decide_certificate(s).next == WriteCopy(ONE)
    assert isinstance(decide_certificate(replace(s, copied=ONE.facts.fingerprint)).next, Rest)


EITHER = replace(BOTH, given_to=frozenset({"uid-a", "uid-b"}))
NEWER = replace(EITHER, number=2, secret="gate-r2", facts=replace(BOTH.facts, fingerprint="n" * 64))
NEWEST = replace(NEWER, number=3, secret="gate-r3", facts=replace(BOTH.facts, fingerprint="m" * 64))


@pytest.mark.parametrize(
    ("sentence", "a", "b", "secure", "copy"),
    [
        ("what is wanted is proven, and nobody else waits for it", BOTH, NEWEST, "True", NEWEST),
        ("nobody needs what is wanted: the newest that is proven", BOTH, NEWER, "True", NEWER),
        ("all still have the first", BOTH, BOTH, "True", BOTH),
        ("one has none yet", NEWEST, None, "True", None),
        ("one does not serve it well", BOTH, NEWEST, "False", None),
    ],
)
def test_the_copy_does_not_wait_for_devices_that_need_no_other(
    sentence: str, a: Revision, b: Revision | None, secure: str, copy: Revision | None
) -> None:
    members = (
        member("a", "10.0.0.1", state=RevisionState(installed=a.ref), secure="True"),
        member("b", "10.0.0.2", state=RevisionState(installed=b.ref if b else None), secure=secure),
    )
    s = given_turn(replace(TWO, members=members), MemberStatus("b", 3, NOW - timedelta(minutes=1)))
    s = replace(s, revisions=(BOTH, NEWER, NEWEST))
    assert step_but_tidying(s) is None, "nobody asked for one"
    s = replace(s, desired=replace(s.desired, secret_name="gates-tls"))
    assert step_but_tidying(s) == (WriteCopy(copy) if copy else None), sentence


def step_but_tidying(s: CertificateSituation) -> CertificateStep | None:
    """The first step after the unneeded revisions are gone; None: none, or a turn."""
    while isinstance(step := decide_certificate(s).next, DeleteRevision):
        s = replace(s, revisions=tuple(one for one in s.revisions if one != step.revision))
    return None if isinstance(step, Rest | GiveTurn) else step


# ------------------------------------------------------------------------------------------------ told


def told(s: CertificateSituation, failure: Any = None) -> dict[str, tuple[str, Reason]]:
    return {one.type: (one.status, one.reason) for one in certificate_claims(s, decide_certificate(s), failure)}


def test_everything_is_well() -> None:
    claims = told(given_turn(HAS, TURN))
    assert {kind: claim[0] for kind, claim in claims.items()} == {
        "Issued": "True",
        "Installed": "True",
        "Secure": "True",
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
    }


@pytest.mark.parametrize(
    ("s", "failure", "kind", "claim"),
    [
        (look(), None, "Issued", ("False", Reason.WORKING)),
        (look(), IssuanceDenied("no"), "Issued", ("False", Reason.ISSUANCE_DENIED)),
        (look(NOBODY), None, "Issued", ("False", Reason.WAITING_FOR_DEVICE)),
        (look(), None, "Installed", ("False", Reason.WAITING_FOR_CERTIFICATE)),
        (look(Member("gate")), None, "Secure", ("False", Reason.DEVICE_MISSING)),
        (look(UNREAD), None, "Secure", ("False", Reason.INVALID_SPEC)),
        (look(UNREAD), None, "Issued", ("False", Reason.INVALID_SPEC)),
        (look(NOBODY), None, "Secure", ("False", Reason.WAITING_FOR_CERTIFICATE)),
        (replace(FIT, members=(NOBODY,)), None, "Secure", ("False", Reason.WAITING_FOR_DEVICE)),
        (given_turn(FIT, TURN), None, "Secure", ("False", Reason.ISSUER_MISMATCH)),
        (
            given_turn(replace(FIT, members=(member(told=conditions(Identified="True")),)), TURN),
            None,
            "Installed",
            ("False", Reason.INSTALLING),
        ),
        (
            replace(FIT, members=(member(told=conditions(Identified="True")),)),
            None,
            "Secure",
            ("False", Reason.WAITING_FOR_TURN),
        ),
        (look(member(claimed_by="other", holds=False)), None, "Stalled", ("True", Reason.DEVICE_ALREADY_CLAIMED)),
        (look(desired=certificate(paused=True)), None, "Ready", ("False", Reason.PAUSED)),
        (given_turn(replace(HAS, revisions=(OLD, NEW)), TURN), None, "Installed", ("False", Reason.RENEWING)),
        (replace(look(), members=()), None, "Secure", ("Unknown", Reason.DEVICE_MISSING)),
        (TWO, None, "Ready", ("False", Reason.ISSUER_MISMATCH)),
        (given_turn(OBSERVED, TURN), None, "Stalled", ("True", Reason.OBSERVE_ONLY)),
        (given_turn(BADLY_SERVED, TURN), None, "Secure", ("False", Reason.ISSUER_MISMATCH)),
    ],
)
def test_what_is_told(s: CertificateSituation, failure: Any, kind: str, claim: tuple[str, Reason]) -> None:
    assert told(s, failure)[kind] == claim


@pytest.mark.parametrize("stalled", ["True", "False"])
def test_a_device_that_loses_the_chain_needs_a_person(stalled: str) -> None:
    said = [Condition(kind, "False", "ChainIncomplete", "not sent", 1, NOW) for kind in ("Secure", "Ready")]
    said.append(Condition("Stalled", stalled, "ChainIncomplete", "not sent", 1, NOW))
    gate = member(state=RevisionState(installed=NEW.ref), told=(*conditions(Identified="True"), *said))
    claims = told(given_turn(replace(HAS, members=(gate,)), TURN))
    assert claims["Ready"] == ("False", Reason.CHAIN_INCOMPLETE)
    assert claims["Stalled"][0] == stalled


def test_a_renewal_under_way_leaves_everything_ready() -> None:
    late = NOW + timedelta(days=80)
    longer = replace(NEW, facts=replace(NEW.facts, not_after=NOW + timedelta(days=300)))
    s = replace(HAS, revisions=(OLD, longer), now=late)
    assert isinstance(decide_certificate(given_turn(s, TURN)).next, GiveTurn)
    s = given_turn(s, MemberStatus("gate", 2, late - timedelta(minutes=1)))
    plan = decide_certificate(s)
    assert isinstance(plan.next, Rest)
    assert (plan.next.state, plan.next.reason) == (State.WAITING, Reason.RENEWING)
    assert plan.members[0].secure
    claims = told(s)
    assert (claims["Installed"], claims["Ready"][0]) == (("False", Reason.RENEWING), "True")


def test_a_renewal_that_a_device_needs_leave_for_is_told_while_the_present_one_is_good() -> None:
    held = (*HAS.members[0].status.conditions, Condition("Ready", "True", "GapNotAllowed", "Allow it.", 1, NOW))
    s = replace(HAS, revisions=(OLD, NEW), members=(member(state=DONE, told=held),))
    s = given_turn(s, MemberStatus("gate", 2, NOW - timedelta(minutes=1)))
    claims = {one.type: one for one in certificate_claims(s, decide_certificate(s), None)}
    assert (claims["Installed"].status, claims["Installed"].reason) == ("False", Reason.GAP_NOT_ALLOWED)
    assert claims["Installed"].message == "Device gate: Allow it."
    assert claims["Ready"].status == "True"
    allowed = replace(s, desired=replace(s.desired, allow_gap=True))
    assert told(allowed)["Installed"] == ("False", Reason.RENEWING), "the Device has not looked again yet"


SECURE = given_turn(HAS, TURN)
DENIED, NOT_ALLOWED = IssuanceDenied("no"), IssuanceDenied("no", reason=Reason.NAME_NOT_ALLOWED)
NO_CA = MissingReference("x", reason=Reason.CA_MISSING)
HELD_ISSUED = Condition("Issued", "False", Reason.CA_MISSING, "x", 1, NOW)
LONGER = certificate(devices=("gate",), duration=timedelta(hours=5), generation=2)
OTHER_NAME = certificate(devices=("gate",), dns_names=("gate.example",), generation=2)
BY_CERT_MANAGER = certificate(devices=("gate",), issuer=CertManagerIssuer("lab"), generation=2)
OTHER_CA = replace(CA, fingerprint="other")
REFUSED = ("False", Reason.ISSUANCE_DENIED)
WELL = ("True", Reason.READY)
DUE = replace(SECURE, now=NOW + timedelta(days=80))


@pytest.mark.parametrize(
    ("s", "failure", "ready", "stalled"),
    [
        (replace(SECURE, desired=OTHER_NAME), NOT_ALLOWED, ("False", Reason.NAME_NOT_ALLOWED), "True"),
        (replace(SECURE, desired=LONGER), DENIED, REFUSED, "True"),
        (replace(SECURE, desired=LONGER), None, WELL, "False"),
        (replace(SECURE, desired=LONGER), Conflict("again"), WELL, "False"),
        (
            replace(SECURE, desired=LONGER, authority=replace(CA, problem=NO_CA)),
            None,
            ("False", Reason.CA_MISSING),
            "False",
        ),
        (
            replace(
                SECURE,
                desired=BY_CERT_MANAGER,
                authority=AuthorityState(),
                status=replace(
                    SECURE.status,
                    observed_generation=2,
                    attempts=Attempts(1, NOW + timedelta(minutes=1)),
                    conditions=(replace(HELD_ISSUED, reason=Reason.REQUEST_FAILED),),
                ),
            ),
            None,
            ("False", Reason.REQUEST_FAILED),
            "False",
        ),
        (replace(SECURE, authority=OTHER_CA), DENIED, REFUSED, "True"),
        (replace(SECURE, authority=replace(OTHER_CA, changed_at=NOW - timedelta(days=1))), DENIED, WELL, "False"),
        (DUE, DENIED, WELL, "False"),
        (replace(SECURE, authority=AuthorityState(problem=NO_CA)), None, WELL, "False"),
        (
            replace(SECURE, desired=replace(HAS.desired, generation=2), authority=AuthorityState(problem=NO_CA)),
            None,
            ("False", Reason.CA_MISSING),
            "False",
        ),
        (
            replace(
                SECURE,
                status=replace(SECURE.status, conditions=(HELD_ISSUED,)),
                authority=AuthorityState(problem=NO_CA),
            ),
            None,
            ("False", Reason.CA_MISSING),
            "False",
        ),
        (
            replace(
                SECURE,
                desired=replace(HAS.desired, generation=2),
                authority=AuthorityState(problem=ClusterError("later")),
            ),
            None,
            WELL,
            "False",
        ),
    ],
    ids=[
        "a name that the CA may not sign",
        "another duration is refused",
        "another duration is under way",
        "and was read too early",
        "and there is no CA any more",
        "another issuer failed and is asked again later",
        "another CA refuses",
        "a rotation is refused",
        "a renewal is refused",
        "the CA is gone",
        "an edit names a CA that is not there",
        "and goes on doing so",
        "an edit while the API server is away",
    ],
)
def test_an_edit_that_cannot_be_carried_out_is_not_ready(
    s: CertificateSituation, failure: Any, ready: tuple[str, Reason], stalled: str
) -> None:
    claims = told(s, failure)
    assert (claims["Ready"], claims["Stalled"][0]) == (ready, stalled)
    assert claims["Secure"][0] == "True"
    assert ready[0] == "True" or claims["Issued"] == ready


def test_five_devices_that_renew_are_named_shortly() -> None:
    names = tuple("abcde")
    s = look(
        *(
            member(name, f"10.0.0.{n}", state=RevisionState(installed=OLD.ref), secure="True")
            for n, name in enumerate(names)
        )
    )
    wide = facts("a", ip_addresses=tuple(f"10.0.0.{n}" for n in range(5)))
    old = replace(OLD, facts=wide, input_hash=hashed(s))
    s = replace(
        s,
        members=tuple(
            replace(one, status=replace(one.status, revision=RevisionState(installed=old.ref))) for one in s.members
        ),
        revisions=(old, replace(NEW, facts=replace(wide, fingerprint="n" * 64), input_hash=hashed(s))),
    )
    claim = next(one for one in certificate_claims(s, decide_certificate(s), None) if one.type == "Installed")
    assert claim.message.startswith("a, b, c, d…")


def test_what_is_unusual_about_an_issued_certificate_stands_beside_it() -> None:
    s = look(member("a", "10.0.0.1", state=RevisionState(installed=OLD.ref), secure="True"))
    s = replace(s, revisions=(replace(OLD, input_hash=hashed(s)),))
    ends = replace(s, authority=replace(CA, not_after=NOW + timedelta(days=40)))
    gone = replace(s, authority=AuthorityState(problem=MissingReference("There is no Secret cams/root.")))
    for one, told in (
        (s, "Revision 1 is issued."),
        (ends, "no certificate outlives it"),
        (gone, "Revision 1 is issued. No other could be issued now: There is no Secret cams/root."),
    ):
        claims = {claim.type: claim for claim in certificate_claims(one, decide_certificate(one), None)}
        assert claims["Issued"].status == "True"
        assert told in claims["Issued"].message


def test_what_fails_after_an_issue_is_told_unless_it_passes_by_itself() -> None:
    s = look(member("a", "10.0.0.1", state=RevisionState(installed=OLD.ref), secure="True"))
    s = replace(s, revisions=(replace(OLD, input_hash=hashed(s)),))
    not_ours = MissingReference("Secret cams/mine exists and is not ours.", reason=Reason.SECRET_NOT_OURS)
    for failure, wanted in (
        (not_ours, ("False", Reason.SECRET_NOT_OURS)),
        (Conflict("again"), ("True", Reason.ISSUED)),
    ):
        claims = {one.type: one for one in certificate_claims(s, decide_certificate(s), failure)}
        assert (claims["Issued"].status, claims["Issued"].reason) == wanted
        assert claims["Ready"].status == "True", "the device itself is secure"


def test_attempts_back_off() -> None:
    first = next_attempt(Attempts(), NOW, "uid")
    second = next_attempt(first, NOW, "uid")
    assert first.failures == 1
    assert second.next_at is not None
    assert first.next_at is not None
    assert second.next_at > first.next_at > NOW
