"""What the lab proves: every host's state, and events of its own that arrive at PagerDuty."""

from __future__ import annotations

import concurrent.futures
import secrets
import time

from lab import testbed
from lab.console import LabError, table
from tests.emulator.client import Emulator

ARRIVAL_TIMEOUT_SECS = 30
HEADINGS = ("host", "init system", "package", "agent", "daemon")
EVENT_HEADINGS = ("trigger", "resolve", "ms to arrive")

# Prints one line each: init system, package format, package version, daemon state.
STATE = """
init=$(ps -p 1 -o comm=)
[ "$init" = systemd ] || init=sysvinit
echo "$init"
if dpkg-query -W -f '${Status}' pdagent 2> /dev/null | grep -q 'ok installed'; then
    echo deb
elif rpm -q pdagent > /dev/null 2>&1; then
    echo rpm
else
    echo none
fi
pd-send --version 2> /dev/null | awk '{print $NF; found = 1} END {if (!found) print "none"}'
if [ "$init" = systemd ]; then
    systemctl is-active pdagent || true
else
    service pdagent status > /dev/null 2>&1 && echo active || echo inactive
fi
"""

# Prints the time in nanoseconds at which the submit begins.
SUBMIT = """
set -e
date +%s%N
pd-send --service-key {key} --event-type {action} --incident-key {incident} \
    --description 'The lab says {action}' --client 'pdagent lab' > /dev/null
"""


def state_of(host: str) -> list[str]:
    """Return the host's cells: name, init system, package format, agent version, daemon."""
    if not testbed.is_running(host):
        return [host, "-", "-", "-", "not running"]
    return [host, *testbed.execute(host, STATE).split()]


def send(host: str, emulator: Emulator, key: str, action: str) -> tuple[str, float]:
    """Send one event from a host; return "accepted" or why not, and milliseconds to arrival."""
    sent_ns = int(testbed.execute(host, SUBMIT.format(key=key, action=action, incident=host)))
    deadline = time.monotonic() + ARRIVAL_TIMEOUT_SECS
    while time.monotonic() < deadline:
        for event in emulator.events(key=key):
            if event["action"] == action:
                return "accepted", (event["at_ns"] - sent_ns) / 1e6
        time.sleep(0.05)
    return "not arrived", float("nan")


def prove(host: str, emulator: Emulator) -> list[str]:
    """Return the host's whole row, after a trigger and a resolve under a key of its own."""
    key = secrets.token_hex(16)
    trigger, trigger_ms = send(host, emulator, key, "trigger")
    resolve, resolve_ms = send(host, emulator, key, "resolve")
    if emulator.alerts().get(key, {}).get(host, {}).get("state") != "resolved":
        resolve = "not resolved"
    return [*state_of(host), trigger, resolve, f"{trigger_ms:.0f}, {resolve_ms:.0f}"]


def is_good(row: list[str]) -> bool:
    """Return whether every cell of a row of prove() is as it should be."""
    _, _, package, _, daemon, trigger, resolve, _ = row
    return package in ("deb", "rpm") and (daemon, trigger, resolve) == (
        "active", "accepted", "accepted",
    )  # fmt: skip


def event_rows(port: int) -> list[list[str]]:
    """Send a trigger and a resolve from every host at the same time; return the rows."""
    emulator = Emulator(f"http://127.0.0.1:{port}")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(lambda host: prove(host, emulator), testbed.hosts()))


def print_events(rows: list[list[str]]) -> None:
    """Print the table; raise LabError when any cell is not as it should be."""
    print("\n" + table(HEADINGS + EVENT_HEADINGS, rows))
    bad = [row[0] for row in rows if not is_good(row)]
    if bad:
        raise LabError(
            f"Not as it should be: {', '.join(bad)}. To look into it: make lab-shell HOST={bad[0]}"
        )


def print_state() -> None:
    """Print every host's state without sending anything."""
    print(table(HEADINGS, [state_of(host) for host in testbed.hosts()]))
