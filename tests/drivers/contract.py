"""What every driver must do, whatever it drives: a subclass names the driver and gives the device (`Bench`)."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol

import pytest

from device_cert_operator.clock import SystemClock
from device_cert_operator.core.exchange import Method, Reply, UsernameToken
from device_cert_operator.core.model import ClockReading, ClockSource
from device_cert_operator.drivers.base import DeviceConnection, Driver
from device_cert_operator.drivers.registry import driver_for
from device_cert_operator.errors import DeviceError, DeviceRefused, DeviceUnreachable, Unsupported
from tests.drivers.bundles import bundle, fingerprint
from tests.drivers.device_key_contract import DeviceKeyContract
from tests.net.certificates import make

_MOST_REQUESTS = 60


class Bench(Protocol):
    """One device under test."""

    def connect(self) -> AbstractAsyncContextManager[DeviceConnection]:
        """A new conversation, logged in when needed."""
        ...

    async def served(self) -> str | None:
        """The fingerprint of what a handshake shows now; None while HTTPS is off."""
        ...


class BrokenOff(DeviceUnreachable):
    """The connection broke, as told by `Interrupted`."""


class Interrupted:
    """A connection that breaks at its n-th request: before it is sent, or after it was done but not answered."""

    def __init__(self, inner: DeviceConnection, at: int, *, done: bool) -> None:
        self._inner = inner
        self._left = at
        self._done = done

    @property
    def encrypted(self) -> bool:
        return self._inner.encrypted

    def username_token(self, created_at: datetime) -> UsernameToken:
        return self._inner.username_token(created_at)

    async def post(
        self, path: str, body: bytes, *, content_type: str, log_in: bool = True, timeout: timedelta | None = None
    ) -> Reply:
        return await self.request("POST", path, body, content_type=content_type, log_in=log_in, timeout=timeout)

    async def request(
        self,
        method: Method,
        path: str,
        body: bytes = b"",
        *,
        content_type: str | None = None,
        log_in: bool = True,
        timeout: timedelta | None = None,
    ) -> Reply:
        self._left -= 1
        if self._left == 0 and not self._done:
            raise BrokenOff("broken off before the request")
        reply = await self._inner.request(method, path, body, content_type=content_type, log_in=log_in, timeout=timeout)
        if self._left == 0:
            raise BrokenOff("broken off after the request")
        return reply


class DriverContract(DeviceKeyContract):
    """The contract. `bench` is a fixture of the subclass; `driver_name` a name in the registry."""

    driver_name: str
    one_slot: ClassVar[bool] = False  # an upload is served at once, in place of the one before: `OneSlotContract`
    takes_pkcs12: ClassVar[bool] = True
    refuses_chain: ClassVar[bool] = False  # whatever it tells of itself

    @asynccontextmanager
    async def driver(self, bench: Bench) -> AsyncIterator[Driver]:
        async with bench.connect() as connection:
            yield driver_for(self.driver_name, connection, SystemClock())

    async def broken_off(self, bench: Bench, call: str, argument: object, at: int, *, done: bool) -> bool:
        """Run one call that breaks at its n-th request. False: it needs fewer requests than that."""
        async with bench.connect() as connection:
            driver = driver_for(self.driver_name, Interrupted(connection, at, done=done), SystemClock())
            try:
                await getattr(driver, call)(argument)
            except BrokenOff:
                return True
        return False

    async def test_observing_tells_identity_clock_and_capabilities(self, bench: Bench) -> None:
        async with self.driver(bench) as driver:
            report = await driver.observe()
        assert report.identity.serial_number
        assert report.clock.offset is not None
        assert abs(report.clock.offset) < timedelta(seconds=3)
        assert report.capabilities.can_install_key_pair
        assert report.capabilities.key_types
        assert bool(report.capabilities.pkcs12_encryptions) is self.takes_pkcs12
        assert report.capabilities.replaces_in_place is self.one_slot

    async def test_installing_twice_is_once(self, bench: Bench) -> None:
        mine = bundle(1)
        async with self.driver(bench) as driver:
            before = await driver.inventory()
            first = await driver.install(mine)
            again = await driver.install(mine)
            after = await driver.inventory()
        assert first == again
        assert len(after.certificates) == len(before.certificates) + 1
        entry = after.with_fingerprint(mine.fingerprint)
        assert entry is not None
        assert (entry.handle, entry.alias, entry.in_use_by_tls) == (first, mine.alias, await self.in_place(bench))
        assert entry.has_key is not False

    async def test_the_old_certificate_is_served_until_the_new_one_is_activated(self, bench: Bench) -> None:
        mine = bundle(1)
        old = await bench.served()
        async with self.driver(bench) as driver:
            handle = await driver.install(mine)
            assert await bench.served() == (mine.fingerprint if await self.in_place(bench) else old)
            await driver.activate(handle)
        assert await bench.served() == mine.fingerprint

    async def test_activating_twice_changes_nothing(self, bench: Bench) -> None:
        mine = bundle(1)
        async with self.driver(bench) as driver:
            handle = await driver.install(mine)
            await driver.activate(handle)
        async with self.driver(bench) as driver:
            await driver.activate(handle)
            assigned = (await driver.inventory()).assigned
        assert assigned is not None and assigned.handle == handle

    async def test_what_is_in_use_is_kept_and_the_old_one_goes_when_asked(self, bench: Bench) -> None:
        await self.several_slots(bench)
        first, second = bundle(1), bundle(2)
        async with self.driver(bench) as driver:
            old = await driver.install(first)
            await driver.activate(old)
        async with self.driver(bench) as driver:
            assert await driver.remove(old) is False
            new = await driver.install(second)
            await driver.activate(new)
        async with self.driver(bench) as driver:
            assert (await driver.inventory()).with_fingerprint(first.fingerprint) is not None
            assert await driver.remove(old) is True
            assert await driver.remove(old) is True
            left = await driver.inventory()
        assert left.with_fingerprint(first.fingerprint) is None
        assert left.with_fingerprint(second.fingerprint) is not None
        assert await bench.served() == second.fingerprint

    async def test_removing_gives_every_slot_back(self, bench: Bench) -> None:
        await self.several_slots(bench)
        async with self.driver(bench) as driver:
            before = (await driver.inventory()).free_slots
            for number in range(1, 8):
                assert await driver.remove(await driver.install(bundle(number))) is True
            assert (await driver.inventory()).free_slots == before

    async def test_a_shared_issuer_is_stored_once_and_stays_while_needed(self, bench: Bench) -> None:
        await self.several_slots(bench)
        issuer = make("intermediate", issuer=make("root", ca=True, usages=()), ca=True, usages=())
        first, second = bundle(1, issuer=issuer), bundle(2, issuer=issuer)
        async with self.driver(bench) as driver:
            handles = [await driver.install(one) for one in (first, second)]
            entries = [(await driver.inventory()).with_fingerprint(one.fingerprint) for one in (first, second)]
            assert await driver.remove(handles[0]) is True
            left = (await driver.inventory()).with_fingerprint(second.fingerprint)
            sends_chain = (await driver.observe()).capabilities.chain_length > 1 and not self.refuses_chain
        for entry in (*entries, left):
            assert entry is not None
            assert entry.fingerprints[1:] == ((fingerprint(issuer.leaf_der),) if sends_chain else ())

    @pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("with_chain", [False, True], ids=["leaf", "chain"])
    async def test_installing_goes_on_wherever_it_was_broken_off(
        self, bench: Bench, done: bool, with_chain: bool
    ) -> None:
        issuer = make("intermediate", issuer=make("root", ca=True, usages=()), ca=True, usages=())
        shared = with_chain and not await self.in_place(bench)
        if shared:  # there already, so that the upload has the most parts
            async with self.driver(bench) as driver:
                kept = await driver.install(bundle(1, issuer=issuer))
        mine = bundle(2, issuer=issuer if with_chain else None)
        async with self.driver(bench) as driver:
            before = await driver.inventory()
            able = 1 if self.refuses_chain else (await driver.observe()).capabilities.chain_length
            certificates = min(2 if with_chain else 1, able)
        for at in range(1, _MOST_REQUESTS):
            if not await self.broken_off(bench, "install", mine, at, done=done):
                break
            async with self.driver(bench) as driver:
                handle = await driver.install(mine)
                found = await driver.inventory()
                assert len(found.certificates) == len(before.certificates) + 1
                entry = found.with_fingerprint(mine.fingerprint)
                assert entry is not None and entry.handle == handle
                assert len(entry.fingerprints) == certificates
                await self.take_off(driver, handle, before)
                left = await driver.inventory()
                assert left.free_slots == before.free_slots, f"request {at} left something"
                assert left.certificates == before.certificates
        else:
            pytest.fail("installing takes more requests than anybody expects")
        async with self.driver(bench) as driver:
            await self.take_off(driver, await driver.install(mine), before)
            if shared:
                assert await driver.remove(kept) is True

    @pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
    async def test_activating_goes_on_wherever_it_was_broken_off(self, bench: Bench, done: bool) -> None:
        await self.several_slots(bench)
        bundles = [bundle(1), bundle(2)]
        async with self.driver(bench) as driver:
            handles = [await driver.install(one) for one in bundles]
            await driver.activate(handles[0])
        for at in range(1, _MOST_REQUESTS):
            target = at % 2
            broken = await self.broken_off(bench, "activate", handles[target], at, done=done)
            assert await bench.served() in {one.fingerprint for one in bundles}
            async with self.driver(bench) as driver:
                await driver.activate(handles[target])
            assert await bench.served() == bundles[target].fingerprint
            if not broken:
                return

    @pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
    async def test_a_removal_that_was_broken_off_fills_no_store(self, bench: Bench, done: bool) -> None:
        await self.several_slots(bench)
        async with self.driver(bench) as driver:
            before = (await driver.inventory()).free_slots
        for at in range(1, _MOST_REQUESTS):
            async with self.driver(bench) as driver:
                handle = await driver.install(bundle(at))
            broken = await self.broken_off(bench, "remove", handle, at, done=done)
            async with self.driver(bench) as driver:
                assert await driver.remove(handle) is True
                # the next revision clears away what the crash left
                assert await driver.remove(await driver.install(bundle(at + 1))) is True
                assert (await driver.inventory()).free_slots == before
            if not broken:
                return

    async def test_the_clock_is_set_to_the_second_and_zones_are_kept(self, bench: Bench) -> None:
        async with self.driver(bench) as driver:
            seen = (await driver.observe()).clock
            if seen.source is not ClockSource.MANUAL:
                pytest.skip("this device is on NTP")
            await driver.set_clock(lambda: datetime.now(UTC), seen)  # noqa: TID251
            after = (await driver.observe()).clock
        assert after.offset is not None and abs(after.offset) < timedelta(seconds=2)
        assert (after.time_zone, after.daylight_saving) == (seen.time_zone, seen.daylight_saving)

    async def test_a_device_on_ntp_is_never_turned_into_manual(self, bench: Bench) -> None:
        async with self.driver(bench) as driver:
            seen = (await driver.observe()).clock
            await driver.use_ntp(("127.0.0.1", "time.example.org"), seen)
            after = (await driver.observe()).clock
            assert (after.source, after.ntp_servers) == (ClockSource.NTP, ("127.0.0.1", "time.example.org"))
            assert after.time_zone == seen.time_zone
            with pytest.raises((DeviceRefused, Unsupported)):
                await driver.set_clock(lambda: datetime(2000, 1, 1, tzinfo=UTC), after)
            assert (await driver.observe()).clock.source is ClockSource.NTP

    async def test_only_errors_of_devices_come_out(self, bench: Bench) -> None:
        no_zone = ClockReading(ClockSource.MANUAL, timedelta(), "no zone at all, surely", False)
        async with self.driver(bench) as driver:
            with pytest.raises(DeviceError):
                await driver.activate("there-is-no-such-path")
            assert await driver.remove("there-is-no-such-path") is True
            with suppress(DeviceError):  # many take any zone
                await driver.set_clock(lambda: datetime.now(UTC), no_zone)  # noqa: TID251
