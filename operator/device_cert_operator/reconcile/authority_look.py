"""From a CertificateAuthority to an `AuthoritySituation`: two Secrets are read live, the rest is in the cache."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from device_cert_operator.core.authority import AuthoritySituation, Bundle, FoundRoot, Holder
from device_cert_operator.core.authority_model import AuthorityStatus, DesiredAuthority, Phase
from device_cert_operator.core.model import Names, ObjectKey, Revision, names_of
from device_cert_operator.errors import MissingReference, OperatorError, Retry
from device_cert_operator.kube.revisions import content_digest
from device_cert_operator.kube.roots import NewRoot, RootSecret
from device_cert_operator.kube.views import USE, AuthorityView, DeviceView
from device_cert_operator.pki.authority import Authority, read_authority
from device_cert_operator.pki.bundle import trust_content
from device_cert_operator.pki.facts import fingerprint, pem_to_ders, read_facts
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.tools import Tools


class Look:
    """One pass over one CertificateAuthority. Mutable by design, and gone with the pass.

    current, following: the Secrets as last read, with keys. authority: the present root, ready to sign. bundle_der:
    the roots that clients ought to be given.
    """

    def __init__(self, view: AuthorityView, desired: DesiredAuthority, tools: Tools) -> None:
        self.view = view
        self.desired = desired
        self.tools = tools
        self.status: AuthorityStatus = view.status
        self.failure: OperatorError | None = None
        self.events: list[tuple[str, str, str]] = []
        self.current: RootSecret | None = None
        self.following: RootSecret | None = None
        self.authority: Authority | None = None
        self.bundle_der: tuple[bytes, ...] = ()

    async def save(self, status: AuthorityStatus) -> None:
        """Write an intent that must survive a crash. Raises Conflict, ClusterError."""
        self.view = await self.tools.cluster.write_authority_status(self.view, status)
        self.status = status

    async def save_rotation(self, **changes: Any) -> None:
        """The same for a change of the rotation that is under way."""
        if self.status.rotation is not None:
            await self.save(replace(self.status, rotation=replace(self.status.rotation, **changes)))

    def tell(self, kind: str, reason: str, message: str) -> None:
        """An event for the end of the pass."""
        self.events.append((kind, reason, message))

    def following_root(self) -> NewRoot | None:
        """The root that is to follow, as it is written in the present one's place."""
        found = self.following
        if found is None or not found.tls_crt or not found.tls_key:
            return None
        return NewRoot(found.tls_crt, found.tls_key, found.shape or self.desired.shape.digest)


async def look(this: Look) -> AuthoritySituation:
    """Look once. Raises ClusterError."""
    namespace, desired, roots = this.desired.key.namespace, this.desired, this.tools.roots
    this.current = await roots.read(namespace, desired.secret_name)
    rotating = this.status.rotation is not None
    left_over = this.tools.cache.secret(namespace, desired.next_secret) is not None
    this.following = await roots.read(namespace, desired.next_secret) if rotating or left_over else None
    current, this.authority = _found(this, desired.secret_name, this.current)
    following, next_authority = _found(this, desired.next_secret, this.following)
    this.bundle_der = _bundle(this, this.authority, next_authority)
    return AuthoritySituation(
        desired=desired,
        status=this.status,
        now=this.tools.clock.now(),
        current=current,
        following=following,
        bundle=_bundle_state(this),
        holders=_holders(this),
        names_in_use=_names_in_use(this),
        alone_under_next=_alone_under_next(this),
    )


# --------------------------------------------------------------------------------------------- Secrets


def _found(this: Look, name: str, secret: RootSecret | None) -> tuple[FoundRoot, Authority | None]:
    """What a Secret holds, judged; and the CA itself where it can sign, or could before it expired."""
    if secret is None:
        return FoundRoot(missing=True), None
    if not secret.shared:
        return FoundRoot(problem=_not_shared(this, name)), None
    ours = secret.owner_uid == this.view.uid
    authority: Authority | None
    problem: MissingReference | None = None
    try:
        authority = _read(this, name, secret)
    except MissingReference as error:
        authority, problem = _before_it_expired(this, name, secret, error), error
    if authority is None:
        return FoundRoot(problem=problem, ours=ours, shape=secret.shape), None
    found = FoundRoot(authority.facts, problem, False, ours, secret.shape, problem is not None, authority.warnings)
    return found, authority


def _read(this: Look, name: str, secret: RootSecret, ago: timedelta = timedelta(0)) -> Authority:
    where = f"{this.desired.key.namespace}/{name}"
    return read_authority(where, secret.tls_crt, secret.tls_key, this.tools.clock.now() - ago)


def _before_it_expired(this: Look, name: str, secret: RootSecret, error: MissingReference) -> Authority | None:
    """An expired root is still known, and can be followed by another."""
    if error.reason is not Reason.CA_EXPIRED or not secret.tls_crt:
        return None
    ends = min(read_facts(der).not_after for der in pem_to_ders(secret.tls_crt))
    try:
        return _read(this, name, secret, this.tools.clock.now() - ends + timedelta(seconds=1))
    except MissingReference:
        return None


def _not_shared(this: Look, name: str) -> MissingReference:
    namespace = this.desired.key.namespace
    return MissingReference(
        f"Secret {namespace}/{name} exists and is not ours. If it holds a root to be adopted: kubectl -n {namespace} "
        f"label secret {name} {USE}=ca",
        reason=Reason.SECRET_NOT_OURS,
        retry=Retry.ON_CHANGE,
    )


# ---------------------------------------------------------------------------------------------- bundle


def _bundle(this: Look, current: Authority | None, following: Authority | None) -> tuple[bytes, ...]:
    """The roots that clients ought to be given, the one to be given alone first; empty when that is not known."""
    known, rotation = this.status.certificate, this.status.rotation
    if known is None or current is None or current.facts.fingerprint != known.fingerprint:
        return ()
    if rotation is None or rotation.phase is Phase.PREPARING:
        return current.anchors_der
    if following is None or following.facts.fingerprint != rotation.fingerprint:
        return ()
    both = (*current.anchors_der, *following.anchors_der)
    return both if rotation.phase is not Phase.RETIRING else both[::-1]


def _bundle_state(this: Look) -> Bundle:
    if not this.bundle_der:
        return Bundle.UNKNOWN
    view = this.tools.cache.secret(this.desired.key.namespace, this.desired.bundle_name, "ConfigMap")
    same = view is not None and view.digest == content_digest(trust_content(this.bundle_der))
    return Bundle.SAME if same else Bundle.DIFFERS


# --------------------------------------------------------------------------------------------- devices


def _holders(this: Look) -> tuple[Holder, ...]:
    """Asked for during a rotation only."""
    known = this.status.certificate
    if this.status.rotation is None or known is None:
        return ()
    cache, namespace = this.tools.cache, this.desired.key.namespace
    cross, readers = _cross(this), _uids(this, cache.using_ca(namespace, this.desired.secret_name))
    found: dict[str, Holder] = {}
    for revision in cache.revisions_under(namespace, known.fingerprint):
        for uid in revision.given_to:
            view = cache.device_with_uid(uid)
            if view is None or not (_has(view, revision) or _may_get(this, revision)):
                continue
            sends_cross, by_secret = cross in revision.sent, revision.owner_uid in readers
            before = found.get(view.key.name)
            found[view.key.name] = _holder(view, sends_cross=sends_cross, by_secret=by_secret, before=before)
    return tuple(found[name] for name in sorted(found))


def _alone_under_next(this: Look) -> tuple[str, ...]:
    rotation, cache = this.status.rotation, this.tools.cache
    if rotation is None or rotation.fingerprint is None:
        return ()
    found: set[str] = set()
    for revision in cache.revisions_under(this.desired.key.namespace, rotation.fingerprint):
        for uid in revision.given_to:
            view = cache.device_with_uid(uid)
            state = view.status.revision if view is not None else None
            if view is not None and state is not None and state.installed == revision.ref and state.chain_not_sent:
                found.add(view.key.name)
    return tuple(sorted(found))


def _names_in_use(this: Look) -> Names:
    known, cache, namespace = this.status.certificate, this.tools.cache, this.desired.key.namespace
    under = cache.revisions_under(namespace, known.fingerprint) if known is not None else ()
    facts = [revision.facts for revision in under if _may_get(this, revision)]
    return names_of(*(name for one in facts for name in (*one.dns_names, *one.ip_addresses)))


def _cross(this: Look) -> str:
    """The certificate over the present root by the one that follows, by its fingerprint."""
    pem = this.following.old_by_new if this.following else None
    return fingerprint(pem_to_ders(pem)[0]) if pem else ""


def _has(view: DeviceView, revision: Revision) -> bool:
    state, served = view.status.revision, view.status.served
    shown = {
        state.installed.fingerprint if state.installed else None,
        state.activating.revision.fingerprint if state.activating else None,
        served.fingerprint if served else None,
    }
    return revision.facts.fingerprint in shown


def _may_get(this: Look, revision: Revision) -> bool:
    """It is the wanted one of a DeviceCertificate that exists."""
    cache, namespace = this.tools.cache, this.desired.key.namespace
    owners = _uids(this, cache.using_authority(namespace, this.desired.key.name))
    return revision.owner_uid in owners and cache.revisions(namespace, revision.owner_uid)[-1] == revision


def _uids(this: Look, keys: tuple[ObjectKey, ...]) -> frozenset[str]:
    views = (this.tools.cache.certificate(key) for key in keys)
    return frozenset(view.uid for view in views if view is not None)


def _holder(view: DeviceView, *, sends_cross: bool, by_secret: bool, before: Holder | None) -> Holder:
    status = view.status
    stalled = any(one.type == "Stalled" and one.status == "True" for one in status.conditions)
    dropped = status.revision.chain_not_sent  # whatever its driver says
    return Holder(
        view.key.name,
        sends_cross and not dropped and (before is None or before.sends_cross),
        "Chain" in status.capabilities and not dropped and not by_secret,
        stalled,
        by_secret and (before is None or before.by_secret),
    )
