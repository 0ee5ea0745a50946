"""Settings of the operator process: the environment (`DEVICECERT_…`) read once into a frozen value.

What each means stands beside it: `docs/configuration.md` is generated from here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta

PREFIX = "DEVICECERT_"
SHORTEST_LEASE = timedelta(seconds=2)


def told(meaning: str) -> dict[str, str]:
    """Metadata of a field: what the setting means, for people."""
    return {"told": meaning}


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process works; what it works on stands in resources. Raises ValueError for what cannot work."""

    namespaces: tuple[str, ...] = field(default=(), metadata=told("Namespaces that are watched; empty: all."))
    workers: int = field(default=64, metadata=told("Objects that are worked on at once."))
    sessions: int = field(default=128, metadata=told("Device conversations at once, altogether."))
    sessions_per_subnet: int = field(
        default=32, metadata=told("Device conversations at once in one /24 (IPv6: /64); a DNS name is one of its own.")
    )
    full_check_every: int = field(
        default=6, metadata=told("Each n-th check logs in; those between are handshakes only.")
    )
    locate_rate: float = field(
        default=200.0, metadata=told("Handshakes a second while looking for devices that moved, all searches together.")
    )
    relist_every: timedelta = field(
        default=timedelta(minutes=10), metadata=told("How often all names are listed, to notice what no watch told.")
    )
    liveness_silence: timedelta = field(
        default=timedelta(minutes=15), metadata=told("A worker that is busy with one object for longer is dead.")
    )
    # the watches and the Lease take up to a second each after it, and the process is to be gone within ten
    shutdown_within: timedelta = field(
        default=timedelta(seconds=7), metadata=told("How long device work under way may go on after SIGTERM.")
    )
    metrics_host: str = field(default="127.0.0.1", metadata=told("Address of /metrics, /healthz and /readyz."))
    metrics_port: int = field(default=8000, metadata=told("Their port; 0 picks a free one."))
    log_format: str = field(default="auto", metadata=told("`text`, `json`, or `auto`: text on a terminal."))
    log_level: str = field(
        default="info", metadata=told("`debug`, `info`, `warning` or `error`. `info` has each change of a device.")
    )
    dry_run: bool = field(
        default=False, metadata=told("Look, log in and report; change no device. Certificates are issued all the same.")
    )
    paused: bool = field(
        default=False,
        metadata=told("As if every object had the annotation `devicecert.io/paused`: only handshakes go on."),
    )
    cluster_issuers: tuple[str, ...] = field(
        default=(),
        metadata=told(
            "Issuers beyond the namespace that may be asked: `NAME` is a ClusterIssuer of cert-manager, "
            "`KIND.GROUP/NAME` one of another kind."
        ),
    )
    lease_name: str = field(
        default="",
        metadata=told("The Lease by which one of several replicas acts; empty: no election, for one replica only."),
    )
    lease_namespace: str = field(default="", metadata=told("Where the Lease is; empty: the pod's own namespace."))
    lease_duration: timedelta = field(
        default=timedelta(seconds=30),
        metadata=told("After how long without a renewal another replica takes over. At least 2 seconds."),
    )
    identity: str = field(
        default="",
        metadata=told("This replica's name in the Lease, to which a random part is added; empty: the host's."),
    )

    def __post_init__(self) -> None:
        if self.lease_duration < SHORTEST_LEASE:
            least = SHORTEST_LEASE.total_seconds()
            raise ValueError(f"{PREFIX}LEASE_DURATION is {self.lease_duration.total_seconds():g}: at least {least:g}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read `DEVICECERT_<FIELD>`; lists are comma-separated, times are seconds. Raises ValueError with the name."""
        given: dict[str, object] = {}
        for item in fields(cls):
            variable = PREFIX + item.name.upper()
            if (text := environment.get(variable)) is None:
                continue
            try:
                given[item.name] = _parse(text, item.default)
            except ValueError as error:
                raise ValueError(f"{variable}={text!r} cannot be read: {error}") from None
        return cls(**given)  # type: ignore[arg-type]  # the parser follows each field's default


def _parse(text: str, default: object) -> object:
    match default:
        case bool():
            if text.lower() not in {"true", "false", "1", "0"}:
                raise ValueError("true or false is wanted")
            return text.lower() in {"true", "1"}
        case tuple():
            return tuple(part.strip() for part in text.split(",") if part.strip())
        case timedelta():
            return timedelta(seconds=float(text))
        case int():
            return int(text)
        case float():
            return float(text)
        case _:
            return text
