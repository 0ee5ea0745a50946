"""One HTTP request to an ONVIF device: the log-in, then the operation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from device_simulator.auth import Answer
from device_simulator.faults import Fault
from device_simulator.logins import turn_away
from device_simulator.onvif import device_service, security_service
from device_simulator.onvif.access import PRE_AUTH, changes_something, needs_administrator
from device_simulator.onvif.soap import TAS, TDS, Element, Request, SoapFault, envelope, fault, parse
from device_simulator.pfx import StoreFault
from device_simulator.transport import dropped

if TYPE_CHECKING:
    from device_simulator.onvif.device import OnvifDevice

XML = "application/soap+xml"
Operation = Callable[["OnvifDevice", Request], Element | Awaitable[Element]]
SERVICES: Mapping[str, Mapping[str, Operation]] = {TDS: device_service.OPERATIONS, TAS: security_service.OPERATIONS}
DEVICE, SECURITY = "/onvif/device_service", "/onvif/security_service"


async def answer(device: "OnvifDevice", request: web.BaseRequest) -> web.StreamResponse:
    """What the device says to a request."""
    paths = {DEVICE, SECURITY} if device.spec.advanced_security else {DEVICE}
    if request.path not in paths or request.method != "POST":
        return web.Response(status=404, text="not here")
    try:
        asked = parse(await request.read())
        operation = _operation(device, asked)
        if operation is None:
            raise SoapFault("Receiver", "ActionNotSupported", "NotSupported")
        if (refused := _refusal(device, request, asked)) is not None:
            device.journal.turned_away(asked.operation)
            return refused
        if changes_something(asked.operation) and device.faults.strikes(Fault.QUOTES_REQUEST):
            device.journal.note(asked.operation, ok=False)
            raise SoapFault("Receiver", text=quoted(request, asked))
        done = await _carried_out(device, asked, operation)
        if device.faults.by_chance() and device.faults.coin():
            return dropped(request)  # it was done, and nobody is told
        return _reply(done)
    except SoapFault as error:
        return _reply(fault(error), status=400 if error.codes[0] == "Sender" else 500)


def quoted(request: web.BaseRequest, asked: Request) -> str:
    """The request in words: its texts, then the end of its log-in."""
    login = request.headers.get("Authorization", "")
    return " ".join([asked.operation, *(str(one) for one in asked.body.itertext()), login[login.find("response=") :]])


def _operation(device: "OnvifDevice", asked: Request) -> Operation | None:
    if asked.namespace == TAS and not device.spec.advanced_security:
        return None
    return SERVICES.get(asked.namespace, {}).get(asked.operation)


async def _carried_out(device: "OnvifDevice", asked: Request, operation: Operation) -> bytes:
    changes = changes_something(asked.operation)
    journal = device.journal
    try:
        with journal.under_way(changes=changes):
            if changes:
                await asyncio.sleep(0.01)  # devices take their time, so that overlapping commands would be seen
            answered = operation(device, asked)
            made = await answered if isinstance(answered, Awaitable) else answered
        journal.note(asked.operation, ok=True)
        return envelope(made)
    except SoapFault:
        journal.note(asked.operation, ok=False)
        raise
    except StoreFault as error:
        journal.note(asked.operation, ok=False)
        first, *rest = str(error).split()
        raise SoapFault("Sender" if first == "InvalidArgVal" else "Receiver", first, *rest) from None


def _reply(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type=XML, charset="utf-8")


def _refusal(device: "OnvifDevice", request: web.BaseRequest, asked: Request) -> web.Response | None:
    """HTTP authentication first, then WS-Security (ONVIF Core, 5.9)."""
    if asked.operation in PRE_AUTH and not (
        asked.operation == "GetSystemDateAndTime" and device.faults.on(Fault.CLOCK_READ_NEEDS_AUTH)
    ):
        return None
    header = request.headers.get("Authorization")
    if header is not None:
        told = device.guard.check_digest(header, request.method, request.path_qs)
    elif asked.token is not None and device.spec.username_token:
        token = asked.token
        told = device.guard.check_token(token.username, token.digest, token.nonce, token.created, device.now())
        if told is Answer.REFUSED:
            return _reply(fault(SoapFault("Sender", "NotAuthorized")), status=400)
    else:
        told = Answer.NONE
    match told:
        case Answer.ACCEPTED:
            if needs_administrator(asked.operation) and not device.spec.administrator:
                return _reply(fault(SoapFault("Sender", "NotAuthorized")), status=400)
            return None
        case _:
            return turn_away(device.guard, told)
