"""Commands that pages name are ones that work: `devicecert …` by the program's own parser, and annotations of ours."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from device_cert_operator.cli import main
from tests.support.howto import EXAMPLES, ROOT

RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(EXAMPLES.rglob("*.yaml"))]
_BLOCK = re.compile(r"^ *```[a-z]*\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`(?P<body>[^`]+)`")
_COMMENT = re.compile(r"#(?P<body>.*)$", re.MULTILINE)
_BEGINS = re.compile(r"(?:^|(?<=[\s/(\"]))(?P<program>devicecert|kubectl) ")
_ENDS = set("();<>|&")


def commands(page: Path, program: str) -> list[list[str]]:
    """The arguments of each command of this program on the page, or in an example's comments."""
    return [
        words_of(text[found.end() :])
        for text in _texts(page.read_text(), page.suffix)
        for found in _BEGINS.finditer(text)
        if found["program"] == program
    ]


def _texts(page: str, suffix: str) -> Iterator[str]:
    """Lines of blocks, and the spans outside of them, which may be wrapped."""
    if suffix == ".yaml":
        yield from (found["body"] for found in _COMMENT.finditer(page))
        return
    for found in _BLOCK.finditer(page):
        yield from found["body"].replace("\\\n", " ").splitlines()
    yield from (" ".join(found["body"].split()) for found in _SPAN.finditer(_BLOCK.sub("", page)))


def words_of(text: str) -> list[str]:
    """Until a pipe, a redirection, a substitution, a comment, or the end of a quote that began before."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for word in lexer:
            if set(word) <= _ENDS:
                break
            words.append(word)
    except ValueError:  # a quote without its end
        pass
    return words


def parsed(arguments: list[str]) -> click.Context:
    """The command that is meant, after its own parser has read the rest. Raises click.UsageError.

    That an argument is missing is no fault: the command is only mentioned then.
    """
    context = click.Context(main, **main.context_settings)
    while isinstance(context.command, click.Group):
        _, arguments, _ = context.command.make_parser(context).parse_args(arguments)
        if not arguments:
            return context
        if (found := context.command.commands.get(arguments[0])) is None:
            raise click.UsageError(f"there is no {arguments[0]}")
        context = click.Context(found, parent=context, **found.context_settings)
        arguments = arguments[1:]
    _, left, _ = context.command.make_parser(context).parse_args(arguments)
    if left:
        raise click.UsageError(f"{left[0]} is too much")
    return context


def fault(arguments: list[str]) -> str | None:
    try:
        parsed(arguments)
    except click.UsageError as error:
        return error.format_message()
    return None


def takes_a_namespace(arguments: list[str]) -> bool:
    context = parsed(arguments)
    return any("--namespace" in one.opts for one in context.command.get_params(context))


def test_a_command_of_ours_is_one_that_the_program_takes() -> None:
    named = [(page, arguments) for page in PAGES for arguments in commands(page, "devicecert")]
    assert len(named) > 30
    wrong = [(page.name, " ".join(arguments), why) for page, arguments in named if (why := fault(arguments))]
    assert wrong == []


def test_an_annotation_of_ours_is_put_over_an_older_one() -> None:
    named = [(page, words) for page in PAGES for words in commands(page, "kubectl") if "annotate" in words]
    assert len(named) > 5
    fails_the_second_time = [
        (page.name, " ".join(words))
        for page, words in named
        if any(re.match(r"devicecert\.io/[a-z-]+=", word) for word in words) and "--overwrite" not in words
    ]
    assert fails_the_second_time == []


def test_a_runbook_says_in_which_namespace() -> None:
    """Whoever an alert calls may be in any."""
    of_kubectl = [(page, words) for page in RUNBOOKS for words in commands(page, "kubectl") if "NAME" in words]
    ours = [
        (page, words)
        for page in RUNBOOKS
        for words in commands(page, "devicecert")
        if not fault(words) and takes_a_namespace(words)
    ]
    assert of_kubectl
    assert ours
    anywhere = [(page.name, " ".join(words)) for page, words in of_kubectl + ours if "-n" not in words]
    assert anywhere == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("show HOST -o pem > chain.pem", ["show", "HOST", "-o", "pem"]),
        ("trust pin dock-cam        # the same as YAML", ["trust", "pin", "dock-cam"]),
        ("annotate --overwrite devicecert.io/renew=$(date +%s)", ["annotate", "--overwrite", "devicecert.io/renew=$"]),
        ('annotate devicecert.io/renew="$(date +%s)"', ["annotate", "devicecert.io/renew=$(date +%s)"]),
        ('status gate)"', ["status", "gate"]),
    ],
)
def test_commands_are_read_as_a_shell_does(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("status gate -n cams", None),
        ("csr", None),
        ("show -h", None),
        ("csr put gate chain.pem --ca root.pem", None),
        ("simulate run --kind firmware-ca", None),
        ("discover", "there is no discover"),
        ("csr fetch gate", "there is no fetch"),
        ("status gate --all", "--all"),
        ("status gate yard", "yard is too much"),
    ],
)
def test_what_the_program_does_not_take_is_told(line: str, why: str | None) -> None:
    told = fault(line.split())
    assert told is None if why is None else told is not None and why in told
