"""What pd-queue does to the queue: promises 4, 12 and 13."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pdagent.event import Event
from pdagent.outqueue import layout
from pdagent.outqueue.custody import (
    ERROR,
    PENDING,
    SUCCESS,
    Custody,
    Retried,
    masked_body,
    masked_name,
)

KEY, OTHER = "a" * 32, "b" * 32
DIRECTORIES = {PENDING: "pdq", SUCCESS: "suc", ERROR: "err"}


class Queue:
    """A queue on disk that tests put events into."""

    def __init__(self, data: Path) -> None:
        layout.ensure(str(data))
        self.directory = data / "outqueue"
        self.custody = Custody(str(self.directory), str(data / "db"))

    def put(
        self, state: str, time: int, event: Event, reason: dict[str, object] | None = None
    ) -> str:
        name = layout.name(time, event.key)
        (self.directory / DIRECTORIES[state] / name).write_bytes(event.encode())
        if reason is not None:
            path = self.directory / "err" / layout.reason_name(name)
            path.write_text(json.dumps(reason))
        return name

    def names(self, directory: str) -> list[str]:
        return sorted(os.listdir(self.directory / directory))


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path)


def v1(action: str, alert: str = "disk", key: str = KEY) -> Event:
    return Event.v1(key, action, description="d", incident_key=alert)


def v2(action: str, alert: str = "disk") -> Event:
    return Event.v2(KEY, action, summary="s", source="h", severity="info", dedup_key=alert)


def test_counts_are_by_key_and_state_sorted_by_key(queue: Queue) -> None:
    queue.put(PENDING, 1, v1("trigger", key=OTHER))
    queue.put(SUCCESS, 2, v1("trigger"))
    queue.put(ERROR, 3, v1("trigger"), {"status": 400})
    (queue.directory / "pdq" / "badly named").touch()
    assert queue.custody.counts() == {
        KEY: {"pending": 0, "success": 1, "error": 1},
        OTHER: {"pending": 1, "success": 0, "error": 0},
    }
    assert list(queue.custody.counts()) == [KEY, OTHER]
    assert list(queue.custody.counts(OTHER)) == [OTHER]


def test_retry_puts_events_back_under_their_names(queue: Queue) -> None:
    name = queue.put(ERROR, 1, v1("trigger"), {"status": 400})
    assert queue.custody.retry() == Retried(1, 0)
    assert (queue.names("pdq"), queue.names("err")) == ([name], [])


def test_retry_of_one_key_leaves_others(queue: Queue) -> None:
    queue.put(ERROR, 1, v1("trigger"))
    other = queue.put(ERROR, 2, v1("trigger", key=OTHER))
    assert queue.custody.retry(KEY) == Retried(1, 0)
    assert queue.names("err") == [other]


@pytest.mark.parametrize("state", [PENDING, SUCCESS])
@pytest.mark.parametrize("make", [v1, v2])
def test_an_old_trigger_never_overtakes_a_newer_resolve(
    queue: Queue, state: str, make: type[Event]
) -> None:
    old = queue.put(ERROR, 1, make("trigger"))
    queue.put(state, 2, make("resolve"))
    assert queue.custody.retry(KEY) == Retried(0, 1)
    assert queue.names("err") == [old]


def test_an_old_resolve_of_another_alert_or_key_is_no_obstacle(queue: Queue) -> None:
    queue.put(SUCCESS, 1, v1("resolve"))
    queue.put(ERROR, 2, v1("trigger"))
    queue.put(SUCCESS, 3, v1("resolve", alert="other"))
    queue.put(SUCCESS, 4, v1("resolve", key=OTHER))
    queue.put(SUCCESS, 5, v1("acknowledge"))
    assert queue.custody.retry() == Retried(1, 0)


def test_trigger_and_resolve_of_err_go_back_together(queue: Queue) -> None:
    names = [queue.put(ERROR, 1, v1("trigger")), queue.put(ERROR, 2, v1("resolve"))]
    assert queue.custody.retry() == Retried(2, 0)
    assert queue.names("pdq") == names


def test_retry_replaces_nothing_that_is_pending(queue: Queue) -> None:
    name = queue.put(ERROR, 1, v1("trigger", alert="a"))
    queue.put(PENDING, 1, v1("trigger", alert="b"))
    assert queue.custody.retry() == Retried(0, 0)
    assert queue.names("err") == [name]


def test_events_without_an_alert_or_a_body_are_retried(queue: Queue) -> None:
    queue.put(ERROR, 1, Event.change(KEY, summary="s"))
    (queue.directory / "err" / layout.name(2, KEY)).write_text("not JSON")
    (queue.directory / "err" / layout.name(3, KEY)).write_text("[]")
    queue.put(SUCCESS, 4, v1("resolve"))
    assert queue.custody.retry() == Retried(3, 0)


def test_a_link_in_err_is_not_followed(queue: Queue) -> None:
    (queue.directory / "err" / layout.name(1, KEY)).symlink_to("/etc/passwd")
    entry = next(queue.custody.entries(ERROR))
    assert queue.custody.body(entry) is None


def test_remove_takes_the_reason_along(queue: Queue) -> None:
    queue.put(ERROR, 1, v1("trigger"), {"status": 400})
    entry = next(queue.custody.entries(ERROR))
    assert queue.custody.reason(entry) == {"status": 400}
    assert queue.custody.remove(entry)
    assert queue.names("err") == []
    assert not queue.custody.remove(entry)


@pytest.mark.parametrize("stored", ["", "[]"])
def test_a_damaged_reason_is_none(queue: Queue, stored: str) -> None:
    name = queue.put(ERROR, 1, v1("trigger"))
    (queue.directory / "err" / layout.reason_name(name)).write_text(stored)
    assert queue.custody.reason(next(queue.custody.entries(ERROR))) is None


def make_fifo_with_a_writer(path: Path) -> None:
    os.mkfifo(path)
    os.open(path, os.O_RDWR)


TRAPS = (
    os.mkfifo,
    make_fifo_with_a_writer,
    lambda path: path.symlink_to("/etc/os-release"),
    lambda path: path.write_bytes(b"[" * 100_000),
)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", TRAPS)
def test_what_a_neighbour_named_like_a_reason_is_none(
    queue: Queue, make: Callable[[Path], object]
) -> None:
    name = queue.put(ERROR, 1, v1("trigger"))
    make(queue.directory / "err" / layout.reason_name(name))
    assert queue.custody.reason(next(queue.custody.entries(ERROR))) is None


def test_a_directory_of_a_neighbour_is_no_event(queue: Queue) -> None:
    name = queue.put(PENDING, 1, v1("trigger"))
    (queue.directory / "pdq" / layout.name(0, KEY)).mkdir()
    assert [entry.name for entry in queue.custody.entries(PENDING)] == [name]


def test_an_event_is_found_wherever_it_is(queue: Queue) -> None:
    name = queue.put(SUCCESS, 1_500_000, v1("trigger"))
    entry = queue.custody.find(name)
    assert entry == (SUCCESS, name, KEY, 1.5)
    assert queue.custody.find("/var/lib/pdagent/outqueue/suc/" + name) == entry
    assert queue.custody.find("nothing") is None


def test_hold_and_release_of_one_key_and_of_all(queue: Queue) -> None:
    queue.custody.hold(KEY)
    queue.custody.hold(OTHER)
    assert queue.custody.held() == [KEY, OTHER]
    assert queue.custody.release(KEY)
    assert not queue.custody.release(KEY)
    queue.custody.hold()
    assert queue.custody.held() == ["", OTHER]
    assert queue.custody.release()
    assert queue.custody.held() == []


def test_bodies_are_shown_with_masked_keys() -> None:
    assert masked_body(v2("trigger").body)["routing_key"] == "...aaaa"
    assert masked_body({"service_key": 7, "details": {}}) == {"service_key": 7, "details": {}}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (f"12_{KEY}.txt", "12_...aaaa.txt"),
        ("bad\nname", "bad name"),
        ("1_short.txt", "1_...rt.txt"),
    ],
)
def test_names_are_logged_masked_and_on_one_line(name: str, shown: str) -> None:
    assert masked_name(name) == shown
