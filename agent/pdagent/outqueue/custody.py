"""What pd-queue does to the queue, safely beside a running daemon.

The daemon reads a file once, just before sending it, and copes with files that are gone, so
everything here is plain renames and removals. Only the daemon moves files out of pdq by
sending them; what is moved into pdq it finds by the wake-up or its next look.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from pdagent.event import mask
from pdagent.files import remove
from pdagent.outqueue import layout
from pdagent.verdict import one_line

PENDING, SUCCESS, ERROR = "pending", "success", "error"
DIRECTORIES = {PENDING: layout.PDQ, SUCCESS: layout.SUC, ERROR: layout.ERR}

_ALERT_KEY = {"service_key": "incident_key", "routing_key": "dedup_key"}


class Entry(NamedTuple):
    """One event file: its state, name, key and the time in its name (seconds)."""

    state: str
    name: str
    key: str
    queued_at: float


class Retried(NamedTuple):
    """How many events of err were queued again, and how many a newer resolve kept there."""

    moved: int
    outdated: int


class Custody:
    """The queue below `directory` and the hold markers below `db`."""

    def __init__(self, directory: str, db: str) -> None:
        """Nothing is read yet."""
        self.directory = directory
        self._db = db

    def path(self, entry: Entry) -> str:
        """Return where an entry is."""
        return os.path.join(self.directory, DIRECTORIES[entry.state], entry.name)

    def entries(self, *states: str, key: str | None = None) -> Iterator[Entry]:
        """Yield the events in these states in the order of their names, of one key if given.

        Badly named files and a neighbour's directories are passed over. Raises OSError when a
        directory cannot be listed.
        """
        for state in states or tuple(DIRECTORIES):
            with os.scandir(os.path.join(self.directory, DIRECTORIES[state])) as found:
                names = sorted(
                    item.name for item in found if not item.is_dir(follow_symlinks=False)
                )
            for name in names:
                parsed = layout.parse(name)
                if parsed and key in (None, parsed[1]):
                    yield Entry(state, name, parsed[1], parsed[0] / 1e6)

    def counts(self, key: str | None = None) -> dict[str, dict[str, int]]:
        """Return for each integration key, sorted, how many events are in each state."""
        found: dict[str, dict[str, int]] = {}
        for entry in self.entries(key=key):
            states = found.setdefault(entry.key, dict.fromkeys(DIRECTORIES, 0))
            states[entry.state] += 1
        return dict(sorted(found.items()))

    def find(self, name: str, key: str | None = None) -> Entry | None:
        """Return the entry of this file name, wherever it is; the log's masked name does, too.

        Raises OSError when a directory cannot be listed: who may not look has found nothing out.
        """
        base = os.path.basename(name)
        named = (one for one in self.entries(key=key) if base in (one.name, masked_name(one.name)))
        return next(named, None)

    def body(self, entry: Entry) -> dict[str, Any] | None:
        """Return the event's JSON object, None when it is none or gone."""
        return read_object(self.path(entry))

    def reason(self, entry: Entry) -> dict[str, Any] | None:
        """Return why an event is in err, None when nothing is known (1.x stored nothing)."""
        return read_object(os.path.join(self.directory, layout.ERR, layout.reason_name(entry.name)))

    def retry(self, key: str | None = None) -> Retried:
        """Put events of err back into pdq under their names, so in their old order.

        One whose alert has a newer resolve, pending or delivered, stays: sent now it would
        open an incident again that is over.
        """
        moved = outdated = 0
        resolved = self._resolved(key)
        for entry in self.entries(ERROR, key=key):
            alert = _alert(self.body(entry))
            if alert and entry.name < resolved.get((entry.key, alert), ""):
                outdated += 1
                continue
            moved += self._queue_again(entry)
        return Retried(moved, outdated)

    def remove(self, entry: Entry) -> bool:
        """Remove an event and its reason; False when it was gone already."""
        removed = _unlink(self.path(entry))
        if removed and entry.state == ERROR:
            self._remove_reason(entry)
        return removed

    def hold(self, key: str = "") -> None:
        """Have the daemon stop sending, for one key or all, until `release`."""
        path = os.path.join(self._db, layout.hold_name(key))
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))

    def release(self, key: str = "") -> bool:
        """Let the daemon send again; without key everything. False when nothing was held."""
        names = [layout.hold_name(key)] if key else self._markers()
        return sum(_unlink(os.path.join(self._db, name)) for name in names) > 0

    def held(self) -> list[str]:
        """Return the held keys, "" standing for all of them."""
        return sorted(name[len(layout.HOLD) + 1 :] for name in self._markers())

    def _markers(self) -> list[str]:
        marker = layout.hold_name()
        return [
            name for name in os.listdir(self._db) if name == marker or name.startswith(marker + ".")
        ]

    def _resolved(self, key: str | None) -> dict[tuple[str, str], str]:
        """Return the newest pending or delivered resolve of each alert, by file name.

        Only what is newer than the oldest event of err of its key matters, which spares
        reading most of suc.
        """
        oldest: dict[str, str] = {}
        for entry in self.entries(ERROR, key=key):
            oldest.setdefault(entry.key, entry.name)
        found: dict[tuple[str, str], str] = {}
        for entry in self.entries(PENDING, SUCCESS, key=key):
            if entry.name <= oldest.get(entry.key, "~"):
                continue
            body = self.body(entry)
            alert = _alert(body)
            if alert and _action(body) == "resolve":
                slot = (entry.key, alert)
                found[slot] = max(found.get(slot, ""), entry.name)
        return found

    def _queue_again(self, entry: Entry) -> bool:
        """Move an event back; one whose name is pending already stays.

        Not by a hard link, which the daemon would take for a neighbour's.
        """
        target = os.path.join(self.directory, layout.PDQ, entry.name)
        if os.path.lexists(target):
            return False
        try:
            os.rename(self.path(entry), target)
        except FileNotFoundError:
            return False
        self._remove_reason(entry)
        return True

    def _remove_reason(self, entry: Entry) -> None:
        remove(os.path.join(self.directory, layout.ERR, layout.reason_name(entry.name)))


def _unlink(path: str) -> bool:
    """Remove a file; False when it was gone already. Raises OSError when it stays."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def read_object(path: str) -> dict[str, Any] | None:
    """Return the JSON object in a file, None when it is none, gone, or a neighbour's trap."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            value = json.loads(file.read(layout.MAX_EVENT_BYTES + 1)) if is_file else None
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def masked_name(name: str) -> str:
    """Return a file name fit for logs and terminals: its key by the last characters only."""
    parsed = layout.parse(name)
    if parsed is None:
        return one_line(name, 80)
    return f"{name.partition('_')[0]}_{mask(parsed[1])}.txt"


def masked_body(body: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an event's body with its integration key masked."""
    return {
        field: mask(value) if field in _ALERT_KEY and isinstance(value, str) else value
        for field, value in body.items()
    }


def _action(body: dict[str, Any] | None) -> Any:
    return body and (body.get("event_type") or body.get("event_action"))


def _alert(body: dict[str, Any] | None) -> str:
    for key_field, alert_field in _ALERT_KEY.items():
        if body and key_field in body and isinstance(body.get(alert_field), str):
            return str(body[alert_field])
    return ""
