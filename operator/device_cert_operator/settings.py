"""Settings of the operator process: the environment (`DEVICECERT_…`) read once into a frozen value."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

PREFIX = "DEVICECERT_"


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process works; what it works on stands in resources.

    namespaces: watched namespaces, empty for all. workers: keys worked on at once. sessions, sessions_per_subnet:
    device conversations at once, altogether and per /24 (IPv6: /64). full_check_every: each n-th check logs in.
    locate_rate: TLS probes a second while looking for moved devices. liveness_silence: a watch or a worker silent for
    longer is dead. cluster_issuers: issuers beyond the namespace that may be asked:
    `NAME` is a ClusterIssuer of cert-manager, `KIND.GROUP/NAME` one of another kind.
    metrics_port: of /metrics, /healthz and /readyz;
    0 picks a free one.
    """

    namespaces: tuple[str, ...] = ()
    workers: int = 64
    sessions: int = 128
    sessions_per_subnet: int = 32
    full_check_every: int = 6
    locate_rate: float = 50.0
    relist_every: timedelta = timedelta(minutes=10)
    liveness_silence: timedelta = timedelta(minutes=15)
    shutdown_within: timedelta = timedelta(seconds=8)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 8000
    log_format: str = "auto"
    log_level: str = "info"
    dry_run: bool = False
    cluster_issuers: tuple[str, ...] = ()

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
