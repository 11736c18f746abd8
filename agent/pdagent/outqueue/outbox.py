"""The daemon's side of the queue: what is pending, reading it safely, settling it.

Any local user may create entries in pdq, so nothing there is trusted: an entry is opened
without following links and without blocking, and what is not a regular file with a sound
event of the key in its name is *set aside* in err, with a reason beside it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from typing import Any, NamedTuple

from pdagent.event import EventError, kind_of
from pdagent.fieldrules import KEY_FIELD
from pdagent.files import remove, write_json
from pdagent.outqueue import layout
from pdagent.outqueue.usage import weight

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}
# What opening says about the entry itself; other errors are the system's and pass.
_ENTRY_ERRORS = {
    errno.ELOOP: "a symbolic link",
    errno.EMLINK: "a symbolic link",
    errno.ENXIO: "a socket or a device",
    errno.ENODEV: "a device",
    errno.EACCES: "not readable for the agent",
    errno.EPERM: "not readable for the agent",
}


class StrangeEntryError(Exception):
    """The entry is no event that could be sent; the text says what it is."""


class Scan(NamedTuple):
    """What changed in pdq since the last scan; `arrived` has sorted names by key."""

    arrived: dict[str, list[str]]
    foreign: list[str]
    vanished: set[str]


class Outbox:
    """The queue below `directory`. Scans come from one thread, the rest from any."""

    def __init__(self, directory: str) -> None:
        """Nothing is read before the first scan."""
        self._tmp, self._pdq, self._suc, self._err = (
            os.path.join(directory, name) for name in layout.STATES
        )
        self._known: dict[str, int] = {}  # name -> bytes, 0 until measured
        self._left: set[str] = set()  # settled since the current scan began
        self._owed: dict[str, str] = {}  # settled, but the file could not be moved yet

    @property
    def queued_bytes(self) -> int:
        """Bytes waiting in pdq, as of the last `measure`."""
        return sum(list(self._known.values()))

    def scan(self) -> Scan:
        """Look through pdq once and say what is new and what is gone.

        Name by name, as a list of 100,000 known names would take as much memory again.
        """
        self._left = set()
        known, left = self._known, self._left
        fresh, seen = [], 0
        with os.scandir(self._pdq) as entries:
            for entry in entries:
                if entry.name in known:
                    seen += 1
                elif entry.name not in left:
                    fresh.append(entry.name)
        vanished = self._vanished() if seen < len(known) else set()
        arrived: dict[str, list[str]] = {}
        foreign = []
        for name in sorted(fresh):
            parsed = layout.parse(name)
            known[name] = 0
            if parsed is None:
                foreign.append(name)
            else:
                arrived.setdefault(parsed[1], []).append(name)
        return Scan(arrived, foreign, vanished)

    def _vanished(self) -> set[str]:
        """Forget and return the known names that are not in pdq any more."""
        gone = set(self._known).difference(os.listdir(self._pdq))
        for name in gone:
            self._known.pop(name, None)
        return gone

    def measure(self, names: list[str]) -> None:
        """Look up the sizes of these entries, for `bytes`."""
        sizes: dict[int, int] = {}  # one int object a size: 100,000 events are alike
        for name in names:
            try:
                size = weight(os.lstat(os.path.join(self._pdq, name)).st_size)
            except OSError:
                continue
            if name in self._known:
                self._known[name] = sizes.setdefault(size, size)

    def read(self, name: str, key: str) -> tuple[str, bytes]:
        """Return (kind, body) of a pending event.

        Raises FileNotFoundError when it is gone, StrangeEntryError when it is no event of
        that key, other OSErrors as the system gives them.
        """
        try:
            fd = os.open(os.path.join(self._pdq, name), _FLAGS)
        except OSError as exc:
            if exc.errno in _ENTRY_ERRORS:
                raise StrangeEntryError(_ENTRY_ERRORS[exc.errno]) from None
            raise
        try:
            found = os.fstat(fd)
            self._check_file(name, found)
            body = _read_all(fd, found.st_size)
        finally:
            os.close(fd)
        return _check_body(body, key), body

    def settle(self, name: str, to: str) -> bool:
        """Move a pending event to suc or err; False when it was gone already.

        An event that cannot be moved (read-only or full file system) is remembered, so
        that it is not sent again; `settle_owed` tries once more. Raises OSError then.
        """
        try:
            self._move(name, name, to)
        except FileNotFoundError:
            if os.path.lexists(os.path.join(self._pdq, name)):
                self._owed[name] = to
                raise
            self._forget(name)
            return False
        except OSError:
            self._owed[name] = to
            raise
        self._forget(name)
        return True

    def settle_owed(self) -> None:
        """Try again to move what could not be moved; raises the first OSError."""
        for name, to in list(self._owed.items()):
            self.settle(name, to)
            del self._owed[name]

    def reject(self, name: str, reason: dict[str, Any]) -> str:
        """Move an entry to err with its reason beside it and return its name there.

        On a full disk it moves without: the log has the reason too. A directory is removed
        if it is empty and stays if not: clean-up could not remove it from err either.
        Raises FileNotFoundError when it is gone, OSError when it stays.
        """
        if stat.S_ISDIR(os.lstat(os.path.join(self._pdq, name)).st_mode):
            os.rmdir(os.path.join(self._pdq, name))
            self._forget(name)
            return name
        target = self._free_name(name)
        reason_file = os.path.join(self._err, reason_name(target))
        with contextlib.suppress(OSError):
            write_json(reason_file, {"schema": 1, "event": target, **reason}, 0o640)
        try:
            self._move(name, target, layout.ERR)
        except OSError:
            remove(reason_file)
            raise
        self._forget(name)
        return target

    def ignore(self, name: str) -> None:
        """Leave an entry where it is and never look at it again (until a restart)."""
        self._known[name] = 0

    def _check_file(self, name: str, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise StrangeEntryError(_KINDS.get(stat.S_IFMT(found.st_mode), "no file"))
        if found.st_size > layout.MAX_EVENT_BYTES:
            raise StrangeEntryError(
                f"too big: {found.st_size} bytes, the limit is {layout.MAX_EVENT_BYTES} bytes"
            )
        links = found.st_nlink
        if links > 2 or (links == 2 and not self._is_draft(name, found.st_ino)):
            raise StrangeEntryError("a hard link to a file elsewhere")

    def _is_draft(self, name: str, inode: int) -> bool:
        """Tell whether the further name is in tmp: a submit that is just ending, or died."""
        with os.scandir(self._tmp) as drafts:
            if any(draft.inode() == inode for draft in drafts):
                return True
        return os.lstat(os.path.join(self._pdq, name)).st_nlink == 1  # it has just ended

    def _move(self, name: str, target: str, to: str) -> None:
        source = os.path.join(self._pdq, name)
        directory = self._suc if to == layout.SUC else self._err
        os.rename(source, os.path.join(directory, target))

    def _forget(self, name: str) -> None:
        self._left.add(name)
        self._known.pop(name, None)

    def _free_name(self, name: str) -> str:
        """Return a name for err that replaces nothing and leaves room for ".json"."""
        raw = os.fsencode(name)
        stem = os.fsdecode(raw[:230]) if len(raw) > 240 else name
        target, number = stem, 1
        while self._is_taken(target):
            number += 1
            base, dot, suffix = stem.rpartition(".")
            target = f"{base}~{number}{dot}{suffix}" if dot else f"{stem}~{number}"
        return target

    def _is_taken(self, name: str) -> bool:
        """Tell whether err has this entry, or one whose reason file would be replaced.

        A reason file alone is what a crash between its writing and the move leaves behind.
        """
        stem = name[:-4] if name.endswith(".txt") else name
        return any(
            os.path.lexists(os.path.join(self._err, owner)) for owner in (stem, stem + ".txt")
        )


def reason_name(name: str) -> str:
    """Return the name of the reason file of an entry of err, whatever its name is."""
    return layout.reason_name(name) if name.endswith(".txt") else name + ".json"


def _read_all(fd: int, size: int) -> bytes:
    """Read at most one byte more than fstat said: the file may grow while we read."""
    pieces = []
    left = size + 1
    while left > 0:
        piece = os.read(fd, left)
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _check_body(body: bytes, key: str) -> str:
    """Return the kind of event, having made sure that it belongs to the key of its name."""
    try:
        event = json.loads(body)
        kind = kind_of(event)
    except UnicodeDecodeError:
        raise StrangeEntryError("not UTF-8 text") from None
    except EventError as exc:
        raise StrangeEntryError(str(exc)) from None
    except (ValueError, RecursionError):
        raise StrangeEntryError("empty" if not body else "not JSON") from None
    if event[KEY_FIELD[kind]] != key:
        raise StrangeEntryError("of another integration key than its name says")
    return kind
