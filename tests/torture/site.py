"""The scene of a torture: a host of its own and a PagerDuty of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.emulator.fixtures import Certificates, RunningEmulator, launch, stop
from tests.host import Host


@contextlib.contextmanager
def pagerduty(directory: Path, *options: str) -> Iterator[RunningEmulator]:
    """An emulator without rate limit, over TLS, that lives as long as the block."""
    directory.mkdir(parents=True)
    certificates = Certificates(directory)
    files = certificates.issue("localhost", "127.0.0.1", "::1")
    running = launch(
        directory,
        "--throttle-per-minute=0",
        "--keep=1000000",
        *options,
        files=files,
        ca_file=certificates.ca_file,
    )
    try:
        yield running
    finally:
        stop(running)


@contextlib.contextmanager
def host_of(directory: Path, emulator: RunningEmulator, **settings: object) -> Iterator[Host]:
    """A host that sends there; its daemon is ended with the block."""
    directory.mkdir(parents=True)
    urls = {"events_api_url": emulator.url, "heartbeat_url": emulator.heartbeat_url}
    host = Host(directory, **{**urls, "ca_file": emulator.ca_file, "log_level": "info", **settings})
    try:
        yield host
    finally:
        host.close()
