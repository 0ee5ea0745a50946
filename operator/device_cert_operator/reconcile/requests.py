"""The DeviceCertificate story's dealings with CSRs and with whoever signs them: looking, and the steps."""

from dataclasses import replace

from device_cert_operator.core.certificate_model import CertificateSituation
from device_cert_operator.core.model import (
    CertManagerIssuer,
    DesiredCertificate,
    ExternalIssuer,
    Names,
    ProvidedIssuer,
    names_of,
)
from device_cert_operator.core.profile import csr_subject
from device_cert_operator.core.requests import (
    Answer,
    CSRState,
    NotSigned,
    Signed,
    not_for_public_authorities,
    wants_answer,
)
from device_cert_operator.core.status import CertificateStatus, RequestStatus
from device_cert_operator.errors import (
    Conflict,
    IssuanceDenied,
    OperatorError,
    ProtocolViolation,
    UnacceptableCertificate,
)
from device_cert_operator.issuers.cert_manager import ReturnedChain, build_request, read_request, requested_csr
from device_cert_operator.kube.cert_manager import is_ours, not_ours
from device_cert_operator.kube.csrs import NewCSR, csr_name, key_name
from device_cert_operator.kube.views import DEVICE_UID, CertificateView
from device_cert_operator.pki.csr import build_csr, csr_to_pem, read_csr
from device_cert_operator.pki.keys import PrivateKey, make_key, read_key
from device_cert_operator.pki.returned import Returned, check_returned, read_leaf
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.tools import Tools

# --------------------------------------------------------------------------------------------- looking


async def read_csr_state(tools: Tools, namespace: str, certificate: str) -> CSRState | None:
    """What stands in the ConfigMap `<name>-csr`, read once for each version of it. Raises ClusterError."""
    view = tools.cache.secret(namespace, csr_name(certificate), "ConfigMap")
    if view is None:
        return None
    memory = tools.memory.read_csrs
    known = memory.get((namespace, certificate))
    if known is not None and known[0] == view.resource_version:
        return known[1]
    state = CSRState(view.number, view.annotations.get(DEVICE_UID, ""))
    data = await tools.csrs.read(namespace, certificate)
    if data is None:
        return None
    try:
        facts = read_csr(data)
        bad = None if facts.signature_valid else _not_signed_by_itself(namespace, certificate)
        state = replace(state, facts=facts, problem=bad)
    except OperatorError as error:
        state = replace(state, problem=error)
    memory[namespace, certificate] = (view.resource_version, state)
    return state


def _not_signed_by_itself(namespace: str, certificate: str) -> IssuanceDenied:
    return IssuanceDenied(
        f"The CSR in ConfigMap {namespace}/{csr_name(certificate)} is not signed by its own key: delete it, and "
        "another is made.",
        reason=Reason.CSR_UNACCEPTABLE,
    )


async def read_answer(
    tools: Tools, desired: DesiredCertificate, status: CertificateStatus, names: Names
) -> Answer | None:
    """What whoever signs has to say to the open request. Raises ClusterError."""
    if not wants_answer(desired, status.request):
        return None
    found = await _fetched(tools, desired, status.request)
    if found is None or isinstance(found, NotSigned):
        return found
    return _judged(tools, desired, status.request, found, names)


async def _fetched(
    tools: Tools, desired: DesiredCertificate, request: RequestStatus | None
) -> NotSigned | ReturnedChain | None:
    namespace = desired.key.namespace
    try:
        match desired.issuer:
            case ProvidedIssuer(secret):
                chain, key_pem, ca = await tools.secrets.read_pair(namespace, secret)
                return ReturnedChain(chain, ca, _provided_key(namespace, secret, key_pem).public_key_sha256)
            case ExternalIssuer(reference):
                found = await tools.secrets.read_returned(namespace, reference)
                return ReturnedChain(*found) if found else _put_it_there(desired, request)
            case CertManagerIssuer():
                return await _of_cert_manager(tools, desired, request)
            case _:
                return None
    except OperatorError as error:
        if error.reason in {Reason.CLUSTER_UNAVAILABLE, Reason.CONFLICT}:
            raise
        return NotSigned(error.reason, error.message, final=True)


def _put_it_there(desired: DesiredCertificate, request: RequestStatus | None) -> NotSigned:
    """Where the CSR is, for which names, and where the answer belongs."""
    namespace, name = desired.key.namespace, desired.key.name
    reference = desired.issuer.certificate_ref if isinstance(desired.issuer, ExternalIssuer) else None
    if reference is None or request is None:
        return NotSigned(Reason.WAITING_FOR_SIGNATURE, "The CSR is being made.")
    told = (
        f"The CSR for {', '.join(request.names[:4])} is in ConfigMap {csr_name(name)} (`devicecert csr get {name} -n "
        f"{namespace}`): have it signed and put the chain into key {reference.key or 'tls.crt'} of {reference.kind} "
        f"{reference.name} (`devicecert csr put {name} -n {namespace} CHAIN.pem`)."
    )
    return NotSigned(Reason.WAITING_FOR_SIGNATURE, " ".join([told, *why_no_public_authority(request)]))


def why_no_public_authority(request: RequestStatus) -> list[str]:
    """The sentence for PublicAuthorityCannotSign, or none."""
    private = not_for_public_authorities(request.names)
    return [f"No public CA signs {', '.join(private[:2])}: use a CA of your organisation."] if private else []


async def _of_cert_manager(
    tools: Tools, desired: DesiredCertificate, request: RequestStatus | None
) -> NotSigned | ReturnedChain | None:
    """None: there is no CertificateRequest yet. Raises MissingReference (RequestNotOurs), ClusterError."""
    if request is None:
        return None
    namespace, name = desired.key.namespace, request_name(desired, request)
    found = await tools.cert_manager.read(namespace, name)
    if found is None:
        return None
    if not is_ours(found, desired.uid):
        raise not_ours(namespace, name)
    if _key_of(requested_csr(found)) != request.public_key_sha256:
        told = f"CertificateRequest {name} was made for an older CSR. Another follows."
        return NotSigned(Reason.REQUEST_FAILED, told, again=True)
    answer = read_request(name, found)
    if isinstance(answer, NotSigned) and answer.reason in {Reason.REQUEST_FAILED, Reason.ISSUANCE_DENIED}:
        return replace(answer, message=" ".join([answer.message, *why_no_public_authority(request)]))
    return answer


def _key_of(csr: bytes) -> str | None:
    try:
        return read_csr(csr).public_key_sha256
    except ProtocolViolation:
        return None


def request_name(desired: DesiredCertificate, request: RequestStatus) -> str:
    """The CertificateRequest of a request."""
    return f"{desired.key.name}-r{request.number}"


def _judged(
    tools: Tools, desired: DesiredCertificate, request: RequestStatus | None, found: ReturnedChain, names: Names
) -> Signed | NotSigned:
    where = _place(desired, request)
    try:
        facts = read_leaf(where, found.chain_pem)
    except UnacceptableCertificate as error:
        return NotSigned(error.reason, error.message, final=True)
    if request is not None and _is_old_answer(tools, desired, request, facts.public_key_sha256):
        return _put_it_there(desired, request)
    try:
        _checked(tools, desired, request, found, names)
    except UnacceptableCertificate as error:
        return Signed(facts, error)
    return Signed(facts)


def _is_old_answer(tools: Tools, desired: DesiredCertificate, request: RequestStatus, key_sha256: str) -> bool:
    """The chain of an earlier revision still lies there: the new one has not come yet, and nothing is wrong."""
    kept = tools.cache.revisions(desired.key.namespace, desired.uid)
    return key_sha256 != request.public_key_sha256 and any(
        revision.facts.public_key_sha256 == key_sha256 for revision in kept
    )


def _checked(
    tools: Tools, desired: DesiredCertificate, request: RequestStatus | None, found: ReturnedChain, names: Names
) -> Returned:
    place, now = _place(desired, request), tools.clock.now()
    if request is not None:
        asked = names_of(*request.names)
        return check_returned(place, found.chain_pem, found.ca_pem, asked, request.public_key_sha256, now)
    if read_leaf(place, found.chain_pem).public_key_sha256 != found.key_sha256:
        raise UnacceptableCertificate(
            f"tls.key in {place} is not the key of the first certificate in tls.crt: put both of one pair there, the "
            "devices' certificate first.",
            reason=Reason.CERTIFICATE_FOR_ANOTHER_KEY,
        )
    return check_returned(place, found.chain_pem, found.ca_pem, names, found.key_sha256, now)


def _place(desired: DesiredCertificate, request: RequestStatus | None) -> str:
    namespace = desired.key.namespace
    match desired.issuer:
        case ExternalIssuer(reference):
            return f"{reference.kind} {namespace}/{reference.name}"
        case ProvidedIssuer(secret):
            return f"Secret {namespace}/{secret}"
        case _:
            return f"CertificateRequest {namespace}/{request_name(desired, request) if request else '?'}"


# ----------------------------------------------------------------------------------------------- steps


async def make_csr(tools: Tools, view: CertificateView, desired: DesiredCertificate, request: RequestStatus) -> None:
    """A key of ours, kept until its certificate comes, and the CSR for it. Raises InvalidSpec, ClusterError."""
    names = names_of(*request.names)
    stored = await tools.csrs.store_key(view, request.number, make_key(request.key_type).pkcs8_pem())
    key = read_key(stored)
    csr = build_csr(key, names, csr_subject(desired.subject, names))
    await tools.csrs.publish(view, NewCSR(request.number, csr_to_pem(csr), key.public_key_sha256))


async def submit(tools: Tools, view: CertificateView, desired: DesiredCertificate, request: RequestStatus) -> None:
    """Hand the CSR to cert-manager; of older requests the last two are kept. Raises IssuerUnavailable, ClusterError."""
    if not isinstance(desired.issuer, CertManagerIssuer):
        return
    csr = await tools.csrs.read(desired.key.namespace, desired.key.name)
    if csr is None:
        raise Conflict(f"The CSR of {desired.key} is gone meanwhile.")
    spec = build_request(desired.issuer, csr, request.key_type, desired.duration)
    await tools.cert_manager.create(view, request_name(desired, request), spec)
    await tools.cert_manager.clear(view)


async def fetch_for_publication(
    tools: Tools, view: CertificateView, s: CertificateSituation, request: RequestStatus | None, names: Names
) -> tuple[Returned, bytes]:
    """The chain, read and checked once more, with the key where we hold it. Raises OperatorError."""
    desired = s.desired
    if isinstance(desired.issuer, ProvidedIssuer):
        return await _provided_pair(tools, desired, desired.issuer.secret, names)
    found = await _fetched(tools, desired, request)
    if request is None or not isinstance(found, ReturnedChain):
        raise Conflict(f"The signed chain of {desired.key} is gone meanwhile.")
    returned = _checked(tools, desired, request, found, names)
    key = await tools.csrs.read_key(view, request.number) if not _by_device(s) else b""
    if key is None:
        raise UnacceptableCertificate(
            f"Secret {desired.key.namespace}/{key_name(desired.key.name, request.number)} is gone, and with it the key "
            "of this certificate: annotate devicecert.io/renew for a new request.",
            reason=Reason.CERTIFICATE_FOR_ANOTHER_KEY,
        )
    return returned, key


async def _provided_pair(
    tools: Tools, desired: DesiredCertificate, secret: str, names: Names
) -> tuple[Returned, bytes]:
    chain, key_pem, ca = await tools.secrets.read_pair(desired.key.namespace, secret)
    key = _provided_key(desired.key.namespace, secret, key_pem)
    found = ReturnedChain(chain, ca, key.public_key_sha256)
    return _checked(tools, desired, None, found, names), key.pkcs8_pem()


def _provided_key(namespace: str, secret: str, key_pem: bytes) -> PrivateKey:
    """Raises UnacceptableCertificate (KeyUnreadable)."""
    try:
        return read_key(key_pem)
    except ProtocolViolation as error:
        raise UnacceptableCertificate(
            f"Secret {namespace}/{secret}: {error.message} Put the key there as unencrypted PEM.",
            reason=Reason.KEY_UNREADABLE,
        ) from None


def _by_device(s: CertificateSituation) -> bool:
    return s.csr is not None and s.csr.device_uid != ""
