"""Runs Molecule scenarios, two at a time: python -m lab.scenarios [SCENARIO...] (default: all).

--slice 2/3 runs the second of three equal parts of them, for CI machines side by side.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lab import packages, testbed
from lab.console import LOGS, ROOT, LabError, table

# The longest first, so that two at a time end at the same time.
LONGEST_FIRST = ("upgrade", "default", "proxy", "outage", "sysv", "rpm", "offline", "uninstall")
LINES_SHOWN = 40


def names() -> list[str]:
    """Return all scenarios, the longest first."""
    found = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    return sorted(found, key=lambda name: (*LONGEST_FIRST, name).index(name))


def part(scenarios: list[str], fraction: str) -> list[str]:
    """Return the slice ``i/n`` (from 1/1) of the scenarios.

    Raises ValueError for anything else.
    """
    number, total = (int(word) for word in fraction.split("/"))
    if not 1 <= number <= total:
        raise ValueError(fraction)
    return scenarios[number - 1 :: total]


def environment() -> dict[str, str]:
    """Return the environment of molecule: its programs found, its log plain, with times."""
    inherited = {**os.environ, "PATH": f"{testbed.BIN}:{os.environ['PATH']}"}
    inherited.pop("MOLECULE_PROJECT_DIRECTORY", None)
    return inherited | {
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks",
        "ANSIBLE_NOCOLOR": "1",
        "MOLECULE_COMMAND_BORDERS": "false",
        "NO_COLOR": "1",
    }


def run(scenario: str, destroy: str) -> tuple[str, bool, float]:
    """Run one scenario's whole sequence into .cache/log; return name, success and seconds."""
    began = time.monotonic()
    with (LOGS / f"molecule-{scenario}.log").open("w") as log:
        # With "never", test would go on with hosts that an earlier run left.
        for words in (["destroy"], ["test", "--destroy", destroy]):
            done = subprocess.run(
                [testbed.BIN / "molecule", *words, "-s", scenario],
                cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
    return scenario, done.returncode == 0, time.monotonic() - began


def run_all(scenarios: list[str], destroy: str, jobs: int) -> dict[str, tuple[bool, float]]:
    """Run scenarios, so many at a time; return success and seconds of each as it ended."""
    results = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        runs = [pool.submit(run, scenario, destroy) for scenario in scenarios]
        for future in concurrent.futures.as_completed(runs):
            scenario, succeeded, seconds = future.result()
            results[scenario] = (succeeded, seconds)
            print(f"{scenario}  {verdict(succeeded)}  {seconds:.0f} s", flush=True)
    return results


def verdict(succeeded: bool) -> str:
    """Return the word for how a scenario ended."""
    return "ok" if succeeded else "failed"


def read_log(checkout: Path, scenario: str) -> str:
    """Return the log of a scenario's run in a checkout; molecule colours some words anyway."""
    text = (checkout / LOGS.relative_to(ROOT) / f"molecule-{scenario}.log").read_text()
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def failed_step(log: str) -> tuple[str, list[str]]:
    """Return the name and the lines of the step that failed, or "" and all lines of the log."""
    lines = log.splitlines()
    end = last(lines, lambda line: line.endswith("] Executed: Failed"), len(lines))
    begin = last(lines[:end], lambda line: line.endswith("] Executing"), 0)
    name = re.search(r"> (\w+)\] Executed", "".join(lines[end : end + 1]))
    return name[1] if name else "", lines[begin:end]


def failing_lines(log: str) -> list[str]:
    """Return the end of the failed step in a log: the tasks or tests, and molecule's own word.

    What stands between, the recaps, and what was torn down afterwards is left out.
    """
    _, lines = failed_step(log)
    recap = last(lines, lambda line: line.startswith("PLAY RECAP"), len(lines))
    word = last(lines, lambda line: line.startswith("CRITICAL "), len(lines))
    return lines[max(0, recap - LINES_SHOWN) : recap] + lines[max(recap, word) :]


def last(lines: list[str], fits: Callable[[str], bool], otherwise: int) -> int:
    """Return the index of the last line that fits."""
    return max((number for number, line in enumerate(lines) if fits(line)), default=otherwise)


def explain(scenario: str) -> None:
    """Print what a failed scenario did last, and where the rest is."""
    print(f"\n== {scenario} failed (all of it: .cache/log/molecule-{scenario}.log)")
    print("\n".join(failing_lines(read_log(ROOT, scenario))))


def hosts_left(scenario: str) -> list[str]:
    """Return the names of the scenario's hosts that still run."""
    labels = (f"testbed=pdagent-{scenario}", "group=pdagent")
    filters = [f"--filter=label=org.pdagent.{label}" for label in labels]
    command = ["podman", "ps", "--format={{.Names}}", *filters]
    return sorted(subprocess.check_output(command, text=True).split())


def guide(scenario: str, hosts: list[str]) -> str:
    """Return what can be done with hosts that a scenario left, command by command."""
    enter = [f"    podman exec -it {host} bash" for host in hosts]
    return "\n".join((
        f"\nThe hosts of {scenario} are still up. To enter them:", *enter,
        "To run one step again, or to remove them:",
        f"    PATH={testbed.BIN}:$PATH molecule converge -s {scenario}    # or destroy",
        f"To test them again:\n    {testbed.BIN}/pytest molecule/{scenario} molecule/shared",
    ))  # fmt: skip


def report(results: dict[str, tuple[bool, float]], destroy: str) -> None:
    """Print why scenarios failed, how to go on, and the table of all."""
    failed = [scenario for scenario, (succeeded, _) in results.items() if not succeeded]
    for scenario in failed:
        explain(scenario)
    for scenario in results:
        if hosts := hosts_left(scenario):
            print(guide(scenario, hosts))
    if failed and destroy != "never":
        print(f"\nTo keep the hosts: make molecule SCENARIO={failed[0]} DESTROY=never")
    rows = [[name, verdict(ok), f"{seconds:.0f} s"] for name, (ok, seconds) in results.items()]
    print("\n" + table(("scenario", "result", "time"), sorted(rows)))


def parse() -> argparse.Namespace:
    """Return what the command line asks for; whatever makes no sense ends with exit code 2."""
    parser = argparse.ArgumentParser(prog="scenarios", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(names()))
    parser.add_argument("--slice", default="1/1", metavar="I/N")
    parser.add_argument("--destroy", choices=("always", "never"), default="always")
    parser.add_argument("--jobs", type=int, default=2, help="scenarios at the same time")
    options = parser.parse_args()
    unknown = sorted(set(options.scenarios) - set(names()))
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(names())}")
    try:
        options.chosen = part(options.scenarios or names(), options.slice)
    except ValueError:
        parser.error(f"--slice {options.slice}: say for example 1/3, 2/3 or 3/3")
    platform = os.environ.get("PLATFORM", "hosts")
    without = [name for name in options.chosen if not inventory(name, platform).exists()]
    if without:
        missing = inventory(without[0], platform).relative_to(ROOT)
        parser.error(f"PLATFORM={platform}: no inventory {missing}; name a scenario that has one")
    return options


def inventory(scenario: str, platform: str) -> Path:
    """Return the inventory of a scenario's hosts on a platform."""
    return ROOT / "molecule" / scenario / f"{platform}.yml"


def main() -> int:
    """Run the scenarios that are asked for; exit 1 if one failed."""
    options = parse()
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        print(f"packages: {packages.build()}\nimages: {testbed.build_images(every=True)}")
        results = run_all(options.chosen, options.destroy, options.jobs)
    except LabError as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run removes the hosts that are left.", file=sys.stderr)
        return 130
    report(results, options.destroy)
    return int(not all(succeeded for succeeded, _ in results.values()))


if __name__ == "__main__":
    sys.exit(main())
