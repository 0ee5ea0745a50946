"""What tests measured, shown at the end of a run: also of one that is quiet or has several workers."""

from collections.abc import Callable

import pytest

_KIND = "figure"
Figure = Callable[[str], None]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Keep a line for the end of the run."""
    return lambda line: record_property(_KIND, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One section, a line a figure, in the order of the tests' names."""
    told = {
        (report.nodeid, str(line))
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport)
        for kind, line in report.user_properties
        if kind == _KIND
    }
    if told:
        terminalreporter.section("measured")
    for _, line in sorted(told):
        terminalreporter.line(line)
