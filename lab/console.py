"""What the lab prints: steps with their times, failures in one sentence, a table."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".cache" / "log"


class LabError(Exception):
    """Something the user must know: what happened, and the command that shows more."""


def run(command: Sequence[object], log: str, *, why: str, env: dict[str, str] | None = None) -> str:
    """Run a command with its output in .cache/log/<log>.log and return that output.

    On a terminal the newest line shows what it does just now. Raises LabError, which starts
    with `why` and names the log, when the command fails.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    words = [str(word) for word in command]
    with path.open("w") as file, subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env=env, cwd=ROOT,
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            file.write(line)
            file.flush()
            show_activity(line)
    output = path.read_text()
    if process.returncode:
        raise LabError(f"{why}{reason_in(output)}. To see more: tail -40 {path.relative_to(ROOT)}")
    return output


def reason_in(output: str) -> str:
    """Return a failed command's reason, ready to follow a sentence.

    That is the last error that ansible reported, or else the last line.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("[ERROR]: ")] or lines[-1:]
    if not errors:
        return ""
    return ": " + errors[-1].removeprefix("[ERROR]: ").rpartition(" failed: ")[2].rstrip(".")


def show_activity(line: str) -> None:
    """Show one line of a running command behind the step's name, on a terminal only."""
    if sys.stdout.isatty() and line.strip():
        print(f"\0337{line.strip()[:50]:50}\0338", end="", flush=True)


class Steps:
    """Numbers the steps of one run and prints what each did and how long it took."""

    def __init__(self, total: int) -> None:
        """Expect `total` steps."""
        self.total, self.number = total, 0

    def run(self, title: str, action: Callable[[], str]) -> None:
        """Run one step; `action` returns a few words on what it did."""
        self.number += 1
        print(f"{self.number}/{self.total}  {title:32}", end="", flush=True)
        began = time.monotonic()
        try:
            done = action()
        except LabError:
            print(f"{'failed':50} {time.monotonic() - began:6.1f} s", flush=True)
            raise
        print(f"{done:50} {time.monotonic() - began:6.1f} s", flush=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under headings, in columns as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
