"""Breaks packages and role on purpose and shows which scenario notices: python -m lab.breakages

Every breakage is one edit in a copy of this checkout, where the scenario that should fail then
runs. The table says which test or task it failed at; the exit code is 1 if a scenario did not
fail, or not there where the breakage shows. Hosts that the same scenarios left are replaced.
"""

from __future__ import annotations

import concurrent.futures
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from lab.console import ROOT, LabError, table
from lab.scenarios import failed_step, read_log

NOT_COPIED = {".venv", ".cache", "build", "dist"}
HEADINGS = ("broken on purpose", "scenario", "noticed", "step", "fails at")


@dataclass(frozen=True)
class Breakage:
    """One edit, `old` to `new` in the file `path`, and the scenario that has to notice.

    `shows` is a word of the test, task or message that the scenario has to fail with.
    """

    name: str
    scenario: str
    shows: str
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
        "test_what_starts_the_daemon_is_a_file_of_the_package",
        "packaging/deb/debian/rules",
        "override_dh_installdeb:\n",
        "override_dh_installsystemd:\n\noverride_dh_installdeb:\n",
    ),
    Breakage(
        "systemd does not see the role's drop-in",
        "proxy",
        "net.route",
        "roles/pdagent/vars/main.yml",
        "pdagent.service.d/50-ansible.conf",
        "pdagentd.service.d/50-ansible.conf",
    ),
    Breakage(
        "the unit does not read the environment file",
        "proxy",
        "net.route",
        "packaging/common/pdagent.service",
        "EnvironmentFile=-/etc/default/pdagent\n",
        "",
    ),
    Breakage(
        "no restart after a changed setting",
        "proxy",
        "a wrong password was not found",
        "roles/pdagent/handlers/main.yml",
        "state: restarted",
        "state: started",
    ),
    Breakage(
        "any user may list the queue",
        "rpm",
        "queue.dirs",
        "packaging/common/pdagent.tmpfiles",
        "outqueue/pdq 3733",
        "outqueue/pdq 1777",
    ),
    Breakage(
        "the init script has no status",
        "sysv",
        "Run | Service",
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
    """Run the scenario with the breakage; return the table's row."""
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
        step, place = failure(log) if done.returncode else ("", "nothing")
    noticed = "yes" if breakage.shows in place else "no"
    print(f"{breakage.name}: {place}", flush=True)
    return [breakage.name, breakage.scenario, noticed, step, place]


def failure(log: str) -> tuple[str, str]:
    """Return the step at which a scenario failed, and what failed in it.

    That is the tests, the tasks that changed something once more, or the task and what it said;
    of a log that has none of these it is the last line.
    """
    step, lines = failed_step(log)
    text = "\n".join(lines)
    tests = re.findall(r"^(?:FAILED|ERROR) \S+?::(\w+)", text, re.MULTILINE)
    changed_again = re.findall(r"^\* .*=> (?:\S+ : )?(.+)$", text, re.MULTILINE)
    said = [line for line in lines if line.strip()] or ["nothing is in the log"]
    found = tests or changed_again or failed_tasks(lines)[-1:] or said[-1:]
    return step, ", ".join(dict.fromkeys(found))


def failed_tasks(lines: list[str]) -> list[str]:
    """Return the tasks that failed, each with the first sentence of its message.

    A rollout's gate is none of them: it only repeats what stopped it.
    """
    task, failed = "", []
    for line in lines:
        if heading := re.match(r"TASK \[(?:\S+ : )?(.+)\]", line):
            task = heading[1]
        elif line.startswith("[ERROR]: ") and not task.startswith("Gate |"):
            message = line.rpartition(" failed: ")[2].partition(". ")[0]
            failed.append(f"{task}: {re.sub(r'^[a-z0-9-]+: ', '', message)}")
    return failed


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
    return int(any(noticed == "no" for _, _, noticed, _, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
