"""Phone home as 1.x does: body, interval, attempts."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from pdagent import __version__
from pdagent.delivery import Delivery
from pdagent.heartbeat import ATTEMPTS, INTERVAL_SECONDS, RETRY_SECONDS, Heartbeat, body, snapshot
from pdagent.verdict import THROTTLED, Answer, Verdict

WALL = 1_800_000_000.0
AGGREGATES = {"started_on": "2026-05-01T00:00:00Z", "successful_events_count": 41}


def answer(status: int, document: Any = None) -> Answer:
    return Answer(status, {}, b"" if document is None else json.dumps(document).encode())


def beat(heartbeat: Heartbeat, now: float, reply: Answer) -> None:
    heartbeat.begin(now)
    heartbeat.answered(reply, now, WALL)


def test_the_first_beat_is_due_at_once() -> None:
    assert Heartbeat(5).due_at == 5


def test_the_answer_says_when_the_next_is_due() -> None:
    heartbeat = Heartbeat(0)
    beat(heartbeat, 0, answer(200, {"heartbeat_interval_secs": 86400}))
    assert (heartbeat.due_at, heartbeat.last_ok_at, heartbeat.last_error) == (86400, WALL, None)


@pytest.mark.parametrize("document", [None, [], {}, {"heartbeat_interval_secs": "x"}])
def test_an_answer_without_an_interval_keeps_the_hour(document: Any) -> None:
    heartbeat = Heartbeat(0)
    beat(heartbeat, 0, answer(200, document))
    assert heartbeat.due_at == INTERVAL_SECONDS
    assert heartbeat.last_ok_at == WALL
    assert "heartbeat_interval_secs" in str(heartbeat.last_error)


@pytest.mark.parametrize("seconds", [0, -5, 0.2])
def test_an_absurd_interval_is_not_taken(seconds: float) -> None:
    heartbeat = Heartbeat(0)
    beat(heartbeat, 0, answer(200, {"heartbeat_interval_secs": seconds}))
    assert heartbeat.due_at == INTERVAL_SECONDS


def test_failures_are_tried_again_ten_times() -> None:
    heartbeat = Heartbeat(0)
    due, now = [], 0.0
    for _ in range(ATTEMPTS):
        heartbeat.begin(now)
        heartbeat.failed("no route", now)
        now = heartbeat.due_at
        due.append(now)
    assert due[:-1] == [RETRY_SECONDS * number for number in range(1, ATTEMPTS)]
    assert due[-1] == INTERVAL_SECONDS
    assert heartbeat.last_error == "no route"


def test_attempts_do_not_go_beyond_half_an_interval() -> None:
    heartbeat = Heartbeat(0)
    beat(heartbeat, 0, answer(200, {"heartbeat_interval_secs": 15}))
    beat(heartbeat, 15, answer(503))
    assert heartbeat.due_at == 30


@pytest.mark.parametrize(("status", "due"), [(503, RETRY_SECONDS), (404, INTERVAL_SECONDS)])
def test_only_5xx_is_tried_again(status: int, due: float) -> None:
    heartbeat = Heartbeat(0)
    beat(heartbeat, 0, answer(status))
    assert heartbeat.due_at == due
    assert heartbeat.last_error == f"status {status}"


def test_a_beat_that_never_ends_is_not_begun_again_at_once() -> None:
    heartbeat = Heartbeat(0)
    heartbeat.begin(0)
    assert heartbeat.due_at > 0


def test_the_first_body_tells_about_the_system() -> None:
    sent = json.loads(body("id", {}, AGGREGATES, greeted=False))
    assert sent["agent_id"] == "id"
    assert sent["agent_version"] == __version__
    assert sent["agent_stats"] == {"aggregate": AGGREGATES, "snapshot": {}}
    assert set(sent["system_info"]) == {
        "platform_name",
        "platform_release",
        "platform_version",
        "platform_machine",
        "python_version",
        "host_name",
    }


def test_a_host_name_that_no_domain_name_can_hold_is_told_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 64)
    sent = json.loads(body("id", {}, {}, greeted=False))
    assert sent["system_info"]["host_name"] == "h" * 64


def test_later_bodies_do_not() -> None:
    assert "system_info" not in json.loads(body("id", {}, {}, greeted=True))


def test_the_snapshot_tells_what_is_pending() -> None:
    delivery = Delivery(60, 60)
    times = (WALL - 31, WALL - 4)
    delivery.arrived({"k": [f"{int(at * 1e6):016d}_k.txt" for at in times]}, 0)
    job = delivery.take(0)
    assert job is not None
    delivery.settle(job, Verdict(THROTTLED, "throttled"), 0)
    sent = json.loads(body("id", snapshot(delivery, WALL), {}, greeted=True))
    assert sent["agent_stats"]["snapshot"] == {
        "pending_events": {
            "count": 2,
            "oldest_age_secs": 31,
            "newest_age_secs": 4,
            "service_keys_count": 1,
        },
        "throttled_service_keys_count": 1,
    }
