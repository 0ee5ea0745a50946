"""docs/operate.md: doctor looks as the page says; what was saved is restored, and clients notice nothing."""

from typing import Any

from tests.support.authorities import authority, certificate
from tests.support.helm import Helm, only
from tests.support.howto import ROOT, Howto, blocks
from tests.support.rights import NAME
from tests.support.world import World

PAGE = ROOT / "docs" / "operate.md"
EVERYTHING_IN_PLACE = "Is everything in place?"
RELEASE = "device-cert-operator"
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


async def test_doctor_looks_from_a_workstation_for_the_operators_account(world: World) -> None:
    howto = Howto(
        world,
        PAGE,
        replacements={
            "NAMESPACES=cameras": f"NAMESPACES={world.namespace}",
            f"{RELEASE}/{RELEASE}": f"{world.namespace}/{NAME}",
            f"LEASE_NAME={RELEASE}": f"LEASE_NAME={NAME}",
            f"LEASE_NAMESPACE={RELEASE}": f"LEASE_NAMESPACE={world.namespace}",
        },
    )
    told = await howto.follow(EVERYTHING_IN_PLACE)
    who = f"ServiceAccount {world.namespace}/{NAME} may"
    assert f"{who} do all that the operator does." in told
    assert f"{who} make the Lease and hold it." in told
    assert "Nobody holds it: does the operator run?" in told


def test_doctor_is_asked_by_the_names_that_the_chart_gives(helm: Helm) -> None:
    rendered = helm.objects({}, namespace=RELEASE, name=RELEASE)
    deployment = only(rendered, "Deployment")["metadata"]["name"]
    [container] = only(rendered, "Deployment")["spec"]["template"]["spec"]["containers"]
    lease = {one["name"]: one.get("value") for one in container["env"]}["DEVICECERT_LEASE_NAME"]
    account = only(rendered, "ServiceAccount")["metadata"]["name"]
    [inside, *_] = [block.commands for block in blocks(PAGE, "text") if block.heading == EVERYTHING_IN_PLACE]
    assert f"kubectl -n {RELEASE} exec deploy/{deployment} -- devicecert doctor" in inside
    [outside] = [block.commands for block in blocks(PAGE) if block.heading == EVERYTHING_IN_PLACE]
    assert f"DEVICECERT_LEASE_NAME={lease} DEVICECERT_LEASE_NAMESPACE={RELEASE}\n" in outside
    assert f"devicecert doctor --service-account {RELEASE}/{account}" in outside


def test_every_command_of_the_page_is_run() -> None:
    assert {block.heading for block in blocks(PAGE)} == {EVERYTHING_IN_PLACE, BACK_UP, RESTORE}
