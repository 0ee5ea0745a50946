"""One HTTP request to the web interface: the log-in, then the page."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from device_simulator.auth import Answer
from device_simulator.camera_web.forms import Refused
from device_simulator.camera_web.pages import PAGES, Page, refusal
from device_simulator.logins import turn_away
from device_simulator.transport import dropped
from device_simulator.uploads import UploadRefused

if TYPE_CHECKING:
    from device_simulator.camera_web.device import FirmwareCADevice


async def answer(device: "FirmwareCADevice", request: web.BaseRequest) -> web.StreamResponse:
    """What the device says to a request."""
    name = f"{request.method} {request.path}"
    page = PAGES.get((request.method, request.path))
    if page is None:
        known = any(request.path == path for _, path in PAGES)
        return _no(Refused(405 if known else 404, "bad-request", "there is no such page"))
    header = request.headers.get("Authorization")
    told = device.guard.check_digest(header, request.method, request.path_qs) if header is not None else Answer.NONE
    if told is not Answer.ACCEPTED:
        device.journal.turned_away(name)
        return turn_away(device.guard, told)
    if request.method != "GET" and not device.spec.administrator:
        return _no(Refused(403, "not-permitted", "only an administrator may do this"))
    reply = await _carried_out(device, request, page, name)
    if device.faults.by_chance() and device.faults.coin():
        return dropped(request)  # it was done, and nobody is told
    return reply


async def _carried_out(device: "FirmwareCADevice", request: web.BaseRequest, page: Page, name: str) -> web.Response:
    changes = request.method != "GET"
    journal = device.journal
    try:
        with journal.under_way(changes=changes):
            if changes:
                await asyncio.sleep(0.01)  # devices take their time, so that overlapping commands would be seen
            made = await page(device, request)
        journal.note(name, ok=True)
        return made
    except Refused as refused:
        journal.note(name, ok=False)
        return _no(refused)
    except UploadRefused as refused:
        journal.note(name, ok=False)
        return _no(refusal(refused))


def _no(refused: Refused) -> web.Response:
    headers = {"Retry-After": "1"} if refused.status == 503 else None
    return web.json_response({"error": refused.word, "message": str(refused)}, status=refused.status, headers=headers)
