"""pd-queue: see what is in the queue, and put it right."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from collections.abc import Sequence
from typing import Any

from pdagent import __version__, settings, submission
from pdagent.commands.console import COULD_NOT, DONE, INTERRUPTED, complain
from pdagent.commands.options import CONFIG
from pdagent.commands.parser import USAGE, Parser
from pdagent.commands.queueview import UNITS, Context, chosen, list_events, show, status
from pdagent.event import EventError, check_key, mask
from pdagent.outqueue.custody import DIRECTORIES, PENDING, Entry


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
        loaded = submission.settings_for(options.config)
        code = int(options.run(Context(options, loaded)))
        sys.stdout.flush()
        return code
    except settings.SettingsError as exc:
        complain(f"{exc}\n{settings.AGENT_WILL_QUIT}")
    except PermissionError as exc:
        complain(
            f"Can't {_barred(exc.filename)} {exc.filename}, please check permissions\n"
            "(pd-queue needs the rights of root or pdagent: try sudo)"
        )
    except FileNotFoundError as exc:
        complain(f"pd-queue: no {exc.filename}: start pdagent once, or name its --config")
    except BrokenPipeError:  # the reader has seen enough
        _give_up_output()
        return DONE
    except OSError as exc:
        complain(f"pd-queue: {exc.filename or 'standard output'}: {exc.strerror}")
        if exc.filename is None:
            _give_up_output()
    except EventError as error:
        return _usage(str(error))
    except KeyboardInterrupt:
        return DONE if getattr(options, "watch", False) else _interrupted()
    return COULD_NOT


def _barred(path: str) -> str:
    """Say what pd-queue may not do: only directories are read, only files in them changed."""
    return "read directory" if os.path.basename(path) in DIRECTORIES.values() else "change"


def _open_closed_streams() -> None:
    """Give closed streams, which are None, to /dev/null: printing then needs no care."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - kept


def _interrupted() -> int:
    complain("pd-queue: interrupted")
    return INTERRUPTED


def _give_up_output() -> None:
    """Let what is still buffered go: the interpreter would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = Parser(prog="pd-queue", description="See and mend the queue.")
    made.add_argument("--version", action="version", version=f"pd-queue {__version__}")
    made.add_argument("--config", metavar="FILE", help=CONFIG.help)
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
            "--config", metavar="FILE", default=argparse.SUPPRESS, help=CONFIG.help
        )
        for flags, details in options:
            command.add_argument(*flags, **details)
    return made


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
    entries = list(chosen(context, default=(PENDING,)))
    print(f"{len(entries)} event(s) to remove: {_breakdown(entries)}")
    if options.dry_run or not entries:
        return DONE
    if not options.yes and not _confirmed():
        return COULD_NOT
    removed = sum(context.queue.remove(entry) for entry in entries)
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
        complain("pd-queue: nothing removed: say --yes where no terminal can be asked")
        return False
    print("Remove them? [y/N] ", end="", flush=True)
    if sys.stdin.buffer.readline().strip().lower() in (b"y", b"yes"):
        return True
    complain("pd-queue: nothing removed")
    return False


def hold(context: Context) -> int:
    """Stop sending without stopping the daemon."""
    context.queue.hold(_named_key(context))
    context.wake()
    print(f"Held: {_scope(context)}. Events are kept until pd-queue release.")
    return DONE


def release(context: Context) -> int:
    """Send again."""
    found = context.queue.release(_named_key(context))
    context.wake()
    print(f"Released: {_scope(context)}." if found else "Nothing was held.")
    return DONE


def _named_key(context: Context) -> str:
    """Return the key of -k, "" without it: one that a script left empty stands for no key."""
    if context.key is None:
        return ""
    check_key("argument -k/--service-key", context.key)
    return context.key


def _scope(context: Context) -> str:
    return mask(context.key) if context.key else "all keys"


def _duration(text: str) -> float:
    """Read 90, 90s, 30m, 12h, 7d or 2w as seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    try:
        seconds = float(number) * UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no age: write 90s, 30m, 12h or 7d")
    return seconds


def _usage(message: str) -> int:
    complain(f"pd-queue: error: {message}")
    return USAGE


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
