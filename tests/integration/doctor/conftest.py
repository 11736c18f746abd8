"""The lab, its hosts, and the table of what pd-doctor said of every fault."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.doctor.lab import ROOT, Host, Lab


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this checkout."""
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run([ROOT / "packaging" / "build", "deb", directory], check=True)
    return next(directory.glob("pdagent_*.deb"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The little internet of this run."""
    made = Lab(tmp_path_factory.mktemp("lab"))
    try:
        made.open()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def _systemd_host(lab: Lab, package: Path) -> Iterator[Host]:
    yield from _installed(lab, "debian12-systemd", package)


@pytest.fixture(scope="session")
def _sysv_host(lab: Lab, package: Path) -> Iterator[Host]:
    yield from _installed(lab, "debian12-sysv", package)


def _installed(lab: Lab, image: str, package: Path) -> Iterator[Host]:
    host = lab.boot_host(image)
    host.install(package)
    yield host
    host.remove()


@pytest.fixture
def systemd_host(lab: Lab, _systemd_host: Host) -> Iterator[Host]:
    """A host with systemd and the package, brought back to health after each test."""
    yield _systemd_host
    lab.heal()
    _systemd_host.heal()


@pytest.fixture
def sysv_host(lab: Lab, _sysv_host: Host) -> Iterator[Host]:
    """A host with sysvinit and the package, brought back to health after each test."""
    yield _sysv_host
    lab.heal()
    _sysv_host.heal()


@pytest.fixture(scope="session")
def fault_table() -> Iterator[list[str]]:
    """Rows of fault, check and command as this run sees them, left in build/doctor-faults.md."""
    rows = ["| fault | check that fails | what it advises |", "| --- | --- | --- |"]
    yield rows
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "doctor-faults.md").write_text("\n".join([*rows, ""]), encoding="utf-8")
