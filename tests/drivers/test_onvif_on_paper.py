"""The driver contract over a keystore that follows the specification, and what only ONVIF has."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from device_cert_operator.clock import SystemClock
from device_cert_operator.core.model import Capabilities, KeyType
from device_cert_operator.drivers.onvif import device_keys
from device_cert_operator.drivers.onvif.https import SELF_SIGNED_ALIAS
from device_cert_operator.drivers.registry import driver_for
from device_cert_operator.errors import DeviceBusy, DeviceRefused, UnknownDriver, Unsupported
from device_cert_operator.pki.csr import read_csr
from device_cert_operator.reasons import Reason
from tests.drivers.bundles import bundle, csr_request, signed_for
from tests.drivers.contract import Bench, BrokenOff, DriverContract, Interrupted
from tests.drivers.paper_device import PaperDevice
from tests.drivers.paper_legacy import LegacyPaperDevice


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On paper a key is made by asking for it."""
    monkeypatch.setattr(device_keys, "_FIRST_LOOK_SECONDS", 0.0)


class TestOnPaper(DriverContract):
    driver_name = "onvif"

    @pytest.fixture
    def bench(self) -> Bench:
        return PaperDevice().with_factory_certificate()


class TestOnPaperWithoutPassphrases(TestOnPaper):
    @pytest.fixture
    def bench(self) -> Bench:
        device = PaperDevice().with_factory_certificate()
        device.capabilities["MaximumNumberOfPassphrases"] = "0"
        return device


class TestOnPaperByToken(TestOnPaper):
    @pytest.fixture
    def bench(self) -> Bench:
        return PaperDevice(token_only=True).with_factory_certificate()


class TestOnPaperWithOddities(TestOnPaper):
    """Requests come as PEM and without names; a certificate is taken whether a key fits or not."""

    @pytest.fixture
    def bench(self) -> Bench:
        device = PaperDevice(csr_as_pem=True, takes_san=False, checks_keys=False).with_factory_certificate()
        device.capabilities["KeyPairGeneration"] = "RSA"
        return device

    async def able(self, bench: Bench) -> tuple[Capabilities, KeyType]:
        able, kind = await super().able(bench)
        return replace(able, csr_takes_san=False), kind


class TestOnPaperWithoutKeys(TestOnPaper):
    @pytest.fixture
    def bench(self) -> Bench:
        device = PaperDevice().with_factory_certificate()
        device.capabilities["PKCS10"] = "false"
        return device


class TestLegacyOnPaper(TestOnPaper):
    takes_pkcs12 = False

    @pytest.fixture
    def bench(self) -> Bench:
        return LegacyPaperDevice().with_factory_certificate()


class TestLegacyOnPaperWithOddities(TestLegacyOnPaper):
    @pytest.fixture
    def bench(self) -> Bench:
        return LegacyPaperDevice(csr_as_pem=True, name_alone=True).with_factory_certificate()


async def test_passphrases_do_not_stay() -> None:
    device = PaperDevice().with_factory_certificate()
    device.passphrases["left-over"] = ("x", "dc-0a1b2c3d-r1")
    async with device.connect() as connection:
        await driver_for("onvif", connection).install(bundle(2))
    assert device.passphrases == {}


async def test_a_strangers_objects_are_never_touched() -> None:
    device = PaperDevice().with_factory_certificate()
    device.capabilities |= {"MaximumNumberOfCertificates": "9", "MaximumNumberOfKeys": "9"}
    theirs, later = bundle(1, series="ffffffff"), bundle(8)
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        for other in (theirs, later):  # loose: of another device's series, and of a revision after this one
            del device.paths[await driver.install(other)]
        mine = await driver.install(bundle(7))
        await driver.remove(mine)
    assert {one.der for one in device.certificates.values()} >= {theirs.leaf_der, later.leaf_der}
    assert "Remove" not in "".join(device.log)


async def test_a_full_store_says_so() -> None:
    device = PaperDevice().with_factory_certificate()
    device.capabilities["MaximumNumberOfCertificates"] = "1"
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        assert (await driver.inventory()).free_slots == 0
        with pytest.raises(DeviceRefused) as caught:
            await driver.install(bundle(1))
    assert caught.value.reason is Reason.STORE_FULL
    assert device.passphrases == {}


async def test_a_device_without_the_service_is_told_by_name() -> None:
    device = PaperDevice(has_security=False)
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        report = await driver.observe()
        assert not report.capabilities.can_install_key_pair
        with pytest.raises(Unsupported, match="security service"):
            await driver.inventory()


@pytest.mark.parametrize("broken_at", range(1, 14))
async def test_https_is_switched_on_with_a_certificate_of_the_devices_own(broken_at: int) -> None:
    device = PaperDevice(protocols={"HTTP": (True, 8080), "HTTPS": (False, 8443), "RTSP": (True, 554)})
    async with device.connect() as connection:
        try:
            await driver_for("onvif", Interrupted(connection, broken_at, done=broken_at % 2 == 0)).enable_https()
        except BrokenOff:
            await driver_for("onvif", connection).enable_https()
        await driver_for("onvif", connection).enable_https()
    assert device.protocols == {"HTTP": (True, 8080), "RTSP": (True, 554), "HTTPS": (True, 8443)}
    assert len(device.paths) == len(device.certificates) == len(device.keys) == 1
    assert device.assigned is not None and device.paths[device.assigned].alias == SELF_SIGNED_ALIAS


async def test_a_key_that_takes_long_is_waited_for_in_the_next_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_keys, "_WITHIN_SECONDS", 0.0)
    device = PaperDevice(protocols={"HTTP": (True, 80), "HTTPS": (False, 443)})
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        for _ in range(2):
            with pytest.raises(DeviceBusy):
                await driver.enable_https()
        await driver.enable_https()
    assert device.log.count("CreateECCKeyPair") == 1
    assert await device.served() is not None


async def test_https_that_is_on_is_left_alone() -> None:
    device = PaperDevice().with_factory_certificate()
    async with device.connect() as connection:
        await driver_for("onvif", connection).enable_https()
    assert device.log == ["GetNetworkProtocols"]


async def test_the_offset_is_measured_against_the_operators_clock() -> None:
    class Ahead(SystemClock):
        def now(self) -> datetime:
            return super().now() + timedelta(hours=1)

    device = PaperDevice(offset=timedelta(minutes=-5)).with_factory_certificate()
    async with device.connect() as connection:
        offset = (await driver_for("onvif", connection, Ahead()).observe()).clock.offset
    assert offset is not None
    assert abs(offset + timedelta(minutes=65)) < timedelta(seconds=2)


async def test_a_token_is_dated_by_the_devices_clock() -> None:
    device = PaperDevice(token_only=True, offset=timedelta(days=-9000)).with_factory_certificate()
    dated: list[datetime] = []
    async with device.connect() as connection:
        make_token = connection.username_token
        connection.username_token = lambda at: (dated.append(at), make_token(at))[1]  # type: ignore[method-assign]
        await driver_for("onvif", connection).inventory()
    expected = datetime.now(UTC) - timedelta(days=9000)  # noqa: TID251
    assert dated
    assert all(abs(at - expected) < timedelta(seconds=3) for at in dated)


def test_an_unknown_driver_names_those_that_there_are() -> None:
    with pytest.raises(UnknownDriver, match="there is: camera-web, onvif"):
        driver_for("omvif", None)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------ keys of the device's own


async def test_the_deletion_of_a_key_in_use_is_not_even_tried() -> None:
    device = PaperDevice().with_factory_certificate()
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        await driver.install(signed_for(await driver.create_csr(csr_request(1, KeyType.ECDSA_P256)), 1))
        await driver.create_csr(csr_request(2, KeyType.ECDSA_P256))
    assert not {"DeleteKey", "DeleteCertificate"} & set(device.log)


async def test_a_corrupt_key_is_made_anew_and_leaves_nothing() -> None:
    device = PaperDevice(corrupt_keys=1).with_factory_certificate()
    async with device.connect() as connection:
        csr = await driver_for("onvif", connection).create_csr(csr_request(1, KeyType.ECDSA_P256))
    assert read_csr(csr).signature_valid
    assert device.log.count("CreateECCKeyPair") == 2
    assert [key.alias for key in device.keys.values()] == ["factory", "dc-0a1b2c3d-r1"]


async def test_a_device_whose_keys_are_all_corrupt_is_told_and_left_clean() -> None:
    device = PaperDevice(corrupt_keys=99).with_factory_certificate()
    async with device.connect() as connection:
        with pytest.raises(DeviceRefused, match="corrupt"):
            await driver_for("onvif", connection).create_csr(csr_request(1, KeyType.ECDSA_P256))
    assert [key.alias for key in device.keys.values()] == ["factory"]


async def test_a_full_store_makes_no_key() -> None:
    device = PaperDevice().with_factory_certificate()
    device.capabilities["MaximumNumberOfKeys"] = "1"
    async with device.connect() as connection:
        with pytest.raises(DeviceRefused) as caught:
            await driver_for("onvif", connection).create_csr(csr_request(1, KeyType.ECDSA_P256))
    assert caught.value.reason is Reason.STORE_FULL


async def test_a_certificate_for_the_devices_key_needs_no_pkcs12() -> None:
    device = PaperDevice().with_factory_certificate()
    device.capabilities["PKCS12"] = "false"
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        mine = signed_for(await driver.create_csr(csr_request(1, KeyType.ECDSA_P256)), 1)
        await driver.activate(await driver.install(mine))
        with pytest.raises(Unsupported, match="PKCS#12"):
            await driver.install(bundle(2))
    assert await device.served() == mine.fingerprint
    assert "UploadPassphrase" not in device.log


async def test_an_operator_key_does_not_cost_the_key_of_a_waiting_request() -> None:
    device = PaperDevice().with_factory_certificate()
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        waiting = await driver.create_csr(csr_request(1, KeyType.ECDSA_P256))
        await driver.install(bundle(2))
        await driver.install(signed_for(waiting, 3))


# ------------------------------------------------------------------------------------------ legacy devices


async def test_flags_alone_make_no_legacy_device() -> None:
    class Boastful(LegacyPaperDevice):
        do_GetCertificatesStatus = None  # type: ignore[assignment]

    device = Boastful()
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        report = await driver.observe()
        assert not (report.capabilities.can_install_key_pair or report.capabilities.can_make_key)
        with pytest.raises(Unsupported, match="before it"):
            await driver.inventory()


async def test_an_upload_that_a_legacy_device_drops_is_told() -> None:
    device = LegacyPaperDevice(drops_loads=True).with_factory_certificate()
    async with device.connect() as connection:
        with pytest.raises(DeviceRefused, match="did not store it"):
            await driver_for("onvif", connection).install(bundle(1, kind="RSA"))


async def test_another_certificate_under_our_name_goes_unless_it_is_in_use() -> None:
    device = LegacyPaperDevice().with_factory_certificate()
    stale, mine = bundle(1, kind="RSA"), bundle(1, kind="RSA")
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        await driver.install(stale)
        await driver.activate(await driver.install(mine))
        with pytest.raises(DeviceRefused, match="left alone"):
            await driver.install(stale)
    assert await device.served() == mine.fingerprint
    assert sorted(device.stored) == ["dc-0a1b2c3d-r1", "factory"]


async def test_a_legacy_device_that_makes_no_keys_still_takes_ours() -> None:
    device = LegacyPaperDevice(makes_keys=False).with_factory_certificate()
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        mine = bundle(1, kind="RSA")
        await driver.activate(await driver.install(mine))
        with pytest.raises(Unsupported):
            await driver.create_csr(csr_request(1, KeyType.RSA_2048))
    assert await device.served() == mine.fingerprint


async def test_of_several_enabled_certificates_one_stays() -> None:
    device = LegacyPaperDevice().with_factory_certificate()
    device.stored["other"] = device.stored["factory"]
    device.enabled.add("other")
    async with device.connect() as connection:
        driver = driver_for("onvif", connection)
        await driver.activate(await driver.install(mine := bundle(1, kind="RSA")))
    assert device.enabled == {mine.alias}
    assert device.log.count("SetCertificatesStatus") == 1


@pytest.mark.parametrize("broken_at", range(1, 10))
async def test_https_is_switched_on_at_a_legacy_device(broken_at: int) -> None:
    device = LegacyPaperDevice(protocols={"HTTP": (True, 80), "HTTPS": (False, 443)})
    async with device.connect() as connection:
        try:
            await driver_for("onvif", Interrupted(connection, broken_at, done=broken_at % 2 == 0)).enable_https()
        except BrokenOff:
            await driver_for("onvif", connection).enable_https()
    assert device.protocols["HTTPS"] == (True, 443)
    assert list(device.stored) == [SELF_SIGNED_ALIAS]
    assert await device.served() is not None
