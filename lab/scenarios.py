"""Runs Molecule scenarios, two at a time: python -m lab.scenarios [SCENARIO...] (default: all).

--slice 2/3 runs the second of three equal parts of them, for CI machines side by side.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import subprocess
import sys
import time

from lab import testbed
from lab.console import LOGS, ROOT, table

# The longest first, so that two at a time end at the same time.
LONGEST_FIRST = ("upgrade", "default", "proxy", "outage", "sysv", "rpm", "offline", "uninstall")


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


def run(scenario: str, destroy: str) -> tuple[str, bool, float]:
    """Run one scenario's whole sequence into .cache/log; return name, success and seconds."""
    began = time.monotonic()
    environment = {**os.environ, "MOLECULE_COMMAND_BORDERS": "false", "ANSIBLE_NOCOLOR": "1"}
    environment.pop("MOLECULE_PROJECT_DIRECTORY", None)
    with (LOGS / f"molecule-{scenario}.log").open("w") as log:
        # With "never", test would go on with hosts that an earlier run left.
        for words in (["destroy"], ["test", "--destroy", destroy]):
            done = subprocess.run(
                [testbed.BIN / "molecule", *words, "-s", scenario],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
    return scenario, done.returncode == 0, time.monotonic() - began


def explain(scenario: str, destroy: str) -> None:
    """Print the end of a failed scenario's log and how to go on."""
    log = LOGS / f"molecule-{scenario}.log"
    print(f"\n== {scenario} failed; the end of {log.relative_to(ROOT)}:")
    print("\n".join(log.read_text().splitlines()[-40:]))
    if destroy == "never":
        print(f"\nIts hosts are still up: podman exec -it pdagent-{scenario}-HOST bash")
    else:
        print(f"\nTo keep its hosts: make molecule SCENARIO={scenario} DESTROY=never")


def main() -> int:
    """Run the scenarios that are asked for; exit 1 if one failed."""
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
        chosen = part(options.scenarios or names(), options.slice)
    except ValueError:
        parser.error(f"--slice {options.slice}: say for example 1/3, 2/3 or 3/3")
    LOGS.mkdir(parents=True, exist_ok=True)
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run, scenario, options.destroy) for scenario in chosen]
        for future in concurrent.futures.as_completed(runs):
            scenario, succeeded, seconds = future.result()
            results.append([scenario, "ok" if succeeded else "failed", f"{seconds:.0f} s"])
            print("  ".join(results[-1]), flush=True)
    for scenario, result, _ in results:
        if result == "failed":
            explain(scenario, options.destroy)
    print("\n" + table(("scenario", "result", "time"), sorted(results)))
    return int(any(result == "failed" for _, result, _ in results))


if __name__ == "__main__":
    sys.exit(main())
