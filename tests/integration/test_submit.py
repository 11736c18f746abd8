"""Submitting to a running daemon, as root and as an ordinary user: promise 9."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from pdagent.outqueue import ledger
from tests.neighbours import AS_NOBODY, open_to_all

KEY = "0123456789abcdef0123456789abcdef"
TRIGGER = ["-k", KEY, "-t", "trigger", "-d", "disk full", "-i", "k"]


@pytest.fixture
def send(host, installed):
    """Run the installed pd-send as an ordinary user of the host."""
    open_to_all(host.directory)

    def send(*argv, **options):
        return subprocess.run(
            [installed / "bin" / "pd-send", "--config", host.config, *argv],
            **{"capture_output": True, "text": True, "timeout": 60, **AS_NOBODY, **options},
        )

    return send


def test_an_ordinary_user_waits_for_pagerduty_to_accept(host, emulator, send):
    host.start()

    done = send(*TRIGGER, "--wait", "30")

    assert (done.returncode, done.stdout) == (0, "Event processed. Incident Key: k\n")
    assert [event["body"]["incident_key"] for event in emulator.events()] == ["k"]
    assert host.events("pdq") == []


def test_an_ordinary_user_is_told_why_pagerduty_refused(host, emulator, send):
    host.start()

    done = send("-k", "short", "-t", "trigger", "-d", "x", "--wait", "30")

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("pd-send: event for ...rt refused: ")
    assert "Service key is the wrong length (should be 32 characters)" in done.stderr


def test_without_a_daemon_waiting_ends_with_the_event_still_queued(host, emulator, send):
    done = send(*TRIGGER, "--wait", "0.2")

    assert done.returncode == 4
    assert len(host.events("pdq")) == 1
    host.start()
    host.until_settled()
    assert len(emulator.events()) == 1


def test_all_three_kinds_reach_their_endpoints(host, emulator, send):
    host.start()
    batch = [
        {"service_key": KEY, "event_type": "trigger", "description": "größe", "incident_key": "1"},
        {
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": "2",
            "payload": {"summary": "größe", "source": "h", "severity": "info"},
        },
        {"routing_key": KEY, "payload": {"summary": "größe"}},
    ]

    done = send("--batch", input="\n".join(json.dumps(line) for line in batch), encoding="utf-8")

    assert done.returncode == 0
    host.until_settled()
    assert [request["path"] for request in emulator.requests()] == [
        "/generic/2010-04-15/create_event.json",
        "/v2/enqueue",
        "/v2/change/enqueue",
    ]
    assert len(host.events("suc")) == 3


def test_the_daemon_sets_a_forged_ledger_right(host, emulator, send):
    os.chmod(host.outqueue / "ledger", 0o666)
    ledger.correct(str(host.outqueue), 10**12)
    assert send(*TRIGGER).returncode == 3

    host.start()
    host.until(lambda: ledger.queued_bytes(str(host.outqueue)) == 0)

    assert send(*TRIGGER, "--wait", "30").returncode == 0


def test_the_next_event_goes_out_at_once_and_not_at_the_next_scan(host, emulator, send):
    host.configure(send_interval_secs=3600)
    host.start()

    for number in range(3):
        assert send(*TRIGGER, "-f", f"n={number}", "--wait", "60").returncode == 0

    assert len(emulator.events()) == 3
