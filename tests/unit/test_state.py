"""What the daemon remembers (1.x's files) and tells: promises 8 and 13."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pdagent.delivery import Backoff, Delivery
from pdagent.state import (
    Memory,
    describe_lanes,
    describe_network,
    iso,
    lane_state,
    oldest,
    read_state,
)
from pdagent.verdict import NOT_NOW, THROTTLED, Verdict

NOW = 1_800_000_000.0
KEY = "a" * 28 + "wxyz"
NOTHING = Backoff({}, {}, {})


def test_back_off_of_1_x_is_taken_over(tmp_path: Path) -> None:
    stored = {"attempts": {KEY: 7}, "next_retries": {KEY: int(NOW) + 42}}
    (tmp_path / "backoff").write_text(json.dumps(stored))
    assert Memory(str(tmp_path)).load_backoff(NOW) == ({KEY: 7}, {}, {KEY: 42})


def test_back_off_is_stored_so_that_1_x_can_read_it(tmp_path: Path) -> None:
    memory = Memory(str(tmp_path))
    memory.save_backoff(Backoff({KEY: 2}, {KEY: 1}, {KEY: 3.7}), NOW)
    stored = json.loads((tmp_path / "backoff").read_text())
    assert stored.pop("doubts") == {KEY: 1}
    assert stored == {"attempts": {KEY: 2}, "next_retries": {KEY: 1_800_000_003}}
    assert memory.load_backoff(NOW) == ({KEY: 2}, {KEY: 1}, {KEY: 3.0})


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    memory = Memory(str(tmp_path))
    memory.save_backoff(NOTHING, NOW)
    memory.save_aggregates({"successful_events_count": 1})
    for path in tmp_path.iterdir():
        path.unlink()
    memory.save_backoff(NOTHING, NOW)
    memory.save_aggregates({"successful_events_count": 1})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"attempts": 3}', '{"attempts": {"k": "x"}, "next_retries": null}']
)
def test_damaged_back_off_counts_as_absent(tmp_path: Path, text: str) -> None:
    (tmp_path / "backoff").write_text(text)
    assert Memory(str(tmp_path)).load_backoff(NOW) == NOTHING


def test_counters_of_1_x_go_on(tmp_path: Path) -> None:
    stored = {"started_on": "2024-01-01T00:00:00Z", "successful_events_count": 41}
    (tmp_path / "aggregates").write_text(json.dumps(stored))
    memory = Memory(str(tmp_path))
    assert memory.load_aggregates() == {**stored, "failed_events_count": 0}


def test_damaged_counters_start_anew(tmp_path: Path) -> None:
    (tmp_path / "aggregates").write_text('{"started_on": 5, "successful_events_count": true}')
    found = Memory(str(tmp_path)).load_aggregates()
    assert found["successful_events_count"] == 0
    assert found["started_on"].endswith("Z")


def test_a_missing_state_file_is_none(tmp_path: Path) -> None:
    assert read_state(str(tmp_path / "state.json")) == {}


@pytest.mark.parametrize("seconds", [1e300, -1e300, float("nan"), float("inf")])
def test_times_that_are_none_are_not_shown(seconds: float) -> None:
    assert iso(seconds) is None


def delivery_with(verdict: Verdict | None) -> Delivery:
    delivery = Delivery(60, 60, now=0, jitter=lambda: 1)
    names = [f"{int(NOW * 1e6) + number:016d}_{KEY}.txt" for number in range(3)]
    delivery.arrived({KEY: names}, 0)
    job = delivery.take(0)
    assert job is not None
    if verdict is not None:
        delivery.settle(job, verdict, 10)
        delivery.release(job, 10)
    return delivery


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (None, "ready"),
        (Verdict(THROTTLED, "throttled"), "throttled"),
        (Verdict(NOT_NOW, "http_503", status=503, suspect=True), "backing_off"),
    ],
)
def test_the_state_of_a_lane(verdict: Verdict | None, state: str) -> None:
    delivery = delivery_with(verdict)
    assert lane_state(delivery, delivery.lanes[KEY]) == state


@pytest.mark.parametrize(("everything", "keys"), [(True, ()), (False, (KEY,))])
def test_a_held_lane_says_so(everything: bool, keys: tuple[str, ...]) -> None:
    delivery = delivery_with(None)
    delivery.hold(everything, frozenset(keys))
    assert lane_state(delivery, delivery.lanes[KEY]) == "held"


def test_lanes_are_described_with_masked_keys() -> None:
    delivery = delivery_with(Verdict(THROTTLED, "throttled", retry_after=30.0))
    assert describe_lanes(delivery, 20, NOW) == [
        {
            "key": "...wxyz",
            "pending": 3,
            "oldest_at": iso(NOW),
            "state": "throttled",
            "attempts": 1,
            "retry_at": iso(NOW + 20),
            "reason": "throttled",
        }
    ]


def test_the_network_is_described_with_its_trouble() -> None:
    delivery = delivery_with(Verdict(NOT_NOW, "dns"))
    assert describe_network(delivery, 70, NOW) == {
        "up": False,
        "since": iso(NOW - 60),
        "reason": "dns",
    }


def test_the_oldest_event_of_none_is_none() -> None:
    assert oldest([]) is None
