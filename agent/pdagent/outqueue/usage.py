"""How full the queue is, by a count that no neighbour can forge. Slow: only asked when in doubt."""

from __future__ import annotations

import json
import os
import time

from pdagent.outqueue import layout, ledger


def counted_bytes(queue: str, state_file: str) -> int | None:
    """Return the bytes waiting in pdq as counted here, else by a living daemon, else None.

    Counting needs the right to list pdq, which root and the daemon's user have; the ledger is
    then set right too.
    """
    try:
        with os.scandir(os.path.join(queue, layout.PDQ)) as entries:
            counted = sum(weight(entry.stat(follow_symlinks=False).st_size) for entry in entries)
    except OSError:
        return _bytes_in_state(state_file)
    ledger.correct(queue, counted)
    return counted


def weight(size: int) -> int:
    """Return what a file of this size counts: what is no event cannot fill the queue."""
    return min(size, layout.MAX_EVENT_BYTES)


def _bytes_in_state(path: str) -> int | None:
    """Return pending.bytes of the daemon's state, or None unless it is fresh."""
    try:
        with open(path, "rb") as file:
            age = time.time() - os.fstat(file.fileno()).st_mtime
            state = json.load(file)
            counted = state["pending"]["bytes"]
            # Written every send_interval_secs: three missed turns mean that nobody counts.
            fresh = age < 3 * state["send_interval_secs"] + 5
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return counted if fresh and isinstance(counted, int) else None
