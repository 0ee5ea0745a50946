"""What a driver must do whose devices make keys themselves: requests out, certificates for them in."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from device_cert_operator.core.model import Capabilities, Inventory, KeyType
from device_cert_operator.drivers.base import Driver
from device_cert_operator.errors import DeviceRefused, Unsupported
from device_cert_operator.pki.csr import csr_to_der, read_csr
from device_cert_operator.reasons import Reason
from tests.drivers.bundles import NAMES, csr_request, fingerprint, for_key, signed_for
from tests.net.certificates import make

if TYPE_CHECKING:
    from tests.drivers.contract import Bench

_MOST_REQUESTS = 60


class DeviceKeyContract:
    """Part of `DriverContract`, which gives `driver` and `broken_off`. A device that makes no keys says so."""

    refuses_chain: ClassVar[bool]

    def driver(self, bench: "Bench") -> AbstractAsyncContextManager[Driver]:
        raise NotImplementedError

    async def broken_off(self, bench: "Bench", call: str, argument: object, at: int, *, done: bool) -> bool:
        raise NotImplementedError

    async def able(self, bench: "Bench") -> tuple[Capabilities, KeyType]:
        """Capabilities and the first kind of key that the device makes; skips where it makes none."""
        async with self.driver(bench) as driver:
            able = (await driver.observe()).capabilities
            if not able.can_make_key:
                with pytest.raises(Unsupported):
                    await driver.create_csr(csr_request(1, KeyType.RSA_2048))
                pytest.skip("this device makes no keys")
        return able, next(kind for kind in KeyType if kind in able.makes_key_types)

    async def in_place(self, bench: "Bench") -> bool:
        """Whether an upload is served at once, in the only slot that there is."""
        async with self.driver(bench) as driver:
            return (await driver.observe()).capabilities.replaces_in_place

    async def several_slots(self, bench: "Bench") -> None:
        """Skips where there is one: what one slot means is `OneSlotContract`."""
        if await self.in_place(bench):
            pytest.skip("this device has one slot")

    async def take_off(self, driver: Driver, handle: str, before: Inventory) -> None:
        """The certificate under this handle goes: it is removed, or what was assigned before takes its place."""
        if not (await driver.observe()).capabilities.replaces_in_place:
            assert await driver.remove(handle) is True
            return
        assert before.assigned is not None
        await driver.activate(before.assigned.handle)
        assert await driver.remove(handle) is True

    async def look(self, bench: "Bench") -> Inventory:
        async with self.driver(bench) as driver:
            return await driver.inventory()

    async def test_a_key_stays_the_same_however_often_its_request_is_asked_for(self, bench: "Bench") -> None:
        able, kind = await self.able(bench)
        before, request = await self.look(bench), csr_request(1, kind)
        requests = []
        for _ in range(2):
            async with self.driver(bench) as driver:
                requests += [await driver.create_csr(request), await driver.create_csr(request)]
        facts = [read_csr(one) for one in requests]
        assert len({one.public_key_sha256 for one in facts}) == 1
        assert all(one.signature_valid for one in facts)
        assert facts[0].common_name == "127.0.0.1"
        assert {"EC": "ECDSA", "RSA": "RSA"}[facts[0].key_type] == kind.partition("-")[0]
        assert facts[0].names == (NAMES if able.csr_takes_san else type(NAMES)())
        after = await self.look(bench)
        assert after.keys == before.keys | {request.alias}
        assert after.certificates == before.certificates

    async def test_a_certificate_for_the_devices_key_is_served_once_it_is_activated(self, bench: "Bench") -> None:
        _, kind = await self.able(bench)
        old = await bench.served()
        async with self.driver(bench) as driver:
            mine = signed_for(csr_to_der(await driver.create_csr(csr_request(1, kind))), 1)
            handle = await driver.install(mine)
            assert await driver.install(mine) == handle
            assert await bench.served() == (mine.fingerprint if await self.in_place(bench) else old)
            await driver.activate(handle)
        assert await bench.served() == mine.fingerprint
        assigned = (await self.look(bench)).assigned
        assert assigned is not None
        assert (assigned.handle, assigned.alias) == (handle, mine.alias)

    async def test_the_chain_goes_along_as_far_as_the_device_serves_one(self, bench: "Bench") -> None:
        able, kind = await self.able(bench)
        issuer = make("intermediate", issuer=make("root", ca=True, usages=()), ca=True, usages=())
        async with self.driver(bench) as driver:
            mine = signed_for(csr_to_der(await driver.create_csr(csr_request(1, kind))), 1, issuer=issuer)
            await driver.install(mine)
            entry = (await driver.inventory()).with_fingerprint(mine.fingerprint)
        assert entry is not None
        below_root = (mine.fingerprint, fingerprint(issuer.leaf_der))
        assert entry.fingerprints == below_root[: 1 if self.refuses_chain else able.chain_length]

    async def test_a_renewal_leaves_the_key_in_use_alone_and_removal_gives_it_back(self, bench: "Bench") -> None:
        await self.several_slots(bench)
        _, kind = await self.able(bench)
        before = await self.look(bench)
        async with self.driver(bench) as driver:
            first = signed_for(csr_to_der(await driver.create_csr(csr_request(1, kind))), 1)
            old = await driver.install(first)
            await driver.activate(old)
        async with self.driver(bench) as driver:
            csr = csr_to_der(await driver.create_csr(csr_request(2, kind)))
            assert await driver.remove(old) is False
            assert (await driver.inventory()).keys == before.keys | {"dc-0a1b2c3d-r1", "dc-0a1b2c3d-r2"}
            assert await bench.served() == first.fingerprint
            second = signed_for(csr, 2)
            await driver.activate(await driver.install(second))
        async with self.driver(bench) as driver:
            assert await driver.remove(old) is True
        assert await bench.served() == second.fingerprint
        after = await self.look(bench)
        assert after.keys == before.keys | {"dc-0a1b2c3d-r2"}
        assert len(after.certificates) == len(before.certificates) + 1

    async def test_the_keys_of_requests_that_came_to_nothing_do_not_pile_up(self, bench: "Bench") -> None:
        await self.several_slots(bench)
        _, kind = await self.able(bench)
        before = await self.look(bench)
        async with self.driver(bench) as driver:
            foreign = csr_request(1, kind, series="ffffffff")
            await driver.create_csr(foreign)
            for number in range(1, 5):
                await driver.create_csr(csr_request(number, kind))
            await driver.create_csr(csr_request(3, kind))  # a later one is nobody's left-over
        assert (await self.look(bench)).keys == before.keys | {foreign.alias, "dc-0a1b2c3d-r3", "dc-0a1b2c3d-r4"}

    @pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
    async def test_a_request_goes_on_wherever_it_was_broken_off(self, bench: "Bench", done: bool) -> None:
        _, kind = await self.able(bench)
        before = await self.look(bench)
        slots = None if before.free_slots is None else before.free_slots - 1
        for at in range(1, _MOST_REQUESTS):
            request = csr_request(at, kind)
            broken = await self.broken_off(bench, "create_csr", request, at, done=done)
            async with self.driver(bench) as driver:
                assert read_csr(await driver.create_csr(request)).signature_valid
                found = await driver.inventory()
            assert found.keys == before.keys | {request.alias}
            assert (found.certificates, found.free_slots) == (before.certificates, slots)
            if not broken:
                return
        pytest.fail("a request takes more requests than anybody expects")

    @pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
    async def test_installing_for_the_devices_key_goes_on_wherever_it_was_broken_off(
        self, bench: "Bench", done: bool
    ) -> None:
        _, kind = await self.able(bench)
        issuer = make("intermediate", issuer=make("root", ca=True, usages=()), ca=True, usages=())
        before, waits = await self.look(bench), await self.in_place(bench)  # with one slot the request's key stays
        for at in range(1, _MOST_REQUESTS):
            async with self.driver(bench) as driver:
                csr = csr_to_der(await driver.create_csr(csr_request(at, kind)))
            mine = signed_for(csr, at, issuer=issuer)
            broken = await self.broken_off(bench, "install", mine, at, done=done)
            async with self.driver(bench) as driver:
                handle = await driver.install(mine)
                found = await driver.inventory()
                assert len(found.certificates) == len(before.certificates) + 1
                entry = found.with_fingerprint(mine.fingerprint)
                assert entry is not None and entry.handle == handle
                await self.take_off(driver, handle, before)
                left = await driver.inventory()
            expected = replace(before, keys=before.keys | {mine.alias}) if waits else before
            assert left == expected, f"request {at} left something"
            if not broken:
                return
        pytest.fail("installing takes more requests than anybody expects")

    async def test_a_certificate_for_a_key_that_the_device_lost_says_so(self, bench: "Bench") -> None:
        _, kind = await self.able(bench)
        rsa_made = kind.startswith("RSA")
        key = rsa.generate_private_key(65537, 2048) if rsa_made else ec.generate_private_key(ec.SECP256R1())
        lost = for_key(key.public_key(), 1)
        before = await self.look(bench)
        async with self.driver(bench) as driver:
            for _ in range(2):
                with pytest.raises(DeviceRefused) as caught:
                    await driver.install(lost)
                assert caught.value.reason is Reason.DEVICE_KEY_LOST
        assert await self.look(bench) == before

    async def test_a_waiting_request_survives_what_else_is_installed(self, bench: "Bench") -> None:
        await self.several_slots(bench)
        _, kind = await self.able(bench)
        async with self.driver(bench) as driver:
            first = csr_to_der(await driver.create_csr(csr_request(1, kind)))
            await driver.activate(await driver.install(signed_for(first, 3)))
            waiting = csr_to_der(await driver.create_csr(csr_request(2, kind)))
            again = signed_for(first, 4)
            await driver.activate(await driver.install(again))
            mine = signed_for(waiting, 5)
            await driver.activate(await driver.install(mine))
        assert await bench.served() == mine.fingerprint

    async def test_a_kind_of_key_that_the_device_does_not_make_is_refused_by_name(self, bench: "Bench") -> None:
        able, _ = await self.able(bench)
        other = next((kind for kind in KeyType if kind not in able.makes_key_types), None)
        if other is None:
            pytest.skip("this device makes every kind")
        before = await self.look(bench)
        async with self.driver(bench) as driver:
            with pytest.raises(DeviceRefused, match=other) as caught:
                await driver.create_csr(csr_request(1, other))
        assert caught.value.reason is Reason.KEY_TYPE_REFUSED
        assert await self.look(bench) == before
