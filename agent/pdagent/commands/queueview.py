"""What pd-queue shows: the table of keys, lists, single events."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from typing import Any

from pdagent.commands.console import COULD_NOT, DONE, complain
from pdagent.commands.parser import without_keys
from pdagent.doctor.daemonfacts import lock_holder
from pdagent.event import mask
from pdagent.outqueue import layout
from pdagent.outqueue.custody import (
    DIRECTORIES,
    ERROR,
    PENDING,
    Custody,
    Entry,
    masked_body,
    masked_name,
)
from pdagent.outqueue.inbox import wake
from pdagent.settings import Settings
from pdagent.state import iso, read_state

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

_ROW = "%-35s%10s%10s%10s"
_HEADER = _ROW % ("Service Key", "Pending", "Success", "In Error")


class Context:
    """What a sub-command works with."""

    def __init__(self, options: argparse.Namespace, loaded: Settings) -> None:
        """Open nothing yet."""
        self.options = options
        self.settings = loaded
        self.queue = Custody(loaded.outqueue_dir, loaded.db_dir)
        self.key: str | None = options.service_key

    def state(self) -> dict[str, Any]:
        """Return what the daemon says of itself, {} without one."""
        return read_state(self.settings.state_file)

    def wake(self) -> None:
        """Have the daemon look at once."""
        wake(self.settings.wake_fifo)


def status(context: Context) -> int:
    """Print the table of keys, once or every two seconds."""
    while True:
        if context.options.watch and not context.options.json:
            sys.stdout.write("\033[H\033[2J")
        _print_status(context)
        if not context.options.watch:
            return DONE
        sys.stdout.flush()
        time.sleep(2)


def _print_status(context: Context) -> None:
    counts = context.queue.counts(context.key)
    if context.options.json:
        print(json.dumps(_status_document(context, counts), sort_keys=True))
        return
    if not counts:
        print("Nothing to report.")
    else:
        print(_HEADER)
        print("=" * 65)
        for key, states in counts.items():
            print(_ROW % (key, *states.values()))
    if sys.stdout.isatty():
        for line in _remarks(context, counts):
            print(line)


def _status_document(context: Context, counts: dict[str, dict[str, int]]) -> dict[str, Any]:
    state = context.state()
    names = ("held", "held_keys", "network", "lanes", "last_success", "last_error", "written_at")
    return {
        "schema": 1,
        "keys": [{"key": key, **states} for key, states in counts.items()],
        "totals": _totals(counts),
        "oldest_pending_at": iso(_oldest(context)),
        "daemon": {name: state.get(name) for name in names} if state else None,
    }


def _totals(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    return {state: sum(states[state] for states in counts.values()) for state in DIRECTORIES}


def _oldest(context: Context) -> float | None:
    first = next(context.queue.entries(PENDING, key=context.key), None)
    return first.queued_at if first else None


def _remarks(context: Context, counts: dict[str, dict[str, int]]) -> list[str]:
    """What a person wants to know beyond the table of 1.x."""
    totals, oldest = _totals(counts), _oldest(context)
    lines = [""]
    if counts:
        keys = "1 key" if len(counts) == 1 else f"{len(counts)} keys"
        lines.append(_ROW % (keys, *totals.values()))
    if oldest is not None:
        lines.append(f"Oldest pending event: {_age(time.time() - oldest)} old")
    held = context.queue.held()
    if held:
        lines.append("Held: " + ", ".join(mask(key) if key else "everything" for key in held))
    if not lock_holder(os.path.join(context.settings.outqueue_dir, layout.LOCK)):
        return [*lines, "pdagentd is not running: nothing is sent"]
    return [*lines, *_obstacles(context.state())]


def _obstacles(state: dict[str, Any]) -> list[str]:
    """What the daemon, which runs, is waiting for."""
    lines = []
    for lane in state.get("lanes") or []:
        if lane["state"] in ("throttled", "backing_off"):
            reason = f": {lane['reason']}" if lane["reason"] else ""
            lines.append(f"{lane['key']} {lane['state']}{reason}, next {lane['retry_at']}")
    network = state.get("network") or {}
    if network.get("up") is False:
        lines.append(f"PagerDuty is out of reach since {network['since']}: {network['reason']}")
    return lines


def _age(seconds: float) -> str:
    for unit, size in reversed(UNITS.items()):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


# --- list and show


def list_events(context: Context) -> int:
    """Print one line an event."""
    found = [_summary(context, entry) for entry in chosen(context)]
    if context.options.json:
        print(json.dumps({"schema": 1, "events": found}, sort_keys=True))
        return DONE
    for event in found:
        # To the minute, so that a line with a key of 32 characters fits a terminal of 80.
        minute = re.sub(r":\d\dZ$", "Z", event["queued_at"])
        print("{state:<7} {minute:<17} {name}  {reason}".format(minute=minute, **event).rstrip())
    return DONE


def _summary(context: Context, entry: Entry) -> dict[str, Any]:
    reason = context.queue.reason(entry) if entry.state == ERROR else None
    return {
        "state": entry.state,
        "queued_at": iso(entry.queued_at) or "?",
        "name": entry.name,
        "key": entry.key,
        "reason": str((reason or {}).get("message") or ""),
    }


def show(context: Context) -> int:
    """Print one event with all that is known about it."""
    entry = context.queue.find(context.options.name, context.key)
    if entry is None:
        complain(f"pd-queue: no event {without_keys(context.options.name)}; see pd-queue list")
        return COULD_NOT
    body = context.queue.body(entry)
    open_keys = context.options.show_keys
    shown = {
        "schema": 1,
        "name": entry.name if open_keys else masked_name(entry.name),
        "state": entry.state,
        "queued_at": iso(entry.queued_at),
        "body": body if open_keys or body is None else masked_body(body),
        **_last_answer(context, entry),
    }
    print(json.dumps(shown, indent=None if context.options.json else 2, sort_keys=True))
    return DONE


def _last_answer(context: Context, entry: Entry) -> dict[str, Any]:
    """Return attempts and the last answer, from the reason file or from the daemon."""
    if entry.state == ERROR:
        reason = context.queue.reason(entry) or {}
        reason.pop("event", None)  # the file name again, with its key
        return {"attempts": reason.get("attempts"), "last_answer": reason or None}
    if entry.state != PENDING:
        return {"attempts": None, "last_answer": None}
    ahead = [one for one in context.queue.entries(PENDING, key=entry.key) if one.name < entry.name]
    lanes = context.state().get("lanes") or []
    lane: dict[str, Any] = next((one for one in lanes if one["key"] == mask(entry.key)), {})
    # Only the first of a key is ever tried; the others wait for what it waits for.
    return {
        "attempts": 0 if ahead else lane.get("attempts", 0),
        "last_answer": None if ahead else lane.get("reason"),
        "ahead": len(ahead),
        "lane": {name: lane.get(name) for name in ("state", "attempts", "reason", "retry_at")},
    }


def chosen(context: Context, default: tuple[str, ...] = ()) -> list[Entry]:
    """Return the events that --state, --older-than and -k choose."""
    options = context.options
    before = time.time() - options.older_than if options.older_than is not None else None
    return [
        entry
        for entry in context.queue.entries(*(options.state or default), key=context.key)
        if before is None or entry.queued_at < before
    ]
