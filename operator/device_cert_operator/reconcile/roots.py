"""Making roots: the key exists only here until its Secret is there."""

import asyncio
from contextlib import suppress
from datetime import datetime

from device_cert_operator.core.authority import AuthoritySituation, number_of_next, root_subject
from device_cert_operator.core.authority_model import DesiredAuthority
from device_cert_operator.errors import Conflict
from device_cert_operator.kube.roots import NEW_BY_OLD, OLD_BY_NEW, NewRoot
from device_cert_operator.pki.authority import Authority, read_authority
from device_cert_operator.pki.facts import ders_to_pem
from device_cert_operator.pki.keys import make_key
from device_cert_operator.pki.root import cross_sign, sign_root
from device_cert_operator.reconcile.authority_look import Look


async def make_root(this: Look) -> None:
    """The first root. A Secret that came into being meanwhile is what the next look finds.

    Raises InvalidSpec, ClusterError.
    """
    made = await asyncio.to_thread(_root, this.desired, this.status.number, this.tools.clock.now())
    with suppress(Conflict):
        await this.tools.roots.create(this.view, this.desired.secret_name, made)


async def make_next(this: Look, s: AuthoritySituation) -> None:
    """The root that is to follow, and what it and the present one say about each other.

    Raises InvalidSpec, ClusterError.
    """
    present = None if s.current.expired else this.authority
    made = await asyncio.to_thread(_next_root, this.desired, number_of_next(s), present, s.now)
    with suppress(Conflict):
        await this.tools.roots.create(this.view, this.desired.next_secret, made)


def _root(desired: DesiredAuthority, number: int, now: datetime) -> NewRoot:
    key, shape = make_key(desired.shape.key_type), desired.shape
    subject = root_subject(shape.subject, desired.key.name, number)
    der = sign_root(key, subject, shape.constraints, desired.duration, now)
    return NewRoot(ders_to_pem(der), key.pkcs8_pem(), shape.digest)


def _next_root(desired: DesiredAuthority, number: int, present: Authority | None, now: datetime) -> NewRoot:
    made = _root(desired, number, now)
    if present is None:
        return made
    new = read_authority(desired.next_secret, made.tls_crt, made.tls_key, now)
    crosses = {
        NEW_BY_OLD: ders_to_pem(cross_sign(new.certificate_der, present)),
        OLD_BY_NEW: ders_to_pem(cross_sign(present.certificate_der, new)),
    }
    return NewRoot(made.tls_crt, made.tls_key, made.shape, crosses)
