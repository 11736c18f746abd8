"""What pd-doctor makes of the events that wait, and what it advises about them: promise 1."""

import time
from types import SimpleNamespace

import pytest

from pdagent.doctor import outqueue
from pdagent.outqueue import layout

KEY, OTHER = "a" * 28 + "0001", "b" * 28 + "0002"
HOUR = 3600


@pytest.fixture
def queue(tmp_path):
    layout.ensure(str(tmp_path))
    return tmp_path / "outqueue"


def judge(check, queue, **state):
    settings = SimpleNamespace(outqueue_dir=str(queue))
    return check(SimpleNamespace(settings=settings, host=SimpleNamespace(state=state)), {})


def wait(queue, key, seconds):
    path = queue / "pdq" / layout.name(int((time.time() - seconds) * 1e6), key)
    path.write_text("{}")
    return path


@pytest.mark.parametrize(
    ("state", "what"),
    [({"held": True}, "every key"), ({"held_keys": ["...0001"]}, "...0001")],
)
def test_a_hold_is_told_while_its_events_are_still_young(queue, state, what):
    wait(queue, KEY, 2)
    found = judge(outqueue.pending, queue, **state)
    assert (found.status, found.command) == ("warn", "sudo pd-queue release")
    assert found.summary == f"pd-queue hold keeps {what} back: 1 pending event"


def test_a_hold_of_one_key_does_not_excuse_another(queue):
    wait(queue, KEY, 2 * HOUR)
    wait(queue, OTHER, 2 * HOUR)
    found = judge(outqueue.pending, queue, held_keys=["...0001"])
    assert (found.status, found.summary) == ("fail", "1 pending event, the oldest for 2 h")


def test_without_a_hold_young_events_are_well(queue):
    wait(queue, KEY, 2)
    assert judge(outqueue.pending, queue).status == "ok"


@pytest.mark.parametrize(
    ("age", "size", "why"),
    [(-30 * 24 * HOUR, 10, "dated in the future"), (0, 600 * 1024, "600 KiB large")],
)
def test_an_unusual_event_is_shown_and_never_removed(queue, age, size, why):
    """The daemon sends it: a clock that was ahead must not cost an accepted event."""
    path = wait(queue, KEY, age)
    path.write_bytes(b" " * size)
    found = judge(outqueue.strange, queue)
    assert (found.status, found.summary.endswith(f"0001.txt is {why}")) == ("warn", True)
    assert found.command == f"sudo pd-queue show {path.name[:16]}_...0001.txt"


def test_what_is_no_event_is_told_before_an_unusual_event(queue):
    wait(queue, KEY, -30 * 24 * HOUR)
    (queue / "pdq" / "README").touch()
    found = judge(outqueue.strange, queue)
    assert found.summary == "1 strange entries: pdq/README is no event's name"
    assert "-exec rm" in found.command


def test_refused_events_are_looked_at_before_they_are_sent_again(queue):
    (queue / "err" / layout.name(1, KEY)).write_text("{}")
    assert judge(outqueue.rejected, queue).command == "sudo pd-queue list --state error"
