"""pd-queue: see what is in the queue, and put it right."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from pdagent import __version__, settings
from pdagent.commands.usage import Parser
from pdagent.event import mask
from pdagent.outqueue.custody import DIRECTORIES, ERROR, PENDING, Custody, Entry, masked_body
from pdagent.outqueue.inbox import wake
from pdagent.state import iso, read_state

DONE, COULD_NOT, USAGE = 0, 1, 2

_ROW = "%-35s%10s%10s%10s"
_HEADER = _ROW % ("Service Key", "Pending", "Success", "In Error")
_CONFIG_HELP = "settings file (or PDAGENT_CONFIG; default: /etc/pdagent.conf)"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Context:
    """What a sub-command works with."""

    def __init__(self, options: argparse.Namespace, loaded: settings.Settings) -> None:
        """Open nothing yet."""
        self.options = options
        self.settings = loaded
        self.queue = Custody(loaded.outqueue_dir, loaded.db_dir)
        self.key: str | None = options.service_key

    def state(self) -> dict[str, Any]:
        """Return what the daemon says of itself, {} without one."""
        return read_state(self.settings.state_file) or {}

    def wake(self) -> None:
        """Have the daemon look at once."""
        wake(self.settings.wake_fifo)


def main(argv: Sequence[str] | None = None) -> int:
    """Run pd-queue; returns its exit code."""
    _open_closed_streams()
    line = parser()
    options = line.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may hold what the locale has not
        sys.stdout.reconfigure(errors="backslashreplace")
    if not options.run:
        line.error("too few arguments")
    try:
        loaded = settings.load(options.config or os.environ.get("PDAGENT_CONFIG", ""))
        code = int(options.run(Context(options, loaded)))
        sys.stdout.flush()
        return code
    except settings.SettingsError as exc:
        _complain(f"{exc}\n{settings.AGENT_WILL_QUIT}")
    except PermissionError as exc:
        _complain(
            f"Can't read directory {exc.filename}, please check permissions\n"
            "(pd-queue needs the rights of root or pdagent: try sudo)"
        )
    except FileNotFoundError as exc:
        _complain(f"pd-queue: no {exc.filename}: start pdagent once, or name its --config")
    except BrokenPipeError:  # the reader has seen enough
        _give_up_output()
        return DONE
    except OSError as exc:
        _complain(f"pd-queue: {exc.filename or 'standard output'}: {exc.strerror}")
        if exc.filename is None:
            _give_up_output()
    except KeyboardInterrupt:
        return DONE
    return COULD_NOT


def _open_closed_streams() -> None:
    """Give closed streams, which are None, to /dev/null: printing then needs no care."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - kept


def _give_up_output() -> None:
    """Let what is still buffered go: the interpreter would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = Parser(prog="pd-queue", description="See and mend the queue.")
    made.add_argument("--version", action="version", version=f"pd-queue {__version__}")
    made.add_argument("--config", metavar="FILE", help=_CONFIG_HELP)
    made.set_defaults(run=None)
    commands = made.add_subparsers(title="commands", metavar="COMMAND")
    for name, (run, text, options) in _COMMANDS.items():
        sentence = text[0].upper() + text[1:] + "."
        command = commands.add_parser(name, help=text, description=sentence)
        command.set_defaults(run=run)
        scope = "this integration key (or say -a)" if _ALL in options else "only this key"
        command.add_argument("-k", "--service-key", metavar="KEY", help=scope)
        # Also after the sub-command; what was given before it is not undone.
        command.add_argument(
            "--config", metavar="FILE", default=argparse.SUPPRESS, help=_CONFIG_HELP
        )
        for flags, details in options:
            command.add_argument(*flags, **details)
    return made


# --- status


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
    totals, oldest, state = _totals(counts), _oldest(context), context.state()
    lines = [""]
    if counts:
        lines.append(_ROW % (f"{len(counts)} keys", *totals.values()))
    if oldest is not None:
        lines.append(f"Oldest pending event: {_age(time.time() - oldest)} old")
    for lane in state.get("lanes") or []:
        if lane["state"] in ("throttled", "backing_off"):
            lines.append(
                f"{lane['key']} {lane['state']}: {lane['reason']}, next {lane['retry_at']}"
            )
    held = context.queue.held()
    if held:
        lines.append("Held: " + ", ".join(mask(key) if key else "everything" for key in held))
    network = state.get("network") or {}
    if network.get("up") is False:
        lines.append(f"PagerDuty is out of reach since {network['since']}: {network['reason']}")
    return lines


def _age(seconds: float) -> str:
    for unit, size in reversed(_UNITS.items()):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


# --- list and show


def list_events(context: Context) -> int:
    """Print one line an event."""
    found = [_summary(context, entry) for entry in _chosen(context)]
    if context.options.json:
        print(json.dumps({"schema": 1, "events": found}, sort_keys=True))
        return DONE
    for event in found:
        print("{state:<8} {queued_at:<21} {name}  {reason}".format(**event).rstrip())
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
    entry = context.queue.find(context.options.name)
    if entry is None:
        _complain(f"pd-queue: no event {context.options.name}; see pd-queue list")
        return COULD_NOT
    body = context.queue.body(entry)
    open_keys = context.options.show_keys
    shown = {
        "schema": 1,
        "name": entry.name if open_keys else entry.name.replace(entry.key, mask(entry.key)),
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
    lanes = context.state().get("lanes") or []
    first = next(context.queue.entries(PENDING, key=entry.key), None)
    if entry.state == PENDING and first and first.name == entry.name:
        for lane in lanes:
            if lane["key"] == mask(entry.key):
                return {"attempts": lane["attempts"], "last_answer": lane["reason"]}
    return {"attempts": 0 if entry.state == PENDING else None, "last_answer": None}


# --- retry, purge, hold, release


def retry(context: Context) -> int:
    """Queue events of err again."""
    if not context.key and not context.options.all_keys:
        return _usage("A specific service key or a flag for all keys required")
    if context.key and context.options.all_keys:
        return _usage("Only one of specific service key or flag for all keys required")
    done = context.queue.retry(context.key)
    context.wake()
    print(f"{done.moved} event(s) set up for retry.")
    if done.outdated:
        print(
            f"{done.outdated} event(s) left in err: a newer resolve of the same alert has been "
            "queued, and sending them now would open the incident again."
        )
    return DONE


def purge(context: Context) -> int:
    """Remove events for good, having said which."""
    options = context.options
    if not context.key and not options.all_keys:
        return _usage("A specific service key or a flag for all keys required")
    chosen = list(_chosen(context, default=(PENDING,)))
    print(f"{len(chosen)} event(s) to remove: {_breakdown(chosen)}")
    if options.dry_run or not chosen:
        return DONE
    if not options.yes and not _confirmed():
        return COULD_NOT
    removed = sum(context.queue.remove(entry) for entry in chosen)
    context.wake()
    print(f"{removed} event(s) removed.")
    return DONE


def _breakdown(entries: list[Entry]) -> str:
    counts: dict[str, int] = {}
    for entry in entries:
        slot = f"{entry.state} of {mask(entry.key)}"
        counts[slot] = counts.get(slot, 0) + 1
    return ", ".join(f"{count} {slot}" for slot, count in sorted(counts.items())) or "none"


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        _complain("pd-queue: nothing removed: say --yes where no terminal can be asked")
        return False
    return input("Remove them? [y/N] ").strip().lower() in ("y", "yes")


def hold(context: Context) -> int:
    """Stop sending without stopping the daemon."""
    context.queue.hold(context.key or "")
    context.wake()
    print(f"Held: {_scope(context)}. Events are kept until pd-queue release.")
    return DONE


def release(context: Context) -> int:
    """Send again."""
    found = context.queue.release(context.key or "")
    context.wake()
    print(f"Released: {_scope(context)}." if found else "Nothing was held.")
    return DONE


def _scope(context: Context) -> str:
    return mask(context.key) if context.key else "all keys"


def _chosen(context: Context, default: tuple[str, ...] = ()) -> list[Entry]:
    options = context.options
    before = time.time() - options.older_than if options.older_than is not None else None
    return [
        entry
        for entry in context.queue.entries(*(options.state or default), key=context.key)
        if before is None or entry.queued_at < before
    ]


def _duration(text: str) -> float:
    """Read 90, 90s, 30m, 12h, 7d or 2w as seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        return float(number) * _UNITS[unit]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no age: write 90s, 30m, 12h or 7d") from None


def _usage(message: str) -> int:
    _complain(f"pd-queue: error: {message}")
    return USAGE


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")


_FLAG: dict[str, Any] = {"action": "store_true"}
_JSON = (("--json",), {**_FLAG, "help": "print JSON"})
_ALL = (("-a", "--all-keys"), {**_FLAG, "help": "all integration keys"})
_STATE = (
    ("--state",),
    {"action": "append", "choices": tuple(DIRECTORIES), "help": "only this state (repeatable)"},
)
_AGE = (
    ("--older-than",),
    {"type": _duration, "metavar": "AGE", "help": "only events queued longer ago (90s, 12h, 7d)"},
)
_COMMANDS: dict[str, tuple[Any, str, tuple[Any, ...]]] = {
    "status": (
        status,
        "count the events of each key",
        (_JSON, (("--watch",), {**_FLAG, "help": "print again every two seconds"})),
    ),
    "list": (list_events, "list events, one a line", (_JSON, _STATE, _AGE)),
    "show": (
        show,
        "show one event: body, state, attempts, last answer",
        (
            (("name",), {"metavar": "FILE", "help": "file name as pd-queue list prints it"}),
            (("--show-keys",), {**_FLAG, "help": "print integration keys in full"}),
            _JSON,
        ),
    ),
    "retry": (retry, "send events again that PagerDuty refused", (_ALL,)),
    "purge": (
        purge,
        "remove events for good (pending ones unless --state says otherwise)",
        (
            _ALL,
            _STATE,
            _AGE,
            (("--yes",), {**_FLAG, "help": "do not ask"}),
            (("--dry-run",), {**_FLAG, "help": "only say what would be removed"}),
        ),
    ),
    "hold": (hold, "keep events back until release", ()),
    "release": (release, "send held events", ()),
}
