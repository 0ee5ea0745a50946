"""What `devicecert doctor` looks at: the cluster, and one device as the operator would see it. Nothing is changed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from device_cert_operator.api.convert_spec import parse_time
from device_cert_operator.api.generate import KINDS, build_schema
from device_cert_operator.api.v1alpha1.common import Model
from device_cert_operator.core.decide import Plan, decide
from device_cert_operator.core.model import NotServed, ObjectKey
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.errors import ClusterError, InvalidSpec, MissingReference, OperatorError
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.client import Requests, in_pod, own_namespace
from device_cert_operator.kube.examine import (
    FOR_CERT_MANAGER,
    NEEDED,
    Right,
    fields_of,
    has_cert_manager,
    lease_rights,
    may,
    read_definition,
    read_published_schema,
    schema_of,
)
from device_cert_operator.kube.lease import KubeLease
from device_cert_operator.reconcile.observe import observe
from device_cert_operator.reconcile.tools import Tools, held_if_all_are
from device_cert_operator.reconcile.visit import Visit
from device_cert_operator.settings import Settings

MOST_CLOCK_ERROR = timedelta(seconds=10)
MOST_NAMED = 5


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Result:
    """One thing looked at. message: a sentence, with the next move where one is needed."""

    check: str
    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. account: the operator's ServiceAccount (namespace, name), None: our own rights."""

    requests: Requests
    settings: Settings
    now: datetime
    account: tuple[str, str] | None = None


# ------------------------------------------------------------------------------------------- definitions


async def check_definitions(patient: Patient) -> list[Result]:
    """CRDs there, established, and with the fields of this program."""
    return [await _check_definition(patient, number) for number in range(len(KINDS))]


async def _check_definition(patient: Patient, number: int) -> Result:
    model, plural, _, _ = KINDS[number]
    name = f"CRD {plural}"
    try:
        found = await read_definition(patient.requests, plural)
    except ClusterError:  # as the operator's own account: what is published of them everybody may read
        return _compare(name, model, await read_published_schema(patient.requests, model.__name__))
    if found is None:
        return Result(name, Level.PROBLEM, "It is not installed: kubectl apply --server-side -f crds/")
    conditions = (found.get("status") or {}).get("conditions") or ()
    if not any((one["type"], one["status"]) == ("Established", "True") for one in conditions):
        return Result(name, Level.PROBLEM, "It is not established: kubectl describe crd says why.")
    return _compare(name, model, schema_of(found))


def _compare(name: str, model: type[Model], schema: dict[str, Any] | None) -> Result:
    """schema: what the API server goes by; None where it does not serve the kind."""
    if schema is None:
        told = "It is not served: kubectl apply --server-side -f crds/; if it stays so, kubectl describe crd says why."
        return Result(name, Level.PROBLEM, told)
    ours, theirs = dict(fields_of(build_schema(model))), dict(fields_of(schema))
    if missing := [path for path in ours if path not in theirs]:
        told = f"It is older than this program and drops {_some(missing)}: kubectl apply --server-side -f crds/"
        return Result(name, Level.PROBLEM, told)
    if unknown := [path for path in theirs if path not in ours]:
        return Result(name, Level.WARNING, f"It is newer than this program, which does not know {_some(unknown)}.")
    if different := [path for path in ours if ours[path] != theirs[path]]:
        told = f"It says otherwise of {_some(different)}: apply the crds/ of the version that runs."
        return Result(name, Level.WARNING, told)
    return Result(name, Level.OK, "It is the one of this program.")


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


# ------------------------------------------------------------------------------------------------ rights


async def check_rights(patient: Patient) -> Result:
    """Everything that the operator does is allowed where it watches."""
    if refused := await _refused_where_watched(patient, NEEDED):
        told = f"{_who(patient)} may not {_some(refused)}: compare the Role with that of the chart."
        return Result("Rights", Level.PROBLEM, told + _asked_everywhere(patient.settings))
    told = f"{_who(patient)} may do all that the operator does."
    if patient.account is None and not in_pod():
        told += " Of its own account --service-account NAMESPACE/NAME tells."
    return Result("Rights", Level.OK, told)


def _asked_everywhere(settings: Settings) -> str:
    """In the operator's pod its settings are there; elsewhere they may have been forgotten."""
    if settings.namespaces or in_pod():
        return ""
    return " All namespaces were asked about: where the operator watches some only, name them in DEVICECERT_NAMESPACES."


async def check_lease_rights(patient: Patient) -> Result:
    """The Lease that is named can be made and held. Raises ClusterError when nobody says where it is."""
    settings = patient.settings
    if refused := await _refused(patient, lease_rights(settings.lease_name), lease_place(settings)):
        told = f"{_who(patient)} may not {_some(refused)}: compare the Role with that of the chart."
        return Result("Lease rights", Level.PROBLEM, told)
    return Result("Lease rights", Level.OK, f"{_who(patient)} may make the Lease and hold it.")


async def check_cert_manager(patient: Patient) -> list[Result]:
    """Where there is cert-manager, whether it may be asked; that it may not can be what is wanted."""
    if not await has_cert_manager(patient.requests):
        return []
    if refused := await _refused_where_watched(patient, FOR_CERT_MANAGER):
        told = (
            f"{_who(patient)} may not {_some(refused)}: for issuers of cert-manager set the chart's rbac.certManager."
        )
        return [Result("cert-manager", Level.WARNING, told)]
    return [Result("cert-manager", Level.OK, f"{_who(patient)} may ask it for certificates.")]


def _who(patient: Patient) -> str:
    return f"ServiceAccount {'/'.join(patient.account)}" if patient.account else "You"


async def _refused_where_watched(patient: Patient, rights: tuple[Right, ...]) -> list[str]:
    refused: list[str] = []
    for namespace in patient.settings.namespaces or ("",):
        refused += await _refused(patient, rights, namespace)
    return refused


async def _refused(patient: Patient, rights: tuple[Right, ...], namespace: str) -> list[str]:
    where = f" in {namespace}" if namespace else ""
    return [
        f"{verb} {right}{where}"
        for right in rights
        for verb in right.verbs
        if not await may(patient.requests, right, verb, namespace, patient.account)
    ]


# ---------------------------------------------------------------------------------------- clock and Lease


def check_clock(patient: Patient) -> Result:
    """This machine's clock against the API server's, after at least one request."""
    error = patient.requests.clock_error()
    if error is None:
        return Result("Clock", Level.WARNING, "The API server sends no Date: the clock cannot be compared.")
    seconds = error.total_seconds()
    if abs(error) > MOST_CLOCK_ERROR:
        direction = "ahead of" if seconds > 0 else "behind"
        told = f"This machine is {abs(seconds):.0f} s {direction} the API server: no device's clock is set. See to NTP."
        return Result("Clock", Level.PROBLEM, told)
    return Result("Clock", Level.OK, "It agrees with the API server's.")


def lease_place(settings: Settings) -> str:
    """The namespace of the Lease. Raises ClusterError when nobody says."""
    return settings.lease_namespace or own_namespace()


async def check_lease(patient: Patient, store: KubeLease | None) -> Result:
    """Who holds it, and when it was renewed last, as the holder's clock had it. store: None without an election."""
    if store is None and in_pod():
        told = "No Lease is named (DEVICECERT_LEASE_NAME): there must be one replica only."
        return Result("Lease", Level.OK, told)
    if store is None:
        told = (
            "No Lease is named, so none was looked at: set DEVICECERT_LEASE_NAME and DEVICECERT_LEASE_NAMESPACE as the "
            "Deployment does. An operator that is run by hand has none."
        )
        return Result("Lease", Level.WARNING, told)
    record = await store.read(timedelta(seconds=10))
    if record is None or not record.holder:
        return Result("Lease", Level.WARNING, "Nobody holds it: does the operator run?")
    age = patient.now - parse_time(record.renewed_at) if record.renewed_at else None
    if age is None or age > record.duration:
        told = f"{record.holder} has not renewed it for {_seconds(age)}: does the operator run?"
        return Result("Lease", Level.PROBLEM, told)
    return Result("Lease", Level.OK, f"{record.holder} leads; it was renewed {_seconds(age)} ago.")


def _seconds(age: timedelta | None) -> str:
    return f"{max(age.total_seconds(), 0):.0f} s" if age is not None else "ever"


# --------------------------------------------------------------------------------------------- leftovers


def check_orphans(cache: Cache) -> Iterator[Result]:
    """Revisions whose DeviceCertificate is gone: kept on purpose, their keys may still be served."""
    alive = {view.uid for view in cache.all_certificates()}
    orphans = [view for view in cache.all_revisions() if view.revision and view.revision.owner_uid not in alive]
    if not orphans:
        yield Result("Revisions", Level.OK, "Each belongs to a DeviceCertificate.")
    for view in orphans:
        revision = view.revision
        given = [
            device.key.name
            for device in cache.all_devices()
            if revision is not None
            and device.uid in revision.given_to
            and device.status.revision.installed is not None
            and device.status.revision.installed.secret == view.name
        ]
        use = f"{_some(given)} still serves it" if given else "no device serves it"
        told = (
            f"Secret {view.namespace}/{view.name} belongs to a DeviceCertificate that was deleted; {use}. "
            f"When it is no longer needed: kubectl -n {view.namespace} delete secret {view.name}"
        )
        yield Result("Revisions", Level.WARNING, told)


# ------------------------------------------------------------------------------------------ one device


async def check_device(key: ObjectKey, tools: Tools) -> list[Result]:
    """Shake hands and decide, as a pass would, without a log-in and without a step. Raises OperatorError."""
    view = tools.cache.device(key)
    if view is None:
        raise MissingReference(f"There is no Device {key.namespace}/{key.name}{_where_looked(key, tools.settings)}.")
    if view.desired is None:
        raise view.problem or InvalidSpec(f"{key} cannot be read.")
    memory = tools.memory.of(view.uid)
    # the routine log-in would hide what comes after it
    memory.last_full_pass, memory.full_check_of = memory.passes, view.desired.generation
    async with Visit(view, held_if_all_are(view.desired, tools.settings), tools) as visit:
        situation = await observe(visit)
    return list(_tell(situation, decide(replace(situation, status=view.status))))


def _where_looked(key: ObjectKey, settings: Settings) -> str:
    """Why it may be there all the same."""
    if not settings.namespaces or key.namespace in settings.namespaces:
        return ""
    return f" where the operator looks: DEVICECERT_NAMESPACES is {','.join(settings.namespaces)}"


def _tell(s: Situation, plan: Plan) -> Iterator[Result]:
    if isinstance(s.served, NotServed):
        yield Result("Reachable", Level.PROBLEM, f"{s.served.message}.")
    else:
        told = f"It serves {s.served.leaf.subject or 'an empty subject'} over {s.served.tls_version}."
        yield Result("Reachable", Level.OK, told)
    for finding in plan.findings:
        yield Result(finding.condition or "Device", Level.WARNING, f"{finding.reason}: {finding.message}")
    match plan.next:
        case Rest(State.SETTLED):
            yield Result("Next", Level.OK, "Nothing is left to do, as far as a handshake tells.")
        case Rest(_, reason, message):
            yield Result("Next", Level.WARNING, f"{reason}: {message}")
        case step:
            yield Result("Next", Level.WARNING, f"The operator would take the step {type(step).__name__}.")


def as_far_as_possible(error: OperatorError, check: str) -> Result:
    """A check that was refused is a result as well, and an object that cannot be worked with a problem."""
    if isinstance(error, ClusterError):
        return Result(check, Level.WARNING, f"Could not be looked at: {error.message}")
    return Result(check, Level.PROBLEM, error.message)
