"""A cluster that the user already has, instead of a plane of ours."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from local_control_plane import kubeconfig
from local_control_plane.build import Progress, ensure
from local_control_plane.plane import ControlPlane, PlaneError, start

VARIABLE = "DEVICECERT_KUBECONFIG"


@dataclass(frozen=True)
class ExistingCluster:
    """A cluster that somebody else runs; nothing here starts or stops it."""

    url: str
    kubeconfig: Path
    kubectl: Path
    helm: Path

    def __enter__(self) -> "ExistingCluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Nothing: it is not ours."""


def use_or_start(
    folder: Path | None = None,
    *,
    tied: bool = True,
    progress: Progress = lambda _line: None,
    audit_policy: str | None = None,
) -> ControlPlane | ExistingCluster:
    """The cluster that `DEVICECERT_KUBECONFIG` names, if it is set; else a plane started as by `start`.

    Raises BuildError, PlaneError.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return start(folder, tied=tied, progress=progress, audit_policy=audit_policy)
    path = Path(given).expanduser().absolute()
    try:
        url = kubeconfig.read_url(path)
    except (OSError, ValueError) as error:
        raise PlaneError(f"{VARIABLE} cannot be used: {error}") from None
    on_path = {name: Path(found) for name in ("kubectl", "helm") if (found := shutil.which(name))}
    tools = ensure([name for name in ("kubectl", "helm") if name not in on_path], progress) | on_path
    return ExistingCluster(url, path, tools["kubectl"], tools["helm"])
