"""How full the queue is, by a count that no neighbour can forge. Slow: only asked when in doubt."""

from __future__ import annotations

import json
import os
import time

from pdagent.outqueue import layout

# A daemon writes its state at least every send_interval_secs, whose upper bound this is.
_FRESH_SECS = 3600


def published_bytes(queue: str, state_file: str) -> int | None:
    """Return the bytes waiting in pdq as counted here, else by a living daemon, else None.

    Counting needs the right to list pdq: root's and the daemon's user's.
    """
    try:
        with os.scandir(os.path.join(queue, layout.PDQ)) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return _bytes_in_state(state_file)


def _bytes_in_state(state_file: str) -> int | None:
    try:
        with open(state_file, "rb") as file:
            fresh = time.time() - os.fstat(file.fileno()).st_mtime < _FRESH_SECS
            queued = json.load(file)["pending"]["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return queued if fresh and isinstance(queued, int) else None
