"""The driver contract on simulated devices: real sockets, TLS and log-ins, and rules that somebody else wrote down."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from device_cert_operator.core.model import Credentials
from device_cert_operator.drivers.base import DeviceConnection
from device_cert_operator.drivers.onvif import device_keys
from device_cert_operator.drivers.registry import driver_for
from device_cert_operator.errors import DeviceBusy, DeviceRefused, Unsupported
from device_cert_operator.net.http import open_connection
from device_cert_operator.pki.csr import csr_to_der, read_csr
from device_cert_operator.reasons import Reason
from device_simulator import DeviceSpec, Fault, SimulatedDevice, Simulator
from device_simulator.keystore import to_der
from device_simulator.onvif.device import OnvifDevice
from tests.drivers.bundles import bundle, csr_request, fingerprint, signed_for
from tests.drivers.contract import Bench, DriverContract
from tests.net.certificates import make
from tests.net.test_http import Budget
from tests.simulator.conftest import new_address, simulator, subnet
from tests.simulator.helpers import back

__all__ = ["new_address", "simulator", "subnet"]  # fixtures

P256 = device_keys.KeyType.ECDSA_P256


@dataclass
class SimulatedBench:
    """A simulated device as the operator reaches it. After each change of its certificate a new pin is taken."""

    device: SimulatedDevice

    async def served(self) -> str | None:
        return self.device.served_fingerprint

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[DeviceConnection]:
        shown = self.device.shown
        assert shown is not None
        async with self._connection(self.device.spec.https_port, to_der(shown.chain[0])) as connection:
            yield connection

    @asynccontextmanager
    async def over_http(self) -> AsyncIterator[DeviceConnection]:
        async with self._connection(self.device.spec.http_port, None) as connection:
            yield connection

    @asynccontextmanager
    async def _connection(self, port: int, pin_der: bytes | None) -> AsyncIterator[DeviceConnection]:
        async with open_connection(
            self.device.address,
            port,
            pin_der=pin_der,
            credentials=Credentials(self.device.spec.username, self.device.spec.password),
            guard=Budget(),
            timeout=timedelta(seconds=5),
        ) as connection:
            yield connection


def spec(address: str, **changes: object) -> DeviceSpec:
    given = {"name": "cam", "address": address, "most_keys": 12, "most_certificates": 12, "most_paths": 12} | changes
    return DeviceSpec(**given)  # type: ignore[arg-type]


class TestOnSimulator(DriverContract):
    driver_name = "onvif"

    @pytest.fixture
    async def bench(self, simulator: Simulator, new_address: Callable[[], str]) -> Bench:
        return SimulatedBench(await simulator.add(spec(new_address())))


class TestOnSimulatorThatRefusesChains(DriverContract):
    """In a PKCS#12 file and as a path: only the leaf fits."""

    driver_name = "onvif"
    refuses_chain = True

    @pytest.fixture
    async def bench(self, simulator: Simulator, new_address: Callable[[], str]) -> Bench:
        return SimulatedBench(await simulator.add(spec(new_address(), faults=(Fault.CHAIN_REFUSED,))))


class TestLegacyOnSimulator(DriverContract):
    driver_name = "onvif"
    takes_pkcs12 = False

    @pytest.fixture
    async def bench(self, simulator: Simulator, new_address: Callable[[], str]) -> Bench:
        return SimulatedBench(await simulator.add(spec(new_address(), advanced_security=False)))


@pytest.fixture(params=[True, False], ids=["security service", "legacy"])
async def any_bench(
    request: pytest.FixtureRequest, simulator: Simulator, new_address: Callable[[], str]
) -> SimulatedBench:
    """A device of either kind."""
    return SimulatedBench(await simulator.add(spec(new_address(), advanced_security=request.param)))


def first_kind(bench: SimulatedBench) -> device_keys.KeyType:
    return P256 if bench.device.spec.advanced_security else device_keys.KeyType.RSA_2048


async def test_after_a_factory_reset_the_key_is_lost(any_bench: SimulatedBench) -> None:
    async with any_bench.connect() as connection:
        driver = driver_for("onvif", connection)
        csr = csr_to_der(await driver.create_csr(csr_request(1, first_kind(any_bench))))
        assert (await driver.inventory()).keys >= {"dc-0a1b2c3d-r1"}
    await any_bench.device.factory_reset()
    async with any_bench.connect() as connection:
        driver = driver_for("onvif", connection)
        assert "dc-0a1b2c3d-r1" not in (await driver.inventory()).keys
        with pytest.raises(DeviceRefused) as caught:
            await driver.install(signed_for(csr, 1))
        assert caught.value.reason is Reason.DEVICE_KEY_LOST
        again = csr_to_der(await driver.create_csr(csr_request(2, first_kind(any_bench))))
        assert read_csr(again).public_key_sha256 != read_csr(csr).public_key_sha256
        await driver.activate(await driver.install(mine := signed_for(again, 2)))
    assert await any_bench.served() == mine.fingerprint


@pytest.mark.parametrize("fault", [Fault("csr-as-pem"), Fault("csr-subject-extended"), Fault("csr-without-san")])
async def test_a_request_is_usable_however_the_device_writes_it(any_bench: SimulatedBench, fault: Fault) -> None:
    any_bench.device.faults.set(fault)
    async with any_bench.connect() as connection:
        driver = driver_for("onvif", connection)
        facts = read_csr(csr := await driver.create_csr(csr_request(1, first_kind(any_bench))))
        assert facts.signature_valid
        assert facts.common_name == "127.0.0.1"
        await driver.activate(await driver.install(mine := signed_for(csr_to_der(csr), 1)))
    assert await any_bench.served() == mine.fingerprint


async def test_an_upload_that_is_ignored_is_told(any_bench: SimulatedBench) -> None:
    async with any_bench.connect() as connection:
        driver = driver_for("onvif", connection)
        mine = signed_for(csr_to_der(await driver.create_csr(csr_request(1, first_kind(any_bench)))), 1)
        any_bench.device.faults.set(Fault.IMPORT_IGNORED, 1)
        with pytest.raises(DeviceRefused, match="did not store it"):
            await driver.install(mine)
        assert (await driver.inventory()).with_fingerprint(mine.fingerprint) is None
        await driver.install(mine)


@pytest.mark.parametrize("made_on", ["device", "operator"])
async def test_of_a_chain_that_is_refused_nothing_stays_but_the_leaf(
    simulator: Simulator, new_address: Callable[[], str], made_on: str
) -> None:
    bench = SimulatedBench(await simulator.add(spec(new_address(), faults=(Fault.CHAIN_REFUSED,))))
    issuer = make("intermediate", issuer=make("root", ca=True, usages=()), ca=True, usages=())
    store = bench.device.keystore
    before = (len(store.keys), len(store.certificates), len(store.paths))
    async with bench.connect() as connection:
        driver = driver_for("onvif", connection)
        if made_on == "device":
            csr = csr_to_der(await driver.create_csr(csr_request(1, P256)))
            mine = signed_for(csr, 1, issuer=issuer)
        else:
            mine = bundle(1, issuer=issuer)
        await driver.install(mine)
        await driver.activate(await driver.install(mine))
        await driver.install(mine)
    assert await bench.served() == mine.fingerprint
    assert (len(store.keys), len(store.certificates), len(store.paths)) == tuple(one + 1 for one in before)
    assert store.passphrases == {}


async def test_a_chain_that_is_refused_in_one_file_goes_up_in_parts(
    simulator: Simulator, new_address: Callable[[], str]
) -> None:
    bench = SimulatedBench(await simulator.add(spec(new_address())))
    bench.device.faults.set(Fault.CHAIN_REFUSED, 1)
    issuer = make("intermediate", issuer=make("root", ca=True, usages=()), ca=True, usages=())
    mine = bundle(1, issuer=issuer)
    async with bench.connect() as connection:
        driver = driver_for("onvif", connection)
        handle = await driver.install(mine)
        assert await driver.install(mine) == handle
        entry = (await driver.inventory()).with_fingerprint(mine.fingerprint)
    assert entry is not None
    assert entry.fingerprints == (mine.fingerprint, fingerprint(issuer.leaf_der))


async def test_a_slow_key_is_waited_for_over_several_visits(
    simulator: Simulator, new_address: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_keys, "_WITHIN_SECONDS", 0.0)
    bench = SimulatedBench(await simulator.add(spec(new_address(), key_generation_for=0.5)))
    bench.device.faults.set(Fault.SLOW_KEY_GENERATION, 1)
    visits, csr = 0, b""
    while not csr and visits < 200:
        visits += 1
        async with bench.connect() as connection:
            try:
                csr = await driver_for("onvif", connection).create_csr(csr_request(1, P256))
            except DeviceBusy:
                assert bench.device.counters.requests["CreateECCKeyPair"] == 1
    assert visits > 1
    assert read_csr(csr).signature_valid
    assert bench.device.counters.requests["CreateECCKeyPair"] == 1


async def test_https_is_switched_on_at_a_device_without_a_certificate(any_bench: SimulatedBench) -> None:
    device = any_bench.device
    device.https_enabled = False
    device.keystore.assigned = None
    await device.restart_listeners()
    async with any_bench.over_http() as connection:
        driver = driver_for("onvif", connection)
        await driver.enable_https()
        await driver.enable_https()
    await back(device.address)
    assert device.keystore.assigned is not None
    async with any_bench.over_http() as connection:
        report = await driver_for("onvif", connection).observe()
    assert report.https_enabled, "HTTP is never switched off"


async def test_a_key_that_gets_no_name_is_taken_away_again_and_told(
    simulator: Simulator, new_address: Callable[[], str]
) -> None:
    """It would not be found again, and one would be made at every visit."""
    bench = SimulatedBench(await simulator.add(spec(new_address(), faults=(Fault.KEY_ALIAS_DROPPED,))))
    assert isinstance(bench.device, OnvifDevice)
    keys = set(bench.device.keystore.keys)
    async with bench.connect() as connection:
        driver = driver_for("onvif", connection)
        with pytest.raises(Unsupported, match="source of the DeviceCertificate to Operator"):
            await driver.create_csr(csr_request(1, first_kind(bench)))
    assert set(bench.device.keystore.keys) == keys
