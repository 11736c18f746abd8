"""The state of alerts, by integration key and dedup key.

Rules (Events API v2 pages, "Alert De-Duplication" and "Event Action"): follow-ups
apply only within the same integration key and dedup key; a trigger without a dedup
key opens a new alert under a generated one; a trigger while an alert is open is
added to it; an acknowledge or resolve without an open alert is dropped; after a
resolve the next trigger opens a new alert.
"""

from __future__ import annotations

import uuid
from typing import Any

_STATE_AFTER = {"acknowledge": "acknowledged", "resolve": "resolved"}


class Alerts:
    """Every alert seen, open or resolved."""

    def __init__(self) -> None:
        self._alerts: dict[str, dict[str, dict[str, Any]]] = {}

    def apply(
        self, key: str, action: str, dedup_key: str | None, *, at: float, n: int
    ) -> tuple[str, str]:
        """Apply one accepted event; returns its dedup key and what became of it.

        The outcome is ``opened``, ``updated``, ``acknowledged``, ``resolved`` or
        ``dropped``. ``at`` is the epoch in seconds, ``n`` the request's number.
        """
        dedup_key = dedup_key or uuid.uuid4().hex
        alerts = self._alerts.setdefault(key, {})
        alert = alerts.get(dedup_key)
        is_open = alert is not None and alert["state"] != "resolved"
        if action != "trigger" and not is_open:
            outcome = "dropped"
        elif action == "trigger":
            outcome = "updated" if is_open else "opened"
        else:
            outcome = _STATE_AFTER[action]
        if alert is None and outcome != "dropped":
            alert = alerts[dedup_key] = {"state": "triggered", "history": []}
        if alert is not None:
            alert["state"] = _next_state(alert["state"], outcome)
            alert["history"].append({"at": at, "n": n, "action": action, "outcome": outcome})
        return dedup_key, outcome

    def snapshot(self) -> dict[str, dict[str, dict[str, Any]]]:
        """All alerts as ``{key: {dedup_key: {"state", "history"}}}``."""
        return {key: dict(alerts) for key, alerts in self._alerts.items()}


def _next_state(state: str, outcome: str) -> str:
    # A repeated trigger leaves an acknowledged alert acknowledged.
    return {"opened": "triggered", "updated": state, "dropped": state}.get(outcome, outcome)
