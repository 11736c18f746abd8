"""What the submitting commands say, and how they end: never with a traceback."""

from __future__ import annotations

import os
import sys

from pdagent.event import MAX_BODY, Event, EventError
from pdagent.jsontext import clean, encode
from pdagent.outqueue.inbox import SubmitError
from pdagent.settings import AGENT_WILL_QUIT, SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    from pdagent.commands.options import Arguments, Command
    from pdagent.settings import Settings

DONE = 0
COULD_NOT = 1
INTERRUPTED = 130

# Escaped or spaced-out JSON may be longer than the body it stands for, but not without end.
MAX_INPUT = 8 * MAX_BODY


def say(text: str, end: str = "\n") -> None:
    """Print a line on standard output."""
    _write(sys.stdout, text, end)


def complain(text: str, end: str = "\n") -> None:
    """Print a line on standard error."""
    _write(sys.stderr, text, end)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a person watches `stream`."""
    return stream is not None and stream.isatty()


def run(command: Command, argv: list[str], work: Callable[[Arguments], int]) -> int:
    """Parse `argv`, do the `work`, turn its errors into one message and an exit code.

    A wrong argument ends the process with usage and exit code 2, as argparse does.
    """
    args = command.parse(argv)
    try:
        return work(args)
    except EventError as error:
        command.usage_error(str(error))
    except SettingsError as error:
        complain(f"{error}\n{AGENT_WILL_QUIT}")
    except SubmitError as error:
        complain(f"{command.name}: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        complain(f"{command.name}: interrupted")
        return INTERRUPTED
    except Exception as error:  # users get one line, whatever happens
        complain(f"{command.name}: {type(error).__name__}: {error}")
    return COULD_NOT


def report(args: Arguments, event: Event, name: str, status: str, **more: Any) -> None:
    """Print what became of `event`, whose file in the queue is `name`, unless --quiet."""
    if args.quiet:
        return
    if args.json:
        record = {"status": status, "kind": event.kind, "queued_us": int(name.partition("_")[0])}
        if event.dedup_key:
            record[event.dedup_field] = event.dedup_key
        say(encode({**record, **more}).decode("ascii"))
    elif event.kind == "change":
        say("Event processed.")
    else:
        say(f"Event processed. Incident Key: {event.dedup_key}")


def show_request(event: Event, settings: Settings) -> None:
    """Print the request that would deliver `event`, its integration key included."""
    say(f"POST {settings.events_url(event.kind)}\n{event.encode().decode('ascii')}")


def read_input() -> bytes:
    """Return all of standard input, nothing when it is closed. Raises EventError."""
    found = sys.stdin.buffer.read(MAX_INPUT + 1) if sys.stdin else b""
    if len(found) > MAX_INPUT:
        raise EventError(f"standard input is too long: the limit is {MAX_INPUT} bytes")
    return found


def _write(stream: TextIO | None, text: str, end: str) -> None:
    """Write past the stream's buffer: what cannot be printed changes no exit code.

    The event is on disk by then, and a full or closed pipe does not take it back. Text is
    cleaned as in the event, so that the incident key printed is the one sent.
    """
    if stream is None:
        return
    rest = memoryview(clean(text + end).encode(stream.encoding or "utf-8", "backslashreplace"))
    try:
        while rest:
            rest = rest[os.write(stream.fileno(), rest) :]
    except (OSError, ValueError):  # ValueError: the stream was closed
        return
