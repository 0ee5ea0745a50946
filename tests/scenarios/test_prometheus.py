"""A real Prometheus beside a real operator: an alert fires and resolves, and the dashboard shows something."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.alerts import dashboard, rules
from tests.support.authorities import authority, certificate
from tests.support.prometheus import Object, Prometheus, free_port
from tests.support.world import World

ROOT = Path(__file__).parents[2]
AWAY = {"alertname": "DeviceUnreachable", "severity": "warning", "name": "gate"}


async def test_an_alert_fires_while_a_device_is_away_and_the_dashboard_shows_it(
    world: World, tmp_path: Path, prometheus: None
) -> None:
    """One device goes away and comes back; another is not secure all the time, and a person wants it only watched."""
    camera = await world.camera("gate")
    await world.camera("hall", 2)
    await world.credentials()
    only_watched = world.device("hall", 2, management="Observe")
    certificates = (certificate(world), certificate(world, "hall"))
    await world.apply(authority(), world.device("gate"), only_watched, *certificates)
    port, alert_rules = free_port(), rules.rendered(unreachableFor="1s", notSecureFor="2s")
    with operator_process(world, port):
        await world.ready("gate", within=40)
        await world.until("dev", "hall", "Secure", "False")
        with Prometheus(tmp_path, port, alert_rules) as watching:
            await watching.scrapes()
            await camera.power_off()
            [told] = await watching.until(bool)
            assert told["labels"] == AWAY | {"namespace": world.namespace}
            assert told["annotations"]["summary"] == f"Device {world.namespace}/gate does not answer"
            assert await _without_data(watching) == []
            await camera.power_on()
            await watching.until(lambda found: not found)
            fired = await watching.query('count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[5m]))')
            assert [one["metric"]["alertname"] for one in fired] == ["DeviceUnreachable"]


async def _without_data(watching: Prometheus) -> list[str]:
    """Queries of the dashboard that return nothing, though there is something of each kind to be seen."""
    queries = [one.removesuffix(" or vector(0)") for one in dashboard.queries(namespace=".*", interval="30s")]
    return [one for one in queries if not await watching.query(one)]


@contextmanager
def operator_process(world: World, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """`devicecert run` in a process of its own."""
    environment: Object = os.environ | {
        "KUBECONFIG": str(world.kubeconfig),
        "DEVICECERT_NAMESPACES": world.namespace,
        "PYTHONPATH": str(ROOT / "operator"),
    }
    with (world.folder / "operator.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "device_cert_operator", "run", "--metrics-port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)
