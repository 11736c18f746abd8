"""Rolls the agent out and removes it with each ansible-core that the role supports.

    python -m tests.role.ansible_versions PYTHON...

Each PYTHON is an interpreter that can be run (3.9 to 3.13); it tries the versions of
ansible-core for which it is the newest supported one of those below, fetched by pip into
.cache/ansible-core. The packages of `tests/role` must have been built: run pytest there
first. Prints a table; exits 1 if any line is not as it should be.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import ansible_collections.containers.podman as podman_collection

from tests.role.conftest import Testbed
from tests.role.playbook import ROOT

CORES = {
    "3.9": ("2.14", "2.15"),
    "3.10": ("2.16", "2.17"),
    "3.11": ("2.18",),
    "3.12": ("2.19",),
    "3.13": ("2.20", "2.21"),
}
HOSTS = ("debian12-systemd", "debian12-sysv", "rpm-systemd")
CACHE = ROOT / ".cache/ansible-core"
ROW = "{:8} {:8} {:10} {:10} {:10} {:10}"


def main(pythons: list[str]) -> int:
    """Try every interpreter; return 1 if anything failed."""
    if not pythons or pythons[0].startswith("-"):
        print(__doc__)
        return 2
    print(ROW.format("core", "python", "dry run", "rollout", "no change", "removal"), flush=True)
    fine = True
    for python in pythons:
        version = _output(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        for core in CORES[version]:
            cells = _try(python, core)
            print(ROW.format(core, version, *cells), flush=True)
            fine = fine and set(cells) == {"ok"}
    return 0 if fine else 1


def _try(python: str, core: str) -> list[str]:
    bed = Testbed(_collections(), _install(python, core) / "bin")
    bed.create()
    bed.renew(*HOSTS)
    try:
        runs = [
            bed.rollout(*HOSTS, options=("--check", "--diff")),
            bed.rollout(*HOSTS),
            bed.rollout(*HOSTS),
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


def _collections() -> Path:
    """Return a directory with this checkout and the testbed's connection as collections."""
    directory = CACHE / "collections/ansible_collections"
    links = {"pdagent/agent": ROOT, "containers/podman": Path(podman_collection.__path__[0])}
    for name, target in links.items():
        link = directory / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(target)
    return directory.parent


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
