"""pd-nagios: queue a Nagios or Icinga notification."""

from __future__ import annotations

from pdagent import submission
from pdagent.commands import console, keyfile
from pdagent.commands.options import REPEAT, Arguments, Command, Option, details
from pdagent.sources import nagios

NAME = "pd-nagios"
COMMAND = Command(
    NAME,
    (
        Option("-k", "--service-key", help="integration key"),
        keyfile.KEY_FILE,
        Option(
            "-t",
            "--event-type",
            choices=tuple(nagios.EVENT_TYPES),
            required=True,
            metavar="TYPE",
            help=f"$NOTIFICATIONTYPE$: {', '.join(nagios.EVENT_TYPES)}",
        ),
        Option(
            "-n",
            "--notification-type",
            choices=tuple(nagios.REQUIRED),
            required=True,
            help="what the notification is about",
        ),
        Option("-i", "--incident-key", help="incident key instead of one made of the names"),
        Option("-f", "--field", form=REPEAT, metavar="KEY=VALUE", help="macro; may be repeated"),
    ),
    description="Queue a Nagios notification for PagerDuty.",
)


def main(argv: list[str]) -> int:
    """Run pd-nagios and return its exit code."""
    return console.run(COMMAND, argv, _send)


def _send(args: Arguments) -> int:
    key = keyfile.integration_key(args.service_key, args.key_file, "-k/--service-key")
    fields = details(args.field)
    found = nagios.event(key, args.event_type, args.notification_type, fields, args.incident_key)
    settings = submission.settings_for(args.config)
    event = submission.complete(found, settings, NAME)
    submission.store_trimmed(event, settings)
    console.say(f"Event processed. Incident Key: {event.dedup_key}")
    return console.DONE
