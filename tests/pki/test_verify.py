"""Which signatures hold, between what was sent and what is intended."""

import pytest
from cryptography import x509

from device_cert_operator.errors import ProtocolViolation
from device_cert_operator.pki.verify import LONGEST_PATH, is_root, links, signed_by
from tests.support import ca

ROOT = ca.root()
BELOW = ca.root("Example below", issuer=ROOT)
LEAF = ca.certificate("gate", issuer=BELOW, key=ca.ec_key("leaf"))
NAMESAKE = ca.root(key=ca.ec_key("another key"))


def subjects(*chain: ca.Pair, anchors: tuple[ca.Pair, ...] = (ROOT,)) -> tuple[list[str], bool]:
    found = links(tuple(one.der for one in chain), tuple(one.der for one in anchors))
    return [facts.subject.removeprefix("O=") for facts in found.path], found.anchored


def test_a_leaf_reaches_a_root_that_was_not_sent() -> None:
    assert subjects(LEAF, BELOW) == (["gate", "Example below", "Example root"], True)


def test_a_root_that_was_sent_counts_once() -> None:
    assert subjects(LEAF, BELOW, ROOT) == (["gate", "Example below", "Example root"], True)


def test_the_order_sent_does_not_matter() -> None:
    assert subjects(LEAF, ROOT, ca.root("Stranger"), BELOW) == (["gate", "Example below", "Example root"], True)


def test_an_intermediate_may_be_the_anchor() -> None:
    assert subjects(LEAF, BELOW, ROOT, anchors=(BELOW,)) == (["gate", "Example below"], True)


def test_a_root_of_the_same_name_and_another_key_is_passed_over() -> None:
    assert subjects(LEAF, BELOW, anchors=(NAMESAKE, ROOT)) == (["gate", "Example below", "Example root"], True)


def test_a_leaf_without_its_intermediate_stands_alone() -> None:
    found = links((LEAF.der,), (ROOT.der,))
    assert (len(found.path), found.anchored, found.broken, found.missing) == (1, False, False, None)


def test_an_intermediate_that_is_known_and_not_sent_is_named() -> None:
    found = links((LEAF.der,), (ROOT.der,), (BELOW.der,))
    assert (found.anchored, found.missing) == (False, "O=Example below")
    assert len(found.path) == 1, "what is known proves nothing"


def test_what_is_known_changes_nothing_where_it_was_sent() -> None:
    found = links((LEAF.der, BELOW.der), (ROOT.der,), (BELOW.der,))
    assert (found.anchored, found.missing) == (True, None)


def test_what_is_known_does_not_help_a_stranger() -> None:
    found = links((ca.certificate("self").der,), (ROOT.der,), (BELOW.der,))
    assert (found.anchored, found.missing) == (False, None)


def test_a_name_that_fits_and_a_key_that_does_not_is_a_broken_chain() -> None:
    found = links((LEAF.der, BELOW.der), (NAMESAKE.der,))
    assert (found.anchored, found.broken) == (False, True)


def test_a_changed_byte_breaks_the_chain() -> None:
    changed = LEAF.der.replace(b"gate", b"gatf")
    assert changed != LEAF.der
    found = links((changed, BELOW.der), (ROOT.der,))
    assert (len(found.path), found.broken) == (1, True)


def test_a_self_signed_leaf_may_be_its_own_anchor() -> None:
    alone = ca.certificate("self")
    assert subjects(alone, anchors=(alone,)) == (["self"], True)


def test_a_self_signed_leaf_that_was_sent_twice_ends() -> None:
    alone = ca.certificate("self")
    path, anchored = subjects(alone, alone)
    assert (path[0], anchored, len(path) <= LONGEST_PATH) == ("self", False, True)


def test_two_that_signed_each_other_end() -> None:
    a = ca.root("A", issuer=ca.root("B"))
    b = ca.root("B", issuer=ca.root("A"))
    leaf = ca.certificate("gate", issuer=a, key=ca.ec_key("leaf"))
    path, anchored = subjects(leaf, a, b)
    assert (path[:3], anchored) == (["gate", "A", "B"], False)


def test_without_an_intended_ca_nothing_is_anchored() -> None:
    assert subjects(LEAF, BELOW, anchors=()) == (["gate", "Example below"], False)


def test_a_signature_is_not_believed_for_its_name() -> None:
    assert signed_by(LEAF.certificate, BELOW.certificate)
    assert not signed_by(LEAF.certificate, ROOT.certificate)
    assert not signed_by(BELOW.certificate, NAMESAKE.certificate)


@pytest.mark.parametrize("key", [ca.ec_key("the next root"), ca.rsa_key()], ids=["one kind of key", "two kinds"])
def test_a_root_is_told_from_a_cross_certificate_between_two_of_one_name(key: ca.Key) -> None:
    cross = ca.root(issuer=ROOT, key=key)
    assert cross.certificate.subject == cross.certificate.issuer
    assert [is_root(one.der) for one in (ROOT, NAMESAKE, cross, BELOW, LEAF)] == [True, True, False, False, False]


def test_a_root_whose_signature_nobody_here_can_check_is_one_by_its_name() -> None:
    ecdsa_sha256, unknown = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040309")
    assert is_root(ROOT.der.replace(ecdsa_sha256, unknown))


def test_a_chain_that_cannot_be_parsed_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation):
        links((b"garbage",), (ROOT.der,))


def test_the_constraints_of_each_ca_come_with_the_path() -> None:
    narrow = ca.root("Narrow", issuer=ROOT, constraints=ca.permit("10.0.0.0/8"))
    leaf = ca.certificate("gate", issuer=narrow, key=ca.ec_key("leaf"), extensions=[(ca.san("10.0.0.1"), False)])
    found = links((leaf.der, narrow.der), (ROOT.der,))
    assert [facts.name_constraints is not None for facts in found.path] == [False, True, False]
    assert isinstance(leaf.certificate, x509.Certificate)
