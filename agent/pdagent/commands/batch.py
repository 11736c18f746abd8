"""pd-send --batch: queue request bodies, one JSON object a line, each on its own."""

from __future__ import annotations

import json
import sys

from pdagent import submission
from pdagent.commands import console, keyfile
from pdagent.event import Event, EventError
from pdagent.jsontext import encode
from pdagent.outqueue.inbox import SubmitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pdagent.commands.options import Arguments
    from pdagent.settings import Settings

MAX_LINE = console.MAX_INPUT
_PROGRESS_EVERY = 50


def run(args: Arguments, settings: Settings) -> int:
    """Queue every line of standard input, report each, and return the exit code.

    A bad line stops no other. The exit code is that of the worst line: 1 or, where a limit
    of the queue or the disk was reached, 3. An interrupt takes nothing back.
    """
    batch = _Batch(args, settings)
    watched = console.is_terminal(sys.stderr)
    try:
        for number, line in enumerate(lines(sys.stdin.buffer) if sys.stdin else (), 1):
            if line.strip():
                batch.take(number, line)
            if watched and number % _PROGRESS_EVERY == 0:
                console.complain(f"\r{batch.count}", end="\r")
    except KeyboardInterrupt:
        console.complain(f"pd-send: interrupted: {batch.count}")
        return console.INTERRUPTED
    if watched:
        console.complain(f"\r{batch.count}")
    return batch.exit_code


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines of at most MAX_LINE + 1 bytes; the rest of a longer one is skipped."""
    while line := stream.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE + 1)


class _Batch:
    """What all lines share, and how many were queued and failed so far."""

    def __init__(self, args: Arguments, settings: Settings) -> None:
        self._args = args
        self._settings = settings
        self._key = ""
        if args.service_key or args.key_file:
            self._key = keyfile.integration_key(
                args.service_key, args.key_file, "-k/--service-key", stdin=False
            )
        self._queued = 0
        self._failed = 0
        self.exit_code = console.DONE

    def take(self, number: int, line: bytes) -> None:
        """Queue one line and report it."""
        try:
            self._queue(number, line)
        except (EventError, SubmitError) as error:
            self._failed += 1
            self.exit_code = max(self.exit_code, getattr(error, "exit_code", console.COULD_NOT))
            self._report_failure(number, str(error))
        else:
            self._queued += 1

    @property
    def count(self) -> str:
        """How many lines were queued and failed, in words."""
        return f"{self._queued} queued, {self._failed} failed"

    def _queue(self, number: int, line: bytes) -> None:
        event = submission.complete(self._event(line), self._settings, "pd-send")
        if self._args.dry_run:
            console.show_request(event, self._settings)
        else:
            name = submission.store(event, self._settings)
            console.report(self._args, event, name, "queued", line=number)

    def _event(self, line: bytes) -> Event:
        if len(line) > MAX_LINE:
            raise EventError(f"line is too long: the limit is {MAX_LINE} bytes")
        try:
            body = json.loads(line.decode("utf-8-sig", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            raise EventError(f"not a JSON object: {error}") from None
        has_key = isinstance(body, dict) and ("service_key" in body or "routing_key" in body)
        if self._key and isinstance(body, dict) and not has_key:
            body["service_key" if "event_type" in body else "routing_key"] = self._key
        return Event(body)

    def _report_failure(self, number: int, message: str) -> None:
        if self._args.json and not self._args.quiet:
            record = {"line": number, "status": "failed", "message": message}
            console.say(encode(record).decode("ascii"))
        else:
            console.complain(f"pd-send: line {number}: {message}")
