"""Real hosts, PagerDuty's emulator and a package server, and the ways to act on them."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import ansible_collections.containers.podman as podman_collection

from tests.emulator.client import Emulator
from tests.role.playbook import BIN, ROOT, Run, play

PODMAN_FAILED = 125


class Testbed:
    """The containers of one inventory, named pdagent-NAME-HOST."""

    __test__ = False

    def __init__(self, name: str, inventory: Path, collections: Path, programs: Path = BIN) -> None:
        """Use the collections of this directory and the Ansible of that one."""
        self.name = name
        self.inventories = (ROOT / "molecule/shared/inventory", inventory)
        self.collections = collections
        self.programs = programs
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]

    @property
    def emulator(self) -> Emulator:
        """PagerDuty, as these hosts see it."""
        return Emulator(f"http://127.0.0.1:{self._port}")

    def container(self, member: str) -> str:
        """Return the name of the container of a host or service."""
        return f"pdagent-{self.name}-{member}"

    def create(self, *hosts: str) -> None:
        """Boot what is not there; only these hosts, if any are named."""
        limit = ["--limit", ",".join(("localhost", "services", *hosts))] if hosts else []
        for name in ("create", "prepare"):
            run = self._shared(name, *limit, control_port=self._port)
            assert run.code == 0, run.output

    def destroy(self) -> None:
        """Remove every container, the network and the keys."""
        self._shared("destroy")

    def renew(self, *hosts: str) -> None:
        """Replace hosts by pristine ones."""
        for host in hosts:
            subprocess.run(["podman", "rm", "-f", "-t", "0", self.container(host)], check=True)
        self.create(*hosts)

    def _shared(self, name: str, *arguments: str, **variables: object) -> Run:
        # The testbed itself is the work of the Ansible that runs the tests.
        path = ROOT / f"molecule/shared/{name}.yml"
        return self.play(path, *arguments, programs=BIN, **variables)

    def play(self, name: str | Path, *arguments: str, **variables: object) -> Run:
        """Run a playbook; `inventories` and `programs` stand in for the testbed's own."""
        return play(
            name, *arguments,
            **{"inventories": self.inventories, "programs": self.programs, **variables},
            testbed=self.name, collections=self.collections,
        )  # fmt: skip

    def rollout(self, *hosts: str, options: tuple[str, ...] = (), **variables: object) -> Run:
        """Roll the agent out over these hosts, in one batch unless batches are given."""
        variables = {"pdagent_batches": "100%", **variables}
        options = ("--limit", ",".join(hosts), *options)
        return self.play("pdagent.agent.rollout", *options, **variables)

    def shell(self, host: str, script: str) -> str:
        """Run a script on a host as root and return what it prints on either stream."""
        done = subprocess.run(
            ["podman", "exec", "-i", self.container(host), "sh", "-s"], input=script,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode != PODMAN_FAILED, done.stdout
        return done.stdout

    def address(self, member: str) -> str:
        """Return the address of a host or service in the testbed's network."""
        return self.shell(member, "hostname -i").split()[0]

    def downloads(self) -> list[str]:
        """Return the address of whoever sent each request that the package server had."""
        logged = subprocess.run(
            ["podman", "logs", self.container("packages")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True,
        )  # fmt: skip
        return [line.split()[0] for line in logged.stdout.splitlines() if '"GET ' in line]

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


def linked_collections(directory: Path) -> Path:
    """Make this a directory of collections: this checkout, and the testbed's connection."""
    links = {"pdagent/agent": ROOT, "containers/podman": Path(podman_collection.__path__[0])}
    for name, target in links.items():
        link = directory / "ansible_collections" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(target)
    return directory
