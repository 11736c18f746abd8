"""docs/torture.md: what the long forms tried and found when they were last run."""

from __future__ import annotations

import time

from tests.host import ROOT
from tests.torture.outcome import Outcome

PATH = ROOT / "docs" / "torture.md"
_HEADING = "| torture | run on | seconds | tried | found |\n|---|---|---|---|---|\n"


def note(name: str, outcome: Outcome) -> None:
    """Put the outcome into the torture's row; what is written above the table stays."""
    introduction, _, table = PATH.read_text(encoding="utf-8").partition(_HEADING)
    rows = {line.split(" | ")[0][2:]: line for line in table.splitlines()}
    rows[name] = _row(name, outcome)
    PATH.write_text(introduction + _HEADING + "\n".join([*rows.values(), ""]), encoding="utf-8")


def _row(name: str, outcome: Outcome) -> str:
    found = f"{len(outcome.found)}: {outcome.found[0]}" if outcome.found else "nothing"
    cells = [name, time.strftime("%Y-%m-%d"), f"{outcome.seconds:.0f}", outcome.tried, found]
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"
