"""CSRs out, chains in: what is asked for, what makes a request stale, and what each answer leads to."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.certificate import decide_certificate
from device_cert_operator.core.certificate_conditions import certificate_claims
from device_cert_operator.core.certificate_model import (
    AuthorityState,
    BeginRequest,
    CertificateSituation,
    DropKey,
    DropRequest,
    GiveTurn,
    IssueForCSR,
    MakeCSR,
    Member,
    NoteFailure,
    Publish,
    RecordCSR,
    Resubmit,
    Submit,
)
from device_cert_operator.core.issuing import plan_issue
from device_cert_operator.core.model import (
    CertManagerIssuer,
    Condition,
    CSRFacts,
    DesiredCertificate,
    DeviceCAIssuer,
    ExternalIssuer,
    KeySource,
    KeyType,
    ProvidedIssuer,
    Reference,
)
from device_cert_operator.core.requests import (
    CSRState,
    NotSigned,
    Signed,
    issuer_name,
    makes_requests,
    not_for_public_authorities,
    signs_itself,
    wants_answer,
)
from device_cert_operator.core.status import Attempts, CertificateStatus, FailedRevision, RequestStatus, RevisionState
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.wanted import choose_key_type, input_hash, wanted_names, why_issue
from device_cert_operator.errors import IssuanceDenied, UnacceptableCertificate
from device_cert_operator.reasons import Reason
from tests.core.test_certificate import CA, member, stalled_by
from tests.support.situations import NOW, certificate, facts, revision

EXTERNAL = ExternalIssuer(Reference("ConfigMap", "gate-signed", "tls.crt"))
CERT_MANAGER = CertManagerIssuer("site")
MAKES = ("MakeECDSA-P256", "MakeRSA-2048")
CSR = CSRFacts("csr-key", "EC", "secp256r1", 256, "CN=10.0.0.1", "10.0.0.1", (), ("10.0.0.1",), True, True)
THERE = CSRState(1, "uid-gate", CSR)
BAD_CSR = IssuanceDenied("It is not signed by its own key.", reason=Reason.CSR_UNACCEPTABLE)
LEAF = facts("b", public_key_sha256="csr-key")


def wish(issuer: Any = EXTERNAL, source: KeySource = KeySource.DEVICE, **more: Any) -> DesiredCertificate:
    return certificate(issuer=issuer, key_source=source, **more)


def look(desired: DesiredCertificate | None = None, **more: Any) -> CertificateSituation:
    """Nothing was issued; one device, recognised."""
    given: dict[str, Any] = {
        "desired": desired or wish(),
        "status": CertificateStatus(1),
        "now": NOW,
        "members": (member(capabilities=MAKES),),
        "revisions": (),
        "authority": CA,
    }
    return CertificateSituation(**{**given, **more})


def request_of(s: CertificateSituation, number: int = 1, **more: Any) -> RequestStatus:
    """The request that fits the situation."""
    names = wanted_names(s)
    asked = RequestStatus(number, names.all, KeyType.ECDSA_P256, input_hash(s, names), NOW, config_map="gate-csr")
    return replace(asked, **more)


def asked(s: CertificateSituation, **more: Any) -> CertificateSituation:
    return replace(s, status=replace(s.status, request=request_of(s, **more)))


def known(s: CertificateSituation, **more: Any) -> CertificateSituation:
    """The CSR is there, and recorded."""
    return replace(asked(s, public_key_sha256="csr-key", **more), csr=THERE)


REQUESTED = asked(look())
OBSERVED = replace(REQUESTED, members=(stalled_by(Reason.OBSERVE_ONLY, capabilities=MAKES),))
LOCKED_OUT = replace(
    REQUESTED,
    members=(
        member(
            capabilities=MAKES,
            told=(
                Condition("Identified", "True", Reason.KEY_KNOWN, "", 1, NOW),
                Condition("Authenticated", "False", Reason.CREDENTIALS_REJECTED, "", 1, NOW),
                Condition("Stalled", "True", Reason.CREDENTIALS_REJECTED, "Act.", 1, NOW),
            ),
        ),
    ),
)
KNOWN = known(look())
BY_OPERATOR = wish(source=KeySource.OPERATOR)
BY_OWN_CA = look(certificate(key_source=KeySource.DEVICE))
THERE_BY_OPERATOR = replace(THERE, device_uid="")
OF_CERT_MANAGER = known(look(wish(CERT_MANAGER)))
FIRST = Reason.FIRST_ISSUE, "There is no certificate yet."
REVISION = revision(1, "a", has_key=False)
ISSUED = look(revisions=(REVISION,))


@pytest.mark.parametrize(
    ("sentence", "s", "step"),
    [
        ("a CSR is asked for first", look(), BeginRequest(*FIRST, request_of(look()))),
        (
            "above every number that was",
            look(highest=7),
            BeginRequest(*FIRST, request_of(look(), 8)),
        ),
        ("the operator makes its own key and CSR", asked(look(BY_OPERATOR)), MakeCSR(request_of(look(BY_OPERATOR)))),
        (
            "also when somebody deleted the CSR",
            asked(look(BY_OPERATOR), public_key_sha256="csr-key"),
            MakeCSR(request_of(look(BY_OPERATOR), public_key_sha256="csr-key")),
        ),
        (
            "its key is recorded",
            replace(REQUESTED, csr=THERE),
            RecordCSR(request_of(look(), public_key_sha256="csr-key")),
        ),
        ("our own CA signs at once", known(BY_OWN_CA), IssueForCSR(*FIRST, known(BY_OWN_CA).status.request)),  # type: ignore[arg-type]
        ("cert-manager is asked", OF_CERT_MANAGER, Submit(OF_CERT_MANAGER.status.request)),  # type: ignore[arg-type]
        (
            "a chain that fits is published",
            replace(KNOWN, answer=Signed(LEAF)),
            Publish(*FIRST, KNOWN.status.request, KNOWN.status.request.input_hash),  # type: ignore[union-attr]
        ),
        (
            "with a key of the operator as well",
            replace(known(look(BY_OPERATOR)), csr=THERE_BY_OPERATOR, answer=Signed(LEAF)),
            Publish(
                *FIRST, known(look(BY_OPERATOR)).status.request, input_hash(look(BY_OPERATOR), wanted_names(look()))
            ),
        ),
    ],
)
def test_a_request_goes_its_way(sentence: str, s: CertificateSituation, step: object) -> None:
    assert decide_certificate(s).next == step, sentence


@pytest.mark.parametrize(
    ("sentence", "s", "state", "reason", "words"),
    [
        ("the device makes it", REQUESTED, State.WAITING, Reason.WAITING_FOR_CSR, "Device gate"),
        ("one that may not be changed makes none", OBSERVED, State.HELD, Reason.OBSERVE_ONLY, "Act."),
        ("one that lets nobody in makes none", LOCKED_OUT, State.HELD, Reason.WAITING_FOR_CSR, "Act."),
        (
            "another device made one before",
            replace(REQUESTED, csr=replace(THERE, device_uid="uid-before")),
            State.WAITING,
            Reason.WAITING_FOR_CSR,
            "Device gate",
        ),
        (
            "it is not signed",
            replace(KNOWN, csr=replace(THERE, facts=None, problem=BAD_CSR)),
            State.HELD,
            Reason.CSR_UNACCEPTABLE,
            "own key",
        ),
        (
            "it lacks names",
            replace(KNOWN, csr=replace(THERE, facts=replace(CSR, ip_addresses=(), has_san=False))),
            State.HELD,
            Reason.CSR_WITHOUT_SAN,
            "own CA",
        ),
        (
            "nobody signed yet",
            replace(KNOWN, answer=NotSigned(Reason.WAITING_FOR_SIGNATURE, "Have it signed.")),
            State.WAITING,
            Reason.WAITING_FOR_SIGNATURE,
            "Have it signed.",
        ),
        (
            "somebody said no",
            replace(OF_CERT_MANAGER, answer=NotSigned(Reason.ISSUANCE_DENIED, "Denied.", final=True)),
            State.HELD,
            Reason.ISSUANCE_DENIED,
            "Denied.",
        ),
        (
            "the chain is no good",
            replace(
                KNOWN, answer=Signed(LEAF, UnacceptableCertificate("Out of order.", reason=Reason.CHAIN_INCOMPLETE))
            ),
            State.HELD,
            Reason.CHAIN_INCOMPLETE,
            "Out of order.",
        ),
    ],
)
def test_what_the_first_certificate_waits_for_is_told(
    sentence: str, s: CertificateSituation, state: State, reason: Reason, words: str
) -> None:
    plan = decide_certificate(s)
    assert isinstance(plan.next, Rest), sentence
    assert (plan.next.state, plan.next.reason) == (state, reason)
    assert words in plan.next.message
    issued = next(claim for claim in certificate_claims(s, plan, None) if claim.type == "Issued")
    assert (issued.status, issued.reason) == ("False", reason)


@pytest.mark.parametrize(
    ("sentence", "s", "reason"),
    [
        (
            "the device moved",
            replace(KNOWN, members=(member(current="10.0.0.9", capabilities=MAKES),)),
            Reason.NAMES_CHANGED,
        ),
        (
            "the spec was edited",
            replace(KNOWN, desired=replace(KNOWN.desired, duration=timedelta(hours=5))),
            Reason.SPEC_CHANGED,
        ),
        ("the CSR was taken back", replace(KNOWN, csr=None), Reason.DEVICE_KEY_LOST),
        (
            "it is for another key now",
            replace(KNOWN, csr=replace(THERE, facts=replace(CSR, public_key_sha256="x"))),
            Reason.DEVICE_KEY_LOST,
        ),
        ("it is that of another request", replace(KNOWN, csr=replace(THERE, number=9)), Reason.DEVICE_KEY_LOST),
    ],
)
def test_a_stale_request_is_replaced_by_the_next_number(sentence: str, s: CertificateSituation, reason: Reason) -> None:
    step = decide_certificate(s).next
    assert isinstance(step, BeginRequest), sentence
    assert (step.reason, step.request.number) == (reason, 2)
    assert step.request.public_key_sha256 is None


def test_what_fits_is_no_stale_request() -> None:
    both = ("10.0.0.1", "10.0.0.2")
    more = replace(known(look(), names=both), csr=replace(THERE, facts=replace(CSR, ip_addresses=both)))
    waits = plan_issue(replace(more, answer=NotSigned(Reason.WAITING_FOR_SIGNATURE, "Have it signed.")))
    assert waits == Rest(State.WAITING, Reason.WAITING_FOR_SIGNATURE, "Have it signed."), "it asks for more than enough"
    own = known(BY_OWN_CA)
    nameless = replace(own, csr=replace(THERE, facts=replace(CSR, ip_addresses=(), has_san=False)))
    assert isinstance(decide_certificate(nameless).next, IssueForCSR), "our own CA adds the names"


@pytest.mark.parametrize("status", ["True", "False"])
def test_a_csr_for_which_the_device_needs_leave_is_told(status: str) -> None:
    """Whether it is secure with an older certificate or not."""
    told = Condition("Ready", status, "GapNotAllowed", "Allow it.", 1, NOW)
    s = asked(look())
    s = replace(s, members=(member(capabilities=MAKES, told=(*s.members[0].status.conditions, told)),))
    issued = next(one for one in certificate_claims(s, decide_certificate(s), None) if one.type == "Issued")
    assert (issued.status, issued.reason) == ("False", Reason.GAP_NOT_ALLOWED)
    assert issued.message == "Device gate is to make a key and a CSR. Allow it."
    allowed = plan_issue(replace(s, desired=replace(s.desired, allow_gap=True)))
    assert isinstance(allowed, Rest) and allowed.reason is Reason.WAITING_FOR_CSR


def test_a_device_that_is_gone_has_made_no_csr() -> None:
    two = replace(asked(look(BY_OWN_CA.desired)), members=(Member("gone"), member(capabilities=MAKES)))
    two = asked(replace(two, status=CertificateStatus(1)))
    waits = plan_issue(replace(two, csr=THERE))
    assert isinstance(waits, Rest)
    assert (waits.reason, waits.message) == (Reason.WAITING_FOR_CSR, "Device gone is to make a key and a CSR.")


def test_while_a_new_request_waits_the_old_revision_goes_on() -> None:
    s = replace(ISSUED, members=(member(current="10.0.0.9", capabilities=MAKES),), csr=THERE)
    s = known(s, number=2)
    s = replace(s, csr=replace(THERE, number=2), answer=NotSigned(Reason.WAITING_FOR_SIGNATURE, "Have it signed."))
    s = replace(s, csr=replace(s.csr, facts=replace(CSR, ip_addresses=("10.0.0.9",))))  # type: ignore[type-var]
    assert isinstance(decide_certificate(s).next, GiveTurn)
    issued = next(claim for claim in certificate_claims(s, decide_certificate(s), None) if claim.type == "Issued")
    assert (issued.status, issued.reason) == ("False", Reason.WAITING_FOR_SIGNATURE)


def test_after_a_failure_it_takes_its_time() -> None:
    later = replace(look().status, attempts=Attempts(1, NOW + timedelta(minutes=1)))
    plan = decide_certificate(look(status=later))
    assert isinstance(plan.next, Rest)
    assert plan.next.reason is Reason.ISSUANCE_FAILED


def test_an_edited_spec_waits_for_no_back_off() -> None:
    later = replace(look().status, attempts=Attempts(1, NOW + timedelta(minutes=1)))
    edited = look(wish(generation=2), status=later)
    assert isinstance(decide_certificate(edited).next, BeginRequest)


FAILED = replace(OF_CERT_MANAGER, answer=NotSigned(Reason.REQUEST_FAILED, "It failed.", again=True))


def told_failed(s: CertificateSituation, attempts: Attempts, reason: Reason = Reason.REQUEST_FAILED) -> Any:
    told = (Condition("Issued", "False", str(reason), "It failed.", 1, NOW),)
    return decide_certificate(replace(s, status=replace(s.status, attempts=attempts, conditions=told))).next


def test_a_failure_is_counted_once_and_the_same_csr_handed_in_again_later() -> None:
    assert decide_certificate(FAILED).next == NoteFailure(Reason.REQUEST_FAILED, "It failed.")
    soon = told_failed(FAILED, Attempts(1, NOW + timedelta(seconds=5)))
    assert soon == Rest(State.WAITING, Reason.REQUEST_FAILED, "It failed.")
    due = Attempts(1, NOW - timedelta(seconds=1))
    assert FAILED.status.request is not None
    assert told_failed(FAILED, due) == Resubmit(FAILED.status.request)
    assert isinstance(told_failed(FAILED, due, Reason.CERT_MANAGER_MISSING), NoteFailure), "that was another failure"
    assert isinstance(told_failed(FAILED, Attempts(1, None)), NoteFailure), "the new try failed as well"


def renewed(issuer: Any, lasts: timedelta) -> CertificateSituation:
    """Fourteen days before its end: what was asked for in its place was signed, dated an hour back, for so long."""
    s = look(wish(issuer), now=NOW + timedelta(days=75), authority=AuthorityState())
    s = known(s, number=2)
    s = replace(s, csr=replace(THERE, number=2), revisions=(replace(REVISION, input_hash=request_of(s).input_hash),))
    return replace(s, answer=Signed(replace(LEAF, not_before=s.now - timedelta(hours=1), not_after=s.now + lasts)))


@pytest.mark.parametrize("issuer", [EXTERNAL, CERT_MANAGER], ids=["external", "cert-manager"])
@pytest.mark.parametrize("days", [90, 10], ids=["that lasts longer", "of a CA that signs for shorter times now"])
def test_a_renewal_is_published(issuer: Any, days: int) -> None:
    assert isinstance(decide_certificate(renewed(issuer, timedelta(days=days))).next, Publish)


def test_one_that_brings_nothing_is_a_failure_of_cert_manager_s_issuer() -> None:
    """Its own CA is about to end: each of its certificates would be due as soon as it is there."""
    s = renewed(CERT_MANAGER, timedelta(minutes=20))
    step = decide_certificate(s).next
    assert isinstance(step, NoteFailure)
    assert step.reason is Reason.REQUEST_FAILED
    told = f"What came back is valid until {s.now + timedelta(minutes=20):%Y-%m-%d %H:%M} UTC and would have to be"
    assert step.message.startswith(told)
    assert s.status.request is not None
    due = Attempts(1, s.now - timedelta(seconds=1))
    assert told_failed(s, due) == Resubmit(s.status.request)


def test_one_that_brings_nothing_is_given_back_to_whoever_signs_outside() -> None:
    rest = plan_issue(renewed(EXTERNAL, timedelta(minutes=20)))
    assert isinstance(rest, Rest)
    assert (rest.state, rest.reason) == (State.HELD, Reason.REPLACEMENT_NEEDED)
    assert rest.message.endswith("have it signed anew, by a CA that lasts.")


@pytest.mark.parametrize("issuer", [EXTERNAL, CERT_MANAGER], ids=["external", "cert-manager"])
def test_what_was_asked_for_is_published_however_long_it_lasts(issuer: Any) -> None:
    s = renewed(issuer, timedelta(minutes=20))
    s = replace(s, revisions=(replace(REVISION, input_hash="another-spec"),))
    assert isinstance(decide_certificate(s).next, Publish)


def test_an_issuer_that_may_not_be_asked_gets_no_request() -> None:
    denied = IssuanceDenied("Not in the list.", reason=Reason.CLUSTER_ISSUER_NOT_ALLOWED)
    s = look(wish(CERT_MANAGER), authority=AuthorityState(problem=denied))
    assert decide_certificate(s).next == Rest(State.HELD, Reason.CLUSTER_ISSUER_NOT_ALLOWED, "Not in the list.")


def test_a_key_that_was_lost_leads_to_a_new_request() -> None:
    failed = FailedRevision(REVISION.ref, "DeviceKeyLost", 1, NOW)
    s = replace(ISSUED, members=(member(capabilities=MAKES, state=RevisionState(failed=failed)),))
    why = why_issue(s)
    assert why is not None and why[0] is Reason.DEVICE_KEY_LOST
    step = plan_issue(s)
    assert isinstance(step, BeginRequest) and step.request.number == 2
    other = replace(failed, reason="RolledBack")
    assert why_issue(replace(s, members=(member(capabilities=MAKES, state=RevisionState(failed=other)),))) != why


def test_what_was_signed_for_a_key_that_was_lost_never_fits_again_and_that_is_told() -> None:
    """Also when the device moves before the new CSR is signed."""
    lost = plan_issue(replace(KNOWN, csr=None))
    assert isinstance(lost, BeginRequest) and lost.request.key_lost
    failed = FailedRevision(REVISION.ref, "DeviceKeyLost", 1, NOW)
    again = plan_issue(replace(ISSUED, members=(member(capabilities=MAKES, state=RevisionState(failed=failed)),)))
    assert isinstance(again, BeginRequest) and again.request.key_lost
    moved = plan_issue(replace(known(look(), key_lost=True), members=(member(current="10.0.0.9", capabilities=MAKES),)))
    assert isinstance(moved, BeginRequest) and moved.reason is Reason.NAMES_CHANGED and moved.request.key_lost
    first = plan_issue(look())
    assert isinstance(first, BeginRequest) and not first.request.key_lost
    waits = replace(known(look(), key_lost=True), answer=NotSigned(Reason.WAITING_FOR_SIGNATURE, "Have it signed."))
    issued = next(one for one in certificate_claims(waits, decide_certificate(waits), None) if one.type == "Issued")
    assert "will never fit again" in issued.message and issued.message.endswith("Have it signed.")
    unread = plan_issue(replace(waits, answer=NotSigned(Reason.CERTIFICATE_UNREADABLE, "No PEM.", final=True)))
    assert isinstance(unread, Rest) and unread.message == "No PEM."


# ------------------------------------------------------------------------------------------ provided

PROVIDED = wish(ProvidedIssuer("bought"), KeySource.OPERATOR)
BOUGHT = Signed(facts("b"))
WITH_ONE = look(PROVIDED, revisions=(revision(1, "b"),), answer=BOUGHT)
WITH_ONE = replace(WITH_ONE, revisions=(revision(1, "b", input_hash=input_hash(WITH_ONE, wanted_names(WITH_ONE))),))


@pytest.mark.parametrize(
    ("s", "outcome"),
    [
        (look(PROVIDED), Reason.WORKING),
        (look(PROVIDED, answer=NotSigned(Reason.SECRET_MISSING, "No Secret.")), Reason.SECRET_MISSING),
        (
            look(PROVIDED, answer=Signed(facts("b"), UnacceptableCertificate("No.", reason=Reason.CHAIN_INCOMPLETE))),
            Reason.CHAIN_INCOMPLETE,
        ),
        (look(PROVIDED, answer=BOUGHT), Publish),
        (WITH_ONE, None),
        (replace(WITH_ONE, answer=Signed(facts("c"))), Publish),
        (replace(WITH_ONE, now=NOW + timedelta(days=80)), Reason.REPLACEMENT_NEEDED),
        (replace(WITH_ONE, members=(member(current="10.0.0.9"),)), Reason.REPLACEMENT_NEEDED),
    ],
)
def test_a_provided_certificate_is_taken_as_it_is_and_renewed_by_nobody_here(
    s: CertificateSituation, outcome: object
) -> None:
    step = plan_issue(s)
    if isinstance(step, Rest):
        assert step.reason is outcome
    else:
        assert (type(step) if step is not None else None) is outcome


def test_a_spec_that_the_provided_certificate_fits_asks_for_no_other() -> None:
    edited = replace(WITH_ONE, desired=replace(PROVIDED, include_device_addresses=False, ip_addresses=("10.0.0.1",)))
    assert plan_issue(edited) is None
    unread = replace(edited, answer=NotSigned(Reason.SECRET_MISSING, "No Secret."))
    assert isinstance(plan_issue(unread), Rest)


def test_another_pair_is_for_every_device_also_where_the_older_one_still_fits() -> None:
    older, newer = WITH_ONE.revisions[0], revision(2, "c", input_hash=WITH_ONE.revisions[0].input_hash)
    served = member(secure="True", state=RevisionState(installed=older.ref))
    s = replace(WITH_ONE, revisions=(older, newer), members=(served,), answer=Signed(facts("c")))
    step = decide_certificate(s).next
    assert isinstance(step, GiveTurn) and step.revision is newer
    own = replace(s, desired=certificate(), answer=None)
    own = replace(
        own, revisions=tuple(replace(one, input_hash=input_hash(own, wanted_names(own))) for one in (older, newer))
    )
    assert not isinstance(decide_certificate(own).next, GiveTurn), "a certificate of ours is changed only where it must"


@pytest.mark.parametrize(
    ("answer", "stalled"),
    [
        (Signed(facts("b"), UnacceptableCertificate("No.", reason=Reason.CERTIFICATE_EXPIRED)), "True"),
        (NotSigned(Reason.CERTIFICATE_UNREADABLE, "No PEM.", final=True), "True"),
        (NotSigned(Reason.SECRET_MISSING, "No Secret.", final=True), "False"),
        (NotSigned(Reason.WAITING_FOR_ISSUER, "In a moment."), "False"),
        (None, "False"),
    ],
)
def test_what_only_a_person_can_put_right_is_stalled(answer: Any, stalled: str) -> None:
    s = look(PROVIDED, answer=answer)
    claims = {claim.type: claim for claim in certificate_claims(s, decide_certificate(s), None)}
    assert claims["Ready"].status == "False"
    assert claims["Stalled"].status == stalled


# -------------------------------------------------------------------------------------------- tidying


def test_what_a_request_leaves_behind_goes() -> None:
    done = replace(ISSUED, status=replace(ISSUED.status, request=request_of(ISSUED, 1)))
    assert decide_certificate(done).next == DropRequest()
    changed = replace(done, desired=certificate(), revisions=())
    assert decide_certificate(changed).next == DropRequest(), "the issuer needs no request any more"
    kept = replace(look(), pending_keys=("gate-r1-key",))
    assert decide_certificate(kept).next == DropKey("gate-r1-key")


# ------------------------------------------------------------------------------------------ small words


def test_who_needs_a_csr_and_who_signs() -> None:
    own, device = certificate(), certificate(key_source=KeySource.DEVICE)
    assert (makes_requests(own), makes_requests(device), makes_requests(BY_OPERATOR)) == (False, True, True)
    assert (signs_itself(own), signs_itself(device), signs_itself(PROVIDED)) == (True, True, False)
    firmware = wish(DeviceCAIssuer())
    named = (firmware, own, wish(), PROVIDED, wish(CERT_MANAGER), wish(CertManagerIssuer("site", "ClusterIssuer")))
    assert [issuer_name(one) for one in named] == [
        "firmware CA",
        "root",
        "external (gate-signed)",
        "provided (bought)",
        "site",
        "ClusterIssuer/site",
    ]
    assert wants_answer(PROVIDED, None)
    assert not wants_answer(wish(), None)
    assert not wants_answer(wish(), request_of(look()))
    assert not wants_answer(device, request_of(look(), public_key_sha256="k"))
    assert wants_answer(wish(), request_of(look(), public_key_sha256="k"))


def test_names_that_no_public_ca_signs() -> None:
    names = ("cam.example.org", "cam.local", "gate", "10.0.0.1", "fd00::1", "8.8.8.8")
    assert not_for_public_authorities(names) == ("cam.local", "gate", "10.0.0.1", "fd00::1")


def test_the_kind_of_key_is_one_that_the_device_makes() -> None:
    rsa = replace(look(), members=(member(capabilities=("ECDSA-P256", "MakeRSA-2048")),))
    assert choose_key_type(rsa) is KeyType.RSA_2048
    assert choose_key_type(look()) is KeyType.ECDSA_P256


def test_another_issuer_makes_another_certificate() -> None:
    names = wanted_names(look())
    wishes = [wish(), wish(CERT_MANAGER), wish(replace(CERT_MANAGER, name="other")), PROVIDED, certificate()]
    assert len({input_hash(look(one), names).partition("-")[0] for one in wishes}) == len(wishes)


def test_who_waits_for_a_device_that_waits_for_a_person_is_stalled_as_well() -> None:
    told = {one.type: one for one in certificate_claims(LOCKED_OUT, decide_certificate(LOCKED_OUT), None)}
    assert (told["Issued"].reason, told["Stalled"].status) == (Reason.WAITING_FOR_CSR, "True")
    told = {one.type: one for one in certificate_claims(REQUESTED, decide_certificate(REQUESTED), None)}
    assert (told["Issued"].reason, told["Stalled"].status) == (Reason.WAITING_FOR_CSR, "False")
