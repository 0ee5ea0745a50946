"""What a driver must do whose devices have one slot, served as soon as something is in it, beside their own."""

import pytest

from device_cert_operator.core.model import KeyType
from device_cert_operator.errors import DeviceError
from tests.drivers.bundles import bundle, csr_request, signed_for
from tests.drivers.contract import Bench, DriverContract

_MOST_REQUESTS = 20


class OneSlotContract(DriverContract):
    """The contract, and what takes the place of its tests of several slots."""

    one_slot = True

    async def test_the_own_certificate_is_assigned_until_something_is_uploaded(self, bench: Bench) -> None:
        found = await self.look(bench)
        assert found.assigned is not None
        assert found.assigned.fingerprints[0] == await bench.served()
        assert [one.in_use_by_tls for one in found.certificates] == [True]

    async def test_an_upload_takes_the_place_of_the_one_before(self, bench: Bench) -> None:
        first, second = bundle(1), bundle(2)
        async with self.driver(bench) as driver:
            assert await driver.install(first) == await driver.install(second)
            found = await driver.inventory()
        assert found.with_fingerprint(first.fingerprint) is None
        assert found.assigned is not None
        assert (found.assigned.alias, found.assigned.fingerprints[0]) == (second.alias, second.fingerprint)
        assert await bench.served() == second.fingerprint

    async def test_what_is_served_is_never_removed_and_the_own_one_never_at_all(self, bench: Bench) -> None:
        before = await self.look(bench)
        async with self.driver(bench) as driver:
            handle = await driver.install(bundle(1))
            assert await driver.remove(handle) is False
            for entry in before.certificates:
                assert await driver.remove(entry.handle) is False
            assert len((await driver.inventory()).certificates) == 2

    @pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
    async def test_activating_the_own_one_takes_the_upload_off_wherever_it_was_broken_off(
        self, bench: Bench, done: bool
    ) -> None:
        before, own = await self.look(bench), await bench.served()
        assert before.assigned is not None
        for at in range(1, _MOST_REQUESTS):
            async with self.driver(bench) as driver:
                mine = bundle(at)
                handle = await driver.install(mine)
            broken = await self.broken_off(bench, "activate", before.assigned.handle, at, done=done)
            assert await bench.served() in {own, mine.fingerprint}
            async with self.driver(bench) as driver:
                await driver.activate(before.assigned.handle)
                assert await bench.served() == own
                assert await driver.inventory() == before
                with pytest.raises(DeviceError):
                    await driver.activate(handle)
            if not broken:
                return
        pytest.fail("activating takes more requests than anybody expects")

    async def test_a_renewal_for_the_same_key_and_one_for_a_new_key(self, bench: Bench) -> None:
        _, kind = await self.able(bench)
        async with self.driver(bench) as driver:
            csr = await driver.create_csr(csr_request(1, kind))
            for number in (1, 2):
                mine = signed_for(csr, number)
                await driver.install(mine)
                assert await bench.served() == mine.fingerprint
            later = await driver.create_csr(csr_request(3, kind))
            assert await bench.served() == mine.fingerprint
            new = signed_for(later, 3)
            await driver.install(new)
        assert await bench.served() == new.fingerprint

    async def test_a_new_request_takes_the_place_of_one_that_came_to_nothing(self, bench: Bench) -> None:
        _, kind = await self.able(bench)
        before = await self.look(bench)
        async with self.driver(bench) as driver:
            for number in (1, 2):
                await driver.create_csr(csr_request(number, KeyType(kind)))
        assert (await self.look(bench)).keys == before.keys | {"dc-0a1b2c3d-r2"}
