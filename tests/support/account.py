"""The operator under the chart's own ServiceAccount: a release, its token, and what the audit log says it asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_cert_operator.wiring import App
from local_control_plane.plane import ControlPlane, write_user_kubeconfig
from tests.support.control_plane import kubectl
from tests.support.helm import CHART, Helm, Object, parsed
from tests.support.world import World

Right = tuple[str, str, str]  # verb, API group, resource with subresource


@dataclass(frozen=True)
class Account:
    """A release of the chart. kubeconfig: of its ServiceAccount. watched: namespaces, none for all."""

    name: str
    namespace: str
    kubeconfig: Path
    watched: tuple[str, ...]
    rules: tuple[Object, ...]

    @property
    def user(self) -> str:
        """As the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def granted(self) -> set[Right]:
        """What its Roles allow."""
        return rights_in(self.rules)

    def world(self, plane: ControlPlane, namespace: str, *, elects: bool = False) -> "AccountWorld":
        """A world whose operator logs in with this account's token. elects: it acts by the release's Lease."""
        lease = {"lease_name": self.name, "lease_namespace": self.namespace} if elects else {}
        return AccountWorld(plane, namespace, self, lease)


class AccountWorld(World):
    """The tests look at the cluster as admin; the operator does not."""

    def __init__(self, plane: ControlPlane, namespace: str, account: Account, lease: dict[str, str]) -> None:
        super().__init__(plane, namespace, account.kubeconfig, account.watched)
        self._lease = lease

    async def start_operator(self, **settings: Any) -> App:
        return await super().start_operator(**{**self._lease, **settings})


def install(helm: Helm, plane: ControlPlane, folder: Path, name: str, watched: tuple[str, ...] = ()) -> Account:
    """The chart as release `name` in a namespace of that name; the CRDs are there."""
    values = {"crds": {"enabled": False}, "fullnameOverride": name, "watchNamespaces": list(watched)}
    helm.run(
        *("install", name, str(CHART), "--namespace", name, "--create-namespace"),
        values=values,
        kubeconfig=plane.kubeconfig,
    )
    token = kubectl(plane, "-n", name, "create", "token", name, "--duration=2h").strip()
    kubeconfig = folder / f"{name}.kubeconfig"
    write_user_kubeconfig(plane, kubeconfig, token, name)
    manifest = parsed(helm.run("get", "manifest", name, "--namespace", name, kubeconfig=plane.kubeconfig))
    return Account(name, name, kubeconfig, watched, tuple(rules_for(name, manifest)))


def rights_in(rules: Iterable[Object]) -> set[Right]:
    """What these rules allow."""
    return {
        (verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def rules_for(account: str, manifest: list[Object]) -> Iterable[Object]:
    """The rules of every role that is bound to the account."""
    bound = {
        (one["roleRef"]["kind"], one["roleRef"]["name"])
        for one in manifest
        if one["kind"] in {"RoleBinding", "ClusterRoleBinding"}
        and [subject["name"] for subject in one["subjects"]] == [account]
    }
    for one in manifest:
        if (one["kind"], one["metadata"]["name"]) in bound:
            yield from one["rules"]


def requests_of(plane: ControlPlane, user: str) -> list[Object]:
    """What this user asked of the API server, by the audit log; discovery, which everybody may read, left out."""
    return [one for one in plane.audit_events() if one["user"]["username"] == user and "objectRef" in one]


def right(event: Object) -> Right:
    """What a request needs."""
    it = event["objectRef"]
    resource = it["resource"] + (f"/{it['subresource']}" if "subresource" in it else "")
    return event["verb"], it.get("apiGroup", ""), resource


def refused(events: Iterable[Object]) -> list[str]:
    """The requests that were not allowed, as `verb uri`."""
    return sorted(
        f"{one['verb']} {one['requestURI']}"
        for one in events
        if one.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
        or one.get("responseStatus", {}).get("code") in {401, 403}
    )
