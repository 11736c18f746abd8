"""The testbed of the role's tests: real hosts, the emulator, the signed repositories."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.role.playbook import ROOT, Run, play

NAME = "pdagent-role"


class Testbed:
    """The containers of one session and the ways to act on them."""

    __test__ = False

    def __init__(self, collections: Path) -> None:
        """Run playbooks with the collection of this checkout, linked in `collections`."""
        self.collections = collections
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]

    def create(self, *hosts: str) -> None:
        """Boot what is not there; only these hosts, if any are named."""
        limit = ["--limit", ",".join(("localhost", "services", *hosts))] if hosts else []
        for name in ("create", "prepare"):
            run = self.play(
                ROOT / f"molecule/shared/{name}.yml", *limit, control_port=self._port
            )
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
        return play(name, *arguments, collections=self.collections, **variables)

    def rollout(self, *hosts: str, options: tuple[str, ...] = (), **variables: object) -> Run:
        """Roll the agent out over these hosts, in one batch."""
        variables = {"pdagent_batches": "100%", **variables}
        limit = ("--limit", ",".join(hosts))
        return self.play(ROOT / "playbooks/rollout.yml", *limit, *options, **variables)

    def shell(self, host: str, script: str) -> str:
        """Run a script on a host as root and return what it prints on either stream."""
        done = subprocess.run(
            ["podman", "exec", "-i", f"{NAME}-{host}", "sh", "-s"], input=script,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return done.stdout


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of collections in which pdagent.agent is this checkout."""
    directory = tmp_path_factory.mktemp("collections")
    namespace = directory / "ansible_collections/pdagent"
    namespace.mkdir(parents=True)
    (namespace / "agent").symlink_to(ROOT)
    return directory


@pytest.fixture(scope="session")
def testbed(collections: Path) -> Iterator[Testbed]:
    """The testbed, booted once a session."""
    bed = Testbed(collections)
    bed.destroy()
    bed.create()
    yield bed
    bed.destroy()
