"""Submit: put one event on disk so that it survives whatever comes next.

The file is written and synced in tmp, then linked into pdq, so that the daemon never sees half
an event, and no existing event is ever replaced. Nothing here lists a directory: ordinary users
may create files in tmp and pdq and no more.
"""

from __future__ import annotations

import errno
import os
import time

from pdagent.outqueue import layout, ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pdagent.settings import Settings

COULD_NOT = 1
REFUSED = 3

_MIB = 1024 * 1024
_NAME_TRIES = 100
# Left for the rest of the host where the file system counts inodes.
MIN_FREE_INODES = 100


class SubmitError(Exception):
    """The event was not accepted; nothing of it is in the queue.

    `exit_code` is COULD_NOT, or REFUSED where a limit of size or disk space was reached.
    """

    def __init__(self, message: str, exit_code: int = COULD_NOT) -> None:
        """Keep the message, which says what happened, where, and what to do."""
        super().__init__(message)
        self.exit_code = exit_code


class Limits:
    """When to refuse: bytes waiting in pdq, and bytes left free on its file system (0: any)."""

    __slots__ = ("max_queue_bytes", "min_free_bytes", "state_file")

    def __init__(self, max_queue_bytes: int, min_free_bytes: int, state_file: str = "") -> None:
        """Set the two bounds; `state_file` is where the daemon publishes what it counted."""
        self.max_queue_bytes = max_queue_bytes
        self.min_free_bytes = min_free_bytes
        self.state_file = state_file

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the limits that the settings ask for."""
        return cls(settings.max_queue_mb * _MIB, settings.min_free_mb * _MIB, settings.state_file)


def submit(
    queue: str,
    key: str,
    body: bytes,
    *,
    limits: Limits,
    wake_fifo: str = "",
    clock: Callable[[], int] = time.time_ns,
) -> str:
    """Queue `body` for integration key `key` in the outqueue directory `queue`.

    Returns the event's file name once the file and its entry in pdq are synced to disk.
    `clock` counts nanoseconds since 1970. Raises SubmitError.
    """
    try:
        _check_room(queue, len(body), limits)
        name = _store(queue, key, body, clock)
    except OSError as error:
        raise _explain(error, queue) from error
    wake(wake_fifo)
    return name


def _store(queue: str, key: str, body: bytes, clock: Callable[[], int]) -> str:
    try:
        return _store_once(queue, key, body, clock)
    except FileNotFoundError:
        # When the wall clock jumps ahead, clean-up may take the draft for an old one.
        return _store_once(queue, key, body, clock)


def _store_once(queue: str, key: str, body: bytes, clock: Callable[[], int]) -> str:
    fd, draft = _create_draft(os.path.join(queue, layout.TMP), key, clock)
    try:
        _write_all(fd, body)
        os.fsync(fd)
        return _publish(queue, key, fd, draft, len(body), clock)
    finally:
        layout.close(fd)
        _remove(draft)


def _create_draft(directory: str, key: str, clock: Callable[[], int]) -> tuple[int, str]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for attempt in range(_NAME_TRIES):
        path = os.path.join(directory, layout.name(clock() // 1000 + attempt, key))
        try:
            fd = os.open(path, flags, layout.EVENT_MODE)
        except FileExistsError:
            continue
        return fd, path
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), directory)


def _write_all(fd: int, body: bytes) -> None:
    """Write all of `body` and give the file its mode whatever the caller's umask is."""
    rest = memoryview(body)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.fchmod(fd, layout.EVENT_MODE)


def _publish(queue: str, key: str, fd: int, draft: str, size: int, clock: Callable[[], int]) -> str:
    """Link the draft into pdq under a fresh name, and sync that."""
    directory = os.path.join(queue, layout.PDQ)
    for _ in range(_NAME_TRIES):
        name = layout.name(ledger.reserve(queue, size, clock), key)
        entry = os.path.join(directory, name)
        try:
            os.link(draft, entry)
        except OSError as error:
            ledger.add(queue, -size)
            if error.errno == errno.EEXIST:
                continue
            raise
        try:
            _sync_entry(directory, fd)
        except BaseException:  # an interrupt too must not leave what was not accepted
            _remove(entry)
            ledger.add(queue, -size)
            raise
        return name
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), directory)


def _sync_entry(directory: str, fd: int) -> None:
    """Make the new link durable.

    Who may not list pdq cannot open it to sync it either. Syncing the file does it then: the
    link changed the inode, so its journal transaction, which holds the directory entry too, is
    forced out (ext4, XFS, Btrfs and F2FS alike).
    """
    try:
        directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        os.fsync(fd)
        return
    try:
        os.fsync(directory_fd)
    finally:
        layout.close(directory_fd)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # the daemon's clean-up takes what stays in tmp


def wake(fifo: str) -> None:
    """Tell a running daemon to look now; without one there is nobody to tell."""
    try:
        fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, b"\n")
    except OSError:
        return  # full: the daemon has been told already
    finally:
        layout.close(fd)


def _check_room(queue: str, size: int, limits: Limits) -> None:
    disk = os.statvfs(queue)
    floor = limits.min_free_bytes
    if floor and disk.f_bavail * disk.f_frsize - size < floor:
        raise SubmitError(
            f"Event refused: less than {floor // _MIB} MiB free at {queue} (min_free_mb);"
            " free some disk space",
            REFUSED,
        )
    if floor and disk.f_files and disk.f_favail < MIN_FREE_INODES:
        raise SubmitError(
            f"Event refused: fewer than {MIN_FREE_INODES} inodes free at {queue}"
            " (min_free_mb); remove some files",
            REFUSED,
        )
    if ledger.queued_bytes(queue) + size > limits.max_queue_bytes:
        _confirm_full(queue, size, limits)


def _confirm_full(queue: str, size: int, limits: Limits) -> None:
    """Refuse, unless a count that no neighbour can forge says that there is room."""
    from pdagent.outqueue import usage

    counted = usage.counted_bytes(queue, limits.state_file)
    if counted is None or counted + size > limits.max_queue_bytes:
        raise SubmitError(
            f"Event refused: {limits.max_queue_bytes // _MIB} MiB wait in {queue}/{layout.PDQ}"
            " already (max_queue_mb); see pd-doctor why nothing is sent",
            REFUSED,
        )


_PERMISSIONS = "Can't write to directory {}, please check permissions"
# errno -> what is wrong and what to do; "{}" is the directory.
_HINTS = {
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: _PERMISSIONS,
    errno.ENOENT: "Can't find directory {}; start pdagent once or reinstall it",
    errno.ENOSPC: "No room at {}; free some disk space",
    errno.EDQUOT: "No room at {}; free some disk space or raise the quota",
    errno.EFBIG: "The file size limit is too small (see ulimit -f)",
}


def _explain(error: OSError, queue: str) -> SubmitError:
    path = error.filename2 or error.filename or queue
    directory = os.path.dirname(path) if path.endswith(".txt") else path
    hint = _HINTS.get(error.errno or 0, "Can't write to directory {}; see pd-doctor")
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return SubmitError(
        f"Event not queued: {hint.format(directory)} ({error.strerror})",
        REFUSED if full else COULD_NOT,
    )
