"""The real daemon against the emulator over TLS: promises 2, 3, 4, 7, 9, 10 and 14."""

from __future__ import annotations

import pytest

from pdagent.event import Event
from tests.emulator.fixtures import RunningEmulator
from tests.host import Host

KEY = "a" * 28 + "0001"
OTHER = "b" * 28 + "0002"


def trigger(number: int, key: str = KEY) -> Event:
    return Event.v1(key, "trigger", description=f"event {number}", incident_key=f"i{number}")


@pytest.fixture
def running(host: Host) -> Host:
    host.start()
    return host


def test_all_kinds_of_event_are_delivered(running: Host, emulator: RunningEmulator) -> None:
    running.put(trigger(1))
    running.put(Event.v2(KEY, "trigger", summary="s", source="h", severity="error"))
    running.put(Event.change(KEY, summary="deployed"))
    assert [event["kind"] for event in emulator.wait_for(3)] == ["v1", "v2", "change"]
    running.until_settled()
    assert len(running.events("suc")) == 3


def test_one_key_keeps_its_order(running: Host, emulator: RunningEmulator) -> None:
    for number in range(50):
        running.put(trigger(number))
    sent = [event["dedup_key"] for event in emulator.wait_for(50)]
    assert sent == [f"i{number}" for number in range(50)]


def test_what_piled_up_is_sent_at_the_start(host: Host, emulator: RunningEmulator) -> None:
    host.put(trigger(1))
    host.put(trigger(2, OTHER))
    host.start()
    emulator.wait_for(2)
    host.until_settled()
    assert host.stop() == 0
    table = host.run("pd-queue", "status").stdout
    assert table.splitlines() == [
        "Service Key                           Pending   Success  In Error",
        "=" * 65,
        f"{KEY}            0         1         0",
        f"{OTHER}            0         1         0",
    ]


def test_memory_does_not_grow_with_the_bytes_of_the_backlog(
    host: Host, emulator: RunningEmulator
) -> None:
    emulator.throttle(None)
    for _ in range(150):
        host.put(Event.v1(KEY, "trigger", description="d", details={"log": "x" * 400_000}))
    host.start()
    host.until_settled()
    assert len(host.events("suc")) == 150
    assert host.peak_memory_kb() < 80_000  # the backlog has 60 MB
