"""The dashboard for tests: its panels and what they ask."""

import json
from typing import Any

from tests.alerts.rules import CHART

FILE = CHART / "files" / "dashboard.json"


def panels() -> list[dict[str, Any]]:
    """Those that show something; rows are headings."""
    return [one for one in json.loads(FILE.read_text())["panels"] if one["type"] != "row"]


def queries(*, namespace: str, interval: str) -> list[str]:
    """Every expression, with Grafana's variables filled in."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [one.replace("$namespace", namespace).replace("$__rate_interval", interval) for one in asked]
