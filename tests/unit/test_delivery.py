"""Lanes, verdicts, hold: promises 4 and 5 with a clock of our own."""

from __future__ import annotations

import pytest

from pdagent.delivery import Job
from pdagent.verdict import Verdict
from tests.desk import LATE, NO, NO_DNS, SICK, SLOW_DOWN, YES, Desk

# --- lanes


def test_events_of_one_key_go_one_after_another_in_order_of_their_names() -> None:
    desk = Desk()
    desk.queue("a", "a", "a")
    first = desk.take()
    assert desk.take() is None
    desk.settle(first, YES)
    second, third = desk.take(), None
    desk.settle(second, YES)
    third = desk.take()
    assert [job.name[:16] for job in (first, second, third) if job] == [
        "0000000000000000",
        "0000000000000001",
        "0000000000000002",
    ]


def test_keys_are_independent() -> None:
    desk = Desk()
    desk.queue("a", "b", "c")
    assert desk.take_all() == ["a", "b", "c"]


def test_an_event_joins_the_line_of_its_key_without_a_second_turn() -> None:
    desk = Desk()
    desk.queue("a")
    desk.queue("a")
    assert desk.take_all() == ["a"]


def test_an_event_joins_a_key_that_backs_off_without_a_second_turn() -> None:
    desk = Desk()
    desk.queue("a")
    desk.attempt(SICK)
    desk.queue("a")
    desk.wait()
    assert desk.take_all() == ["a"]


def test_a_huge_lane_lets_others_have_their_turn() -> None:
    desk = Desk()
    desk.queue(*["a"] * 1000, "b")
    taken = []
    for _ in range(3):
        job = desk.take()
        assert job is not None
        taken.append(job.key)
        desk.settle(job, YES)
    assert "b" in taken


def test_made_up_keys_leave_every_other_turn_to_one_that_pagerduty_knows() -> None:
    desk = Desk()
    desk.queue("real")
    desk.attempt(YES)
    desk.queue(*(f"made up {number}" for number in range(1000)), "real", "real")
    taken = []
    for _ in range(4):
        job = desk.take()
        assert job is not None
        taken.append(job.key)
        desk.settle(job, YES if job.key == "real" else NO)
    assert taken.count("real") == 2


def test_a_key_is_known_from_the_first_event_that_pagerduty_accepts() -> None:
    desk = Desk()
    desk.queue(*["real"] * 3, *(f"made up {number}" for number in range(1000)))
    desk.attempt(YES)
    assert "real" in desk.take_all()[:2]


def test_keys_that_pagerduty_does_not_know_have_their_turn_too() -> None:
    desk = Desk()
    desk.queue("real")
    desk.attempt(YES)
    desk.queue(*["real"] * 1000, "new")
    taken = []
    for _ in range(2):
        job = desk.take()
        assert job is not None
        taken.append(job.key)
        desk.settle(job, YES)
    assert sorted(taken) == ["new", "real"]


def test_an_event_that_arrives_meanwhile_waits_for_the_one_that_is_being_sent() -> None:
    desk = Desk()
    desk.queue("a")
    first = desk.take()
    desk.queue("a")
    assert desk.take() is None
    desk.settle(first, YES)
    assert desk.take() is not None


def test_an_older_event_that_turns_up_later_goes_before_newer_ones() -> None:
    desk = Desk()
    desk.names = 100
    desk.queue("a", "a")
    desk.delivery.arrived({"a": ["0000000000000001_a.txt"]}, desk.now)
    assert desk.take() == Job("a", "0000000000000001_a.txt")


def test_an_older_event_that_turns_up_later_starts_with_a_count_of_its_own() -> None:
    desk = Desk()
    desk.names = 100
    desk.queue("a")
    waited = desk.attempt(SICK).wait
    desk.delivery.arrived({"a": ["0000000000000001_a.txt"]}, desk.now)
    assert desk.delivery.wait(desk.now) == waited  # PagerDuty may have asked for it
    desk.wait()
    assert desk.attempt(SICK).attempts == 1


def test_an_event_that_turns_up_between_others_leaves_the_head_its_count() -> None:
    desk = Desk()
    desk.queue("a", "b", "a")
    desk.attempt(SICK)
    desk.delivery.arrived({"a": ["0000000000000001_a.txt"]}, desk.now)
    assert desk.delivery.lanes["a"].attempts == 1
    assert list(desk.delivery.lanes["a"].pending) == [f"{time:016d}_a.txt" for time in range(3)]


def test_an_older_event_leaves_the_one_that_is_being_sent_its_count() -> None:
    desk = Desk()
    desk.names = 100
    desk.queue("a", "a")
    desk.attempt(SICK)
    desk.wait()
    job = desk.take()
    desk.delivery.arrived({"a": ["0000000000000001_a.txt"]}, desk.now)
    assert desk.settle(job, SICK).attempts == 2


def test_an_older_event_does_not_replace_the_one_that_is_being_sent() -> None:
    desk = Desk()
    desk.names = 100
    desk.queue("a", "a")
    job = desk.take()
    desk.delivery.arrived({"a": ["0000000000000001_a.txt"]}, desk.now)
    desk.settle(job, YES)
    assert desk.take() == Job("a", "0000000000000001_a.txt")
    assert desk.delivery.pending == 2


def test_events_removed_by_somebody_are_forgotten() -> None:
    desk = Desk()
    desk.queue("a", "a", "b")
    desk.delivery.vanished({"0000000000000000_a.txt", "0000000000000002_b.txt"})
    assert desk.take() == Job("a", "0000000000000001_a.txt")
    assert desk.take() is None
    assert desk.delivery.pending == 1


def test_removal_of_the_event_being_sent_is_left_to_its_own_end() -> None:
    desk = Desk()
    desk.queue("a", "a", "a")
    job = desk.take()
    desk.delivery.vanished({"0000000000000000_a.txt", "0000000000000001_a.txt"})
    assert desk.delivery.pending == 2
    assert job is not None
    assert desk.delivery.is_head(job)
    desk.settle(job, YES)
    assert desk.take() == Job("a", "0000000000000002_a.txt")


def test_a_removal_while_the_last_event_of_a_key_is_moved_disturbs_nothing() -> None:
    desk = Desk()
    desk.queue("a")
    job = desk.take()
    assert job is not None
    desk.delivery.settle(job, YES, desk.now)
    desk.delivery.vanished({"0000000000000009_b.txt"})
    desk.delivery.release(job, desk.now)
    assert desk.delivery.lanes == {}


def test_a_key_that_backs_off_may_lose_all_its_events() -> None:
    desk = Desk()
    desk.queue("a")
    desk.attempt(SICK)
    for _ in range(2):
        desk.delivery.vanished({"0000000000000000_a.txt"})
    desk.wait()
    assert desk.take() is None
    assert desk.delivery.lanes == {}


def test_the_head_keeps_its_failures_when_another_event_is_removed() -> None:
    desk = Desk()
    desk.queue("a", "a")
    desk.attempt(SICK)
    desk.delivery.vanished({"0000000000000001_a.txt"})
    assert desk.delivery.lanes["a"].attempts == 1


def test_a_removed_head_takes_its_failures_with_it() -> None:
    desk = Desk()
    desk.queue("a", "a")
    desk.attempt(SICK)
    desk.delivery.vanished({"0000000000000000_a.txt"})
    lane = desk.delivery.lanes["a"]
    assert (lane.attempts, lane.reason, list(lane.history)) == (0, "", [])


def test_a_discarded_event_lets_the_next_one_go_with_a_count_of_its_own() -> None:
    desk = Desk()
    desk.queue("a", "a")
    desk.attempt(SICK)
    desk.wait()
    job = desk.take()
    assert job is not None
    desk.delivery.discard(job)
    desk.delivery.release(job, desk.now)
    assert desk.delivery.pending == 1
    following = desk.take()
    assert following == Job("a", "0000000000000001_a.txt")
    assert desk.settle(following, SICK).attempts == 1


def test_an_event_is_the_head_of_its_lane_until_it_leaves() -> None:
    desk = Desk()
    desk.queue("a", "a")
    for _ in range(2):
        job = desk.take()
        assert job is not None
        assert desk.delivery.is_head(job)
        desk.delivery.settle(job, YES, desk.now)
        assert not desk.delivery.is_head(job)
        desk.delivery.release(job, desk.now)


def test_an_empty_lane_leaves_nothing_behind() -> None:
    desk = Desk()
    desk.queue("a")
    desk.attempt(YES)
    assert desk.delivery.lanes == {}
    assert desk.delivery.pending == 0


# --- what a verdict moves


@pytest.mark.parametrize(
    ("verdict", "to", "outcome"), [(YES, "suc", "sent"), (NO, "err", "refused")]
)
def test_a_definite_answer_moves_the_event(verdict: Verdict, to: str, outcome: str) -> None:
    desk = Desk()
    desk.queue("a")
    move = desk.attempt(verdict)
    assert (move.to, move.outcome) == (to, outcome)
    assert desk.delivery.counts[outcome] == 1


@pytest.mark.parametrize("verdict", [SLOW_DOWN, SICK, LATE, NO_DNS])
def test_anything_else_leaves_it_where_it_is(verdict: Verdict) -> None:
    desk = Desk()
    desk.queue("a")
    assert desk.attempt(verdict).to == ""
    assert desk.delivery.pending == 1
    assert desk.delivery.retried == {verdict.reason: 1}


@pytest.mark.parametrize("verdict", [SICK, LATE, NO_DNS, SLOW_DOWN])
def test_an_hour_of_trouble_leaves_err_empty(verdict: Verdict) -> None:
    desk = Desk()
    desk.queue("a")
    desk.attempt(YES)
    desk.queue(*["a", "b", "c"] * 100)
    assert {move.to for move in desk.run(3600, verdict)} == {""}
    assert desk.delivery.pending == 300


def test_after_an_hour_of_trouble_everything_goes_out_in_order() -> None:
    desk = Desk()
    desk.queue(*["a", "b"] * 50)
    desk.run(3600, SICK)
    moves = desk.run(120, YES)
    assert [move.to for move in moves] == ["suc"] * 100


# --- hold


def test_held_everything_sends_nothing_until_release() -> None:
    desk = Desk()
    desk.queue("a")
    desk.delivery.hold(True, frozenset())
    assert desk.take() is None
    assert desk.delivery.wait(desk.now) is None
    desk.delivery.hold(False, frozenset())
    assert desk.take() is not None


def test_a_held_key_waits_alone() -> None:
    desk = Desk()
    desk.queue("a", "b")
    desk.delivery.hold(False, frozenset({"a"}))
    assert desk.take_all() == ["b"]
    assert desk.delivery.wait(desk.now) is None
    desk.delivery.hold(False, frozenset())
    assert desk.take_all() == ["a"]


def test_a_key_that_was_released_has_one_turn_whatever_else_is_held_and_released() -> None:
    desk = Desk()
    desk.queue("a")
    desk.delivery.hold(False, frozenset({"a"}))
    assert desk.take() is None
    desk.delivery.hold(False, frozenset())
    desk.delivery.hold(False, frozenset({"b"}))
    assert desk.take_all() == ["a"]
