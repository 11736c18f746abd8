"""The rate limit: so many accepted events a minute for each integration key.

PagerDuty documents "approximately 120 calls/minute per integration key", counted
over the 60 seconds that end now (Events API Rate Limits).
"""

from __future__ import annotations

import collections
import math

WINDOW_SECS = 60.0


class Throttle:
    """A sliding window for each key.

    ``per_minute`` None lifts the limit; ``announce`` adds the headers of PagerDuty's
    REST API (``ratelimit-*``) and Retry-After, which the Events API pages do not
    promise and a client should use when they are there.
    """

    def __init__(self, per_minute: int | None, *, announce: bool = False) -> None:
        self.per_minute = per_minute
        self.announce = announce
        self._accepted: dict[str, collections.deque[float]] = {}

    def admit(self, key: str, now: float) -> bool:
        """Count one call for the key at monotonic time ``now``; False when over the limit."""
        if self.per_minute is None:
            return True
        window = self._accepted.setdefault(key, collections.deque())
        while window and window[0] <= now - WINDOW_SECS:
            window.popleft()
        if len(window) >= self.per_minute:
            return False
        window.append(now)
        return True

    def headers(self, key: str, now: float) -> dict[str, str]:
        """The headers that tell a refused client when to come back."""
        if not self.announce:
            return {}
        window = self._accepted.get(key)
        oldest = window[0] if window else now - WINDOW_SECS
        wait = str(max(1, math.ceil(oldest + WINDOW_SECS - now)))
        return {
            "ratelimit-limit": str(self.per_minute),
            "ratelimit-remaining": "0",
            "ratelimit-reset": wait,
            "Retry-After": wait,
        }
