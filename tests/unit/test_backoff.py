"""Back-off, throttling, a dead network: promises 4, 6 and 8 with a clock of our own."""

from __future__ import annotations

import pytest

from pdagent.delivery import EARLY_PROBE, LONGEST_WAIT, Backoff, Delivery
from pdagent.verdict import Verdict
from tests.desk import LATE, LOGIN_PAGE, NO, NO_DNS, SICK, SLOW_DOWN, YES, Desk

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
    before = desk.delivery.remember(desk.now - 5)
    assert before.attempts["a"] == 4
    again = Desk()
    again.delivery.recall(before, again.now)
    again.queue("a", "a")
    assert again.take() is None
    again.now += 5
    assert again.attempt(SICK).wait == 16


def test_throttling_before_a_restart_brings_quarantine_no_nearer() -> None:
    desk = Desk(retry_limit=5)
    desk.queue("a")
    desk.run(3600, SLOW_DOWN)
    desk.wait()
    desk.attempt(SICK)
    before = desk.delivery.remember(desk.now)
    assert before.attempts["a"] > 5
    again = Desk(retry_limit=5)
    again.delivery.recall(before, again.now)
    again.queue("a")
    outcomes = []
    for _ in range(4):
        again.wait()
        outcomes.append(again.attempt(SICK).outcome)
        again.queue("healthy")
        again.attempt(YES)
    assert outcomes == ["retried", "retried", "retried", "quarantined"]  # the fifth doubt in all


@pytest.mark.parametrize(
    ("waits", "wait"), [({"a": 86400.0}, LONGEST_WAIT), ({"a": -86400.0}, 0), ({}, 0)]
)
def test_a_remembered_wait_from_a_wrong_clock_is_capped(
    waits: dict[str, float], wait: float
) -> None:
    desk = Desk()
    desk.delivery.recall(Backoff({"a": 3}, {}, waits), desk.now)
    desk.queue("a")
    assert desk.delivery.wait(desk.now) == wait


def test_only_what_backs_off_is_remembered() -> None:
    desk = Desk()
    desk.delivery.recall(Backoff({"gone": 3}, {}, {}), desk.now)
    desk.queue("a", "b")
    desk.attempt(SICK)
    assert desk.delivery.remember(desk.now) == Backoff({"a": 1}, {"a": 1}, {"a": 1.0})


def test_the_wait_for_a_dead_network_is_remembered() -> None:
    desk = Desk()
    desk.queue("a", "b")
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    assert desk.delivery.remember(desk.now).waits == {"a": 1.0, "b": 1.0}


# --- a dead network


@pytest.mark.parametrize("failure", [NO_DNS, LATE, LOGIN_PAGE])
def test_a_dead_network_is_probed_by_one_request(failure: Verdict) -> None:
    desk = Desk()
    desk.queue(*(f"k{number}" for number in range(200)))
    desk.attempt(failure)
    desk.attempt(failure)
    assert desk.take() is None
    for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
        assert desk.delivery.wait(desk.now) == seconds
        desk.wait()
        probe = desk.take()
        assert probe is not None
        assert desk.take() is None
        desk.settle(probe, failure)
    assert not desk.delivery.reachable


def test_requests_that_fail_together_do_not_lengthen_the_wait_for_the_probe() -> None:
    desk = Desk()
    desk.queue(*"abcd")
    for job in [desk.take() for _ in range(4)]:
        desk.settle(job, NO_DNS)
    assert desk.delivery.wait(desk.now) == 1


def test_an_answer_before_the_probe_is_due_ends_the_outage() -> None:
    desk = Desk()
    desk.queue("old", *"abc")
    old = desk.take()
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    assert desk.take() is None
    desk.settle(old, YES)
    assert desk.take_all() == ["c", "b"]


@pytest.mark.parametrize("end", [YES, NO_DNS])
def test_a_probe_that_hangs_keeps_nobody_once_another_request_found_a_way(end: Verdict) -> None:
    desk = Desk()
    desk.queue("old", "a", "b", "c", "d")
    old = desk.take()
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    desk.wait()
    probe = desk.take()
    assert desk.delivery.wait(desk.now) is None
    desk.settle(old, YES)
    assert desk.delivery.wait(desk.now) == 0
    desk.attempt(YES)
    desk.settle(probe, end)
    assert desk.delivery.down_since is None
    assert desk.attempt(YES).to == "suc"


def test_a_probe_of_an_earlier_outage_lets_nobody_else_through() -> None:
    desk = Desk()
    desk.queue("old", *"abcde")
    old = desk.take()
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    desk.wait()
    earlier = desk.take()
    desk.settle(old, YES)
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    desk.wait()
    assert desk.take() is not None
    desk.settle(earlier, NO_DNS)
    desk.now += 100
    assert desk.take() is None


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
    desk.wait()
    desk.attempt(NO_DNS)
    assert desk.delivery.wait(desk.now) == 60
    desk.queue("new")
    assert desk.delivery.wait(desk.now) == EARLY_PROBE
    desk.wait()
    job = desk.take()
    assert job is not None
    assert job.key == "new"
    desk.settle(job, YES)
    assert sorted(desk.take_all()) == ["a", "b"]


def test_a_new_event_of_a_key_that_waits_already_hastens_nothing() -> None:
    desk = Desk()
    desk.queue("a", "b")
    desk.run(600, NO_DNS)
    desk.wait()
    desk.attempt(NO_DNS)
    desk.queue("a", "b")
    assert desk.delivery.wait(desk.now) == 60


def test_a_new_event_hastens_no_second_request_for_a_key_that_is_being_sent() -> None:
    desk = Desk()
    desk.queue("slow", "a", "b")
    desk.take()
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    desk.queue("slow")
    desk.wait()
    job = desk.take()
    assert job is not None
    assert job.key != "slow"


def test_a_new_event_waits_until_the_one_before_it_was_moved_whatever_the_network_does() -> None:
    desk = Desk()
    desk.queue("moving", "a", "b")
    moving = desk.take()
    assert moving is not None
    desk.delivery.settle(moving, YES, desk.now)
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    desk.queue("moving")
    desk.wait()
    desk.attempt(YES)
    assert desk.take_all() == ["a"]


def test_a_probe_that_succeeds_before_its_own_wait_is_over_ends_that_wait() -> None:
    desk = Desk()
    desk.delivery.recall(Backoff({"a": 9}, {}, {"a": 60.0}), desk.now)
    desk.queue("b", "c")
    desk.attempt(NO_DNS)
    desk.attempt(NO_DNS)
    desk.queue("a", "a")
    desk.wait()
    assert desk.attempt(YES).to == "suc"
    assert "a" in desk.take_all()


def test_one_lane_alone_is_no_proof_of_a_dead_network() -> None:
    desk = Desk()
    desk.queue("a", "b")
    desk.attempt(LATE)
    assert desk.attempt(YES).to == "suc"
    desk.wait()
    desk.attempt(LATE)
    desk.queue("b")
    assert desk.attempt(YES).to == "suc"


def test_asking_whether_pagerduty_is_reachable_needs_no_lock() -> None:
    """The daemon's loop asks while the workers settle."""

    class Settled(Delivery):
        looks = iter([NO_DNS, None])

        @property  # type: ignore[override]
        def trouble(self) -> Verdict | None:
            return next(self.looks)

        @trouble.setter
        def trouble(self, verdict: Verdict | None) -> None:
            return

    assert not Settled(60, 60).reachable


def test_it_is_remembered_since_when_pagerduty_is_out_of_reach() -> None:
    desk = Desk()
    desk.queue("a")
    desk.run(50, NO_DNS)
    assert (desk.delivery.reachable, desk.delivery.reachable_since) == (False, 1000)
