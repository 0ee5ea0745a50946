"""A camera with a CA in its firmware: what it serves after each thing that can happen to it, as openssl sees it."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from device_simulator import DeviceSpec, Kind, SimulatedDevice, Simulator
from device_simulator.camera_web.device import FirmwareCADevice
from device_simulator.tls import DER, PEM, KeyAndChain
from tests.simulator.helpers import back, gone, leaf_at, served, sign_for, signed_pair, until
from tests.simulator.web import Web, form, key_pem, openssl_says


@pytest.fixture
async def camera(simulator: Simulator, address: str) -> SimulatedDevice:
    return await simulator.add(
        DeviceSpec(name="cam", kind=Kind.FIRMWARE_CA, address=address, reboot_for=0.1, web_restart_for=0.1)
    )


async def exported(camera: SimulatedDevice, folder: Path) -> Path:
    """cacert.crt as people get it, as PEM for openssl."""
    got = await Web(camera.address).ask("GET", "cacert.crt")
    assert (got.status, got.headers["Content-Type"]) == (200, "application/x-x509-ca-cert")
    file = folder / "ca.pem"
    file.write_bytes(x509.load_der_x509_certificate(got.body).public_bytes(PEM))
    return file


async def says(camera: SimulatedDevice, ca: Path) -> str:
    return await asyncio.to_thread(openssl_says, camera.address, ca)


# --------------------------------------------------------------------------------- its own certificate


async def test_who_trusts_the_exported_ca_trusts_the_camera_at_its_address(
    camera: SimulatedDevice, tmp_path: Path
) -> None:
    assert await says(camera, await exported(camera, tmp_path)) == "ok"
    leaf = await asyncio.to_thread(leaf_at, camera.address)
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(san) == [x509.IPAddress(ip_address(camera.address))]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=366)


async def test_a_moved_camera_shows_the_old_address_until_it_is_rebooted(
    camera: SimulatedDevice, tmp_path: Path, new_address: Callable[[], str]
) -> None:
    ca, before = await exported(camera, tmp_path), await served(camera)
    await camera.move(new_address())
    assert await served(camera) == before
    assert await says(camera, ca) == "IP address mismatch"
    await camera.reboot()
    assert await says(camera, ca) == "ok"


async def test_every_boot_makes_a_new_key(camera: SimulatedDevice) -> None:
    keys = set()
    for boot in (camera.reboot, camera.power_cycle, camera.reboot):
        assert camera.shown is not None
        keys.add(camera.shown.public_key_sha256)
        await boot()
    assert camera.shown is not None
    assert len(keys | {camera.shown.public_key_sha256}) == 4


@pytest.mark.parametrize(
    ("off_by", "told"), [(timedelta(days=-500), "certificate has expired"), (timedelta(days=30), "not yet valid")]
)
async def test_a_wrong_clock_at_boot_makes_wrong_dates_until_the_next_boot(
    camera: SimulatedDevice, tmp_path: Path, off_by: timedelta, told: str
) -> None:
    ca = await exported(camera, tmp_path)
    camera.skew_clock(off_by)
    assert await says(camera, ca) == "ok"
    await camera.reboot()
    assert told in await says(camera, ca)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251
    assert (await Web(camera.address).ask("PUT", "clock", {"utc": now})).status == 200
    assert told in await says(camera, ca)
    await camera.reboot()
    assert await says(camera, ca) == "ok"


async def test_cameras_of_one_firmware_share_their_ca_and_a_reset_can_make_another(
    camera: SimulatedDevice, simulator: Simulator, tmp_path: Path, new_address: Callable[[], str]
) -> None:
    same, other = [
        await simulator.add(DeviceSpec(name=name, kind=Kind.FIRMWARE_CA, address=new_address(), firmware_ca=ca))
        for name, ca in (("same", DeviceSpec.firmware_ca), ("other", "Another CA"))
    ]
    ca = await exported(camera, tmp_path)
    assert [await says(one, ca) == "ok" for one in (camera, same, other)] == [True, True, False]
    assert camera.serial_number != same.serial_number
    await camera.factory_reset()
    assert await says(camera, ca) == "ok"
    await camera.factory_reset(new_firmware_ca=True)
    assert [await says(one, ca) == "ok" for one in (camera, same)] == [False, True]
    assert await says(camera, await exported(camera, tmp_path)) == "ok"


async def test_an_onvif_camera_has_no_ca_to_make_anew(simulator: Simulator, address: str) -> None:
    onvif = await simulator.add(DeviceSpec(name="onvif", address=address))
    before = onvif.served_fingerprint
    with pytest.raises(ValueError, match="no CA"):
        await onvif.factory_reset(new_firmware_ca=True)
    assert onvif.served_fingerprint == before


# ---------------------------------------------------------------------------------------- web interface


async def test_every_page_wants_a_login_and_changes_want_an_administrator(
    camera: SimulatedDevice, simulator: Simulator, new_address: Callable[[], str]
) -> None:
    for page in ("system", "clock", "https", "network", "certificate", "cacert.crt"):
        assert (await Web(camera.address).ask("GET", page, login=False)).status == 401
        assert (await Web(camera.address).ask("GET", page)).status == 200
    assert (await Web(camera.address, password="wrong").ask("GET", "system")).status == 401
    assert camera.guard.refused == 1
    small = await simulator.add(
        DeviceSpec(name="small", kind=Kind.FIRMWARE_CA, address=new_address(), administrator=False)
    )
    assert (await Web(small.address).ask("GET", "certificate")).status == 200
    for method, page in (("PUT", "clock"), ("POST", "reboot"), ("DELETE", "certificate")):
        refused = await Web(small.address).ask(method, page, {})
        assert (refused.status, refused.word) == (403, "not-permitted")


async def test_the_interface_is_the_same_over_https(camera: SimulatedDevice) -> None:
    told = [(await Web(camera.address, port=port).ask("GET", "system")).told for port in (8080, None)]
    assert told[0] == told[1]
    assert told[0]["serialNumber"] == camera.serial_number
    assert told[0]["addresses"] == [camera.address]


async def test_what_a_put_leaves_out_stays(camera: SimulatedDevice) -> None:
    web = Web(camera.address)
    before = (await web.ask("GET", "clock")).told
    assert (before["mode"], before["daylightSaving"]) == ("manual", False)
    assert (await web.ask("PUT", "clock", {"mode": "ntp"})).word == "no-ntp-servers"
    assert (await web.ask("PUT", "clock", {"mode": "ntp", "ntpServers": ["127.0.0.1"]})).status == 200
    assert (await web.ask("PUT", "clock", {"utc": "2020-01-01T00:00:00Z"})).word == "on-ntp"
    after = (await web.ask("GET", "clock")).told
    assert after == before | {"mode": "ntp", "ntpServers": ["127.0.0.1"], "utc": after["utc"]}


@pytest.mark.parametrize(
    ("method", "page", "body"),
    [
        ("PUT", "clock", {"utc": "yesterday"}),
        ("PUT", "clock", {"mode": "gps"}),
        ("PUT", "clock", {"colour": "red"}),
        ("PUT", "clock", ["utc"]),
        ("PUT", "https", {"enabled": "yes"}),
        ("PUT", "network", {"prefixLength": True}),
        ("PUT", "network", {"address": "10.1.2.3"}),
        ("PUT", "network", {"prefixLength": 77}),
        ("POST", "certificate", {"certificate": "?"}),
        ("POST", "certificate/request", {"subject": {"CN": "x" * 100}}),
        ("POST", "certificate/request", {"subject": {"X": "y"}}),
        ("POST", "certificate/request", {"ipAddresses": ["gate"]}),
        ("POST", "certificate/request", {"name": "x" * 65}),
        ("POST", "nowhere", {}),
        ("POST", "clock", {}),
    ],
)
async def test_what_cannot_be_read_is_refused_and_changes_nothing(
    camera: SimulatedDevice, method: str, page: str, body: object
) -> None:
    before = await served(camera)
    refused = await Web(camera.address).ask(method, page, body)
    assert refused.status in {400, 404, 405}
    assert refused.word == "bad-request"
    assert await served(camera) == before


async def test_https_is_switched_off_and_on(camera: SimulatedDevice) -> None:
    web = Web(camera.address)
    assert (await web.ask("GET", "https")).told == {"enabled": True, "port": 8443}
    await web.ask("PUT", "https", {"enabled": False})
    await gone(camera.address)
    assert (await web.ask("GET", "https")).told["enabled"] is False
    await web.ask("PUT", "https", {"enabled": True})
    await back(camera.address)
    await served(camera)


async def test_a_new_address_is_taken_after_a_short_gap(
    camera: SimulatedDevice, new_address: Callable[[], str], tmp_path: Path
) -> None:
    ca, old, new = await exported(camera, tmp_path), camera.address, new_address()
    told = await Web(old).ask("PUT", "network", {"address": new, "prefixLength": 16, "gateway": "127.0.0.1"})
    assert told.told == {"rebootNeeded": False}
    await until(lambda: camera.listening and camera.address == new)
    assert (await Web(new).ask("GET", "network")).told == {
        "address": new,
        "prefixLength": 16,
        "gateway": "127.0.0.1",
    }
    assert await says(camera, ca) == "IP address mismatch"


async def test_reboot_and_factory_restore_are_answered_before(camera: SimulatedDevice) -> None:
    web, own = Web(camera.address), await served(camera)
    assert (await web.ask("POST", "reboot")).status == 200
    await until(lambda: not camera.listening)
    await until(lambda: camera.listening)
    assert await served(camera) != own
    await web.upload(signed_pair())
    camera.change_password("another")
    assert (await Web(camera.address, password="another").ask("POST", "factory-restore")).status == 200
    await until(lambda: camera.guard.password == "secret" and camera.listening)
    assert (await web.state())["inUse"] == "firmware"


# ----------------------------------------------------------------------------------------- certificates


async def test_an_upload_is_served_at_once_and_its_removal_brings_the_own_one_back(camera: SimulatedDevice) -> None:
    web, own = Web(camera.address), await served(camera)
    first, second = signed_pair("first"), signed_pair("second", kind="RSA-2048")
    assert (await web.upload(first, "dc-1")).told["name"] == "dc-1"
    assert await served(camera) == first.fingerprint
    assert (await web.upload(second, "dc-2")).status == 200
    assert await served(camera) == second.fingerprint
    state = await web.state()
    assert (state["inUse"], state["uploaded"]["name"], state["replaces"]) == ("uploaded", "dc-2", "in-place")
    assert len(state["uploaded"]["fingerprints"]) == 2
    assert state["firmware"]["fingerprints"] == [own]
    await camera.reboot()
    assert await served(camera) == second.fingerprint
    assert (await web.ask("DELETE", "certificate")).status == 200
    assert await served(camera) == (await web.state())["firmware"]["fingerprints"][0] != own


async def test_an_upload_that_does_not_fit_is_refused_in_a_word(camera: SimulatedDevice) -> None:
    web, own = Web(camera.address), await served(camera)
    one, other = signed_pair(), signed_pair("other")
    mixed = KeyAndChain(other.key, one.chain)
    turned = KeyAndChain(one.key, one.chain[::-1])
    big = signed_pair(kind="RSA-4096")
    assert [(await web.upload(bad)).word for bad in (mixed, turned, big)] == [
        "key-mismatch",
        "bad-certificate",
        "key-type",
    ]
    form_of = [form(one), form(one), form(one)]
    form_of[0].add_field("colour", "red")
    form_of[1].add_field("key", key_pem(one), filename="again.key")
    form_of[2].add_field("name", "x" * 65)
    assert [(await web.ask("POST", "certificate", bad)).word for bad in form_of] == ["bad-request"] * 3
    assert (await web.upload_signed(one.chain[0].public_bytes(PEM))).word == "no-request"
    assert await served(camera) == own


async def test_a_request_is_made_signed_and_answered_with_a_certificate_alone(camera: SimulatedDevice) -> None:
    web, own = Web(camera.address), await served(camera)
    asked = {
        "name": "dc-1",
        "keyType": "RSA-2048",
        "subject": {"CN": camera.address, "O": "Works", "C": "JP"},
        "dnsNames": ["gate.example.org"],
        "ipAddresses": [camera.address],
    }
    assert (await web.ask("GET", "certificate/certreq.pem")).word == "no-request"
    assert (await web.ask("POST", "certificate/request", asked)).status == 202
    csr = x509.load_pem_x509_csr(await web.request_file())
    assert csr.is_signature_valid
    assert isinstance(csr.public_key(), rsa.RSAPublicKey)
    san = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert san.get_values_for_type(x509.DNSName) == ["gate.example.org"]
    assert str(san.get_values_for_type(x509.IPAddress)[0]) == camera.address
    assert csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Works"
    assert (await web.state())["request"] == {"name": "dc-1", "keyType": "RSA-2048", "ready": True}
    assert await served(camera) == own
    other = sign_for(signed_pair().key.public_key())
    assert (await web.upload_signed(other.public_bytes(PEM))).word == "key-mismatch"
    first, renewed = (sign_for(csr.public_key(), name=name) for name in ("first", "renewed"))
    for signed in (first, renewed):
        assert (await web.upload_signed(signed.public_bytes(PEM))).told["name"] == "dc-1"
        shown = await asyncio.to_thread(leaf_at, camera.address)
        assert shown.public_bytes(DER) == signed.public_bytes(DER)


async def test_the_key_of_a_request_is_lost_with_a_factory_restore(camera: SimulatedDevice) -> None:
    web = Web(camera.address)
    await web.ask("POST", "certificate/request", {"subject": {"CN": "gate"}})
    csr = x509.load_pem_x509_csr(await web.request_file())
    await camera.reboot()
    assert await web.request_file() == csr.public_bytes(PEM)
    await camera.factory_reset()
    assert (await web.upload_signed(sign_for(csr.public_key()).public_bytes(PEM))).word == "no-request"


async def test_a_strangers_certificate_takes_the_slot(camera: SimulatedDevice) -> None:
    assert isinstance(camera, FirmwareCADevice)
    own = await served(camera)
    await camera.replace_certificate()
    assert await served(camera) != own
    assert (await Web(camera.address).state())["uploaded"]["name"] == "stranger"
