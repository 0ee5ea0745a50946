"""What Prometheus and the probes are told."""

import urllib.request

import pytest

from tests.support.world import World


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
        return str(reply.read().decode())


@pytest.mark.both_forms
async def test_metrics_follow_the_objects_and_vanish_with_them(world: World) -> None:
    import asyncio

    camera = await world.one_camera()
    assert world.app is not None
    port = world.app.health_port
    assert await asyncio.to_thread(_get, port, "/healthz") == "ok"
    assert await asyncio.to_thread(_get, port, "/readyz") == "ok: acting alone, without a Lease"
    text = await asyncio.to_thread(_get, port, "/metrics")
    place = f'{{name="gate",namespace="{world.namespace}"}}'
    assert f"devicecert_device_secure{place} 1.0" in text
    assert f"devicecert_device_reachable{place} 1.0" in text
    assert f"devicecert_served_certificate_not_after_timestamp_seconds{place}" in text
    assert f'devicecert_issuing_ca_not_after_timestamp_seconds{{name="root",namespace="{world.namespace}"}}' in text
    assert 'devicecert_device_operations_total{driver="onvif",operation="install",result="ok"} 1.0' in text
    assert "devicecert_leader 1.0" in text
    assert camera.spec.password not in text
    await world.kubectl("delete", "dev", "gate")
    await world.until("dcert", "gate", "Secure", "False", "DeviceMissing")
    assert "devicecert_device_secure{" not in await asyncio.to_thread(_get, port, "/metrics")
