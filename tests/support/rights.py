"""Every story's operator under the chart's ServiceAccount, and what all of them together asked for.

A namespace is admitted with the Roles that the chart renders for `watchNamespaces`; with `--cluster-wide` with its
ClusterRole, and the operators watch all namespaces, so that one story runs after another. The run's control plane
writes down what those accounts ask of it: `pytest --audit-log=FILE` keeps that, and `python -m tests.support.rights
FILE` compares it with the Roles: nothing was refused, and nothing is granted that no story used.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local_control_plane.build import ensure
from local_control_plane.plane import ControlPlane, wait_for, write_user_kubeconfig
from tests.support.account import Account, Right, refused, right, rights_in, rules_for
from tests.support.admin import admin
from tests.support.helm import Helm

NAME = "operator"  # of release, account and Lease
_SOMEWHERE = "the-namespace"
_KINDS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


class Chart:
    """The chart's account, rendered once: for one namespace, or for the whole cluster."""

    def __init__(self, helm: Helm, *, cluster_wide: bool = False) -> None:
        self.cluster_wide = cluster_wide
        values = {
            "crds": {"enabled": False},
            "fullnameOverride": NAME,
            "watchNamespaces": [] if cluster_wide else [_SOMEWHERE],
            "rbac": {"aggregateClusterRoles": False},
        }
        rendered = helm.objects(values, namespace=_SOMEWHERE, name=NAME)
        self.objects = [one for one in rendered if one["kind"] in _KINDS]
        self.rules = tuple(rules_for(NAME, self.objects))
        self.granted = rights_in(self.rules)

    def admit(self, plane: ControlPlane, namespace: str, folder: Path) -> Account:
        """This namespace's operator, its kubeconfig in this folder. Cluster-wide the one before loses its rights."""
        hand, user = admin(plane), f"system:serviceaccount:{namespace}:{NAME}"
        hand.apply(namespace, *json.loads(json.dumps(self.objects).replace(_SOMEWHERE, namespace)))
        where = "" if self.cluster_wide else namespace
        may = partial(hand.may, user, "list", "devicecert.io", "devices", where)
        wait_for(may, 20, "the right of a Role just made")
        kubeconfig = folder / "operator.kubeconfig"
        write_user_kubeconfig(plane, kubeconfig, hand.token(namespace, NAME, seconds=3600), namespace)
        watched = () if self.cluster_wide else (namespace,)
        return Account(NAME, namespace, kubeconfig, watched, self.rules)


@dataclass(frozen=True)
class Asked:
    """What the operators of a run asked for. used: how often each right. everywhere: of these, for all namespaces."""

    operators: int
    used: Mapping[Right, int]
    refused: list[str]
    everywhere: int = 0


def read(log: Path) -> Asked:
    """From an audit log, a JSON object a line (audit.k8s.io/v1)."""
    operators, used, no, everywhere = set(), Counter[Right](), list[str](), 0
    with log.open() as lines:
        for line in lines:
            event = json.loads(line)
            user = event["user"]["username"]
            if "objectRef" in event and user.endswith(f":{NAME}"):
                operators.add(user)
                used[right(event)] += 1
                no += refused([event])
                everywhere += "namespace" not in event["objectRef"]
    return Asked(len(operators), used, no, everywhere)


def compare(asked: Asked, granted: set[Right], *, cluster_wide: bool = False) -> list[str]:
    """What is wrong, a line each."""
    wrong = [f"refused: {one}" for one in asked.refused]
    wrong += [f"granted and never used: {' '.join(one)}" for one in sorted(granted - asked.used.keys())]
    if not asked.operators:
        wrong.append("no operator asked for anything: the stories ran as somebody else")
    if cluster_wide != bool(asked.everywhere):
        wrong.append(f"{asked.everywhere} requests were for all namespaces")
    return wrong


def main() -> int:
    """Compare, print, 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("log", type=Path, help="what `pytest --audit-log` kept")
    parser.add_argument("--cluster-wide", action="store_true", help="as pytest was told")
    given = parser.parse_args()
    asked = read(given.log)
    with tempfile.TemporaryDirectory() as home:
        granted = Chart(Helm(ensure(["helm"])["helm"], Path(home)), cluster_wide=given.cluster_wide).granted
    told = (
        f"{sum(asked.used.values())} requests of {asked.operators} operators under the chart's "
        f"{'ClusterRole' if given.cluster_wide else 'Roles'}: "
        f"{len(asked.refused)} refused; {len(granted & asked.used.keys())} of {len(granted)} rights used."
    )
    wrong = compare(asked, granted, cluster_wide=given.cluster_wide)
    sys.stdout.write("\n  ".join([told, *wrong]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
