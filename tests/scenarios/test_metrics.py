"""What Prometheus and the probes are told."""

import urllib.request

from tests.support.world import World


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
        return str(reply.read().decode())


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


async def test_an_edit_that_cannot_be_read_is_told_until_it_is_repaired(world: World) -> None:
    await world.one_camera()
    assert world.app is not None
    app, place = world.app, f'name="gate",namespace="{world.namespace}"'
    told = f'devicecert_problem{{kind="Device",{place},condition="Ready",reason="InvalidSpec"}} 1.0'

    def scraped() -> str:
        return app.metrics.scrape()[0].decode()

    assert told not in scraped()
    await world.apply(world.device("gate", maintenanceWindows=[{"schedule": "0 0 30 2 *", "duration": "2h"}]))
    stalled = await world.until("dev", "gate", "Stalled", "True", "InvalidSpec")
    assert "maintenanceWindows" in stalled["message"]
    await world.holds(lambda: told in scraped())
    assert f"devicecert_device_secure{{{place}}}" not in scraped()
    await world.until("dcert", "gate", "Secure", "False", "InvalidSpec", told="maintenanceWindows")
    await world.apply(world.device("gate"))
    await world.ready("gate")
    await world.holds(lambda: told not in scraped())
    assert f"devicecert_device_secure{{{place}}} 1.0" in scraped()
