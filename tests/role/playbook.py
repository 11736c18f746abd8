"""Runs playbooks and tells what they did, host by host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")
_CALLS = "MODULE CALLS "


@dataclass(frozen=True)
class Run:
    """What one run of ansible-playbook returned and printed."""

    code: int
    output: str

    @property
    def changed(self) -> dict[str, int]:
        """How many tasks changed each host that was worked on, from the recap."""
        found = map(_RECAP.match, self.output.splitlines())
        return {one[1]: int(one[3]) for one in found if one}

    @property
    def calls(self) -> dict[str, int]:
        """How many modules ran on each host."""
        line = next(line for line in self.output.splitlines() if line.startswith(_CALLS))
        counts: dict[str, int] = json.loads(line[len(_CALLS) :])
        return counts

    @property
    def words(self) -> str:
        """The output with every run of blanks and line breaks as one blank."""
        return " ".join(self.output.replace("\\n", " ").split())


def environment(testbed: str, collections: Path) -> dict[str, str]:
    """Return ansible's environment; facts are not injected as variables."""
    return {
        **os.environ,
        "ANSIBLE_CALLBACKS_ENABLED": "module_calls",
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/role/callback"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "molecule/shared/connection_plugins"),
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_INJECT_FACT_VARS": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
        "MOLECULE_SCENARIO_NAME": testbed,
    }


def play(
    name: str | Path,
    *arguments: str,
    collections: Path,
    inventories: tuple[Path, ...] = (),
    testbed: str = "role",
    programs: Path = BIN,
    directory: Path = ROOT,
    **variables: object,
) -> Run:
    """Run a playbook, by path or by its name in a collection, with these extra variables.

    `programs` is the directory of the ansible-playbook to use.
    """
    sources = [word for one in inventories for word in ("-i", str(one))]
    command = [str(programs / "ansible-playbook"), *sources, str(name)]
    command += ["-e", json.dumps(variables), *arguments]
    done = subprocess.run(
        command, cwd=directory, env=environment(testbed, collections), check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    return Run(done.returncode, done.stdout)
