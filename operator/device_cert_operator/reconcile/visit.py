"""One pass over one Device: what it has learned so far, the status as it will be written, and the open session.

The session is opened once, pinned to the key that the handshake showed, and kept as long as the pass: after an
activation it may be the only way left to put the previous certificate back.
"""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from types import TracebackType

from device_cert_operator.core import credentials as budget
from device_cert_operator.core.addresses import where_to_dial
from device_cert_operator.core.model import (
    AddressLook,
    Credentials,
    DesiredDevice,
    DeviceReport,
    Inventory,
    NotServed,
    Security,
    Served,
)
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import CredentialsState, DeviceStatus
from device_cert_operator.drivers.base import Driver
from device_cert_operator.errors import DeviceUnreachable, OperatorError
from device_cert_operator.kube.views import DeviceView
from device_cert_operator.reconcile.tools import DeviceMemory, Tools


class Visit:
    """Mutable by design, and gone with the pass."""

    def __init__(self, view: DeviceView, desired: DesiredDevice, tools: Tools) -> None:
        self.view = view
        self.desired = desired
        self.tools = tools
        self.status: DeviceStatus = view.status
        self.memory: DeviceMemory = tools.memory.of(view.uid)
        self.address = where_to_dial(desired, view.status)
        self.sight: Served | NotServed | None = None  # the last handshake, while nothing has happened since
        self.report: DeviceReport | None = None
        self.inventory: Inventory | None = None
        self.login_error: OperatorError | None = None
        self.clock_refusal: OperatorError | None = None
        self.reboot_now: str | None = None
        self.searching = False
        self.declared_look: AddressLook | None = None
        self.done: set[type] = set()
        self.kept_objects: set[str] = set()  # asked to go, and not seen to be gone
        self.removed: dict[str, str] = {}  # handles, with their aliases, of which the device says that they are gone
        self.events: list[tuple[str, str, str]] = []
        self._stack = AsyncExitStack()
        self._driver: Driver | None = None
        self._bound_to: str | None = None

    async def __aenter__(self) -> "Visit":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # ------------------------------------------------------------------------------------------ status

    async def save(self, status: DeviceStatus) -> None:
        """Write an intent that must survive a crash, before acting on it. Raises Conflict, ClusterError."""
        self.view = await self.tools.cluster.write_device_status(self.view, status)
        self.status = status
        if self.memory.unwritten_login == status.credentials:
            self.memory.unwritten_login = None

    def tell(self, kind: str, reason: str, message: str) -> None:
        """An event for the end of the pass. kind: `Normal` or `Warning`."""
        self.events.append((kind, reason, message))

    def look_again(self) -> None:
        """What was reported is no longer so."""
        self.report = None

    # ----------------------------------------------------------------------------------------- session

    @property
    def session_open(self) -> bool:
        return self._driver is not None

    async def driver(self, situation: Situation) -> Driver:
        """The driver over a connection pinned to what this handshake showed, or over plain HTTP where that is wanted.

        An open session is kept while the device shows the same certificate, and when it shows none.
        """
        served = situation.served if isinstance(situation.served, Served) else None
        showing = "plain HTTP" if situation.plaintext else served.leaf.fingerprint if served else None
        if self._driver is not None and showing in {None, self._bound_to}:
            return self._driver
        await self.close_session()
        if served is None and not situation.plaintext:
            raise DeviceUnreachable(f"The device at {self.address} serves no HTTPS to log in over.")
        pin = served.leaf_der if served is not None and not situation.plaintext else None
        credentials = await self.tools.secrets.read_credentials(
            self.desired.key.namespace, self.desired.credentials_secret
        )
        guard = LoginBudget(self, credentials)
        guard.raise_if_locked()
        await self._stack.enter_async_context(self.tools.session(self.address))
        connection = await self._stack.enter_async_context(
            self.tools.connect(
                self.address,
                self._port(plain=pin is None),
                pin_der=pin,
                credentials=credentials,
                guard=guard,
                timeout=self.desired.timeout,
                show_password=situation.recognition is None or situation.recognition.may_show_password,
            )
        )
        self._driver, self._bound_to = self.tools.driver_for(self.desired.driver, connection), showing
        return self._driver

    def _port(self, *, plain: bool) -> int:
        """`connection.port` is HTTP's under Plaintext, and HTTPS's otherwise."""
        if plain:
            return self.desired.port or 80
        of_https = self.desired.security is not Security.PLAINTEXT
        return (self.desired.port if of_https else None) or self.desired.https_port

    async def close_session(self) -> None:
        """Let the connection go; the next call opens another."""
        self._driver, self._bound_to = None, None
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()


class LoginBudget:
    """Counts log-ins in the Device's status, as `core.credentials` decides, around the transport's requests."""

    def __init__(self, visit: Visit, credentials: Credentials) -> None:
        self._visit = visit
        self._version = credentials.version

    @property
    def state(self) -> CredentialsState:
        """As far as it was written, and what could not be written."""
        unwritten = self._visit.memory.unwritten_login
        if unwritten is not None and unwritten.version == self._version:
            return unwritten
        return budget.for_version(self._visit.status.credentials, self._version)

    def raise_if_locked(self) -> None:
        """Raises DeviceBusy while the device has locked the log-in: then it is not asked for anything."""
        visit = self._visit
        if (lock := budget.why_locked(self.state, visit.tools.clock.now(), visit.desired.key)) is not None:
            raise lock

    async def before_login(self) -> None:
        """Raises CredentialsRejected, DeviceBusy when nothing may be sent; counts the try before it is sent."""
        visit, state = self._visit, self.state
        now = visit.tools.clock.now()
        held = budget.why_not(state, budget.BUDGET, now, visit.desired.key, visit.desired.credentials_secret)
        if held is not None:
            raise held
        if budget.needs_recording_before(state):
            await visit.save(replace(visit.status, credentials=budget.try_counted(state, now)))
            visit.memory.unwritten_login = None

    async def refused(self) -> None:
        self._note(budget.refused(self.state))
        await self._visit.save(self._visit.status)

    async def unjudged(self) -> None:
        self._note(budget.unjudged(self.state))

    async def locked(self, wait: timedelta) -> None:
        """Raises DeviceBusy, which says until when."""
        self._note(budget.locked(self.state, self._visit.tools.clock.now() + wait))
        await self._visit.save(self._visit.status)
        self.raise_if_locked()

    async def accepted(self) -> None:
        """Written at once where the try was counted: of a crash nobody shall think that it was never answered."""
        was_counted = budget.needs_recording_before(self.state)
        self._note(budget.accepted(self.state))
        if was_counted:
            await self._visit.save(self._visit.status)

    def _note(self, state: CredentialsState) -> None:
        """What the device said holds, whether it can be written now or not."""
        self._visit.memory.unwritten_login = state
        self._visit.status = replace(self._visit.status, credentials=state)
