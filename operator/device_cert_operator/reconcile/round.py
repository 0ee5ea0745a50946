"""One pass over one DeviceCertificate: its status as it will be written, and what there is to tell."""

from device_cert_operator.core.model import DesiredCertificate
from device_cert_operator.core.status import CertificateStatus
from device_cert_operator.errors import OperatorError
from device_cert_operator.kube.views import CertificateView
from device_cert_operator.reconcile.tools import Tools


class Round:
    """One pass over one DeviceCertificate."""

    def __init__(self, view: CertificateView, desired: DesiredCertificate, tools: Tools) -> None:
        self.view = view
        self.desired = desired
        self.tools = tools
        self.status = view.status
        self.failure: OperatorError | None = None
        self.events: list[tuple[str, str, str]] = []

    async def save(self, status: CertificateStatus) -> None:
        """Write an intent that must survive a crash. Raises Conflict, ClusterError."""
        self.view = await self.tools.cluster.write_certificate_status(self.view, status)
        self.status = status

    def tell(self, kind: str, reason: str, message: str) -> None:
        """An event for the end of the pass."""
        self.events.append((kind, reason, message))
