"""An outage from beginning to end, and what it leaves: everything arrives, in order, once."""

from __future__ import annotations

import json
import secrets
import subprocess
import time

import pytest

KEYS = 4
PATIENCE_SECS = 120


def until(condition):
    """Wait until the condition holds; fail when patience is over."""
    deadline = time.monotonic() + PATIENCE_SECS
    while not condition():
        assert time.monotonic() < deadline, "the outage did not go on"
        time.sleep(0.2)


def network(action, *options):
    command = ["podman", "network", action, *options, "pdagent-outage", "pdagent-outage-emulator"]
    subprocess.run(command, check=True, capture_output=True)


def emulator_address():
    command = ["podman", "inspect", "pdagent-outage-emulator", "--format"]
    path = '{{(index .NetworkSettings.Networks "pdagent-outage").IPAddress}}'
    return subprocess.check_output([*command, path], text=True).strip()


@pytest.fixture(scope="module")
def outage(host, emulator):
    """Play the outage on one host; return what was sent and what arrived, by key."""
    keys = [secrets.token_hex(16) for _ in range(KEYS)]
    sent = {key: [] for key in keys}

    def send_one_each(what):
        for key in keys:
            host.check_output("pd-send -q -k %s -t trigger -i %s -d outage", key, what)
            sent[key].append(what)

    def answered(status):
        asked = [r for r in emulator.requests() if (r["body"] or {}).get("service_key") in keys]
        return any(request["status"] == status for request in asked)

    def network_is_down():
        state = host.file("/run/pdagent/state.json").content_string
        return not json.loads(state)["network"]["up"]

    def daemon_pid():
        return host.check_output("pgrep -u pdagent pdagentd")

    address = emulator_address()
    network("disconnect")
    try:
        send_one_each("unreachable")
        until(network_is_down)
    finally:
        network("connect", f"--ip={address}")
    emulator.fault("status", status=503, times=None)
    try:
        send_one_each("503")
        until(lambda: answered(503))
        before = daemon_pid()
        host.check_output("service pdagent restart || systemctl restart pdagent")
        assert daemon_pid() != before
        send_one_each("restarted")
    finally:
        emulator.clear_faults()
        emulator.throttle(1)
    try:
        send_one_each("throttled")
        until(lambda: answered(403))
    finally:
        emulator.throttle(120)
    send_one_each("well again")
    until(lambda: all(len(emulator.events(key=key)) >= len(sent[key]) for key in keys))
    until(lambda: host.run("ls /var/lib/pdagent/outqueue/pdq").stdout == "")
    arrived = {key: [event["dedup_key"] for event in emulator.events(key=key)] for key in keys}
    return sent, arrived


def test_every_event_arrives_once_and_in_order(outage):
    sent, arrived = outage
    assert arrived == sent


def test_err_stays_empty(outage, host):
    assert host.check_output("ls /var/lib/pdagent/outqueue/err") == ""


def test_every_event_is_kept_in_suc(outage, host):
    sent, _ = outage
    names = host.check_output("ls /var/lib/pdagent/outqueue/suc").split()
    for key, events in sent.items():
        assert len([name for name in names if key in name]) == len(events)


def test_daemon_is_well_afterwards(outage, host):
    assert host.service("pdagent").is_running
    assert host.run("runuser -u pdagent -- pd-doctor").rc == 0
