"""`python -m device_cert_operator.metrics.reference` writes `docs/reference/metrics.md`; `--check` only compares."""

import sys
from pathlib import Path

from device_cert_operator.metrics.families import BUCKETS, FAMILIES, Family

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "metrics.md"
_TOP = """\
# Metrics

Generated from `metrics/families.py` by `make generate`; do not edit. `/metrics` speaks OpenMetrics 1.0 to who asks for
it, else the Prometheus text format. There are no exemplars.

Series that bear `namespace` and `name` are read from the operator's cache at each scrape: they come and go with the
object. A replica that stands by may export them as well, so take `max by (namespace, name)`, as the
[alerts](../runbooks/README.md) do. With 10 000 Devices, each with a DeviceCertificate of its own, a scrape has some
140 000 series, half of them of `devicecert_certificate_*`; drop what you do not use with
`metrics.serviceMonitor.metricRelabelings`.

| metric | type | labels | series | |
|---|---|---|---|---|
"""


def render() -> str:
    """The page."""
    return _TOP + "".join(_row(family) for family in FAMILIES)


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    per = str(family.per)
    if family.type == "histogram":
        per += f"; each has {len(BUCKETS) + 3} lines"
    return f"| `{family.name}` | {family.type} | {labels} | {per} | {family.text} |\n"


def main() -> int:
    """Write, or with `--check` compare. Exit code 1: it differs."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(render())
        return 0
    if PAGE.exists() and PAGE.read_text() == render():
        return 0
    sys.stderr.write("docs/reference/metrics.md differs from the metrics: run `make generate`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
