"""What is old expires, what is pending never does: promise 10."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pdagent import housekeeping
from pdagent.housekeeping import make_room, sweep
from pdagent.outqueue import layout
from pdagent.outqueue.outbox import Outbox

NOW = 1_800_000_000.0
WEEK = 7 * 86400.0
KEY = "k" * 32


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    layout.ensure(str(tmp_path))
    return tmp_path / "outqueue"


def put(directory: Path, age: float, *, key: str = KEY) -> Path:
    path = directory / layout.name(int((NOW - age) * 1e6), key)
    path.touch()
    return path


@pytest.mark.parametrize("directory", ["tmp", "suc", "err"])
def test_old_files_go_and_young_ones_stay(queue: Path, directory: str) -> None:
    old = put(queue / directory, WEEK + 1)
    young = put(queue / directory, WEEK - 1)
    swept = sweep(str(queue), WEEK, NOW)
    assert getattr(swept, directory) == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_pending_events_never_expire(queue: Path) -> None:
    old = put(queue / "pdq", 10 * WEEK)
    sweep(str(queue), WEEK, NOW)
    assert old.exists()


def test_foreign_names_expire_by_their_time_of_change(queue: Path) -> None:
    path = queue / "err" / "badly named"
    path.touch()
    os.utime(path, (NOW - WEEK - 1, NOW - WEEK - 1))
    assert sweep(str(queue), WEEK, NOW).err == 1


def test_a_name_from_the_future_does_not_live_for_ever(queue: Path) -> None:
    path = put(queue / "suc", -100 * WEEK)
    changed = path.stat().st_ctime
    assert sweep(str(queue), WEEK, changed + WEEK - 1).suc == 0
    assert sweep(str(queue), WEEK, changed + WEEK + 1).suc == 1


def test_an_event_that_came_to_err_lately_stays_with_its_reason(queue: Path) -> None:
    event = put(queue / "err", 2 * WEEK)
    reason = event.with_suffix(".json")
    reason.touch()
    os.utime(reason, (NOW - 60, NOW - 60))
    assert sweep(str(queue), WEEK, NOW).err == 0
    os.utime(reason, (NOW - WEEK - 1, NOW - WEEK - 1))
    assert sweep(str(queue), WEEK, NOW).err == 2


def test_a_reason_written_while_the_clock_was_behind_stays_as_long_as_its_event(
    queue: Path,
) -> None:
    event = put(queue / "err", 60)
    reason = event.with_suffix(".json")
    reason.touch()
    os.utime(reason, (NOW - 58 * WEEK, NOW - 58 * WEEK))
    assert sweep(str(queue), WEEK, NOW).err == 0
    assert sweep(str(queue), WEEK, NOW + WEEK).err == 2


MANY = 50
SET_ASIDE: dict[str, Callable[[Path], object]] = {
    "FIFOs": os.mkfifo,
    "dangling links": lambda path: path.symlink_to("/nowhere"),
    "links to what is always young": lambda path: path.symlink_to("/proc/self/stat"),
    "files from the future": lambda path: (path.touch(), os.utime(path, (NOW * 2, NOW * 2))),
    "files from the past": lambda path: (path.touch(), os.utime(path, (1, 1))),
}


@pytest.mark.parametrize("make", SET_ASIDE.values(), ids=SET_ASIDE)
@pytest.mark.parametrize(
    "form", ["{:016d}_k.txt", "{}", "{}.json", "{}.json.bak", "9{:015d}_k.txt"]
)
def test_what_a_neighbour_filled_err_with_goes_after_the_threshold_and_not_before(
    queue: Path, make: Callable[[Path], object], form: str
) -> None:
    outbox = Outbox(str(queue))
    for number in range(MANY):
        name = form.format(number)
        make(queue / "pdq" / name)
        outbox.reject(name, {"outcome": "set_aside"})
    now = time.time()
    assert sweep(str(queue), WEEK, now + WEEK - 60).err == 0
    assert len(os.listdir(queue / "err")) == 2 * MANY
    sweep(str(queue), WEEK, now + WEEK + 60)
    assert os.listdir(queue / "err") == []


def test_a_directory_of_a_neighbour_is_no_obstacle(queue: Path) -> None:
    put(queue / "tmp", WEEK + 1).unlink()
    (queue / "tmp" / layout.name(0, KEY)).mkdir()
    old = put(queue / "suc", WEEK + 1)
    assert sweep(str(queue), WEEK, NOW) == (0, 1, 0)
    assert not old.exists()


def test_many_files_are_removed_in_batches(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "_BATCH", 3)
    for number in range(10):
        put(queue / "suc", WEEK + 1 + number)
    assert sweep(str(queue), WEEK, NOW).suc == 10


def test_a_file_that_goes_meanwhile_is_no_error(
    queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(queue / "suc", WEEK + 1)
    scandir = os.scandir

    class Vanishing:
        def __init__(self, directory: str) -> None:
            self.entries = list(scandir(directory))
            path.unlink(missing_ok=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            return

    monkeypatch.setattr(os, "scandir", Vanishing)
    assert sweep(str(queue), WEEK, NOW).suc == 0


def test_delivered_events_make_room_the_oldest_first(
    queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "_BATCH", 2)
    *_, newest = [put(queue / "suc", age) for age in (50, 40, 30, 20, 10)]
    pending = put(queue / "pdq", 60)
    missing = [2, 1, 0]
    monkeypatch.setattr(housekeeping, "free_bytes", lambda path: 100 - missing.pop(0))
    assert make_room(str(queue), 100) == 4
    assert list((queue / "suc").iterdir()) == [newest]
    assert pending.exists()


@pytest.mark.parametrize("events", [0, 3])
def test_room_that_cannot_be_made_ends(queue: Path, events: int) -> None:
    for age in range(events):
        put(queue / "suc", age)
    assert make_room(str(queue), 1 << 60) == events


def test_nothing_is_removed_while_there_is_room(queue: Path) -> None:
    put(queue / "suc", 1)
    assert make_room(str(queue), 1) == 0
