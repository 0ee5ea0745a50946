"""Your own CA, as the person at the browser sees it: refused, then shown as secure once the CA is imported."""

from tests.browser.cameras import seen
from tests.support.browser import Browser
from tests.support.world import World


async def test_a_browser_shows_the_camera_as_secure_until_it_moves_and_again_once_healed(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    async with Browser([world.root.read_bytes()]) as imported, Browser([]) as fresh:
        assert await seen(imported, camera) == "ERR_CERT_AUTHORITY_INVALID", "the factory's certificate"

        await world.apply(world.device("gate"), world.certificate("gate"))
        await world.start_operator()
        await world.ready("gate")
        assert await seen(imported, camera) == ""
        assert await seen(fresh, camera) == "ERR_CERT_AUTHORITY_INVALID", "the CA is not imported"

        await world.stop_operator()
        await camera.move(world.address(9))
        assert await seen(imported, camera) == "ERR_CERT_COMMON_NAME_INVALID"

        await world.start_operator()
        await world.becomes_trusted(camera, within=30)
        assert await seen(imported, camera) == ""
