"""The control API: what a person can do to a simulated device, over HTTP on loopback."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from aiohttp import web

from device_simulator.device import SimulatedDevice
from device_simulator.faults import Fault
from device_simulator.fleet import Simulator

Parameters = dict[str, Any]
Action = Callable[[SimulatedDevice, Parameters], Awaitable[None]]


def describe(device: SimulatedDevice) -> dict[str, Any]:
    """One device as the control API shows it."""
    return {
        "name": device.spec.name,
        "kind": str(device.spec.kind),
        "address": device.address,
        "httpPort": device.spec.http_port,
        "httpsPort": device.spec.https_port,
        "serialNumber": device.serial_number,
        "powered": device.powered,
        "clock": device.now().isoformat(timespec="seconds"),
        "served": device.served_fingerprint,
        "faults": device.faults.names,
        "loginsAccepted": device.guard.accepted,
        "loginsRefused": device.guard.refused,
        "overlappingChanges": device.journal.overlaps,
        "reboots": device.journal.reboots,
        "operations": dict(device.journal.operations),
    }


async def _move(device: SimulatedDevice, given: Parameters) -> None:
    await device.move(str(given["address"]))


async def _skew(device: SimulatedDevice, given: Parameters) -> None:
    device.skew_clock(timedelta(seconds=float(given["seconds"])))


async def _password(device: SimulatedDevice, given: Parameters) -> None:
    device.change_password(str(given["password"]))


async def _fault(device: SimulatedDevice, given: Parameters) -> None:
    fault = Fault(given["fault"])
    if given.get("off"):
        device.faults.clear(fault)
    else:
        times = given.get("times")
        device.faults.set(fault, None if times is None else int(times))


async def _power(device: SimulatedDevice, given: Parameters) -> None:
    await (device.power_on() if given["on"] else device.power_off())


async def _reboot(device: SimulatedDevice, given: Parameters) -> None:
    await device.reboot()


async def _power_cycle(device: SimulatedDevice, given: Parameters) -> None:
    await device.power_cycle()


async def _reset(device: SimulatedDevice, given: Parameters) -> None:
    await device.factory_reset(new_firmware_ca=bool(given.get("newFirmwareCA")))


async def _replace(device: SimulatedDevice, given: Parameters) -> None:
    await device.replace_certificate()


ACTIONS: dict[str, Action] = {
    "move": _move,
    "skew": _skew,
    "password": _password,
    "fault": _fault,
    "power": _power,
    "power-cycle": _power_cycle,
    "reboot": _reboot,
    "factory-reset": _reset,
    "replace-certificate": _replace,
}


def application(simulator: Simulator) -> web.Application:
    """GET /devices, POST /devices/NAME/ACTION, GET and POST /strangers."""

    async def listed(_request: web.Request) -> web.Response:
        return web.json_response([describe(device) for device in simulator.devices.values()])

    async def acted(request: web.Request) -> web.Response:
        device = simulator.devices.get(request.match_info["name"])
        action = ACTIONS.get(request.match_info["action"])
        if device is None or action is None:
            return web.json_response({"error": "no such device or action"}, status=404)
        try:
            await action(device, await _parameters(request))
        except (KeyError, ValueError, TypeError, OSError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(describe(device))

    async def stranger(request: web.Request) -> web.Response:
        try:
            given = await _parameters(request)
            port, http_port = int(given["port"]), given.get("httpPort")
            if (to := given.get("to")) is not None:
                await simulator.relay_at(given["address"], port, to=simulator.devices[to], http_port=http_port)
            else:
                await simulator.stranger_at(given["address"], port, http_port=http_port)
        except (KeyError, ValueError, TypeError, OSError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response({})

    async def met(_request: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "address": listener.address,
                    "connections": listener.connections,
                    "bytes": len(listener.received),
                    "logins": listener.logins,
                }
                for listener in simulator.listeners
            ]
        )

    made = web.Application()
    made.router.add_get("/strangers", met)
    made.router.add_get("/devices", listed)
    made.router.add_post("/devices/{name}/{action}", acted)
    made.router.add_post("/strangers", stranger)
    return made


async def _parameters(request: web.Request) -> Parameters:
    text = await request.text()
    found = json.loads(text) if text else {}
    if not isinstance(found, dict):
        raise ValueError("a JSON object is wanted")
    return found
