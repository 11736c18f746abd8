"""Everything that arrived, in order, for tests to look at and to wait for."""

from __future__ import annotations

import collections
import threading
import time
from typing import Any

Entry = dict[str, Any]


class Recorder:
    """Requests and accepted events; thread-safe, bounded by ``keep`` entries each."""

    def __init__(self, keep: int) -> None:
        self._changed = threading.Condition()
        self._requests: collections.deque[Entry] = collections.deque(maxlen=keep)
        self._events: collections.deque[Entry] = collections.deque(maxlen=keep)
        self._counts = {"connections": 0, "handshakes": 0, "requests": 0, "events": 0}

    def connection(self) -> int:
        """Count a new connection; returns its number."""
        return self._count("connections")

    def handshake(self) -> None:
        """Count a completed TLS handshake."""
        self._count("handshakes")

    def request(self, entry: Entry) -> Entry:
        """Keep a request, numbered from 1 in order of arrival; returns the entry."""
        with self._changed:
            entry["n"] = self._count("requests")
            self._requests.append(entry)
        return entry

    def event(self, entry: Entry) -> None:
        """Keep an accepted event."""
        with self._changed:
            self._count("events")
            self._events.append(entry)

    def requests(self, *, since: int = 0, path: str | None = None) -> list[Entry]:
        """The requests numbered above ``since``, of this path if one is given."""
        with self._changed:
            return [
                dict(one)
                for one in self._requests
                if one["n"] > since and path in (None, one["path"])
            ]

    def events(self, **wanted: str | None) -> list[Entry]:
        """Accepted events whose fields (``key``, ``dedup_key``) have these values."""
        with self._changed:
            return [
                one
                for one in self._events
                if all(value in (None, one[field]) for field, value in wanted.items())
            ]

    def counts(self) -> dict[str, int]:
        """How many connections, handshakes, requests and events there have been."""
        with self._changed:
            return dict(self._counts)

    def wait_for(self, wanted: dict[str, int], timeout: float) -> dict[str, int]:
        """Block until every count has reached the wanted one, or ``timeout`` seconds pass."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while any(self._counts[name] < least for name, least in wanted.items()):
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            return dict(self._counts)

    def _count(self, name: str) -> int:
        with self._changed:
            self._counts[name] += 1
            self._changed.notify_all()
            return self._counts[name]
