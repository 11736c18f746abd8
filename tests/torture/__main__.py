"""The command line of the tortures."""

from __future__ import annotations

import argparse
import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.host import ROOT
from tests.torture import bad_days, kills, lost_writes, neighbours, page, soak, syscalls
from tests.torture.outcome import Outcome

Torture = Callable[[Path], Outcome]
partial = functools.partial
FUZZ = "fuzz"

# name: (short form for CI, long form)
TORTURES: dict[str, tuple[Torture, Torture]] = {
    "kills": (
        partial(kills.run, events=1000, keys=20, kills=60, seed=1),
        partial(kills.run, events=10_500, keys=20, kills=500, seed=2, answer_secs=0.002),
    ),
    "syscalls-submit": (
        syscalls.submit,
        partial(syscalls.submit, commands=tuple(syscalls.COMMANDS)),
    ),
    "syscalls-settle": (partial(syscalls.settle, actions=("SIGKILL",)), syscalls.settle),
    "syscalls-refuse": (
        partial(syscalls.settle, answer="refused", actions=("SIGKILL",)),
        partial(syscalls.settle, answer="refused"),
    ),
    "lost-writes-submit": (lost_writes.submit, lost_writes.submit),
    "lost-writes-submit-other-user": (partial(lost_writes.submit, user="nobody"),) * 2,
    "lost-writes-settle": (lost_writes.settle, lost_writes.settle),
    "lost-writes-refuse": (partial(lost_writes.settle, refused=True),) * 2,
    "neighbours": (
        partial(neighbours.run, events=100),
        partial(neighbours.run, events=3000),
    ),
    "outage": (bad_days.outage, partial(bad_days.outage, hours=24)),
    "throttling": (bad_days.throttling, partial(bad_days.throttling, events=500_000)),
    "poison": (bad_days.poison, partial(bad_days.poison, lanes=500)),
    "flapping": (
        partial(bad_days.flapping, seconds=6),
        partial(bad_days.flapping, seconds=300),
    ),
    "soak": (partial(soak.run, minutes=0.2), partial(soak.run, minutes=60)),
}


def main(argv: list[str] | None = None) -> int:
    """Run tortures; returns 1 when one of them found something."""
    known = [*TORTURES, FUZZ]
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description="Hold the agent's promises against kills, faults and bad days. "
        "Prints what was tried and what was found; exit status 1 if anything was.",
        epilog="names: " + ", ".join(known),
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="which (default: all)")
    parser.add_argument("--short", action="store_true", help="the forms that CI runs")
    parser.add_argument(
        "--write", action="store_true", help=f"note the outcomes in {page.PATH.relative_to(ROOT)}"
    )
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(known)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    if options.write and options.short:
        parser.error("--write notes the outcomes of long forms")
    # So that a run that is broken off leaves neither files nor processes behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    outcomes = []
    for name in options.names or known:
        outcomes.append(run(name, short=options.short))
        if options.write:
            page.note(name, outcomes[-1])
    broken = sum(bool(outcome.found) for outcome in outcomes)
    print(f"{len(outcomes)} tortures, {broken} found something")
    return 1 if broken else 0


def run(name: str, *, short: bool) -> Outcome:
    """Run one torture and print its outcome."""
    print(f"{name} ...", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pdagent-torture-") as directory:
        if name == FUZZ:
            outcome = fuzz(short=short)
        else:
            outcome = TORTURES[name][0 if short else 1](Path(directory) / name)
    outcome.seconds = time.monotonic() - started
    print("\n".join(outcome.lines()))
    print(f"  took {outcome.seconds:.1f} s", flush=True)
    return outcome


def fuzz(*, short: bool) -> Outcome:
    """Run the fuzzing and the model of the queue, which are pytest's and Hypothesis'."""
    profile = "short" if short else "long"
    files = sorted(map(str, Path(__file__).parent.glob("test_fuzz*.py")))
    files.append(str(Path(__file__).with_name("test_queue_model.py")))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout=0", *files],
        env={**os.environ, "PDAGENT_FUZZ": profile}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    print(ended.stdout, flush=True)
    last = ended.stdout.splitlines()[-1]
    outcome = Outcome(f"fuzzing and the queue's model, {profile} profile: {last}")
    outcome.expect(ended.returncode == 0, "failures, printed above")
    return outcome


if __name__ == "__main__":
    sys.exit(main())
