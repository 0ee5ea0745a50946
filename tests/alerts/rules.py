"""The chart's alerts for tests: with their default figures or others, and without helm."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "device-cert-operator"
RULES = CHART / "files" / "rules.yaml"
ADVICE = "make test needs {0}: apt-get install -y --no-install-recommends prometheus (and stop its service)"
SELECTOR = 'job="dco-device-cert-operator-metrics", namespace="devices"'  # of the release that tests render
Object = dict[str, Any]


def program(name: str) -> str:
    """promtool or prometheus. RuntimeError says what to install."""
    if (path := shutil.which(name)) is None:
        raise RuntimeError(ADVICE.format(name))
    return path


def settings() -> Object:
    """metrics.prometheusRule of values.yaml."""
    return dict(yaml.safe_load((CHART / "values.yaml").read_text())["metrics"]["prometheusRule"])


def rendered(**thresholds: str | float) -> Object:
    """The rule file as helm renders it (a test compares), with these figures instead of the defaults."""
    given = settings()
    figures = given["thresholds"] | {"runbooks": given["runbooks"], "selector": SELECTOR} | thresholds
    text = re.sub(r"@@([A-Za-z]+)@@", lambda found: str(figures[found[1]]), RULES.read_text())
    return dict(yaml.safe_load(text))


def alerts(**thresholds: str | float) -> dict[str, Object]:
    """The same, by name."""
    return {one["alert"]: one for group in rendered(**thresholds)["groups"] for one in group["rules"]}
