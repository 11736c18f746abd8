"""Prints what the tortures tried and found, also when they passed."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Timed on a busy machine nothing is proved; examples are the same in every CI run.
_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
settings.register_profile("short", max_examples=60, derandomize=True, **_COMMON)
settings.register_profile("long", max_examples=5000, stateful_step_count=100, **_COMMON)
settings.load_profile(os.environ.get("PDAGENT_FUZZ", "short"))

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
