"""One HTTP request: transport faults first, then the log-in, then the operation."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from device_simulator.auth import Answer
from device_simulator.device import SimulatedDevice
from device_simulator.faults import Fault
from device_simulator.onvif import device_service, security_service
from device_simulator.onvif.access import PRE_AUTH, changes_something, needs_administrator
from device_simulator.onvif.soap import TAS, TDS, Element, Request, SoapFault, envelope, fault, parse
from device_simulator.pfx import StoreFault

XML = "application/soap+xml"
Operation = Callable[[SimulatedDevice, Request], Element]
SERVICES = {TDS: device_service.OPERATIONS, TAS: security_service.OPERATIONS}
PATHS = frozenset({"/onvif/device_service", "/onvif/security_service"})


async def answer(device: SimulatedDevice, request: web.BaseRequest) -> web.StreamResponse:
    """What the device says to a request."""
    if (odd := await _transport_fault(device, request)) is not None:
        return odd
    if request.path not in PATHS or request.method != "POST":
        return web.Response(status=404, text="not here")
    try:
        asked = parse(await request.read())
        operation = SERVICES.get(asked.namespace, {}).get(asked.operation)
        if operation is None:
            raise SoapFault("Receiver", "ActionNotSupported", "NotSupported")
        if (refused := _refusal(device, request, asked)) is not None:
            device.journal.turned_away(asked.operation)
            return refused
        done = await _carried_out(device, asked, operation)
        if device.faults.by_chance() and device.faults.coin():
            return _dropped(request)  # it was done, and nobody is told
        return _reply(done)
    except SoapFault as error:
        return _reply(fault(error), status=400 if error.codes[0] == "Sender" else 500)


async def _carried_out(device: SimulatedDevice, asked: Request, operation: Operation) -> bytes:
    changes = changes_something(asked.operation)
    journal = device.journal
    if changes:
        journal.overlaps += journal.changes_under_way > 0
        journal.changes_under_way += 1
    try:
        if changes:
            await asyncio.sleep(0.01)  # devices take their time, so that overlapping commands would be seen
        made = operation(device, asked)
        journal.note(asked.operation, ok=True)
        return envelope(made)
    except SoapFault:
        journal.note(asked.operation, ok=False)
        raise
    except StoreFault as error:
        journal.note(asked.operation, ok=False)
        first, *rest = str(error).split()
        raise SoapFault("Sender" if first == "InvalidArgVal" else "Receiver", first, *rest) from None
    finally:
        journal.changes_under_way -= changes


def _reply(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type=XML, charset="utf-8")


def _refusal(device: SimulatedDevice, request: web.BaseRequest, asked: Request) -> web.Response | None:
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
        case Answer.LOCKED:
            return web.Response(status=403, text="Login has been locked")
        case _:
            reply = web.Response(status=401, text="Unauthorized")
            for challenge in device.guard.challenges(stale=told is Answer.STALE):
                reply.headers.add("WWW-Authenticate", challenge)
            return reply


async def _transport_fault(device: SimulatedDevice, request: web.BaseRequest) -> web.StreamResponse | None:
    faults = device.faults
    if faults.strikes(Fault.ANSWERS_HTML):
        return web.Response(text="<html><body>Please log in</body></html>", content_type="text/html")
    if faults.strikes(Fault.REDIRECTS):
        return web.Response(status=302, headers={"Location": "http://127.0.0.9/elsewhere"})
    if faults.strikes(Fault.HUGE_REPLY):
        return web.Response(body=b"<" + b"a" * 10_000_000, content_type=XML)
    raw = await _raw_fault(device, request)
    if raw is not None:
        return raw
    if faults.by_chance():
        if faults.coin():
            return _dropped(request)
        return web.Response(status=503, text="busy", headers={"Retry-After": "1"})
    return None


def _dropped(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _raw_fault(device: SimulatedDevice, request: web.BaseRequest) -> web.StreamResponse | None:
    """Answers that no HTTP server would give: written past the server."""
    faults, transport = device.faults, request.transport
    if transport is None:
        return None
    if faults.strikes(Fault.ANSWERS_GARBAGE):
        transport.write(bytes(range(256)) * 8)
    elif faults.strikes(Fault.HALF_REPLY):
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nContent-Length: 5000\r\n\r\n<s:Env")
    elif faults.strikes(Fault.ENDLESS_HEADERS):
        transport.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(20_000):
            if transport.is_closing():
                break
            transport.write(b"X-%d: y\r\n" % number)
            if number % 500 == 0:
                await asyncio.sleep(0.005)
    elif faults.strikes(Fault.DRIPS):
        transport.write(b"HTTP/1.1 200 OK\r\n")
        while not transport.is_closing():
            transport.write(b"X")
            await asyncio.sleep(0.4)
    else:
        return None
    transport.close()
    await asyncio.sleep(0.05)
    return web.Response(status=500)
