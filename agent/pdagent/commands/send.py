"""pd-send: queue one event, or many with --batch."""

from __future__ import annotations

import os

from pdagent import submission
from pdagent.commands import console, keyfile
from pdagent.commands.options import FLAG, MAYBE, REPEAT, Arguments, Command, Option, details
from pdagent.event import ACTIONS, SEVERITIES, Event, EventError

NAME = "pd-send"
DEFAULT_WAIT_SECS = "30"

_EPILOG = """\
Any of --severity --source --component --group --class --timestamp --link
--image --dedup-key makes it an Events API v2 event (by default --source is this
host and --severity is error); --change makes it a change event; otherwise it is
a v1 event as in 1.x.

exit codes: 0 queued (--wait: accepted), 1 could not, 2 usage, 3 refused because
the queue or the disk is full, 4 --wait: still queued, 5 --wait: PagerDuty
refused it"""

COMMAND = Command(
    NAME,
    (
        Option("-k", "--service-key", help="integration key (v2: routing key)"),
        keyfile.KEY_FILE,
        Option("-t", "--event-type", choices=ACTIONS, help="what to do with the incident"),
        Option("-d", "--description", help="short description (v2: summary)"),
        Option("-i", "--incident-key", help="key that ties trigger, acknowledge and resolve"),
        Option("-c", "--client", help="name of the monitoring client"),
        Option("-u", "--client-url", help="URL of the monitoring client"),
        Option("-f", "--field", form=REPEAT, metavar="KEY=VALUE", help="detail; may be repeated"),
        Option("-q", "--quiet", form=FLAG, help="print nothing on standard output"),
        Option("--severity", choices=SEVERITIES, help="how bad it is"),
        Option("--source", help="what is affected, preferably a host name"),
        Option("--component", help="part of the source that is affected"),
        Option("--group", help="logical grouping, such as app-stack"),
        Option("--class", help="class or type of the event, such as cpu load"),
        Option("--timestamp", metavar="ISO8601", help="when it happened, with time zone"),
        Option("--link", form=REPEAT, metavar="'URL [TEXT]'", help="link to show; may be repeated"),
        Option(
            "--image",
            form=REPEAT,
            metavar="'URL [TEXT]'",
            help="https image to show; may be repeated",
        ),
        Option("--dedup-key", help="v2 name of the incident key"),
        Option("--change", form=FLAG, help="send a change event instead of an alert"),
        Option("--json", form=FLAG, help="report as JSON"),
        Option("--dry-run", form=FLAG, help="print endpoint and body, with its key; queue nothing"),
        Option(
            "--wait",
            form=MAYBE,
            metavar="SECONDS",
            without=DEFAULT_WAIT_SECS,
            help=f"wait for PagerDuty's answer (default: {DEFAULT_WAIT_SECS} s)",
        ),
        Option(
            "--batch", form=FLAG, help="read request bodies, one JSON object a line, from stdin"
        ),
    ),
    description="Queue an event for PagerDuty.",
    epilog=_EPILOG,
)

_V2_ONLY = (
    "severity",
    "source",
    "component",
    "group",
    "class",
    "timestamp",
    "link",
    "image",
    "dedup_key",
)
# What a change event has no place for.
_ALERT_ONLY = (
    "event_type",
    "incident_key",
    "dedup_key",
    "client",
    "client_url",
    "severity",
    "component",
    "group",
    "class",
)
# What --batch takes from each line instead.
_ONE_EVENT_ONLY = ("field", "description", "source", "timestamp", "link", "image", "change", "wait")


def main(argv: list[str]) -> int:
    """Run pd-send and return its exit code."""
    return console.run(COMMAND, argv, _send)


def _send(args: Arguments) -> int:
    settings = submission.settings_for(args.config)
    if args.batch:
        from pdagent.commands import batch

        _refuse(args, (*_ALERT_ONLY, *_ONE_EVENT_ONLY), "--batch")
        return batch.run(args, settings)
    if args.wait is not None:
        from pdagent.commands import waiting

        waiting.check_seconds(args.wait)
    event = submission.complete(_event(args), settings, NAME)
    if args.dry_run:
        console.show_request(event, settings)
        return console.DONE
    name = submission.store(event, settings)
    _mention_umask(args)
    if args.wait is not None:
        return waiting.run(args, settings, event, name)
    console.report(args, event, name, "queued")
    return console.DONE


def _mention_umask(args: Arguments) -> None:
    """Say what 1.x said of a narrow umask; the modes in the queue do not depend on it."""
    if os.umask(0o022) & 0o644 and not args.quiet:
        (console.complain if args.json else console.say)(
            "WARNING: Current umask too restrictive. Using default umask (022).\n"
            "(For umask requirements, please refer: "
            "https://www.pagerduty.com/docs/guides/agent-install-guide/)"
        )


def _event(args: Arguments) -> Event:
    service_key = keyfile.integration_key(args.service_key, args.key_file, "-k/--service-key")
    if args.change:
        _refuse(args, _ALERT_ONLY, "--change")
        return _change(args, service_key)
    if not args.event_type:
        raise EventError("argument -t/--event-type is required")
    if args.incident_key and args.dedup_key and args.incident_key != args.dedup_key:
        raise EventError("--incident-key and --dedup-key differ; they are the same thing")
    key = args.dedup_key or args.incident_key or None
    if args.event_type == "trigger" and not (args.description or "").strip():
        raise EventError("Event type 'trigger' requires description")
    if args.event_type != "trigger" and not key:
        raise EventError(f"Event type '{args.event_type}' requires incident key")
    if any(getattr(args, name) for name in _V2_ONLY):
        return _v2(args, service_key, key)
    return Event.v1(
        service_key,
        args.event_type,
        description=args.description or None,
        incident_key=key,
        client=args.client or None,
        client_url=args.client_url or None,
        details=details(args.field),
    )


def _v2(args: Arguments, service_key: str, key: str | None) -> Event:
    trigger = args.event_type == "trigger"
    return Event.v2(
        service_key,
        args.event_type,
        dedup_key=key,
        client=args.client or None,
        client_url=args.client_url or None,
        links=_references(args.link, "href", "text"),
        images=_references(args.image, "src", "alt"),
        summary=args.description or None,
        source=args.source or (os.uname().nodename if trigger else None),
        severity=args.severity or ("error" if trigger else None),
        timestamp=args.timestamp,
        component=args.component,
        group=args.group,
        class_=getattr(args, "class"),
        custom_details=details(args.field) or None,
    )


def _change(args: Arguments, service_key: str) -> Event:
    return Event.change(
        service_key,
        links=_references(args.link, "href", "text"),
        images=_references(args.image, "src", "alt"),
        summary=args.description,
        source=args.source or os.uname().nodename,
        timestamp=args.timestamp,
        custom_details=details(args.field) or None,
    )


def _references(words: list[str], url: str, text: str) -> list[dict[str, str]]:
    """Turn 'URL TEXT' words into the API's link or image objects."""
    found = []
    for word in words:
        address, _, label = word.strip().partition(" ")
        found.append({url: address, text: label.strip()} if label.strip() else {url: address})
    return found


def _refuse(args: Arguments, names: tuple[str, ...], mode: str) -> None:
    for name in names:
        if getattr(args, name):
            raise EventError(f"--{name.replace('_', '-')} has no meaning with {mode}")
