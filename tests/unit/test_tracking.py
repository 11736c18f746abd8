"""Following one's own event with an ordinary user's rights."""

from __future__ import annotations

import json
import os

import pytest

from pdagent.outqueue import inbox, tracking
from pdagent.outqueue.tracking import ACCEPTED, QUEUED, REFUSED, REMOVED, Tracker

KEY = "k" * 32


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "run" / "answers").mkdir(parents=True)
    os.chmod(tmp_path / "run" / "answers", 0o711)
    return str(tmp_path / "run")


@pytest.fixture
def name(queue):
    return inbox.submit(queue, KEY, b"{}", limits=inbox.Limits(1 << 30, 0))


def answer(run_dir, name, text):
    path = f"{run_dir}/answers/{name[:-4]}.json"
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o644)


def test_an_event_in_pdq_is_queued(queue, run_dir, name):
    with Tracker(queue, name, run_dir) as tracker:
        assert tracker.look() == (QUEUED, {})


def test_an_event_moved_to_suc_is_accepted(queue, run_dir, name):
    with Tracker(queue, name, run_dir) as tracker:
        os.rename(f"{queue}/pdq/{name}", f"{queue}/suc/{name}")

        assert tracker.look() == (ACCEPTED, {})


def test_an_event_moved_before_the_tracker_came_is_accepted(queue, run_dir, name):
    os.rename(f"{queue}/pdq/{name}", f"{queue}/suc/{name}")

    with Tracker(queue, name, run_dir) as tracker:
        assert tracker.look() == (ACCEPTED, {})


@pytest.mark.parametrize("early", [True, False])
def test_an_event_with_an_answer_is_refused_with_the_daemons_record(queue, run_dir, name, early):
    record = {"outcome": "refused", "status": 400, "message": "Event object is invalid"}
    answer(run_dir, name, json.dumps(record))
    if early:
        os.rename(f"{queue}/pdq/{name}", f"{queue}/err/{name}")

    with Tracker(queue, name, run_dir) as tracker:
        if not early:
            assert tracker.look() == (QUEUED, {})
            os.rename(f"{queue}/pdq/{name}", f"{queue}/err/{name}")
        assert tracker.look() == (REFUSED, record)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_broken_answer_is_still_a_refusal(queue, run_dir, name, text):
    answer(run_dir, name, text)
    os.rename(f"{queue}/pdq/{name}", f"{queue}/err/{name}")

    with Tracker(queue, name, run_dir) as tracker:
        assert tracker.look() == (REFUSED, {})


def test_an_event_in_err_is_refused_even_when_the_answer_could_not_be_written(
    queue, run_dir, as_nobody
):
    name = as_nobody(lambda: inbox.submit(queue, KEY, b"{}", limits=inbox.Limits(1 << 30, 0)))
    with as_nobody(lambda: Tracker(queue, name, run_dir)) as tracker:
        os.rename(f"{queue}/pdq/{name}", f"{queue}/err/{name}")

        assert as_nobody(tracker.look) == (REFUSED, {})


def test_without_proc_a_file_that_left_pdq_and_still_exists_is_accepted(
    queue, run_dir, name, monkeypatch
):
    def no_proc(path):
        raise FileNotFoundError(path)

    with Tracker(queue, name, run_dir) as tracker:
        os.rename(f"{queue}/pdq/{name}", f"{queue}/suc/{name}")
        monkeypatch.setattr(tracking.os, "readlink", no_proc)

        assert tracker.look() == (ACCEPTED, {})


def test_a_queue_that_cannot_be_looked_into_tells_nothing(queue, run_dir, name, as_nobody):
    os.chmod(f"{queue}/pdq", 0o700)

    with Tracker(queue, name, run_dir) as tracker:
        assert as_nobody(tracker.look) == (QUEUED, {})


def test_an_event_that_was_deleted_is_neither_accepted_nor_refused(queue, run_dir, name):
    with Tracker(queue, name, run_dir) as tracker:
        os.unlink(f"{queue}/pdq/{name}")

        assert tracker.look() == (REMOVED, {})


@pytest.mark.parametrize(
    ("state", "expected"), [("pdq", QUEUED), ("suc", ACCEPTED), ("err", REFUSED)]
)
def test_an_ordinary_user_sees_the_same(queue, run_dir, as_nobody, state, expected):
    name = as_nobody(lambda: inbox.submit(queue, KEY, b"{}", limits=inbox.Limits(1 << 30, 0)))
    if state == "err":
        answer(run_dir, name, "{}")
    os.rename(f"{queue}/pdq/{name}", f"{queue}/{state}/{name}")

    def look():
        with Tracker(queue, name, run_dir) as tracker:
            return tracker.look()

    assert as_nobody(look) == (expected, {})


def test_an_ordinary_user_notices_a_move_that_happens_while_it_waits(queue, run_dir, as_nobody):
    name = as_nobody(lambda: inbox.submit(queue, KEY, b"{}", limits=inbox.Limits(1 << 30, 0)))
    asked, moved = os.pipe(), os.pipe()
    daemon = os.fork()
    if daemon == 0:
        os.read(asked[0], 1)
        os.rename(f"{queue}/pdq/{name}", f"{queue}/suc/{name}")
        os.write(moved[1], b"!")
        os._exit(0)

    def sleep(_secs):
        os.write(asked[1], b"?")
        os.read(moved[0], 1)

    def wait():
        with Tracker(queue, name, run_dir) as tracker:
            return tracker.wait(30, sleep=sleep)

    assert as_nobody(wait) == (ACCEPTED, {})
    os.waitpid(daemon, 0)


def test_waiting_ends_at_the_time_limit(queue, run_dir, name):
    now = [0.0]
    pauses = []

    def sleep(secs):
        pauses.append(secs)
        now[0] += secs

    with Tracker(queue, name, run_dir) as tracker:
        outcome = tracker.wait(0.12, clock=lambda: now[0], sleep=sleep)

    assert outcome == (QUEUED, {})
    assert pauses == [tracking._POLL_SECS, tracking._POLL_SECS, pytest.approx(0.02)]


def test_waiting_no_time_looks_once(queue, run_dir, name):
    with Tracker(queue, name, run_dir) as tracker:
        assert tracker.wait(0, sleep=pytest.fail) == (QUEUED, {})
