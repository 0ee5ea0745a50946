"""kstatus, Argo CD and Flux agree about every combination of conditions that the core can produce."""

from itertools import product
from typing import Any

import pytest

from device_cert_operator.core.conditions import STALLED, Claim, summary
from device_cert_operator.reasons import Reason
from tests.gitops import argocd
from tests.gitops.flux import Flux
from tests.gitops.kstatus import CURRENT, FAILED, IN_PROGRESS, TERMINATING, kstatus

Object = dict[str, Any]
HELD = {Reason.PAUSED, Reason.OBSERVE_ONLY}
IN_ARGO_S_WORDS = {CURRENT: "Healthy", FAILED: "Degraded", IN_PROGRESS: "Progressing", TERMINATING: "Progressing"}


def obj(kind: str, conditions: list[Object] | None, *, generation: int = 3, observed: int | None = 3) -> Object:
    """An object of ours as the API server gives it."""
    status: Object = {"conditions": conditions} if conditions is not None else {}
    if observed is not None:
        status["observedGeneration"] = observed
    metadata = {"name": "gate", "namespace": "cams", "generation": generation}
    return {"apiVersion": "devicecert.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": {}, "status": status}


def conditions(claims: tuple[Claim, ...]) -> list[Object]:
    return [
        {"type": one.type, "status": one.status, "reason": str(one.reason), "message": one.message} for one in claims
    ]


ALL = [
    (status, reason, at_rest, early)
    for status, reason, at_rest, early in product(("True", "False", "Unknown"), Reason, (True, False), (True, False))
]


def expected(status: str, reason: Reason, *, early: bool) -> str:
    if status == "True":
        return CURRENT
    return FAILED if early or reason in STALLED else IN_PROGRESS


def test_kstatus_reads_every_combination_as_it_is_meant() -> None:
    for status, reason, at_rest, early in ALL:
        claims = summary(Claim("Ready", status, reason, "why"), at_rest=at_rest, stalled_early=early)
        listed = conditions(claims)
        for order in (listed, listed[::-1]):
            assert kstatus(obj("Device", order)) == expected(status, reason, early=early), (status, reason, early)
        both = [one for one in listed if one["type"] != "Ready" and one["status"] == "True"]
        assert len(both) == (0 if status == "True" else 1), "Reconciling and Stalled exclude each other"


@pytest.mark.parametrize("kind", argocd.KINDS)
def test_argo_cd_says_the_same_but_for_what_somebody_holds(kind: str) -> None:
    for status, reason, early in product(("True", "False", "Unknown"), Reason, (True, False)):
        claims = summary(Claim("Ready", status, reason, "why"), at_rest=True, stalled_early=early)
        found, message = argocd.health(obj(kind, conditions(claims)))
        held = status != "True" and reason in HELD
        assert found == ("Suspended" if held else IN_ARGO_S_WORDS[expected(status, reason, early=early)])
        assert message == "why"


@pytest.mark.parametrize("kind", argocd.KINDS)
def test_flux_says_the_same_but_for_what_somebody_holds(cel: Flux, kind: str) -> None:
    for status, reason, early in product(("True", "False", "Unknown"), Reason, (True, False)):
        claims = summary(Claim("Ready", status, reason, "why"), at_rest=True, stalled_early=early)
        found = cel.health(obj(kind, conditions(claims)))
        assert found == (CURRENT if reason in HELD else expected(status, reason, early=early)), reason


@pytest.mark.parametrize("kind", argocd.KINDS)
@pytest.mark.parametrize(("generation", "observed"), [(1, -1), (3, 2)], ids=["never looked at", "edited since"])
def test_before_the_operator_looked_nothing_is_done(cel: Flux, kind: str, generation: int, observed: int) -> None:
    well = conditions(summary(Claim("Ready", "True", Reason.READY, "well"), at_rest=True))
    for listed in (None, [], well):
        seen = obj(kind, listed, generation=generation, observed=observed)
        assert (kstatus(seen), argocd.health(seen)[0], cel.health(seen)) == (IN_PROGRESS, "Progressing", IN_PROGRESS)


@pytest.mark.parametrize("kind", argocd.KINDS)
def test_what_is_being_deleted_is_not_healthy(kind: str) -> None:
    well = obj(kind, conditions(summary(Claim("Ready", "True", Reason.READY, "well"), at_rest=True)))
    well["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    assert (kstatus(well), argocd.health(well)[0]) == (TERMINATING, "Progressing")


def test_the_evaluator_tells_what_is_wrong_with_an_expression(cel: Flux) -> None:
    with pytest.raises(AssertionError, match="no such key"):
        cel.evaluate("status.nothing.there", {"status": {}})
