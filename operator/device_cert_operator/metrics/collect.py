"""What is exported of the objects: read from the cache at each scrape, so no series outlives its object."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from device_cert_operator import __version__
from device_cert_operator.core.conditions import status_of
from device_cert_operator.core.device_conditions import UNDER_WAY
from device_cert_operator.core.model import Management, ObjectKey
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.views import AuthorityView, CertificateView, DeviceView, View
from device_cert_operator.metrics import families
from device_cert_operator.metrics.families import Family
from device_cert_operator.reasons import Reason

Remembered = Callable[[str], tuple[datetime | None, float | None]]
SUMMARIES = frozenset({"Ready", "Reconciling", "Stalled"})  # they repeat the reason of another condition
Value = float | datetime | timedelta | bool | None


class FromCache(Collector):
    """remembered: by a Device's uid, when it was last looked at, and its clock's offset in seconds.

    queue: depth and the longest wait in seconds. leading: whether this process acts. dry_run: it changes no device.
    """

    def __init__(self, cache: Cache, remembered: Remembered, *, dry_run: bool) -> None:
        self._cache = cache
        self._remembered = remembered
        self.queue: Callable[[], tuple[int, float]] = lambda: (0, 0.0)
        self.leading: Callable[[], bool] = lambda: True
        self._dry_run = dry_run

    def collect(self) -> Iterator[Metric]:
        """Every family, also those without a series now."""
        leading = self.leading()
        depth, oldest = self.queue() if leading else (0, 0.0)  # a standby's queue waits for nobody
        yield InfoMetricFamily("devicecert_build", families.BUILD.text, {"version": __version__})
        sheet = _Sheet()
        sheet.add(families.LEADER, (), leading)
        sheet.add(families.QUEUE_DEPTH, (), depth)
        sheet.add(families.QUEUE_OLDEST, (), oldest)
        for device in self._cache.all_devices():
            self._device(sheet, device)
        for certificate in self._cache.all_certificates():
            _certificate(sheet, certificate)
        for authority in self._cache.all_authorities():
            _authority(sheet, authority)
        yield from sheet.families

    def _device(self, sheet: "_Sheet", view: DeviceView) -> None:
        place, status = (view.key.namespace, view.key.name), view.status
        for family, condition in ((families.SECURE, "Secure"), (families.REACHABLE, "Reachable")):
            if (now := status_of(status.conditions, condition)) != "Unknown":
                sheet.add(family, place, now == "True")
        owner = self._owner(view)
        if status.served is not None:
            sheet.add(families.SERVED_END, place, status.served.not_after)
            if owner is not None and owner.status.effective is not None:
                lifetime = status.served.not_after - status.served.not_before
                before = min(owner.status.effective.renew_before, lifetime / 3)
                sheet.add(families.SERVED_RENEWAL, place, status.served.not_after - before)
        looked_at, off_by = self._remembered(view.uid)
        sheet.add(families.CHECKED, place, looked_at)
        sheet.add(families.CLOCK_OFFSET, place, off_by)
        sheet.add(families.INTERVAL, place, view.desired.check_interval if view.desired else None)
        _problems(sheet, view)
        if (why := self._held(view, owner)) is not None:
            sheet.add(families.HELD, (view.key.kind, *place, why), 1)

    def _owner(self, view: DeviceView) -> CertificateView | None:
        """The DeviceCertificate that holds the Device."""
        ref = view.status.certificate_ref
        if ref is None:
            return None
        owner = self._cache.certificate(ObjectKey("DeviceCertificate", view.key.namespace, ref.name))
        return owner if owner is not None and owner.uid == ref.uid else None

    def _held(self, view: DeviceView, owner: CertificateView | None) -> Reason | None:
        if _paused(view) or (owner is not None and _paused(owner)):
            return Reason.PAUSED
        observed = view.desired is not None and view.desired.management is Management.OBSERVE
        return Reason.OBSERVE_ONLY if self._dry_run or observed else None


class _Sheet:
    """The families of one scrape. A value of None is left out; times are seconds since 1970."""

    def __init__(self) -> None:
        self._made = {
            family.name: GaugeMetricFamily(family.name, family.text, labels=family.labels)
            for family in families.FAMILIES
            if family.type == "gauge"
        }

    @property
    def families(self) -> tuple[Metric, ...]:
        return tuple(self._made.values())

    def add(self, family: Family, labels: tuple[str, ...], value: Value) -> None:
        match value:
            case None:
                return
            case datetime():
                number = value.timestamp()
            case timedelta():
                number = value.total_seconds()
            case _:
                number = float(value)
        self._made[family.name].add_metric(labels, number)


def _certificate(sheet: _Sheet, view: CertificateView) -> None:
    place, status = (view.key.namespace, view.key.name), view.status
    if status.certificate is not None:
        sheet.add(families.CERTIFICATE_START, place, status.certificate.not_before)
        sheet.add(families.CERTIFICATE_END, place, status.certificate.not_after)
    sheet.add(families.CERTIFICATE_RENEWAL, place, status.renewal_at)
    now = status_of(status.conditions, "Ready")
    for condition in ("True", "False", "Unknown"):
        sheet.add(families.CERTIFICATE_READY, (*place, condition), condition == now)
    _problems(sheet, view)
    _paused_series(sheet, view)


def _authority(sheet: _Sheet, view: AuthorityView) -> None:
    place, status = (view.key.namespace, view.key.name), view.status
    sheet.add(families.AUTHORITY_END, place, status.certificate.not_after if status.certificate else None)
    sheet.add(families.AUTHORITY_ROTATES, place, status.rotates_at)
    if status.rotation is not None and view.desired is not None:
        due = status.rotation.due_at(view.desired.rotation)
        sheet.add(families.ROTATION_DUE, (*place, status.rotation.phase), due)
    _problems(sheet, view)
    _paused_series(sheet, view)


def _problems(sheet: _Sheet, view: View) -> None:
    """At most one reason a condition, so that cardinality is bounded by the conditions there are."""
    for one in view.status.conditions:
        if one.status == "False" and one.type not in SUMMARIES and one.reason not in UNDER_WAY:
            place = (view.key.kind, view.key.namespace, view.key.name)
            sheet.add(families.PROBLEM, (*place, one.type, one.reason), 1)


def _paused_series(sheet: _Sheet, view: CertificateView | AuthorityView) -> None:
    if _paused(view):
        sheet.add(families.HELD, (view.key.kind, view.key.namespace, view.key.name, Reason.PAUSED), 1)


def _paused(view: View) -> bool:
    return view.desired is not None and view.desired.paused
