"""The testbed of the role's tests: real hosts, the emulator, the signed repositories."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.client import Emulator
from tests.packaging import builds
from tests.role.playbook import BIN, ROOT, Run, play

NAME = "pdagent-role"
RELEASES = ROOT / ".cache/role-releases"
NEXT_VERSION = "2.0.1"
PODMAN_FAILED = 125
TIMEOUT_SECONDS = 900


class Testbed:
    """The containers of one session and the ways to act on them."""

    __test__ = False

    def __init__(self, collections: Path, programs: Path = BIN) -> None:
        """Use the collections of this directory and the Ansible of that one."""
        self.collections = collections
        self.programs = programs
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]

    @property
    def emulator(self) -> Emulator:
        """PagerDuty, as these hosts see it."""
        return Emulator(f"http://127.0.0.1:{self._port}")

    def create(self, *hosts: str) -> None:
        """Boot what is not there; only these hosts, if any are named."""
        limit = ["--limit", ",".join(("localhost", "services", *hosts))] if hosts else []
        for name in ("create", "prepare"):
            run = self.play(ROOT / f"molecule/shared/{name}.yml", *limit, control_port=self._port)
            assert run.code == 0, run.output

    def destroy(self) -> None:
        """Remove every container, the network and the keys."""
        self.play(ROOT / "molecule/shared/destroy.yml")

    def renew(self, *hosts: str) -> None:
        """Replace hosts by pristine ones."""
        for host in hosts:
            subprocess.run(["podman", "rm", "-f", "-t", "0", f"{NAME}-{host}"], check=True)
        self.create(*hosts)

    def play(self, name: str | Path, *arguments: str, **variables: object) -> Run:
        """Run a playbook over the testbed's inventory."""
        return play(
            name, *arguments,
            collections=self.collections, programs=self.programs, **variables,
        )  # fmt: skip

    def rollout(self, *hosts: str, options: tuple[str, ...] = (), **variables: object) -> Run:
        """Roll the agent out over these hosts, in one batch unless batches are given."""
        variables = {"pdagent_batches": "100%", **variables}
        options = ("--limit", ",".join(hosts), *options)
        return self.play("pdagent.agent.rollout", *options, **variables)

    def shell(self, host: str, script: str) -> str:
        """Run a script on a host as root and return what it prints on either stream."""
        done = subprocess.run(
            ["podman", "exec", "-i", f"{NAME}-{host}", "sh", "-s"], input=script,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode != PODMAN_FAILED, done.stdout
        return done.stdout

    def starts(self, host: str) -> int:
        """Return how often the daemon of a host was started."""
        log = "/var/log/pdagent/pdagentd.log"
        return int(self.shell(host, f"grep -c 'pdagentd starting!' {log}") or 0)

    def version(self, host: str) -> str:
        """Return the version of the package that is installed on a host, or nothing."""
        deb = "dpkg-query -Wf '${db:Status-Status} ${Version}' pdagent"
        rpm = "rpm -q --qf 'installed %{VERSION}' pdagent"
        said = self.shell(host, f"({deb} || {rpm}) 2>/dev/null").split()
        return said[1].split("-")[0] if said[:1] == ["installed"] else ""


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
    """Packages and repositories of this tree's version and of the next one."""
    shutil.rmtree(RELEASES, ignore_errors=True)
    scratch = tmp_path_factory.mktemp("builds")
    for version in ("", NEXT_VERSION):
        tree = builds.copy_tree(scratch / (version or "current"), version)
        built = builds.build(tree, scratch / f"packages-{version}")
        shutil.copytree(built, RELEASES / (version or builds.current_version()))
        publish = [ROOT / "packaging/repo/publish", "--packages", built]
        publish += ["--repo", RELEASES / "repo", "--replace"]
        subprocess.run(publish, check=True, capture_output=True)
    return RELEASES


@pytest.fixture(scope="session")
def testbed(collections: Path, releases: Path) -> Iterator[Testbed]:
    """The testbed, booted once a session."""
    bed = Testbed(collections)
    bed.destroy()
    bed.create()
    yield bed
    bed.destroy()
