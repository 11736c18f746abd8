"""What the daemon tells of itself: state file, metrics, status line, and what outlives it."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from pdagent import __version__, metrics, state
from pdagent.event import mask
from pdagent.files import write_json, write_text
from pdagent.heartbeat import Heartbeat
from pdagent.outqueue import ledger
from pdagent.outqueue.outbox import Outbox
from pdagent.sender import Sender
from pdagent.settings import Settings

logger = logging.getLogger("pdagent.reporter")


class Reporter:
    """Describes what the parts have come to; `write` is called from one thread.

    `loaded_at` and `cleaned_at` are when the configuration was read and when the last clean-up
    ended (wall-clock seconds), `aggregates` the counters since `started_on`, as in 1.x.
    """

    def __init__(
        self,
        sender: Sender,
        outbox: Outbox,
        beat: Heartbeat,
        memory: state.Memory,
        agent_id: str,
    ) -> None:
        """Take up the counters where the daemon before left them; nothing is written yet."""
        self._sender, self._delivery, self._outbox = sender, sender.delivery, outbox
        self._beat, self._memory, self._agent_id = beat, memory, agent_id
        self._started_at = self.loaded_at = time.time()
        self.cleaned_at: float | None = None
        self.aggregates = memory.load_aggregates()
        self._counted = (0, 0)
        self._reported: Any = None
        self._complaint = ""

    @property
    def has_news(self) -> bool:
        """Whether there is something to tell that the last `write` has not."""
        return bool(self._reported != self._figures())

    def status(self) -> str:
        """Return the line that systemctl status shows, for sd_notify."""
        counts, error = self._delivery.counts, self._sender.last_error
        text = f"STATUS={self._delivery.pending} pending, {counts['sent']} sent"
        if self._delivery.held_all:
            text += ", held"
        return text + (f", last error {error['at']}: {error['detail']}" if error else "")

    def write(self, settings: Settings, now: float) -> None:
        """Write all files; `now` is monotonic seconds. What cannot be written is logged."""
        self._reported = self._figures()
        wall = time.time()
        with self._sender.lock:
            document = self._describe(settings, now, wall)
            backoff = self._delivery.remember(now)
            figures = self._render_metrics(document, wall)
        self._count(document["counters"])
        try:
            write_json(settings.state_file, document, 0o644)
            if settings.metrics_file:
                write_text(settings.metrics_file, figures, 0o644)
            self._memory.save_backoff(backoff, wall)
            self._memory.save_aggregates(self.aggregates)
            ledger.correct(settings.outqueue_dir, document["pending"]["bytes"])
        except OSError as exc:
            self._complain(str(exc))
        else:
            self._complaint = ""

    def _complain(self, text: str) -> None:
        """Log what cannot be written when it is news, not once a second."""
        if text != self._complaint:
            logger.error("Cannot write the state: %s", text)
        self._complaint = text

    def _count(self, counters: dict[str, int]) -> None:
        counted = counters["sent"], counters["refused"] + counters["quarantined"]
        for field, new, old in zip(
            ("successful_events_count", "failed_events_count"), counted, self._counted
        ):
            self.aggregates[field] += new - old
        self._counted = counted

    def _figures(self) -> tuple[Any, ...]:
        delivery = self._delivery
        return (
            delivery.pending,
            tuple(delivery.counts.values()),
            sum(delivery.retried.values()),
            self._sender.set_aside,
            delivery.reachable,
            delivery.held_all,
            delivery.held_keys,
        )

    def _describe(self, settings: Settings, now: float, wall: float) -> dict[str, Any]:
        delivery, sender, beat = self._delivery, self._sender, self._beat
        lanes = list(delivery.lanes.values())
        return {
            "schema": state.SCHEMA,
            "version": __version__,
            "pid": os.getpid(),
            "started_at": state.iso(self._started_at),
            "written_at": state.iso(wall),
            "config_file": settings.path,
            "config_loaded_at": state.iso(self.loaded_at),
            "agent_id": self._agent_id,
            "send_interval_secs": settings.send_interval_secs,
            "held": delivery.held_all,
            "held_keys": sorted(mask(key) for key in delivery.held_keys),
            "counters": {
                **delivery.counts,
                "set_aside": sender.set_aside,
                "retried": dict(delivery.retried),
            },
            "pending": {
                "count": delivery.pending,
                "bytes": self._outbox.queued_bytes,
                "oldest_at": state.iso(state.oldest(lanes)),
            },
            "last_success": sender.last_success,
            "last_error": sender.last_error,
            "network": state.describe_network(delivery, now, wall),
            "lanes": state.describe_lanes(delivery, now, wall),
            "heartbeat": {
                "enabled": settings.heartbeat_enabled,
                "last_ok_at": state.iso(beat.last_ok_at),
                "last_error": beat.last_error,
                "interval_secs": int(beat.interval),
            },
            "cleanup": {"last_at": state.iso(self.cleaned_at)},
        }

    def _render_metrics(self, document: dict[str, Any], wall: float) -> str:
        lanes = list(self._delivery.lanes.values())
        throttled = sum(state.lane_state(self._delivery, lane) == "throttled" for lane in lanes)
        oldest = state.oldest(lanes)
        age = max(0.0, wall - oldest) if oldest is not None else 0.0
        return metrics.render(document, throttled, age, self._sender.latency)
