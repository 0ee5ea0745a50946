"""What is done for a CertificateAuthority: sentence → situation → step, or the reason why nothing is done."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from device_cert_operator.core.allowed import why_not_allowed
from device_cert_operator.core.authority import (
    CHOICES,
    AuthoritySituation,
    Bundle,
    FoundRoot,
    Holder,
    decide_authority,
    number_of,
    number_of_next,
    root_subject,
)
from device_cert_operator.core.authority_conditions import authority_claims, remarks_on
from device_cert_operator.core.authority_model import (
    AllowedNames,
    AuthorityStatus,
    DesiredAuthority,
    Origin,
    Phase,
    RootShape,
    RotationPolicy,
    RotationStatus,
    with_first_rotation,
)
from device_cert_operator.core.authority_steps import (
    BeginRotation,
    DeleteNext,
    EnterPhase,
    Finish,
    MakeNext,
    MakeRoot,
    MarkPublished,
    Promote,
    RecordRequests,
    RememberNext,
    RememberRoot,
    WriteBundle,
)
from device_cert_operator.core.model import KeyType, NameConstraints, ObjectKey, SubjectFields, names_of
from device_cert_operator.core.status import ServedStatus
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.verdict import ANY_PURPOSE, SERVER_AUTH
from device_cert_operator.errors import ClusterError, MissingReference, OperatorError
from device_cert_operator.reasons import Reason
from tests.support.situations import NOW, facts

SHAPE = RootShape(SubjectFields(common_name="site-ca"), KeyType.ECDSA_P256)
OTHER = replace(SHAPE, permitted_dns=("example",))
KEY = ObjectKey("CertificateAuthority", "cams", "site-ca")
WANTED = DesiredAuthority(KEY, "uid", 1, "root", "site-ca-trust", SHAPE)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def a_root(mark: str, **more: Any) -> Any:
    given = {"subject": f"CN={mark}", "is_ca": True, "key_usage": frozenset({"keyCertSign"}), "path_length": 1}
    return facts(mark, **{**given, "name_constraints": NameConstraints(), "not_after": NOW + 3650 * DAY, **more})


OLD, NEW = a_root("a"), a_root("b")
FOUND, NEXT = FoundRoot(OLD, ours=True, shape=SHAPE.digest), FoundRoot(NEW, ours=True, shape=SHAPE.digest)
MISSING, BROKEN = FoundRoot(missing=True), FoundRoot(problem=MissingReference("broken.", reason=Reason.CA_UNREADABLE))
EXPIRED = FoundRoot(OLD, MissingReference("expired.", reason=Reason.CA_EXPIRED), ours=True, expired=True)
SERVED = ServedStatus(OLD.fingerprint, OLD.subject, OLD.issuer, "1", OLD.not_before, OLD.not_after)
KNOWN = AuthorityStatus(1, SERVED, Origin.MADE, SHAPE.digest)
GATE = Holder("gate", sends_cross=False, takes_chain=True, stalled=False)


def situation(**more: Any) -> AuthoritySituation:
    """A root that is there, published, and nothing to do."""
    given: dict[str, Any] = {
        "desired": WANTED,
        "status": KNOWN,
        "now": NOW,
        "current": FOUND,
        "following": MISSING,
        "bundle": Bundle.SAME,
    }
    return AuthoritySituation(**{**given, **more})


def wanting(**more: Any) -> DesiredAuthority:
    return replace(WANTED, **more)


def rotating(phase: Phase, fingerprint: str | None = NEW.fingerprint, **more: Any) -> AuthorityStatus:
    rotation = RotationStatus(phase, NOW - DAY, NOW - DAY, fingerprint=fingerprint)
    return replace(KNOWN, rotation=replace(rotation, **more))


def in_phase(phase: Phase, *, policy: RotationPolicy | None = None, **more: Any) -> AuthoritySituation:
    """A rotation that began a day ago."""
    kept = {name: more.pop(name) for name in ("published_at", "started_at", "fingerprint") if name in more}
    desired = wanting(rotation=policy or RotationPolicy(overlap=2 * DAY))
    given = {"desired": desired, "status": rotating(phase, **kept), "following": NEXT}
    return situation(**{**given, **more})


STEPS: list[tuple[str, AuthoritySituation, object]] = [
    ("there is none yet", situation(status=AuthorityStatus(0), current=MISSING), MakeRoot()),
    ("it was made", situation(status=AuthorityStatus(0)), RememberRoot(Origin.MADE, SHAPE.digest)),
    (
        "of what it was made is found again",
        situation(status=replace(KNOWN, shape=None), current=replace(FOUND, shape=OTHER.digest)),
        RememberRoot(Origin.MADE, OTHER.digest),
    ),
    (
        "that it was adopted as well",
        situation(status=replace(KNOWN, origin=None), current=replace(FOUND, ours=False, shape=None)),
        RememberRoot(Origin.ADOPTED, SHAPE.digest),
    ),
    (
        "it was there before",
        situation(status=AuthorityStatus(0), current=replace(FOUND, ours=False, shape=None)),
        RememberRoot(Origin.ADOPTED, SHAPE.digest),
    ),
    (
        "a request at the very first look is the report's to remember",
        situation(
            status=replace(KNOWN, observed_generation=-1), desired=wanting(rotate_request="old", trust_distributed="t")
        ),
        Rest(State.SETTLED, Reason.SETTLED, "Nothing is left to do."),
    ),
    ("the bundle lacks", situation(bundle=Bundle.DIFFERS), WriteBundle()),
    (
        "a rotation is asked for",
        situation(desired=wanting(rotate_request="1")),
        BeginRotation("A rotation was asked for", "1"),
    ),
    (
        "a rotation is asked for during one",
        in_phase(Phase.DISTRIBUTING, desired=wanting(rotate_request="1")),
        RecordRequests("1", None),
    ),
    (
        "an expired root is asked to be replaced",
        situation(current=EXPIRED, desired=wanting(rotate_request="1")),
        BeginRotation("A rotation was asked for", "1"),
    ),
    ("the new root is to be made", in_phase(Phase.PREPARING, fingerprint=None, following=MISSING), MakeNext()),
    ("the new root was made", in_phase(Phase.PREPARING, fingerprint=None), RememberNext()),
    ("nobody has to be prepared", in_phase(Phase.PREPARING), EnterPhase(Phase.DISTRIBUTING)),
    (
        "every device that can sends the cross-certificate",
        in_phase(Phase.PREPARING, holders=(replace(GATE, sends_cross=True), replace(GATE, takes_chain=False))),
        EnterPhase(Phase.DISTRIBUTING),
    ),
    (
        "a device that is stuck is not waited for",
        in_phase(Phase.PREPARING, holders=(replace(GATE, stalled=True),)),
        EnterPhase(Phase.DISTRIBUTING),
    ),
    (
        "no device is waited for longer than an overlap",
        in_phase(Phase.PREPARING, holders=(GATE,), started_at=NOW - 2 * DAY),
        EnterPhase(Phase.DISTRIBUTING),
    ),
    (
        "nothing of an expired root is prepared",
        in_phase(Phase.PREPARING, holders=(GATE,), current=EXPIRED),
        EnterPhase(Phase.DISTRIBUTING),
    ),
    ("both are to be published", in_phase(Phase.DISTRIBUTING, bundle=Bundle.DIFFERS), WriteBundle()),
    ("both are published", in_phase(Phase.DISTRIBUTING), MarkPublished()),
    ("the overlap is over", in_phase(Phase.DISTRIBUTING, published_at=NOW - 2 * DAY), EnterPhase(Phase.SWITCHING)),
    (
        "an overlap with an expired root is of no use",
        in_phase(Phase.DISTRIBUTING, published_at=NOW, current=EXPIRED),
        EnterPhase(Phase.SWITCHING),
    ),
    ("all devices have followed", in_phase(Phase.SWITCHING), EnterPhase(Phase.RETIRING)),
    (
        "who reads the Secret follows only when the new one is in it",
        in_phase(Phase.SWITCHING, holders=(replace(GATE, by_secret=True),)),
        EnterPhase(Phase.RETIRING),
    ),
    ("the old one is retired", in_phase(Phase.RETIRING), Promote()),
    ("the new one is in its place", in_phase(Phase.RETIRING, current=NEXT), Finish()),
    ("a copy is left over", situation(following=FOUND), DeleteNext()),
]


@pytest.mark.parametrize(("s", "step"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_the_next_step(s: AuthoritySituation, step: object) -> None:
    assert decide_authority(s) == step


AT_ITS_END = RotationPolicy(before=3651 * DAY)
CONFIRMED = RotationPolicy(overlap=HOUR, require_confirmation=True)
NOTHING: list[tuple[str, AuthoritySituation, Reason, str]] = [
    ("all is well", situation(), Reason.SETTLED, "Nothing is left"),
    ("paused", situation(desired=wanting(paused=True), current=MISSING), Reason.PAUSED, "remove it to go on"),
    (
        "it is unreadable",
        situation(status=AuthorityStatus(0), current=BROKEN),
        Reason.CA_UNREADABLE,
        "broken",
    ),
    ("the root is gone", situation(current=MISSING), Reason.CA_DELETED, "cams/root is gone; it held CN=a"),
    ("the root is gone during a rotation", in_phase(Phase.SWITCHING, current=MISSING), Reason.CA_DELETED, "gone"),
    ("another root is there", situation(current=NEXT), Reason.CA_REPLACED, "nothing is signed with it"),
    ("the root is damaged", situation(current=BROKEN), Reason.CA_UNREADABLE, "Restore it from a backup"),
    (
        "the rotated root is not to be mistaken for another",
        in_phase(Phase.SWITCHING, current=NEXT),
        Reason.CA_REPLACED,
        "holds another certificate",
    ),
    ("an edit", situation(desired=wanting(shape=OTHER)), Reason.SETTLED, ""),
    (
        "somebody's Secret bears the new one's name",
        in_phase(Phase.PREPARING, fingerprint=None, following=replace(NEXT, ours=False)),
        Reason.SECRET_NOT_OURS,
        "cams/root-next exists and is not ours",
    ),
    ("the new root is gone", in_phase(Phase.SWITCHING, following=MISSING), Reason.CA_DELETED, "root-next"),
    ("the new root is damaged", in_phase(Phase.DISTRIBUTING, following=BROKEN), Reason.CA_REPLACED, "root-next"),
    ("a device is still to be prepared", in_phase(Phase.PREPARING, holders=(GATE,)), Reason.ROTATING, "to come: gate"),
    (
        "the overlap lasts",
        in_phase(Phase.DISTRIBUTING, published_at=NOW - DAY),
        Reason.ROTATING,
        "signs from 2026-11-25 12:00 UTC on",
    ),
    (
        "a person has to confirm",
        in_phase(Phase.DISTRIBUTING, policy=CONFIRMED, published_at=NOW - DAY),
        Reason.CONFIRMATION_NEEDED,
        "kubectl -n cams annotate dca site-ca --overwrite devicecert.io/trust-distributed=bbbb",
    ),
    ("a device has not followed", in_phase(Phase.SWITCHING, holders=(GATE,)), Reason.ROTATING, "still to come: gate"),
    (
        "who reads the Secret has not followed",
        in_phase(Phase.RETIRING, current=NEXT, holders=(replace(GATE, by_secret=True),)),
        Reason.ROTATING,
        "still to come: gate",
    ),
    (
        "a new root would not permit what is in use",
        situation(desired=wanting(rotate_request="1"), names_in_use=names_of("gate.example", "10.0.0.1")),
        Reason.CA_NAME_NOT_PERMITTED,
        "does not permit gate.example, which",
    ),
    (
        "nor when it is time",
        situation(desired=wanting(rotation=RotationPolicy(before=3651 * DAY)), names_in_use=names_of("192.0.2.1")),
        Reason.CA_NAME_NOT_PERMITTED,
        "does not permit 192.0.2.1",
    ),
    ("a copy that is not ours", situation(following=replace(FOUND, ours=False)), Reason.SETTLED, ""),
]


@pytest.mark.parametrize(("s", "reason", "told"), [row[1:] for row in NOTHING], ids=[row[0] for row in NOTHING])
def test_nothing_is_done_and_why(s: AuthoritySituation, reason: Reason, told: str) -> None:
    rest = decide_authority(s)
    assert isinstance(rest, Rest), rest
    assert rest.reason is reason
    assert told in rest.message


def test_every_choice_has_an_answer_for_an_object_that_was_never_looked_at() -> None:
    empty = situation(status=AuthorityStatus(), current=MISSING, bundle=Bundle.UNKNOWN)
    assert [choice for choose in CHOICES if (choice := choose(empty)) is not None] == [MakeRoot()]


def test_a_root_is_replaced_by_itself_in_time_and_not_before() -> None:
    early = situation(desired=wanting(rotation=RotationPolicy(before=3649 * DAY)))
    assert isinstance(decide_authority(early), Rest)
    due = decide_authority(situation(desired=wanting(rotation=AT_ITS_END)))
    assert isinstance(due, BeginRotation)
    assert due.request is None


def test_a_confirmation_that_was_there_before_the_rotation_is_none() -> None:
    waiting = in_phase(Phase.DISTRIBUTING, published_at=NOW - DAY)
    desired = wanting(rotation=CONFIRMED, trust_distributed="yes")
    stale = replace(waiting, desired=desired, status=replace(waiting.status, handled_trust="yes"))
    assert isinstance(decide_authority(stale), Rest)
    fresh = replace(stale, desired=replace(desired, trust_distributed="again"))
    assert decide_authority(fresh) == EnterPhase(Phase.SWITCHING)


# -------------------------------------------------------------------------------------------- conditions


def claim(s: AuthoritySituation, kind: str, failure: OperatorError | None = None) -> tuple[str, Reason, str]:
    rest = decide_authority(s)
    claims = authority_claims(s, rest if isinstance(rest, Rest) else None, failure)
    found = next(one for one in claims if one.type == kind)
    return found.status, found.reason, found.message


CLAIMS: list[tuple[str, AuthoritySituation, str, str, Reason]] = [
    ("at rest it is ready", situation(), "Ready", "True", Reason.READY),
    ("at rest it is well formed", situation(), "WellFormed", "True", Reason.WELL_FORMED),
    ("at rest it is up to date", situation(), "UpToDate", "True", Reason.UP_TO_DATE),
    ("a gone root needs a person", situation(current=MISSING), "Stalled", "True", Reason.CA_DELETED),
    (
        "a gone root has no form",
        situation(current=MISSING),
        "WellFormed",
        "Unknown",
        Reason.NOT_CHECKED,
    ),
    ("an edited one still signs", situation(desired=wanting(shape=OTHER)), "Ready", "True", Reason.READY),
    ("an edit is pending", situation(desired=wanting(shape=OTHER)), "UpToDate", "False", Reason.ROTATION_PENDING),
    ("one that rotates still signs", in_phase(Phase.SWITCHING, holders=(GATE,)), "Ready", "True", Reason.READY),
    ("a rotation is told", in_phase(Phase.SWITCHING, holders=(GATE,)), "UpToDate", "False", Reason.ROTATING),
    ("an expired one does not sign", situation(current=EXPIRED), "Ready", "False", Reason.CA_EXPIRED),
    ("paused", situation(desired=wanting(paused=True)), "Ready", "False", Reason.PAUSED),
    ("being made", situation(status=AuthorityStatus(0), current=MISSING), "Reconciling", "True", Reason.WORKING),
]


@pytest.mark.parametrize(("s", "kind", "status", "reason"), [row[1:] for row in CLAIMS], ids=[row[0] for row in CLAIMS])
def test_what_the_conditions_say(s: AuthoritySituation, kind: str, status: str, reason: Reason) -> None:
    assert claim(s, kind)[:2] == (status, reason)


def test_an_api_server_that_is_away_does_not_make_a_root_unready() -> None:
    assert claim(situation(), "Ready", ClusterError("away"))[0] == "True"
    foreign = MissingReference("not ours", reason=Reason.CONFIG_MAP_NOT_OURS)
    assert claim(situation(), "Ready", foreign)[:2] == ("False", Reason.CONFIG_MAP_NOT_OURS)


def test_ready_names_the_root_that_signs_now() -> None:
    assert "signed by CN=a" in claim(in_phase(Phase.DISTRIBUTING, published_at=NOW), "Ready")[2]
    assert "signed by CN=b" in claim(in_phase(Phase.SWITCHING, holders=(GATE,)), "Ready")[2]


def test_devices_without_a_chain_are_named_while_it_matters() -> None:
    alone = replace(GATE, takes_chain=False)
    assert "send no chain (gate)" in claim(in_phase(Phase.SWITCHING, holders=(alone,)), "UpToDate")[2]
    assert "chain" not in claim(in_phase(Phase.SWITCHING, holders=(GATE,)), "UpToDate")[2]


def test_a_device_that_sends_its_new_certificate_alone_stays_named() -> None:
    alone = replace(GATE, device="door", takes_chain=False)
    s = in_phase(Phase.SWITCHING, holders=(alone, GATE), alone_under_next=("barn", "door"))
    assert s.without_chain == ("barn", "door")
    assert "send no chain (barn, door)" in claim(s, "UpToDate")[2]


REMARKS: list[tuple[str, dict[str, Any], Reason, str]] = [
    ("X.509 v1", {"version": 1, "key_usage": None, "path_length": None}, Reason.AUTHORITY_LEGACY_FORM, "-x509_strict"),
    ("no keyUsage", {"key_usage": None}, Reason.AUTHORITY_WITHOUT_KEY_USAGE, "-x509_strict"),
    ("not critical", {"ca_critical": False}, Reason.AUTHORITY_BASIC_CONSTRAINTS_NOT_CRITICAL, "-x509_strict"),
    ("any purpose", {"extended_key_usage": (ANY_PURPOSE,)}, Reason.AUTHORITY_FOR_ANY_PURPOSE, "OpenSSL"),
    ("pathlen 0", {"path_length": 0}, Reason.AUTHORITY_CANNOT_CROSS_SIGN, "every client has to trust the new root"),
    ("no constraints", {"name_constraints": None}, Reason.AUTHORITY_UNCONSTRAINED, "impersonate any site"),
    ("near its end", {"not_after": NOW + 89 * DAY}, Reason.AUTHORITY_EXPIRES_SOON, "2027-02-21"),
]


@pytest.mark.parametrize(("more", "reason", "told"), [row[1:] for row in REMARKS], ids=[row[0] for row in REMARKS])
def test_what_is_unusual_is_told_with_for_whom_it_matters(more: dict[str, Any], reason: Reason, told: str) -> None:
    [(found, message)] = remarks_on(a_root("a", **more), NOW)
    assert found is reason
    assert told in message
    s = situation(current=replace(FOUND, facts=a_root("a", **more)))
    assert claim(s, "WellFormed")[:2] == ("False", reason)


def test_what_more_clients_refuse_is_told_first() -> None:
    all_of_it = a_root("a", key_usage=None, ca_critical=False, extended_key_usage=(ANY_PURPOSE,), name_constraints=None)
    assert [reason for reason, _ in remarks_on(all_of_it, NOW)] == [
        Reason.AUTHORITY_FOR_ANY_PURPOSE,
        Reason.AUTHORITY_WITHOUT_KEY_USAGE,
        Reason.AUTHORITY_BASIC_CONSTRAINTS_NOT_CRITICAL,
        Reason.AUTHORITY_UNCONSTRAINED,
    ]
    both = a_root("a", extended_key_usage=(ANY_PURPOSE, SERVER_AUTH))
    assert remarks_on(both, NOW) == ()


# ------------------------------------------------------------------------------------- names and subjects


@pytest.mark.parametrize(
    ("names", "outside"),
    [
        (["cam.example", "a.b.example", "*.lab.example", "10.1.2.3", "fd00::1"], []),
        (["example"], ["example"]),
        (["notexample", "cam.invalid"], ["cam.invalid", "notexample"]),
        (["gate"], []),
        (["x.gate"], ["x.gate"]),
        (["11.0.0.1", "fe80::1"], ["fe80::1", "11.0.0.1"]),
    ],
)
def test_a_name_outside_of_allowed_is_named(names: list[str], outside: list[str]) -> None:
    allowed = AllowedNames(("*.example", "gate"), ("10.0.0.0/8", "fd00::/8"))
    found = why_not_allowed(allowed, names_of(*names))
    assert (found is None) is (not outside)
    if found is not None:
        assert found.reason is Reason.NAME_NOT_ALLOWED
        assert f"for {', '.join(outside)}:" in found.message


def test_a_kind_that_is_not_listed_is_not_allowed_and_without_a_list_everything_is() -> None:
    assert why_not_allowed(AllowedNames(ip_ranges=("10.0.0.0/8",)), names_of("gate")) is not None
    assert why_not_allowed(AllowedNames(dns_names=("gate",)), names_of("10.0.0.1")) is not None
    assert why_not_allowed(None, names_of("gate", "10.0.0.1")) is None


def test_a_later_root_bears_another_name() -> None:
    fields = SubjectFields(organization="Example", common_name="n" * 64)
    assert root_subject(fields, "site-ca", 1) == (("organization", "Example"), ("common_name", "n" * 64))
    assert root_subject(fields, "site-ca", 12)[-1] == ("common_name", "n" * 60 + " G12")
    assert root_subject(SubjectFields(country="JP"), "site-ca", 2)[-1] == ("common_name", "site-ca G2")


@pytest.mark.parametrize(
    ("number", "present", "following"),
    [
        (1, "site-ca", 2),
        (2, "site-ca G2", 3),
        (1, "site-ca G2", 3),  # its status was lost
        (1, "SITE-CA  g2 ", 3),  # verifiers compare names without regard to case and blanks
        (1, "site-ca G7", 8),
        (4, "site-ca G2", 5),
        (1, "site-ca 1G2", 2),
        (1, "site-ca G20261128", 2),
        (1, None, 2),
    ],
)
def test_the_next_root_never_bears_the_name_of_the_present_one(number: int, present: str, following: int) -> None:
    status = replace(KNOWN, number=number)
    s = situation(status=status, current=replace(FOUND, facts=a_root("a", common_name=present)))
    assert number_of_next(s) == following
    named = dict(root_subject(SubjectFields(common_name="site-ca"), "site-ca", following))["common_name"]
    assert named != present


def test_a_root_that_cannot_be_read_tells_no_number() -> None:
    assert number_of_next(situation(current=MISSING)) == 2
    assert number_of(None) == 1


@pytest.mark.parametrize(
    ("phase", "due"),
    [
        (Phase.PREPARING, NOW + DAY),
        (Phase.DISTRIBUTING, NOW + DAY),
        (Phase.SWITCHING, NOW - DAY / 2),
        (Phase.RETIRING, NOW - DAY),
    ],
)
def test_a_phase_of_a_rotation_has_its_time(phase: Phase, due: datetime) -> None:
    """Begun a day ago, with an overlap of two, so that devices follow within half a day."""
    rotation = RotationStatus(phase, NOW - DAY, NOW - DAY)
    assert rotation.due_at(RotationPolicy(overlap=2 * DAY)) == due


def test_what_stands_there_at_the_first_pass_counts_as_handled_with_the_write_that_ends_it() -> None:
    seen = with_first_rotation(AuthorityStatus(), "old", "t")
    assert (seen.handled_rotate, seen.handled_trust) == ("old", "t")
    assert with_first_rotation(KNOWN, "new", "t") == KNOWN
