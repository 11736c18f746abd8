"""docs/torture.md: what the long forms tried and found when they were last run."""

from __future__ import annotations

import time

from tests.host import ROOT
from tests.torture.outcome import Outcome

PATH = ROOT / "docs" / "torture.md"
INTRODUCTION = """\
# Tortures

Written by `python -m tests.torture --write [NAME...]`, a row for each long form and from the
day when it was last run; do not edit. `make torture` runs them all. Seconds depend on what
else the machine was doing.
"""
_HEADING = "| torture | run on | seconds | tried | found |\n|---|---|---|---|---|"


def note(name: str, outcome: Outcome) -> None:
    """Put the outcome into the torture's row."""
    rows = _rows()
    rows[name] = _row(name, outcome)
    text = "\n".join([INTRODUCTION, _HEADING, *rows.values(), ""])
    PATH.write_text(text, encoding="utf-8")


def _row(name: str, outcome: Outcome) -> str:
    found = f"{len(outcome.found)}: {outcome.found[0]}" if outcome.found else "nothing"
    cells = [name, time.strftime("%Y-%m-%d"), f"{outcome.seconds:.0f}", outcome.tried, found]
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def _rows() -> dict[str, str]:
    """The rows that are there, by torture."""
    text = PATH.read_text(encoding="utf-8") if PATH.exists() else ""
    _, _, rows = text.partition(_HEADING)
    return {line.split(" | ")[0][2:]: line for line in rows.splitlines() if line}
