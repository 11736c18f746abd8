"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from tests.host import Host

if TYPE_CHECKING:  # pytest imports the plugin itself, to rewrite its assertions
    from tests.emulator.fixtures import RunningEmulator

pytest_plugins = ["tests.emulator.fixtures", "tests.neighbours"]


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Make hosts (takes their settings); what runs on them ends with the test."""
    hosts: list[Host] = []

    def make(**settings: object) -> Host:
        directory = tmp_path / f"host-{len(hosts)}"
        directory.mkdir()
        hosts.append(Host(directory, **settings))
        return hosts[-1]

    yield make
    for one in hosts:
        one.close()


@pytest.fixture
def host(make_host: Callable[..., Host], emulator: RunningEmulator) -> Host:
    """A host that sends to the emulator; its daemon is not started yet."""
    return make_host(
        events_api_url=emulator.url, heartbeat_url=emulator.heartbeat_url, ca_file=emulator.ca_file
    )
