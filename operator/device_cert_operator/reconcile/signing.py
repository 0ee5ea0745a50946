"""Which CA signs now for a DeviceCertificate: of a Secret that it names, or of a CertificateAuthority.

The one place that knows what a rotation means for those who sign.
"""

from dataclasses import replace
from typing import assert_never

from device_cert_operator.core.authority_model import DesiredAuthority, Phase, RotationStatus
from device_cert_operator.core.certificate_model import AuthorityState
from device_cert_operator.core.model import (
    AuthorityIssuer,
    CASecretIssuer,
    CertManagerIssuer,
    Issuer,
    ObjectKey,
    OwnCAIssuer,
)
from device_cert_operator.errors import Conflict, IssuanceDenied, MissingReference, OperatorError, Retry
from device_cert_operator.issuers.cert_manager import allow_list_entry, may_be_asked
from device_cert_operator.kube.roots import RootSecret
from device_cert_operator.kube.views import AuthorityView
from device_cert_operator.pki.authority import Authority, read_authority
from device_cert_operator.pki.facts import pem_to_ders
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.tools import Tools


async def authority_state(tools: Tools, namespace: str, issuer: Issuer) -> AuthorityState:
    """The CA, checked once for each version of what it is made of; its validity again each time.

    What is wrong is in `problem`; nothing is raised. Where somebody else signs there is none.
    """
    if isinstance(issuer, CertManagerIssuer):
        return AuthorityState(problem=_why_not_asked(tools, issuer))
    if not isinstance(issuer, CASecretIssuer | AuthorityIssuer):
        return AuthorityState()
    memory, now = tools.memory.checked_authorities, tools.clock.now()
    version = _version(tools, namespace, issuer)
    known = memory.get((namespace, issuer))
    if version is not None and known is not None and known[0] == version:
        state = known[1]
        if state.problem is None and state.not_after is not None and now < state.not_after:
            return _as_now(tools, namespace, issuer, state)
    try:
        authority = await read_signing(tools, namespace, issuer)
    except MissingReference as error:
        return AuthorityState(problem=error)
    except OperatorError as error:
        return known[1] if known is not None else AuthorityState(problem=error)
    if version is not None:
        memory[namespace, issuer] = (version, authority.state)
    return _as_now(tools, namespace, issuer, authority.state)


def _why_not_asked(tools: Tools, issuer: CertManagerIssuer) -> IssuanceDenied | None:
    """Told before anybody makes a key for it."""
    if may_be_asked(issuer, tools.settings.cluster_issuers):
        return None
    entry = allow_list_entry(issuer)
    return IssuanceDenied(
        f"{issuer.kind} {issuer.name} is not in the operator's allow-list (DEVICECERT_CLUSTER_ISSUERS): requests carry "
        f"the operator's identity. Use an Issuer of the namespace, or have {entry} added.",
        reason=Reason.CLUSTER_ISSUER_NOT_ALLOWED,
    )


async def read_signing(tools: Tools, namespace: str, issuer: OwnCAIssuer) -> Authority:
    """The CA with its key, live. Raises MissingReference, ClusterError."""
    match issuer:
        case CASecretIssuer(name):
            secret = await tools.secrets.read_ca(namespace, name)
            return read_authority(f"{namespace}/{name}", secret.tls_crt, secret.tls_key, tools.clock.now())
        case AuthorityIssuer(name):
            return await _of_authority(tools, _view(tools, namespace, name))
        case _:
            assert_never(issuer)


async def read_decided_on(tools: Tools, namespace: str, issuer: OwnCAIssuer, decided: AuthorityState) -> Authority:
    """The CA with its key, live, if it is the one that was decided on. Raises Conflict besides.

    A watch may lag: what another CA signed would at once have to be issued anew by the one that is still in the cache.
    """
    authority = await read_signing(tools, namespace, issuer)
    if _same(authority.state) != _same(decided):
        tools.memory.checked_authorities.pop((namespace, issuer), None)  # it is read live by the next look
        raise Conflict(f"The CA {authority.facts.subject} of {namespace} was replaced meanwhile; nothing is issued.")
    return authority


def _same(state: AuthorityState) -> tuple[object, ...]:
    """What of a CA makes a certificate that it signed one to be kept."""
    return state.fingerprint, state.cross, state.not_after


# ---------------------------------------------------------------------------------- CertificateAuthority


def _view(tools: Tools, namespace: str, name: str) -> AuthorityView:
    """Raises MissingReference unless it has a root."""
    view = tools.cache.authority(ObjectKey("CertificateAuthority", namespace, name))
    if view is None:
        raise MissingReference(
            f"There is no CertificateAuthority {namespace}/{name}: create it.", reason=Reason.AUTHORITY_MISSING
        )
    if view.desired is None or view.status.certificate is None:
        raise _not_ready(view, "has no root yet")
    return view


async def _of_authority(tools: Tools, view: AuthorityView) -> Authority:
    desired, known = view.desired, view.status.certificate
    if desired is None or known is None:
        raise _not_ready(view, "has no root yet")
    rotation = view.status.rotation
    if rotation is None or rotation.fingerprint is None:
        return await _present(tools, view, desired, known.fingerprint)
    match rotation.phase:
        case Phase.PREPARING | Phase.DISTRIBUTING:
            return await _old_signs(tools, view, desired, rotation)
        case Phase.SWITCHING | Phase.RETIRING:
            return await _new_signs(tools, view, desired, rotation)


async def _present(tools: Tools, view: AuthorityView, desired: DesiredAuthority, fingerprint: str) -> Authority:
    """Only ever the root that clients were told to trust."""
    secret = await _secret(tools, view, desired.secret_name)
    return _checked(tools, view, desired.secret_name, secret, fingerprint)


async def _old_signs(
    tools: Tools, view: AuthorityView, desired: DesiredAuthority, rotation: RotationStatus
) -> Authority:
    known = view.status.certificate
    old = await _present(tools, view, desired, known.fingerprint if known else "")
    following = await _secret(tools, view, desired.next_secret)
    new = _checked(tools, view, desired.next_secret, following, rotation.fingerprint or "")
    return replace(old, cross_der=_ders(following.old_by_new), other_anchors_der=new.anchors_der)


async def _new_signs(
    tools: Tools, view: AuthorityView, desired: DesiredAuthority, rotation: RotationStatus
) -> Authority:
    """The old root only vouches: gone or expired, it does not keep the new one from signing."""
    following = await _secret(tools, view, desired.next_secret)
    new = _checked(tools, view, desired.next_secret, following, rotation.fingerprint or "")
    try:
        known = view.status.certificate
        old = await _present(tools, view, desired, known.fingerprint if known else "")
    except MissingReference:
        return new
    return replace(new, cross_der=(*_ders(following.new_by_old), *old.sent_der), other_anchors_der=old.anchors_der)


async def _secret(tools: Tools, view: AuthorityView, name: str) -> RootSecret:
    found = await tools.roots.read(view.key.namespace, name)
    if found is None or not found.shared:
        raise _not_ready(view, f"cannot sign: Secret {view.key.namespace}/{name} is gone or not labelled any more")
    return found


def _checked(tools: Tools, view: AuthorityView, name: str, secret: RootSecret, fingerprint: str) -> Authority:
    where = f"{view.key.namespace}/{name}"
    authority = read_authority(where, secret.tls_crt, secret.tls_key, tools.clock.now())
    if authority.facts.fingerprint != fingerprint:
        raise _not_ready(view, f"cannot sign: Secret {where} holds another certificate than clients trust")
    return authority


def _ders(pem: bytes | None) -> tuple[bytes, ...]:
    return pem_to_ders(pem) if pem else ()


def _not_ready(view: AuthorityView, what: str) -> MissingReference:
    return MissingReference(
        f"CertificateAuthority {view.key.namespace}/{view.key.name} {what}; its own conditions say more.",
        reason=Reason.AUTHORITY_NOT_READY,
        retry=Retry.BACKOFF,
    )


# ------------------------------------------------------------------------------------------------ cache


def _version(tools: Tools, namespace: str, issuer: OwnCAIssuer) -> str | None:
    """Changes with everything that `read_signing` reads; None when that cannot be told."""
    match issuer:
        case CASecretIssuer(name):
            return _version_of(tools, namespace, name)
        case AuthorityIssuer(name):
            view = tools.cache.authority(ObjectKey("CertificateAuthority", namespace, name))
            if view is None or view.desired is None or (present := view.desired.secret_name) is None:
                return None
            versions = [_version_of(tools, namespace, one) for one in (present, view.desired.next_secret)]
            rotation, known = view.status.rotation, view.status.certificate
            phase = (rotation.phase, rotation.fingerprint) if rotation else None
            return None if versions[0] is None else f"{versions}{known.fingerprint if known else None}{phase}"
        case _:
            assert_never(issuer)


def _version_of(tools: Tools, namespace: str, secret: str) -> str | None:
    view = tools.cache.secret(namespace, secret)
    return view.resource_version if view is not None else None


def _as_now(tools: Tools, namespace: str, issuer: Issuer, state: AuthorityState) -> AuthorityState:
    """With what the CertificateAuthority's spec and status add to the CA itself."""
    if not isinstance(issuer, AuthorityIssuer):
        return state
    view = tools.cache.authority(ObjectKey("CertificateAuthority", namespace, issuer.name))
    if view is None or view.desired is None:
        return state
    rotation = view.status.rotation
    since = None
    if rotation is not None:
        switched = rotation.phase in {Phase.SWITCHING, Phase.RETIRING}
        since = rotation.since if switched else rotation.started_at
    return replace(state, allowed=view.desired.allowed, changed_at=since, spread=view.desired.rotation.spread)
