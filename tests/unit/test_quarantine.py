"""Which events go to err though PagerDuty never said no: promise 6 with a clock of our own."""

from __future__ import annotations

import pytest

from pdagent.delivery import CONFIRMATIONS, Move
from pdagent.verdict import Verdict
from tests.desk import NO_DNS, SICK, SLOW_DOWN, YES, Desk


def fail_while_another_succeeds(desk: Desk, times: int, verdict: Verdict = SICK) -> list[Move]:
    moves = []
    for _ in range(times):
        desk.now += 100
        job = desk.take()
        assert job is not None
        moves.append(desk.settle(job, verdict))
        desk.queue("healthy")
        desk.attempt(YES)
    return moves


@pytest.mark.parametrize("limit", [2, 5])
def test_a_poison_event_is_quarantined_alone(limit: int) -> None:
    desk = Desk(retry_limit=limit)
    desk.queue("a", "a")
    moves = fail_while_another_succeeds(desk, limit)
    assert [move.outcome for move in moves] == ["retried"] * (limit - 1) + ["quarantined"]
    assert moves[-1].to == "err"
    assert moves[-1].attempts == limit
    assert [reason for _, reason in moves[-1].history] == ["http_503"] * limit
    assert desk.attempt(YES).outcome == "sent"


def test_no_event_is_quarantined_while_nothing_succeeds() -> None:
    desk = Desk(retry_limit=5)
    desk.queue("a", "b")
    assert {move.to for move in desk.run(3600, SICK)} == {""}


def test_a_success_before_its_first_failure_says_nothing_about_an_event() -> None:
    desk = Desk(retry_limit=2)
    desk.queue("healthy")
    desk.attempt(YES)
    desk.queue("a")
    assert {move.to for move in desk.run(3600, SICK)} == {""}


def test_one_success_confirms_one_failure_and_no_more() -> None:
    desk = Desk(retry_limit=5)
    desk.queue("a")
    fail_while_another_succeeds(desk, 1)
    assert {move.to for move in desk.run(3600, SICK)} == {""}


def test_a_failure_of_the_network_confirms_nothing_while_others_succeed() -> None:
    desk = Desk(retry_limit=5)
    desk.queue("a")
    desk.run(3600, SICK)
    fail_while_another_succeeds(desk, 10, NO_DNS)
    desk.wait()
    assert desk.attempt(SICK).to == ""


def test_an_event_that_sat_out_an_outage_gets_new_chances() -> None:
    desk = Desk(retry_limit=5)
    desk.queue("a")
    desk.run(3600, SICK)
    moves = fail_while_another_succeeds(desk, CONFIRMATIONS + 1)
    assert [move.to for move in moves] == [""] * CONFIRMATIONS + ["err"]


@pytest.mark.parametrize("verdict", [SLOW_DOWN, NO_DNS])
def test_what_cannot_be_the_events_fault_never_quarantines(verdict: Verdict) -> None:
    desk = Desk(retry_limit=2)
    desk.queue("a")
    assert {move.to for move in fail_while_another_succeeds(desk, 20, verdict)} == {""}


def test_attempts_that_found_no_network_bring_quarantine_no_nearer() -> None:
    desk = Desk(retry_limit=10)
    desk.queue("a")
    moves = fail_while_another_succeeds(desk, 9, NO_DNS) + fail_while_another_succeeds(desk, 10)
    assert [move.to for move in moves] == [""] * 18 + ["err"]


def test_a_lonely_lane_asks_for_a_proof_and_then_quarantines() -> None:
    desk = Desk(retry_limit=4)
    desk.queue("a")
    moves = []
    for _ in range(10):
        moves.append(desk.attempt(SICK))
        if moves[-1].to:
            break
        if moves[-1].wants_proof:
            desk.delivery.proved(True)
        desk.now += 100
    assert [move.wants_proof for move in moves] == [False] * 3 + [True] * 3 + [False]
    assert moves[-1].outcome == "quarantined"


@pytest.mark.parametrize("verdict", [SLOW_DOWN, NO_DNS])
def test_what_cannot_be_the_events_fault_asks_for_no_proof(verdict: Verdict) -> None:
    desk = Desk(retry_limit=2)
    desk.queue("a")
    desk.attempt(SICK)
    desk.wait()
    assert desk.attempt(SICK).wants_proof
    desk.wait()
    assert not desk.attempt(verdict).wants_proof


def test_without_the_proof_the_lonely_lane_goes_on_trying() -> None:
    desk = Desk(retry_limit=2)
    desk.queue("a")
    for _ in range(20):
        assert desk.attempt(SICK).to == ""
        desk.delivery.proved(False)
        desk.now += 100
