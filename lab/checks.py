"""Runs the project's checks: python -m lab.checks [STAGE...] (default: all, in their order).

Every stage runs, whatever the ones before it gave. Those that wait for hosts more than they
work run two at a time; what they print is shown when they end, and in .cache/log/stage-NAME.log
before. The last lines are a table of stages, the names of the tests that failed and the sum of
tests; the exit code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import IO, NamedTuple

from lab import runtime, testbed
from lab.boot import PREFIX
from lab.console import LOGS, ROOT, table

REPORTS = ROOT / ".cache" / "junit"

# Debian's own pytest, of the oldest and the newest Python that are supported. Privileged,
# because some tests mount small or read-only file systems.
OTHER_PYTHON = """
podman run --rm --pull=never --privileged {arguments}
    --volume {root}:/src:ro --volume {reports}:/reports --workdir /src
    --env PYTHONPATH=/src/agent:/src --env PYTHONDONTWRITEBYTECODE=1 --env HOME=/tmp
    {prefix}{image} python3 -m pytest -q -p no:cacheprovider -c /dev/null --rootdir /src
    --junitxml=/reports/{image}.xml tests/unit
"""
# Stages that install packages on hosts, or run something in an image.
NEED_HOSTS = {"unit", "integration", "packaging", "role", "molecule"}
# Stages that wait more than they work, the longest first.
SIDE_BY_SIDE = ("role", "molecule", "integration", "packaging")


class Result(NamedTuple):
    """What came of a command or of a stage."""

    passed: int
    failed: list[str]
    """The names of the tests that failed; a command that is not pytest is one test."""
    seconds: float = 0.0


def other_python(image: str) -> list[str]:
    """Return the command that runs the unit tests in an image, under its Python."""
    return OTHER_PYTHON.format(
        arguments=" ".join(runtime.podman_arguments()),
        root=ROOT, reports=REPORTS, prefix=PREFIX, image=image,
    ).split()  # fmt: skip


def pytest(*arguments: str) -> list[str]:
    """Return a pytest command that reports to a file of its own."""
    name = arguments[0].replace("/", "-")
    return ["pytest", "-q", f"--junitxml={REPORTS / name}.xml", *arguments]


def shell_scripts() -> list[str]:
    """Return the tracked files that sh or bash run."""
    command = ["git", "grep", "-lE", "^#!/bin/(ba)?sh"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def stages() -> dict[str, list[list[str]]]:
    """Return the commands of every stage, in the order in which they run."""
    images = [sys.executable, "molecule/images/build.py"]
    return {
        "lint": [
            ["ruff", "check", "."],
            ["ruff", "format", "--check", "."],
            ["yamllint", "."],
            ["ansible-lint", "-q"],
            ["shellcheck", "--severity=warning", *shell_scripts()],
            # What the collection's archive holds, and that galaxy-importer takes it; the stage
            # "role" has the rest.
            pytest("tests/role/test_collection.py", "-k", "not rolls_out"),
        ],
        "types": [["mypy"]],
        "packages": [[sys.executable, "-m", "lab.packages"]],
        "images": [images],
        "unit": [
            pytest("tests/unit", "tests/emulator", "tests/lab", "-n", "2"),
            other_python("debian11-python"),
            other_python("debian13-python"),
        ],
        "integration": [pytest("tests/integration"), pytest("tests/torture")],
        "packaging": [pytest("tests/packaging", "-n2", "--dist=worksteal")],
        "role": [pytest("tests/role", "-k", "not test_collection or rolls_out")],
        "molecule": [[sys.executable, "-m", "lab.scenarios"]],
    }


def run(command: list[str], output: IO[str] | None) -> Result:
    """Run one command. Without an output it writes to ours."""
    print(f"$ {' '.join(command)}", file=output, flush=True)
    report = next((Path(word[11:]) for word in command if word.startswith("--junitxml=")), None)
    if report:
        report = REPORTS / report.name
        report.unlink(missing_ok=True)
    environment = {**os.environ, **testbed.ANSIBLE}
    # pytest would keep the directories of all runs in one, and close it to the users that the
    # tests of another stage act as whenever it starts.
    with tempfile.TemporaryDirectory(prefix="pd-", ignore_cleanup_errors=True) as scratch:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, cwd=ROOT, check=False, stdout=output,
            env={**environment, "PYTEST_DEBUG_TEMPROOT": scratch},
            stderr=output and subprocess.STDOUT,
        )  # fmt: skip
    result = Result(int(not done.returncode), [])
    if report and report.exists():
        result = tests_in(report)
    if done.returncode and not result.failed:
        result.failed.append(" ".join(command))
    return result


def tests_in(report: Path) -> Result:
    """Return how many tests of a junit report passed, and which failed."""
    tests = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314  (our own file)
    failed = [
        f"{test.get('classname')}::{test.get('name')}"
        for test in tests
        if test.find("failure") is not None or test.find("error") is not None
    ]
    skipped = sum(test.find("skipped") is not None for test in tests)
    return Result(len(tests) - len(failed) - skipped, failed)


def run_stage(name: str, output: IO[str] | None = None) -> Result:
    """Run a stage's commands one after the other."""
    print(f"\n== {name}", file=output, flush=True)
    began = time.monotonic()
    results = [run(command, output) for command in stages()[name]]
    failed = [test for result in results for test in result.failed]
    return Result(sum(result.passed for result in results), failed, time.monotonic() - began)


def run_logged(name: str) -> Result:
    """Run a stage into its log; print that when it ends, and nothing in between."""
    path = LOGS / f"stage-{name}.log"
    with path.open("w") as log:
        result = run_stage(name, log)
    print(path.read_text(), end="", flush=True)
    return result


def run_side_by_side(names: list[str]) -> dict[str, Result]:
    """Run stages two at a time, in this order."""
    print(f"\n== {', '.join(names)}: two at a time, shown as they end", flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(run_logged, names), strict=True))


def conclude(results: dict[str, Result]) -> int:
    """Print what came of every stage; return how many tests failed."""
    rows = [
        [name, "failed" if failed else "ok", str(passed), str(len(failed)), f"{seconds:.0f} s"]
        for name, (passed, failed, seconds) in results.items()
    ]
    print("\n" + table(("stage", "result", "passed", "failed", "time"), rows) + "\n")
    failures = [(name, test) for name, result in results.items() for test in result.failed]
    for name, test in failures:
        print(f"{name} failed: {test}")
    print(f"{sum(result.passed for result in results.values())} passed, {len(failures)} failed")
    return len(failures)


def main() -> int:
    """Run the stages that are asked for; exit 1 if a test failed."""
    parser = argparse.ArgumentParser(prog="checks", description=__doc__)
    parser.add_argument("stages", nargs="*", choices=[[], *stages()], metavar="STAGE")
    asked = parser.parse_args().stages or list(stages())
    if NEED_HOSTS & set(asked):
        asked = ["packages", "images", *asked]
    wanted = sorted(set(asked), key=list(stages()).index)
    beside = [name for name in SIDE_BY_SIDE if name in wanted]
    if len(beside) < 2:
        beside = []
    for directory in (REPORTS, LOGS):
        directory.mkdir(parents=True, exist_ok=True)
    results = {name: run_stage(name) for name in wanted if name not in beside}
    if beside:
        results |= run_side_by_side(beside)
    return int(conclude(results) > 0)


if __name__ == "__main__":
    sys.exit(main())
