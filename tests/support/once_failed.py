"""Shows why a test failed that passed when it was run again: that is a defect, too."""

from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What each of them said, before pytest's last lines."""
    again: list[Any] = terminalreporter.stats.get("rerun", [])
    for report in again:
        terminalreporter.section(f"failed once: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
