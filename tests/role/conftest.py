"""The testbed of the role's tests: real hosts, the emulator, the signed repositories."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging import builds
from tests.role.playbook import BIN, ROOT
from tests.role.testbed import Testbed

INVENTORY = ROOT / "tests/role/hosts.yml"
# One host of each init system and package family, as the inventory has them.
FLEET = ("debian12-systemd", "debian12-sysv", "rpm-systemd")
SERVED = ROOT / ".cache/role-releases/repo"
RELEASES = SERVED / "releases"
NEXT_VERSION = "2.0.1"
TIMEOUT_SECONDS = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test of a module the time to roll out over its hosts."""
    for item in items:
        if item.path.is_relative_to(ROOT / "tests/role"):
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def collection_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built from this checkout."""
    directory = tmp_path_factory.mktemp("archive")
    command = [BIN / "ansible-galaxy", "collection", "build", "--output-path", directory]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(directory.glob("pdagent-agent-*.tar.gz"))


@pytest.fixture(scope="session")
def collections(collection_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of collections into which the archive was installed, outside the checkout."""
    directory = tmp_path_factory.mktemp("collections")
    # Forced, because the checkout itself may stand on the path as the same version.
    command = [BIN / "ansible-galaxy", "collection", "install", "--offline", "--force"]
    command += [collection_archive, "--collections-path", directory]
    subprocess.run(command, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages and repositories of this tree's version and of the next one, as served."""
    shutil.rmtree(SERVED, ignore_errors=True)
    scratch = tmp_path_factory.mktemp("builds")
    for version in ("", NEXT_VERSION):
        tree = builds.copy_tree(scratch / (version or "current"), version)
        built = builds.build(tree, scratch / f"packages-{version}")
        shutil.copytree(built, RELEASES / (version or builds.current_version()))
        publish = [ROOT / "packaging/repo/publish", "--packages", built]
        publish += ["--repo", SERVED, "--replace"]
        subprocess.run(publish, check=True, capture_output=True)
    return RELEASES


@pytest.fixture(scope="session")
def testbed(collections: Path, releases: Path) -> Iterator[Testbed]:
    """The testbed, booted once a session."""
    bed = Testbed("role", INVENTORY, collections)
    bed.destroy()
    bed.create()
    yield bed
    bed.destroy()
