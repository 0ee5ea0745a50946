"""Progress for people: a live line with the seconds on a terminal, plain lines elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Reporter:
    """Takes lines; one that ends in "…" stays live, on a terminal, until the next. Use it as a context."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Progress | None = None

    def __call__(self, line: str) -> None:
        """Show a line."""
        self._end()
        if self._console.is_terminal and line.endswith("…"):
            columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
            self._live = Progress(*columns, console=self._console, transient=True)
            self._live.add_task(line.strip(), total=None)
            self._live.start()
        else:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
