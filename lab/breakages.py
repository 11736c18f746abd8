"""Breaks packages and role on purpose and shows which scenario notices: python -m lab.breakages

Every breakage is one edit in a copy of this checkout, where the scenario that should fail then
runs. The table says which test or task it failed at; the exit code is 1 if a scenario did not
fail. Hosts that the same scenarios left are replaced.
"""

from __future__ import annotations

import concurrent.futures
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path

from lab.console import ROOT, LabError, table
from lab.scenarios import read_log

NOT_COPIED = {".venv", ".cache", "build", "dist"}
HEADINGS = ("broken on purpose", "scenario", "step", "fails at")


@dataclass(frozen=True)
class Breakage:
    """One edit, `old` to `new` in the file `path`, and the scenario that has to notice."""

    name: str
    scenario: str
    path: str
    old: str
    new: str

    def apply(self, checkout: Path) -> None:
        """Make the edit; raise LabError when `old` is not in the file exactly once."""
        file = checkout / self.path
        text = file.read_text()
        if text.count(self.old) != 1:
            raise LabError(f"{self.path} has changed: {self.old!r} is not there once")
        file.write_text(text.replace(self.old, self.new))


BREAKAGES = (
    Breakage(
        "the deb has no systemd unit",
        "default",
        "packaging/deb/debian/rules",
        "override_dh_installdeb:\n",
        "override_dh_installsystemd:\n\noverride_dh_installdeb:\n",
    ),
    Breakage(
        "systemd does not see the role's drop-in",
        "proxy",
        "roles/pdagent/vars/main.yml",
        "pdagent.service.d/50-ansible.conf",
        "pdagentd.service.d/50-ansible.conf",
    ),
    Breakage(
        "the unit does not read the environment file",
        "proxy",
        "packaging/common/pdagent.service",
        "EnvironmentFile=-/etc/default/pdagent\n",
        "",
    ),
    Breakage(
        "no restart after a changed setting",
        "proxy",
        "roles/pdagent/handlers/main.yml",
        "state: restarted",
        "state: started",
    ),
    Breakage(
        "any user may list the queue",
        "rpm",
        "packaging/common/pdagent.tmpfiles",
        "outqueue/pdq 3733",
        "outqueue/pdq 1777",
    ),
    Breakage(
        "the init script has no status",
        "sysv",
        "packaging/common/pdagent.init",
        "\tstatus) status ;;\n",
        "",
    ),
)


def copy_checkout(target: Path) -> None:
    """Copy this checkout without what is built, as a collection of its own."""

    def ignore(directory: str, names: list[str]) -> set[str]:
        return NOT_COPIED.intersection(names) if Path(directory) == ROOT else set()

    shutil.copytree(ROOT, target, symlinks=True, ignore=ignore)
    collections = target / ".cache/collections/ansible_collections/pdagent"
    collections.mkdir(parents=True)
    (collections / "agent").symlink_to(target)


def row(breakage: Breakage) -> list[str]:
    """Run the scenario with the breakage; return the table's row, without a step if it passed."""
    with tempfile.TemporaryDirectory(prefix="pdagent-breakage-") as directory:
        checkout = Path(directory, "checkout")
        copy_checkout(checkout)
        breakage.apply(checkout)
        command = [sys.executable, "-m", "lab.scenarios", breakage.scenario]
        done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
        try:
            log = read_log(checkout, breakage.scenario)
        except FileNotFoundError as error:
            raise LabError(f"{breakage.name}: {done.stdout}{done.stderr}") from error
        step, place = failure(log) if done.returncode else ("", "nothing: not noticed")
    print(f"{breakage.name}: {place}", flush=True)
    return [breakage.name, breakage.scenario, step, place]


def failure(log: str) -> tuple[str, str]:
    """Return the step at which a scenario's log ends, and the tests or the task that failed."""
    step = re.findall(r"> (\w+)\] Executed: Failed", log)[-1]
    tests = re.findall(r"^FAILED \S+?::(\w+)", log, re.MULTILINE)
    if tests:
        return step, ", ".join(dict.fromkeys(tests))
    tasks = re.findall(r"^TASK \[(.+)\] \**$|^(?:fatal|failed): ", log, re.MULTILINE)
    failed = [before for before, after in pairwise(tasks) if before and not after]
    # A rollout's gate only repeats what stopped it.
    return step, [task.split(" : ")[-1] for task in failed if not task.startswith("Gate |")][-1]


def rows_of(breakages: list[Breakage]) -> list[list[str]]:
    """Return the rows of breakages for the same scenario, one after the other."""
    return [row(breakage) for breakage in breakages]


def main() -> int:
    """Try every breakage, two scenarios at a time; exit 1 if one was not noticed."""
    by_scenario = sorted(BREAKAGES, key=attrgetter("scenario"))
    groups = [list(group) for _, group in groupby(by_scenario, attrgetter("scenario"))]
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            rows = [row for rows in pool.map(rows_of, groups) for row in rows]
    except LabError as failed:
        print(failed, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run removes the hosts that are left.", file=sys.stderr)
        return 130
    print("\n" + table(HEADINGS, rows))
    return int(not all(step for _, _, step, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
