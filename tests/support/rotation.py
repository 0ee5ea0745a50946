"""Two roots as a CertificateAuthority makes them, and what devices send while the one follows the other."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from device_cert_operator.core.authority import root_subject
from device_cert_operator.core.authority_model import RootShape
from device_cert_operator.core.model import (
    CASecretIssuer,
    DesiredCertificate,
    KeyType,
    ObjectKey,
    SubjectFields,
    names_of,
)
from device_cert_operator.issuers.ca import Issued, issue
from device_cert_operator.pki.authority import Authority, read_authority
from device_cert_operator.pki.facts import ders_to_pem
from device_cert_operator.pki.keys import make_key
from device_cert_operator.pki.root import cross_sign, sign_root

SHAPE = RootShape(SubjectFields(organization="Example", common_name="Example devices"), KeyType.ECDSA_P256)


@dataclass(frozen=True)
class Rotation:
    """…_pem: the roots. signs_old, signs_new: a leaf and its cross-certificate, before and after the new root signs."""

    old_pem: bytes
    new_pem: bytes
    signs_old: Issued
    signs_new: Issued

    @property
    def stages(self) -> dict[str, Issued]:
        return {"the old root signs": self.signs_old, "the new root signs": self.signs_new}

    @property
    def clients(self) -> dict[str, bytes]:
        """What each of them trusts, by what it is called."""
        return {
            "trusts the old": self.old_pem,
            "trusts the new": self.new_pem,
            "trusts both": self.old_pem + self.new_pem,
        }


def root(shape: RootShape, now: datetime, *, number: int = 1) -> Authority:
    """A root of this shape, as a CertificateAuthority called `site` makes it."""
    key = make_key(shape.key_type)
    subject = root_subject(shape.subject, "site", number)
    der = sign_root(key, subject, shape.constraints, timedelta(days=3650), now)
    return read_authority("cams/site", ders_to_pem(der), key.pkcs8_pem(), now)


def rotate(shape: RootShape, now: datetime, *hosts: str) -> Rotation:
    """A whole rotation, with a leaf for these hosts in each stage."""
    old, new = root(shape, now), root(shape, now, number=2)
    new_by_old, old_by_new = cross_sign(new.certificate_der, old), cross_sign(old.certificate_der, new)
    before = replace(old, cross_der=(old_by_new,), other_anchors_der=(new.certificate_der,))
    after = replace(new, cross_der=(new_by_old,), other_anchors_der=(old.certificate_der,))
    wanted = DesiredCertificate(
        key=ObjectKey("DeviceCertificate", "cams", "gate"),
        uid="uid",
        generation=1,
        created_at=now,
        devices=("gate",),
        issuer=CASecretIssuer("site"),
    )
    signs_old, signs_new = (issue(one, wanted, names_of(*hosts), KeyType.ECDSA_P256, now) for one in (before, after))
    return Rotation(ders_to_pem(old.certificate_der), ders_to_pem(new.certificate_der), signs_old, signs_new)
