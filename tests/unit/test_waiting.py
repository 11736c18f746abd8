"""pd-send --wait: what it prints and how it ends, with a stand-in for the daemon's moves."""

from __future__ import annotations

import json
import os

import pytest

from pdagent import submission
from pdagent.commands import send
from pdagent.outqueue import tracking

KEY = "0123456789abcdef0123456789abcdef"
TRIGGER = ["-k", KEY, "-t", "trigger", "-d", "x", "-i", "k"]


@pytest.fixture
def settled(monkeypatch, queue, tmp_path):
    """Move an event as soon as it is stored, as a quick daemon does."""

    def settle(move):
        store = submission.store

        def store_and_move(event, settings):
            name = store(event, settings)
            move(name)
            return name

        monkeypatch.setattr(submission, "store", store_and_move)

    return settle


@pytest.fixture
def run(run_main):
    return lambda *argv: run_main(send.main, *TRIGGER, *argv)


def test_accepted_exits_0(run, settled, queue):
    settled(lambda name: os.rename(f"{queue}/pdq/{name}", f"{queue}/suc/{name}"))

    assert run("--wait") == (0, "Event processed. Incident Key: k\n", "")


def test_still_queued_exits_4(run):
    code, out, err = run("--wait", "0.01")

    assert (code, out) == (4, "Event processed. Incident Key: k\n")
    assert err == (
        "pd-send: event for ...cdef still queued after 0.01 s; it will be sent;"
        " see pd-queue status\n"
    )


RECORD = {
    "outcome": "refused",
    "status": 400,
    "message": "Event object is invalid",
    "errors": ["Description is missing", "Key is wrong"],
}


def refuse(queue, tmp_path, record):
    def move(name):
        answers = tmp_path / "run" / "answers"
        answers.mkdir(parents=True)
        (answers / f"{name[:-4]}.json").write_text(json.dumps(record))
        os.rename(f"{queue}/pdq/{name}", f"{queue}/err/{name}")

    return move


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (RECORD, "refused: Event object is invalid; Description is missing; Key is wrong"),
        ({"outcome": "set_aside", "message": "not JSON", "errors": None}, "set_aside: not JSON"),
        ({}, "refused: no reason stored"),
    ],
)
def test_refused_exits_5_with_pagerdutys_reason(run, settled, queue, tmp_path, record, reason):
    settled(refuse(queue, tmp_path, record))

    assert run("--wait", "5") == (5, "", f"pd-send: event for ...cdef {reason}\n")


def test_json_tells_the_outcome_and_the_reason(run, settled, queue, tmp_path):
    settled(refuse(queue, tmp_path, RECORD))

    code, out, _ = run("--wait", "5", "--json")

    record = json.loads(out)
    assert (code, record["status"]) == (5, "refused")
    assert record["message"].endswith(
        "Event object is invalid; Description is missing; Key is wrong"
    )
    assert KEY not in out


def test_removed_from_the_queue_exits_1(run, monkeypatch, queue):
    from pdagent.outqueue import tracking

    look = tracking.Tracker.look

    def purged(self):
        for name in os.listdir(f"{queue}/pdq"):
            os.unlink(f"{queue}/pdq/{name}")
        return look(self)

    monkeypatch.setattr(tracking.Tracker, "look", purged)

    assert run("--wait", "1") == (
        1,
        "",
        "pd-send: event for ...cdef was removed from the queue before it was sent\n",
    )


def test_an_interrupt_says_that_the_event_is_queued(run, monkeypatch, queue):
    def interrupted(_tracker, _seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(tracking.Tracker, "wait", interrupted)

    code, out, err = run("--wait")

    assert (code, out) == (130, "")
    assert err == "pd-send: interrupted; event for ...cdef is queued and will be sent\n"
    assert len(os.listdir(f"{queue}/pdq")) == 1
