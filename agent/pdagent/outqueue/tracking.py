"""Follow one's own event through the queue with an ordinary user's rights.

Such a user may look up a known name in pdq, and no more. What the name has left pdq for shows
in two places: before an event goes to err the daemon puts its reason into run_dir/answers, where
who knows the name can read it; and a file kept open still has a link after a move to suc, and
none once it was removed.
"""

from __future__ import annotations

import json
import os
import time

from pdagent.outqueue import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

QUEUED, ACCEPTED, REFUSED, REMOVED = "queued", "accepted", "refused", "removed"

_POLL_SECS = 0.05


class Tracker:
    """Watches the event `name` in `queue`; to be made right after its submit."""

    def __init__(self, queue: str, name: str, run_dir: str) -> None:
        """Open the event's file, if it is still in pdq."""
        self._entry = os.path.join(queue, layout.PDQ, name)
        self._answer = os.path.join(run_dir, layout.ANSWERS, layout.reason_name(name))
        try:
            self._fd = os.open(self._entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            self._fd = -1  # the daemon was faster

    def __enter__(self) -> Tracker:
        """Return the tracker; leaving the context closes the file."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)

    def look(self) -> tuple[str, dict[str, Any]]:
        """Return what has become of the event, and the daemon's record if it was refused."""
        if os.path.lexists(self._entry):
            return QUEUED, {}
        record = self._refusal()
        if record is not None:
            return REFUSED, record
        if self._fd >= 0 and os.fstat(self._fd).st_nlink == 0:
            return REMOVED, {}
        return ACCEPTED, {}

    def wait(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> tuple[str, dict[str, Any]]:
        """Look until the event has left the queue or `seconds` are over."""
        end = clock() + seconds
        outcome = self.look()
        while outcome[0] == QUEUED and clock() < end:
            sleep(min(_POLL_SECS, max(0.0, end - clock())))
            outcome = self.look()
        return outcome

    def _refusal(self) -> dict[str, Any] | None:
        try:
            with open(self._answer, "rb") as file:
                record = json.load(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}
