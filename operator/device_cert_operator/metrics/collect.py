"""What is exported of the objects: read from the cache at each scrape, so no series outlives its object.

Written as text at once: with ten thousand devices the library's way over objects takes ten times as long. A gauge's
lines are the same in the text format and in OpenMetrics 1.0. Runs in a thread, so what it reads is copied first.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from device_cert_operator.core.conditions import status_of
from device_cert_operator.core.device_conditions import UNDER_WAY
from device_cert_operator.core.model import CASecretIssuer, Management, ObjectKey
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.views import AuthorityView, CertificateView, DeviceView, View
from device_cert_operator.metrics import families
from device_cert_operator.metrics.families import Family
from device_cert_operator.reasons import Reason

Remembered = Callable[[str], tuple[datetime | None, float | None]]
SUMMARIES = frozenset({"Ready", "Reconciling", "Stalled"})  # they repeat the reason of another condition
# of no event, as it may pass; where it stays, somebody is to hear of it
TOLD_IF_IT_LASTS = frozenset({Reason.AUTHORITY_NOT_READY, Reason.WAITING_FOR_ISSUER})
Value = float | datetime | timedelta | bool | None
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class FromCache:
    """remembered: by a Device's uid, when it was last looked at, and its clock's offset in seconds.

    queue: depth and the longest wait in seconds. leading: whether this process acts. held: why it changes no device,
    Paused (nothing else either) or ObserveOnly.
    """

    def __init__(self, cache: Cache, remembered: Remembered, held: Reason | None) -> None:
        self._cache = cache
        self._remembered = remembered
        self.queue: Callable[[], tuple[int, float]] = lambda: (0, 0.0)
        self.leading: Callable[[], bool] = lambda: True
        self._all_held = held

    def text(self) -> str:
        """Every gauge, also those without a series now."""
        leading = self.leading()
        depth, oldest = self.queue() if leading else (0, 0.0)  # a standby's queue waits for nobody
        sheet = _Sheet()
        sheet.add(families.LEADER, "", leading)
        sheet.add(families.QUEUE_DEPTH, "", depth)
        sheet.add(families.QUEUE_OLDEST, "", oldest)
        for device in self._cache.all_devices():
            self._device(sheet, device)
        for certificate in self._cache.all_certificates():
            self._certificate(sheet, certificate)
        for authority in self._cache.all_authorities():
            self._authority(sheet, authority)
        self._ca_secrets(sheet)
        return sheet.text()

    def _device(self, sheet: "_Sheet", view: DeviceView) -> None:
        place, status = _place(view), view.status
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
        _held(sheet, view, self._why_held(view, owner))

    def _owner(self, view: DeviceView) -> CertificateView | None:
        """The DeviceCertificate that holds the Device."""
        ref = view.status.certificate_ref
        if ref is None:
            return None
        owner = self._cache.certificate(ObjectKey("DeviceCertificate", view.key.namespace, ref.name))
        return owner if owner is not None and owner.uid == ref.uid else None

    def _why_held(self, view: DeviceView, owner: CertificateView | None) -> Reason | None:
        if self._paused(view) or (owner is not None and self._paused(owner)):
            return Reason.PAUSED
        observed = view.desired is not None and view.desired.management is Management.OBSERVE
        return Reason.OBSERVE_ONLY if observed else self._all_held

    def _paused(self, view: View) -> bool:
        return self._all_held is Reason.PAUSED or view.paused

    def _certificate(self, sheet: "_Sheet", view: CertificateView) -> None:
        place, status = _place(view), view.status
        if status.certificate is not None:
            sheet.add(families.CERTIFICATE_START, place, status.certificate.not_before)
            sheet.add(families.CERTIFICATE_END, place, status.certificate.not_after)
        sheet.add(families.CERTIFICATE_RENEWAL, place, status.renewal_at)
        now = status_of(status.conditions, "Ready")
        for condition in ("True", "False", "Unknown"):
            sheet.add(families.CERTIFICATE_READY, f'{place},condition="{condition}"', condition == now)
        _problems(sheet, view)
        _held(sheet, view, Reason.PAUSED if self._paused(view) else _observed(view))

    def _authority(self, sheet: "_Sheet", view: AuthorityView) -> None:
        place, status = _place(view), view.status
        sheet.add(families.AUTHORITY_END, place, status.certificate.not_after if status.certificate else None)
        sheet.add(families.AUTHORITY_ROTATES, place, status.rotates_at)
        if status.rotation is not None and view.desired is not None:
            due = status.rotation.due_at(view.desired.rotation)
            sheet.add(families.ROTATION_DUE, f'{place},phase="{status.rotation.phase}"', due)
        _problems(sheet, view)
        _held(sheet, view, Reason.PAUSED if self._paused(view) else None)

    def _ca_secrets(self, sheet: "_Sheet") -> None:
        """Each once, however many certificates are issued from it: all of those would end together."""
        named = {
            (one.key.namespace, one.desired.issuer.secret)
            for one in self._cache.all_certificates()
            if one.desired is not None and isinstance(one.desired.issuer, CASecretIssuer) and not self._paused(one)
        }
        told = {
            (one.key.namespace, one.desired.secret_name)
            for one in self._cache.all_authorities()
            if one.desired is not None
        }
        for namespace, name in sorted(named - told):
            if (secret := self._cache.secret(namespace, name)) is not None:
                sheet.add(families.ISSUING_CA_END, _labels(namespace, name), secret.ca_ends_at)


class _Sheet:
    """The gauges of one scrape. A value of None is left out; times are seconds since 1970."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {
            one.name: [f"# HELP {one.name} {one.text}\n# TYPE {one.name} gauge\n"]
            for one in families.FAMILIES
            if one.type == "gauge"
        }

    def text(self) -> str:
        return "".join("".join(lines) for lines in self._lines.values())

    def add(self, family: Family, labels: str, value: Value) -> None:
        """labels: between the braces, escaped."""
        match value:
            case None:
                return
            case datetime():
                number = value.timestamp()
            case timedelta():
                number = value.total_seconds()
            case _:
                number = float(value)
        self._lines[family.name].append(
            f"{family.name}{{{labels}}} {number!r}\n" if labels else f"{family.name} {number!r}\n"
        )


def _place(view: View) -> str:
    """An object's name needs no escape: the API server takes no other (RFC 1123, section 2.1)."""
    return _labels(view.key.namespace, view.key.name)


def _labels(namespace: str, name: str) -> str:
    return f'name="{name}",namespace="{namespace}"'


def _observed(view: CertificateView) -> Reason | None:
    """Its device is to make a key, and may only be looked at."""
    waits = any(one.type == "Issued" and one.reason == Reason.OBSERVE_ONLY for one in view.status.conditions)
    return Reason.OBSERVE_ONLY if waits else None


def _problems(sheet: _Sheet, view: View) -> None:
    """At most one reason a condition, so that cardinality is bounded by the conditions there are."""
    but = SUMMARIES if _is_told_by_parts(view) else SUMMARIES - {"Ready"}
    for one in view.status.conditions:
        if one.status == "False" and one.type not in but and one.reason not in UNDER_WAY - TOLD_IF_IT_LASTS:
            told = f'condition="{one.type.translate(_ESCAPED)}",reason="{one.reason.translate(_ESCAPED)}"'
            sheet.add(families.PROBLEM, f'kind="{view.key.kind}",{_place(view)},{told}', 1)


def _is_told_by_parts(view: View) -> bool:
    """Not that a root is gone, nor that a spec cannot be read: only Ready says so, as nothing else is known."""
    return view.desired is not None and not isinstance(view, AuthorityView)


def _held(sheet: _Sheet, view: View, why: Reason | None) -> None:
    if why is not None:
        sheet.add(families.HELD, f'kind="{view.key.kind}",{_place(view)},reason="{why}"', 1)
