"""Follow one's own event through the queue with an ordinary user's rights.

Such a user may look up a known name in pdq, and no more. Where the event has gone when it has
left pdq shows in two places. Before it goes to err the daemon puts its reason into
run_dir/answers, where who knows the name can read it. And the kernel tells the present path of a
file that one keeps open, also in a directory that one may not enter.
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
            layout.close(self._fd)

    def look(self) -> tuple[str, dict[str, Any]]:
        """Return what has become of the event, and the daemon's record if it was refused."""
        if self._is_pending():
            return QUEUED, {}
        record = self._refusal()
        if record is not None:
            return REFUSED, record
        return self._outcome_by_path(), {}

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

    def _is_pending(self) -> bool:
        try:
            os.lstat(self._entry)
        except FileNotFoundError:
            return False
        except OSError:
            return True  # cannot be looked up, so nothing better is known
        return True

    def _outcome_by_path(self) -> str:
        """Tell by where the open file is now; without one or without /proc it was accepted.

        That is the likely case: a refusal without an answer needs a failing run_dir.
        """
        if self._fd < 0:
            return ACCEPTED
        if os.fstat(self._fd).st_nlink == 0:
            return REMOVED
        try:
            path = os.readlink(f"/proc/self/fd/{self._fd}")
        except OSError:
            return ACCEPTED
        return REFUSED if os.path.basename(os.path.dirname(path)) == layout.ERR else ACCEPTED

    def _refusal(self) -> dict[str, Any] | None:
        try:
            with open(self._answer, "rb") as file:
                record = json.load(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}
