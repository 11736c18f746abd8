"""What submitters share without being able to list the queue: the last name given, the size.

One line of two 16-digit numbers in outqueue/ledger: the time in the last name given
(microseconds) and the bytes waiting in pdq. Every submitter adds to it; the daemon, which can
list the queue, sets the bytes right. Anybody may write to it, so nothing here is believed
blindly: a time far ahead is ignored, and a full queue is confirmed elsewhere (see inbox).
A missing or damaged ledger is no error: names then follow the clock alone.
"""

from __future__ import annotations

import os
import time

from pdagent.outqueue import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# How far behind the last name given a clock may be and the order still hold: steps of a day
# either way are bridged, a name from a wrong year does not push all later ones there.
MAX_LEAD_US = 2 * 86400 * 1_000_000
_LOCK_TRIES = 20
_LINE_LENGTH = 2 * 16 + 2


def reserve(queue: str, size: int, clock: Callable[[], int]) -> int:
    """Note `size` more bytes in `queue` and return the time for a name, in microseconds.

    It is the clock's (nanoseconds), or just after the last time given where the clock
    has gone back.
    """
    with _Ledger(queue) as ledger:
        now = clock() // 1000
        last, queued = ledger.read()
        given = max(now, last + 1) if last <= now + MAX_LEAD_US else now
        ledger.write(given, queued + size)
    return given


def add(queue: str, size: int) -> None:
    """Note `size` more bytes (less, if negative) in `queue`."""
    with _Ledger(queue) as ledger:
        last, queued = ledger.read()
        ledger.write(last, max(0, queued + size))


def correct(queue: str, queued: int) -> None:
    """Set the bytes waiting in `queue` to what the daemon counted."""
    with _Ledger(queue) as ledger:
        ledger.write(ledger.read()[0], queued)


def queued_bytes(queue: str) -> int:
    """Return the bytes said to wait in `queue`."""
    with _Ledger(queue) as ledger:
        return ledger.read()[1]


class _Ledger:
    """The open file. The lock is waited for briefly: a neighbour who keeps it stops nobody."""

    def __init__(self, queue: str) -> None:
        self._path = os.path.join(queue, layout.LEDGER)
        self._fd = -1

    def __enter__(self) -> _Ledger:
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return self
        for _ in range(_LOCK_TRIES):
            try:
                os.lockf(self._fd, os.F_TLOCK, 0)
                break
            except OSError:
                time.sleep(0.001)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            layout.close(self._fd)

    def read(self) -> tuple[int, int]:
        try:
            last, queued = os.pread(self._fd, _LINE_LENGTH, 0).split()
            return int(last), int(queued)
        except (OSError, ValueError):
            return 0, 0

    def write(self, last: int, queued: int) -> None:
        try:
            os.pwrite(self._fd, b"%016d %016d\n" % (last, queued), 0)
        except OSError:
            return
