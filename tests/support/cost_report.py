"""Plugin that prints the worst CPU time per byte of each kind of input in ``tests/fuzz``."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the costs that ``tests/fuzz`` recorded."""
    reports = [
        report for word in ("passed", "failed") for report in terminalreporter.stats.get(word, ())
    ]
    told = [value for one in reports for name, value in one.user_properties if name == "cost"]
    if told:
        terminalreporter.section("worst CPU time per byte of input")
    for line in told:
        terminalreporter.write_line(str(line))
