"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import backlog, delivery, doctor, rollout, submit, wakeup
from tests.bench.measure import Row, machine, progress, table
from tests.host import ROOT

BENCHMARKS: dict[str, Callable[[Path], list[Row]]] = {
    "submit": submit.run,
    "wakeup": wakeup.run,
    "delivery": delivery.run,
    "backlog": backlog.run,
    "idle": backlog.idle,
    "doctor": doctor.run,
    "rollout": rollout.run,
}
RESULTS = ROOT / "docs" / "benchmarks.md"
_INTRODUCTION = """\
# Benchmarks

Down to the table written by `make bench`; what follows it is kept. Every ratio compares two
things measured in the same run, alternately where that is possible. Commands and daemon run
under the system's Python as the packages run them. PagerDuty is an nginx with TLS on the same
machine, so that it is not the bottleneck (the emulator for wake-up, a server that only waits
for latency); its processor time counts against the agent. The role's hosts are containers on
this machine too; a run that changes nothing is compared with a play of as many bare `ping`
modules. A load above the number of processors means that others were at work meanwhile:
ratios bear that, absolute figures do not.
"""


def main(argv: list[str] | None = None) -> int:
    """Run benchmarks and print their table; returns 1 when an aim is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure the agent of this checkout and print minimum, median and maximum "
        "beside the aims. Exit status 1 when a median misses its aim.",
        epilog="names: " + ", ".join(BENCHMARKS),
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="which (default: all)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    if options.write and options.names:
        parser.error("--write takes the results of all benchmarks")
    # So that a run that is broken off leaves neither files nor processes behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    where, started = machine(), time.monotonic()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="pdagent-bench-") as directory:
        for name in options.names or BENCHMARKS:
            rows += _run(name, Path(directory) / name)
    where.append(f"{time.strftime('%Y-%m-%d')}, in {(time.monotonic() - started) / 60:.0f} minutes")
    print("\n".join([*where, "", *table(rows)]), flush=True)
    if options.write:
        RESULTS.write_text(_page(where, rows), encoding="utf-8")
    return 1 if any(row.missed for row in rows) else 0


def _run(name: str, directory: Path) -> list[Row]:
    started = time.monotonic()
    rows = BENCHMARKS[name](directory)
    progress(f"{name}: {time.monotonic() - started:.0f} s")
    return rows


def _page(where: list[str], rows: list[Row]) -> str:
    """The page with these results; what was written below the table by hand stays."""
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    _, mark, notes = before.partition("\n## ")
    facts = (f"- {line}" for line in where)
    return "\n".join([_INTRODUCTION, *facts, "", *table(rows), mark + notes])


if __name__ == "__main__":
    sys.exit(main())
