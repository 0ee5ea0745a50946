"""docs/operate.md: what was saved is restored, and clients notice nothing."""

from typing import Any

from tests.support.authorities import authority, certificate
from tests.support.howto import ROOT, Howto, blocks
from tests.support.world import World

PAGE = ROOT / "docs" / "operate.md"
BACK_UP, RESTORE = "Back up", "Restore"
COPY = {"secretName": "gate-tls"}


async def secret(world: World, name: str) -> dict[str, Any]:
    return dict((await world.get("secret", name)).get("data", {}))


async def test_what_was_saved_is_restored_and_the_root_is_the_same(world: World) -> None:
    """Two ways at once: a root that the operator made, and one of openssl's; with a copy, which is made again."""
    gate, yard = await world.camera("gate"), await world.camera("yard", 2)
    await world.credentials()
    await world.authority()
    by_authority = certificate(world)
    by_authority["spec"] |= COPY
    await world.apply(authority(), world.device("gate"), by_authority)
    await world.apply(world.device("yard", 2), world.certificate("yard"))
    await world.start_operator()
    await world.ready("gate", "yard")
    root = await secret(world, "site-root")
    before = gate.served_fingerprint, yard.served_fingerprint
    site = world.folder / "site.pem"
    site.write_text((await world.get("configmap", "site-ca-trust"))["data"]["ca.crt"])

    howto = Howto(world, PAGE, replacements={" -A ": " "})
    await howto.follow(BACK_UP)
    await world.stop_operator()
    await world.kubectl("delete", "dev,dcert,dca", "--all")
    await world.kubectl("delete", "secret,configmap", "-l", "devicecert.io/use")
    assert await secret(world, "site-root") == {}

    await howto.follow(RESTORE)
    await world.start_operator()
    await world.ready("gate", "yard", within=40)
    assert await secret(world, "site-root") == root
    assert (gate.served_fingerprint, yard.served_fingerprint) != before, "issued anew"
    assert await world.trusted(gate.address, site)
    assert await world.trusted(yard.address)
    assert (await secret(world, "gate-tls"))["tls.key"], "the copy is made again"
    assert (gate.guard.refused, yard.guard.refused) == (0, 0)


def test_every_command_of_the_page_is_run() -> None:
    assert {block.heading for block in blocks(PAGE)} == {BACK_UP, RESTORE}
