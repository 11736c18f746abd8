"""The role over 1, 3 and 10 hosts: seconds and module calls a host, first and later runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from lab import packages
from tests.bench.measure import Row, at_most, progress
from tests.role.playbook import ROOT, Run
from tests.role.testbed import Testbed, linked_collections

SIZES = (1, 3, 10)
MODULE_CALLS = 15
INVENTORY = ROOT / "tests/bench/hosts.yml"
ROLLOUT = "pdagent.agent.rollout"
UNINSTALL = "pdagent.agent.uninstall"


def run(directory: Path, *, repetitions: int = 3) -> list[Row]:
    """Roll out over containers, which share this machine's processors with Ansible.

    A run that changes nothing alternates with a play of nothing but `ping`, as often on
    every host as the rollout has modules run there: the ratio is what the role costs beyond
    the number of its calls.
    """
    directory.mkdir(parents=True)
    with _testbed(directory) as bed:
        return [row for size in SIZES for row in _Fleet(bed, size).measure(directory, repetitions)]


@contextmanager
def _testbed(directory: Path) -> Iterator[Testbed]:
    progress(f"rollout, booting {max(SIZES)} hosts")
    packages.build()
    builder = ROOT / "molecule/images/build.py"
    subprocess.run(
        [sys.executable, builder, "debian12-systemd", "services"], check=True, capture_output=True
    )
    bed = Testbed("bench", INVENTORY, linked_collections(directory))
    bed.destroy()
    try:
        bed.create()
        yield bed
    finally:
        bed.destroy()


class _Fleet:
    """The first hosts of the inventory, as many as its size."""

    def __init__(self, bed: Testbed, size: int) -> None:
        self.bed, self.size = bed, size
        self.limit = ",".join(f"host{number:02}" for number in range(1, size + 1))

    def measure(self, directory: Path, repetitions: int) -> list[Row]:
        """Roll out once on clean hosts, then again as often as there are repetitions."""
        self.timed(UNINSTALL, pdagent_state="purged")  # what a smaller fleet has left
        took, first = self.timed(ROLLOUT)
        name = f"role, {self.size} hosts" if self.size > 1 else "role, 1 host"
        rows = [
            Row(f"{name}, first run", "s/host", [took / self.size]),
            Row(f"{name}, first run, module calls", "/host", _counts(first)),
        ]
        ping = directory / f"ping-{self.size}.yml"
        seconds, calls, ratios = [], [], []
        for _ in range(repetitions):
            took, later = self.timed(ROLLOUT)
            seconds.append(took / self.size)
            calls += _counts(later)
            ping.write_text(yaml.safe_dump(_pings(int(max(calls)))))
            ratios.append(took / self.timed(ping)[0])
        limit = (f"<= {MODULE_CALLS}", at_most(MODULE_CALLS))
        return [
            *rows,
            Row(f"{name}, no change", "s/host", seconds),
            Row(f"{name}, no change, module calls", "/host", calls, *limit),
            Row(f"{name}, no change / as many pings", "x", ratios),
        ]

    def timed(self, name: str | Path, **variables: object) -> tuple[float, Run]:
        """Play over the fleet in one batch; returns the seconds it took, and the run."""
        progress(f"rollout, hosts: {self.size}, {Path(name).name}")
        started = time.perf_counter()
        run = self.bed.play(name, "--limit", self.limit, pdagent_batches="100%", **variables)
        if run.code:
            raise RuntimeError(f"{name} failed:\n{run.output}")
        return time.perf_counter() - started, run


def _counts(run: Run) -> list[float]:
    return [float(count) for count in run.calls.values()]


def _pings(count: int) -> list[dict[str, object]]:
    tasks = [{"name": f"Ping {number}", "ansible.builtin.ping": {}} for number in range(count)]
    return [{"hosts": "pdagent", "gather_facts": False, "tasks": tasks}]
