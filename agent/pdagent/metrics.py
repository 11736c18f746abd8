"""Figures for monitoring, as OpenMetrics text for node_exporter's textfile collector.

Names and units follow the OpenMetrics rules; times are seconds. No key appears.
"""

from __future__ import annotations

from typing import Any

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
"""Upper bounds in seconds: milliseconds on a good day, an hour after an outage."""


class Latency:
    """A histogram of the seconds from submit to PagerDuty's yes."""

    def __init__(self) -> None:
        """Start empty."""
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one delivery; a clock that went backwards counts as no time."""
        seconds = max(0.0, seconds)
        self._counts[sum(seconds > bound for bound in BUCKETS)] += 1
        self._sum += seconds

    def lines(self, name: str) -> list[str]:
        """Return the samples of the histogram."""
        found, total = [], 0
        for bound, count in zip((*map(str, map(float, BUCKETS)), "+Inf"), self._counts):
            total += count
            found.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return [*found, f"{name}_count {total}", f"{name}_sum {self._sum:.6f}"]


def render(state: dict[str, Any], throttled: int, oldest_age: float, latency: Latency) -> str:
    """Return the metrics of a state document (see `state`); ages are in seconds."""
    counters = state["counters"]
    outcomes = ("sent", "refused", "quarantined", "set_aside")
    heartbeat_ok = state["heartbeat"]["last_error"] is None
    families: list[tuple[str, str, str, list[str]]] = [
        (
            "pdagent_build",
            "info",
            "The version of the agent.",
            [f'pdagent_build_info{{version="{state["version"]}"}} 1'],
        ),
        _gauge("pdagent_pending_events", "Events waiting in pdq.", state["pending"]["count"]),
        _gauge("pdagent_pending_bytes", "Bytes waiting in pdq.", state["pending"]["bytes"]),
        _gauge(
            "pdagent_oldest_pending_age_seconds",
            "Age of the oldest event in pdq, 0 without one.",
            round(oldest_age, 3),
        ),
        _gauge("pdagent_throttled_lanes", "Keys that PagerDuty throttles now.", throttled),
        _gauge("pdagent_held", "Whether sending is held (pd-queue hold).", int(state["held"])),
        _gauge(
            "pdagent_network_up",
            "Whether PagerDuty is within reach.",
            int(state["network"]["up"]),
        ),
        _gauge("pdagent_heartbeat_ok", "Whether the last heartbeat succeeded.", int(heartbeat_ok)),
        (
            "pdagent_events",
            "counter",
            "Events that left pdq, by outcome, since the agent started.",
            [f'pdagent_events_total{{outcome="{each}"}} {counters[each]}' for each in outcomes],
        ),
        (
            "pdagent_retries",
            "counter",
            "Attempts that failed and are repeated, by reason.",
            [
                f'pdagent_retries_total{{reason="{reason}"}} {count}'
                for reason, count in sorted(counters["retried"].items())
            ],
        ),
        (
            "pdagent_delivery_seconds",
            "histogram",
            "Time from submit to PagerDuty's acceptance.",
            latency.lines("pdagent_delivery_seconds"),
        ),
    ]
    lines = []
    for name, kind, text, samples in families:
        lines += [f"# TYPE {name} {kind}", f"# HELP {name} {text}", *samples]
    return "\n".join([*lines, "# EOF", ""])


def _gauge(name: str, text: str, value: float) -> tuple[str, str, str, list[str]]:
    return name, "gauge", text, [f"{name} {value}"]
