"""What the daemon remembers and what it tells: db/backoff, db/aggregates, run_dir/state.json.

The two files in db are 1.x's, in its format, so that an upgrade (and a way back) keeps
counters and back-offs. The state file describes the running daemon to pd-queue, pd-doctor
and monitoring; keys are masked in it because every local user may read it.
"""

from __future__ import annotations

import json
import time
from typing import Any

from pdagent.delivery import Backoff, Delivery
from pdagent.event import mask
from pdagent.files import write_json
from pdagent.lanes import Lane
from pdagent.outqueue.layout import queued_at
from pdagent.verdict import Verdict

SCHEMA = 1

MAX_LANES = 100
"""Lanes listed in the state file, the longest first; the totals count all."""


def iso(seconds: float | None) -> str | None:
    """Return wall-clock seconds as YYYY-MM-DDThh:mm:ssZ, None for None."""
    if seconds is None:
        return None
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):  # a file name may hold any number
        return None


class Memory:
    """The files db/backoff and db/aggregates below `directory`."""

    def __init__(self, directory: str) -> None:
        """Nothing is read yet."""
        self._backoff = f"{directory}/backoff"
        self._aggregates = f"{directory}/aggregates"
        self._saved: dict[str, Any] = {}

    def load_backoff(self, now: float) -> Backoff:
        """Return the back-off of each key; what is damaged counts as absent.

        1.x stored no doubts: it counted a dead network like a bad event.
        """
        stored = _load(self._backoff)
        attempts = _numbers(stored.get("attempts"), int)
        doubts = _numbers(stored.get("doubts"), int)
        retries = _numbers(stored.get("next_retries"), (int, float))
        return Backoff(attempts, doubts, {key: at - now for key, at in retries.items()})

    def save_backoff(self, backoff: Backoff, now: float) -> None:
        """Store it, unless nothing changed; waits become wall-clock times as in 1.x."""
        attempts, doubts, waits = backoff
        if self._saved.get("attempts") == attempts:
            return
        retries = {key: int(now + wait) for key, wait in waits.items()}
        document = {"attempts": attempts, "doubts": doubts, "next_retries": retries}
        write_json(self._backoff, document, 0o640)
        self._saved["attempts"] = attempts

    def load_aggregates(self) -> dict[str, Any]:
        """Return the counters since `started_on`; damaged ones start anew."""
        stored = _load(self._aggregates)
        counters = _numbers(stored, int)
        started_on = stored.get("started_on")
        return {
            "started_on": started_on if isinstance(started_on, str) else iso(time.time()),
            "successful_events_count": counters.get("successful_events_count", 0),
            "failed_events_count": counters.get("failed_events_count", 0),
        }

    def save_aggregates(self, aggregates: dict[str, Any]) -> None:
        """Store them, unless nothing changed."""
        if self._saved.get("aggregates") != aggregates:
            write_json(self._aggregates, aggregates, 0o640)
            self._saved["aggregates"] = dict(aggregates)


def _load(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            value = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _numbers(value: Any, kinds: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    return {
        key: number
        for key, number in value.items()
        if isinstance(number, kinds) and not isinstance(number, bool)
    }


def read_state(path: str) -> dict[str, Any]:
    """Return the state file of a daemon, {} when there is none or it cannot be read."""
    return _load(path)


def oldest(lanes: list[Lane]) -> float | None:
    """Return when the oldest pending event was queued (wall-clock seconds), by its name."""
    heads = [queued_at(lane.pending[0]) for lane in lanes if lane.pending]
    return min((at for at in heads if at is not None), default=None)


def describe_lanes(delivery: Delivery, now: float, wall: float) -> list[dict[str, Any]]:
    """Return the state of the busiest lanes; now is monotonic, wall the time of day."""
    lanes = [lane for lane in delivery.lanes.values() if lane.pending]
    lanes.sort(key=lambda lane: len(lane.pending), reverse=True)
    return [_describe_lane(delivery, lane, now, wall) for lane in lanes[:MAX_LANES]]


def _describe_lane(delivery: Delivery, lane: Lane, now: float, wall: float) -> dict[str, Any]:
    waiting = lane.retry_at > now
    return {
        "key": mask(lane.key),
        "pending": len(lane.pending),
        "oldest_at": iso(oldest([lane])),
        "state": lane_state(delivery, lane),
        "attempts": lane.attempts,
        "retry_at": iso(wall + lane.retry_at - now) if waiting else None,
        "reason": lane.reason or None,
    }


def lane_state(delivery: Delivery, lane: Lane) -> str:
    """Return ready, backing_off, throttled or held."""
    if delivery.held_all or lane.key in delivery.held_keys:
        return "held"
    if not lane.attempts:
        return "ready"
    return "throttled" if lane.reason == "throttled" else "backing_off"


def describe_network(delivery: Delivery, now: float, wall: float) -> dict[str, Any]:
    """Return whether PagerDuty is within reach, since when, and why not."""
    trouble = delivery.trouble
    up = delivery.reachable
    return {
        "up": up,
        "since": iso(wall - (now - delivery.reachable_since)),
        "reason": trouble.reason if trouble is not None and not up else None,
    }


def describe_error(key: str, verdict: Verdict, wall: float) -> dict[str, Any]:
    """Return the state file's last_error."""
    return {
        "at": iso(wall),
        "key": mask(key),
        "reason": verdict.reason,
        "detail": verdict.detail,
        "status": verdict.status,
    }
