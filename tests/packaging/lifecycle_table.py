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
    """Put the image into the report, which alone travels between processes."""
    callspec = getattr(item, "callspec", None)
    if call.when == "setup" and callspec is not None and "machine" in callspec.params:
        item.user_properties.append(("machine", callspec.params["machine"]))
    yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test of the matrix ended."""
    properties = dict(report.user_properties)
    image = properties.pop("machine", None)
    if report.when == "call" and image is None:
        _measured.update(properties)
    if image is None or not (report.when == "call" or report.failed):
        return
    name = report.nodeid.split("::")[-1].split("[")[0]
    cells = _outcomes.setdefault(name.removeprefix("test_").replace("_", " "), {})
    cells[image] = "FAILED" if report.failed or cells.get(image) == "FAILED" else "ok"
    _measured.update({f"{name}, {image}": value for name, value in properties.items()})


def table() -> str:
    """Return the matrix in Markdown, and what was measured below it."""
    images = sorted({image for cells in _outcomes.values() for image in cells})
    lines = ["| what happens | " + " | ".join(images) + " |", "|---" * (len(images) + 1) + "|"]
    for row, cells in sorted(_outcomes.items()):
        lines.append(f"| {row} | " + " | ".join(cells.get(i, "") for i in images) + " |")
    lines += [""] + [f"- {name}: {value}" for name, value in sorted(_measured.items())]
    return "\n".join(lines) + "\n"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the table and keep it."""
    if not (_outcomes or _measured):
        return
    TABLE.parent.mkdir(exist_ok=True)
    Path(TABLE).write_text(table())
    terminalreporter.section(f"life cycle ({TABLE.relative_to(ROOT)})")
    terminalreporter.write(table())
