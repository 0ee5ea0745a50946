"""Through a rotation of our root, browsers that trust only the old or only the new one show the device as secure."""

from dataclasses import replace

import pytest

from device_cert_operator.clock import SystemClock
from device_cert_operator.core.authority_model import RootShape
from device_cert_operator.core.model import is_ip
from device_cert_operator.pki.facts import ders_to_pem, pem_to_ders
from tests.browser.offers import HOST, Offer
from tests.browser.serving import FOR_NAMES, serving
from tests.support.browser import Browser
from tests.support.ca import Pair
from tests.support.rotation import SHAPE, Rotation, rotate

SHAPES = {
    "addresses": (replace(SHAPE, permitted_ip=("127.0.0.0/8",)), HOST),
    "names": (replace(SHAPE, permitted_dns=("cams.example",), permitted_ip=()), "gate.cams.example"),
}


def offers(rotation: Rotation, host: str) -> dict[str, Offer]:
    """What the device sends in each stage."""
    return {stage: Offer((Pair(made.tls_crt, made.tls_key),), (), host) for stage, made in rotation.stages.items()}


@pytest.mark.parametrize(("shape", "host"), SHAPES.values(), ids=SHAPES)
async def test_chromium_shows_the_device_as_secure_through_a_rotation(shape: RootShape, host: str) -> None:
    rotation = rotate(shape, SystemClock().now(), host)
    seen = {}
    for client, anchors in {**rotation.clients, "trusts neither": b""}.items():
        async with Browser(roots(anchors)) as browser:
            for stage, offer in offers(rotation, host).items():
                async with serving(offer, host if is_ip(host) else FOR_NAMES) as port:
                    seen[client, stage] = (await browser.visit(f"https://{host}:{port}/")).error
    assert {key: error for key, error in seen.items() if error} == {
        ("trusts neither", stage): "ERR_CERT_AUTHORITY_INVALID" for stage in rotation.stages
    }


def roots(pem: bytes) -> list[bytes]:
    return [ders_to_pem(der) for der in pem_to_ders(pem)] if pem else []
