"""What pd-doctor makes of the events that wait, and what it advises about them: promise 1."""

import time
from types import SimpleNamespace

import pytest

from pdagent.doctor import outqueue
from pdagent.doctor.host import SYSTEM_DATA_DIR, SYSV, Host
from pdagent.outqueue import layout
from pdagent.settings import DEFAULT_PATH

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


def whose(config_path, data_dir):
    settings = SimpleNamespace(data_dir=str(data_dir), outqueue_dir=f"{data_dir}/outqueue")
    here = Host(str(config_path), settings, "", SYSV, {}, {}, None, None)
    return SimpleNamespace(settings=settings, host=here)


@pytest.mark.parametrize(
    ("config_path", "data_dir", "private"),
    [
        (DEFAULT_PATH, SYSTEM_DATA_DIR, False),
        (DEFAULT_PATH, "/srv/pdagent", False),
        ("/tmp/own.conf", SYSTEM_DATA_DIR, False),
        ("/tmp/own.conf", "/tmp/own", True),
    ],
)
def test_a_queue_is_the_services_unless_configuration_and_place_are_ones_own(
    config_path, data_dir, private
):
    assert whose(config_path, data_dir).host.private == private


def test_a_queue_of_ones_own_that_is_not_made_yet_is_missing(tmp_path):
    found = outqueue.directories(whose(tmp_path / "own.conf", tmp_path / "own"), {})
    assert (found.status, found.summary) == ("fail", f"{tmp_path}/own is missing")
    assert found.command == f"pdagentd --config {tmp_path}/own.conf"


@pytest.mark.parametrize("table", [True, False])
def test_a_moved_queue_is_mended_by_the_table_that_names_it(tmp_path, monkeypatch, table):
    """Without one of its own, state-dirs would only make the place it was moved from."""
    monkeypatch.setattr(outqueue, "AGENT_USER", "root")
    monkeypatch.setattr(outqueue, "STATE_DIRS", __file__)
    monkeypatch.setattr(outqueue, "_OWN_TABLE", __file__ if table else str(tmp_path / "none"))
    found = outqueue.directories(whose(DEFAULT_PATH, tmp_path / "moved"), {})
    by_hand = f"sudo install -d -o root -g root -m 0755 {tmp_path}/moved"
    assert found.command == (f"sudo {__file__}" if table else by_hand)


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
