"""Prints what the tortures tried and found, also when they passed."""

from __future__ import annotations

from typing import Any

import pytest

_REPORT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the report."""
    config.stash[_REPORT] = []


@pytest.fixture
def report(request: pytest.FixtureRequest) -> list[str]:
    """Lines to print once all tests are over."""
    return request.config.stash[_REPORT]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the report."""
    lines = config.stash[_REPORT]
    if lines:
        terminalreporter.section("tortures")
        for line in lines:
            terminalreporter.write_line(line)
