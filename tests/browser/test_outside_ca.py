"""A CA outside, as the person at the browser sees it: the chain that came back is what makes the camera secure."""

from tests.browser.cameras import seen
from tests.support.browser import Browser
from tests.support.outside_ca import OutsideCA
from tests.support.world import World


async def sign_and_put(world: World, outside: OutsideCA) -> None:
    """What a person does with the CSR: have it signed, and put the chain back."""
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature", within=30)
    csr = (await world.get("configmap", "gate-csr"))["data"]["certreq.pem"]
    chain = outside.sign(csr) + outside.issuing_pem + outside.root_pem
    await world.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "gate-signed", "labels": {"devicecert.io/use": "certificate"}},
            "data": {"tls.crt": chain},
        }
    )


async def test_a_browser_shows_the_camera_as_secure_once_the_signed_chain_is_back(world: World) -> None:
    camera = await world.camera("gate")
    outside = OutsideCA(world.folder / "outside")
    await world.credentials()
    async with Browser([outside.root.read_bytes()]) as imported, Browser([]) as fresh:
        issuer = {"external": {"certificateRef": {"name": "gate-signed"}}}
        wish = world.certificate("gate", issuer=issuer, privateKey={"source": "Device"})
        await world.apply(world.device("gate"), wish)
        await world.start_operator()
        assert await seen(imported, camera) == "ERR_CERT_AUTHORITY_INVALID", "the factory's certificate"

        await sign_and_put(world, outside)
        await world.ready("gate", within=30)
        assert await seen(imported, camera) == ""
        assert await seen(fresh, camera) == "ERR_CERT_AUTHORITY_INVALID", "the CA is not imported"

        await camera.move(world.address(9))
        assert await seen(imported, camera) == "ERR_CERT_COMMON_NAME_INVALID"
        await sign_and_put(world, outside)
        await world.becomes_trusted(camera, within=30, root=outside.root)
        assert await seen(imported, camera) == ""
