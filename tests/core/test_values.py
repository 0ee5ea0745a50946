"""Small values that other layers hand round."""

from device_cert_operator.core.exchange import Reply, UsernameToken
from device_cert_operator.core.model import CSRFacts, Names, SubjectFields, names_of
from device_cert_operator.core.profile import csr_subject


def test_a_token_hides_what_it_proves() -> None:
    assert "digest" not in repr(UsernameToken("admin", "digest", "nonce", "now"))
    assert "ok" not in repr(Reply(200, {}, b"ok"))


def test_a_csr_names_what_it_asks_for_as_it_stands() -> None:
    facts = CSRFacts("k", "EC", "secp256r1", 256, "", None, ("B.example", "a.example"), ("10.0.0.1",), True, True)
    assert facts.names == Names(("B.example", "a.example"), ("10.0.0.1",))


def test_a_csr_asks_for_a_subject_with_a_name_that_is_in_the_san() -> None:
    asked = csr_subject(SubjectFields(organization="Example"), names_of("10.0.0.1"))
    assert asked == (("organization", "Example"), ("common_name", "10.0.0.1"))
