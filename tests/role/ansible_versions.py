"""Rolls the agent out and removes it with each ansible-core that the role supports.

    python -m tests.role.ansible_versions PYTHON...

Each PYTHON is an interpreter that can be run (3.9 to 3.13); it tries the versions of
ansible-core for which it is the newest supported one of those below, fetched by pip into
.cache/ansible-core. The packages of `tests/role` must have been built: run pytest there
first. Prints the table of the role's README; exits 1 if any line is not as it should be.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.role.conftest import FLEET, INVENTORY
from tests.role.playbook import ROOT
from tests.role.pretended import play_role
from tests.role.testbed import Testbed, linked_collections

CORES = {
    "3.9": ("2.14", "2.15"),
    "3.10": ("2.16", "2.17"),
    "3.11": ("2.18",),
    "3.12": ("2.19",),
    "3.13": ("2.20", "2.21"),
}
CACHE = ROOT / ".cache/ansible-core"
HEADINGS = ("ansible-core", "Python", "refusals", "dry run", "rollout", "no change", "removal")
# Facts of hosts that the role refuses, and its words: releases differ in how templates of
# messages are evaluated.
REFUSALS = (
    ({"pkg_mgr": "zypper"}, "pdagent needs apt or dnf"),
    ({}, "needs pdagent_apt_repository_url and pdagent_signing_key"),
)


def main(pythons: list[str]) -> int:
    """Try every interpreter; return 1 if anything failed."""
    if not pythons or pythons[0].startswith("-"):
        print(__doc__)
        return 2
    print(_row(HEADINGS), _row(["---"] * len(HEADINGS)), sep="\n", flush=True)
    fine = True
    for python in pythons:
        version = _output(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        for core in CORES[version]:
            cells = _try(python, core)
            print(_row([_version(core), version, *cells]), flush=True)
            fine = fine and set(cells) == {"ok"}
    return 0 if fine else 1


def _try(python: str, core: str) -> list[str]:
    programs = _install(python, core) / "bin"
    return [_refuse(programs), *_roll_out(programs, core)]


def _refuse(programs: Path) -> str:
    collections = linked_collections(CACHE)
    runs = [play_role(CACHE, collections, facts, programs) for facts, _ in REFUSALS]
    told = [said in run.words for run, (_, said) in zip(runs, REFUSALS)]
    return "ok" if all(told) else "without words"


def _roll_out(programs: Path, core: str) -> list[str]:
    bed = Testbed("ansible", INVENTORY, linked_collections(CACHE), programs)
    bed.destroy()
    bed.create()
    try:
        runs = [
            bed.rollout(*FLEET, options=("--check", "--diff")),
            bed.rollout(*FLEET),
            bed.rollout(*FLEET),
            bed.play("pdagent.agent.uninstall", pdagent_state="purged"),
        ]
    finally:
        bed.destroy()
    for number, run in enumerate(runs):
        (CACHE / f"{core}-{number}.log").write_text(run.output)
    cells = ["ok" if run.code == 0 else "failed" for run in runs]
    if any(runs[2].changed.values()):
        cells[2] = "changed"
    return cells


def _install(python: str, core: str) -> Path:
    place = CACHE / core
    if not (place / "bin/ansible-playbook").exists():
        _output(python, "-m", "venv", str(place))
        _output(str(place / "bin/pip"), "install", "--quiet", f"ansible-core~={core}.0")
    return place


def _version(core: str) -> str:
    return _output(str(CACHE / core / "bin/ansible"), "--version").split("]")[0].split()[-1]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
