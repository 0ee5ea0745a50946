"""Pages that are generated like the CRDs: every setting, and every reason with what to do about it."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta

from device_cert_operator.advice import ADVICE
from device_cert_operator.core.conditions import RECONCILING, WELL
from device_cert_operator.reasons import Reason
from device_cert_operator.settings import PREFIX, Settings

SETTINGS_HEAD = """# Configuration

Settings of the operator process, from its environment; read once, at the start. What it works on stands in resources.
Generated from `settings.py` by `make generate`; do not edit.

| variable | type | default | |
|---|---|---|---|
"""
SETTINGS_FOOT = """

Lists are comma-separated, times are seconds. What cannot be read ends the process with the variable's name. The chart
sets them from its values; options of `devicecert run` win over them.
"""
REASONS_HEAD = """# Reasons

One word is the reason of a condition, of an event, and the label of a metric. The message beside it names the object
and the next move. Generated from `advice.py` by `make generate`; do not edit.

What tools that read kstatus (Argo CD, Flux, `kubectl wait`) make of an object that is not Ready for this reason:
*Stalled*: a person has to act; *Reconciling*: it comes by itself (a device that is not heard of for ten minutes is
Stalled all the same). *well*: alone it makes nothing not Ready.

| reason | kstatus | meaning | what to do |
|---|---|---|---|
"""


def settings_page() -> str:
    """`docs/configuration.md`."""
    rows = (f"| `{PREFIX}{name}` | {kind} | {default} | {told} |" for name, kind, default, told in _settings())
    return SETTINGS_HEAD + "\n".join(rows) + SETTINGS_FOOT


def _settings() -> Iterator[tuple[str, str, str, str]]:
    """(name, type, default, meaning)."""
    for item in fields(Settings):
        default = item.default
        match default:
            case bool():
                kind, shown = "true or false", f"`{str(default).lower()}`"
            case tuple():
                kind, shown = "list", ",".join(default) or "empty"
            case timedelta():
                kind, shown = "seconds", f"`{default.total_seconds():g}`"
            case int() | float():
                kind, shown = "number", f"`{default:g}`"
            case _:
                kind, shown = "text", f"`{default}`" if default else "empty"
        yield item.name.upper(), kind, shown, item.metadata.get("told", "")


def reasons_page() -> str:
    """`docs/reference/reasons.md`. Raises KeyError for a reason that `advice.py` does not know."""
    rows = (
        f'| <a id="{reason.lower()}"></a>`{reason}` | {_kstatus(reason)} | {ADVICE[reason][0]} | {ADVICE[reason][1]} |'
        for reason in sorted(Reason)
    )
    return REASONS_HEAD + "\n".join(rows) + "\n"


def _kstatus(reason: Reason) -> str:
    if reason in WELL:
        return "well"
    return "Reconciling" if reason in RECONCILING else "**Stalled**"
