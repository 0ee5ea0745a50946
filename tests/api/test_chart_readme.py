"""The chart's README comes from the comments in its values."""

import pytest

from device_cert_operator.api.chart import Value, documented, readme


def test_a_value_is_told_with_its_path_its_default_and_its_comment() -> None:
    values = "# prose\n\na:\n  # -- First\n  # and more.\n  b: 1\n  c:\n    # -- Second | third.\n    d: []\n"
    assert documented(values) == (
        Value("a.b", 1, "First and more."),
        Value("a.c.d", [], "Second \\| third."),
    )
    assert "| `a.c.d` | `[]` | Second \\| third. |" in readme(values)


def test_a_comment_above_a_group_covers_what_is_in_it() -> None:
    assert [one.path for one in documented("# -- All of it.\na:\n  b: 1\n  c: {d: 2}\n")] == ["a"]


def test_a_value_that_nobody_documents_is_named() -> None:
    with pytest.raises(ValueError, match=r"a\.c: write"):
        documented("a:\n  # -- One.\n  b: 1\n\n  c: 2\n")


def test_a_comment_holds_for_the_value_right_below_it_only() -> None:
    with pytest.raises(ValueError, match="says nothing about a"):
        documented("# -- Nothing.\n\na: 1\n")
