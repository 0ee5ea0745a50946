"""The generated pages are whole: no setting and no reason without a sentence."""

from dataclasses import fields

import pytest

from device_cert_operator.advice import ADVICE, NOTHING
from device_cert_operator.api.documents import reasons_page, settings_page
from device_cert_operator.core.conditions import STALLED
from device_cert_operator.reasons import Reason
from device_cert_operator.settings import Settings


def test_each_reason_has_a_meaning_and_a_next_move() -> None:
    assert set(Reason) - ADVICE.keys() == set()


@pytest.mark.parametrize("reason", sorted(ADVICE))
def test_advice_is_sentences(reason: Reason) -> None:
    meaning, move = ADVICE[reason]
    for text in (meaning, move):
        assert text[0].isupper() or text[0] == "`" or text.startswith("cert-manager")
        assert text.endswith((".", "?"))
        assert "|" not in text
        assert "\n" not in text


@pytest.mark.parametrize("reason", sorted(STALLED))
def test_where_a_person_is_needed_the_advice_says_what_for(reason: Reason) -> None:
    assert ADVICE[reason][1] != NOTHING


@pytest.mark.parametrize("item", fields(Settings), ids=lambda item: item.name)
def test_each_setting_is_explained(item: object) -> None:
    name, told = item.name, item.metadata.get("told", "")  # type: ignore[attr-defined]
    assert told.endswith("."), f"say in settings.py what {name} means: field(default=…, metadata=told(…))"
    assert f"| `DEVICECERT_{name.upper()}` |" in settings_page()


def test_a_reason_can_be_linked_to() -> None:
    page = reasons_page()
    assert '<a id="deviceunreachable"></a>`DeviceUnreachable` | Reconciling |' in page
    assert '<a id="credentialsrejected"></a>`CredentialsRejected` | **Stalled** |' in page


def test_a_lease_that_is_too_short_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="DEVICECERT_LEASE_DURATION is 1: at least 2"):
        Settings.from_environment({"DEVICECERT_LEASE_DURATION": "1"})
