"""Why an event went to err, for the submitter who waits for it: run_dir/answers.

run_dir lies in memory, and any local user may have events refused by the thousand, so only
the latest answers are kept, and none for long.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import Any

from pdagent.files import remove, write_json

KEEP_SECONDS = 600.0
KEEP = 1000
"""Answers that are there at once; each takes a page of memory."""


class Answers:
    """The answers in `directory`, which users may enter, not list. `put` needs no lock."""

    def __init__(self, directory: str) -> None:
        """Nothing is read; what a killed daemon left is for `sweep`."""
        self._directory = directory
        self._latest: deque[str] = deque()

    def put(self, name: str, record: dict[str, Any]) -> None:
        """Write one under a file name of its own; raises OSError."""
        self._latest.append(name)
        if len(self._latest) > KEEP:
            remove(os.path.join(self._directory, self._latest.popleft()))
        write_json(os.path.join(self._directory, name), record, 0o644)

    def sweep(self, now: float) -> None:
        """Remove those that nobody waits for any more; `now` is wall-clock seconds.

        Raises OSError when they cannot be listed.
        """
        for name in os.listdir(self._directory):
            path = os.path.join(self._directory, name)
            with contextlib.suppress(FileNotFoundError):  # `put` may have removed it meanwhile
                if now - os.lstat(path).st_mtime > KEEP_SECONDS:
                    remove(path)
