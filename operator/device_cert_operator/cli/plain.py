"""Text for terminals: what devices wrote is shown and never obeyed; colour only where a person looks."""

import click


def printable(text: str) -> str:
    """The text with control characters, line ends among them, and what changes the direction of writing escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def coloured(text: str, colour: str | None) -> str:
    """In this colour; `click.echo` takes it off again where the output is no terminal."""
    return click.style(text, fg=colour) if colour else text
