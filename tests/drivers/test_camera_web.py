"""The camera-web driver through handshakes, pins and Digest against the simulated firmware-CA camera and its faults."""

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from device_cert_operator.core.model import (
    ClockReading,
    ClockSource,
    Credentials,
    KeyType,
    NotServed,
    Served,
    StaticAddress,
)
from device_cert_operator.drivers.base import DeviceConnection, Driver
from device_cert_operator.drivers.camera_web.driver import FIRMWARE, UPLOADED
from device_cert_operator.drivers.registry import driver_for
from device_cert_operator.errors import (
    CredentialsRejected,
    DeviceBusy,
    DeviceError,
    DeviceRefused,
    IdentityMismatch,
    PermissionMissing,
    ProtocolViolation,
    Unsupported,
)
from device_cert_operator.net.http import open_connection
from device_cert_operator.net.tls_probe import probe
from device_cert_operator.pki.csr import read_csr
from device_cert_operator.pki.facts import read_facts
from device_cert_operator.reasons import Reason
from device_simulator import DeviceSpec, Fault, Kind, SimulatedDevice, Simulator
from tests.drivers.bundles import bundle, csr_request, fingerprint, signed_for
from tests.drivers.one_slot_contract import OneSlotContract
from tests.net.certificates import make
from tests.net.test_http import Budget
from tests.simulator.helpers import back, until

FIVE_SECONDS = timedelta(seconds=5)
HTTPS = 8443
_NUMBERS = itertools.count(1)


@dataclass
class CameraBench:
    """A simulated camera. pinned False: over plain HTTP. budget: of the last visit."""

    camera: SimulatedDevice
    budget: Budget = field(default_factory=Budget)
    password: str = "secret"
    pinned: bool = True

    async def probed(self) -> Served | NotServed:
        return await probe(self.camera.address, HTTPS, server_name=None, timeout=FIVE_SECONDS)

    async def served(self) -> str | None:
        found = await self.probed()
        return found.leaf.fingerprint if isinstance(found, Served) else None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[DeviceConnection]:
        found = await self.probed() if self.pinned else None
        self.budget = Budget()
        async with open_connection(
            self.camera.address,
            HTTPS if isinstance(found, Served) else 8080,
            pin_der=found.leaf_der if isinstance(found, Served) else None,
            credentials=Credentials("admin", self.password),
            guard=self.budget,
            timeout=FIVE_SECONDS,
        ) as connection:
            yield connection

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Driver]:
        async with self.connect() as connection:
            yield driver_for("camera-web", connection)


def new_address() -> str:
    return f"127.{96 + os.getpid() % 15}.{os.getpid() // 15 % 250}.{1 + next(_NUMBERS) % 250}"


async def camera_in(simulator: Simulator, **spec: object) -> CameraBench:
    made = {"kind": Kind.FIRMWARE_CA, "reboot_for": 0.1, "web_restart_for": 0.05, **spec}
    address = new_address()
    return CameraBench(await simulator.add(DeviceSpec(name=address, address=address, **made)))  # type: ignore[arg-type]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(hostility=0) as made:
        yield made


@pytest.fixture
async def bench(simulator: Simulator) -> CameraBench:
    return await camera_in(simulator)


class TestOverSockets(OneSlotContract):
    driver_name = "camera-web"
    takes_pkcs12 = False


class TestThatDeletesFirst(TestOverSockets):
    @pytest.fixture
    async def bench(self, simulator: Simulator) -> CameraBench:
        return await camera_in(simulator, faults=(Fault.CLEAR_IMPORT_GAP,))

    @pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
    async def test_a_gap_that_was_broken_off_shows_the_own_certificate_and_is_closed(
        self, bench: CameraBench, done: bool
    ) -> None:
        own, seen = await bench.served(), set()
        for at in itertools.count(1):
            old, new = bundle(at), bundle(at + 100)
            async with self.driver(bench) as driver:
                assert (await driver.observe()).capabilities.clears_first
                await driver.install(old)
            broken = await self.broken_off(bench, "install", new, at, done=done)
            seen.add({own: "own", old.fingerprint: "old", new.fingerprint: "new"}[await bench.served()])
            async with self.driver(bench) as driver:
                await driver.install(new)
            assert await bench.served() == new.fingerprint
            if not broken:
                break
        assert seen == {"own", "old", "new"}


class TestInTheClear(TestOverSockets):
    @pytest.fixture
    async def bench(self, bench: CameraBench) -> CameraBench:
        bench.pinned = False
        return bench


# ------------------------------------------------------------------------------------------ what is there


async def test_who_where_and_what_it_can_do(bench: CameraBench) -> None:
    async with bench.driver() as driver:
        report = await driver.observe()
    camera = bench.camera
    assert report.identity.serial_number == camera.serial_number
    assert report.identity.mac_addresses == (camera.mac_address,)
    assert report.reported_addresses == (camera.address,)
    assert (report.https_enabled, report.https_port) == (True, HTTPS)
    able = report.capabilities
    assert (able.can_export_ca, able.can_set_address, able.can_make_key, able.clears_first) == (True, True, True, False)
    assert able.key_types == able.makes_key_types == {KeyType.RSA_2048, KeyType.RSA_3072, KeyType.ECDSA_P256}


async def test_a_visit_costs_one_login(bench: CameraBench) -> None:
    async with bench.driver() as driver:
        await driver.observe()
        await driver.install(bundle(1))
        await driver.inventory()
    assert (bench.budget.told, bench.camera.guard.refused) == (["before", "accepted"], 0)


async def test_a_wrong_password_costs_one_refusal(bench: CameraBench) -> None:
    bench.password = "wrong"
    async with bench.driver() as driver:
        with pytest.raises(CredentialsRejected):
            await driver.observe()
    assert (bench.budget.told, bench.camera.guard.refused) == (["before", "refused"], 1)


async def test_an_account_without_rights_may_look_and_nothing_else(simulator: Simulator) -> None:
    bench = await camera_in(simulator, administrator=False)
    async with bench.driver() as driver:
        await driver.observe()
        for call in (driver.install(bundle(1)), driver.reboot(), driver.enable_https()):
            with pytest.raises(PermissionMissing):
                await call
    assert bench.camera.counters.reboots == 0


async def test_the_exported_ca_is_the_issuer_of_what_is_served(bench: CameraBench) -> None:
    async with bench.driver() as driver:
        ca = read_facts(await driver.export_ca())
    served = await bench.probed()
    assert isinstance(served, Served)
    assert (ca.is_ca, ca.subject) == (True, served.leaf.issuer)
    assert served.leaf.ip_addresses == (bench.camera.address,)


async def test_a_device_without_this_interface_is_unsupported(simulator: Simulator) -> None:
    bench = await camera_in(simulator, kind=Kind.ONVIF)
    async with bench.driver() as driver:
        with pytest.raises(Unsupported, match="web interface"):
            await driver.observe()


async def test_a_clock_that_is_not_told_is_no_offset(bench: CameraBench) -> None:
    bench.camera.faults.set(Fault.UTC_MISSING)
    async with bench.driver() as driver:
        assert (await driver.observe()).clock.offset is None


async def test_a_manual_clock_that_went_on_ntp_meanwhile_is_left_alone(bench: CameraBench) -> None:
    bench.camera.on_ntp, bench.camera.ntp_servers = True, ("127.0.0.1",)
    seen = ClockReading(ClockSource.MANUAL, timedelta())
    async with bench.driver() as driver:
        with pytest.raises(DeviceRefused) as caught:
            await driver.set_clock(lambda: datetime(2000, 1, 1, tzinfo=UTC), seen)
    assert caught.value.reason is Reason.CLOCK_OFF
    assert bench.camera.on_ntp


# --------------------------------------------------------------------------------------------- the stories


async def test_after_a_move_a_reboot_makes_the_certificate_right(bench: CameraBench) -> None:
    camera, new = bench.camera, new_address()
    await camera.move(new)
    before = await bench.probed()
    assert isinstance(before, Served) and before.leaf.ip_addresses != (new,)
    async with bench.driver() as driver:
        await driver.reboot()
    await away_and_back(camera)
    after = await bench.probed()
    assert isinstance(after, Served)
    assert after.leaf.ip_addresses == (new,)
    assert after.leaf.public_key_sha256 != before.leaf.public_key_sha256


async def away_and_back(camera: SimulatedDevice) -> None:
    await until(lambda: camera.counters.reboots == 1)
    await until(lambda: camera.listening)


async def test_a_session_pinned_to_the_old_certificate_ends_with_a_restart_of_the_web_daemon(
    bench: CameraBench,
) -> None:
    bench.camera.faults.set(Fault.WEB_DAEMON_RESTARTS)
    async with bench.driver() as driver:
        handle = await driver.install(bundle(1))
        await until(lambda: not bench.camera.listening)
        await until(lambda: bench.camera.listening)
        with pytest.raises((IdentityMismatch, DeviceError)):
            await driver.inventory()
    async with bench.driver() as driver:
        assigned = (await driver.inventory()).assigned
    assert assigned is not None and assigned.handle == handle == UPLOADED


@pytest.mark.parametrize("fault", [None, Fault.ADDRESS_CHANGE_NEEDS_REBOOT])
async def test_an_address_is_set_with_and_without_a_restart(bench: CameraBench, fault: Fault | None) -> None:
    camera, old, new = bench.camera, bench.camera.address, new_address()
    if fault:
        camera.faults.set(fault)
    async with bench.driver() as driver:
        waits = await driver.set_address(StaticAddress(new, 16, was=old, gateway="127.0.0.1"))
        assert waits is (fault is not None)
        if waits:
            await driver.reboot()
    await until(lambda: camera.address == new and camera.listening)
    assert (camera.prefix_length, camera.gateway) == (16, "127.0.0.1")
    async with bench.driver() as driver:
        assert await driver.set_address(StaticAddress(new, 24, was=old)) is False
        with pytest.raises(DeviceRefused, match="NAT"):
            await driver.set_address(StaticAddress("127.0.0.7", 24, was="127.0.0.6"))
    assert (camera.address, camera.prefix_length, camera.gateway) == (new, 24, "127.0.0.1")


async def test_https_that_is_off_is_switched_on_over_http(simulator: Simulator) -> None:
    bench = await camera_in(simulator, https_enabled=False)
    assert await bench.served() is None
    async with bench.driver() as driver:
        assert (await driver.observe()).https_enabled is False
        await driver.enable_https()
    await back(bench.camera.address)
    async with replace(bench, pinned=False).driver() as driver:
        assert (await driver.observe()).https_enabled, "HTTP is never switched off"


async def test_a_certificate_that_a_request_destroyed_comes_back_with_https(bench: CameraBench) -> None:
    camera = bench.camera
    async with bench.driver() as driver:
        assert not (await driver.observe()).capabilities.csr_clears_first
    camera.faults.set(Fault.CSR_DESTROYS_CERTIFICATE, 1)
    async with bench.driver() as driver:
        assert (await driver.observe()).capabilities.csr_clears_first
        await driver.create_csr(csr_request(1, KeyType.ECDSA_P256))
        found = await driver.inventory()
        assert (found.assigned, found.keys) == (None, {"dc-0a1b2c3d-r1"})
    await camera.reboot()
    assert await bench.served() is None
    async with bench.driver() as driver:
        assert (await driver.observe()).https_enabled is False
        await driver.enable_https()
    await back(bench.camera.address)
    async with bench.driver() as driver:
        assigned = (await driver.inventory()).assigned
    assert assigned is not None and assigned.handle == FIRMWARE


async def test_a_key_that_a_factory_restore_took_is_told_before_anything_is_deleted(simulator: Simulator) -> None:
    bench = await camera_in(simulator, faults=(Fault.CLEAR_IMPORT_GAP,))
    async with bench.driver() as driver:
        csr = await driver.create_csr(csr_request(1, KeyType.RSA_2048))
    await bench.camera.factory_reset()
    theirs = bundle(9)
    async with bench.driver() as driver:
        await driver.install(theirs)
        with pytest.raises(DeviceRefused) as caught:
            await driver.install(signed_for(csr, 1))
    assert caught.value.reason is Reason.DEVICE_KEY_LOST
    assert await bench.served() == theirs.fingerprint


async def test_one_firmware_ca_on_two_serial_numbers(simulator: Simulator) -> None:
    seen = []
    for bench in (await camera_in(simulator), await camera_in(simulator)):
        async with bench.driver() as driver:
            seen.append((fingerprint(await driver.export_ca()), (await driver.observe()).identity.serial_number))
    (first_ca, first), (second_ca, second) = seen
    assert first_ca == second_ca and first != second


# -------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "number", "reason"),
    [
        (Fault.KEY_TYPE_REFUSED, 1, Reason.KEY_TYPE_REFUSED),
        (Fault.STORE_FULL, 1, Reason.STORE_FULL),
    ],
)
async def test_a_refusal_is_told_by_its_reason_and_changes_nothing(
    bench: CameraBench, fault: Fault, number: int, reason: Reason
) -> None:
    own = await bench.served()
    bench.camera.faults.set(fault)
    async with bench.driver() as driver:
        with pytest.raises(DeviceRefused) as caught:
            await driver.install(bundle(number))
    assert caught.value.reason is reason
    assert await bench.served() == own


async def test_an_expired_certificate_is_refused_in_the_devices_words(bench: CameraBench) -> None:
    bench.camera.faults.set(Fault.EXPIRED_REFUSED)
    bench.camera.set_clock(datetime(2040, 1, 1, tzinfo=UTC))
    async with bench.driver() as driver:
        with pytest.raises(DeviceRefused, match="expired by the camera's clock"):
            await driver.install(bundle(1))


@pytest.mark.parametrize(("fault", "sent"), [(None, 2), (Fault.CHAIN_REFUSED, 1), (Fault.CHAIN_TRUNCATED, 1)])
async def test_issuers_go_along_as_far_as_the_camera_takes_them(
    bench: CameraBench, fault: Fault | None, sent: int
) -> None:
    issuer = make("intermediate", issuer=make("root", ca=True, usages=()), ca=True, usages=())
    mine = bundle(1, issuer=issuer)
    if fault:
        bench.camera.faults.set(fault)
    async with bench.driver() as driver:
        assert await driver.install(mine) == await driver.install(mine)
    found = await bench.probed()
    assert isinstance(found, Served)
    assert found.leaf.fingerprint == mine.fingerprint
    assert len(found.chain) == sent
    assert bench.camera.counters.requests["POST /cgi/certificate"] == (2 if fault is Fault.CHAIN_REFUSED else 1)


async def test_a_slow_key_is_waited_for_and_a_very_slow_one_is_busy(
    bench: CameraBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from device_cert_operator.drivers.camera_web import driver as module

    bench.camera.faults.set(Fault.SLOW_KEY_GENERATION, 1)
    request = csr_request(1, KeyType.ECDSA_P256)
    async with bench.driver() as driver:
        monkeypatch.setattr(module, "_KEY_WITHIN_SECONDS", 0.0)
        with pytest.raises(DeviceBusy):
            await driver.create_csr(request)
        monkeypatch.undo()
        assert read_csr(await driver.create_csr(request)).signature_valid
    assert bench.camera.counters.requests["POST /cgi/certificate/request"] == 1


@pytest.mark.parametrize("fault", [Fault.CSR_WITHOUT_SAN, Fault.CSR_SUBJECT_EXTENDED])
async def test_an_odd_request_is_handed_on_as_it_is(bench: CameraBench, fault: Fault) -> None:
    bench.camera.faults.set(fault)
    async with bench.driver() as driver:
        facts = read_csr(await driver.create_csr(csr_request(1, KeyType.ECDSA_P256)))
    assert facts.has_san is (fault is not Fault.CSR_WITHOUT_SAN)
    assert ("Simulated" in facts.subject) is (fault is Fault.CSR_SUBJECT_EXTENDED)


@pytest.mark.parametrize("fault", [Fault.IMPORT_IGNORED, Fault.NEEDS_REBOOT, Fault.STORED_NOT_SERVED])
async def test_success_proves_nothing(bench: CameraBench, fault: Fault) -> None:
    own = await bench.served()
    bench.camera.faults.set(fault, 1 if fault is Fault.STORED_NOT_SERVED else None)
    mine = bundle(1)
    async with bench.driver() as driver:
        await driver.install(mine)
        found = await driver.inventory()
    assert await bench.served() == own
    assert (found.with_fingerprint(mine.fingerprint) is None) is (fault is Fault.IMPORT_IGNORED)


@pytest.mark.parametrize("fault", [Fault.ANSWERS_HTML, Fault.ANSWERS_GARBAGE, Fault.REDIRECTS, Fault.HUGE_REPLY])
async def test_answers_that_are_none_are_errors_of_the_device(bench: CameraBench, fault: Fault) -> None:
    bench.camera.faults.set(fault)
    async with bench.driver() as driver:
        for call in (driver.observe, driver.inventory, driver.export_ca):
            with pytest.raises(ProtocolViolation):
                await call()
