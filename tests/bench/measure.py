"""Rows of results, and what machine they come from."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"  # what the packages run the agent with


@dataclass
class Row:
    """One figure: its values over the repetitions and what it should be.

    ``aim`` is for people; ``holds`` judges the median, None where there is no aim.
    """

    name: str
    unit: str
    values: list[float]
    aim: str = ""
    holds: Callable[[float], bool] | None = None
    _median: float = field(init=False)

    def __post_init__(self) -> None:
        self._median = statistics.median(self.values)

    @property
    def missed(self) -> bool:
        """Whether there is an aim and the median misses it."""
        return self.holds is not None and not self.holds(self._median)

    def cells(self) -> list[str]:
        """Name, minimum, median, maximum, unit, aim and verdict as text."""
        figures = (min(self.values), self._median, max(self.values))
        verdict = "" if self.holds is None else "missed" if self.missed else "met"
        return [self.name, *map(_short, figures), self.unit, self.aim, verdict]


HEADINGS = ["what", "min", "median", "max", "unit", "aim", ""]


def at_most(limit: float) -> Callable[[float], bool]:
    """An aim that the median stays at or below the limit."""
    return lambda value: value <= limit


def at_least(limit: float) -> Callable[[float], bool]:
    """An aim that the median reaches the limit."""
    return lambda value: value >= limit


def percentile(values: list[float], share: float) -> float:
    """The value that this share (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; returns wall-clock and processor seconds. Raises when it fails."""
    started = time.perf_counter()
    _, status, usage = os.wait4(spawn(command), 0)
    wall = time.perf_counter() - started
    if status:
        raise RuntimeError(f"status {status}: {' '.join(command)}")
    return wall, usage.ru_utime + usage.ru_stime


def spawn(command: list[str]) -> int:
    """Start a command the cheapest way, its output thrown away; returns its process id."""
    null = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    return os.posix_spawn(command[0], command, os.environ, file_actions=null)


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used so far, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status_number(pid: int, name: str) -> int:
    """A number from /proc/PID/status, such as VmRSS (KiB)."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition(f"\n{name}:")[2].split()[0])


def switches(pid: int) -> dict[str, int]:
    """How often each thread of a process has gone to sleep (and was woken) so far."""
    counts = {}
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        text = status.read_text(encoding="ascii")
        count = text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]
        counts[status.parent.name] = int(count)
    return counts


def machine() -> list[str]:
    """Lines that say where the figures come from."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = cpuinfo.partition("model name")[2].partition(":")[2].partition("\n")[0].strip()
    version = subprocess.run([SYSTEM_PYTHON, "--version"], capture_output=True, text=True)
    return [
        f"{os.cpu_count()} processors, {model or platform.machine()}",
        f"Linux {platform.release()}, {version.stdout.strip()}, "
        f"load {os.getloadavg()[0]:.1f} at the start",
    ]


def table(rows: list[Row]) -> list[str]:
    """The rows as lines of a Markdown table with aligned columns."""
    cells = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def progress(text: str) -> None:
    """Say on standard error what is being measured."""
    print(text, file=sys.stderr, flush=True)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
