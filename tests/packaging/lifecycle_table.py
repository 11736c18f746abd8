"""pytest plugin: the life-cycle matrix as a table, made by the run that proved it.

A test that takes the ``machine`` fixture is a row, its image a column. Written to
build/lifecycle.md and shown at the end of the run.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.machine import ROOT

TABLE = ROOT / "build" / "lifecycle.md"
_outcomes: dict[str, dict[str, str]] = {}
_measured: dict[str, str] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Note how a test of the matrix ended."""
    report = (yield).get_result()
    callspec = getattr(item, "callspec", None)
    if callspec is None or "machine" not in callspec.params:
        return
    row = item.originalname.removeprefix("test_").replace("_", " ")
    cells = _outcomes.setdefault(row, {})
    if report.when == "call" or report.failed:
        cells[callspec.params["machine"]] = "ok" if report.passed else "FAILED"
        cells.update({k: v for k, v in cells.items() if v == "FAILED"})
    for name, value in item.user_properties:
        _measured[f"{name}, {callspec.params['machine']}"] = value


def table() -> str:
    """Return the matrix in Markdown, and what was measured below it."""
    images = sorted({image for cells in _outcomes.values() for image in cells})
    lines = ["| what happens | " + " | ".join(images) + " |", "|---" * (len(images) + 1) + "|"]
    for row, cells in _outcomes.items():
        lines.append(f"| {row} | " + " | ".join(cells.get(i, "") for i in images) + " |")
    lines += [""] + [f"- {name}: {value}" for name, value in sorted(_measured.items())]
    return "\n".join(lines) + "\n"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the table and keep it."""
    if not _outcomes:
        return
    TABLE.parent.mkdir(exist_ok=True)
    Path(TABLE).write_text(table())
    terminalreporter.section(f"life cycle ({TABLE.relative_to(ROOT)})")
    terminalreporter.write(table())
