"""Whatever comes back over the network, no event is lost: promises 3, 4, 5, 7 and 8."""

import pytest

from pdagent.event import Event

# PagerDuty's definite no to one event. Of the other 4xx, 403 and 429 are throttling, 407 is
# the proxy's, 408, 421 and 425 ask for the same request again.
STATUSES = {*range(100, 300), *range(300, 309), *range(400, 600)}
REFUSING = {status for status in range(400, 500) if status not in (403, 407, 408, 421, 425, 429)}


def key(number):
    return f"{number:032d}"


def trigger(number):
    return Event.v1(key(number), "trigger", description="disk full", incident_key=f"i{number}")


def number_of(name):
    return int(name.partition("_")[2].partition(".")[0])


@pytest.fixture
def deliver(host, emulator):
    """Queue an event for each number, struck once by its fault, and wait until all are settled."""

    def run(faults, timeout=90):
        for number, (kind, fault) in faults.items():
            emulator.fault(kind, match={"key": key(number)}, **fault)
            host.put(trigger(number))
        host.start()
        host.until_settled(timeout)
        return [int(one["key"]) for one in emulator.events()]

    return run


def test_every_status_from_100_to_599_is_refusal_or_retry_and_loses_nothing(host, deliver):
    # 200 and 202 come without "status": "success" here: not PagerDuty's yes.
    delivered = deliver({status: ("status", {"status": status}) for status in STATUSES})
    refused = {number_of(name) for name in host.events("err")}
    assert refused == REFUSING
    assert sorted(delivered) == sorted(STATUSES - REFUSING)


def test_refused_event_keeps_status_and_words_of_the_refusal(host, emulator):
    host.put(trigger(1))
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": ["bad"]}
    emulator.fault("status", status=400, body=body)
    host.start()
    name = host.until(lambda: host.events("err"))[0]
    reason = host.reason(name)
    assert reason["event"] == name
    assert (reason["outcome"], reason["status"]) == ("refused", 400)
    assert (reason["message"], reason["errors"]) == ("Event object is invalid", ["bad"])


def test_error_pages_of_gateways_refuse_nothing(host, deliver):
    statuses = range(400, 600)
    delivered = deliver({status: ("html", {"status": status}) for status in statuses})
    assert sorted(delivered) == sorted(statuses)
    assert host.events("err") == []


def test_success_is_only_what_pagerduty_itself_says(host, emulator, deliver):
    faults = {
        1: ("html", {}),
        2: ("bad_json", {}),
        3: ("status", {"status": 202, "body": ""}),
        4: ("status", {"status": 202, "body": "[]"}),
        5: ("status", {"status": 200, "body": {"status": "failure"}}),
        6: ("status", {"status": 201, "body": {"status": "success"}}),
        7: ("status", {"status": 204}),
        8: ("status", {"status": 206, "body": {"status": "success"}}),
        9: ("redirect", {}),
        10: ("redirect", {"status": 307}),
        11: ("truncate", {"processed": False}),
        12: ("close", {"stage": "headers"}),
    }
    assert sorted(deliver(faults)) == sorted(faults)
    assert host.events("err") == []
    assert [one["path"] for one in emulator.requests() if "elsewhere" in one["path"]] == []


def test_log_names_the_likely_cause_of_a_web_page(host, deliver):
    deliver({1: ("html", {})})
    assert "proxy login page" in host.log()


@pytest.mark.parametrize("kind", ["reset", "close"])
def test_connection_that_ends_at_any_stage_is_only_not_now(host, emulator, deliver, kind):
    for stage in ("accept", "handshake", "request"):
        emulator.fault(kind, stage=stage, times=2)
    stages = ["answer", "headers", "body"]
    assert sorted(deliver({n: (kind, {"stage": s}) for n, s in enumerate(stages)})) == [0, 1, 2]
    assert host.events("err") == []


def test_answer_lost_after_pagerduty_took_the_event_repeats_it_harmlessly(host, emulator):
    emulator.fault("reset", processed=True)
    host.put(trigger(1))
    host.put(Event.v2(key(2), "trigger", summary="disk full", source="db7", severity="error"))
    host.start()
    host.until_settled()
    alerts = emulator.alerts()
    assert len(emulator.events()) == 3
    assert [len(alerts[key(number)]) for number in (1, 2)] == [1, 1]


def test_answers_without_end_stall_neither_other_keys_nor_memory(host, emulator):
    # Twice, so that the other key has twice the patience of a request to overtake them.
    stalling = {"processed": False, "times": 2}
    faults = {
        1: ("slow", {"delay": 60, **stalling}),
        2: ("slow", {"delay": 60, **stalling, "stage": "headers"}),
        3: ("drip", {"delay": 0.5, **stalling}),
        4: ("endless", {}),
        5: ("endless", {"stage": "headers"}),
        6: ("slow", {"delay": 60, **stalling, "stage": "body"}),
    }
    for number, (kind, fault) in faults.items():
        emulator.fault(kind, match={"key": key(number)}, **fault)
        host.put(trigger(number))
    host.start()
    emulator.wait_for_requests(len(faults))
    for _ in range(3):
        host.put(trigger(99))
    host.until(lambda: len(emulator.events(key=key(99))) == 3)
    assert {key(number) for number in (1, 2, 3, 6)}.isdisjoint(
        one["key"] for one in emulator.events()
    )
    host.until_settled(timeout=120)
    assert sorted({int(one["key"]) for one in emulator.events()}) == [*faults, 99]
    assert host.events("err") == []
    assert host.peak_memory_kb() < 80_000


def test_hour_of_503_leaves_err_empty_and_sends_everything_afterwards(host, emulator):
    host.configure(retry_limit_for_possible_errors=3)
    emulator.fault("status", status=503, times=None)
    for number in range(20):
        host.put(trigger(number))
        host.put(trigger(number))
    host.start()
    emulator.wait_for_requests(80, timeout=60)
    assert host.events("err") == []
    emulator.clear_faults()
    host.until_settled()
    assert len(emulator.events()) == 40
    assert host.events("err") == []


@pytest.mark.parametrize("status", [403, 429])
def test_throttled_key_waits_as_long_as_it_is_told_and_others_do_not(host, emulator, status):
    host.configure(backoff_interval_secs=5)
    headers = {"Retry-After": "3"}
    emulator.fault("status", status=status, headers=headers, match={"key": key(1)})
    host.put(trigger(1))
    host.put(trigger(2))
    host.start()
    events = emulator.wait_for(2)
    assert [int(one["key"]) for one in events] == [2, 1]
    mine = [one for one in emulator.requests() if one["body"]["service_key"] == key(1)]
    assert mine[1]["at"] - mine[0]["at"] >= 3
    assert host.events("err") == []
