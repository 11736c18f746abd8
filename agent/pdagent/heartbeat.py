"""Phone home: tell PagerDuty that this agent lives, as 1.x does.

The schedule and the body are pure; the daemon's heartbeat thread does the exchange.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
from typing import Any

from pdagent import __version__
from pdagent.delivery import Delivery
from pdagent.outqueue.layout import queued_at
from pdagent.verdict import Answer

INTERVAL_SECONDS = 3600.0
"""Between the starts of two beats, until an answer says otherwise."""

ATTEMPTS = 10
RETRY_SECONDS = 10.0
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 7 * 86400.0
"""Bounds on the interval an answer may ask for."""


class Heartbeat:
    """When to beat and what came of it; now is monotonic seconds."""

    def __init__(self, now: float) -> None:
        """The first beat is due at once."""
        self.interval = INTERVAL_SECONDS
        self.last_ok_at: float | None = None
        self.last_error: str | None = None
        self.greeted = False  # a beat with system_info has succeeded
        self.due_at = now
        self._begun_at = now
        self._attempt = 0

    def begin(self, now: float) -> None:
        """Note that an attempt starts."""
        if self._attempt == 0:
            self._begun_at = now
        self._attempt += 1
        self.due_at = now + self.interval  # until the outcome says better

    def answered(self, answer: Answer, now: float, wall: float) -> None:
        """Take an answer: its interval counts; a 5xx is tried again soon, others are not."""
        if answer.status >= 500:
            self.failed(f"status {answer.status}", now)
            return
        found = answer.json()
        seconds = found.get("heartbeat_interval_secs") if found else None
        if not 200 <= answer.status < 300:
            self.last_error = f"status {answer.status}"
        elif isinstance(seconds, (int, float)) and seconds >= SHORTEST_SECONDS:
            self.interval = min(float(seconds), LONGEST_SECONDS)
            self._succeeded(wall)
        else:
            self._succeeded(wall)
            self.last_error = "the answer does not say heartbeat_interval_secs"
        self._rest()

    def failed(self, why: str, now: float) -> None:
        """No good answer came: try again soon, but not beyond half an interval."""
        self.last_error = why
        again = now + RETRY_SECONDS
        if self._attempt < ATTEMPTS and again < self._begun_at + self.interval / 2:
            self.due_at = again
        else:
            self._rest()

    def _succeeded(self, wall: float) -> None:
        self.greeted = True
        self.last_ok_at, self.last_error = wall, None

    def _rest(self) -> None:
        self._attempt = 0
        self.due_at = self._begun_at + self.interval


def body(
    agent_id: str, pending: dict[str, Any], aggregates: dict[str, Any], greeted: bool
) -> bytes:
    """Return the request body: 1.x's fields, `system_info` until a beat has succeeded."""
    beat: dict[str, Any] = {
        "agent_id": agent_id,
        "agent_version": __version__,
        "agent_stats": {"snapshot": pending, "aggregate": aggregates},
    }
    if not greeted:
        beat["system_info"] = _system_info()
    return json.dumps(beat, separators=(",", ":"), sort_keys=True).encode()


def snapshot(delivery: Delivery, wall: float) -> dict[str, Any]:
    """Return what is pending and throttled; wall is the time of day in seconds."""
    lanes = [lane for lane in delivery.lanes.values() if lane.pending]
    found: dict[str, Any] = {}
    if lanes:
        found["pending_events"] = {
            "count": delivery.pending,
            "oldest_age_secs": max(_age(lane.pending[0], wall) for lane in lanes),
            "newest_age_secs": min(_age(lane.pending[-1], wall) for lane in lanes),
            "service_keys_count": len(lanes),
        }
    throttled = sum(lane.attempts > 0 for lane in lanes)
    if throttled:
        found["throttled_service_keys_count"] = throttled
    return found


def _age(name: str, wall: float) -> int:
    at = queued_at(name)
    return 0 if at is None else max(0, int(wall - at))


def _system_info() -> dict[str, str]:
    system = os.uname()
    return {
        "platform_name": sys.platform,
        "platform_release": system.release,
        "platform_version": system.version,
        "platform_machine": system.machine,
        "python_version": platform.python_version(),
        "host_name": _host_name(),
    }


def _host_name() -> str:
    try:
        return socket.getfqdn()
    except UnicodeError:  # Linux takes 64 characters, a label of a domain name 63
        return socket.gethostname()
