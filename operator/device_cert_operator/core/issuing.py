"""The way to the next revision: at once by our own CA, or through a request that somebody else signs. Pure."""

from dataclasses import replace

from device_cert_operator.core.certificate_model import (
    BeginRequest,
    CertificateSituation,
    CertificateStep,
    Issue,
    IssueForCSR,
    MakeCSR,
    Member,
    NoteFailure,
    Publish,
    RecordCSR,
    Resubmit,
    Submit,
)
from device_cert_operator.core.conditions import find
from device_cert_operator.core.model import (
    CertManagerIssuer,
    KeySource,
    Names,
    ProvidedIssuer,
)
from device_cert_operator.core.requests import (
    Answer,
    NotSigned,
    Signed,
    csr_is_answered,
    makes_requests,
    signs_itself,
    why_csr_unfit,
    why_stale,
)
from device_cert_operator.core.status import RequestStatus
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.wanted import choose_key_type, input_hash, renewal_at, wanted_names, why_issue
from device_cert_operator.reasons import Reason


def plan_issue(s: CertificateSituation) -> CertificateStep | Rest | None:
    """The next step towards a new revision, or what it waits for; None when none is wanted, or not yet again."""
    why = why_issue(s)
    if why is None:
        return None
    if not any(member.identified for member in s.members if not member.claimed_by):
        return None if s.wanted else _no_device(s)
    if isinstance(s.desired.issuer, ProvidedIssuer):
        return _provided(s, s.desired.issuer.secret, why)
    if s.authority.problem is not None:
        return Rest(State.HELD, s.authority.problem.reason, s.authority.problem.message)
    if _is_too_soon(s):
        return _last_failure(s)
    if makes_requests(s.desired):
        return _next_for_request(s, why)
    names = wanted_names(s)
    return Issue(why[0], why[1], names, choose_key_type(s), input_hash(s, names))


def _is_too_soon(s: CertificateSituation) -> bool:
    """After a failure; an edited spec waits for nothing."""
    edited = s.status.observed_generation < s.desired.generation
    return s.status.attempts.next_at is not None and s.now < s.status.attempts.next_at and not edited


def _last_failure(s: CertificateSituation) -> Rest:
    failed = find(s.status.conditions, "Issued")
    message = failed.message if failed else "The last attempt failed; another follows."
    reason = Reason(failed.reason) if failed and failed.reason in set(Reason) else Reason.ISSUANCE_FAILED
    return Rest(State.WAITING, reason, message)


def _provided(s: CertificateSituation, secret: str, why: tuple[Reason, str]) -> CertificateStep | Rest:
    """Nothing is renewed here: somebody else puts another certificate into the Secret, in time."""
    if (answer := s.answer) is None:
        return Rest(State.WAITING, Reason.WORKING, "The provided certificate is being read.")
    if isinstance(answer, NotSigned):
        return Rest(State.HELD, answer.reason, answer.message)
    if answer.problem is not None:
        return Rest(State.HELD, answer.problem.reason, answer.problem.message)
    if s.wanted is None or answer.facts.fingerprint != s.wanted.facts.fingerprint:
        return Publish(why[0], why[1], None, input_hash(s, wanted_names(s)))
    return Rest(
        State.HELD,
        Reason.REPLACEMENT_NEEDED,
        f"{why[1]} It is valid until {answer.facts.not_after:%Y-%m-%d %H:%M} UTC: put another one, with its key, into "
        f"Secret {s.desired.key.namespace}/{secret}.",
    )


def _csr_of_the_device(s: CertificateSituation, maker: Member) -> Rest:
    """Waited for; or the device is held back, or stands still, of which only the Device's own reason says more."""
    told = f"Device {maker.name} is to make a key and a CSR."
    if (held := s.why_held_back(maker)) is not None:
        return Rest(State.HELD, held[0], f"{told} {held[1]}")
    if (standstill := maker.standstill) is None:
        return Rest(State.WAITING, Reason.WAITING_FOR_CSR, told)
    reason = standstill[0] if standstill[0] is Reason.OBSERVE_ONLY else Reason.WAITING_FOR_CSR
    return Rest(State.HELD, reason, f"{told} {standstill[1]}")


def _next_for_request(s: CertificateSituation, why: tuple[Reason, str]) -> CertificateStep | Rest:
    """CSR asked for → there → recorded → fit → signed → published; a stale request begins anew."""
    names = wanted_names(s)
    hashed = input_hash(s, names)
    request = s.status.request
    if request is None or (s.wanted is not None and request.number <= s.wanted.number):
        return BeginRequest(why[0], why[1], _new_request(s, why[0], names, hashed))
    if (stale := why_stale(request, s.csr, s.desired, names, hashed)) is not None:
        return BeginRequest(stale[0], stale[1], _new_request(s, stale[0], names, hashed))
    by_device = s.desired.key_source is KeySource.DEVICE
    if s.csr is None or not csr_is_answered(request, s.csr, _device_uid(s) if by_device else ""):
        if not by_device:
            return MakeCSR(request)
        return _csr_of_the_device(s, s.members[0])
    if (unfit := why_csr_unfit(s.csr, request, s.desired)) is not None:
        return Rest(State.HELD, *unfit)
    if s.csr.facts is not None and request.public_key_sha256 != s.csr.facts.public_key_sha256:
        return RecordCSR(replace(request, public_key_sha256=s.csr.facts.public_key_sha256))
    if signs_itself(s.desired):
        return IssueForCSR(why[0], why[1], request)
    if (answer := _unless_it_brings_nothing(s, why[0])) is None:
        return Submit(request)
    if isinstance(answer, NotSigned):
        if answer.again:
            return Resubmit(request) if _is_counted(s, answer.reason) else NoteFailure(answer.reason, answer.message)
        state = State.HELD if answer.final else State.WAITING
        return Rest(state, answer.reason, f"{_what_never_fits(request, answer)}{answer.message}")
    if answer.problem is not None:
        return Rest(State.HELD, answer.problem.reason, answer.problem.message)
    return Publish(why[0], why[1], request, request.input_hash)


def _unless_it_brings_nothing(s: CertificateSituation, reason: Reason) -> Answer | None:
    """The answer; of a renewal that would be due again at once, that there is none: it has to be asked for again."""
    answer = s.answer
    if not isinstance(answer, Signed) or reason is not Reason.RENEWAL_DUE:
        return answer
    if s.now < renewal_at(s.desired, answer.facts):
        return answer
    told = (
        f"What came back is valid until {answer.facts.not_after:%Y-%m-%d %H:%M} UTC and would have to be renewed at "
        "once: have it signed anew, by a CA that lasts."
    )
    if isinstance(s.desired.issuer, CertManagerIssuer):
        return NotSigned(Reason.REQUEST_FAILED, told, again=True)
    return NotSigned(Reason.REPLACEMENT_NEEDED, told, final=True)


def _is_counted(s: CertificateSituation, reason: Reason) -> bool:
    """This failure was told and counted, and its back-off is over: a new try takes `next_at` away."""
    told = find(s.status.conditions, "Issued")
    return s.status.attempts.next_at is not None and told is not None and told.reason == reason


def _what_never_fits(request: RequestStatus, answer: NotSigned) -> str:
    """Whoever still holds the earlier file would put it there again."""
    if not request.key_lost or answer.reason is not Reason.WAITING_FOR_SIGNATURE:
        return ""
    return "The device lost its earlier key: a certificate that was signed for that will never fit again. "


def _new_request(s: CertificateSituation, reason: Reason, names: Names, hashed: str) -> RequestStatus:
    """The next number: above every revision's and every earlier request's. A key stays lost until another is signed."""
    before = s.status.request
    last = before.number if before else 0
    return RequestStatus(
        max(last, s.highest, *(revision.number for revision in s.revisions)) + 1,
        names.all,
        choose_key_type(s),
        hashed,
        s.now,
        config_map=f"{s.desired.key.name}-csr",
        key_lost=reason is Reason.DEVICE_KEY_LOST or (before is not None and before.key_lost),
    )


def _device_uid(s: CertificateSituation) -> str:
    device = s.members[0].desired if s.members else None
    return device.uid if device else "?"


def _no_device(s: CertificateSituation) -> Rest:
    others = [member for member in s.members if member.claimed_by]
    if others and len(others) == len(s.members):
        return Rest(
            State.HELD,
            Reason.DEVICE_ALREADY_CLAIMED,
            f"Device {others[0].name} is held by DeviceCertificate {others[0].claimed_by}: remove it from one of them.",
        )
    missing = [member.name for member in s.members if member.desired is None]
    if missing and len(missing) == len(s.members):
        if (problem := next((one.problem for one in s.members if one.problem is not None), None)) is not None:
            return Rest(State.HELD, problem.reason, problem.message)
        return Rest(State.WAITING, Reason.DEVICE_MISSING, f"There is no Device {', '.join(missing[:4])} here.")
    return Rest(State.WAITING, Reason.WAITING_FOR_DEVICE, "No device has answered and been recognised yet.")
