"""The command line of the tortures."""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.torture import kills, lost_writes, syscalls
from tests.torture.outcome import Outcome

Torture = Callable[[Path], Outcome]
partial = functools.partial

# name: (short form for CI, long form)
TORTURES: dict[str, tuple[Torture, Torture]] = {
    "kills": (
        partial(kills.run, events=1000, keys=20, kills=60, seed=1),
        partial(kills.run, events=10_000, keys=20, kills=500, seed=2),
    ),
    "syscalls-submit": (syscalls.submit, syscalls.submit),
    "syscalls-settle": (partial(syscalls.settle, actions=("SIGKILL",)), syscalls.settle),
    "syscalls-refuse": (
        partial(syscalls.settle, answer="refused", actions=("SIGKILL",)),
        partial(syscalls.settle, answer="refused"),
    ),
    "lost-writes-submit": (lost_writes.submit, lost_writes.submit),
    "lost-writes-submit-other-user": (partial(lost_writes.submit, user="nobody"),) * 2,
    "lost-writes-settle": (lost_writes.settle, lost_writes.settle),
    "lost-writes-refuse": (partial(lost_writes.settle, refused=True),) * 2,
}


def main(argv: list[str] | None = None) -> int:
    """Run tortures; returns 1 when one of them found something."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description="Hold the agent's promises against kills, faults and bad days. "
        "Prints what was tried and what was found; exit status 1 if anything was.",
        epilog="names: " + ", ".join(TORTURES),
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="which (default: all)")
    parser.add_argument("--short", action="store_true", help="the forms that CI runs")
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(TORTURES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(TORTURES)}")
    outcomes = [run(name, short=options.short) for name in options.names or TORTURES]
    broken = sum(bool(outcome.found) for outcome in outcomes)
    print(f"{len(outcomes)} tortures, {broken} found something")
    return 1 if broken else 0


def run(name: str, *, short: bool) -> Outcome:
    """Run one torture and print its outcome."""
    torture = TORTURES[name][0 if short else 1]
    print(f"{name} ...", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pdagent-torture-") as directory:
        outcome = torture(Path(directory) / name)
    print("\n".join(outcome.lines()))
    print(f"  took {time.monotonic() - started:.1f} s", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
