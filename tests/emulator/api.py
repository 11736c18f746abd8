"""The service behind the sockets: which endpoint does what with a request."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Callable, NamedTuple

from tests.emulator import answers, validation
from tests.emulator.alerts import Alerts
from tests.emulator.answers import Answer
from tests.emulator.faults import FaultPlan
from tests.emulator.recorder import Entry, Recorder
from tests.emulator.throttle import Throttle

HEARTBEAT_PATH = "/agent/2014-03-14/heartbeat"


class Endpoint(NamedTuple):
    """One event endpoint: field names, rules and status codes of its API version."""

    kind: str
    key_field: str
    action_field: str
    dedup_field: str
    errors: Callable[[dict[str, Any]], list[str]]
    accepted: int
    throttled: int
    unparsable: str


# v1 is throttled with 403 by its own pages, v2 with 429.
ENDPOINTS = {
    "/generic/2010-04-15/create_event.json": Endpoint(
        "v1", "service_key", "event_type", "incident_key",
        validation.v1_errors, 200, 403, "unrecognized object",
    ),
    "/v2/enqueue": Endpoint(
        "v2", "routing_key", "event_action", "dedup_key",
        validation.v2_errors, 202, 429, "Unrecognized object",
    ),
    "/v2/change/enqueue": Endpoint(
        "change", "routing_key", "", "",
        validation.change_errors, 202, 429, "Unrecognized object",
    ),
}  # fmt: skip


class PagerDuty:
    """Alert state, throttle, faults and records of one emulator; thread-safe."""

    def __init__(self, *, per_minute: int | None, heartbeat_interval_secs: int, keep: int) -> None:
        self._defaults = (per_minute, heartbeat_interval_secs, keep)
        self._lock = threading.Lock()
        self.faults = FaultPlan()
        self.reset()

    def reset(self) -> None:
        """Forget everything; default throttle, no faults."""
        per_minute, self.heartbeat_interval_secs, keep = self._defaults
        self.faults.clear()
        self.alerts = Alerts()
        self.throttle = Throttle(per_minute)
        self.recorder = Recorder(keep)

    def answer(self, entry: Entry) -> Answer:
        """The proper answer to a recorded request; applies and records an accepted event."""
        path, method = entry["path"].partition("?")[0], entry["method"]
        endpoint = ENDPOINTS.get(path)
        is_heartbeat = path == HEARTBEAT_PATH or path.startswith(HEARTBEAT_PATH + "/")
        if endpoint is None and not is_heartbeat:
            return answers.other(404)
        allowed = ("GET", "POST") if is_heartbeat else ("POST",)
        if method not in allowed:
            return answers.other(405, Allow=", ".join(allowed))
        if endpoint is None:
            return self._heartbeat(entry)
        return self._event(endpoint, entry)

    def _heartbeat(self, entry: Entry) -> Answer:
        if entry["method"] == "POST" and not isinstance(entry["body"], dict):
            return answers.other(400)
        return Answer(200, {"heartbeat_interval_secs": self.heartbeat_interval_secs})

    def _event(self, endpoint: Endpoint, entry: Entry) -> Answer:
        if entry["raw_size"] > validation.MAX_BODY_BYTES:
            limit = validation.MAX_BODY_BYTES
            return answers.refused([f"Event is larger than {limit} bytes"], status=413)
        event = entry["body"]
        if not isinstance(event, dict):
            return answers.unparsable(endpoint.unparsable)
        errors = endpoint.errors(event)
        if errors:
            return answers.refused(errors)
        key, now = event[endpoint.key_field], time.monotonic()
        with self._lock:
            if not self.throttle.admit(key, now):
                return answers.throttled(endpoint.throttled, self.throttle.headers(key, now))
            return self._take(endpoint, key, event, entry)

    def _take(self, endpoint: Endpoint, key: str, event: dict[str, Any], entry: Entry) -> Answer:
        """Apply and record a valid event."""
        keys, outcome, action = {}, "recorded", "change"
        if endpoint.kind != "change":
            action = event[endpoint.action_field]
            dedup_key, outcome = self.alerts.apply(
                key, action, event.get(endpoint.dedup_field), at=entry["at"], n=entry["n"]
            )
            keys = {endpoint.dedup_field: dedup_key}
        self.recorder.event(
            {
                "n": entry["n"],
                "at": entry["at"],
                "at_ns": entry["at_ns"],
                "kind": endpoint.kind,
                "key": key,
                "action": action,
                "dedup_key": next(iter(keys.values()), None),
                "outcome": outcome,
                "body": event,
            }
        )
        return answers.accepted(endpoint.accepted, **keys)


def integration_key(entry: Entry) -> str | None:
    """The key a request speaks for, if its body shows one."""
    body = entry["body"]
    if not isinstance(body, dict):
        return None
    key = body.get("routing_key") or body.get("service_key")
    return key if isinstance(key, str) else None


def parse_body(raw: bytes) -> Any:
    """The JSON in a request's body; None when there is none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
