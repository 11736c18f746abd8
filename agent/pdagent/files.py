"""Small files that others read while we write them."""

from __future__ import annotations

import json
import os
from typing import Any


def write_json(path: str, value: dict[str, Any], mode: int) -> None:
    """Write a small JSON file in one go and atomically; raises OSError.

    Not synced: after a power failure such a file is made again or not missed.
    """
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n", mode)


def write_text(path: str, text: str, mode: int) -> None:
    """Replace the file at `path` by `text` so that a reader sees the old or the new whole.

    The draft is always a new file: err holds what neighbours named, and a FIFO of the draft's
    name would block whoever opens it.
    """
    draft = f"{path}.bak"
    remove(draft)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
            os.fchmod(fd, mode)
            file.write(text)
        os.rename(draft, path)
    except OSError:
        remove(draft)
        raise


def remove(path: str) -> bool:
    """Remove a file that may not be there; True when it was there and is gone."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
