"""What Prometheus is told. What has a state is collected at scrape time (`collect.py`); the rest is counted here."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from device_cert_operator import __version__
from device_cert_operator.kube.cache import Cache
from device_cert_operator.metrics import families
from device_cert_operator.metrics.collect import FromCache, Remembered
from device_cert_operator.metrics.families import BUCKETS, Family
from device_cert_operator.reasons import Reason


class Metrics:
    """One registry a process. held: why this process changes no device, if so: Paused or ObserveOnly."""

    def __init__(self, cache: Cache, remembered: Remembered, held: Reason | None = None) -> None:
        disable_created_metrics()  # each counter would be two series
        self.registry = CollectorRegistry()
        self.reconciles = self._counter(families.RECONCILES)
        self.reconcile_seconds = self._histogram(families.RECONCILE_SECONDS)
        self.operations = self._counter(families.OPERATIONS)
        self.operation_seconds = self._histogram(families.OPERATION_SECONDS)
        build = Info(families.BUILD.name.removesuffix("_info"), families.BUILD.text, registry=self.registry)
        build.info({"version": __version__})
        self.objects = FromCache(cache, remembered, held)

    def watch_queue(self, figures: Callable[[], tuple[int, float]]) -> None:
        """Where depth and the longest wait in seconds come from."""
        self.objects.queue = figures

    def watch_lease(self, leading: Callable[[], bool]) -> None:
        """Who tells whether this process acts."""
        self.objects.leading = leading

    def device_operation(self, driver: str, operation: str, result: str, seconds: float) -> None:
        """One driver operation."""
        self.operations.labels(driver, operation, result).inc()
        self.operation_seconds.labels(driver, operation).observe(seconds)

    def reconciled(self, kind: str, result: str, seconds: float) -> None:
        """One pass."""
        self.reconciles.labels(kind, result).inc()
        self.reconcile_seconds.labels(kind).observe(seconds)

    def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """The body, and its content type. accept: the request's header (OpenMetrics 1.0, or the text format).

        Takes a quarter of a second with ten thousand devices; safe in a thread.
        """
        encode, content_type = choose_encoder(accept)
        return self.objects.text().encode() + encode(self.registry), content_type  # OpenMetrics ends with `# EOF`

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.text, family.labels, registry=self.registry)

    def _histogram(self, family: Family) -> Histogram:
        return Histogram(family.name, family.text, family.labels, buckets=BUCKETS, registry=self.registry)
