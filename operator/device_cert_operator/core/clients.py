"""Whose eyes a certificate is seen with, what they are shown, and what they mind: the values of `core/verdict.py`."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from device_cert_operator.core.model import CertificateFacts, Served
from device_cert_operator.reasons import Reason


class Client(StrEnum):
    """Whose eyes a finding is seen with."""

    CHROMIUM = "Chromium"
    OPENSSL = "OpenSSL"
    APPLE = "Apple"


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """The path from the leaf upwards, as far as signatures hold.

    path: leaf first; ends with the trust anchor if `anchored`, sent or not. intended: subjects of the trust anchors.
    broken: a name fits further up, its signature does not. missing: the CA that the device had to send for the path
    to reach an anchor, if we know it. supposed: nobody said whom clients trust; who issued it is then no fault.
    """

    path: tuple[CertificateFacts, ...]
    anchored: bool
    intended: tuple[str, ...] = ()
    broken: bool = False
    missing: str | None = None
    supposed: bool = False

    @property
    def authorities(self) -> tuple[CertificateFacts, ...]:
        """The CAs of the path, the trust anchor included."""
        return self.path[1:]

    @property
    def intermediates(self) -> tuple[CertificateFacts, ...]:
        """The CAs of the path below the trust anchor."""
        return self.path[1:-1] if self.anchored else self.path[1:]


def supposing_trust(chain: ChainFacts) -> ChainFacts:
    """The same path, as clients see it that trust its top, or the CA that should come next."""
    top = chain.path[-1]
    return replace(chain, anchored=top.self_issued, intended=(top.issuer,), supposed=True)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, in whose eyes. Without clients it is a warning."""

    reason: Reason
    message: str
    clients: frozenset[Client]


@dataclass(frozen=True, slots=True)
class Verdict:
    """faults: what makes some client refuse, most useful first. warnings: what no tabled browser minds.

    secure: Chromium, trusting only the intended CA, would accept the connection.
    """

    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()

    @property
    def secure(self) -> bool:
        return self.accepted_by(Client.CHROMIUM)

    def accepted_by(self, client: Client) -> bool:
        """Whether this client would accept the connection."""
        return not any(client in fault.clients for fault in self.faults)

    @property
    def reason(self) -> Reason:
        """The first fault that browsers mind, or Trusted."""
        fault = self._first
        return fault.reason if fault else Reason.TRUSTED

    @property
    def message(self) -> str:
        """Sentences for the Secure condition; where it holds, with what other clients mind."""
        if fault := self._first:
            return fault.message
        told = " ".join(note.message for note in (*self.faults, *self.warnings))
        return f"Browsers that trust the intended CA accept this device. {told}".strip()

    @property
    def _first(self) -> Fault | None:
        return next((fault for fault in self.faults if Client.CHROMIUM in fault.clients), None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a rule may look at. host: canonical address or name that was dialled."""

    leaf: CertificateFacts
    chain: ChainFacts
    host: str
    now: datetime
    served: Served

    @property
    def signs(self) -> bool:
        """Whether the leaf's key signed in the handshake; in RSA key exchange (OpenSSL's `AES…`) it only decrypts."""
        return self.served.tls_version != "TLSv1.2" or not self.served.cipher.startswith("AES")


ALL = frozenset(Client)
STRICT = frozenset({Client.OPENSSL})
BROWSERS = frozenset({Client.CHROMIUM, Client.APPLE})
