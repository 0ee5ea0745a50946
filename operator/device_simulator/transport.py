"""Troubles below any protocol: what comes instead of an answer."""

import asyncio

from aiohttp import web

from device_simulator.faults import Fault, FaultBox


async def transport_fault(faults: FaultBox, request: web.BaseRequest) -> web.StreamResponse | None:
    """The answer that there is instead of the device's own; None: no trouble this time."""
    if faults.strikes(Fault.ANSWERS_HTML):
        return web.Response(text="<html><body>Please log in</body></html>", content_type="text/html")
    if faults.strikes(Fault.REDIRECTS):
        return web.Response(status=302, headers={"Location": "http://127.0.0.9/elsewhere"})
    if faults.strikes(Fault.HUGE_REPLY):
        return web.Response(body=b"<" + b"a" * 10_000_000, content_type="application/soap+xml")
    raw = await _raw_fault(faults, request)
    if raw is not None:
        return raw
    if faults.by_chance():
        if faults.coin():
            return dropped(request)
        return web.Response(status=503, text="busy", headers={"Retry-After": "1"})
    return None


def dropped(request: web.BaseRequest) -> web.Response:
    """The connection is gone before an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _raw_fault(faults: FaultBox, request: web.BaseRequest) -> web.StreamResponse | None:
    """Answers that no HTTP server would give: written past the server."""
    transport = request.transport
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
