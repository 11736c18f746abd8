"""pytest fixtures: certificates made for the run, and a running emulator.

``emulator``       over TLS on 127.0.0.1 and [::1], reset before each test
``start_emulator`` further ones with options of one's own
``certificates``   a CA of this run that issues good and bad certificates
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
import trustme

from tests.emulator.client import Emulator

_ROOT = Path(__file__).resolve().parents[2]


class CertFiles(NamedTuple):
    """Paths of a certificate chain and its key, as text."""

    cert: str
    key: str


class Certificates:
    """A certificate authority and what it issued, as files in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ca = trustme.CA()
        self.ca_file = str(directory / "ca.pem")
        self._ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, *hosts: str, expired: bool = False, days: int = 0) -> CertFiles:
        """A certificate of this CA for these names or addresses; valid for days if given."""
        validity = {}
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        if expired:
            validity = {"not_before": now - 30 * day, "not_after": now - day}
        if days:
            validity = {"not_before": now - day, "not_after": now + days * day}
        return self._write(self._ca.issue_cert(*hosts, **validity))

    def issue_untrusted(self, *hosts: str) -> CertFiles:
        """A certificate of a CA nobody knows."""
        return self._write(trustme.CA().issue_cert(*hosts))

    def _write(self, issued: trustme.LeafCert) -> CertFiles:
        number = len(list(self._directory.iterdir()))
        cert, key = self._directory / f"{number}-cert.pem", self._directory / f"{number}-key.pem"
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return CertFiles(str(cert), str(key))


class RunningEmulator(Emulator):
    """An emulator process of this test run; ``process`` is the Popen object."""

    process: subprocess.Popen[str]
    ports: dict[str, Any]


def launch(
    directory: Path,
    *options: str,
    files: CertFiles | None = None,
    ca_file: str | None = None,
    listen: tuple[str, ...] = ("127.0.0.1:0", "[::1]:0"),
) -> RunningEmulator:
    """Start an emulator process and wait until it answers.

    Its ``url`` names the first address as localhost, or by address for IPv6.
    """
    port_file = directory / f"ports-{time.monotonic_ns()}.json"
    command = [sys.executable, "-m", "tests.emulator", "--control", "127.0.0.1:0"]
    command += ["--port-file", str(port_file), *options]
    for address in listen:
        command += ["--listen", address]
    if files is not None:
        command += ["--tls-cert", files.cert, "--tls-key", files.key]
    process = subprocess.Popen(
        command, cwd=_ROOT, env={**os.environ, "PYTHONPATH": str(_ROOT)}, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the emulator did not start: {' '.join(command)}")
        time.sleep(0.01)
    ports = json.loads(port_file.read_text(encoding="utf-8"))
    host, port = ports["listen"][0]
    name = f"[{host}]" if ":" in host else host
    scheme = "http" if files is None else "https"
    running = RunningEmulator(
        f"http://127.0.0.1:{ports['control'][1]}", url=f"{scheme}://{name}:{port}", ca_file=ca_file
    )
    running.process, running.ports = process, ports
    return running


def stop(running: RunningEmulator) -> None:
    """End the process and wait for it."""
    running.process.terminate()
    running.process.wait(timeout=10)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificate authority of this test run."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def start_emulator(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Callable[..., RunningEmulator]]:
    """Start emulators that live as long as the test session; takes launch()'s arguments.

    TLS with a certificate for localhost and the loopback addresses unless ``tls=False``.
    """
    directory = tmp_path_factory.mktemp("emulators")
    files = certificates.issue("localhost", "127.0.0.1", "::1")
    running: list[RunningEmulator] = []

    def start(*options: str, tls: bool = True, **further: Any) -> RunningEmulator:
        if tls:
            further = {"files": files, "ca_file": certificates.ca_file, **further}
        running.append(launch(directory, *options, **further))
        return running[-1]

    yield start
    for one in running:
        stop(one)


@pytest.fixture(scope="session")
def _shared_emulator(start_emulator: Callable[..., RunningEmulator]) -> RunningEmulator:
    return start_emulator()


@pytest.fixture
def emulator(_shared_emulator: RunningEmulator) -> RunningEmulator:
    """An emulator over TLS on loopback that has seen nothing yet."""
    _shared_emulator.reset()
    return _shared_emulator
