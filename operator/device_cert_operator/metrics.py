"""Every metric, declared once. What has a state is collected at scrape time, so no series outlives its object."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from device_cert_operator import __version__
from device_cert_operator.core.conditions import status_of
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.views import DeviceView

BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """One registry a process."""

    def __init__(self, cache: Cache, remembered: Callable[[str], tuple[datetime | None, float | None]]) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = Counter(
            "devicecert_reconcile", "Passes by kind and result.", ["kind", "result"], registry=self.registry
        )
        self.reconcile_seconds = Histogram(
            "devicecert_reconcile_duration_seconds",
            "Duration of a pass.",
            ["kind"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.operations = Counter(
            "devicecert_device_operations",
            "Driver operations by result.",
            ["driver", "operation", "result"],
            registry=self.registry,
        )
        self.operation_seconds = Histogram(
            "devicecert_device_operation_duration_seconds",
            "Duration of a driver operation.",
            ["driver", "operation"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.queue_figures: Callable[[], tuple[int, float]] = lambda: (0, 0.0)
        self.leading: Callable[[], bool] = lambda: True
        self.registry.register(_FromCache(cache, remembered, self))

    def watch_queue(self, figures: Callable[[], tuple[int, float]]) -> None:
        """Where depth and the longest wait in seconds come from."""
        self.queue_figures = figures

    def watch_lease(self, leading: Callable[[], bool]) -> None:
        """Who tells whether this process acts."""
        self.leading = leading

    def device_operation(self, driver: str, operation: str, result: str, seconds: float) -> None:
        """One driver operation."""
        self.operations.labels(driver, operation, result).inc()
        self.operation_seconds.labels(driver, operation).observe(seconds)

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """One pass."""
        self.reconciles.labels(kind, result).inc()
        self.reconcile_seconds.labels(kind).observe(seconds)

    def scrape(self) -> bytes:
        """The text format."""
        return generate_latest(self.registry)


class _FromCache(Collector):
    def __init__(
        self,
        cache: Cache,
        remembered: Callable[[str], tuple[datetime | None, float | None]],
        metrics: Metrics,
    ) -> None:
        self._cache = cache
        self._remembered = remembered
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("devicecert_build", "The running version.", {"version": __version__})
        leading = self._metrics.leading()
        yield GaugeMetricFamily("devicecert_leader", "1: this process acts, 0: it stands by.", int(leading))
        depth, oldest = self._metrics.queue_figures() if leading else (0, 0.0)  # a standby's queue waits for nobody
        yield GaugeMetricFamily("devicecert_queue_depth", "Objects that are due and wait.", depth)
        yield GaugeMetricFamily("devicecert_queue_oldest_due_seconds", "How long the oldest has been due.", oldest)
        yield from self._devices()
        yield from self._certificates()
        yield from self._authorities()

    def _devices(self) -> Iterator[Metric]:
        labels = ["namespace", "name"]
        secure = GaugeMetricFamily("devicecert_device_secure", "1: clients accept the device.", labels=labels)
        reachable = GaugeMetricFamily("devicecert_device_reachable", "1: the device answers.", labels=labels)
        offset = GaugeMetricFamily(
            "devicecert_device_clock_offset_seconds", "Device minus operator, at the last log-in.", labels=labels
        )
        expiry = GaugeMetricFamily(
            "devicecert_served_certificate_not_after_timestamp_seconds", "End of what is served.", labels=labels
        )
        checked = GaugeMetricFamily(
            "devicecert_last_check_timestamp_seconds", "When the device was last looked at.", labels=labels
        )
        for view in self._cache.all_devices():
            place = [view.key.namespace, view.key.name]
            if _of(view, "Secure") != "Unknown":
                secure.add_metric(place, _of(view, "Secure") == "True")
            reachable.add_metric(place, _of(view, "Reachable") == "True")
            if view.status.served is not None:
                expiry.add_metric(place, view.status.served.not_after.timestamp())
            looked_at, off_by = self._remembered(view.uid)
            if looked_at is not None:
                checked.add_metric(place, looked_at.timestamp())
            if off_by is not None:
                offset.add_metric(place, off_by)
        yield from (secure, reachable, offset, expiry, checked)

    def _certificates(self) -> Iterator[Metric]:
        labels = ["namespace", "name"]
        start = GaugeMetricFamily("devicecert_certificate_not_before_timestamp_seconds", "Its start.", labels=labels)
        end = GaugeMetricFamily("devicecert_certificate_not_after_timestamp_seconds", "Its end.", labels=labels)
        renewal = GaugeMetricFamily("devicecert_certificate_renewal_timestamp_seconds", "Its renewal.", labels=labels)
        ready = GaugeMetricFamily(
            "devicecert_certificate_ready_status", "1 for the present status.", labels=[*labels, "condition"]
        )
        for view in self._cache.all_certificates():
            place = [view.key.namespace, view.key.name]
            status = view.status
            if status.certificate is not None:
                start.add_metric(place, status.certificate.not_before.timestamp())
                end.add_metric(place, status.certificate.not_after.timestamp())
            if status.renewal_at is not None:
                renewal.add_metric(place, status.renewal_at.timestamp())
            now = status_of(status.conditions, "Ready")
            for condition in ("True", "False", "Unknown"):
                ready.add_metric([*place, condition], condition == now)
        yield from (start, end, renewal, ready)

    def _authorities(self) -> Iterator[Metric]:
        end = GaugeMetricFamily(
            "devicecert_authority_not_after_timestamp_seconds", "End of the root.", labels=["namespace", "name"]
        )
        for view in self._cache.all_authorities():
            if view.status.certificate is not None:
                end.add_metric([view.key.namespace, view.key.name], view.status.certificate.not_after.timestamp())
        yield end


def _of(view: DeviceView, kind: str) -> str:
    return status_of(view.status.conditions, kind)
