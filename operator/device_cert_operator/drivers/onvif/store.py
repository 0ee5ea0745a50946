"""What both kinds of certificate store in ONVIF devices have in common."""

from typing import Protocol

from device_cert_operator.core.model import CertificateBundle, CSRRequest, Inventory


class CertificateStore(Protocol):
    """See the methods of the same names in `drivers.base.Driver`; a handle is the store's own."""

    async def inventory(self) -> Inventory: ...

    async def create_csr(self, request: CSRRequest) -> bytes: ...

    async def install(self, bundle: CertificateBundle) -> str: ...

    async def assign(self, handle: str, /) -> None: ...

    async def remove(self, handle: str, /) -> bool: ...
