"""docs/how-to/own-ca.md, followed to the letter."""

import asyncio
import time
from datetime import timedelta

from tests.support import authorities
from tests.support.howto import PAGES, Howto, blocks
from tests.support.world import World

PAGE = PAGES / "own-ca.md"
KEEPS, HAS, YOURS = "The operator keeps it", "A root that you already have", "You keep it"
REPLACES, CONFIRMS = "Replacing the root", "Both roots, and the confirmation"


async def test_the_operator_makes_a_root_and_replaces_it(world: World) -> None:
    await world.camera("gate-cam")
    howto = Howto(world, PAGE, "192.0.2.120")
    await world.start_operator()
    told = await howto.follow(KEEPS)
    assert "Verify return code: 0 (ok)" in told
    saved = howto.folder / "site-root.yaml"
    assert "tls.key" in saved.read_text()
    assert saved.stat().st_mode & 0o077 == 0, "nobody else reads the key"
    await howto.follow(REPLACES)
    await until_phase(world, "Distributing", timedelta(hours=1))
    await howto.follow(CONFIRMS)
    assert (howto.folder / "both.pem").read_text().count("BEGIN CERTIFICATE") == 2
    await until_phase(world, "Switching", timedelta(days=10))


async def until_phase(world: World, wanted: str, step: timedelta) -> None:
    """The clock goes on by steps until it is there."""
    until = time.monotonic() + 60
    while (seen := (await authorities.rotation(world)).get("phase")) != wanted:
        assert time.monotonic() < until, seen
        world.clock.forward(step)
        authorities.wake(world)
        authorities.wake(world, "DeviceCertificate", "gate-cam")
        await asyncio.sleep(0.3)


async def test_a_root_that_was_there_is_adopted(world: World) -> None:
    await world.camera("gate-cam")
    howto = Howto(world, PAGE, "192.0.2.120")
    await howto.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout cakey.pem -out cacert.pem -subj /O=Ours"
    )
    await world.start_operator()
    told = await howto.follow(HAS)
    assert "no keyUsage" in told
    await world.ready("gate-cam")
    assert await world.trusted(world.address(1), howto.folder / "cacert.pem")


async def test_a_root_of_which_you_keep_the_key(world: World) -> None:
    await world.camera("gate-cam")
    howto = Howto(world, PAGE, "192.0.2.120")
    await world.start_operator()
    assert "Verify return code: 0 (ok)" in await howto.follow(YOURS)


def test_every_command_of_the_page_is_run_by_one_of_these() -> None:
    assert {block.heading for block in blocks(PAGE)} == {KEEPS, HAS, REPLACES, CONFIRMS, YOURS}
