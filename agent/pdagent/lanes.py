"""Lanes, one an integration key, and the line of those that may send.

The containers of `delivery`, which decides; like it they have no clock and no lock.
"""

from __future__ import annotations

from collections import deque

HISTORY = 20
"""Attempts remembered for the reason file of a quarantined event."""


class Lane:
    """The events of one integration key and what its head has been through."""

    def __init__(self, key: str, *, known: bool = False) -> None:
        """Start empty and ready; PagerDuty has accepted events of a `known` key."""
        self.key = key
        self.known = known
        self.pending: deque[str] = deque()
        self.queued = False  # in the ready line, in the waiting heap or parked
        self.busy = False
        self.retry_at = 0.0
        self.attempts = 0  # since the head became the head; paces the back-off
        self.doubts = 0  # those that may be the event's own fault
        self.confirmations = 0  # doubts while other requests succeeded
        self.proofs_seen = 0
        self.reason = ""
        self.history: deque[tuple[float, str]] = deque(maxlen=HISTORY)

    def add(self, names: list[str]) -> None:
        """Take in sorted names; normally all of them are newer than what is there."""
        if self.pending and names[0] < self.pending[-1]:
            if not self.busy and names[0] < self.pending[0]:
                self.forget_failures()
            head = [self.pending.popleft()] if self.busy else []
            self.pending = deque(head + sorted([*self.pending, *names]))
        else:
            self.pending.extend(names)

    def forget_failures(self) -> None:
        """Start the count anew: another event is the head now. A wait goes on."""
        self.attempts = self.doubts = self.confirmations = 0
        self.reason = ""
        self.history.clear()


class ReadyLine:
    """The lanes that may send, those of known keys and all others taking turns.

    Any local user can make up keys by the thousand: half of the requests stay with keys that
    PagerDuty has accepted events of.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._lines: tuple[deque[Lane], deque[Lane]] = (deque(), deque())
        self._next = 0

    def __bool__(self) -> bool:
        """Whether a lane may send."""
        return any(self._lines)

    def append(self, lane: Lane) -> None:
        """Put a lane behind the others of its kind."""
        self._lines[lane.known].append(lane)

    def appendleft(self, lane: Lane) -> None:
        """Put a lane before the others of its kind."""
        self._lines[lane.known].appendleft(lane)

    def popleft(self) -> Lane:
        """Take the lane whose turn it is; raises IndexError when there is none."""
        self._next = 1 - self._next
        return (self._lines[self._next] or self._lines[1 - self._next]).popleft()
