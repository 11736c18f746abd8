"""pd-send --wait: stay until PagerDuty has answered."""

from __future__ import annotations

from pdagent.commands import console
from pdagent.event import EventError, mask
from pdagent.outqueue import tracking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pdagent.commands.options import Arguments
    from pdagent.event import Event
    from pdagent.settings import Settings

STILL_QUEUED = 4
REFUSED = 5

_EXIT_CODES = {
    tracking.ACCEPTED: console.DONE,
    tracking.QUEUED: STILL_QUEUED,
    tracking.REFUSED: REFUSED,
    tracking.REMOVED: console.COULD_NOT,
}


def check_seconds(text: str) -> None:
    """Raise EventError unless the value of --wait is a number of seconds."""
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit()):
        raise EventError(f"argument --wait: {text!r} is not a number of seconds")


def run(args: Arguments, settings: Settings, event: Event, name: str) -> int:
    """Wait for the answer to `event`, queued as `name`; report it and return the exit code."""
    try:
        with tracking.Tracker(settings.outqueue_dir, name, settings.run_dir) as tracker:
            status, record = tracker.wait(float(args.wait))
    except KeyboardInterrupt:
        key = mask(event.key)
        console.complain(f"pd-send: interrupted; event for {key} is queued and will be sent")
        return console.INTERRUPTED
    reason = _reason(status, record, event, args.wait)
    if status in (tracking.ACCEPTED, tracking.QUEUED) or args.json:
        console.report(args, event, name, status, **({"message": reason} if reason else {}))
    if reason:
        console.complain(f"pd-send: {reason}")
    return _EXIT_CODES[status]


def _reason(status: str, record: dict[str, Any], event: Event, limit: str) -> str:
    key = mask(event.key)
    if status == tracking.QUEUED:
        return f"event for {key} still queued after {limit} s; it will be sent; see pd-queue status"
    if status == tracking.REMOVED:
        return f"event for {key} was removed from the queue before it was sent"
    if status == tracking.REFUSED:
        answer = [str(record.get("message") or "no reason stored")]
        answer += [str(error) for error in record.get("errors") or ()]
        return f"event for {key} {record.get('outcome', 'refused')}: {'; '.join(answer)}"
    return ""
