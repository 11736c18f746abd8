"""Lanes, back-off, throttling, quarantine: promises 4, 5, 6, 8 with a clock of our own."""

from __future__ import annotations

import pytest

from pdagent.delivery import CONFIRMATIONS, EARLY_PROBE, LONGEST_WAIT, Delivery, Job, Move
from pdagent.verdict import ACCEPTED, NOT_NOW, REJECTED, THROTTLED, Verdict

YES = Verdict(ACCEPTED, status=202)
NO = Verdict(REJECTED, "rejected", status=400)
SLOW_DOWN = Verdict(THROTTLED, "throttled", status=429)
SICK = Verdict(NOT_NOW, "http_503", status=503, suspect=True)
LATE = Verdict(NOT_NOW, "timeout", suspect=True)
NO_DNS = Verdict(NOT_NOW, "dns")


class Desk:
    """A Delivery with the longest jitter, a clock, and a record of what was sent."""

    def __init__(self, retry_limit: int = 60, backoff_limit: float = 60, jitter: float = 1) -> None:
        self.delivery = Delivery(backoff_limit, retry_limit, jitter=lambda: jitter)
        self.now = 1000.0
        self.names = 0

    def queue(self, *keys: str) -> None:
        events: dict[str, list[str]] = {}
        for key in keys:
            events.setdefault(key, []).append(f"{self.names:016d}_{key}.txt")
            self.names += 1
        self.delivery.arrived(events, self.now)

    def take(self) -> Job | None:
        return self.delivery.take(self.now)

    def take_all(self) -> list[str]:
        return [job.key for job in iter(self.take, None)]

    def settle(self, job: Job | None, verdict: Verdict) -> Move:
        assert job is not None
        move = self.delivery.settle(job, verdict, self.now)
        self.delivery.release(job, self.now)
        return move

    def attempt(self, verdict: Verdict) -> Move:
        return self.settle(self.take(), verdict)

    def wait(self) -> None:
        """Let the clock run to the next moment at which something may be sent."""
        seconds = self.delivery.wait(self.now)
        assert seconds is not None
        self.now += seconds

    def run(self, seconds: float, answer: Verdict) -> list[Move]:
        """Let every attempt of a period come to the same answer."""
        moves, end = [], self.now + seconds
        while True:
            job = self.take()
            if job is not None:
                moves.append(self.settle(job, answer))
                continue
            pause = self.delivery.wait(self.now)
            if pause is None or self.now + pause > end:
                self.now = end
                return moves
            self.now += pause


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
    desk.queue("a", "a")
    job = desk.take()
    desk.delivery.vanished({"0000000000000000_a.txt"})
    desk.settle(job, YES)
    assert desk.take() == Job("a", "0000000000000001_a.txt")


def test_a_removed_head_takes_its_failures_with_it() -> None:
    desk = Desk()
    desk.queue("a", "a")
    desk.attempt(SICK)
    desk.delivery.vanished({"0000000000000000_a.txt"})
    assert desk.delivery.lanes["a"].attempts == 0


def test_a_discarded_event_lets_the_next_one_go() -> None:
    desk = Desk()
    desk.queue("a", "a")
    job = desk.take()
    assert job is not None
    desk.delivery.discard(job)
    desk.delivery.release(job, desk.now)
    assert desk.take() == Job("a", "0000000000000001_a.txt")


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
    desk.queue(*["a", "b", "c"] * 100)
    assert {move.to for move in desk.run(3600, verdict)} == {""}
    assert desk.delivery.pending == 300


def test_after_an_hour_of_trouble_everything_goes_out_in_order() -> None:
    desk = Desk()
    desk.queue(*["a", "b"] * 50)
    desk.run(3600, SICK)
    moves = desk.run(120, YES)
    assert [move.to for move in moves] == ["suc"] * 100


# --- back-off


def test_the_back_off_doubles_up_to_its_limit() -> None:
    desk = Desk()
    desk.queue("a")
    waits = []
    for _ in range(9):
        waits.append(desk.attempt(SICK).wait)
        desk.wait()
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_jitter_takes_at_most_half_of_a_step() -> None:
    desk = Desk(jitter=0)
    desk.queue("a")
    assert desk.attempt(SICK).wait == 0.5


def test_nothing_is_sent_before_the_back_off_is_over() -> None:
    desk = Desk()
    desk.queue("a")
    desk.attempt(SICK)
    desk.now += 0.9
    assert desk.take() is None
    desk.now += 0.1
    assert desk.take() is not None


def test_a_success_starts_the_back_off_anew() -> None:
    desk = Desk()
    desk.queue("a", "a")
    for _ in range(5):
        desk.attempt(SICK)
        desk.wait()
    desk.attempt(YES)
    assert desk.attempt(SICK).wait == 1


@pytest.mark.parametrize("outcome", [SLOW_DOWN, SICK])
def test_the_pause_that_pagerduty_asks_for_is_kept(outcome: Verdict) -> None:
    desk = Desk()
    desk.queue("a")
    assert desk.attempt(outcome._replace(retry_after=42.0)).wait == 42


def test_an_absurd_pause_is_capped() -> None:
    desk = Desk()
    desk.queue("a")
    assert desk.attempt(SLOW_DOWN._replace(retry_after=1e8)).wait == LONGEST_WAIT


@pytest.mark.parametrize("verdict", [SLOW_DOWN, SICK, LATE])
def test_a_failing_lane_delays_no_other(verdict: Verdict) -> None:
    desk = Desk()
    desk.queue("a", "a", "b", "b")
    desk.attempt(verdict)
    assert [desk.attempt(YES).to for _ in range(2)] == ["suc", "suc"]
    assert desk.take() is None


def test_many_lanes_with_5xx_delay_no_healthy_one() -> None:
    desk = Desk()
    sick = [f"sick{number}" for number in range(100)]
    desk.queue(*sick)
    for _ in sick:
        desk.attempt(SICK)
    desk.queue("healthy")
    job = desk.take()
    assert job is not None
    assert job.key == "healthy"


def test_back_off_survives_a_restart() -> None:
    desk = Desk()
    desk.queue("a", "b")
    for _ in range(4):
        desk.settle(next(job for job in iter(desk.take, None) if job.key == "a"), SICK)
        desk.now = desk.delivery.lanes["a"].retry_at
    attempts, waits = desk.delivery.remember(desk.now - 5)
    assert attempts["a"] == 4
    again = Desk()
    again.delivery.recall(attempts, waits, again.now)
    again.queue("a", "a")
    assert again.take() is None
    again.now += 5
    assert again.attempt(SICK).wait == 16


def test_a_remembered_wait_from_a_wrong_clock_is_capped() -> None:
    desk = Desk()
    desk.delivery.recall({"a": 3}, {"a": 86400.0}, desk.now)
    desk.queue("a")
    assert desk.delivery.wait(desk.now) == LONGEST_WAIT


# --- a dead network


def test_a_dead_network_is_probed_by_one_request() -> None:
    desk = Desk()
    desk.queue(*(f"k{number}" for number in range(200)))
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    assert desk.take() is None
    for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
        assert desk.delivery.wait(desk.now) == seconds
        desk.wait()
        probe = desk.take()
        assert probe is not None
        assert probe.probe
        assert desk.take() is None
        desk.settle(probe, NO_DNS)
    assert not desk.delivery.reachable


def test_probes_go_round_the_lanes() -> None:
    desk = Desk()
    desk.queue("a", "b", "c")
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    probed = []
    for _ in range(3):
        desk.wait()
        job = desk.take()
        assert job is not None
        probed.append(job.key)
        desk.settle(job, NO_DNS)
    assert sorted(probed) == ["a", "b", "c"]


@pytest.mark.parametrize("answer", [YES, NO, SLOW_DOWN, SICK])
def test_any_answer_of_pagerduty_ends_the_outage(answer: Verdict) -> None:
    desk = Desk()
    desk.queue(*(f"k{number}" for number in range(20)))
    desk.run(600, NO_DNS)
    desk.now += 60
    desk.attempt(answer)
    assert desk.delivery.reachable
    assert len(desk.take_all()) >= 19


def test_a_new_event_hastens_the_probe() -> None:
    desk = Desk()
    desk.queue("a", "b")
    desk.run(600, NO_DNS)
    desk.now += 0.001
    desk.queue("new")
    waited = desk.delivery.wait(desk.now)
    assert waited is not None
    assert waited <= EARLY_PROBE
    desk.wait()
    job = desk.take()
    assert job is not None
    assert job.key == "new"


def test_one_lane_alone_is_no_proof_of_a_dead_network() -> None:
    desk = Desk()
    desk.queue("a", "b")
    desk.attempt(LATE)
    assert desk.attempt(YES).to == "suc"
    desk.wait()
    desk.attempt(LATE)
    desk.queue("b")
    assert desk.attempt(YES).to == "suc"


def test_it_is_remembered_since_when_pagerduty_is_out_of_reach() -> None:
    desk = Desk()
    desk.queue("a")
    desk.run(50, NO_DNS)
    assert (desk.delivery.reachable, desk.delivery.reachable_since) == (False, 1000)


# --- quarantine


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


def test_a_poison_event_is_quarantined_alone() -> None:
    desk = Desk(retry_limit=5)
    desk.queue("a", "a")
    moves = fail_while_another_succeeds(desk, 5)
    assert [move.outcome for move in moves] == ["retried"] * 4 + ["quarantined"]
    assert moves[-1].to == "err"
    assert moves[-1].attempts == 5
    assert [reason for _, reason in moves[-1].history] == ["http_503"] * 5
    assert desk.attempt(YES).outcome == "sent"


def test_no_event_is_quarantined_while_nothing_succeeds() -> None:
    desk = Desk(retry_limit=5)
    desk.queue("a", "b")
    assert {move.to for move in desk.run(3600, SICK)} == {""}


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


def test_without_the_proof_the_lonely_lane_goes_on_trying() -> None:
    desk = Desk(retry_limit=2)
    desk.queue("a")
    for _ in range(20):
        assert desk.attempt(SICK).to == ""
        desk.delivery.proved(False)
        desk.now += 100


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
