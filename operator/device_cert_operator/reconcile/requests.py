"""The DeviceCertificate story's dealings with CSRs and with whoever signs them: looking, and the steps."""

from dataclasses import replace

from device_cert_operator.core.certificate import CertificateSituation
from device_cert_operator.core.model import (
    CertManagerIssuer,
    DesiredCertificate,
    ExternalIssuer,
    KeyType,
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
from device_cert_operator.errors import Conflict, IssuanceDenied, OperatorError, UnacceptableCertificate
from device_cert_operator.issuers.cert_manager import ReturnedChain, build_request, read_request
from device_cert_operator.kube.csrs import NewCSR, csr_name, key_name
from device_cert_operator.kube.views import DEVICE_UID, NUMBER, CertificateView
from device_cert_operator.pki.csr import build_csr, csr_to_pem, read_csr
from device_cert_operator.pki.keys import make_key, read_key
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
    number = view.annotations.get(NUMBER, "")
    state = CSRState(int(number) if number.isdigit() else 0, view.annotations.get(DEVICE_UID, ""))
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
                chain, _, ca = await tools.secrets.read_pair(namespace, secret)
                return ReturnedChain(chain, ca)
            case ExternalIssuer(reference):
                found = await tools.secrets.read_returned(namespace, reference)
                return ReturnedChain(*found) if found else _put_it_there(desired, request)
            case CertManagerIssuer() as issuer:
                return await _of_cert_manager(tools, desired, issuer, request)
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
    if private := not_for_public_authorities(request.names):
        told += f" No public CA signs {', '.join(private[:2])}: use a CA of your organisation."
    return NotSigned(Reason.WAITING_FOR_SIGNATURE, told)


async def _of_cert_manager(
    tools: Tools, desired: DesiredCertificate, issuer: CertManagerIssuer, request: RequestStatus | None
) -> NotSigned | ReturnedChain | None:
    if issuer.kind == "ClusterIssuer" and issuer.name not in tools.settings.cluster_issuers:
        return NotSigned(
            Reason.CLUSTER_ISSUER_NOT_ALLOWED,
            f"ClusterIssuer {issuer.name} is not in the operator's allow-list (DEVICECERT_CLUSTER_ISSUERS): requests "
            "carry the operator's identity. Use an Issuer of the namespace, or have it added.",
            final=True,
        )
    if request is None:
        return None
    name = request_name(desired, request)
    found = await tools.cert_manager.read(desired.key.namespace, name)
    return read_request(name, found) if found is not None else None


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
        return NotSigned(error.reason, error.message)
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
    key = request.public_key_sha256 if request else None
    wanted = names_of(*request.names) if request else names
    place = _place(desired, request)
    return check_returned(place, found.chain_pem, found.ca_pem, wanted, key, tools.clock.now())


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
    stored = await tools.csrs.store_key(view, request.number, make_key(KeyType(request.key_type)).pkcs8_pem())
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
    spec = build_request(desired.issuer, csr, desired.duration)
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
    where = f"Secret {desired.key.namespace}/{secret}"
    key = read_key(key_pem)
    return check_returned(where, chain, ca, names, key.public_key_sha256, tools.clock.now()), key.pkcs8_pem()


def _by_device(s: CertificateSituation) -> bool:
    return s.csr is not None and s.csr.device_uid != ""
