"""Who has to look when something changed: a table, and nothing else."""

from device_cert_operator.core.model import ObjectKey
from device_cert_operator.kube.cache import Cache, Change
from device_cert_operator.kube.views import OWNER_NAME, CertificateView, SecretView


def certificate_keys_of(cache: Cache, device: ObjectKey) -> list[ObjectKey]:
    """The DeviceCertificates that list a Device, and those that keep a revision until it serves another."""
    listing = [view.key for view in cache.certificates_listing(device.namespace, device.name)]
    view = cache.device(device)
    givers = cache.givers_to(device.namespace, view.uid) if view is not None else ()
    return [*listing, *(key for key in givers if key not in listing)]


def device_keys_of(view: CertificateView | None) -> list[ObjectKey]:
    """The Devices that a DeviceCertificate lists."""
    if view is None or view.desired is None:
        return []
    return [ObjectKey("Device", view.key.namespace, name) for name in view.desired.devices]


def after_device(cache: Cache, key: ObjectKey, change: Change) -> list[ObjectKey]:
    """A spec change wakes the Device; what its DeviceCertificates read of it wakes them."""
    match change:
        case Change.NONE:
            return []
        case Change.STATUS:
            return [*certificate_keys_of(cache, key), *_rotating(cache, key.namespace)]
        case Change.SPEC:
            return [key, *certificate_keys_of(cache, key), *_rotating(cache, key.namespace)]


def after_authority(cache: Cache, key: ObjectKey, change: Change) -> list[ObjectKey]:
    """A spec change wakes it and, as `allowed` may have changed, those it signs for; another root wakes the latter."""
    match change:
        case Change.NONE:
            return []
        case Change.STATUS:
            return [*cache.using_authority(key.namespace, key.name), *_constrained(cache, key)]
        case Change.SPEC:
            return [key, *cache.using_authority(key.namespace, key.name), *_constrained(cache, key)]


def _constrained(cache: Cache, authority: ObjectKey) -> list[ObjectKey]:
    """The Devices that publish their firmware's CA below this root."""
    keys = cache.constrained_by(authority.namespace, authority.name)
    return [device for key in keys for device in device_keys_of(cache.certificate(key))]


def _rotating(cache: Cache, namespace: str) -> list[ObjectKey]:
    """Those that wait for devices to follow."""
    return [
        one.key for one in cache.all_authorities() if one.key.namespace == namespace and one.status.rotation is not None
    ]


def _with_secret(cache: Cache, view: SecretView) -> list[ObjectKey]:
    """The CertificateAuthorities that keep a root or their bundle there, and those whom they sign for."""
    found: list[ObjectKey] = []
    for one in cache.all_authorities():
        desired = one.desired
        if desired is None or one.key.namespace != view.namespace:
            continue
        if view.kind == "ConfigMap" and view.name == desired.bundle_name:
            found.append(one.key)
        if view.kind == "Secret" and view.name in {desired.secret_name, desired.next_secret}:
            found += [one.key, *cache.using_authority(one.key.namespace, one.key.name)]
    return found


def after_certificate(key: ObjectKey, change: Change, devices: list[ObjectKey]) -> list[ObjectKey]:
    """A spec change wakes both; a new turn wakes the Devices. devices: listed now or before."""
    match change:
        case Change.NONE:
            return []
        case Change.STATUS:
            return devices
        case Change.SPEC:
            return [key, *devices]


def after_secret(cache: Cache, view: SecretView, change: Change) -> list[ObjectKey]:
    """A labelled Secret or ConfigMap wakes those that refer to it."""
    if change is Change.NONE:
        return []
    namespace, name = view.namespace, view.name
    match view.use:
        case "credentials":
            return list(cache.using_login(namespace, name))
        case "ca":
            return [*cache.using_ca(namespace, name), *_with_secret(cache, view)]
        case "trust":
            return [*_with_secret(cache, view), *_publisher(cache, view)]
        case "revision":
            return [*_owners(cache, view), *_rotating(cache, namespace)]
        case "copy" | "pending-key":
            return _owners(cache, view)
        case "csr":
            owners = _owners(cache, view)
            return [*owners, *(key for owner in owners for key in device_keys_of(cache.certificate(owner)))]
        case "certificate":
            waiting = cache.waiting_for(namespace, view.kind, name)
            return [
                *waiting,
                *(device for key in waiting for device in device_keys_of(cache.certificate(key))),
                *(one.key for one in cache.all_devices() if _reads(one.desired, view)),
            ]
        case _:
            return [one.key for one in cache.all_devices() if _reads(one.desired, view)]


def _publisher(cache: Cache, view: SecretView) -> list[ObjectKey]:
    """The Device that publishes its firmware's CA there."""
    key = ObjectKey("Device", view.namespace, view.name.removesuffix("-ca"))
    return [key] if view.name.endswith("-ca") and cache.device(key) is not None else []


def _owners(cache: Cache, view: SecretView) -> list[ObjectKey]:
    if (owner := view.annotations.get(OWNER_NAME)) is not None:
        return [ObjectKey("DeviceCertificate", view.namespace, owner)]
    return [
        one.key
        for one in cache.all_certificates()
        if one.key.namespace == view.namespace and one.desired is not None and one.desired.secret_name == view.name
    ]


def _reads(desired: object, view: SecretView) -> bool:
    reference = getattr(desired, "ca_ref", None)
    key = getattr(desired, "key", None)
    return (
        reference is not None
        and key is not None
        and (key.namespace, reference.name, reference.kind) == (view.namespace, view.name, view.kind)
    )
