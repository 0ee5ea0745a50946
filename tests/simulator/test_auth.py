"""Log-ins are really checked: Digest by RFC 7616, UsernameToken by its profile, lock-out, access classes."""

import hashlib
import re
import ssl
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from device_simulator import DeviceSpec, Fault, SimulatedDevice, Simulator
from tests.simulator.client import PATHS, TAS, TDS, Client, Reply, envelope, token

INFORMATION = envelope(TDS, "GetDeviceInformation")
PATH = PATHS[TDS]


def challenges(reply: Reply) -> dict[str, dict[str, str]]:
    """Parameters by algorithm."""
    found = {}
    for header in reply.headers.getall("WWW-Authenticate"):
        assert header.startswith("Digest ")
        given = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}
        found[given["algorithm"]] = given
    return found


def answer(challenge: dict[str, str], *, nc: int = 1, password: str = "secret", uri: str = PATH, **other: str) -> str:
    """An Authorization header by RFC 7616, section 3.4."""
    hasher = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[challenge["algorithm"]]

    def h(text: str) -> str:
        return hasher(text.encode()).hexdigest()

    ha1 = h(f"admin:{challenge['realm']}:{password}")
    response = h(f"{ha1}:{challenge['nonce']}:{nc:08x}:c0ffee:auth:{h(f'POST:{uri}')}")
    given = {
        "username": "admin",
        "realm": challenge["realm"],
        "nonce": challenge["nonce"],
        "uri": uri,
        "response": response,
        "cnonce": "c0ffee",
        **other,
    }
    quoted = ", ".join(f'{name}="{text}"' for name, text in given.items())
    return f"Digest {quoted}, algorithm={challenge['algorithm']}, qop=auth, nc={nc:08x}"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_digest_is_answered_in_each_algorithm(camera: SimulatedDevice, algorithm: str) -> None:
    client = Client(camera.address)
    asked = await client.post(PATH, INFORMATION)
    assert asked.status == 401
    challenge = challenges(asked)[algorithm]
    assert (await client.post(PATH, INFORMATION, Authorization=answer(challenge))).status == 200
    assert (await client.post(PATH, INFORMATION, Authorization=answer(challenge, nc=2))).status == 200
    assert (camera.guard.accepted, camera.guard.refused) == (2, 0)


async def test_a_replayed_or_forgotten_nonce_is_stale_and_not_a_refusal(camera: SimulatedDevice) -> None:
    client = Client(camera.address)
    challenge = challenges(await client.post(PATH, INFORMATION))["SHA-256"]
    good = answer(challenge)
    assert (await client.post(PATH, INFORMATION, Authorization=good)).status == 200
    replayed = await client.post(PATH, INFORMATION, Authorization=good)
    assert replayed.status == 401
    fresh = challenges(replayed)["SHA-256"]
    assert fresh["stale"] == "true"
    camera.guard.nonce_lasts = 0.0
    assert (await client.post(PATH, INFORMATION, Authorization=answer(fresh))).status == 401
    assert camera.guard.refused == 0


@pytest.mark.parametrize(
    "wrong",
    [{"password": "guess"}, {"uri": "/elsewhere"}, {"realm": "another"}, {"username": "root"}, {"cnonce": ""}],
    ids=lambda wrong: str(next(iter(wrong))),
)
async def test_a_wrong_answer_is_refused(camera: SimulatedDevice, wrong: dict[str, str]) -> None:
    client = Client(camera.address)
    challenge = challenges(await client.post(PATH, INFORMATION))["MD5"]
    refused = await client.post(PATH, INFORMATION, Authorization=answer(challenge, **wrong))
    assert refused.status == 401
    assert "stale" not in challenges(refused)["MD5"]
    assert camera.guard.refused == 1


async def test_a_nonce_is_good_for_its_own_algorithm_only(simulator: Simulator, address: str) -> None:
    await simulator.add(DeviceSpec(name="cam", address=address, digest_algorithms=("MD5",)))
    client = Client(address)
    challenge = challenges(await client.post(PATH, INFORMATION))["MD5"]
    other = answer({**challenge, "algorithm": "SHA-256"})
    assert (await client.post(PATH, INFORMATION, Authorization=other)).status == 401
    assert (await client.post(PATH, INFORMATION, Authorization="Basic YWRtaW46c2VjcmV0")).status == 401


async def test_a_username_token_is_good_once_and_near_the_devices_clock(camera: SimulatedDevice) -> None:
    client = Client(camera.address)
    camera.skew_clock(timedelta(hours=5))
    header = token("admin", "secret", camera.now())
    text = envelope(TDS, "GetDeviceInformation", header=header)
    assert (await client.post(PATH, text)).status == 200
    replayed = await client.post(PATH, text)
    assert (replayed.status, replayed.codes) == (400, ["Sender", "NotAuthorized"])
    late = await client.call(TDS, "GetDeviceInformation", login="token", created=datetime.now(UTC))  # noqa: TID251
    assert late.codes == ["Sender", "NotAuthorized"]
    assert (camera.guard.accepted, camera.guard.refused) == (1, 2)


async def test_a_narrow_window_refuses_half_a_minute(camera: SimulatedDevice) -> None:
    client = Client(camera.address)
    late = camera.now() - timedelta(seconds=30)
    assert (await client.call(TDS, "GetDeviceInformation", login="token", created=late)).status == 200
    camera.faults.set(Fault.WSSE_WINDOW)
    assert (await client.call(TDS, "GetDeviceInformation", login="token", created=late)).status == 400
    assert (await client.call(TDS, "GetDeviceInformation", login="token", created=camera.now())).status == 200


async def test_three_refusals_lock_the_account_even_for_the_right_password(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.LOCKOUT)
    for _ in range(3):
        await Client(camera.address, password="guess").call(TDS, "GetDeviceInformation")
    assert camera.guard.locked
    refused = camera.guard.refused
    assert (await Client(camera.address).call(TDS, "GetDeviceInformation")).status == 403
    assert camera.guard.refused == refused
    camera.faults.clear(Fault.LOCKOUT)
    assert (await Client(camera.address).call(TDS, "GetDeviceInformation")).status == 200


async def test_what_needs_no_login_and_what_needs_an_administrator(simulator: Simulator, address: str) -> None:
    camera = await simulator.add(DeviceSpec(name="cam", address=address, administrator=False))
    client = Client(address)
    for operation in ("GetSystemDateAndTime", "GetServices", "GetServiceCapabilities", "GetEndpointReference"):
        assert (await client.call(TDS, operation, login="none")).status == 200
    for operation in ("GetDeviceInformation", "GetNTP", "GetNetworkInterfaces"):
        assert (await client.call(TDS, operation, login="none")).status == 401
        assert (await client.call(TDS, operation)).status == 200
    for namespace, operation in ((TAS, "GetAllKeys"), (TAS, "DeleteKey"), (TDS, "SystemReboot")):
        assert (await client.call(namespace, operation)).codes == ["Sender", "NotAuthorized"]
    assert camera.counters.reboots == 0
    camera.faults.set(Fault.CLOCK_READ_NEEDS_AUTH)
    assert (await client.call(TDS, "GetSystemDateAndTime", login="none")).status == 401
    assert (await client.call(TDS, "GetSystemDateAndTime")).status == 200


async def test_a_changed_password_counts_at_once(camera: SimulatedDevice) -> None:
    camera.change_password("another")
    assert (await Client(camera.address).call(TDS, "GetDeviceInformation")).status == 401
    assert (await Client(camera.address, password="another").call(TDS, "GetDeviceInformation")).status == 200
    await camera.factory_reset()
    assert (await Client(camera.address).call(TDS, "GetDeviceInformation")).status == 200


async def test_the_same_services_answer_over_tls(camera: SimulatedDevice) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    digest = aiohttp.DigestAuthMiddleware("admin", "secret")
    async with aiohttp.ClientSession(middlewares=(digest,)) as session:
        url = f"https://{camera.address}:8443{PATH}"
        async with session.post(url, data=INFORMATION, ssl=context) as reply:
            assert reply.status == 200
            assert camera.serial_number in await reply.text()
