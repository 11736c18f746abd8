"""Heartbeat, clean-up, metrics, logs, and a queue that falls ill: promises 4, 8, 10 and 13."""

from __future__ import annotations

import time
import uuid

import pytest

from pdagent.event import Event
from pdagent.outqueue import layout
from tests.emulator.fixtures import RunningEmulator
from tests.host import Host

KEY = "a" * 28 + "wxyz"
FAMILIAR = (
    "*** pdagentd starting! pid=",
    "Agent version: ",
    "Agent ID: ",
    "Processing event ",
    "type: pdq -> suc...",
    "type: pdq -> err...",
    "Error sending event ",
    "Backing off service key ",
    "Retrying events in service key ",
    "*** pdagentd exiting normally!",
)
WEEK_US = 7 * 86400 * 1_000_000


def trigger(alert: str = "disk", key: str = KEY) -> Event:
    return Event.v1(key, "trigger", description="secret detail", incident_key=alert)


# --- heartbeat


def test_the_agent_phones_home(host: Host, emulator: RunningEmulator) -> None:
    emulator.heartbeat_interval(86400)
    host.configure(heartbeat_enabled="true")
    host.start()
    (beat,) = [sent for sent in emulator.wait_for_requests(1) if "heartbeat" in sent["path"]]
    assert beat["method"] == "POST"
    assert uuid.UUID(beat["body"]["agent_id"])
    assert set(beat["body"]) == {"agent_id", "agent_version", "agent_stats", "system_info"}
    host.until(lambda: host.state()["heartbeat"]["last_ok_at"])
    assert host.state()["heartbeat"]["interval_secs"] == 86400


def test_a_heartbeat_that_fails_delays_no_event(host: Host, emulator: RunningEmulator) -> None:
    host.configure(heartbeat_enabled="true", heartbeat_url="https://localhost:1/heartbeat")
    host.start()
    host.put(trigger())
    emulator.wait_for(1)
    host.until(lambda: host.state()["heartbeat"]["last_error"])
    assert host.state()["heartbeat"]["last_error"] == "localhost:1 refused the connection"


def test_without_heartbeat_nobody_is_called(host: Host, emulator: RunningEmulator) -> None:
    host.start()
    host.put(trigger())
    emulator.wait_for(1)
    assert not [sent for sent in emulator.requests() if "heartbeat" in sent["path"]]


# --- clean-up


def test_what_is_old_is_removed_at_the_start(host: Host, emulator: RunningEmulator) -> None:
    old = layout.name(int(time.time() * 1e6) - WEEK_US - 1, KEY)
    young = layout.name(int(time.time() * 1e6) - WEEK_US // 2, KEY)
    for directory in ("tmp", "suc", "err"):
        for name in (old, young):
            (host.outqueue / directory / name).touch()
    (host.outqueue / "pdq" / old).write_bytes(trigger().encode())
    emulator.fault("status", status=503, times=None)  # it is not in suc before clean-up is
    host.start()
    host.until(lambda: "Cleaned up: 1 of tmp, 1 of suc, 1 of err" in host.log())
    emulator.clear_faults()
    assert emulator.wait_for(1)[0]["dedup_key"] == "disk"
    assert host.names("err") == [young]
    host.until(lambda: host.state()["cleanup"]["last_at"])


def test_when_space_is_short_delivered_events_go(host: Host) -> None:
    host.configure(min_free_mb=1 << 20)  # a terabyte: more than there is
    young = layout.name(int(time.time() * 1e6), KEY)
    (host.outqueue / "suc" / young).touch()
    (host.outqueue / "pdq" / young).write_bytes(trigger().encode())
    (host.directory / "data" / "db" / layout.hold_name()).touch()
    host.start()
    host.until(lambda: "Space is short: removed 1 delivered events from suc" in host.log())
    assert (host.names("suc"), host.names("pdq")) == ([], [young])


def test_a_clean_up_that_cannot_list_is_said(host: Host) -> None:
    (host.outqueue / "err").rmdir()
    (host.outqueue / "err").write_text("")
    host.start(wait=False)
    ended = host.daemon.wait(timeout=30)
    assert ended == 1
    assert str(host.outqueue / "err") in host.log()


# --- metrics and state


def test_metrics_are_written_when_asked_for(host: Host, emulator: RunningEmulator) -> None:
    path = host.directory / "pdagent.prom"
    host.configure(metrics_file=path)
    host.start()
    host.put(trigger())
    host.until(lambda: path.exists() and 'outcome="sent"} 1' in path.read_text())
    text = path.read_text()
    assert 'pdagent_delivery_seconds_bucket{le="+Inf"} 1\n' in text
    assert text.endswith("# EOF\n")
    assert path.stat().st_mode & 0o777 == 0o644
    assert KEY not in text


def test_the_state_tells_what_happened(host: Host, emulator: RunningEmulator) -> None:
    emulator.fault("status", status=503, times=2)
    host.start()
    host.put(trigger())
    host.until(lambda: host.state()["last_success"] and not host.state()["pending"]["bytes"])
    state = host.state()
    assert state["counters"]["sent"] == 1
    assert state["last_success"]["key"] == "...wxyz"
    assert state["last_error"]["reason"] == "http_503"
    assert state["counters"]["retried"] == {"http_503": 2}
    assert state["pending"] == {"count": 0, "bytes": 0, "oldest_at": None}
    assert state["network"]["up"] is True
    assert state["lanes"] == []


def test_a_state_that_cannot_be_written_is_said_once(host: Host, emulator: RunningEmulator) -> None:
    emulator.fault("status", status=503, times=None)
    host.start()
    (host.directory / "run").rename(host.directory / "elsewhere")
    host.put(trigger())
    host.until(lambda: host.log().count("Backing off") >= 4)
    assert host.log().count("Cannot write the state") == 1


def test_back_off_is_kept_over_a_restart(host: Host, emulator: RunningEmulator) -> None:
    host.configure(backoff_interval_secs=300)
    emulator.fault("status", status=429, headers={"Retry-After": "200"})
    host.start()
    host.put(trigger())
    host.until(lambda: host.state()["lanes"] and host.state()["lanes"][0]["attempts"] == 1)
    host.stop()
    host.start()
    host.until(lambda: host.state()["lanes"])
    assert host.state()["lanes"][0]["state"] in ("throttled", "backing_off")
    assert emulator.events() == []
    assert len(emulator.requests()) == 1


# --- logs


def test_no_secret_is_logged(host: Host, emulator: RunningEmulator) -> None:
    emulator.fault("status", status=400)
    emulator.fault("status", status=503)
    host.start(
        env={"https_proxy": "http://user:hunter2@localhost:1", "no_proxy": "localhost,127.0.0.1"}
    )
    for number in range(3):
        host.put(trigger(str(number)))
    host.until_settled()
    host.stop()
    log = host.log()
    for secret in (KEY, "hunter2", "secret detail"):
        assert secret not in log
    for known in FAMILIAR:
        assert known in log


def test_a_proxys_password_is_not_logged(host: Host) -> None:
    host.start(env={"https_proxy": "http://user:hunter2@localhost:1"})
    host.put(trigger())
    host.until(lambda: "the proxy localhost:1 does not carry" in host.log())
    assert "hunter2" not in host.log()
    assert "hunter2" not in (host.directory / "run" / "state.json").read_text()


def test_the_log_is_followed_through_a_rotation(host: Host, emulator: RunningEmulator) -> None:
    path = host.directory / "agent.log"
    host.configure(log_file=path)
    host.start()
    path.rename(host.directory / "agent.log.1")
    host.put(trigger())
    host.until(lambda: path.exists() and "Processing event" in path.read_text())
    assert path.stat().st_mode & 0o777 == 0o640


# --- a queue that falls ill


def test_a_pdq_that_cannot_be_listed_is_said_and_outlived(
    host: Host, emulator: RunningEmulator
) -> None:
    host.start()
    pdq = host.outqueue / "pdq"
    pdq.rename(host.outqueue / "elsewhere")
    host.until(lambda: "Cannot list the queue" in host.log())
    (host.outqueue / "elsewhere").rename(pdq)
    host.put(trigger())
    emulator.wait_for(1)


def test_a_suc_that_is_gone_repeats_nothing(host: Host, emulator: RunningEmulator) -> None:
    host.start()
    (host.outqueue / "suc").rmdir()
    name = host.put(trigger())
    emulator.wait_for(1)
    host.until(lambda: "cannot be moved out of pdq" in host.log())
    (host.outqueue / "suc").mkdir()
    host.until(lambda: host.names("suc") == [name])
    assert len(emulator.events()) == 1


def test_a_state_that_cannot_be_written_stops_nothing(
    host: Host, emulator: RunningEmulator
) -> None:
    host.start()
    draft = host.directory / "run" / "state.json.bak"
    draft.mkdir()
    host.put(trigger())
    host.until(lambda: "Cannot write the state" in host.log())
    host.put(trigger("next"))
    emulator.wait_for(2)


def test_markers_that_cannot_be_listed_hold_nothing(host: Host, emulator: RunningEmulator) -> None:
    host.start()
    db = host.directory / "data" / "db"
    db.rename(db.with_name("elsewhere"))
    host.put(trigger())
    emulator.wait_for(1)
    host.until(lambda: "Cannot look for hold markers" in host.log())


# --- a wall clock that jumps


@pytest.mark.parametrize("step", [86400, -86400, -0.000001])
def test_a_step_of_the_wall_clock_stalls_nothing(
    host: Host, emulator: RunningEmulator, step: float
) -> None:
    host.clock = host.directory / "clock"
    emulator.fault("status", status=503, times=3)
    host.start()
    host.put(trigger("first"))
    host.until(lambda: host.state()["lanes"])
    host.clock.write_text(str(step))
    host.put(trigger("second"))
    assert [event["dedup_key"] for event in emulator.wait_for(2)] == ["first", "second"]
    host.until(lambda: len(host.names("suc")) == 2)
