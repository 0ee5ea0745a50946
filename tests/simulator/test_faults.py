"""Each failure mode has exactly the effect that its name promises, as often as it was told."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from device_simulator import DeviceSpec, Fault, SimulatedDevice, Simulator
from device_simulator.faults import OF_ANY_DAY
from device_simulator.tls import self_signed
from tests.simulator.client import PATHS, TAS, TDS, Client, Reply, envelope
from tests.simulator.helpers import handshake, served, until

BASELINE = PrivateFormat.PKCS12.encryption_builder()


def pfx(camera: SimulatedDevice) -> tuple[str, str]:
    """Base64 of a new key pair in AES-256-CBC (what `cryptography` writes), and its fingerprint."""
    identity = self_signed("gate", camera.now())
    algorithm = BASELINE.kdf_rounds(1000).key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).build(b"word")
    data = pkcs12.serialize_key_and_certificates(b"gate", identity.key, identity.chain[0], None, algorithm)
    return base64.b64encode(data).decode(), identity.fingerprint


@pytest.fixture
async def camera(simulator: Simulator, address: str) -> SimulatedDevice:
    """A camera that reads what `cryptography` writes."""
    spec = DeviceSpec(
        name="cam", address=address, reboot_for=0.2, web_restart_for=0.1, encryptions=("PBES2-AES256-CBC",)
    )
    return await simulator.add(spec)


async def upload(camera: SimulatedDevice) -> tuple[Reply, str]:
    data, fingerprint = pfx(camera)
    inner = f"<p:CertWithPrivateKey>{data}</p:CertWithPrivateKey><p:Passphrase>word</p:Passphrase>"
    return await Client(camera.address).call(TAS, "UploadCertificateWithPrivateKeyInPKCS12", inner), fingerprint


async def assign(camera: SimulatedDevice, path: str) -> Reply:
    old = f"<p:OldCertificationPathID>{camera.keystore.assigned}</p:OldCertificationPathID>"
    new = f"<p:NewCertificationPathID>{path}</p:NewCertificationPathID>"
    return await Client(camera.address).call(TAS, "ReplaceServerCertificateAssignment", old + new)


async def install(camera: SimulatedDevice) -> tuple[str, str]:
    """(path, fingerprint) of a key pair uploaded and assigned."""
    reply, fingerprint = await upload(camera)
    path = reply.text("CertificationPathID")
    assert (await assign(camera, path)).status == 200
    return path, fingerprint


# ------------------------------------------------------------------------------------ certificates


async def test_a_kind_camera_serves_what_is_assigned_at_once(camera: SimulatedDevice) -> None:
    _, fingerprint = await install(camera)
    assert await served(camera) == fingerprint


async def test_import_ignored(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.IMPORT_IGNORED, 1)
    before = set(camera.keystore.paths), set(camera.keystore.keys)
    reply, _ = await upload(camera)
    assert reply.status == 200
    assert (set(camera.keystore.paths), set(camera.keystore.keys)) == before
    assert (await assign(camera, reply.text("CertificationPathID"))).codes[-1] == "CertificationPathID"
    _, fingerprint = await install(camera)
    assert await served(camera) == fingerprint


async def test_stored_not_served(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.STORED_NOT_SERVED, 1)
    factory = await served(camera)
    path, _ = await install(camera)
    told = await Client(camera.address).call(TAS, "GetAssignedServerCertificates")
    assert told.text("CertificationPathID") == path
    assert await served(camera) == factory


async def test_quotes_request(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.QUOTES_REQUEST, 1)
    client = Client(camera.address)
    refused = await client.call(TAS, "UploadPassphrase", "<p:Passphrase>open sesame</p:Passphrase>")
    assert refused.status == 500
    assert "open sesame" in refused.text("Text") and "response=" in refused.text("Text")
    assert (await client.call(TDS, "GetDeviceInformation")).status == 200


async def test_clock_set_refused(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.CLOCK_SET_REFUSED, 1)
    inner = "<p:DateTimeType>Manual</p:DateTimeType><p:DaylightSavings>false</p:DaylightSavings>"
    client = Client(camera.address)
    assert (await client.call(TDS, "SetSystemDateAndTime", inner)).status == 400
    assert (await client.call(TDS, "SetSystemDateAndTime", inner)).status == 200


async def test_needs_reboot(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.NEEDS_REBOOT)
    factory = await served(camera)
    _, fingerprint = await install(camera)
    assert await served(camera) == factory
    await camera.reboot()
    assert await served(camera) == fingerprint


async def test_cannot_serve_until_the_old_path_is_back_and_open_connections_live(camera: SimulatedDevice) -> None:
    _, first = await install(camera)
    good = camera.keystore.assigned
    assert good is not None
    camera.faults.set(Fault.CANNOT_SERVE)
    assert await served(camera) == first
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(camera.address, 8443, ssl=context)
    await install(camera)
    assert camera.served_fingerprint is None
    with pytest.raises(OSError, match=r"EOF|ALERT|reset"):
        await asyncio.to_thread(handshake, camera.address)
    body = envelope(TDS, "GetSystemDateAndTime").encode()
    head = f"POST {PATHS[TDS]} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    assert (await assign(camera, good)).status == 200
    assert await served(camera) == first


async def test_store_full(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.STORE_FULL, 1)
    reply, _ = await upload(camera)
    assert reply.codes == ["Receiver", "Action", "MaximumNumberOfKeysReached"]
    await install(camera)


async def test_web_daemon_restarts_after_an_assignment(camera: SimulatedDevice) -> None:
    _, _ = await install(camera)
    reply, fingerprint = await upload(camera)
    camera.faults.set(Fault.WEB_DAEMON_RESTARTS, 1)
    await assign(camera, reply.text("CertificationPathID"))
    await until(lambda: not camera.listening)
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection(camera.address, 8443)
    await until(lambda: camera.listening)
    assert await served(camera) == fingerprint
    assert camera.counters.reboots == 0


async def test_slow_key_generation(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.SLOW_KEY_GENERATION, 1)
    client = Client(camera.address)
    made = await client.call(TAS, "CreateECCKeyPair", "<p:EllipticCurve>secp256r1</p:EllipticCurve>")
    assert made.text("EstimatedCreationTime") == "PT1.0S"
    key = f"<p:KeyID>{made.text('KeyID')}</p:KeyID>"
    assert (await client.call(TAS, "GetKeyStatus", key)).text("KeyStatus") == "generating"
    early = await client.call(TAS, "CreatePKCS10CSR", f"<p:Subject/>{key}")
    assert early.codes[-1] == "InvalidKeyStatus"
    camera.keystore.keys[made.text("KeyID")].ready_at = 0.0
    await until(lambda: camera.keystore.keys[made.text("KeyID")].private is not None)
    assert (await client.call(TAS, "GetKeyStatus", key)).text("KeyStatus") == "ok"


# -------------------------------------------------------------------------------- restart and clock


async def test_reboot_not_done(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.REBOOT_NOT_DONE, 1)
    client = Client(camera.address)
    assert (await client.call(TDS, "SystemReboot")).status == 200
    assert (await client.call(TDS, "SystemReboot")).status == 200
    await until(lambda: camera.counters.reboots == 1)
    await until(lambda: camera.listening)
    assert camera.counters.requests["SystemReboot"] == 2


async def test_clock_resets_on_reboot(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.CLOCK_RESETS_ON_REBOOT)
    await camera.reboot()
    told = await Client(camera.address).call(TDS, "GetSystemDateAndTime", login="none")
    assert told.text("Year") == "2000"


@pytest.mark.parametrize(
    ("zone", "summer", "hours"),
    [("JST-9", False, 9), ("CET-1CEST,M3.5.0,M10.5.0/3", True, 2), ("<-03>3", False, -3), ("IST-5:30", False, 5.5)],
)
async def test_local_time_told_as_utc(camera: SimulatedDevice, zone: str, summer: bool, hours: float) -> None:
    camera.time_zone, camera.daylight_saving = zone, summer
    client = Client(camera.address)
    right = await told_time(client)
    camera.faults.set(Fault.UTC_IS_LOCAL_TIME)
    assert abs(await told_time(client) - right - timedelta(hours=hours)) < timedelta(seconds=5)
    camera.set_clock(right)
    assert abs(await told_time(client) - right - timedelta(hours=hours)) < timedelta(seconds=5), (
        "setting changes nothing"
    )
    assert abs(camera.now() - right) < timedelta(seconds=5)


async def told_time(client: Client) -> datetime:
    """What is told as UTC."""
    told = await client.call(TDS, "GetSystemDateAndTime", login="none")
    year, month, day, hour, minute, second = (
        int(told.text(name)) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")
    )
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


async def test_utc_missing_and_wrong_xaddr(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.UTC_MISSING)
    camera.faults.set(Fault.WRONG_XADDR)
    client = Client(camera.address)
    assert (await client.call(TDS, "GetSystemDateAndTime", login="none")).texts("UTCDateTime") == []
    for told in (await client.call(TDS, "GetServices", login="none"), await client.call(TDS, "GetCapabilities")):
        assert all("192.0.2.1" in one for one in told.texts("XAddr"))


async def test_whatever_happens_together_it_listens_once_in_the_end(
    camera: SimulatedDevice, new_address: Callable[[], str]
) -> None:
    old, new = camera.address, new_address()
    await asyncio.gather(camera.reboot(), camera.restart_listeners(0.1), camera.move(new), camera.reboot())
    assert camera.listening
    assert camera.counters.reboots == 2
    assert (await Client(new).call(TDS, "GetDeviceInformation")).status == 200
    with pytest.raises(aiohttp.ClientError):
        await Client(old).call(TDS, "GetDeviceInformation")


async def test_a_device_that_is_off_stays_off_until_it_is_put_on(camera: SimulatedDevice) -> None:
    rebooting = asyncio.create_task(camera.reboot())
    await asyncio.sleep(0)
    await camera.power_off()
    await rebooting
    assert not camera.listening
    await camera.power_on()
    await camera.power_on()
    assert camera.listening


async def test_somebody_can_replace_the_certificate_as_often_as_he_likes(camera: SimulatedDevice) -> None:
    seen = set()
    for _ in range(6):
        await camera.replace_certificate()
        seen.add(await served(camera))
    assert len(seen) == 6
    assert len(camera.keystore.keys) == len(camera.keystore.certificates) == len(camera.keystore.paths) == 1


async def test_a_factory_reset_forgets_everything(camera: SimulatedDevice) -> None:
    _, fingerprint = await install(camera)
    camera.change_password("another")
    await camera.factory_reset()
    assert await served(camera) != fingerprint
    assert len(camera.keystore.paths) == 1
    assert (await Client(camera.address).call(TDS, "GetDeviceInformation")).status == 200


# --------------------------------------------------------------------------------------- transport


async def raw(camera: SimulatedDevice, most: int = 20_000_000) -> bytes:
    """What a socket gets for a request, until the device ends it or it is enough."""
    reader, writer = await asyncio.open_connection(camera.address, 8080)
    body = envelope(TDS, "GetSystemDateAndTime").encode()
    head = f"POST {PATHS[TDS]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while len(data) < most and (more := await reader.read(1 << 20)):
            data += more
    writer.close()
    return data


@pytest.mark.parametrize(
    ("fault", "is_shown"),
    [
        (Fault.ANSWERS_GARBAGE, lambda data: data[:4] == bytes(range(4))),
        (Fault.ANSWERS_HTML, lambda data: b"text/html" in data and b"<html>" in data),
        (Fault.HALF_REPLY, lambda data: b"Content-Length: 5000" in data and data.endswith(b"<s:Env")),
        (Fault.HUGE_REPLY, lambda data: len(data) > 10_000_000),
        (Fault.REDIRECTS, lambda data: data.startswith(b"HTTP/1.1 302") and b"Location: http://" in data),
        (Fault.ENDLESS_HEADERS, lambda data: data.count(b"\r\n") > 10_000 and b"\r\n\r\n" not in data),
    ],
    ids=lambda one: str(one) if isinstance(one, Fault) else "",
)
async def test_transport_faults(camera: SimulatedDevice, fault: Fault, is_shown: Callable[[bytes], bool]) -> None:
    camera.faults.set(fault, 1)
    assert is_shown(await raw(camera))
    assert (await raw(camera)).startswith(b"HTTP/1.1 200")


async def test_drips(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.DRIPS, 1)
    data = await raw(camera, most=len(b"HTTP/1.1 200 OK\r\nXX"))
    assert data == b"HTTP/1.1 200 OK\r\nXX"
    assert (await raw(camera)).startswith(b"HTTP/1.1 200")


async def test_tls_1_0_only_is_switched_while_it_runs(camera: SimulatedDevice) -> None:
    factory = await served(camera)
    camera.faults.set(Fault.TLS_1_0_ONLY)
    with pytest.raises(OSError, match=r"EOF|PROTOCOL|reset"):
        await asyncio.to_thread(handshake, camera.address)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        assert await asyncio.to_thread(handshake, camera.address, ssl.TLSVersion.TLSv1) == factory
    camera.faults.clear(Fault.TLS_1_0_ONLY)
    assert await served(camera) == factory


async def test_hostility_is_seeded(new_address: Callable[[], str]) -> None:
    async def troubles(seed: int) -> list[str]:
        async with Simulator(seed=seed, hostility=0.3) as simulator:
            camera = await simulator.add(DeviceSpec(name="cam", address=new_address()))
            return [await outcome(Client(camera.address).call(TDS, "GetServices", login="none")) for _ in range(30)]

    async def outcome(asked: Awaitable[Reply]) -> str:
        try:
            return str((await asked).status)
        except aiohttp.ClientError:
            return "dropped"

    first, again, other = await troubles(1), await troubles(1), await troubles(2)
    assert first == again != other
    assert {"200", "503", "dropped"} == set(first)


async def test_what_happens_to_any_device_is_on_by_default_at_a_low_rate(new_address: Callable[[], str]) -> None:
    async with Simulator() as simulator:
        camera = await simulator.add(DeviceSpec(name="cam", address=new_address()))
        assert camera.faults.hostility == 0.02
        for fault in OF_ANY_DAY:
            happened = sum(camera.faults.strikes(fault) for _ in range(5000))
            assert 50 < happened < 200, fault
        assert not any(camera.faults.strikes(fault) for fault in set(Fault) - OF_ANY_DAY), "the others are switched on"


async def test_overlapping_changes_are_counted(camera: SimulatedDevice) -> None:
    client, skew = Client(camera.address), "<p:Passphrase>word</p:Passphrase>"
    await asyncio.gather(*(client.call(TAS, "UploadPassphrase", skew) for _ in range(2)))
    assert camera.counters.overlapping_changes == 1
    camera.skew_clock(timedelta(days=1))
    await asyncio.gather(*(client.call(TDS, "GetDeviceInformation") for _ in range(3)))
    assert camera.counters.overlapping_changes == 1
