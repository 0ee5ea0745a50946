"""What must stay secret is told nowhere: not in logs, Events, statuses or metrics, whatever goes wrong."""

import base64
import json
import re
from collections.abc import Callable

import pytest
from aiohttp import web

from device_simulator.faults import Fault
from device_simulator.onvif import server
from device_simulator.onvif.soap import Request
from tests.support.operators import Operator
from tests.support.world import World

RIGHT, WRONG = "correct-horse-battery", "wrong-donkey-staple"
AT_LEAST = 16  # characters; what is shorter is no secret, and may be anywhere


def overheard(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """By kind what the devices are sent from now on: answers to challenges, PKCS#12 files and their pass-phrases."""
    heard: dict[str, set[str]] = {"log-in": set(), "UploadPassphrase": set(), "PKCS#12": set()}
    real: Callable[..., web.Response | None] = server._refusal

    def refusal(device: object, request: web.BaseRequest, asked: Request) -> web.Response | None:
        login = request.headers.get("Authorization", "")
        heard["log-in"] |= set(re.findall(r'(?:response|cnonce)="([^"]+)"', login))
        texts = {str(one) for one in asked.body.itertext() if len(one) >= AT_LEAST and not one.startswith("dc-")}
        if asked.operation == "UploadPassphrase":
            heard["UploadPassphrase"] |= texts
        if "PKCS12" in asked.operation:
            heard["PKCS#12"] |= texts
        return real(device, request, asked)

    monkeypatch.setattr(server, "_refusal", refusal)
    return heard


async def private_keys(world: World) -> set[str]:
    """Every line of every private key in the namespace's Secrets, and their files in base64."""
    found = json.loads(await world.kubectl("get", "secrets", "-o", "json"))["items"]
    pems = [base64.b64decode(text).decode() for one in found for key, text in one["data"].items() if key == "tls.key"]
    lines = {line for pem in pems for line in pem.splitlines() if not line.startswith("-----")}
    return {line for line in lines if len(line) >= AT_LEAST} | {base64.b64encode(pem.encode()).decode() for pem in pems}


async def everything_told(world: World, operator: Operator) -> dict[str, str]:
    """By place."""
    return {
        "log": operator.log.read_text(),
        "Events": await world.kubectl("get", "events", "-o", "json"),
        "objects": await world.kubectl("get", "dev,dcert,dca,configmaps,leases", "-o", "json", "--show-managed-fields"),
        "metrics": (await operator.get("/metrics"))[1],
    }


async def test_no_secret_is_told_whatever_happens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = overheard(monkeypatch)
    camera = await world.camera("gate", password=RIGHT)
    await world.credentials(password=RIGHT)
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    operator = Operator(world, "a", options=("--log-level", "debug"), DEVICECERT_FULL_CHECK_EVERY="1")
    try:
        await world.ready("gate", within=40)

        served = camera.served_fingerprint
        await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=one")
        await world.holds(lambda: camera.served_fingerprint != served)
        await world.ready("gate")

        await world.credentials(password=WRONG)
        await world.until("dev", "gate", "Stalled", "True", "CredentialsRejected")
        await world.credentials(password=RIGHT)
        await world.ready("gate")

        camera.faults.set(Fault.ANSWERS_GARBAGE)
        await world.until("dev", "gate", "Ready", "False")
        camera.faults.clear(Fault.ANSWERS_GARBAGE)
        await world.ready("gate", within=40)

        served = camera.served_fingerprint
        camera.faults.set(Fault.QUOTES_REQUEST)
        await world.kubectl("annotate", "dcert", "gate", "--overwrite", "devicecert.io/renew=two")
        await world.holds(lambda: '"UploadPassphrase: the device says' in operator.log.read_text())
        told = await everything_told(world, operator)
        camera.faults.clear(Fault.QUOTES_REQUEST)
        await world.holds(lambda: camera.served_fingerprint != served, within=60)
        await world.ready("gate", within=40)

        again = await everything_told(world, operator)
    finally:
        operator.end()
    secrets = {"passwords": {RIGHT, WRONG}, "private keys": await private_keys(world), **heard}
    assert all(secrets.values()), {kind: len(those) for kind, those in secrets.items()}
    leaks = [
        (kind, place, text[max(0, text.find(one) - 80) : text.find(one) + 10])
        for kind, those in secrets.items()
        for one in those
        for place, text in [*told.items(), *again.items()]
        if one in text
    ]
    assert leaks == []
    assert '"level": "debug"' in told["log"]
    assert not re.search(r"Authorization:|BEGIN [A-Z ]*PRIVATE KEY", " ".join([*told.values(), *again.values()]))
