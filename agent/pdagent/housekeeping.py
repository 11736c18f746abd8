"""Expire what is old: suc and err after cleanup_threshold_secs, leftovers in tmp likewise.

pdq is never touched: what has not been sent is not old. When space is short, delivered
events go first, whatever their age.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import NamedTuple

from pdagent.files import remove
from pdagent.outqueue import layout
from pdagent.outqueue.outbox import reason_name

MIB = 1024 * 1024

_BATCH = 1000
_SWEPT = (layout.TMP, layout.SUC, layout.ERR)


class Swept(NamedTuple):
    """How many files of each directory were removed."""

    tmp: int
    suc: int
    err: int


def sweep(queue: str, threshold: float, now: float) -> Swept:
    """Remove expired files below the queue directory; now is wall-clock seconds.

    Raises OSError when a directory cannot be listed.
    """
    return Swept(*(_sweep(os.path.join(queue, name), threshold, now) for name in _SWEPT))


def _sweep(directory: str, threshold: float, now: float) -> int:
    old = (path for path, age in _ages(directory, now) if age > threshold)
    return _remove_all(
        path
        for path in old
        if not any(_is_fresh(other, threshold, now) for other in _companions(path))
    )


def _companions(path: str) -> tuple[str, ...]:
    """Return what goes together with `path`: an event of err and its reason, either way.

    Somebody should still see an old event that came to err lately, and why it is there even
    if the clock was wrong when the reason was written.
    """
    stem, suffix = os.path.splitext(path)
    owners = (stem, f"{stem}.txt") if suffix == ".json" else ()
    return (reason_name(path), *owners)


def _is_fresh(path: str, threshold: float, now: float) -> bool:
    try:
        return _age(path, os.lstat(path), now) <= threshold
    except OSError:
        return False


def make_room(queue: str, least_free: int) -> int:
    """Remove delivered events, the oldest first, until so many bytes are free.

    Returns how many were removed. Raises OSError when suc cannot be listed.
    """
    directory = os.path.join(queue, layout.SUC)
    removed = 0
    names: list[str] = []
    while free_bytes(queue) < least_free:
        if not names:
            names = sorted(os.listdir(directory), reverse=True)
            if not names:
                break
        for _ in range(min(_BATCH, len(names))):
            remove(os.path.join(directory, names.pop()))
            removed += 1
        if not names:
            break
    return removed


def free_bytes(path: str) -> int:
    """Return the bytes that ordinary users may still write at path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _ages(directory: str, now: float) -> Iterator[tuple[str, float]]:
    """Yield path and age in seconds of each file; directories of hostile users are left."""
    with os.scandir(directory) as entries:
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield entry.path, _age(entry.path, found, now)


def _age(path: str, found: os.stat_result, now: float) -> float:
    """Return the seconds since a file was queued, or written if its name does not say."""
    queued_at = layout.queued_at(os.path.basename(path))
    named = found.st_mtime if queued_at is None else queued_at
    # Name and mtime are the submitter's word; a date in the future is a lie or a clock that
    # was wrong, and the inode's own time then decides.
    return now - (named if named <= now else found.st_ctime)


def _remove_all(paths: Iterator[str]) -> int:
    removed = 0
    for number, path in enumerate(list(paths), 1):
        removed += remove(path)
        if number % _BATCH == 0:
            time.sleep(0.01)  # let the workers have the disk and the interpreter
    return removed
