"""A CertificateAuthority and its camera, as people see it who import what `devicecert trust export` wrote."""

from datetime import timedelta

import pytest

from device_cert_operator.pki.facts import ders_to_pem, pem_to_ders
from tests.browser.cameras import seen
from tests.cli.test_trust import export
from tests.scenarios.test_rotation import follow, rotate_up_to_the_switch
from tests.support.authorities import one_camera, phase
from tests.support.browser import Browser
from tests.support.world import World

UNKNOWN = "ERR_CERT_AUTHORITY_INVALID"


@pytest.mark.parametrize("key", ["Operator", "Device"])
async def test_browsers_of_either_root_show_the_camera_as_secure_before_within_and_after_a_rotation(
    world: World, key: str
) -> None:
    world.clock.forward(timedelta(hours=-1))  # by the browser's clock, all that follows is dated in the past
    camera = await one_camera(world, wanted={"privateKey": {"source": key}}, rotation={"overlap": "20m"})
    async with Browser() as fresh:
        assert await seen(fresh, camera) == UNKNOWN, "nothing is imported"
        async with Browser([await export(world, "site-ca")]) as trusts_old:
            assert await seen(trusts_old, camera) == ""

            await rotate_up_to_the_switch(world)
            both = pem_to_ders(await export(world, "site-ca"))
            assert len(both) == 2
            async with Browser([ders_to_pem(both[1])]) as trusts_new:
                assert [await seen(one, camera) for one in (trusts_old, trusts_new)] == ["", ""]

                under_old = camera.served_fingerprint
                world.clock.forward(timedelta(minutes=20))
                await phase(world, "Switching")
                await follow(world)
                await world.holds(lambda: camera.served_fingerprint != under_old)
                await phase(world, None)
                await world.ready("gate")
                assert [await seen(one, camera) for one in (trusts_old, trusts_new)] == ["", ""]
                assert await export(world, "site-ca") == ders_to_pem(both[1])
        assert await seen(fresh, camera) == UNKNOWN
