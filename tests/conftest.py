"""Shared by all suites: what a test recorded as ``report`` is printed at the end, from workers as well."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seeds, counts and shares that a passing run is asked for."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "report":
                    terminalreporter.write_line(str(value))
