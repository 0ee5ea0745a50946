"""Who is woken by what: the cache, its door and the routes."""

import copy
from typing import Any

import pytest

from device_cert_operator.core.model import ObjectKey
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.intake import Intake
from device_cert_operator.kube.revisions import content_digest, revision_secret
from tests.support import ca

Object = dict[str, Any]
DEVICE: Object = {
    "kind": "Device",
    "metadata": {
        "name": "gate",
        "namespace": "cams",
        "uid": "u-gate",
        "resourceVersion": "10",
        "generation": 1,
        "creationTimestamp": "2026-11-01T00:00:00Z",
    },
    "spec": {"driver": "onvif", "address": {"host": "10.0.0.1"}, "credentialsSecretRef": {"name": "login"}},
}
CERTIFICATE: Object = {
    "kind": "DeviceCertificate",
    "metadata": {**DEVICE["metadata"], "uid": "u-cert", "resourceVersion": "11"},
    "spec": {"devices": [{"name": "gate"}], "issuer": {"caSecretRef": {"name": "root"}}},
}


def secret(name: str, use: str, version: str = "12", **notes: str) -> Object:
    meta = {"name": name, "namespace": "cams", "uid": f"u-{name}", "resourceVersion": version}
    return {"kind": "Secret", "metadata": {**meta, "labels": {"devicecert.io/use": use}, "annotations": notes}}


def changed(obj: Object, version: int, **parts: Any) -> Object:
    made = copy.deepcopy(obj)
    made["metadata"]["resourceVersion"] = str(version)
    for path, value in parts.items():
        *parents, last = path.split("__")
        place = made
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return made


GATE = ObjectKey("Device", "cams", "gate")
CERT = ObjectKey("DeviceCertificate", "cams", "gate")


class Door:
    """An intake and what it woke."""

    def __init__(self, *objects: Object) -> None:
        self.woken: list[ObjectKey] = []
        self.cache = Cache()
        self.intake = Intake(self.cache, self.woken.append, lambda _key: None)
        for obj in objects:
            self.intake.take(obj)
        self.woken.clear()

    def take(self, obj: Object, *, deleted: bool = False) -> set[ObjectKey]:
        self.woken.clear()
        self.intake.take(obj, deleted=deleted)
        return set(self.woken)


SERVED = {"fingerprint": "f", "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("sentence", "obj", "woken"),
    [
        ("the same again wakes nobody", DEVICE, set()),
        ("an older version wakes nobody", changed(DEVICE, 9, spec__driver="other"), set()),
        ("a new spec wakes both", changed(DEVICE, 20, spec__management="Observe"), {GATE, CERT}),
        (
            "an annotation that is a verb wakes",
            changed(DEVICE, 20, metadata__annotations={"devicecert.io/reboot": "x"}),
            {GATE, CERT},
        ),
        ("a status that nobody reads wakes nobody", changed(DEVICE, 20, status__credentials={"refused": 1}), set()),
        ("an address wakes the certificate", changed(DEVICE, 20, status__address={"current": "10.0.0.9"}), {CERT}),
        ("what is served wakes the certificate", changed(DEVICE, 20, status__served=SERVED), {CERT}),
        ("a turn wakes the device", changed(CERTIFICATE, 20, status__devices=[{"name": "gate", "turn": 1}]), {GATE}),
        (
            "a message in it wakes nobody",
            changed(CERTIFICATE, 20, status__devices=[{"name": "gate", "message": "x"}]),
            {GATE},
        ),
        (
            "a new list wakes old and new devices",
            changed(CERTIFICATE, 20, spec__devices=[{"name": "yard"}]),
            {CERT, GATE, ObjectKey("Device", "cams", "yard")},
        ),
        ("the log-in wakes its devices", secret("login", "credentials"), {GATE}),
        ("the CA wakes its certificates", secret("root", "ca"), {CERT}),
        ("a revision wakes its owner", secret("gate-r1", "revision", **{"devicecert.io/owner-name": "gate"}), {CERT}),
        ("another Secret wakes nobody", secret("other", "credentials"), set()),
    ],
)
def test_who_is_woken(sentence: str, obj: Object, woken: set[ObjectKey]) -> None:
    seen = Door(DEVICE, CERTIFICATE).take(obj)
    if sentence == "a message in it wakes nobody":
        woken = {GATE}  # the member itself is new: its first mention counts
    assert seen == woken, sentence


def test_a_deleted_device_wakes_its_certificate_and_is_forgotten() -> None:
    door = Door(DEVICE, CERTIFICATE)
    assert door.take(DEVICE, deleted=True) == {CERT}
    assert door.cache.device(GATE) is None
    assert not door.cache.exists("u-gate")


def test_a_device_that_is_listed_no_more_wakes_who_keeps_its_revision() -> None:
    leaf = ca.certificate("gate")
    kept = revision_secret(
        namespace="cams",
        owner_name="yard",
        owner_uid="u-yard",
        number=1,
        tls_crt=leaf.cert_pem,
        ca_crt=leaf.cert_pem,
        tls_key=b"",
        input_hash="x",
        authority_fingerprint="y",
    )
    kept["metadata"] |= {"uid": "u-yard-r1", "resourceVersion": "14"}
    kept["metadata"]["annotations"]["devicecert.io/given-to"] = "u-gate"
    door, yard = Door(DEVICE, CERTIFICATE, kept), ObjectKey("DeviceCertificate", "cams", "yard")
    assert door.take(changed(DEVICE, 20, status__served=SERVED)) == {CERT, yard}
    assert door.take(DEVICE, deleted=True) == {CERT, yard}
    door = Door(DEVICE, CERTIFICATE, kept)
    door.intake.gone("Device", "cams", "gate")
    assert set(door.woken) == {CERT, yard}


def test_a_deleted_certificate_wakes_its_devices() -> None:
    door = Door(DEVICE, CERTIFICATE)
    assert door.take(CERTIFICATE, deleted=True) == {GATE}
    assert door.cache.certificates_listing("cams", "gate") == ()


def test_a_secret_that_lost_its_label_wakes_who_used_it() -> None:
    door = Door(DEVICE, CERTIFICATE, secret("login", "credentials"))
    unlabelled = secret("login", "", "13")
    assert door.take(unlabelled) == {GATE}
    assert door.cache.secret("cams", "login") is None


def test_a_recreated_device_is_another_one() -> None:
    door = Door(DEVICE, CERTIFICATE)
    again = changed(DEVICE, 5, metadata__uid="u-second")
    assert door.take(again) == {GATE, CERT}
    assert door.cache.exists("u-second")


def test_a_key_that_another_device_learned_is_known() -> None:
    learned = changed(DEVICE, 20, status__identity={"publicKeySHA256": "k"})
    door = Door(learned)
    assert door.cache.others_with_key("k", "u-other") == ("gate",)
    assert door.cache.others_with_key("k", "u-gate") == ()
    assert door.cache.others_with_key("z", "u-other") == ()


def test_a_spec_that_cannot_be_read_is_kept_with_its_problem() -> None:
    broken = changed(DEVICE, 20)
    del broken["spec"]["address"]
    door = Door(broken)
    view = door.cache.device(GATE)
    assert view is not None
    assert view.desired is None
    assert view.problem is not None


AUTHORITY: Object = {
    "kind": "CertificateAuthority",
    "metadata": {**DEVICE["metadata"], "name": "site-ca", "uid": "u-site-ca", "resourceVersion": "13"},
    "spec": {"secretName": "site-root"},
}
UNDER_IT = changed(CERTIFICATE, 11, spec__issuer={"authorityRef": {"name": "site-ca"}})
SITE_CA = ObjectKey("CertificateAuthority", "cams", "site-ca")
ROTATION = {"phase": "Switching", "startTime": "2026-01-01T00:00:00Z", "since": "2026-01-01T00:00:00Z"}


def bundle(text: str, version: str = "14") -> Object:
    return secret("site-ca-trust", "trust", version) | {"kind": "ConfigMap", "data": {"ca.crt": text}}


@pytest.mark.parametrize(
    ("sentence", "obj", "woken"),
    [
        ("the same again wakes nobody", AUTHORITY, set()),
        ("what may be signed wakes both", changed(AUTHORITY, 20, spec__allowed={"dnsNames": ["a"]}), {SITE_CA, CERT}),
        ("a root wakes its certificates", changed(AUTHORITY, 20, status__certificate=SERVED), {CERT}),
        ("a rotation wakes its certificates", changed(AUTHORITY, 20, status__rotation=ROTATION), {CERT}),
        (
            "whom a rotation waits for wakes nobody",
            changed(AUTHORITY, 20, status__rotation=None, status__trustBundle="b"),
            set(),
        ),
        ("its Secret wakes both", secret("site-root", "ca"), {SITE_CA, CERT}),
        ("the Secret of the root that follows wakes both", secret("site-root-next", "ca"), {SITE_CA, CERT}),
        ("its bundle wakes it", bundle("one"), {SITE_CA}),
        ("a Secret of the bundle's name wakes nobody", secret("site-ca-trust", "trust"), set()),
        ("a device wakes no authority at rest", changed(DEVICE, 20, status__served=SERVED), {CERT}),
    ],
)
def test_who_is_woken_around_an_authority(sentence: str, obj: Object, woken: set[ObjectKey]) -> None:
    assert Door(DEVICE, UNDER_IT, AUTHORITY).take(obj) == woken, sentence


def test_an_authority_that_rotates_follows_devices_and_revisions() -> None:
    door = Door(DEVICE, UNDER_IT, changed(AUTHORITY, 20, status__rotation=ROTATION))
    assert door.take(changed(DEVICE, 20, status__served=SERVED)) == {CERT, SITE_CA}
    issued = secret("gate-r1", "revision", **{"devicecert.io/owner-name": "gate"})
    assert door.take(issued) == {CERT, SITE_CA}


def test_a_bundle_wakes_only_when_its_content_changed() -> None:
    door = Door(AUTHORITY, bundle("one"))
    assert door.take(bundle("one", "15")) == set()
    assert door.take(bundle("two", "16")) == {SITE_CA}
    assert door.take(bundle("two", "17"), deleted=True) == {SITE_CA}


def test_a_deleted_authority_wakes_its_certificates_and_is_forgotten() -> None:
    door = Door(UNDER_IT, AUTHORITY)
    assert door.take(AUTHORITY, deleted=True) == {CERT}
    assert door.cache.authority(SITE_CA) is None
    assert door.cache.versions("CertificateAuthority") == {}


def test_what_is_gone_without_a_word_wakes_who_depended_on_it() -> None:
    door = Door(UNDER_IT, AUTHORITY, secret("site-root", "ca"))
    door.intake.gone("Secret", "cams", "site-root")
    assert set(door.woken) == {SITE_CA, CERT}
    door.woken.clear()
    door.intake.gone("CertificateAuthority", "cams", "site-ca")
    assert set(door.woken) == {CERT}


COPY = secret("copy", "certificate", "14") | {"kind": "ConfigMap"}
PUBLISHED = secret("gate-ca", "trust", "14") | {"kind": "ConfigMap", "data": {"ca.crt": "x"}}
FIRMWARE = {
    "deviceCA": {
        "caRef": {"name": "copy"},
        "constrainedBy": {"authorityRef": {"name": "site-ca"}, "permittedIPRanges": ["10.0.0.0/8"]},
    }
}
BY_FIRMWARE = changed(CERTIFICATE, 11, spec__issuer=FIRMWARE)
EXPORTED = {"fingerprint": "f"}


@pytest.mark.parametrize(
    ("sentence", "obj", "woken"),
    [
        ("the copy of the CA wakes both", COPY, {CERT, GATE}),
        ("what was published wakes its device", PUBLISHED, {GATE}),
        ("a root that constrains the CA wakes the device", changed(AUTHORITY, 20, status__certificate=SERVED), {GATE}),
        ("the CA that a device gave wakes the certificate", changed(DEVICE, 20, status__firmwareCA=EXPORTED), {CERT}),
        ("another issuer wakes both", changed(BY_FIRMWARE, 20, spec__issuer={"deviceCA": {}}), {CERT, GATE}),
    ],
)
def test_who_is_woken_around_a_firmware_s_ca(sentence: str, obj: Object, woken: set[ObjectKey]) -> None:
    assert Door(DEVICE, BY_FIRMWARE, AUTHORITY).take(obj) == woken, sentence


BY_PAIR = changed(CERTIFICATE, 11, spec__issuer={"provided": {"secretRef": {"name": "pair"}}})
VERIFIED = changed(
    DEVICE, 10, spec__connection={"security": "Verified", "caRef": {"kind": "ConfigMap", "name": "vendor", "key": "x"}}
)
PAIR = secret("pair", "certificate") | {"data": {"tls.crt": "YQ==", "tls.key": "YQ==", "ca.crt": "YQ=="}}
VENDOR = secret("vendor", "certificate") | {"kind": "ConfigMap", "data": {"x": "one"}, "binaryData": {"y": "YQ=="}}


@pytest.mark.parametrize(
    ("sentence", "before", "after", "woken"),
    [
        ("the same content wakes nobody", PAIR, changed(PAIR, 20), set()),
        ("a note on it wakes nobody", PAIR, changed(PAIR, 20, metadata__annotations={"a": "b"}), set()),
        ("another key alone wakes both", PAIR, PAIR | {"data": PAIR["data"] | {"tls.key": "Yg=="}}, {CERT, GATE}),
        ("another CA alone wakes both", PAIR, PAIR | {"data": PAIR["data"] | {"ca.crt": "Yg=="}}, {CERT, GATE}),
        ("the CA of Verified wakes its device", VENDOR, VENDOR | {"data": {"x": "two"}}, {GATE}),
        ("so it does in DER", VENDOR, VENDOR | {"binaryData": {"y": "Yg=="}}, {GATE}),
    ],
)
def test_who_is_woken_by_what_came_from_outside(
    sentence: str, before: Object, after: Object, woken: set[ObjectKey]
) -> None:
    assert Door(VERIFIED, BY_PAIR, before).take(changed(after, 20)) == woken, sentence


def test_nothing_of_a_key_from_outside_is_shown() -> None:
    view = Door(PAIR).cache.secret("cams", "pair")
    assert view is not None and view.digest is not None
    assert view.digest not in repr(view)
    assert view.digest != content_digest(PAIR), "it is of use in this process only"


def test_what_no_longer_constrains_a_ca_wakes_nobody() -> None:
    door = Door(DEVICE, BY_FIRMWARE, AUTHORITY)
    door.take(changed(BY_FIRMWARE, 20, spec__issuer={"deviceCA": {}}))
    assert door.take(changed(AUTHORITY, 21, status__certificate=SERVED)) == set()
    assert door.take(COPY) == set()


def test_devices_with_the_same_firmware_ca_are_known_by_their_serial_numbers() -> None:
    def one(name: str, serial: str, namespace: str = "cams") -> Object:
        meta = {"metadata__name": name, "metadata__uid": name, "metadata__namespace": namespace}
        return changed(DEVICE, 20, status__firmwareCA=EXPORTED, status__identity={"serialNumber": serial}, **meta)

    door = Door(one("gate", "1"), one("twin", "1"), one("far", "2", "elsewhere"))
    assert door.cache.sharing_firmware_ca(GATE, "f", "1") is None
    door.take(one("yard", "2"))
    assert door.cache.sharing_firmware_ca(GATE, "f", "1") == "yard"
    assert door.cache.sharing_firmware_ca(GATE, "f", "") is None
    assert door.cache.sharing_firmware_ca(GATE, "g", "1") is None
    door.take(one("yard", "2"), deleted=True)
    assert door.cache.sharing_firmware_ca(GATE, "f", "1") is None
