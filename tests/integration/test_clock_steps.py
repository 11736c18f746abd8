"""A wall clock that steps under the running daemon neither stalls nor reorders: promise 4."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pdagent.event import Event
from tests.emulator.fixtures import RunningEmulator
from tests.host import Host

KEY = "a" * 28 + "0001"
DAY = 86400

# The machine's own clock is not ours to set. This runs `python -I pdagentd ...` with a wall
# clock that is as many seconds off as a file says.
LAUNCHER = """
import pathlib, runpy, sys, time
offset, right = pathlib.Path(sys.argv[1]), time.time
time.time = lambda: right() + float(offset.read_text())
sys.argv = sys.argv[4:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def trigger(number: int) -> Event:
    return Event.v1(KEY, "trigger", description="d", incident_key=f"i{number}")


@pytest.fixture
def offset(host: Host, tmp_path: Path) -> Path:
    """The file with the seconds that the daemon's wall clock is off."""
    file, launcher = tmp_path / "offset", tmp_path / "launcher.py"
    file.write_text("0")
    launcher.write_text(LAUNCHER)
    host.wrapper = [sys.executable, str(launcher), str(file)]
    return file


@pytest.mark.parametrize("step", [-DAY, DAY])
def test_a_step_of_a_day_neither_stalls_a_back_off_nor_reorders(
    host: Host, emulator: RunningEmulator, offset: Path, step: int
) -> None:
    host.configure(backoff_interval_secs=5)
    emulator.fault("status", status=503, times=None)
    host.start()
    host.put(trigger(1))
    host.until(lambda: host.state()["lanes"])
    offset.write_text(str(step))
    host.put(trigger(2))
    emulator.clear_faults()
    host.until_settled()
    assert [event["dedup_key"] for event in emulator.events()] == ["i1", "i2"]
    host.put(trigger(3))
    host.until_settled()
