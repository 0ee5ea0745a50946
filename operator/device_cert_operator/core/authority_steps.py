"""What may be done for a CertificateAuthority: the vocabulary of its story."""

from dataclasses import dataclass

from device_cert_operator.core.authority_model import Origin, Phase


@dataclass(frozen=True, slots=True)
class RecordRequests:
    """Remember the annotations as seen, without acting on them."""

    rotate: str | None
    trust: str | None


@dataclass(frozen=True, slots=True)
class MakeRoot:
    """Make a root into `spec.secretName`, which is not there."""


@dataclass(frozen=True, slots=True)
class RememberRoot:
    """Write into the status which root it is, before anybody trusts it."""

    origin: Origin
    shape: str


@dataclass(frozen=True, slots=True)
class WriteBundle:
    """Publish the roots that clients have to trust."""


@dataclass(frozen=True, slots=True)
class BeginRotation:
    """Write the rotation, and the request that asked for it as handled, into the status."""

    why: str
    request: str | None


@dataclass(frozen=True, slots=True)
class MakeNext:
    """Make the new root, and the two cross-certificates between it and the present one."""


@dataclass(frozen=True, slots=True)
class RememberNext:
    """Write into the status which root is to follow."""


@dataclass(frozen=True, slots=True)
class MarkPublished:
    """Both roots are in the bundle: the overlap begins."""


@dataclass(frozen=True, slots=True)
class EnterPhase:
    """The rotation goes on."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class Promote:
    """Keep the old root aside, and put the new one into `spec.secretName`."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The new root is the root."""


@dataclass(frozen=True, slots=True)
class DeleteNext:
    """The Secret of the new root has a copy in `spec.secretName`."""


AuthorityStep = (
    RecordRequests
    | MakeRoot
    | RememberRoot
    | WriteBundle
    | BeginRotation
    | MakeNext
    | RememberNext
    | MarkPublished
    | EnterPhase
    | Promote
    | Finish
    | DeleteNext
)
