"""One visit's SOAP conversation: where the services are, how to log in, and what the device's clock says.

HTTP Digest is the connection's business. Where a device offers none, requests carry a UsernameToken dated by the
device's own clock: firmware refuses tokens that are 10 s off, and reports its time zone wrongly (devices.md 1.10).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from device_cert_operator.clock import Clock
from device_cert_operator.core.exchange import Reply
from device_cert_operator.drivers.base import DeviceConnection
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif.soap import (
    TAS,
    Element,
    build_envelope,
    content_type_for,
    excerpt,
    local_name,
    parse_body,
    says_not_authorized,
)
from device_cert_operator.errors import OperatorError, PermissionMissing, ProtocolViolation, Unsupported

ENTRY_POINT = "/onvif/device_service"  # ONVIF Core Specification 26.06, 5.1


@dataclass(frozen=True, slots=True)
class MeasuredTime:
    """What the device's clock said, and the operator's times around it. at_monotonic: seconds, in the middle."""

    told: tds.DeviceTime
    at: datetime
    at_monotonic: float

    @property
    def offset(self) -> timedelta | None:
        """Device minus operator, with half the round trip taken off; None where the device did not tell."""
        return None if self.told.utc is None else self.told.utc - self.at


class OnvifSession:
    """Requests and answers; every fault is an `OperatorError` already."""

    def __init__(self, connection: DeviceConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._paths: dict[str, str] | None = None
        self._by_token = False
        self._measured: MeasuredTime | None = None

    @property
    def encrypted(self) -> bool:
        return self._connection.encrypted

    async def device(self, request: Element) -> Element:
        """A request to the device service, logged in. Raises DeviceErrors and Unsupported."""
        return await self._call(ENTRY_POINT, request)

    async def security(self, request: Element) -> Element:
        """A request to the security service, logged in. Raises Unsupported where the device has none."""
        path = (await self.paths()).get(TAS)
        if path is None:
            raise Unsupported("the device has no ONVIF security service: certificates cannot be managed this way")
        return await self._call(path, request)

    async def paths(self) -> dict[str, str]:
        """Path by namespace (ONVIF Core Specification 26.06, GetServices), asked once a visit."""
        if self._paths is None:
            self._paths = tds.read_services(await self._ask_openly(tds.build_get_services()))
        return self._paths

    async def has_security(self) -> bool:
        """Whether the device has a security service."""
        return TAS in await self.paths()

    async def time(self) -> MeasuredTime:
        """Read the device's clock, now (ONVIF Core Specification 26.06, GetSystemDateAndTime)."""
        request = tds.build_get("GetSystemDateAndTime")
        started, tick = self._clock.now(), self._clock.monotonic()
        answer = await self._openly(request)
        if answer is None:  # contrary to the specification, some want a log-in here (devices.md 1.4)
            started, tick = self._clock.now(), self._clock.monotonic()
            answer = await self._call(ENTRY_POINT, request)
        half = (self._clock.monotonic() - tick) / 2
        told = tds.read_clock(answer)
        self._measured = MeasuredTime(told, started + timedelta(seconds=half), tick + half)
        return self._measured

    async def _ask_openly(self, request: Element) -> Element:
        """Without log-in, as the access class PRE_AUTH promises; with it where the device asks for it all the same."""
        answer = await self._openly(request)
        return answer if answer is not None else await self._call(ENTRY_POINT, request)

    async def _openly(self, request: Element) -> Element | None:
        """The answer to a request without log-in; None where the device wants one."""
        reply = await self._post(ENTRY_POINT, request, log_in=False)
        return None if _wants_login(reply, request) else _answer_of(reply, request)

    async def _call(self, path: str, request: Element) -> Element:
        """A logged-in request: by HTTP first, from the first refusal to offer that on by token."""
        if not self._by_token:
            reply = await self._post(path, request, log_in=True)
            if not _wants_login(reply, request):
                return _answer_of(reply, request)
            self._by_token = True
        created_at = await self._device_now()
        token = self._connection.username_token(created_at)
        reply = await self._connection.post(
            path, build_envelope(request, token), content_type=content_type_for(request), log_in=False
        )
        return _answer_of(reply, request)

    async def _post(self, path: str, request: Element, *, log_in: bool) -> Reply:
        body = build_envelope(request)
        return await self._connection.post(path, body, content_type=content_type_for(request), log_in=log_in)

    async def _device_now(self) -> datetime:
        """The device's time, carried on by the monotonic clock: ours may be stepped meanwhile. Ours where unknown."""
        if self._measured is None:
            reply = await self._post(ENTRY_POINT, tds.build_get("GetSystemDateAndTime"), log_in=False)
            self._measured = self._measured_from(reply)
        if self._measured is None or self._measured.told.utc is None:
            return self._clock.now()
        since = timedelta(seconds=self._clock.monotonic() - self._measured.at_monotonic)
        return self._measured.told.utc + since

    def _measured_from(self, reply: Reply) -> MeasuredTime | None:
        try:
            told = tds.read_clock(parse_body(reply.body, "GetSystemDateAndTime"))
        except OperatorError:
            return None
        return MeasuredTime(told, self._clock.now(), self._clock.monotonic())


def _wants_login(reply: Reply, request: Element) -> bool:
    """Whether an answer to a request without log-in asks for one, by HTTP or by a fault."""
    if reply.status == 401:
        return True
    if reply.status < 400:
        return False
    try:
        parse_body(reply.body, local_name(request))
    except OperatorError as error:
        return says_not_authorized(error)
    return False


def _answer_of(reply: Reply, request: Element) -> Element:
    """The answer element. Raises the fault's error, Unsupported where no ONVIF service listens, ProtocolViolation."""
    operation = local_name(request)
    if reply.status in {404, 405, 501} and b"Envelope" not in reply.body:
        raise Unsupported(f"{operation}: the device has no ONVIF service here (HTTP {reply.status})")
    if reply.status == 401:
        raise PermissionMissing(f"{operation}: the device wants a log-in that it does not offer")
    try:
        answer = parse_body(reply.body, operation)
    except OperatorError as error:
        if says_not_authorized(error):
            raise PermissionMissing(f"{error.message}: give the user the rights of an administrator") from None
        raise
    if reply.status >= 400:
        raise ProtocolViolation(f"{operation}: HTTP {reply.status} with an answer in it: {excerpt(reply.body)}")
    return answer
