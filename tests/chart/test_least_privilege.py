"""The operator under the chart's own ServiceAccount: nothing that it asks for is refused, nothing it may do is unused.

Each story runs with the token of an installed release, and the API server's audit log is compared with the release's
Roles, in both forms.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from device_cert_operator.kube.examine import FOR_CERT_MANAGER, NEEDED, lease_rights
from local_control_plane.plane import ControlPlane
from tests.chart.stories import STORIES
from tests.support.account import Account, Right, install, refused, requests_of, right
from tests.support.control_plane import kubectl
from tests.support.helm import Helm
from tests.support.world import World

Story = Callable[[World], Awaitable[None]]
NAMES = [story.__name__ for story in STORIES]
# Granted though no story here uses it; each with its reason.
UNUSED: dict[Right, str] = {}


def namespace_of(form: str, story: Story) -> str:
    return f"{form}-{NAMES.index(story.__name__)}"


@pytest.fixture(scope="module", params=["everywhere", "somewhere"])
def account(
    request: pytest.FixtureRequest, helm: Helm, audited: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Account:
    """The release in one of its two forms, with a namespace for each story."""
    form: str = request.param
    namespaces = tuple(namespace_of(form, story) for story in STORIES)
    for namespace in namespaces:
        kubectl(audited, "create", "namespace", namespace)
    folder: Path = tmp_path_factory.mktemp(form)
    return install(helm, audited, folder, f"dco-{form}", namespaces if form == "somewhere" else ())


@pytest.mark.timeout(420)
async def test_nothing_is_refused_and_nothing_is_granted_that_no_story_uses(
    audited: ControlPlane, account: Account
) -> None:
    for story in STORIES:
        namespace = namespace_of(account.name.removeprefix("dco-"), story)
        async with account.world(audited, namespace, elects=True) as world:
            await story(world)
            await world.app.lister.compare()  # type: ignore[union-attr]  # it was started by the story
    events = requests_of(audited, account.user)
    assert refused(events) == []
    used = {right(one) for one in events}
    assert used <= account.granted
    assert account.granted - used == set(UNUSED)
    if account.watched:
        elsewhere = [one for one in events if one["objectRef"].get("namespace") not in account.watched]
        assert {one["objectRef"]["resource"] for one in elsewhere} == {"leases"}


def test_the_comparison_would_notice_a_refusal(audited: ControlPlane, account: Account) -> None:
    """The account is refused what its Roles do not say, and the log shows it."""
    kube = f"--kubeconfig={account.kubeconfig}"
    place = account.watched[0] if account.watched else "default"
    for command in (("get", "pods"), ("delete", "device", "gate"), ("get", "nodes"), ("create", "ns", "x")):
        with pytest.raises(AssertionError, match="forbidden"):
            kubectl(audited, kube, "-n", place, *command)
    told = refused(requests_of(audited, account.user))
    assert f"list /api/v1/namespaces/{place}/pods?limit=500" in told
    assert "list /api/v1/nodes?limit=500" in told


def test_the_account_of_some_namespaces_reads_no_secret_elsewhere(audited: ControlPlane, account: Account) -> None:
    kube = f"--kubeconfig={account.kubeconfig}"
    if account.watched:
        with pytest.raises(AssertionError, match="forbidden"):
            kubectl(audited, kube, "-n", "kube-system", "get", "secrets")
        kubectl(audited, kube, "-n", account.watched[0], "get", "secrets")
    else:
        kubectl(audited, kube, "-n", "kube-system", "get", "secrets")


def test_the_doctor_looks_for_the_rights_that_the_chart_gives(account: Account) -> None:
    needed = {
        (verb, one.group, "/".join(part for part in (one.resource, one.subresource) if part))
        for one in (*NEEDED, *FOR_CERT_MANAGER, *lease_rights(account.name))
        for verb in one.verbs
    }
    assert account.granted == needed
