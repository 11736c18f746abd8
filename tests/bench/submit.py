"""Submit: the cost of a whole pd-send, synced to disk, against a Python that does nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.bench.measure import SYSTEM_PYTHON, Row, at_most, progress, timed
from tests.host import BIN, Host

_KEY = "0123456789abcdef0123456789abcdef"
# As the packages run them: isolated, without site-packages.
_COMMANDS = {
    "pd-send": ["-k", _KEY, "-t", "trigger", "-d", "disk full", "-i", "disk/db7", "-f", "free=1%"],
    "pd-nagios": [
        *("-k", _KEY, "-t", "PROBLEM", "-n", "service", "-f", "HOSTNAME=db7"),
        *("-f", "SERVICEDESC=disk", "-f", "SERVICESTATE=CRITICAL"),
    ],
}  # fmt: skip
_BARE = [SYSTEM_PYTHON, "-I", "-c", "pass"]


def run(directory: Path, *, repetitions: int = 60, at_once: int = 200) -> list[Row]:
    """Whole processes, pair by pair; then many at once."""
    directory.mkdir(parents=True)
    host = Host(directory)
    rows = []
    for name, arguments in _COMMANDS.items():
        progress(f"submit: {name}, {repetitions} pairs")
        command = [SYSTEM_PYTHON, "-IS", str(BIN / name), "--config", str(host.config), *arguments]
        timed(command)
        pairs = [(timed(command)[0], timed(_BARE)[0]) for _ in range(repetitions)]
        rows.append(Row(f"{name}, whole process", "ms", [one * 1000 for one, _ in pairs]))
        rows.append(Row(f"{name} / python3 -I -c pass", "x", [one / bare for one, bare in pairs],
                        "<= 1.6", at_most(1.6)))  # fmt: skip
        if name == "pd-send":
            rows += _many(command, at_once)
    return rows


def _many(command: list[str], count: int) -> list[Row]:
    """So many at once, as in an outage: total processor time and the slowest."""
    progress(f"submit: {count} pd-send at once")
    cpu, slowest, bare = [], [], []
    for _ in range(3):
        for argv, totals, worst in ((command, cpu, slowest), (_BARE, bare, [])):
            used, last = _burst(argv, count)
            totals.append(used)
            worst.append(last)
    return [
        Row(f"{count} pd-send at once, processor time", "s", cpu),
        Row(f"{count} pd-send at once / {count} bare, processor time", "x",
            [one / other for one, other in zip(cpu, bare)], "<= 1.6", at_most(1.6)),
        Row(f"{count} pd-send at once, the slowest", "s", slowest),
    ]  # fmt: skip


def _burst(command: list[str], count: int) -> tuple[float, float]:
    """(processor seconds of all, seconds until the last had ended)."""
    null = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    pids = {
        os.posix_spawn(command[0], command, os.environ, file_actions=null) for _ in range(count)
    }
    used = 0.0
    while pids:
        pid, status, usage = os.wait4(-1, 0)
        if pid in pids:
            pids.remove(pid)
            used += usage.ru_utime + usage.ru_stime
            if status:
                raise RuntimeError(f"status {status}: {' '.join(command)}")
    return used, time.perf_counter() - started
