"""Fixtures: packages built once a run, test hosts, and the table of the life cycle."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.emulator.fixtures import Certificates
from tests.packaging import builds
from tests.packaging.machine import PAGERDUTY, ROOT, Machine, unique_name

pytest_plugins = ["tests.packaging.lifecycle_table"]
HOSTS = ("debian12-systemd", "debian12-sysv", "rpm-systemd", "rpm-sysv")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that boot hosts and install packages the time that a busy machine takes."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(900))


class Packages(NamedTuple):
    """Directories of built packages."""

    current: Path
    later: Path
    version1: Path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """This tree's packages, those of a later version, and stand-ins for 1.7.

    Parallel workers of one run share them; the first one builds.
    """
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    found = Packages(top / "current", top / "later", top / "version1")
    with (top / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.version1.exists():
            builds.build(ROOT, found.current)
            later = builds.copy_tree(top / "later-tree", "2.0.1")
            builds.build(later, found.later)
            builds.build_version1(found.version1, top / "stand-ins")
    return found


@pytest.fixture(scope="session")
def mounts(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, packages: Packages
) -> dict[str, str]:
    """What every host sees of this machine: packages, emulator, its certificate and CA."""
    directory = tmp_path_factory.mktemp("pagerduty")
    issued = certificates.issue(*PAGERDUTY)
    for source, name in ((issued.cert, "cert.pem"), (issued.key, "key.pem")):
        (directory / name).write_bytes(Path(source).read_bytes())
    return {
        str(packages.current): "/packages/current",
        str(packages.later): "/packages/later",
        str(packages.version1): "/packages/version1",
        str(ROOT / "tests"): "/pdagent-tests/tests",
        str(directory): "/pagerduty",
        certificates.ca_file: "/etc/ssl/certs/ca-certificates.crt",
    }


@pytest.fixture
def make_machine(
    request: pytest.FixtureRequest, mounts: dict[str, str]
) -> Iterator[Callable[..., Machine]]:
    """Boot a host of an image; it is thrown away after the test."""
    made: list[Machine] = []

    def make(image: str, **options: object) -> Machine:
        name = unique_name(f"{request.node.name}-{len(made)}")
        made.append(Machine(image, name, mounts=mounts, **options))
        return made[-1]

    yield make
    for machine in made:
        machine.remove_container()


@pytest.fixture(params=HOSTS)
def machine(request: pytest.FixtureRequest, make_machine: Callable[..., Machine]) -> Machine:
    """A fresh host of each family and init system."""
    return make_machine(request.param)
