"""Alert state, throttle, records and the fault plan, without a socket."""

import pytest

from tests.emulator import faults
from tests.emulator.alerts import Alerts
from tests.emulator.recorder import Recorder
from tests.emulator.throttle import Throttle


@pytest.fixture
def alerts():
    return Alerts()


def play(alerts, *actions, key="team-a", dedup_key="disk"):
    """The outcome of each action in turn."""
    return [
        alerts.apply(key, action, dedup_key, at=float(n), n=n)[1]
        for n, action in enumerate(actions, 1)
    ]


@pytest.mark.parametrize(
    ("actions", "outcomes", "state"),
    [
        (["trigger"], ["opened"], "triggered"),
        (["trigger", "trigger"], ["opened", "updated"], "triggered"),
        (["trigger", "acknowledge", "trigger"], ["opened", "acknowledged", "updated"],
         "acknowledged"),
        (["trigger", "resolve", "resolve"], ["opened", "resolved", "dropped"], "resolved"),
        (["trigger", "resolve", "acknowledge"], ["opened", "resolved", "dropped"], "resolved"),
        (["trigger", "resolve", "trigger"], ["opened", "resolved", "opened"], "triggered"),
    ],
)  # fmt: skip
def test_alert_goes_through_its_states(alerts, actions, outcomes, state):
    assert play(alerts, *actions) == outcomes
    alert = alerts.snapshot()["team-a"]["disk"]
    assert alert["state"] == state
    assert [step["outcome"] for step in alert["history"]] == outcomes


def test_follow_up_without_an_alert_is_dropped_and_opens_nothing(alerts):
    assert play(alerts, "resolve", "acknowledge") == ["dropped", "dropped"]
    assert alerts.snapshot()["team-a"] == {}


def test_follow_up_of_another_key_does_not_touch_the_alert(alerts):
    play(alerts, "trigger", key="team-a")
    assert play(alerts, "resolve", key="team-b") == ["dropped"]
    assert alerts.snapshot()["team-a"]["disk"]["state"] == "triggered"


def test_triggers_without_a_dedup_key_open_an_alert_each(alerts):
    keys = {alerts.apply("team-a", "trigger", None, at=1.0, n=1)[0] for _ in range(3)}
    assert len(keys) == 3
    assert set(alerts.snapshot()["team-a"]) == keys


def test_throttle_counts_the_sixty_seconds_that_end_now():
    throttle = Throttle(2)
    assert [throttle.admit("a", now) for now in (0, 1, 2)] == [True, True, False]
    assert not throttle.admit("a", 59.9)
    assert throttle.admit("a", 60)
    assert not throttle.admit("a", 60.5)
    assert throttle.admit("a", 61)


def test_throttle_is_one_for_each_key():
    throttle = Throttle(1)
    assert [throttle.admit(key, 0) for key in ("a", "a", "b")] == [True, False, True]


def test_throttle_without_limit_admits_everything():
    throttle = Throttle(None)
    assert all(throttle.admit("a", 0) for _ in range(1000))


def test_throttle_announces_when_to_come_back_only_if_told_to():
    throttle = Throttle(1)
    throttle.admit("a", 100)
    assert throttle.headers("a", 130.5) == {}
    throttle.announce = True
    assert throttle.headers("a", 130.5)["Retry-After"] == "30"
    assert throttle.headers("a", 130.5)["ratelimit-reset"] == "30"


def test_recorder_keeps_the_newest_and_counts_all():
    recorder = Recorder(keep=2)
    for _ in range(3):
        recorder.request({"path": "/v2/enqueue"})
    assert [one["n"] for one in recorder.requests()] == [2, 3]
    assert [one["n"] for one in recorder.requests(since=2)] == [3]
    assert recorder.requests(path="/other") == []
    assert recorder.counts()["requests"] == 3


def test_recorder_finds_events_by_key_and_dedup_key():
    recorder = Recorder(keep=10)
    recorder.event({"key": "a", "dedup_key": "1"})
    recorder.event({"key": "a", "dedup_key": "2"})
    assert len(recorder.events(key="a")) == 2
    assert recorder.events(key="a", dedup_key="2") == [{"key": "a", "dedup_key": "2"}]


def fault(kind="status", times=1, match=None, **fields):
    return faults.parse({"times": times, "match": match or {}, "fault": {"kind": kind, **fields}})


def test_fault_strikes_as_often_as_asked_and_then_no_more():
    plan = faults.FaultPlan()
    plan.add(fault(times=2))
    struck = [plan.take("answer", path="/") is not None for _ in range(3)]
    assert struck == [True, True, False]


def test_fault_without_times_strikes_until_cleared():
    plan = faults.FaultPlan()
    plan.add(fault(times=None))
    assert all(plan.take("answer") for _ in range(5))
    plan.clear()
    assert plan.take("answer") is None


def test_fault_strikes_only_what_it_matches():
    plan = faults.FaultPlan()
    plan.add(fault(match={"key": "a"}))
    assert plan.take("answer", key="b") is None
    assert plan.take("accept", key="a") is None
    assert plan.take("answer", key="a") is not None


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], "expected"),
        ({"fault": {"kind": "explode"}}, "unknown kind 'explode'; known: slow"),
        ({"fault": {"kind": "slow", "stage": "later"}}, "unknown stage 'later'; known: accept"),
        ({"fault": {"kind": "slow", "dealy": 1}}, "unknown field of the fault: dealy"),
        ({"fault": {"kind": "slow", "stage": "accept"}, "match": {"key": "a"}},
         "at stage 'accept' a fault cannot be matched by key"),
        ({"fault": {"kind": "slow", "stage": "request"}, "match": {"key": "a"}},
         "at stage 'request' a fault cannot be matched by key"),
        ({"fault": {"kind": "slow"}, "match": {"host": "a"}}, "cannot be matched by host"),
    ],
)  # fmt: skip
def test_impossible_fault_is_refused_with_what_is_possible(document, reason):
    with pytest.raises(faults.FaultError, match=reason):
        faults.parse(document)
